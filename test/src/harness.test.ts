import { connect } from "node:net"
import { HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer } from "@effect-bearer/examples/support/AuthorizationServer"
import * as Servers from "@effect-bearer/examples/support/AuthorizationServer"
import { ProtectedApi } from "@effect-bearer/examples/support/ProtectedApi"
import { Duration, Effect, Redacted } from "effect"
import { plainToken, post, servers } from "./harness.js"

const grant = { grant_type: "client_credentials", scope: "calls:read" }

const call = (token?: Redacted.Redacted) =>
  Effect.gen(function*() {
    const { callsUrl } = yield* ProtectedApi
    const request = HttpClientRequest.get(callsUrl)
    const response = yield* HttpClient.execute(
      token === undefined ? request : HttpClientRequest.bearerToken(request, token)
    )
    yield* response.text
    return { status: response.status, challenge: response.headers["www-authenticate"] ?? "" }
  })

const accepts = (port: number) =>
  Effect.async<boolean>((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

// The other tests believe what these servers count, so the servers are tested first, without the library.
describe("AuthorizationServer", () => {
  it.scopedLive("issues opaque tokens to clients that authenticate with basic and with post", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const token = yield* plainToken()
      assert.strictEqual(token.expires_in, 3)
      assert.strictEqual(token.scope, "calls:read")
      assert.notInclude(Redacted.value(token.access_token), ".")
      const { post: client } = server.clients
      const reply = yield* post(server.tokenEndpoint, {
        ...grant,
        client_id: client.id,
        client_secret: Redacted.value(client.secret)
      })
      assert.strictEqual(reply.status, 200)
      const seen = yield* server.seen
      assert.strictEqual(seen.tokenRequests, 2)
      assert.strictEqual(seen.tokensIssued, 2)
      assert.deepStrictEqual(seen.tokenStatuses, { 200: 2 })
    }).pipe(Effect.provide(servers())))

  it.scopedLive("refuses a wrong secret and a scope the client may not have, and counts them", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const impostor = { id: server.clients.basic.id, secret: Redacted.make("wrong") }
      const unknown = yield* post(server.tokenEndpoint, grant, impostor)
      assert.strictEqual(unknown.status, 401)
      assert.include(unknown.text, "invalid_client")
      const greedy = yield* post(server.tokenEndpoint, { ...grant, scope: "calls:admin" }, server.clients.basic)
      assert.strictEqual(greedy.status, 400)
      assert.include(greedy.text, "invalid_scope")
      const seen = yield* server.seen
      assert.strictEqual(seen.tokensIssued, 0)
      assert.deepStrictEqual(seen.tokenStatuses, { 400: 1, 401: 1 })
    }).pipe(Effect.provide(servers())))

  it.scopedLive("answers 503 with Retry-After while it is down, and recovers", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const ask = post(server.tokenEndpoint, grant, server.clients.basic)
      const down = yield* server.whileDown(Servers.unavailable("2 seconds"))(ask)
      assert.strictEqual(down.status, 503)
      assert.strictEqual(down.headers["retry-after"], "2")
      assert.strictEqual((yield* ask).status, 200)
      assert.deepStrictEqual((yield* server.seen).tokenStatuses, { 200: 1, 503: 1 })
    }).pipe(Effect.provide(servers())))

  it.scopedLive("refuses connections while it is down for good, but introspection stays", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const token = yield* plainToken()
      const port = Number(new URL(server.tokenEndpoint).port)
      yield* server.whileDown(Servers.refused)(Effect.gen(function*() {
        assert.isFalse(yield* accepts(port))
        assert.strictEqual((yield* call(token.access_token)).status, 200)
      }))
      assert.isTrue(yield* accepts(port))
      assert.strictEqual((yield* post(server.tokenEndpoint, grant, server.clients.basic)).status, 200)
    }).pipe(Effect.provide(servers())))

  it.scopedLive("delays its answer by the latency, and lets a lifetime be changed", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      yield* server.setLatency("100 millis")
      yield* server.setLifetime("60 seconds")
      const [elapsed, token] = yield* Effect.timed(plainToken())
      assert.isAtLeast(Duration.toMillis(elapsed), 95)
      assert.strictEqual(token.expires_in, 60)
    }).pipe(Effect.provide(servers())))

  it.live("is gone when its scope is closed", () =>
    Effect.gen(function*() {
      const ports = yield* Effect.gen(function*() {
        const server = yield* AuthorizationServer
        yield* plainToken()
        return [server.tokenEndpoint, server.introspectionEndpoint].map((url) => Number(new URL(url).port))
      }).pipe(Effect.provide(servers()), Effect.scoped)
      assert.deepStrictEqual(yield* Effect.forEach(ports, accepts), [false, false])
    }))
})

