/**
 * The metrics of token sources. All but {@link secondsToExpiry} are kept by the sources themselves.
 *
 * Several sources in one program are told apart by the label `source` (the id of their `TokenSource.Tag`), or by
 * labels of your own: build the layer under `Effect.tagMetrics`.
 *
 * @since 0.1.0
 */

import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { quietSleep } from "../lifecycle/quietSleep.js"
import * as telemetry from "../lifecycle/telemetry.js"
import * as TokenSource from "../lifecycle/TokenSource.js"
import * as clocks from "../values/Clocks.js"
import * as ranges from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"

/**
 * Counter: times a token was asked for, retries not counted. Labels: `outcome` (`success`, `failure`), `reason`
 * (`cold`, `ahead`, `expired`, `rejected`), and `error` (the error's tag) on failure.
 *
 * @since 0.1.0
 * @category metrics
 */
export const tokenRequests: Metric.Metric.Counter<number> = telemetry.tokenRequests

/**
 * Counter: attempts that failed and were followed by another. Label: `error`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const tokenRequestRetries: Metric.Metric.Counter<number> = telemetry.tokenRequestRetries

/**
 * Histogram, in seconds: from asking for a token to having it or giving up, retries included.
 *
 * @since 0.1.0
 * @category metrics
 */
export const tokenRequestDuration: Metric.Metric.Histogram<number> = telemetry.tokenRequestDuration

/**
 * Counter: tokens that an API refused with 401.
 *
 * @since 0.1.0
 * @category metrics
 */
export const tokensRejected: Metric.Metric.Counter<number> = telemetry.tokensRejected

/**
 * Counter: tokens taken from the shared store instead of asking the server.
 *
 * @since 0.1.0
 * @category metrics
 */
export const storeHits: Metric.Metric.Counter<number> = telemetry.storeHits

/**
 * Counter: times the shared store could not do what it was asked to. Labels: `operation`, `reason`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const storeFailures: Metric.Metric.Counter<number> = telemetry.storeFailures

/**
 * Counter: anomalies (see `TokenEvent.isAnomaly`). Label: `kind`, the tag of the event.
 *
 * @since 0.1.0
 * @category metrics
 */
export const anomalies: Metric.Metric.Counter<number> = telemetry.anomalies

/**
 * Gauge, in seconds: how long the token last acquired is still valid; zero when it is not, and `Infinity` for a token
 * that came without a known end. Label: `request`, the hash
 * of the token request, for the first hundred keys seen; all other keys share the label `other`, because a metric is
 * kept as long as the process lives. It moves only while {@link observe} or {@link layer} runs.
 *
 * @since 0.1.0
 * @category metrics
 */
export const secondsToExpiry: Metric.Metric.Gauge<number> = Metric.gauge("oauth_token_seconds_to_expiry", {
  description: "How long the held access token is still valid"
})

/** How many keys have a series of their own. */
const mostLabels = 100

interface Expiry {
  readonly expiresAt: number
  readonly period: clocks.Period
}

/**
 * How often {@link secondsToExpiry} is brought up to date. Default 10 seconds, at least 100 milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly every?: Duration.DurationInput | undefined
}

/**
 * Keeps {@link secondsToExpiry} of a source up to date for as long as the scope lives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const observe = <E>(
  source: TokenSource.With<E>,
  options: Options = {}
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    yield* Settings.warn(Settings.problems(ranges.metrics, options, "TokenMetrics"))
    const labels = new Set<string>()
    const labelOf = (key: string): string => {
      if (labels.size < mostLabels) labels.add(key)
      return labels.has(key) ? key : "other"
    }
    const expiries = new Map<string, Expiry>()
    const update = Effect.flatMap(clocks.now, (now) =>
      Effect.forEach(expiries, ([request, { expiresAt, period }]) => {
        // the lesser of both clocks' answers: the wall clock can be set, the steady clock stands still while the
        // machine sleeps
        const left = Math.max(0, Math.min(expiresAt - now.wall, clocks.left(period, now)))
        // an expired token is reported once, with 0, and then dropped, so keys that are no longer used are not kept
        if (left === 0) expiries.delete(request)
        return Effect.tagMetrics(Metric.set(secondsToExpiry, left / 1000), "request", request)
      }, { discard: true }))
    const events = yield* TokenSource.subscribe(source)
    const follow = Stream.runForEach(events, (event) => {
      if (event._tag !== "TokenAcquired") return Effect.void
      const request = labelOf(event.key)
      return Option.match(event.expiresAt, {
        // what is known of the token before says nothing of this one
        onNone: () => {
          expiries.delete(request)
          return Effect.tagMetrics(Metric.set(secondsToExpiry, Number.POSITIVE_INFINITY), "request", request)
        },
        onSome: (expiresAt) =>
          Effect.flatMap(clocks.now, (now) => {
            expiries.set(request, { expiresAt, period: clocks.period(now, expiresAt - now.wall) })
            return update
          })
      })
    })
    // the events of a source by hand may break off: what is known still runs down
    const following = Effect.catchAllCause(follow, () =>
      Effect.logWarning(
        "the events of a token source broke off; its oauth_token_seconds_to_expiry learns of no new token"
      ))
    const poll = Effect.forever(
      Effect.zipRight(quietSleep(Settings.value(ranges.metrics.every, options.every)), update)
    )
    yield* Effect.forkScoped(Effect.interruptible(Effect.zip(following, poll, { concurrent: true })))
  })

/**
 * {@link observe} for the source behind a tag: the default one if none is named. With a tag of your own the gauge has the
 * label `source` with the tag's name, as the other metrics of that source have.
 *
 * @example
 * ```ts
 * import { TokenMetrics, TokenSource } from "effect-bearer"
 * import { Layer } from "effect"
 *
 * class Billing extends TokenSource.Tag("Billing")<Billing>() {}
 *
 * const Metrics = Layer.mergeAll(
 *   TokenMetrics.layer(), // needs the default source
 *   TokenMetrics.layer({ source: Billing, every: "30 seconds" }) // needs Billing
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: {
  <Id, E>(
    options: Options & { readonly source: Context.Tag<Id, TokenSource.With<E>> }
  ): Layer.Layer<never, never, Id>
  (options?: Options & { readonly source?: undefined }): Layer.Layer<never, never, TokenSource.TokenSource>
} = <Id, E>(
  { source, ...options }: Options & { readonly source?: Context.Tag<Id, TokenSource.With<E>> | undefined } = {}
): Layer.Layer<never, never, Id> => {
  // without a tag, the overload says that `Id` is that of the default source
  const standard = TokenSource.TokenSource as unknown as Context.Tag<Id, TokenSource.With<E>>
  const tag = source ?? standard
  const observing = Effect.flatMap(tag, (tokens) => observe(tokens, options))
  return Layer.scopedDiscard(tag === standard ? observing : Effect.tagMetrics(observing, "source", tag.key))
}
