/**
 * Which failures are tried again, when, and for how long.
 *
 * A policy is an Effect `Schedule` whose *input type* is exactly the errors it may retry. The compiler therefore keeps
 * a fatal error out of every retry, and every combinator of `Schedule` works on a policy.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Decision from "effect/ScheduleDecision"
import * as Interval from "effect/ScheduleInterval"
import * as Intervals from "effect/ScheduleIntervals"
import * as clocks from "../values/Clocks.js"
import type * as compileError from "../values/compileError.js"
import { retry as ranges } from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"
import * as SharedWork from "../values/SharedWork.js"
import * as TokenError from "../values/TokenError.js"
import * as foreignError from "./foreignError.js"

// ---------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------

/**
 * A schedule that takes the errors it may retry and yields the waits between attempts.
 *
 * It is a plain `Schedule`: `Effect.retry(effect, policy)` compiles when every error of `effect` is one of `E`, and
 * `Schedule.tapInput`, `Schedule.whileInput`, `Schedule.intersect`… change it. A schedule made elsewhere that yields
 * durations is a policy as it stands; {@link fromSchedule} turns any other into one.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryPolicy<in E, out R = never> extends Schedule.Schedule<Duration.Duration, E, R> {}

/**
 * What makes an error transient: `retryable` is the literal `true`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Retryable {
  readonly retryable: true
}

/**
 * What makes an error fatal: `retryable` is the literal `false`.
 *
 * @since 0.1.0
 * @category models
 */
export interface NotRetryable {
  readonly retryable: false
}

/**
 * What is left of the transient errors of `E` when a policy gives up.
 *
 * @since 0.1.0
 * @category models
 */
export type Exhausted<E> = TokenError.RetriesExhausted<Extract<E, Retryable>>

/**
 * The errors of an effect that was retried: the fatal ones of `E` as they were, the transient ones as
 * {@link Exhausted}.
 *
 * @since 0.1.0
 * @category models
 */
export type Retried<E> = Exclude<E, Retryable> | Exhausted<E>

/**
 * A failed attempt that another will follow.
 *
 * @since 0.1.0
 * @category models
 */
export interface Retry<out E> {
  readonly error: E
  /** The attempt that failed, counted from 1. */
  readonly attempt: number
  /** The wait before the next one. */
  readonly delay: Duration.Duration
}

/**
 * Never a value: the compiler shows it, with a message and the errors at fault, where {@link retry} cannot be applied.
 *
 * @since 0.1.0
 * @category models
 */
export interface CompileError<Message extends string, Errors> extends compileError.CompileError<Message, Errors> {}

/**
 * What a hook is told of the errors of a policy: a policy for all transient errors says no more than that they are.
 *
 * @since 0.1.0
 * @category models
 */
export type Told<In> = [Retryable] extends [In]
  ? Retryable & { readonly _tag?: string | undefined; readonly message?: string | undefined }
  : In

/**
 * `unknown` when errors `E` can be retried by a policy for `In`, a {@link CompileError} otherwise. Intersect a
 * parameter with it to demand the same of your own combinator.
 *
 * @since 0.1.0
 * @category models
 */
export type Check<E, In> = 0 extends 1 & E ? unknown
  : [Unclassified<E>] extends [never] ? [Extract<E, Retryable>] extends [never] ? CompileError<
        "This effect has no transient error (`readonly retryable: true`), so there is nothing to retry",
        E
      >
    : [Extract<E, Retryable>] extends [In] ? unknown
    : CompileError<"The policy does not accept these transient errors", Exclude<Extract<E, Retryable>, In>>
  : CompileError<
    "These errors say neither `readonly retryable: true` nor `readonly retryable: false`",
    Unclassified<E>
  >

// excluded one after the other: `retryable: boolean` extends the union of the two types, but neither of them alone
type Unclassified<E> = Exclude<Exclude<E, Retryable>, NotRetryable>

/**
 * How a wait is spread so that many clients do not come back at once. `d` is the exponential wait, already capped.
 *
 * - `"full"`: anything from 0 to `d`
 * - `"equal"`: half of `d`, plus anything up to the other half
 * - `"decorrelated"`: from `base` to `factor` times the previous wait (its usual form has `factor: 3`)
 * - `"none"`: `d` itself
 * - a number from 0 to 1: `d` plus or minus this fraction; `0.2` is what `Schedule.jittered` does
 * - a duration: `d` plus anything up to it
 *
 * No form gives a wait above the cap.
 *
 * @since 0.1.0
 * @category models
 */
