/** The other endpoints of a real authorization server: metadata, introspection, revocation. */
import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import * as ProtectedApi from "@effect-bearer/examples/support/ProtectedApi"
import { Chunk, Effect, Exit, Fiber, Option, Redacted, Schedule, Scope, Stream } from "effect"
import {
  BearerAuth,
  ClientAuthentication,
  Introspection,
  Jwt,
  RetryPolicy,
  Revocation,
  ServerMetadata,
  TokenMonitor,
  TokenSource
} from "effect-bearer"
import { servers } from "./harness.js"

const as = ({ id, secret }: AuthorizationServer.Client) => ({
  clientId: id,
  authentication: ClientAuthentication.basic(secret)
})

/** Endpoints of the server in this test, found by discovery, and a cached source. */
const setup = Effect.gen(function*() {
  const server = yield* AuthorizationServer.AuthorizationServer
  const metadata = yield* ServerMetadata.make(server.issuer)
  const introspection = yield* Introspection.make({
    endpoint: ServerMetadata.introspectionEndpoint(metadata),
    ...as(server.clients.api)
  })
  const revocation = yield* Revocation.make({
    endpoint: ServerMetadata.revocationEndpoint(metadata),
    ...as(server.clients.basic)
  })
  const tokens = yield* TokenSource.clientCredentials({
    tokenEndpoint: ServerMetadata.tokenEndpoint(metadata),
    scopes: "calls:read",
    ...as(server.clients.basic)
  }).pipe(
    Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter({ base: "50 millis" }))),
    Effect.flatMap(TokenSource.cached())
  )
  return { server, metadata, introspection, revocation, tokens }
})

const options = { lifetime: "1 minute" } as const

describe("discovery", () => {
  it.scopedLive("finds what the server really has", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.AuthorizationServer
      const found = yield* ServerMetadata.discover(server.issuer)
      assert.strictEqual(found.issuer, server.issuer)
      assert.deepStrictEqual(found.endpoints.token, Option.some(new URL(server.tokenEndpoint)))
      assert.deepStrictEqual(found.endpoints.revocation, Option.some(new URL(server.revocationEndpoint)))
      assert.isTrue(Option.isSome(found.endpoints.introspection))
      assert.include(found.grantTypesSupported, "client_credentials")
      const wrong = yield* Effect.flip(ServerMetadata.discover(`${server.issuer}/`))
      assert.strictEqual(wrong._tag, "MalformedResponse")
    }).pipe(Effect.provide(servers(options))))

  // issue 3: a source from an issuer URL alone
  it.scopedLive("a source from an issuer alone serves an API", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.AuthorizationServer
      const api = yield* ProtectedApi.ProtectedApi
      yield* Effect.gen(function*() {
        const source = yield* TokenSource.TokenSource
        const client = BearerAuth.withBearer(source, { origins: [api.origin] })(yield* HttpClient.HttpClient)
        assert.strictEqual((yield* client.get(api.callsUrl)).status, 200)
      }).pipe(Effect.provide(TokenSource.layer({
        tokenEndpoint: ServerMetadata.tokenEndpoint(server.issuer),
        scopes: "calls:read",
        ...as(server.clients.basic)
      })))
    }).pipe(Effect.provide(servers(options))))

  it.scopedLive("a source outlives a server that is down when it starts", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup
      yield* server.fail(AuthorizationServer.refused)
      assert.strictEqual((yield* Effect.flip(tokens.get()))._tag, "RetriesExhausted")
      yield* server.recover
      yield* Effect.retry(tokens.get(), Schedule.intersect(Schedule.recurs(50), Schedule.spaced("100 millis")))
    }).pipe(Effect.provide(servers(options))))
})

