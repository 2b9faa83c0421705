/**
 * Gets the token of a profile that has to have one, before anybody asks: one that is `required`, or has a file. The
 * background refresh of its source renews it from then on; what is left to do here is to ask again after a failure.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as TokenError from "effect-bearer/TokenError"
import type { Running } from "./registry.js"

/** How often the held token is asked for: a source forgets keys that are not asked for. */
const usual = 600_000

const shortest = 1000
const longest = 60_000

export const keep = ({ own }: Running): Effect.Effect<never> =>
  Effect.forever(Effect.gen(function*() {
    const exit = yield* Effect.exit(own.get())
    if (Exit.isSuccess(exit)) return yield* Effect.sleep(usual)
    const now = yield* Clock.currentTimeMillis
    const at = Option.flatMap(Cause.failureOption(exit.cause), (error) => TokenError.retryAt(error, now))
    const wait = Option.match(at, { onNone: () => 10 * shortest, onSome: (at) => at - now })
    yield* Effect.sleep(Math.min(longest, Math.max(shortest, wait)))
  }))