export type Jitter =
  | "full"
  | "equal"
  | "decorrelated"
  | "none"
  | number
  | Duration.Duration
  | `${number} ${Duration.Unit}`

/**
 * The settings of {@link exponentialJitter}; all optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The first wait, before jitter. Default 500 milliseconds; 0 retries at once. */
  readonly base?: Duration.DurationInput | undefined
  /** How much each wait is longer than the one before. Default 2; 1 makes them all the same. */
  readonly factor?: number | undefined
  /** No wait is longer, unless the server asks for it. Default 30 seconds. */
  readonly cap?: Duration.DurationInput | undefined
  /** Attempts after the first. Default 3; 0 never retries. */
  readonly maxRetries?: number | undefined
  /**
   * No retry starts later than this after the first failure, so the waits never add up to more. Default 60 seconds;
   * `Infinity` for no limit.
   */
  readonly maxElapsed?: Duration.DurationInput | undefined
  /** Default `"equal"`: three retries then outlast an outage of two seconds. */
  readonly jitter?: Jitter | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------

/** A timer of the runtime counts milliseconds in 31 bits; a longer sleep never wakes. */
const longestSleep = 2 ** 31 - 1

/**
 * How much is added at random to a `Retry-After`, as a fraction of it: enough that many clients do not come back at
 * once, too little to matter to one caller.
 */
const convoySpread = 0.1

const wait = (millis: number) => Decision.continueWith(Interval.after(millis))

/**
 * Waits that grow exponentially and are spread by jitter.
 *
 * **Details**
 *
 * - A `Retry-After` (a `retryAfter` field on the error) is a *minimum*: the wait is never shorter, even where that
 *   exceeds `cap`. Unless jitter is off, up to a tenth of it (at least `base`, at most `cap`) is added, because all
 *   clients that were turned away got the same time.
 * - A wait that would end after `maxElapsed` is not begun: the policy gives up at once, and {@link retry} says in
 *   `RetriesExhausted.retryAt` when to come back.
 * - Randomness is Effect's `Random`: `Effect.withRandom(Random.make("seed"))` makes a run repeatable.
 * - Numbers out of range are moved to the nearest in range, `NaN` counts as absent: a number read from configuration
 *   cannot stop a program.
 * - Two well-known settings: "0.5 s · 2ⁿ plus up to 0.5 s" is `{ base: "500 millis", jitter: "500 millis" }`; "1 s,
 *   doubling, 10 % jitter, capped at 30 s" is `{ base: "1 second", jitter: 0.1 }`.
 *
 * - It retries any transient error, those of your own too. A type argument narrows it to some of them:
 *   `exponentialJitter<TokenError.RateLimited>()` does not compile around an effect with another transient error.
 *
 * **Example** (Errors of your own)
 *
 * ```ts
 * import { RetryPolicy } from "effect-bearer"
 * import { Data, Effect } from "effect"
 *
 * class VaultSealed extends Data.TaggedError("VaultSealed") {
 *   readonly retryable = true as const
 * }
 *
 * const read = Effect.fail(new VaultSealed()).pipe(
 *   RetryPolicy.retry(RetryPolicy.exponentialJitter({ base: "200 millis", maxRetries: 5 }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const exponentialJitter = <E extends Retryable = Retryable>(
  options: Options = {}
): RetryPolicy<E> => {
  const base = Settings.value(ranges.base, options.base)
  const cap = Math.floor(Math.min(Settings.value(ranges.cap, options.cap), longestSleep))
  const factor = Settings.value(ranges.factor, options.factor)
  const maxRetries = Settings.value(ranges.maxRetries, options.maxRetries)
  const maxElapsed = Settings.value(ranges.maxElapsed, options.maxElapsed)
  const jitter = options.jitter ?? "equal"
  const bounds = boundsOf(jitter, { base, cap, factor })
  const isExact = jitter === "none" || jitter === 0

  return Schedule.makeWithState(
    { retries: 0, since: Option.none<number>(), waited: 0, previous: base },
    (now, error: E, state) =>
      Effect.zipWith(Effect.zip(Random.next, Random.next), clocks.now, ([random, late], { steady: moment }) => {
        const since = Option.getOrElse(state.since, () => moment)
        // By the steady clock, so that a wall clock that is set changes nothing. With `delays` no time passes, so
        // `waited` counts.
        const elapsed = Math.max(moment - since, state.waited)
        const left = Math.floor(Math.min(maxElapsed - elapsed, longestSleep))
        const own = pick(bounds(state.retries, state.previous), random)
        const minimum = Math.ceil(retryAfter(error))
        if (state.retries + 1 > maxRetries || !(Math.max(own, minimum) <= left)) {
          return [state, Duration.zero, Decision.done] as const
        }
        const spread = isExact ? 0 : Math.min(Math.max(minimum * convoySpread, base), cap)
        const delay = minimum > own ? Math.min(minimum + Math.floor(late * spread), left) : own
        return [
          { retries: state.retries + 1, since: Option.some(since), waited: state.waited + delay, previous: own },
          Duration.millis(delay),
          wait(now + delay)
        ] as const
      })
  )
}

/** The shortest and the longest wait a retry may get. */
type Bounds = readonly [low: number, high: number]

