import { HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer } from "@effect-bearer/examples/support/AuthorizationServer"
import * as Servers from "@effect-bearer/examples/support/AuthorizationServer"
import { ProtectedApi } from "@effect-bearer/examples/support/ProtectedApi"
import { Array, Clock, Effect, Equal, Fiber, Layer, Option, Redacted } from "effect"
import {
  AccessToken,
  BearerAuth,
  ClientAuthentication,
  RetryPolicy,
  TokenError,
  TokenRequest,
  TokenSource
} from "effect-bearer"
import { servers } from "./harness.js"
import * as Passing from "./passing.js"

/** A source over the server of the test, its settings laid over those of the `basic` client. */
const Tokens = (options: Partial<TokenSource.LayerOptions> = {}) =>
  Layer.unwrapEffect(Effect.map(AuthorizationServer, (server) =>
    TokenSource.layer({
      tokenEndpoint: server.tokenEndpoint,
      clientId: server.clients.basic.id,
      authentication: ClientAuthentication.basic(server.clients.basic.secret),
      scopes: ["calls:read"],
      retry: RetryPolicy.exponentialJitter({ base: "20 millis", cap: "100 millis", maxRetries: 2 }),
      ...options
    })))

/** Servers and a source. The plain client stays visible; the one with a bearer is `apiClient`. */
const world = (server?: Servers.Options, options?: Partial<TokenSource.LayerOptions>) =>
  Layer.provideMerge(Tokens(options), servers(server))

const apiClient = Effect.gen(function*() {
  const { origin } = yield* ProtectedApi
  const source = yield* TokenSource.TokenSource
  return BearerAuth.withBearer(yield* HttpClient.HttpClient, source, { origins: [origin] })
})

const get = Effect.flatMap(TokenSource.TokenSource, (source) => source.get())

/** Calls the API once; the status is the answer as a caller sees it. */
const call = (client: Effect.Effect.Success<typeof apiClient>) =>
  Effect.gen(function*() {
    const { callsUrl } = yield* ProtectedApi
    const response = yield* client.get(callsUrl)
    yield* response.text
    return response.status
  })

const only = (statuses: Iterable<number>, status: number) =>
  assert.deepStrictEqual(Array.fromIterable(new Set(statuses)), [status])

describe("client credentials against oidc-provider", () => {
  // SPEC A3
  it.scopedLive("with client_secret_basic", () =>
    Effect.gen(function*() {
      const token = yield* get
      assert.strictEqual(token.tokenType, "Bearer")
      assert.deepStrictEqual([...token.scopes], ["calls:read"])
      assert.strictEqual(Option.getOrThrow(token.expiresAt) - token.issuedAt, 3000)
      assert.strictEqual(yield* Effect.flatMap(apiClient, call), 200)
      assert.strictEqual((yield* (yield* AuthorizationServer).seen).tokenRequests, 1)
    }).pipe(Effect.provide(world())))

  // SPEC A3
  it.scopedLive("with client_secret_post", () =>
    Effect.gen(function*() {
      const { clients, tokenEndpoint } = yield* AuthorizationServer
      const status = yield* Effect.flatMap(apiClient, call).pipe(
        Effect.provide(TokenSource.layer({
          tokenEndpoint,
          clientId: clients.post.id,
          authentication: ClientAuthentication.post(clients.post.secret),
          scopes: "calls:read, calls:write"
        }))
      )
      assert.strictEqual(status, 200)
    }).pipe(Effect.provide(servers())))

  // SPEC E2, E6, I7
  it.scopedLive("a wrong secret is told as such, after one request, with the way out", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(get)
      assert.instanceOf(error, TokenError.OAuthError)
      assert.strictEqual(error.error, "invalid_client")
      assert.strictEqual(error.status, 401)
      assert.match(error.message, /client id|secret/i)
      assert.notInclude(error.message, "not the secret")
      assert.deepStrictEqual((yield* (yield* AuthorizationServer).seen).tokenStatuses, { 401: 1 })
    }).pipe(Effect.provide(world({}, {
      authentication: ClientAuthentication.basic(Redacted.make("not the secret"))
    }))))

  // SPEC E2, E6, I7
  it.scopedLive("a scope the client may not have is told as such, after one request", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(get)
      assert.instanceOf(error, TokenError.OAuthError)
      assert.strictEqual(error.error, "invalid_scope")
      assert.match(error.message, /scope/i)
      assert.deepStrictEqual((yield* (yield* AuthorizationServer).seen).tokenStatuses, { 400: 1 })
    }).pipe(Effect.provide(world({}, { scopes: ["calls:admin"] }))))
})

