// What all parts of one cache work with.
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import type * as TokenError from "../../values/TokenError.js"
import type { Reason } from "../../values/TokenEvent.js"
import type { Timing } from "../lifetime.js"
import type * as source from "../source.js"
import type { Keys } from "./keys.js"
import type { Slot } from "./slot.js"
import { until } from "./tokenLife.js"
import type { Workers } from "./workers.js"

/** A token, or the errors of the source. */
export type Token<E> = Effect.Effect<AccessToken, E>

export interface Context<E> {
  /** The source in front of which the cache stands. */
  readonly self: source.With<E>
  readonly publish: source.Hooks["publish"]
  readonly clock: Clock.Clock
  readonly keys: Keys<E>
  /** Requests run here, in the cache's scope, never on the fiber of a caller. */
  readonly workers: Workers
  /** The credentials of the source, to find out whether they have changed; `undefined` if it does not tell. */
  readonly credentials: Effect.Effect<Option.Option<unknown>> | undefined
  /** Whether work ends with the request that began it. */
  readonly requestBound: boolean
  /** `overdueAfter` in milliseconds; `undefined` if neither it nor the deadline of the source is known. */
  readonly limit: number | undefined
  /** Absent if the errors of the source do not include this one. */
  readonly fail: ((error: TokenError.RequestError) => Exit.Exit<never, E>) | undefined
  /** Serves the held token of a slot, or else gets a token for `reason`. */
  readonly obtain: (slot: Slot<E>, clock: Clock.Clock, reason: Reason) => Token<E>
  /** Called after every attempt. */
  readonly onSettled: (slot: Slot<E>) => void
  /** For callers that come when the cache is closed. */
  readonly usedAfterClose: Token<E>
  timing: Timing
  closed: boolean
}

const slowest = 120_000

/** How long a flight may be without a sign of life, in milliseconds. */
export const limitOf = <E>({ limit }: Context<E>, { held }: Slot<E>, reason: Reason, now: Now): number =>
  limit ?? Math.max(slowest, reason === "ahead" && held !== undefined ? until(held, held.mustAt, now) : 0)

/** Without `fail` a defect is all that is left; it is a bug of the program. */
export const failing = <E>({ fail }: Pick<Context<E>, "fail">, error: TokenError.RequestError): Exit.Exit<never, E> =>
  fail === undefined ? Exit.die(error) : fail(error)