const boundsOf = (
  jitter: Jitter,
  { base, cap, factor }: { readonly base: number; readonly cap: number; readonly factor: number }
): (retries: number, previous: number) => Bounds => {
  if (jitter === "decorrelated") {
    const low = Math.min(Math.floor(base), cap)
    return (_, previous) => [low, Math.max(low, Math.min(cap, grown(previous, factor)))]
  }
  const spread = spreadOf(jitter, cap)
  return (retries) => spread(Math.min(cap, grown(base, factor ** retries)))
}

/** A factor may be infinite, or become so, which `min` puts right; 0 · ∞ it would not. */
const grown = (wait: number, factor: number): number => wait === 0 ? 0 : Math.floor(wait * factor)

const jitterFraction = Settings.number(0, { most: 1 })
const jitterDuration = Settings.duration(0)

const spreadOf = (jitter: Exclude<Jitter, "decorrelated">, cap: number): (d: number) => Bounds => {
  switch (jitter) {
    case "full":
      return (d) => [0, d]
    case "equal":
      return (d) => [Math.ceil(d / 2), d]
    case "none":
      return (d) => [d, d]
  }
  if (typeof jitter === "number") {
    const fraction = Settings.value(jitterFraction, jitter)
    return (d) => [Math.ceil(d * (1 - fraction)), Math.min(cap, Math.floor(d * (1 + fraction)))]
  }
  const extra = Settings.value(jitterDuration, jitter)
  return (d) => [d, Math.min(cap, Math.floor(d + extra))]
}

const pick = ([low, high]: Bounds, random: number): number =>
  Math.min(high, low + Math.floor(random * (high - low + 1)))

const retryAfter = (error: unknown): number => Option.getOrElse(TokenError.retryAfterMillis(error), () => 0)

/**
 * Makes a policy of any schedule: its waits are lengthened to the server's `Retry-After`, and it ends where a wait
 * would be longer than a timer can count (24.8 days).
 *
 * **Details**
 *
 * {@link retry} and {@link delays} do this by themselves. It is for `Effect.retry`, and for options that ask for a
 * {@link RetryPolicy}. The schedule itself decides how long a `Retry-After` is worth waiting for: add
 * `Schedule.whileInput` to turn down long ones.
 *
 * **Example** (Every second, a minute long, but never earlier than the server allows)
 *
 * ```ts
 * import { RetryPolicy } from "effect-bearer"
 * import { Schedule } from "effect"
 *
 * const policy = RetryPolicy.fromSchedule(
 *   Schedule.spaced("1 second").pipe(Schedule.upTo("1 minute"))
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromSchedule = <Out, E, R>(schedule: Schedule.Schedule<Out, E, R>): RetryPolicy<E, R> =>
  Schedule.makeWithState(
    { inner: schedule.initial, start: Option.none<Start>(), waited: 0 },
    (now, error: E, state) =>
      Effect.flatMap(clocks.now, ({ steady }) => {
        const start = Option.getOrElse(state.start, () => ({ wall: now, steady }))
        // the time that the schedule sees starts at the wall clock and goes on by the steady clock, which nobody can
        // set
        const its = start.wall + Math.max(steady - start.steady, state.waited)
        return Effect.map(schedule.step(its, error, state.inner), ([inner, , decision]) => {
          const delay = Decision.isDone(decision)
            ? Infinity
            : Math.max(0, Intervals.start(decision.intervals) - its, retryAfter(error))
          const next = { inner, start: Option.some(start), waited: state.waited + delay }
          return delay <= longestSleep
            ? [next, Duration.millis(delay), wait(now + delay)] as const
            : [next, Duration.zero, Decision.done] as const
        })
      })
  )

/** When a schedule began, by both clocks. */
interface Start {
  readonly wall: number
  readonly steady: number
}