describe("one token request per lifecycle", () => {
  // I1, SPEC D1
  it.scopedLive("10 000 callers of an empty cache share one token request", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const tokens = yield* Effect.forEach(Array.range(1, 10_000), () => get, { concurrency: "unbounded" })
      assert.lengthOf(tokens, 10_000)
      assert.isTrue(tokens.every((token) => token === tokens[0]))
      const { tokenRequests, tokensIssued } = yield* server.seen
      assert.deepStrictEqual({ tokenRequests, tokensIssued }, { tokenRequests: 1, tokensIssued: 1 })
    }).pipe(Effect.provide(world({ lifetime: "10 minutes", latency: "50 millis" }))))

  // I1, SPEC B4
  it.scopedLive(
    "500 calls that meet a revoked token cost one token request, and all succeed",
    () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer
        const api = yield* ProtectedApi
        const client = yield* apiClient
        const before = yield* get
        yield* server.revokeAll
        const statuses = yield* Effect.forEach(Array.range(1, 500), () => call(client), { concurrency: "unbounded" })
        assert.lengthOf(statuses, 500)
        only(statuses, 200)
        assert.isFalse(AccessToken.isSame(before, yield* get))
        assert.strictEqual((yield* server.seen).tokenRequests, 2)
        const seen = yield* api.seen
        assert.strictEqual(seen.statuses[200], 500)
        // each call was repeated at most once, and only because of a 401
        assert.strictEqual(seen.calls, 500 + (seen.statuses[401] ?? 0))
        assert.isAtLeast(seen.statuses[401] ?? 0, 1)
        assert.strictEqual(seen.withoutToken, 0)
      }).pipe(Effect.provide(world({ lifetime: "10 minutes" })))
  )

  // SPEC B4
  it.scopedLive("a call whose second token is refused too ends with that 401", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const api = yield* ProtectedApi
      const client = yield* apiClient
      assert.strictEqual(yield* api.whileRefusingEveryToken(call(client)), 401)
      assert.strictEqual((yield* api.seen).calls, 2)
      assert.strictEqual((yield* server.seen).tokenRequests, 2)
      assert.strictEqual(yield* call(client), 200)
    }).pipe(Effect.provide(world({ lifetime: "10 minutes" }))))

  // SPEC B4
  it.scopedLive("the replay of a POST carries the same body", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const { callsUrl } = yield* ProtectedApi
      const client = yield* apiClient
      yield* get
      yield* server.revokeAll
      const response = yield* client.execute(
        HttpClientRequest.post(callsUrl).pipe(HttpClientRequest.bodyUnsafeJson({ conversation: 42 }))
      )
      assert.strictEqual(response.status, 201)
      assert.deepStrictEqual(yield* response.json, { conversation: 42 })
      assert.strictEqual((yield* server.seen).tokenRequests, 2)
    }).pipe(Effect.provide(world({ lifetime: "10 minutes" }))))

  // SPEC D5
  it.scopedLive("other scopes are another token", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const source = yield* TokenSource.TokenSource
      const reading = yield* source.get()
      const writing = yield* source.get(TokenRequest.make({ scopes: "calls:write" }))
      assert.isFalse(Equal.equals(reading.value, writing.value))
      assert.deepStrictEqual([...writing.scopes], ["calls:write"])
      assert.strictEqual(yield* source.get(), reading)
      assert.strictEqual((yield* server.seen).tokenRequests, 2)
    }).pipe(Effect.provide(world({ lifetime: "10 minutes" }))))
})

