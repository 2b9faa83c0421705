/**
 * How long something takes, as the process that waits for it sees it. A stall of the process (other programs have the
 * machine) counts as one tick, however long it is: an upper bound on this time fails for a wait that is too long, not for
 * a machine that is too slow.
 */
import { Effect } from "effect"

/** Milliseconds. */
const tick = 10

/** The milliseconds, and the result. */
export const attended = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [number, A], E, R> =>
  Effect.suspend(() => {
    let ticks = 0
    const timer = setInterval(() => ticks++, tick)
    return Effect.ensuring(effect, Effect.sync(() => clearInterval(timer))).pipe(
      Effect.map((result) => [ticks * tick, result] as const)
    )
  })

/** Of this process: the exit code is 3 if it goes on for longer than that, although it has nothing left to do. */
export const exitWithin = (milliseconds: number): void => {
  let ticks = 0
  setInterval(() => ticks++, tick).unref()
  process.once("exit", () => {
    if (ticks * tick > milliseconds) process.exitCode = 3
  })
}