// ---------------------------------------------------------------------------------------------------------------
// combinators
// ---------------------------------------------------------------------------------------------------------------

/**
 * Retries the transient errors of an effect. Fatal errors, defects and interruption leave at once.
 *
 * **Details**
 *
 * When the policy gives up, the transient errors have become one {@link Exhausted}, which carries the last of them and
 * says when to come back, if the server told. `Retry-After` is a minimum whatever the schedule. Each wait is logged
 * (level Info) with `attempt`, `delay` in milliseconds, the error's tag and its `status`, never with its message.
 * `onRetry` runs before each wait.
 *
 * It does not compile where retrying makes no sense: when the effect has no transient error, when the policy does not
 * accept one of them, or when an error does not say whether it is transient.
 *
 * **Example** (What is left to handle)
 *
 * ```ts
 * import { RetryPolicy, TokenError } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * declare const fetchToken: Effect.Effect<string, TokenError.RateLimited | TokenError.OAuthError>
 *
 * //      ┌─── Effect<string, OAuthError | RetriesExhausted<RateLimited>>
 * //      ▼
 * const retried = fetchToken.pipe(RetryPolicy.retry(RetryPolicy.exponentialJitter({ maxRetries: 2 })))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const retry: {
  <In, R2>(
    policy: Schedule.Schedule<unknown, In, R2>,
    options?: { readonly onRetry?: ((retry: Retry<Told<NoInfer<In>>>) => Effect.Effect<void>) | undefined }
  ): <A, E, R>(self: Effect.Effect<A, E, R> & Check<E, In>) => Effect.Effect<A, Retried<E>, R | R2>
  <A, E, R, In, R2>(
    self: Effect.Effect<A, E, R> & Check<E, In>,
    policy: Schedule.Schedule<unknown, In, R2>,
    options?: { readonly onRetry?: ((retry: Retry<NoInfer<Extract<E, Retryable>>>) => Effect.Effect<void>) | undefined }
  ): Effect.Effect<A, Retried<E>, R | R2>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R, In, R2>(
    self: Effect.Effect<A, E, R>,
    policy: Schedule.Schedule<unknown, In, R2>,
    options?: { readonly onRetry?: ((retry: Retry<never>) => Effect.Effect<void>) | undefined }
  ): Effect.Effect<A, Retried<E>, R | R2> => {
    const onRetry = options?.onRetry
    return retryReporting(
      self,
      policy,
      (failed) => onRetry === undefined ? log(failed) : Effect.zipRight(log(failed), onRetry(failed as Retry<never>))
    )
  }
)

/**
 * {@link retry} without its compile-time check, for code that is generic in `E`, and with `report` in place of the log
 * line. The check belongs to the combinator that calls it.
 *
 * @internal
 */
