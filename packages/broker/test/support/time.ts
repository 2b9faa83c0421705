/** Virtual time beside real sockets, and a wall clock that somebody sets. */
import type { Duration } from "effect"
import { Effect, Fiber, TestClock } from "effect"

export { steppable } from "../../../core/test/support/time.js"

/** Lets sockets and files come to their events; no virtual time passes. */
export const turn = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 10)))

/** Lets time pass until the effect has ended: what it waits for comes over sockets as well. */
export const passing = <A, E, R>(effect: Effect.Effect<A, E, R>, step: Duration.DurationInput = "100 millis") =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    while (fiber.unsafePoll() === null) {
      yield* TestClock.adjust(step)
      yield* turn
    }
    return yield* Fiber.join(fiber)
  })
