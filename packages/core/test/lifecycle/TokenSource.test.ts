import { inspect } from "node:util"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import {
  Array as Arr,
  Cause,
  ConfigProvider,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  LogLevel,
  Metric,
  Option,
  Redacted,
  Stream,
  TestClock
} from "effect"
import {
  AccessToken,
  ClientAuthentication,
  RetryPolicy,
  Scopes,
  TokenError,
  TokenEvent,
  TokenMetrics,
  TokenRequest,
  TokenSource
} from "../../src/index.js"
import { collect, secret, tags } from "../support/observe.js"
import { refused, Scripted } from "../support/scripted.js"

const options = (server: AuthorizationServer.AuthorizationServer): TokenSource.LayerOptions => ({
  tokenEndpoint: server.tokenEndpoint,
  clientId: "client",
  authentication: ClientAuthentication.basic(Redacted.make("s3cr3t")),
  scopes: "b, a"
})

/** The recommended stack in front of a server in memory. */
const stack = (more: Partial<TokenSource.LayerOptions> = {}, serverOptions: AuthorizationServer.Options = {}) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make(serverOptions)
    const context = yield* Layer.build(
      Layer.provide(TokenSource.layer({ ...options(server), ...more }), server.layer)
    )
    return { server, tokens: Context.get(context, TokenSource.TokenSource) }
  })

const env = (entries: Record<string, string>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries))))

