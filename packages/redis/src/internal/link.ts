// A connection to Redis that is made at the first use and again after it broke.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Clocks from "effect-bearer/Clocks"
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

/** A link around a client that the program connects itself. */
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

/** The same where nothing was sent, or a server of several is gone: the others may have taken its place by now. */
const shortPatience = 1000

/** How a connection reports its state after it was opened. */
export interface Signals {
  /** It is of no use any more. */
  readonly lose: () => void
  /** A part of it is gone. It is opened anew, unless that has just been done. */
  readonly doubt: () => void
}

/** Between attempts: doubled each time, from the first to the last. A refusal stays until a person has acted. */
const pauses = { trouble: [25, 1000], refusal: [1000, 60_000] } as const

const nextPause = (pause: number, [shortest, longest]: readonly [number, number]): number =>
  Math.min(longest, Math.max(shortest, pause * 2))

interface Held<A> {
  readonly connected: A
  readonly since: Clocks.Now
  readonly lose: Effect.Effect<unknown>
}

/**
 * Opens something in the background, and again whenever it is lost, for ever. The client library could reconnect by
 * itself, but in each topology in another way, and not in all situations: so nothing is ever repaired, and every new
 * attempt begins from scratch.
 *
 * `open` says when what it opened is of no use any more.
 */
export const supervise = <A>(
  open: (signals: Signals) => Effect.Effect<A, failure.Failure, Scope.Scope>
): Effect.Effect<Link<A>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const isOlder = ({ since }: Held<A>, age: number) => Clocks.isOver(Clocks.period(since, age), Clocks.read(clock))
    let held: Held<A> | undefined
    let trouble: failure.Failure | undefined
    // open: the outcome of the last attempt is known
    const settled = yield* Effect.makeLatch(false)
    // after the end no attempt follows: the callers that wait for one get an error
    yield* Effect.addFinalizer(() => {
      trouble = failure.closed
      return settled.open
    })

    const hold = Effect.gen(function*() {
      const lost = yield* Deferred.make<void>()
      const lose = () => Deferred.unsafeDone(lost, Effect.void)
      const doubt = () => {
        if (held !== undefined && isOlder(held, shortPatience)) lose()
      }
      const connected = yield* open({ lose, doubt }).pipe(
        Effect.timeoutFail({
          duration: longestAttempt,
          onTimeout: () =>
            new failure.Failure({ code: "ETIMEDOUT", detail: "the server does not answer", isLink: true })
        })
      )
      held = { connected, since: yield* Clocks.now, lose: Deferred.succeed(lost, undefined) }
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
      let pause = 0
      while (true) {
        const young = Clocks.period(yield* Clocks.now, patience)
        let kind: keyof typeof pauses = "trouble"
        yield* Effect.catchAll(hold, (error) => {
          trouble = error
          if (error.isRefusal === true) kind = "refusal"
          return settled.open
        })
        // what held for a while starts over; what did not is tried less and less often, and not in step with others
        if (kind === "trouble" && Clocks.isOver(young, yield* Clocks.now)) pause = 0
        pause = nextPause(pause, pauses[kind])
        yield* Effect.sleep(pause * (0.5 + (yield* Random.next) / 2))
      }
    })
    yield* Effect.forkScoped(Effect.interruptible(keep))

    /**
     * What a connection cannot do any more, because the servers behind it have changed, the next one may. What was not
     * sent is sent there, once: the first who notices must not be the one who pays for it.
     */
    const attempt = <B>(
      f: (connected: A, signal: AbortSignal) => Promise<B>,
      isLast: boolean
    ): Effect.Effect<B, failure.Failure> =>
      Effect.suspend(() => {
        const current = held
        if (current === undefined) {
          return trouble === undefined ? Effect.zipRight(settled.await, attempt(f, isLast)) : Effect.fail(trouble)
        }
        return Effect.catchAll(call(current.connected, f), (error) => {
          const isUnsent = error.isUnsent === true
          // another caller has noticed before, and there is a new connection by now
          const isPast = held !== current
          if (!error.isLink || !(isPast || isOlder(current, isUnsent ? shortPatience : patience))) {
            return Effect.fail(error)
          }
          const next = isUnsent && !isLast ? attempt(f, true) : Effect.fail(error)
          if (isPast) return next
          // nobody else is to be sent there
          held = undefined
          return Effect.zipRight(Effect.zipRight(settled.close, current.lose), next)
        })
      })
    const use: Link<A>["use"] = (f) => attempt(f, false)
    return { use, isUp: () => held !== undefined }
  })
