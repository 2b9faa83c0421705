/**
 * A circuit breaker: a token endpoint that keeps failing is left alone for a while, and callers are told at once.
 *
 * - *closed*: everything passes; failures in a row are counted.
 * - *open*: after too many of them nothing passes, until a time that is known to the caller.
 * - *half-open*: from then on exactly one attempt passes as a probe. Its outcome closes the breaker or opens it again,
 *   for twice as long as before.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as clocks from "../values/Clocks.js"
import { partOf } from "../values/flight.js"
import { isRequestBound } from "../values/runtime.js"
import { circuitBreaker as ranges } from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"
import * as SharedWork from "../values/SharedWork.js"
import type { Underway } from "../values/signsOfLife.js"
import { Current } from "../values/signsOfLife.js"
import * as TokenError from "../values/TokenError.js"
import { TokenEvent } from "../values/TokenEvent.js"
import type { Phase, Phases } from "./circuitBreaker/phases.js"
import { make as makePhases } from "./circuitBreaker/phases.js"
import { isRetryable } from "./foreignError.js"
import * as pipeline from "./pipeline.js"
import * as source from "./source.js"

/**
 * The state of a breaker: how it treats the next attempt.
 *
 * @since 0.1.0
 * @category models
 */
export type State = Data.TaggedEnum<{
  /** Lets it pass. `failures` is how many failed in a row so far. */
  Closed: { readonly failures: number }
  /** Turns it away until `retryAt` (epoch milliseconds); the first one after that is the probe. */
  Open: { readonly failures: number; readonly retryAt: number }
  /** Turns it away, because the probe is under way. If the probe is overdue, the state is `Open` and its time is up. */
  HalfOpen: { readonly failures: number }
}>

/**
 * Constructors, `$is` and `$match` of {@link State}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const State = Data.taggedEnum<State>()

/**
 * The settings of a breaker; all optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many failures in a row open it. Default 5, at least 1. */
  readonly failureThreshold?: number | undefined
  /** How long it stays open the first time. It doubles with every probe that fails. Default 30 seconds. */
  readonly resetAfter?: Duration.DurationInput | undefined
  /** The longest it stays open by itself. Default 5 minutes. */
  readonly maxResetAfter?: Duration.DurationInput | undefined
  /** Whether an error counts as a failure. Default {@link isFailure}. Defects always do, interruption never does. */
  readonly isFailure?: ((error: unknown) => boolean) | undefined
}

/**
 * A breaker for any effect.
 *
 * @since 0.1.0
 * @category models
 */
export interface CircuitBreaker {
  /** Runs an effect if the breaker lets it pass, and learns from its outcome. */
  readonly protect: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | TokenError.CircuitOpen, R>
  /** How the breaker would treat an attempt now. */
  readonly state: Effect.Effect<State>
}

/**
 * The default of `isFailure`: transient errors, and retries that were exhausted. A fatal error is an *answer*: the
 * endpoint lives, so it closes the breaker as a success does.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFailure = (error: unknown): boolean =>
  isRetryable(error) || Predicate.isTagged(error, "RetriesExhausted")

/**
 * Makes a breaker for any effect. Use one for everything that fails together: one authorization server.
 *
 * **Details**
 *
 * An interrupted attempt proves nothing: if it was the probe, the next attempt becomes the probe. An attempt that
 * started before the breaker opened and ends later is ignored. The server's `Retry-After`, or `retryAt` of an exhausted
 * retry, extends the time it stays open, up to an hour. While the probe is under way `CircuitOpen.retryAt` is `None`:
 * nobody knows yet.
 *
 * **Example** (Three failures in a row)
 *
 * ```ts
 * import { CircuitBreaker, TokenError } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * declare const fetchToken: Effect.Effect<string, TokenError.RequestError>
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker.make({ failureThreshold: 3, resetAfter: "10 seconds" })
 *   return yield* breaker.protect(fetchToken)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<CircuitBreaker> =>
  Effect.map(makeReporting(options), ({ protect, state }) => ({
    protect: (effect) => protect(effect, () => Effect.void),
    state
  }))

/**
 * Protects a source: after too many failures in a row its requests fail at once with `CircuitOpen`. In a pipeline its
 * name is `TokenSource.circuitBreaker`.
 *
 * **Details**
 *
 * All keys of the source share one breaker. Put it outside `TokenSource.retry`, where a failure is an exhausted retry,
 * and before `TokenSource.cached`, so that tokens that are held are served while it is open. It publishes
 * `CircuitOpened` and `CircuitClosed`.
 *
 * **Example** (Before the cache)
 *
 * ```ts
 * import type { TokenError, TokenSource } from "effect-bearer"
 * import { CircuitBreaker } from "effect-bearer"
 *
 * declare const tokens: TokenSource.With<TokenError.RequestError>
 *
 * //      ┌─── Effect<TokenSource.With<RequestError | CircuitOpen>>
 * //      ▼
 * const guarded = tokens.pipe(CircuitBreaker.protect({ failureThreshold: 5, resetAfter: "30 seconds" }))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const protect = (options: Options = {}) =>
<S extends pipeline.Input>(
  self: S
): pipeline.FlatMapped<S, source.With<pipeline.ErrorOf<S> | TokenError.CircuitOpen>> =>
  pipeline.flatMap(self, (self) =>
    Effect.map(makeReporting(options), (breaker) => {
      const tell = source.telling(self)
      return source.mapRequests(
        self,
        (effect, request) =>
          breaker.protect(effect, (state) =>
            tell(request, (common) =>
              state._tag === "Open"
                ? TokenEvent.CircuitOpened({ ...common, failures: state.failures, retryAt: state.retryAt })
                : TokenEvent.CircuitClosed(common)))
      )
    }))

/**
 * Runs `effect` as the probe: its signs of life count for `probe`. Where the request that owns it may vanish, a steady
 * beat says that it is still there.
 */