export const retryReporting = <A, E, R, In, R2>(
  self: Effect.Effect<A, E, R>,
  policy: Schedule.Schedule<unknown, In, R2>,
  report: (retry: Retry<In>) => Effect.Effect<void>
): Effect.Effect<A, Retried<E>, R | R2> =>
  Effect.flatMap(clocks.now, (start) => {
    const checked = fromSchedule(policy)
    const schedule = Schedule.makeWithState(
      { attempt: 1, policy: checked.initial },
      (now, error: E, state) => {
        const done = [state, state.attempt, Decision.done] as const
        // the policy never sees an error that is not of its input type
        if (!isRetryable<E, In>(error)) return Effect.succeed(done)
        return Effect.flatMap(checked.step(now, error, state.policy), ([next, delay, decision]) =>
          Decision.isDone(decision) ? Effect.succeed(done) : Effect.as(
            Effect.zipRight(SharedWork.expect(delay), report({ error, attempt: state.attempt, delay })),
            [{ attempt: state.attempt + 1, policy: next }, state.attempt, decision] as const
          ))
      }
    )
    return Effect.retryOrElse(self, schedule, (last, attempts): Effect.Effect<never, Retried<E>> =>
      isRetryable<E, Extract<E, Retryable>>(last)
        ? Effect.flatMap(clocks.now, ({ steady, wall }) =>
          Effect.fail(
            new TokenError.RetriesExhausted({
              attempts,
              elapsed: Duration.millis(Math.round(steady - start.steady)),
              last,
              retryAt: Option.filter(TokenError.retryAt(last, wall), Number.isFinite)
            })
          ))
        : Effect.fail(last as Exclude<E, Retryable>))
  })

const isRetryable = <E, T>(error: E): error is E & T => foreignError.isRetryable(error)

const log = ({ attempt, delay, error }: Retry<unknown>): Effect.Effect<void> => {
  const tag = foreignError.nameOf(error, "an error of its own")
  const status = Predicate.hasProperty(error, "status") && Predicate.isNumber(error.status) ? error.status : undefined
  const millis = Math.round(Duration.toMillis(delay))
  return Effect.annotateLogs(
    Effect.logInfo(`Attempt ${attempt} failed with ${tag}; the next one follows in ${millis} ms`),
    { attempt, delay: millis, error: tag, ...(status === undefined ? {} : { status }) }
  )
}

/**
 * The waits a policy would make if attempts failed with `errors`, one after the other: as many as there are errors, or
 * fewer when the policy gives up. Nothing sleeps: time is taken to advance by the waits alone.
 *
 * **Details**
 *
 * This is for property tests of a policy. Fix the jitter with `Effect.withRandom(Random.make("seed"))`.
 *
 * **Example** (A doubling policy)
 *
 * ```ts
 * import { RetryPolicy, TokenError } from "effect-bearer"
 * import { Effect, Option } from "effect"
 *
 * const down = new TokenError.EndpointUnavailable({
 *   endpoint: "https://login.example/token",
 *   status: 503,
 *   retryAfter: Option.none(),
 *   description: Option.none()
 * })
 *
 * const policy = RetryPolicy.exponentialJitter({ base: "1 second", jitter: "none", maxRetries: 3 })
 *
 * // 1, 2 and 4 seconds
 * Effect.runSync(RetryPolicy.delays(policy, [down, down, down, down]))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const delays: {
  <In>(
    errors: Iterable<In>
  ): <R>(policy: Schedule.Schedule<unknown, In, R>) => Effect.Effect<Array<Duration.Duration>, never, R>
  <In, R>(
    policy: Schedule.Schedule<unknown, In, R>,
    errors: Iterable<NoInfer<In>>
  ): Effect.Effect<Array<Duration.Duration>, never, R>
} = dual(
  2,
  <In, R>(policy: Schedule.Schedule<unknown, In, R>, errors: Iterable<In>) =>
    Effect.gen(function*() {
      const checked = fromSchedule(policy)
      const waits: Array<Duration.Duration> = []
      const clock = yield* Effect.clock
      const began = { wall: clock.unsafeCurrentTimeMillis(), nanos: clock.unsafeCurrentTimeNanos() }
      let waited = 0
      let state: unknown = checked.initial
      for (const error of errors) {
        const now = began.wall + waited
        const nanos = began.nanos + BigInt(Math.round(waited * 1_000_000))
        const [next, delay, decision] = yield* Effect.withClock(
          checked.step(now, error, state),
          standing(clock, now, nanos)
        )
        if (Decision.isDone(decision)) break
        waits.push(delay)
        waited += Duration.toMillis(delay)
        state = next
      }
      return waits
    })
)

/** A clock that shows one moment, however long a step takes: the waits must not depend on the speed of the machine. */
const standing = (clock: Clock.Clock, wall: number, nanos: bigint): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => wall,
  unsafeCurrentTimeNanos: () => nanos,
  currentTimeMillis: Effect.succeed(wall),
  currentTimeNanos: Effect.succeed(nanos),
  sleep: (duration) => clock.sleep(duration)
})
