import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as failure from "./failure.js"

/** Something connected to Redis, for as long as it holds. */
export interface Link<A> {
  /**
   * Uses what is connected. While nothing is, it waits for the first attempt after the connection was lost, and fails
   * at once after that. The signal is aborted when the effect is interrupted: what was not sent by then never will be.
   */
  readonly use: <B>(f: (connected: A, signal: AbortSignal) => Promise<B>) => Effect.Effect<B, failure.Failure>
  /** Whether there is a connection, as far as one knows. */
  readonly isUp: () => boolean
}

/** Around something that somebody else connects. */
export const steady = <A>(connected: A): Link<A> => ({
  use: (f) => Effect.mapError(call(connected, f), failure.ofOthers),
  isUp: () => true
})

const call = <A, B>(connected: A, f: (connected: A, signal: AbortSignal) => Promise<B>) =>
  Effect.tryPromise({ try: (signal) => f(connected, signal), catch: failure.fromError })

/** One attempt takes no longer than this. */
const longestAttempt = "5 seconds"

/** A connection younger than this is not given up because a server does not do its part: it would not help. */
const patience = 5000

const shortestPause = 25
const longestPause = 1000

interface Held<A> {
  readonly connected: A
  readonly since: number
  readonly lose: Effect.Effect<unknown>
}

/**
 * Opens something in the background, and again whenever it is lost, for ever. The client library could reconnect by
 * itself, but in each topology in another way, and not in all situations: so nothing is ever repaired, and every new
 * attempt begins from scratch.
 *
 * `open` calls `lose` when what it opened is of no use any more.
 */
export const supervise = <A>(
  open: (lose: () => void) => Effect.Effect<A, failure.Failure, Scope.Scope>
): Effect.Effect<Link<A>, never, Scope.Scope> =>
  Effect.gen(function*() {
    let held: Held<A> | undefined
    let trouble: failure.Failure | undefined
    // open: the outcome of the last attempt is known
    const settled = yield* Effect.makeLatch(false)
    // after the end no attempt follows: whoever waits for one is told
    yield* Effect.addFinalizer(() => {
      trouble = failure.closed
      return settled.open
    })

    const hold = Effect.gen(function*() {
      const lost = yield* Deferred.make<void>()
      const connected = yield* open(() => Deferred.unsafeDone(lost, Effect.void)).pipe(
        Effect.timeoutFail({
          duration: longestAttempt,
          onTimeout: () =>
            new failure.Failure({ code: "ETIMEDOUT", detail: "the server does not answer", isLink: true })
        })
      )
      held = { connected, since: yield* Clock.currentTimeMillis, lose: Deferred.succeed(lost, undefined) }
      trouble = undefined
      yield* settled.open
      yield* Deferred.await(lost)
    }).pipe(
      Effect.onExit(() =>
        Effect.suspend(() => {
          if (held === undefined) return Effect.void
          held = undefined
          return settled.close
        })
      ),
      Effect.scoped
    )

    const keep = Effect.gen(function*() {
      let pause = shortestPause
      while (true) {
        const began = yield* Clock.currentTimeMillis
        yield* Effect.catchAll(hold, (error) => {
          trouble = error
          return settled.open
        })
        // what held for a while starts over; what did not is tried less and less often, and not in step with others
        if ((yield* Clock.currentTimeMillis) - began >= patience) pause = shortestPause
        yield* Effect.sleep(pause * (0.5 + (yield* Random.next) / 2))
        pause = Math.min(longestPause, pause * 2)
      }
    })
    yield* Effect.forkScoped(Effect.interruptible(keep))

    const use: Link<A>["use"] = (f) =>
      Effect.suspend(() => {
        const current = held
        if (current === undefined) {
          return trouble === undefined ? Effect.zipRight(settled.await, use(f)) : Effect.fail(trouble)
        }
        return Effect.tapError(
          call(current.connected, f),
          ({ isLink }) =>
            isLink
              ? Effect.flatMap(
                Clock.currentTimeMillis,
                (now) => now - current.since >= patience ? current.lose : Effect.void
              )
              : Effect.void
        )
      })
    return { use, isUp: () => held !== undefined }
  })
