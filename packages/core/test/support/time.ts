import type { Duration } from "effect"
import { Clock, Effect, Fiber, TestClock } from "effect"

/** No test needs more steps; without a limit a fiber that waits for something other than time would never end. */
const mostSteps = 1000

/** Runs effects concurrently and lets time pass, in steps of `time`, until all have ended. */
export const together = <A, E>(
  effects: ReadonlyArray<Effect.Effect<A, E>>,
  time: Duration.DurationInput = "1 second"
) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.all(effects, { concurrency: "unbounded" }))
    for (let step = 0; step < mostSteps; step++) {
      yield* TestClock.adjust(time)
      if (fiber.unsafePoll() !== null) return yield* Fiber.join(fiber)
    }
    return yield* Effect.dieMessage(`still waiting after ${mostSteps} steps of time`)
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