// SPEC B6, B7
describe("introspection", () => {
  it.scopedLive("tells active tokens from revoked and unknown ones", () =>
    Effect.gen(function*() {
      const { introspection, server, tokens } = yield* setup
      const token = yield* tokens.get()
      const result = yield* introspection.check(token)
      assert.isTrue(result.active)
      if (result.active) {
        assert.deepStrictEqual([...result.scopes], ["calls:read"])
        assert.deepStrictEqual(result.clientId, Option.some(server.clients.basic.id))
        assert.isTrue(Option.isSome(result.expiresAt))
      }
      yield* server.revoke(token.value)
      assert.isFalse((yield* introspection.check(token)).active)
      assert.isFalse((yield* introspection.check("never-issued")).active)
    }).pipe(Effect.provide(servers(options))))

  it.scopedLive("a wrong secret is an error and not \"inactive\"", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup
      const introspection = yield* Introspection.make({
        endpoint: server.introspectionEndpoint,
        clientId: server.clients.api.id,
        authentication: ClientAuthentication.basic(Redacted.make("wrong-secret"))
      })
      const error = yield* Effect.flip(introspection.check(yield* tokens.get()))
      assert.isTrue(error._tag === "OAuthError" && error.error === "invalid_client")
    }).pipe(Effect.provide(servers(options))))

  it.scopedLive("watched: a revoked token is found out and replaced", () =>
    Effect.gen(function*() {
      const { introspection, server, tokens } = yield* setup
      yield* TokenMonitor.watch({ introspection, every: "100 millis" })(tokens)
      const anomaly = yield* tokens.events.pipe(
        Stream.filter((event) => event._tag === "TokenInactive"),
        Stream.take(1),
        Stream.runCollect,
        Effect.fork
      )
      const token = yield* tokens.get()
      yield* Effect.sleep("300 millis")
      assert.strictEqual(yield* tokens.get(), token)
      yield* server.revoke(token.value)
      assert.strictEqual(Chunk.size(yield* Fiber.join(anomaly)), 1)
      const next = yield* tokens.get()
      assert.isTrue((yield* introspection.check(next)).active)
    }).pipe(Effect.provide(servers(options))))
})

describe("revocation", () => {
  it.scopedLive("a revoked token is not active; revoking it again, or nonsense, is a success", () =>
    Effect.gen(function*() {
      const { introspection, revocation, tokens } = yield* setup
      const token = yield* tokens.get()
      yield* revocation.revoke(token)
      assert.isFalse((yield* introspection.check(token)).active)
      yield* revocation.revoke(token)
      yield* revocation.revoke("never-issued")
    }).pipe(Effect.provide(servers(options))))

  it.scopedLive("closing a scope revokes what was held", () =>
    Effect.gen(function*() {
      const { introspection, revocation, tokens } = yield* setup
      const scope = yield* Scope.make()
      yield* Scope.extend(TokenMonitor.revokeOnClose({ revocation })(tokens), scope)
      const token = yield* tokens.get()
      assert.isTrue((yield* introspection.check(token)).active)
      yield* Scope.close(scope, Exit.void)
      assert.isFalse((yield* introspection.check(token)).active)
    }).pipe(Effect.provide(servers(options))))
})

// SPEC B3
describe("opaque tokens", () => {
  it.scopedLive("are no error for Jwt", () =>
    Effect.gen(function*() {
      const { tokens } = yield* setup
      const token = yield* tokens.get()
      assert.isTrue(Option.isNone(Jwt.decode(token)))
      yield* Jwt.checkScopes(token, "calls:admin")
    }).pipe(Effect.provide(servers(options))))
})

// SPEC C11
describe("a rotated secret", () => {
  it.scopedLive("P21 takes effect without a failure", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.AuthorizationServer
      const { id, secret } = server.clients.basic
      let reads = 0
      const endpoint = yield* TokenSource.clientCredentials({
        tokenEndpoint: ServerMetadata.tokenEndpoint(server.issuer),
        clientId: id,
        authentication: ClientAuthentication.basic(
          Effect.sync(() => reads++ === 0 ? Redacted.make("the-secret-before") : secret)
        )
      })
      yield* endpoint.get()
      assert.deepStrictEqual((yield* server.seen).tokenStatuses, { 401: 1, 200: 1 })
    }).pipe(Effect.provide(servers(options))))
})
