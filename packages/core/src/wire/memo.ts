/** A value fetched when it is needed, and kept for a while: the metadata of a server. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Now } from "../values/Clocks.js"
import * as clocks from "../values/Clocks.js"
import * as SharedWork from "../values/SharedWork.js"

export interface Remembered<A, E> {
  readonly get: Effect.Effect<A, E>
  /** Makes the next `get` fetch the value. */
  readonly forget: Effect.Effect<void>
}

interface Kept<A> {
  readonly value: A
  readonly at: Now
  readonly timeToLive: number
  forgotten: boolean
}

/** Both clocks count: the steady clock cannot be put back, and only the wall clock goes on while the machine sleeps. */
const isGood = ({ at, forgotten, timeToLive }: Kept<unknown>, now: Now): boolean =>
  !forgotten && now.steady - at.steady < timeToLive && now.wall - at.wall < timeToLive

/**
 * One fetch is under way at a time, and all waiting callers share its result. A failure goes to them and is not kept
 * for later callers. A fetch that hangs is given up, see {@link SharedWork}.
 */
export const make = <A, E>(options: {
  readonly fetch: Effect.Effect<{ readonly value: A; readonly timeToLive: Duration.Duration }, E>
  /** Whether an old value is better than this failure. */
  readonly orStale: (error: E) => boolean
}): Remembered<A, E> => {
  let kept: Kept<A> | undefined

  const fetch = SharedWork.make(
    Effect.flatMap(Effect.exit(options.fetch), (exit): Effect.Effect<A, E> => {
      if (Exit.isSuccess(exit)) {
        const { timeToLive, value } = exit.value
        return Effect.map(clocks.now, (at) => {
          kept = { value, at, timeToLive: Duration.toMillis(timeToLive), forgotten: false }
          return value
        })
      }
      const old = kept
      return old !== undefined && exit.cause._tag === "Fail" && options.orStale(exit.cause.error)
        ? Effect.succeed(old.value)
        : Effect.failCause(exit.cause)
    })
  )

  return {
    get: Effect.flatMap(
      clocks.now,
      (now) => kept !== undefined && isGood(kept, now) ? Effect.succeed(kept.value) : fetch
    ),
    forget: Effect.sync(() => {
      if (kept !== undefined) kept.forgotten = true
    })
  }
}
