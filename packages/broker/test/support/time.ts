/** Virtual time beside real sockets, and a wall clock that somebody sets. */
import type { Duration } from "effect"
import { Clock, Effect, Fiber, TestClock } from "effect"

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

/** A wall clock that can be set, on top of the steady test clock. */
export const steppable = Effect.map(Effect.clock, (clock) => {
  const state = { step: 0 }
  const stepped: Clock.Clock = {
    ...clock,
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + state.step,
    unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + state.step),
    currentTimeNanos: clock.currentTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  return { stepped, state }
})
