/**
 * Watching a source: what happens to its tokens as lines for people, what is odd about it on a channel of its own, and
 * the metrics at the end.
 *
 * Run it with `node --import tsx examples/src/observing-events.ts`. It brings its own servers.
 */
import { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect, Layer, Logger, LogLevel, Match, Metric, MetricState, Stream } from "effect"
import { BearerAuth, ClientAuthentication, RetryPolicy, TokenEvent, TokenMetrics, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "./support/AuthorizationServer.js"
import { expect } from "./support/Expect.js"
import * as ProtectedApi from "./support/ProtectedApi.js"

// --- lines for people --------------------------------------------------------------------------------------------

const millis = (duration: number) => Duration.format(Duration.millis(Math.round(duration)))

// `TokenEvent.TokenEvent.$match` wants a line for every event; here those without one go by their name.
const line = Match.type<TokenEvent.TokenEvent>().pipe(
  Match.tags({
    AcquisitionStarted: ({ reason }) => `asking for a token (${reason})`,
    TokenAcquired: ({ elapsed }) => `got one after ${millis(elapsed)}`,
    RetryScheduled: ({ attempt, delay, error }) => `attempt ${attempt}: ${error}; again in ${millis(delay)}`,
    RefreshFailed: ({ error, stillServing }) => `${error}; ${stillServing ? "the old one still serves" : "no token!"}`,
    TokenRejected: ({ age }) => `refused by the API at the age of ${millis(age)}`,
    RevokedEarly: () => "refused before its time: revoked?"
  }),
  Match.orElse(({ _tag }) => _tag)
)

// --- two sinks ---------------------------------------------------------------------------------------------------

/**
 * Follows a source for as long as the scope lives. A slow sink never slows the source down: it misses events instead.
 * Events hold neither tokens nor secrets, so they may go anywhere.
 */
const watch = (
  source: TokenSource.With<unknown>,
  sinks: {
    readonly everything: (event: TokenEvent.TokenEvent) => Effect.Effect<void>
    readonly anomalies: (event: TokenEvent.TokenEvent) => Effect.Effect<void>
  }
) =>
  Effect.gen(function*() {
    // `source.events` begins when the stream is run, and a forked fiber doesn't run at once. This begins here.
    const events = yield* TokenSource.subscribe(source)
    yield* events.pipe(
      Stream.tap(sinks.everything),
      Stream.filter(TokenEvent.isAnomaly),
      Stream.runForEach(sinks.anomalies),
      Effect.forkScoped
    )
  })

/** Waits for something to happen: events are good for that too. */
const next = (source: TokenSource.With<unknown>, tag: TokenEvent.TokenEvent["_tag"]) =>
  source.events.pipe(Stream.filter(({ _tag }) => _tag === tag), Stream.runHead)

// --- the play ----------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const server = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  const source = yield* TokenSource.TokenSource

  const pages: Array<string> = []
  yield* watch(source, {
    everything: (event) => Console.log(`  ${line(event)}`),
    // Your pager, or a channel that somebody reads.
    anomalies: (event) => {
      pages.push(event._tag)
      return Console.error(`PAGE ${event._tag}: ${line(event)}`)
    }
  })
  // Metrics are kept without your doing. Only how long the token still lives needs somebody to look at the clock.
  yield* TokenMetrics.observe(source, { every: "100 millis" })

  const call = Effect.map(HttpClient.get(api.callsUrl), ({ status }) => status)

  yield* Console.log("The first call")
  const first = yield* call

  yield* Console.log("The token endpoint goes down, and a renewal is due")
  const during = yield* Effect.zipRight(next(source, "RefreshFailed"), call).pipe(
    server.whileDown(AuthorizationServer.unavailable())
  )
  yield* Console.log("The token endpoint is back")
  yield* next(source, "TokenAcquired")

  yield* Console.log("The token is revoked, and an API call finds out")
  yield* server.revokeAll
  const afterwards = yield* call

  yield* Console.log("Metrics")
  for (const { metricKey, metricState } of yield* Metric.snapshot) {
    if (!metricKey.name.startsWith("oauth_")) continue
    const labels = metricKey.tags.map(({ key, value }) => `${key}=${value}`).sort().join(" ")
    const value = MetricState.isCounterState(metricState)
      ? String(metricState.count)
      : MetricState.isGaugeState(metricState)
      ? Number(metricState.value).toFixed(1)
      : undefined
    if (value !== undefined) yield* Console.log(`  ${metricKey.name} ${value} ${labels}`.trimEnd())
  }
  const rejected = yield* Metric.value(TokenMetrics.tokensRejected)

  yield* expect("no caller noticed", [first, during, afterwards].every((status) => status === 200))
  yield* expect("the failed renewal was paged", pages.includes("RefreshFailed"))
  yield* expect("the revocation was paged", pages.includes("RevokedEarly"))
  yield* expect("ordinary events were not", pages.every((tag) => tag === "RefreshFailed" || tag === "RevokedEarly"))
  yield* expect("the metrics agree", rejected.count === 1)
})

// --- the stage ---------------------------------------------------------------------------------------------------

const Tokens = Layer.unwrapEffect(Effect.map(AuthorizationServer.AuthorizationServer, (server) =>
  TokenSource.layer({
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.basic.id,
    authentication: ClientAuthentication.basic(server.clients.basic.secret),
    retry: RetryPolicy.exponentialJitter({ base: "100 millis", maxRetries: 1, jitter: "none" })
  })))

const ApiClient = Layer.unwrapEffect(
  Effect.map(ProtectedApi.ProtectedApi, (api) => BearerAuth.layer({ origins: [api.origin] }))
)

const Everything = ApiClient.pipe(
  Layer.provideMerge(Tokens),
  Layer.provide(NodeHttpClient.layerUndici),
  Layer.provideMerge(ProtectedApi.layer),
  Layer.provideMerge(AuthorizationServer.layer({ lifetime: "4 seconds" }))
)

program.pipe(
  Effect.scoped,
  Effect.provide(Everything),
  // The source also logs its events, with what they know as annotations. Here they are printed already.
  Logger.withMinimumLogLevel(LogLevel.None),
  NodeRuntime.runMain
)
