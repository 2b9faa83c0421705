import type { Clock } from "effect"
import { Effect } from "effect"

/** Sets the wall clock to so many milliseconds beside the steady one. */
export type SetWall = (step: number) => void

/**
 * Runs with a wall clock that can be set, on top of the clock that is in place: the steady clock and sleeps are those of
 * that one. A `TestClock` goes on being one.
 */
export const withSettableClock = <A, E, R>(use: (set: SetWall) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    let step = 0
    const wall = () => clock.unsafeCurrentTimeMillis() + step
    const settable = Object.create(clock, {
      unsafeCurrentTimeMillis: { value: wall },
      // a TestClock makes them of its milliseconds
      unsafeCurrentTimeNanos: { value: () => clock.unsafeCurrentTimeNanos() },
      currentTimeMillis: { value: Effect.sync(wall) }
    }) as Clock.Clock
    return Effect.withClock(
      use((next) => {
        step = next
      }),
      settable
    )
  })
