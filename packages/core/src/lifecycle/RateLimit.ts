/**
 * A limit on how often this process asks for tokens, so that the authorization server need not turn it away.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as clocks from "../values/Clocks.js"
import { rateLimit as ranges } from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"
import * as SharedWork from "../values/SharedWork.js"
import * as TokenError from "../values/TokenError.js"
import { TokenEvent } from "../values/TokenEvent.js"
import type { TokenRequest } from "../values/TokenRequest.js"
import * as pipeline from "./pipeline.js"
import * as source from "./source.js"

/**
 * What happens to a request that exceeds the limit: it waits for its turn, or it fails with `RateLimited`, which says
 * when there will be room.
 *
 * @since 0.1.0
 * @category models
 */
export type OnExceeded = "wait" | "fail"

/**
 * The settings of a limit; all optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Mode extends OnExceeded = OnExceeded> {
  /** How many requests may start in any `interval`. Default 100, at least 1. */
  readonly limit?: number | undefined
  /** Default 1 minute. */
  readonly interval?: Duration.DurationInput | undefined
  /** Default `"wait"`. */
  readonly onExceeded?: Mode | undefined
}

/**
 * How a limit in a given mode can fail.
 *
 * @since 0.1.0
 * @category models
 */
export type Failure<Mode extends OnExceeded> = Mode extends "fail" ? TokenError.RateLimited : never

/**
 * A limit for any effect.
 *
 * @since 0.1.0
 * @category models
 */
export interface RateLimit<out E> {
  /** Runs an effect when there is room. */
  readonly limit: <A, E2, R>(effect: Effect.Effect<A, E2, R>) => Effect.Effect<A, E | E2, R>
}

/**
 * Makes a limit for any effect, for example to share one between several sources of the same client.
 *
 * **Details**
 *
 * Never more than `limit` effects start in *any* interval, whenever it begins. An interrupted waiter gives its place to
 * the next. How long effects run does not matter.
 *
 * Effect's own `RateLimiter` is not used because a bucket or a fixed window lets nearly twice the limit through in an
 * interval laid across its edge, and cannot tell how long a wait will be.
 *
 * **Example** (Ten a second)
 *
 * ```ts
 * import { RateLimit } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * declare const fetchToken: Effect.Effect<string>
 *
 * const program = Effect.gen(function*() {
 *   const tenPerSecond = yield* RateLimit.make({ limit: 10, interval: "1 second" })
 *   return yield* tenPerSecond.limit(fetchToken)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Mode extends OnExceeded = "wait">(
  options: Options<Mode> = {}
): Effect.Effect<RateLimit<Failure<Mode>>> =>
  Effect.map(makeReporting(options), ({ admit }) => ({
    limit: (effect) => Effect.zipRight(admit(() => Effect.void), effect)
  }))

/**
 * Limits the token requests of a source: by default 100 a minute, over all its keys. In a pipeline its name is
 * `TokenSource.rateLimit`.
 *
 * **Details**
 *
 * Put it inside `TokenSource.retry`, so that every attempt counts, and before `TokenSource.cached`, so that serving a
 * held token does not. `TokenSource.shared` around it waits for room before it takes the lease, not while it holds the
 * lease. A request that has to wait is published as `Throttled`. With `"fail"`, put it outside
 * `CircuitBreaker.protect`: its `RateLimited` says nothing about the server.
 *
 * **Example** (Inside retry)
 *
 * ```ts
 * import type { TokenError, TokenSource } from "effect-bearer"
 * import { RateLimit } from "effect-bearer"
 *
 * declare const tokens: TokenSource.With<TokenError.RequestError>
 *
 * const limited = tokens.pipe(RateLimit.limit({ limit: 100, interval: "1 minute" }))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const limit =
  <Mode extends OnExceeded = "wait">(options: Options<Mode> = {}) =>
  <S extends pipeline.Input>(self: S): pipeline.FlatMapped<S, source.With<pipeline.ErrorOf<S> | Failure<Mode>>> =>
    pipeline.flatMap(self, (self) =>
      Effect.map(makeReporting(options), ({ admit, giveBack }) => {
        const tell = source.telling(self)
        const admitTo = (request: TokenRequest) =>
          admit((delay) => tell(request, (common) => TokenEvent.Throttled({ ...common, delay })))
        return source.mapRequests(self, (effect, request) => Effect.zipRight(admitTo(request), effect), {
          admission: { inner: self, admit: (request) => Effect.map(admitTo(request), giveBack) }
        })
      }))

/** A timer counts in 31 bits; after each slice the clock is read again. */
const longestSleep = 60 * 60 * 1000

const makeReporting = <Mode extends OnExceeded>(options: Options<Mode>) =>
  Effect.map(Settings.warn(Settings.problems(ranges, options, "rateLimit")), () => {
    const limit = Math.floor(Settings.value(ranges.limit, options.limit))
    const interval = Settings.value(ranges.interval, options.interval)
    // the fiber that holds it only sleeps; a fiber that vanishes loses its turn
    const turnstile = SharedWork.makeLock({ overdueAfter: Duration.infinity })
    // When the last `limit` effects started, oldest first.
    const starts: Array<number> = []
    /** How long a request with `ahead` waiting requests before it has to wait, in milliseconds. */
    const delayFor = (ahead: number, now: number): number => {
      // each interval admits `limit` of the waiting requests
      const oldest = starts[starts.length - limit + ahead % limit]
      const turn = oldest === undefined ? 0 : Math.max(0, oldest + interval - now)
      return Math.ceil(turn + Math.floor(ahead / limit) * interval)
    }

    const start = (now: number): number => {
      starts.push(now)
      if (starts.length > limit) starts.shift()
      return now
    }

    // the start that was shifted out for this one is over an interval old, so it need not be put back
    const giveBack = (start: number): Effect.Effect<void> =>
      Effect.sync(() => {
        const place = starts.lastIndexOf(start)
        if (place >= 0) starts.splice(place, 1)
      })

    const refuse = (delay: number) =>
      Effect.fail(
        new TokenError.RateLimited({
          endpoint: "The client-side rate limit",
          status: 429,
          retryAfter: Option.some(Duration.millis(delay)),
          description: Option.some(`${limit} requests in ${interval} ms`)
        })
      )

    /** Runs while it holds the turnstile: no other request overtakes, and an interrupted sleeper has taken no room. */
    const sleepUntilFree: Effect.Effect<number> = Effect.flatMap(clocks.now, ({ steady: now }) => {
      const delay = delayFor(0, now)
      return delay > 0
        ? Effect.zipRight(Effect.sleep(Math.min(delay, longestSleep)), sleepUntilFree)
        : Effect.sync(() => start(now))
    })

    /** Gives the time of the start, by the steady clock. */
    const admit = (onWait: (delay: number) => Effect.Effect<void>): Effect.Effect<number, Failure<Mode>> =>
      Effect.flatMap(clocks.now, ({ steady: now }): Effect.Effect<number, TokenError.RateLimited> => {
        const waiting = turnstile.size
        const delay = delayFor(waiting, now)
        if (delay === 0 && waiting === 0) return Effect.sync(() => start(now))
        if (options.onExceeded === "fail") return refuse(delay)
        return Effect.zipRight(
          Effect.zipRight(SharedWork.expect(delay), onWait(delay)),
          turnstile.withLock(sleepUntilFree)
        )
      }) as Effect.Effect<number, Failure<Mode>>

    return { admit, giveBack }
  })
