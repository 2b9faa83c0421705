import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** A value fetched when it is needed, and kept for a while. */
export interface Remembered<A, E> {
  readonly get: Effect.Effect<A, E>
  /** The next `get` fetches. */
  readonly forget: Effect.Effect<void>
}

interface Kept<A> {
  readonly value: A
  readonly from: number
  until: number
}

/**
 * One fetch is under way at a time, and those who wait for it share what comes of it. A failure goes to them and to
 * nobody else. Who fetches is a caller: if it is interrupted, the next in line fetches.
 */
export const make = <A, E>(options: {
  readonly fetch: Effect.Effect<{ readonly value: A; readonly timeToLive: Duration.Duration }, E>
  /** Whether an old value is better than this failure. */
  readonly orStale: (error: E) => boolean
}): Remembered<A, E> => {
  const gate = Effect.unsafeMakeSemaphore(1)
  let kept: Kept<A> | undefined
  let attempts = 0
  let last: Exit.Exit<A, E> | undefined

  const fetch = Effect.gen(function*() {
    const exit = yield* Effect.exit(options.fetch)
    const now = yield* Clock.currentTimeMillis
    if (Exit.isFailure(exit) && Exit.isInterrupted(exit)) return yield* Exit.failCause(exit.cause)
    attempts++
    if (Exit.isSuccess(exit)) {
      kept = { value: exit.value.value, from: now, until: now + Duration.toMillis(exit.value.timeToLive) }
      last = Exit.succeed(exit.value.value)
    } else {
      const old = kept
      last = old !== undefined && exit.cause._tag === "Fail" && options.orStale(exit.cause.error)
        ? Exit.succeed(old.value)
        : Exit.failCause(exit.cause)
    }
    return yield* last
  })

  return {
    get: Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<A, E> => {
      // a clock that was set back must not make a value last
      if (kept !== undefined && now >= kept.from && now < kept.until) return Effect.succeed(kept.value)
      const before = attempts
      return gate.withPermits(1)(Effect.suspend(() => attempts !== before && last !== undefined ? last : fetch))
    }),
    forget: Effect.sync(() => {
      if (kept !== undefined) kept.until = Number.NEGATIVE_INFINITY
    })
  }
}
