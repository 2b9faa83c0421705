import { assert, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Effect, Fiber, Layer, Redacted, TestClock } from "effect"
import { ClientAuthentication, TokenSource } from "effect-bearer"

/** The real source, with its cache, its retries and its renewals, in front of a server in memory. */
const tokensOf = (server: AuthorizationServer.AuthorizationServer) =>
  TokenSource.layer({
    tokenEndpoint: server.tokenEndpoint,
    clientId: "reports",
    authentication: ClientAuthentication.basic(Redacted.make("secret")),
    refresh: { ahead: "5 minutes", jitter: 0 }
  }).pipe(Layer.provide(server.layer))

const token = Effect.flatMap(TokenSource.TokenSource, (tokens) => tokens.get()).pipe(
  Effect.map(({ value }) => Redacted.value(value))
)

it.effect("the token is renewed five minutes ahead, and nobody waits", () =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ expiresIn: 3600 })
    yield* Effect.gen(function*() {
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("54 minutes")
      assert.strictEqual(yield* token, "token-1")
      yield* TestClock.adjust("1 minute") // the renewal is due, and the server answers
      assert.strictEqual(yield* token, "token-2")
      assert.strictEqual(yield* server.count, 2)
    }).pipe(Effect.provide(tokensOf(server)))
  }))

it.effect("an outage that is shorter than the rest of the token's life is not noticed", () =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ expiresIn: 3600 })
    yield* Effect.gen(function*() {
      yield* token
      yield* server.setOutage(true) // 503 to every token request
      yield* TestClock.adjust("58 minutes")
      assert.strictEqual(yield* token, "token-1")
      yield* server.setOutage(false)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* token, "token-2")
    }).pipe(Effect.provide(tokensOf(server)))
  }))

it.effect("a server that is busy is asked again when it says so", () =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make()
    yield* server.enqueue(Reply.status(503, { "retry-after": "7" })) // to the next request only
    yield* Effect.gen(function*() {
      const waiting = yield* Effect.fork(token)
      yield* TestClock.adjust("6900 millis")
      assert.strictEqual(yield* server.count, 1)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(waiting), "token-1")
    }).pipe(Effect.provide(tokensOf(server)))
  }))
