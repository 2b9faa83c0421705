// The metrics and log lines that follow from the events of a source.
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import * as errorCode from "../values/errorCode.js"
import * as logs from "../values/logs.js"
import { shownDuration } from "../values/shownDuration.js"
import { isAnomaly, TokenEvent } from "../values/TokenEvent.js"

// The constants are published, with their documentation, by TokenMetrics.

export const tokenRequests = Metric.counter("oauth_token_requests", {
  description: "Times a token was asked for, retries not counted, by outcome and reason",
  incremental: true
})

export const tokenRequestRetries = Metric.counter("oauth_token_request_retries", {
  description: "Attempts that failed and were followed by another, by error",
  incremental: true
})

export const tokenRequestDuration = Metric.histogram(
  "oauth_token_request_duration_seconds",
  MetricBoundaries.exponential({ start: 0.01, factor: 2, count: 14 }),
  "From asking for a token to having it, retries included"
)

export const tokensRejected = Metric.counter("oauth_tokens_rejected", {
  description: "Tokens that an API refused with 401",
  incremental: true
})

export const anomalies = Metric.counter("oauth_token_anomalies", {
  description: "Events an operator wants to know about, by kind",
  incremental: true
})

export const storeHits = Metric.counter("oauth_token_store_hits", {
  description: "Tokens taken from the shared store instead of asking the server",
  incremental: true
})

export const storeFailures = Metric.counter("oauth_token_store_failures", {
  description: "Times the shared store could not do what it was asked to, by operation and reason",
  incremental: true
})

const count = (
  counter: Metric.Metric.Counter<number>,
  labels: Readonly<Record<string, string>>
): Effect.Effect<void> => Effect.tagMetrics(Metric.increment(counter), labels)

const anomaly = (event: TokenEvent): Effect.Effect<void> => count(anomalies, { kind: event._tag })

const observed = (elapsed: number): Effect.Effect<void> => Metric.update(tokenRequestDuration, elapsed / 1000)

const none = (): Effect.Effect<void> => Effect.void

/** What each event adds to the metrics. */
const measure: (event: TokenEvent) => Effect.Effect<void> = TokenEvent.$match({
  AcquisitionStarted: none,
  TokenAcquired: ({ elapsed, reason }) =>
    Effect.zipRight(count(tokenRequests, { outcome: "success", reason }), observed(elapsed)),
  RefreshFailed: (event) =>
    Effect.all([
      count(tokenRequests, { outcome: "failure", reason: event.reason, error: event.error }),
      observed(event.elapsed),
      anomaly(event)
    ], { discard: true }),
  RequestAbandoned: anomaly,
  RetryScheduled: ({ error }) => count(tokenRequestRetries, { error }),
  TokenRejected: () => Metric.increment(tokensRejected),
  RevokedEarly: anomaly,
  ClientUsedElsewhere: anomaly,
  TokenInactive: anomaly,
  FreshTokenRejected: anomaly,
  SentWithoutToken: anomaly,
  ScopeDrift: anomaly,
  OverBroadScope: anomaly,
  NoProgress: anomaly,
  LifetimeUnknown: none,
  KeyForgotten: none,
  CircuitOpened: none,
  CircuitClosed: none,
  Throttled: none,
  TokenShared: () => Metric.increment(storeHits),
  RefreshingElsewhere: none,
  LeaseLost: anomaly,
  StoreFailed: (event) =>
    Effect.zipRight(count(storeFailures, { operation: event.operation, reason: event.reason }), anomaly(event)),
  StoreRecovered: none
})

type Line = readonly [level: LogLevel.LogLevel, message: string]