describe("TokenSource", () => {
  describe("make", () => {
    it.effect("a source from make asks at every call, and takes its services from the context once", () =>
      Effect.gen(function*() {
        class Vault extends Context.Tag("Vault")<Vault, { readonly read: () => string }>() {}
        let reads = 0
        const tokens = yield* TokenSource.make((request) =>
          Effect.map(Vault, (vault) => AccessToken.make({ value: vault.read(), scopes: request.scopes }))
        ).pipe(Effect.provideService(Vault, { read: () => `t${++reads}` }))
        assert.strictEqual(secret(yield* tokens.get()), "t1")
        const token = yield* tokens.get(TokenRequest.make({ scopes: "x" }))
        assert.deepStrictEqual(token.scopes, Scopes.make("x"))
        assert.strictEqual(secret(yield* tokens.renew(token)), "t3")
        yield* tokens.invalidate(token)
      }))
  })

  describe("clientCredentials", () => {
    // SPEC A3, A13
    it.effect("one get is one POST, with the source's scopes", () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        const tokens = yield* Effect.provide(TokenSource.clientCredentials(options(server)), server.layer)
        yield* tokens.get()
        yield* tokens.get()
        const [first] = yield* server.requests
        assert.strictEqual(yield* server.count, 2)
        assert.deepInclude(first!.form, { grant_type: "client_credentials", scope: "a b" })
      }))

    // SPEC D5
    it.effect("a request given to get overrides the source's scopes, audience and resource", () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        const tokens = yield* Effect.provide(
          TokenSource.clientCredentials({
            ...options(server),
            audience: "https://a.example",
            parameters: { tenant: "one" }
          }),
          server.layer
        )
        yield* tokens.get(TokenRequest.make({ scopes: "z" }))
        yield* tokens.get(TokenRequest.make({ audience: "https://b.example", parameters: { tenant: "two" } }))
        const [first, second] = yield* server.requests
        assert.deepInclude(first!.form, { scope: "z", audience: "https://a.example", tenant: "one" })
        assert.deepInclude(second!.form, { scope: "a b", audience: "https://b.example", tenant: "two" })
      }))

    // SPEC A1
    it.effect("options that cannot work fail before any network call, naming the field", () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        const fields = (more: Partial<TokenSource.Options>) =>
          TokenSource.clientCredentials({ ...options(server), ...more }).pipe(
            Effect.provide(server.layer),
            Effect.flip,
            Effect.map((error) => error.fields)
          )
        assert.deepStrictEqual(yield* fields({ clientId: "" }), ["clientId"])
        assert.deepStrictEqual(yield* fields({ tokenEndpoint: "not a url" }), ["tokenEndpoint"])
        assert.deepStrictEqual(yield* fields({ tokenEndpoint: "http://login.example/token" }), ["tokenEndpoint"])
        assert.strictEqual(yield* server.count, 0)
      }))
  })

  describe("pipeline", () => {
    it.scoped("grant, retry, cache and background refresh compose as the types say", () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        yield* server.enqueue(Reply.status(503), Reply.status(503))
        const tokens = yield* TokenSource.clientCredentials(options(server)).pipe(
          Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter({ base: "500 millis", maxRetries: 3 }))),
          Effect.flatMap(TokenSource.cached({ clockSkew: "45 seconds" })),
          Effect.flatMap(TokenSource.backgroundRefresh({ ahead: "5 minutes" })),
          Effect.provide(server.layer)
        )
        const fiber = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(secret(yield* Fiber.join(fiber)), "token-1")
        assert.strictEqual(yield* server.count, 3)
        yield* TestClock.adjust("57 minutes")
        assert.strictEqual(secret(yield* tokens.get()), "token-2")
      }))

    it.scoped("transform sees every token that a source gives, and keeps the events of the source", () =>
      Effect.gen(function*() {
        const { tokens } = yield* stack()
        const asked: Array<string> = []
        const watched = TokenSource.transform((
          token: Effect.Effect<AccessToken.AccessToken, TokenError.TokenError>,
          request
        ) => Effect.tap(token, (token) => Effect.sync(() => asked.push(`${secret(token)} ${request.scopes}`))))(tokens)
        const events = yield* collect(watched)
        const first = yield* watched.get()
        yield* watched.get(TokenRequest.make({ scopes: "c" }))
        yield* watched.renew(first)
        yield* watched.invalidate(yield* watched.get())
        assert.deepStrictEqual(asked, ["token-1 a,b", "token-2 c", "token-3 a,b", "token-3 a,b"])
        yield* TestClock.adjust(0)
        assert.strictEqual(tags(events).filter((tag) => tag === "TokenAcquired").length, 3)
        assert.strictEqual(tags(events).filter((tag) => tag === "TokenRejected").length, 2)
      }))

    it.scoped("a source built by hand can be cached and refreshed, and its events are kept", () =>
      Effect.gen(function*() {
        let calls = 0
        const own = TokenEvent.TokenEvent.LifetimeUnknown({ key: "own", at: 0 })
        const fetch = Effect.sync(() => AccessToken.make({ value: `t${++calls}` }))
        const byHand: TokenSource.With<never> = {
          get: () => fetch,
          renew: () => fetch,
          invalidate: () => Effect.void,
          events: Stream.make(own),
          pipe() {
            throw new Error("not used")
          }
        }
        const tokens = yield* TokenSource.cached()(byHand)
        const events = yield* collect(tokens)
        yield* tokens.get()
        yield* tokens.get()
        yield* TestClock.adjust(0)
        assert.strictEqual(calls, 1)
        assert.deepInclude(events, own)
        assert.include(tags(events), "TokenAcquired")
      }))
  })

  describe("layer", () => {
    it.scoped("layer has everything on: cache, retry, renewal in the background", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* stack()
        assert.strictEqual(secret(yield* tokens.get()), "token-1")
        yield* server.enqueue(Reply.status(500))
        yield* TestClock.adjust("12 hours")
        assert.strictEqual(yield* server.count, 15)
        assert.strictEqual(secret(yield* tokens.get()), "token-14")
      }))

    it.effect("layer keeps the program's settings for fetch, and follows no redirect", () =>
      Effect.gen(function*() {
        const seen: Array<RequestInit | undefined> = []
        const fetch: typeof globalThis.fetch = (_url, init) => {
          seen.push(init)
          return Promise.resolve(
            new Response(null, { status: 302, headers: { location: "https://elsewhere.example" } })
          )
        }
        const layer = TokenSource.layer({
          tokenEndpoint: "https://login.example/token",
          clientId: "client",
          authentication: ClientAuthentication.basic(Redacted.make("s3cr3t"))
        }).pipe(
          Layer.provide(FetchHttpClient.layer),
          Layer.provide([
            Layer.succeed(FetchHttpClient.Fetch, fetch),
            Layer.succeed(FetchHttpClient.RequestInit, { credentials: "include", redirect: "follow" })
          ])
        )
        const tokens = Effect.flatMap(TokenSource.TokenSource, (tokens) => tokens.get())
        assert.strictEqual((yield* Effect.flip(Effect.provide(tokens, layer)))._tag, "RejectedByEndpoint")
        assert.deepStrictEqual(seen.map((init) => [init?.credentials, init?.redirect]), [["include", "manual"]])
      }))

    it.scoped("refresh: false leaves renewal to the callers", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* stack({ refresh: false })
        yield* tokens.get()
        yield* TestClock.adjust("59 minutes")
        yield* tokens.get()
        yield* TestClock.adjust("12 hours")
        assert.strictEqual(yield* server.count, 1)
        yield* tokens.get()
        assert.strictEqual(yield* server.count, 2)
      }))

    // SPEC A6, D3; I7
    it.scoped("layer does not retry a fatal error", () =>
      Effect.gen(function*() {
        for (const status of [400, 401, 403]) {
          const { server, tokens } = yield* stack()
          yield* server.setOutage(Reply.oauthError("invalid_client", { status }))
          assert.strictEqual((yield* Effect.flip(tokens.get()))._tag, "OAuthError")
          assert.strictEqual(yield* server.count, 1)
        }
      }))

    // SPEC A6, D4
    it.scoped("retries 429, 500, 502, 503 and 504 at most three times, then one error with the last cause", () =>
      Effect.forEach([429, 500, 502, 503, 504], (status) =>
        Effect.gen(function*() {
          const { server, tokens } = yield* stack()
          yield* server.setOutage(Reply.status(status))
          const fiber = yield* Effect.fork(Effect.flip(tokens.get()))
          yield* TestClock.adjust("5 minutes")
          const error = yield* Fiber.join(fiber)
          assert(error._tag === "RetriesExhausted")
          assert.strictEqual(error.attempts, 4)
          assert.strictEqual(error.last._tag, status === 429 ? "RateLimited" : "EndpointUnavailable")
          assert.strictEqual(yield* server.count, 4)
        })))

    // SPEC A17
    it.scoped("with a circuit breaker, fails fast after repeated failures and recovers", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* stack({
          retry: RetryPolicy.exponentialJitter({ maxRetries: 0 }),
          circuitBreaker: { failureThreshold: 2, resetAfter: "30 seconds" },
          refresh: false
        })
        const events = yield* collect(tokens)
        yield* server.setOutage(true)
        yield* Effect.flip(tokens.get())
        yield* TestClock.adjust("5 seconds")
        yield* Effect.flip(tokens.get())
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* Effect.flip(tokens.get()))._tag, "CircuitOpen")
        assert.strictEqual(yield* server.count, 2)
        yield* server.setOutage(false)
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(secret(yield* tokens.get()), "token-1")
        assert.includeMembers(tags(events), ["CircuitOpened", "CircuitClosed"])
      }))

    // SPEC C8
    it.scoped("with a rate limit, no more than that many token requests leave in an interval", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* stack({ rateLimit: { limit: 10, interval: "1 minute" } })
        const fibers = yield* Effect.forEach(
          Arr.range(1, 25),
          (n) => Effect.fork(tokens.get(TokenRequest.make({ scopes: `s${n}` })))
        )
        yield* TestClock.adjust("59 seconds")
        assert.strictEqual(yield* server.count, 10)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* server.count, 20)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.joinAll(fibers)
        assert.strictEqual(yield* server.count, 25)
      }))

    // SPEC C9
    it.scoped("scope drift is an event by default, and a ScopeNotGranted error if the policy says so", () =>
      Effect.gen(function*() {
        const lax = yield* stack({}, { members: { scope: "a" } })
        const events = yield* collect(lax.tokens)
        yield* lax.tokens.get()
        yield* TestClock.adjust(0)
        const drift = events.find((event) => event._tag === "ScopeDrift")
        assert.deepStrictEqual(drift?.missing, Scopes.make("b"))
        const strict = yield* stack({ scopePolicy: { missing: "fail" } }, { members: { scope: "a" } })
        const error = yield* Effect.flip(strict.tokens.get())
        assert(error._tag === "ScopeNotGranted")
        assert.deepStrictEqual(error.missing, Scopes.make("b"))
      }))

    // SPEC C10
    it.scoped("over-broad scopes are warned about, or rejected before any request", () =>
      Effect.gen(function*() {
        const lax = yield* stack({ scopes: "*" })
        const events = yield* collect(lax.tokens)
        yield* lax.tokens.get()
        yield* TestClock.adjust(0)
        assert.include(tags(events), "OverBroadScope")
        const strict = yield* stack({ scopes: "admin:*", scopePolicy: { overBroad: "reject" } })
        assert.strictEqual((yield* Effect.flip(strict.tokens.get()))._tag, "InvalidConfiguration")
        assert.strictEqual(yield* strict.server.count, 0)
      }))
  })

  describe("secrets", () => {
    // SPEC C11
    it.scoped("a rotated secret takes effect on the next token request, at once after a refusal", () =>
      Effect.gen(function*() {
        let current = "old"
        const { server, tokens } = yield* stack({
          authentication: ClientAuthentication.post(Effect.sync(() => Redacted.make(current)))
        }, {
          answer: ({ form }) => form.client_secret === "old" ? Reply.token() : Reply.oauthError("invalid_client")
        })
        yield* tokens.get()
        current = "new"
        const refusedToken = yield* tokens.get()
        assert.strictEqual((yield* Effect.flip(tokens.renew(refusedToken)))._tag, "OAuthError")
        yield* Effect.flip(tokens.get())
        assert.strictEqual(yield* server.count, 2)
        current = "old"
        assert.strictEqual(secret(yield* tokens.get()), "token-2")
      }))
  })

  describe("layerConfig", () => {
    const build = (entries: Record<string, string>, server: AuthorizationServer.AuthorizationServer) =>
      Effect.map(
        Layer.build(TokenSource.layerConfig().pipe(Layer.provide([server.layer, env(entries)]))),
        (context) => Context.get(context, TokenSource.TokenSource)
      )

    // SPEC B8
    it.scoped("reads the environment", () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        const tokens = yield* build({
          OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
          OAUTH_CLIENT_ID: "id",
          OAUTH_CLIENT_SECRET: "secret",
          OAUTH_CLIENT_AUTHENTICATION: "post",
          OAUTH_SCOPES: "a,b",
          OAUTH_AUDIENCE: "https://api.example"
        }, server)
        yield* tokens.get()
        const [request] = yield* server.requests
        assert.deepStrictEqual({ ...request!.form }, {
          grant_type: "client_credentials",
          client_id: "id",
          client_secret: "secret",
          scope: "a b",
          audience: "https://api.example"
        })
      }))

    // SPEC A1, B8
    it.scoped("names everything that is missing or blank in one error", () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        const error = yield* Effect.flip(build({ OAUTH_CLIENT_ID: "  " }, server))
        assert(error._tag === "InvalidConfiguration")
        assert.deepStrictEqual(error.fields, ["OAUTH_TOKEN_ENDPOINT", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET"])
        for (const field of error.fields) assert.include(error.message, field)
      }))

    // SPEC E6
    it.scoped("the errors for an unknown authentication and for a trailing space say what is wrong", () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        const all = {
          OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
          OAUTH_CLIENT_ID: "id",
          OAUTH_CLIENT_SECRET: "secret"
        }
        const unknown = yield* Effect.flip(build({ ...all, OAUTH_CLIENT_AUTHENTICATION: "Basic" }, server))
        assert.include(unknown.message, "basic, basic-raw, post, none")
        const spaced = yield* Effect.flip(build({ ...all, OAUTH_CLIENT_ID: "id " }, server))
        assert.match(spaced.message, /white ?space/)
      }))

    it.scoped("the authentication `none` needs no secret", () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        const tokens = yield* build({
          OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
          OAUTH_CLIENT_ID: "id",
          OAUTH_CLIENT_AUTHENTICATION: "none"
        }, server)
        yield* tokens.get()
        assert.strictEqual((yield* server.requests)[0]!.form.client_id, "id")
      }))
  })

  describe("Tag", () => {
    class Billing extends TokenSource.Tag("Billing")<Billing>() {}
    class Users extends TokenSource.Tag("Users")<Users>() {}

    it.scoped("several sources in one program are independent, and labelled", () =>
      Effect.gen(function*() {
        const billing = yield* AuthorizationServer.make({ prefix: "billing-" })
        const users = yield* AuthorizationServer.make({ prefix: "users-" })
        const logs: Array<string> = []
        const logger = Logger.make(({ annotations }) => {
          logs.push(JSON.stringify(Array.from(annotations)))
        })
        const program = Effect.gen(function*() {
          const one = yield* Effect.flatMap(Billing, (tokens) => tokens.get())
          const two = yield* Effect.flatMap(Users, (tokens) => tokens.get())
          return [secret(one), secret(two)]
        })
        const live = Layer.mergeAll(
          Layer.provide(Billing.layer(options(billing)), billing.layer),
          Layer.provide(Users.layer(options(users)), users.layer)
        ).pipe(Layer.provide(Layer.mergeAll(
          Logger.replace(Logger.defaultLogger, logger),
          Logger.minimumLogLevel(LogLevel.All)
        )))
        assert.deepStrictEqual(yield* Effect.provide(program, live), ["billing-1", "users-1"])
        assert.isTrue(logs.some((line) => line.includes("[\"source\",\"Billing\"]")))
      }))
  })

  describe("observability", () => {
    it.scoped("counts requests by outcome and reason, durations, rejections and anomalies", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* stack()
        const value = (name: string, labels: Record<string, string>) =>
          Effect.map(Metric.snapshot, (pairs) => {
            const wanted = Object.entries({ ...labels, test: "metrics" }).map(([key, label]) => `${key}=${label}`)
              .sort()
            const found = pairs.find(({ metricKey }) =>
              metricKey.name === name && wanted.join() ===
                metricKey.tags.map(({ key, value }) => `${key}=${value}`).sort().join()
            )
            return found === undefined ? 0 : (found.metricState as unknown as { readonly count: number }).count
          })
        const first = yield* tokens.get()
        yield* tokens.renew(first)
        yield* server.setOutage(Reply.oauthError("invalid_client"))
        yield* Effect.flip(tokens.renew(yield* tokens.get()))
        assert.strictEqual(yield* value("oauth_token_requests", { outcome: "success", reason: "cold" }), 1)
        assert.strictEqual(yield* value("oauth_token_requests", { outcome: "success", reason: "rejected" }), 1)
        assert.strictEqual(
          yield* value("oauth_token_requests", { outcome: "failure", reason: "rejected", error: "OAuthError" }),
          1
        )
        assert.strictEqual(yield* value("oauth_tokens_rejected", {}), 2)
        assert.strictEqual(yield* value("oauth_token_anomalies", { kind: "RevokedEarly" }), 2)
        assert.strictEqual(yield* value("oauth_token_request_duration_seconds", {}), 3)
      }).pipe(Effect.tagMetrics("test", "metrics")))

    it.scoped("what a caller reports counts under the labels of the source, and its line has the annotations", () =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const logger = Logger.replace(
          Logger.defaultLogger,
          Logger.make((options) => void lines.push(Logger.logfmtLogger.log(options)))
        )
        const { tokens } = yield* stack().pipe(
          Effect.tagMetrics("source", "Labels"),
          Effect.annotateLogs({ source: "Labels", requestId: "first" })
        )
        const reported = Effect.flatMap(tokens.get(), (token) => tokens.renew(token))
        yield* reported.pipe(
          Effect.tagMetrics("caller", "kept"),
          Effect.annotateLogs({ caller: "kept", requestId: "second" }),
          Effect.provide(logger)
        )
        const rejected = Metric.value(
          TokenMetrics.tokensRejected.pipe(Metric.tagged("caller", "kept"), Metric.tagged("source", "Labels"))
        )
        assert.strictEqual((yield* rejected).count, 1)
        const line = lines.find((line) => line.includes("RevokedEarly"))
        assert.include(line, "source=Labels")
        assert.include(line, "caller=kept")
        assert.include(line, "requestId=second")
      }))

    it.scoped("the metric of the seconds to expiry is kept while the source is observed", () =>
      Effect.gen(function*() {
        const { tokens } = yield* stack({ refresh: false })
        yield* TokenMetrics.observe(tokens, { every: "1 second" })
        yield* tokens.get()
        yield* TestClock.adjust("100 seconds")
        const gauge = yield* Metric.value(
          TokenMetrics.secondsToExpiry.pipe(
            Metric.tagged("test", "gauge"),
            Metric.tagged("request", TokenRequest.hash(TokenRequest.make({ scopes: "a b" })))
          )
        )
        assert.strictEqual(gauge.value, 3500)
      }).pipe(Effect.tagMetrics("test", "gauge")))

    // FAULTS W
    it.scoped("the metric of the seconds to expiry forgets the token before when one of unknown life follows it", () =>
      Effect.gen(function*() {
        const scripted = new Scripted()
        scripted.lifetime = 60_000
        const tokens = yield* Effect.flatMap(scripted.source, TokenSource.cached({ ahead: 0 }))
        yield* TokenMetrics.observe(tokens, { every: "1 second" })
        const gauge = Effect.map(
          Metric.value(
            TokenMetrics.secondsToExpiry.pipe(
              Metric.tagged("test", "unknown life"),
              Metric.tagged("request", TokenRequest.hash(TokenRequest.empty))
            )
          ),
          ({ value }) => value
        )
        const first = yield* tokens.get()
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* gauge, 50)
        scripted.lifetime = undefined
        yield* tokens.renew(first)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* gauge, Number.POSITIVE_INFINITY)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* gauge, Number.POSITIVE_INFINITY)
      }).pipe(Effect.tagMetrics("test", "unknown life")))

    // FAULTS L
    it.scoped("the metric of the seconds to expiry goes on if the events of a source by hand break off", () =>
      Effect.gen(function*() {
        const inner = yield* Effect.flatMap(new Scripted().source, TokenSource.cached({ ahead: 0 }))
        const acquired = TokenEvent.TokenEvent.TokenAcquired({
          key: "by hand",
          at: 0,
          reason: "cold",
          elapsed: 0,
          scopes: [],
          expiresAt: Option.some(60_000),
          refreshAt: Option.none()
        })
        const broken: typeof inner.events = Stream.concat(Stream.make(acquired), Stream.die("a bug"))
        const { get, invalidate, renew } = inner
        const byHand = { get, invalidate, renew, events: broken, pipe: inner.pipe }
        yield* TokenMetrics.observe(byHand, { every: "1 second" })
        yield* TestClock.adjust("10 seconds")
        const gauge = yield* Metric.value(
          TokenMetrics.secondsToExpiry.pipe(Metric.tagged("test", "by hand"), Metric.tagged("request", "by hand"))
        )
        assert.strictEqual(gauge.value, 50)
      }).pipe(Effect.tagMetrics("test", "by hand"), Effect.provide(Logger.remove(Logger.defaultLogger))))

    it.scoped("each retry is an event with status, wait and attempt (A8)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* stack({ retry: RetryPolicy.exponentialJitter({ jitter: "none" }) })
        const events = yield* collect(tokens)
        yield* server.enqueue(Reply.status(503), Reply.status(503, { "retry-after": "7" }))
        const fiber = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
        const retries = events.filter((event) => event._tag === "RetryScheduled")
        assert.deepStrictEqual(retries.map(({ attempt, status }) => [attempt, status]), [
          [1, Option.some(503)],
          [2, Option.some(503)]
        ])
        assert.strictEqual(retries[0]!.delay, 500)
        assert.isAtLeast(retries[1]!.delay, 7000)
      }))
  })

  // I9, SPEC A15, E5
  it.scoped("no secret and no token in any log, span, event, error or rendering", () =>
    Effect.gen(function*() {
      const secrets = ["s3cr3t-9f8e7d", "t0ken-plain-", "refresh-0a1b2c"]
      const seen: Array<string> = []
      const see = (value: unknown) =>
        seen.push(
          String(value),
          inspect(value, { depth: 20, showHidden: true }),
          JSON.stringify(value) ?? "",
          value instanceof Error ? `${value.stack}` : ""
        )
      const logger = Logger.make((entry) => {
        see(entry.message)
        see(Array.from(entry.annotations))
        see(Cause.pretty(entry.cause))
      })
      const program = Effect.gen(function*() {
        const { server, tokens } = yield* stack({
          authentication: ClientAuthentication.post(Redacted.make(secrets[0]!)),
          retry: RetryPolicy.exponentialJitter({ maxRetries: 1 })
        }, { prefix: secrets[1]!, members: { refresh_token: secrets[2], id_token: secrets[2] } })
        const events = yield* collect(tokens)
        const token = yield* tokens.get()
        see(token)
        see(tokens)
        see(yield* Effect.exit(tokens.get(TokenRequest.make({ parameters: { assertion: secrets[0]! } }))))
        see(TokenRequest.make({ parameters: { assertion: secrets[0]! } }))
        yield* server.enqueue(
          Reply.json({ error: "invalid_client", error_description: `no such secret: ${secrets[0]}` }, { status: 401 })
        )
        const error = yield* Effect.flip(tokens.renew(token))
        see(error)
        yield* Effect.logError("failed", error)
        yield* Effect.logError("failed", Cause.fail(error))
        yield* server.setOutage(Reply.html(`<html>${secrets[0]} access_token=${secrets[1]}1</html>`))
        yield* TestClock.adjust("10 seconds")
        const other = yield* Effect.fork(Effect.exit(tokens.get(TokenRequest.make({ scopes: "other" }))))
        yield* TestClock.adjust("1 minute")
        const exit = yield* Fiber.join(other)
        see(exit)
        if (Exit.isFailure(exit)) see(Cause.pretty(exit.cause))
        events.forEach(see)
      }).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      yield* program
      assert.isAbove(seen.length, 50)
      const text = seen.join("\n")
      for (const value of secrets) assert.notInclude(text, value)
    }))
})

describe("TokenError", () => {
  it("isTransient is the literal retryable", () => {
    assert.isFalse(TokenError.isTransient(refused()))
    assert.isTrue(TokenError.isTransient(
      new TokenError.TransportError({ endpoint: "e", code: Option.none(), detail: "d" })
    ))
    assert.isFalse(TokenError.isTransient({ retryable: true }))
    assert.isFalse(TokenError.isTokenError(new Error("x")))
  })

  it("retryAt prefers the `retryAt` of an error to its Retry-After", () => {
    const limited = new TokenError.RateLimited({
      endpoint: "e",
      status: 429,
      retryAfter: Option.some(Duration.seconds(2)),
      description: Option.none()
    })
    assert.deepStrictEqual(TokenError.retryAt(limited, 1000), Option.some(3000))
    assert.deepStrictEqual(
      TokenError.retryAt(new TokenError.CircuitOpen({ retryAt: Option.some(5) }), 1000),
      Option.some(5)
    )
    assert.deepStrictEqual(TokenError.retryAt(refused(), 1000), Option.none())
  })
})
