/**
 * What to look at in operation: spans, metrics with their units, and an alarm. Spans and metrics are Effect's own, so any
 * exporter takes them: with `NodeSdk.layer` of `@effect/opentelemetry` around the program they go out by OTLP. This program
 * has a tracer that prints, to show what there is.
 *
 * Run it with `node --import tsx examples/src/recipes/telemetry.ts`. It brings its own servers.
 */
import { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Logger, LogLevel, Metric, MetricState, Redacted, Stream, Tracer } from "effect"
import { BearerAuth, ClientAuthentication, TokenEvent, TokenMetrics, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import { expect } from "../support/Expect.js"
import * as ProtectedApi from "../support/ProtectedApi.js"

// --- your program ------------------------------------------------------------------------------------------------

/** Anomalies go to whoever is on call; the code names the page in docs/errors. */
const alarm = Effect.gen(function*() {
  const tokens = yield* TokenSource.TokenSource
  const events = yield* TokenSource.subscribe(tokens)
  const anomalies = Stream.filter(events, (event) => event._tag === "RevokedEarly" || event._tag === "RefreshFailed")
  yield* Effect.forkScoped(
    Stream.runForEach(anomalies, (event) => Console.log(`alarm: ${TokenEvent.codeOf(event)}, key ${event.key}`))
  )
})

const program = (url: string) =>
  Effect.gen(function*() {
    yield* alarm
    yield* HttpClient.get(url)
    yield* HttpClient.get(url)
  })

// --- what comes out ----------------------------------------------------------------------------------------------

/** The tracer of the program, and the spans that it has made so far. */
const remembering = Effect.map(Effect.tracer, (tracer) => {
  const spans: Array<Tracer.Span> = []
  return {
    spans,
    tracer: Tracer.make({
      span: (...args) => {
        const span = tracer.span(...args)
        spans.push(span)
        return span
      },
      context: tracer.context
    })
  }
})

const valueOf = (state: MetricState.MetricState.Untyped): string =>
  MetricState.isCounterState(state)
    ? `${state.count}`
    : MetricState.isHistogramState(state)
    ? `measured ${state.count} times`
    : "a gauge"

const main = Effect.gen(function*() {
  const login = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  const { spans, tracer } = yield* remembering

  const Tokens = TokenSource.layer({
    tokenEndpoint: login.tokenEndpoint,
    clientId: login.clients.basic.id,
    authentication: ClientAuthentication.basic(login.clients.basic.secret)
  })
  // TokenMetrics.layer adds the gauge of seconds to expiry; the counters are kept without it
  const Everything = Layer.merge(BearerAuth.layer({ origins: [api.origin] }), TokenMetrics.layer()).pipe(
    Layer.provideMerge(Tokens),
    Layer.provide(NodeHttpClient.layerUndici)
  )

  const token = yield* Effect.gen(function*() {
    yield* program(api.callsUrl)
    yield* login.revokeAll
    yield* HttpClient.get(api.callsUrl) // refused, renewed, and made once more
    return yield* Effect.flatMap(TokenSource.TokenSource, (tokens) => tokens.get())
  }).pipe(
    Effect.scoped,
    Effect.withSpan("job"),
    Effect.provide(Everything),
    Effect.withTracer(tracer)
  )

  for (const span of spans) {
    yield* Console.log(`span ${span.name} ${String(span.attributes.get("http.request.method") ?? "")}`)
  }
  const seconds = /duration|seconds/
  for (const { metricKey, metricState } of yield* Metric.snapshot) {
    if (!metricKey.name.startsWith("oauth_")) continue
    const unit = seconds.test(metricKey.name) ? "seconds" : "count"
    yield* Console.log(`metric ${metricKey.name.slice("oauth_".length)} [${unit}] ${valueOf(metricState)}`)
  }

  const tokenSpans = spans.filter(({ name }) => /token/i.test(name))
  yield* expect(
    "each token request is a span, and a cached read is none",
    tokenSpans.length > 0 && tokenSpans.length <= 4
  )
  const texts = JSON.stringify(spans.map(({ attributes, name }) => [name, ...attributes]))
  yield* expect("no span has a token in it", !texts.includes(Redacted.value(token.value)))
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer({ lifetime: "1 minute" })))

main.pipe(
  Effect.provide(Servers),
  // the same events are log lines as well
  Logger.withMinimumLogLevel(LogLevel.None),
  NodeRuntime.runMain
)