/** The log line of each event. The fields of the event are its annotations. */
const line: (event: TokenEvent) => Line = TokenEvent.$match({
  AcquisitionStarted: (): Line => [LogLevel.Trace, "asking for an access token"],
  TokenAcquired: (): Line => [LogLevel.Debug, "access token acquired"],
  RefreshFailed: ({ stillServing }): Line =>
    stillServing
      ? [LogLevel.Warning, "access token not renewed; the held one is still served"]
      : [LogLevel.Error, "no access token to be had"],
  RequestAbandoned: (): Line => [LogLevel.Warning, "token request given up: nothing was heard of it for too long"],
  RetryScheduled: (): Line => [LogLevel.Info, "token request failed and will be tried again"],
  TokenRejected: (): Line => [LogLevel.Info, "access token refused by the API"],
  RevokedEarly: (): Line => [LogLevel.Warning, "access token refused before its expiry: revoked?"],
  ClientUsedElsewhere: (): Line => [
    LogLevel.Warning,
    "somebody else gets tokens for this client, and each new token ends the last: share a store (TokenStore), or " +
    "give each program a client of its own"
  ],
  TokenInactive: (): Line => [LogLevel.Warning, "access token is not active any more, says introspection: revoked?"],
  FreshTokenRejected: (): Line => [LogLevel.Warning, "API refuses a token that was just renewed"],
  SentWithoutToken: ({ allowed, origin }): Line => [
    LogLevel.Warning,
    `401 from ${origin}, which got no token: it is not among the origins of BearerAuth, ${allowed} is. Add it to ` +
    "origins, or wrap the call in BearerAuth.skip"
  ],
  ScopeDrift: (): Line => [LogLevel.Warning, "scopes granted are not those requested"],
  OverBroadScope: (): Line => [LogLevel.Warning, "scopes requested are broader than advisable"],
  NoProgress: (): Line => [LogLevel.Warning, "the server handed out a token that is no better than the last"],
  LifetimeUnknown: (): Line => [LogLevel.Debug, "access token came without a usable lifetime"],
  KeyForgotten: (): Line => [LogLevel.Debug, "access token no longer renewed: nobody asks for it"],
  CircuitOpened: (): Line => [LogLevel.Warning, "circuit breaker opened: token requests are suspended"],
  CircuitClosed: (): Line => [LogLevel.Info, "circuit breaker closed"],
  Throttled: (): Line => [LogLevel.Info, "token request waits for the client-side rate limit"],
  TokenShared: (): Line => [LogLevel.Debug, "access token taken from the shared store"],
  RefreshingElsewhere: (): Line => [LogLevel.Debug, "another process is fetching the access token"],
  LeaseLost: (): Line => [LogLevel.Warning, "fetching the access token outlasted the lease; another process took over"],
  StoreFailed: ({ reason }): Line =>
    reason === "unreadable"
      ? [LogLevel.Warning, "what the shared store holds cannot be read; a new access token will replace it"]
      : [LogLevel.Warning, "shared store not usable; working alone"],
  StoreRecovered: (): Line => [LogLevel.Info, "shared store usable again"]
})

/** Whether `Date` and `Duration` can show a number: a user's own source may give any number. */
const isShowable = (millis: number): boolean => Math.abs(millis) <= 8.64e15

const iso = (millis: number): string => isShowable(millis) ? new Date(millis).toISOString() : String(millis)

const readable = (name: string, value: unknown): unknown => {
  if (Option.isOption(value)) return Option.isSome(value) ? readable(name, value.value) : undefined
  // a list on one line
  if (Array.isArray(value)) return value.join(" ")
  if (typeof value !== "number") return value
  if (name.endsWith("At")) return iso(value)
  return isShowable(value) && ["elapsed", "delay", "age", "remaining", "idle"].includes(name)
    ? shownDuration(value)
    : value
}

const annotations = (event: TokenEvent): Record<string, unknown> => {
  const { _tag, at: _at, key, ...rest } = event
  const facts = Object.entries(rest).map(([name, value]) =>
    // loggers have a `message` of their own
    [name === "message" ? "detail" : name, readable(name, value)] as const
  )
  return {
    event: _tag,
    request: key,
    ...Object.fromEntries(facts.filter(([, value]) => value !== undefined))
  }
}

const log = (event: TokenEvent, write: logs.Write): Effect.Effect<void> => {
  const [level, said] = line(event)
  const message = isAnomaly(event) ? errorCode.append(said, event._tag) : said
  return write(
    level,
    Effect.suspend(() => Effect.annotateLogs(Effect.logWithLevel(level, message), annotations(event)))
  )
}

/** Counts one event and logs it. */
export const report = (event: TokenEvent, write: logs.Write = logs.all): Effect.Effect<void> =>
  Effect.zipRight(measure(event), log(event, write))

/**
 * The same for the events of one source, made where the source is made: whatever fiber an event comes from, its metrics
 * have the labels, and its line the annotations, under which the source was made.
 */
export const reporter: Effect.Effect<(event: TokenEvent) => Effect.Effect<void>> = Effect.map(
  Effect.all([
    logs.writer,
    FiberRef.get(FiberRef.currentMetricLabels),
    FiberRef.get(FiberRef.currentLogAnnotations)
  ]),
  ([write, labels, annotations]) => {
    if (labels.length === 0 && HashMap.isEmpty(annotations)) return (event) => report(event, write)
    const names = new Set(labels.map(({ key }) => key))
    return (event) =>
      report(event, write).pipe(
        Effect.locallyWith(
          FiberRef.currentMetricLabels,
          // the order of labels tells two metrics apart: labels that are there already stay where they are
          (others) =>
            labels.every((label) => others.some((other) => Equal.equals(other, label)))
              ? others
              : [...others.filter(({ key }) => !names.has(key)), ...labels]
        ),
        // a source may be made by the first request that needs it: what the present one says of itself comes first
        Effect.locallyWith(FiberRef.currentLogAnnotations, (others) => HashMap.union(annotations, others))
      )
  }
)