describe("a token's life under load", () => {
  /** Five calls at once, again and again while this holds, with a tenth of a second between them: what they were answered. */
  const callWhile = <E>(pass: (millis: number) => Effect.Effect<void>, holds: Effect.Effect<boolean, E>) =>
    Effect.gen(function*() {
      const client = yield* apiClient
      const statuses: Array<number> = []
      while (yield* holds) {
        statuses.push(...(yield* Effect.all(Array.replicate(call(client), 5), { concurrency: "unbounded" })))
        yield* pass(100)
      }
      return statuses
    })

  const fewer = (tokens: number) =>
    Effect.map(AuthorizationServer, ({ seen }) => Effect.map(seen, ({ tokensIssued }) => tokensIssued < tokens))

  // I2, I3, SPEC B1, B2, D6
  it.scoped("tokens rotate and no caller sees a 401, nor does the API answer one", () =>
    Passing.together((pass) =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer
        const api = yield* ProtectedApi
        const source = yield* TokenSource.TokenSource
        // no time passes while a token is on its way
        const passing = (millis: number) =>
          Effect.zipRight(
            pass(millis),
            Passing.eventually(TokenSource.status(source), ({ refreshing }) => !refreshing)
          )
        only(yield* callWhile(passing, yield* fewer(5)), 200)
        const seen = yield* api.seen
        assert.deepStrictEqual(Object.keys(seen.statuses), ["200"])
        // every token issued came to be used, but perhaps the last: none was asked for twice
        const { tokensIssued } = yield* server.seen
        assert.isAtMost(tokensIssued - seen.tokensAccepted, 1)
      }).pipe(Effect.provide(world({ lifetime: "4 seconds" })))
    ))

  // I5
  it.scoped("an outage while a token is held is felt by nobody, and ends with a fresh token", () =>
    Passing.together((pass) =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer
        yield* get
        // until the renewal was tried, and turned away
        const untried = Effect.map(server.seen, ({ tokenStatuses }) => (tokenStatuses[503] ?? 0) < 2)
        only(yield* server.whileDown(Servers.unavailable())(callWhile(pass, untried)), 200)
        only(yield* callWhile(pass, yield* fewer(2)), 200)
      }).pipe(Effect.provide(world({ lifetime: "10 seconds" })))
    ))

  // I5
  it.scoped("connections refused while a token is held are felt by nobody", () =>
    Passing.together((pass) =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer
        const source = yield* TokenSource.TokenSource
        const token = yield* source.get()
        const ends = (yield* Clock.currentTimeMillis) + 6000
        const beyondRenewal = Effect.map(Clock.currentTimeMillis, (now) => now < ends)
        only(yield* server.whileDown(Servers.refused)(callWhile(pass, beyondRenewal)), 200)
        only(
          yield* callWhile(pass, Effect.map(source.get(), (next) => AccessToken.isSame(token, next))),
          200
        )
      }).pipe(Effect.provide(world({ lifetime: "10 seconds" })))
    ))

  // I5, SPEC D3, D4
  it.scopedLive("an outage without a token fails the call at once when retries are used up, and says so", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const error = yield* server.whileDown(Servers.unavailable())(Effect.flip(get))
      assert.instanceOf(error, TokenError.RetriesExhausted)
      assert.strictEqual(error.attempts, 3)
      assert.strictEqual(error.last._tag, "EndpointUnavailable")
      assert.deepStrictEqual((yield* server.seen).tokenStatuses, { 503: 3 })
      // and once it is back, so is the token
      const token = yield* Effect.retry(Effect.delay(get, "100 millis"), { times: 100 })
      assert.isTrue(AccessToken.isAccessToken(token))
    }).pipe(Effect.provide(world())))

  // I4
  it.scopedLive("a caller who gives up takes nobody along, and the token still arrives", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const impatient = yield* Effect.fork(Effect.timeoutOption(get, "20 millis"))
      const patient = yield* Effect.fork(get)
      assert.isTrue(Option.isNone(yield* Fiber.join(impatient)))
      assert.isTrue(AccessToken.isAccessToken(yield* Fiber.join(patient)))
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
    }).pipe(Effect.provide(world({ lifetime: "10 minutes", latency: "200 millis" }))))
})

describe("a closed scope", () => {
  // I8. That the process can exit, too, is shown by the main job: nothing ends it but that nothing is left to do.
  it.live("leaves no timer and no socket", () =>
    Effect.gen(function*() {
      // what other tests closed may need another turn of the event loop to be gone
      const timersBefore = (yield* settled(noSocket)).timers
      yield* Effect.scoped(Effect.provide(
        Effect.gen(function*() {
          assert.strictEqual(yield* Effect.flatMap(apiClient, call), 200)
          assert.isAbove((yield* resources).sockets, 0)
        }),
        world()
      ))
      const after = yield* settled((now) => noSocket(now) && now.timers <= timersBefore)
      assert.isAtMost(after.timers, timersBefore)
    }))
})

interface Resources {
  readonly timers: number
  readonly sockets: number
}

/** What would keep the process alive; the test runner itself has timers, but no sockets. */
const resources = Effect.sync((): Resources => {
  const active = process.getActiveResourcesInfo()
  return {
    timers: active.filter((name) => name === "Timeout").length,
    sockets: active.filter((name) => name.startsWith("TCP")).length
  }
})

const noSocket = ({ sockets }: Resources): boolean => sockets === 0

const settled = (until: (now: Resources) => boolean) => Effect.repeat(Effect.delay(resources, "20 millis"), { until })