describe("ProtectedApi", () => {
  it.scopedLive("lets a valid token in and turns the others away, each with its own challenge", () =>
    Effect.gen(function*() {
      const api = yield* ProtectedApi
      const { access_token: token } = yield* plainToken()
      assert.strictEqual((yield* call(token)).status, 200)
      const missing = yield* call()
      assert.strictEqual(missing.status, 401)
      assert.notInclude(missing.challenge, "error")
      const unknown = yield* call(Redacted.make("nobody-issued-this"))
      assert.strictEqual(unknown.status, 401)
      assert.include(unknown.challenge, "error=\"invalid_token\"")
      assert.deepStrictEqual(yield* api.seen, {
        calls: 3,
        statuses: { 200: 1, 401: 2 },
        tokensAccepted: 1,
        withoutToken: 1,
        slow: { waiting: 0, abandoned: 0 }
      })
    }).pipe(Effect.provide(servers())))

  it.scopedLive("asks about the token at every call: a revoked one is turned away at once", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const { access_token: one } = yield* plainToken()
      const { access_token: two } = yield* plainToken()
      assert.strictEqual((yield* call(one)).status, 200)
      assert.isTrue(yield* server.revoke(one))
      assert.isFalse(yield* server.revoke(one))
      assert.strictEqual((yield* call(one)).status, 401)
      assert.strictEqual((yield* call(two)).status, 200)
      assert.strictEqual(yield* server.revokeAll, 1)
      assert.strictEqual((yield* call(two)).status, 401)
      const { introspections, tokensRevoked } = yield* server.seen
      assert.deepStrictEqual({ introspections, tokensRevoked }, { introspections: 4, tokensRevoked: 2 })
    }).pipe(Effect.provide(servers())))

  it.scopedLive("a token revoked by its owner (RFC 7009) is turned away too", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const { access_token: token } = yield* plainToken()
      const reply = yield* post(
        server.revocationEndpoint,
        { token: Redacted.value(token) },
        server.clients.basic
      )
      assert.strictEqual(reply.status, 200)
      assert.strictEqual((yield* call(token)).status, 401)
      assert.strictEqual((yield* server.seen).tokensRevoked, 1)
    }).pipe(Effect.provide(servers())))

  it.scopedLive("turns an expired token away", () =>
    Effect.gen(function*() {
      const { access_token: token } = yield* plainToken()
      assert.strictEqual((yield* call(token)).status, 200)
      const refused = yield* Effect.repeat(Effect.delay(call(token), "100 millis"), {
        until: ({ status }) => status === 401
      })
      assert.include(refused.challenge, "invalid_token")
    }).pipe(Effect.provide(servers({ lifetime: "1 second" }))))

  it.scopedLive("can be told to refuse every token, for as long as asked", () =>
    Effect.gen(function*() {
      const api = yield* ProtectedApi
      const { access_token: token } = yield* plainToken()
      assert.strictEqual((yield* api.whileRefusingEveryToken(call(token))).status, 401)
      assert.strictEqual((yield* call(token)).status, 200)
    }).pipe(Effect.provide(servers())))
})
