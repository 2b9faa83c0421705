import type { Duration } from "effect"
import { Clock, Effect, Fiber, TestClock, TestServices } from "effect"

/** Runs effects at once and lets time pass. */
export const together = <A, E>(
  effects: ReadonlyArray<Effect.Effect<A, E>>,
  time: Duration.DurationInput = "1 second"
) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.all(effects, { concurrency: "unbounded" }))
    yield* TestClock.adjust(time)
    // the digest of a token request is a promise, which the clock does not wait for
    while (fiber.unsafePoll() === null) {
      yield* TestServices.provideLive(Effect.sleep(5))
      yield* TestClock.adjust(time)
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
