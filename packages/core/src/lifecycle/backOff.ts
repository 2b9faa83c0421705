// How long to wait after failures before the next request. All numbers are milliseconds.
import * as Option from "effect/Option"
import * as TokenError from "../values/TokenError.js"

/** Far more doublings than there are between the shortest and the longest time; 2 ** 1024 is infinite, and 0 · ∞ is no time. */
const mostDoublings = 64

/** Doubles with each failure in a row, from `first` after the first failure up to `longest`. */
export const step = (failures: number, first: number, longest: number): number =>
  Math.min(longest, first * 2 ** Math.min(failures - 1, mostDoublings))

/** Steps of a renewal in the background: doubling from a tenth of the lifetime, a second at most, to half a minute. */
export const backgroundStep = (failures: number, lifetime: number): number =>
  step(failures, Math.max(50, Math.min(1000, lifetime / 10)), 30_000)

/** How long a failure is repeated to callers without a token: one second after the first failure, at most five. */
export const refusalStep = (failures: number): number => step(failures, 1000, 5000)

/** The least time between two token requests of one key that both brought a token. */
export const leastPause = 500

/** How long the server asks us to wait, by this error; at most `longest`, whatever the server says. */
export const mandated = (error: unknown, now: number, longest = 5 * 60_000): number =>
  Option.match(TokenError.retryAt(error, now), {
    onNone: () => 0,
    onSome: (retryAt) => Math.min(longest, Math.max(0, retryAt - now))
  })