const within = <A, E, R>(probe: Underway, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const work = partOf(probe, Effect.provideService(effect, Current, probe))
  return isRequestBound() ? Effect.raceFirst(work, Effect.interruptible(SharedWork.beat(probe))) : work
}

type Changed = (state: Exclude<State, { readonly _tag: "HalfOpen" }>) => Effect.Effect<void>

const makeReporting = (options: Options) =>
  Effect.map(Settings.warn(Settings.problems(ranges, options, "circuitBreaker")), () => {
    const resetAfter = Settings.value(ranges.resetAfter, options.resetAfter)
    const phases = makePhases({
      threshold: Math.ceil(Settings.value(ranges.failureThreshold, options.failureThreshold)),
      resetAfter,
      longest: Math.max(resetAfter, Settings.value(ranges.maxResetAfter, options.maxResetAfter))
    })
    const settle = settling(phases, options.isFailure ?? isFailure)
    const admit = Effect.flatMap(
      clocks.now,
      (now) => Either.mapLeft(phases.admit(now), (retryAt) => new TokenError.CircuitOpen({ retryAt }))
    )
    return {
      protect: <A, E, R>(
        effect: Effect.Effect<A, E, R>,
        onChange: Changed
      ): Effect.Effect<A, E | TokenError.CircuitOpen, R> =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(admit, (entered) =>
            Effect.onExit(
              restore(entered._tag === "HalfOpen" ? within(entered.probe, effect) : effect),
              (exit) => settle(entered, exit, onChange)
            ))
        ),
      state: Effect.map(clocks.now, (now) => stateOf(phases.current(), now))
    }
  })

/** Learns from how an attempt ended. */
const settling = (phases: Phases, counts: (error: unknown) => boolean) => {
  const failed = (entered: Phase, error: unknown, onChange: Changed): Effect.Effect<void> =>
    Effect.flatMap(clocks.now, (now) => {
      const opened = phases.failed(entered, error, now)
      return opened === undefined ? Effect.void : onChange(State.Open(opened))
    })
  const answered = (entered: Phase, onChange: Changed): Effect.Effect<void> =>
    Effect.suspend(() => phases.answered(entered) ? onChange(State.Closed({ failures: 0 })) : Effect.void)

  return (entered: Phase, exit: Exit.Exit<unknown, unknown>, onChange: Changed): Effect.Effect<void> => {
    if (Exit.isSuccess(exit)) return answered(entered, onChange)
    if (Option.isSome(Cause.dieOption(exit.cause))) return failed(entered, undefined, onChange)
    const error = Cause.failureOption(exit.cause)
    if (Option.isNone(error)) return Effect.sync(() => phases.abandoned(entered))
    return Effect.sync(() => counts(error.value)).pipe(
      // a predicate that throws must not leave the breaker half-open
      Effect.tapErrorCause(() => failed(entered, error.value, onChange)),
      Effect.flatMap((failure) => failure ? failed(entered, error.value, onChange) : answered(entered, onChange))
    )
  }
}

const stateOf = (phase: Phase, { steady, wall }: clocks.Now): State => {
  switch (phase._tag) {
    case "Closed":
      return State.Closed({ failures: phase.failures })
    case "HalfOpen":
      // the probe hangs, or its owner is gone: the next attempt takes its place
      return phase.probe.isOverdue(steady)
        ? State.Open({ failures: phase.failures, retryAt: Math.ceil(wall) })
        : State.HalfOpen({ failures: phase.failures })
    case "Open":
      return State.Open({ failures: phase.failures, retryAt: Math.ceil(wall + Math.max(0, phase.until - steady)) })
  }
}
