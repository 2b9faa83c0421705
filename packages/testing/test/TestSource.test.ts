import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Either, Fiber, Layer, Option, Redacted, TestClock } from "effect"
import type { TokenError } from "effect-bearer"
import { AccessToken, BearerAuth, Scopes, TokenRequest, TokenSource } from "effect-bearer"
import { TestSource, TokenErrors } from "../src/index.js"

const secret = (token: AccessToken.AccessToken): string => Redacted.value(token.value)

describe("TestSource", () => {
  it.effect("fixed: the same token for everybody, made at the time of the Clock", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(5_000)
      const tokens = TestSource.fixed("abc")
      const token = yield* tokens.get()
      assert.strictEqual(secret(token), "abc")
      assert.strictEqual(token.issuedAt, 5_000)
      assert.isTrue(Option.isNone(token.expiresAt))
      assert.strictEqual(secret(yield* tokens.renew(token)), "abc")
      yield* tokens.invalidate(token)
      const given = AccessToken.make({ value: "whole", scopes: "users:read", expiresAt: 9_000 })
      assert.strictEqual(yield* TestSource.fixed(given).get(), given)
    }))

  it.effect("expiring: the next number when the last token has ended", () =>
    Effect.gen(function*() {
      const tokens = yield* TestSource.expiring({ lifetime: "1 minute" })
      const first = yield* tokens.get(TokenRequest.make({ scopes: "users:read" }))
      assert.deepStrictEqual(first.scopes, Scopes.make("users:read"))
      assert.deepStrictEqual(first.expiresAt, Option.some((yield* Clock.currentTimeMillis) + 60_000))
      yield* TestClock.adjust("59999 millis")
      assert.strictEqual(secret(yield* tokens.get()), "token-1")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(secret(yield* tokens.get()), "token-2")
    }))

  it.effect("expiring: a refused token is replaced once, whoever reports it", () =>
    Effect.gen(function*() {
      const tokens = yield* TestSource.expiring({ prefix: "t" })
      const first = yield* tokens.get()
      assert.strictEqual(secret(yield* tokens.renew(first)), "t2")
      assert.strictEqual(secret(yield* tokens.renew(first)), "t2")
      yield* tokens.invalidate(first)
      const second = yield* tokens.get()
      assert.strictEqual(secret(second), "t2")
      yield* tokens.invalidate(second)
      assert.strictEqual(secret(yield* tokens.get()), "t3")
    }))

  it.effect("expiring: what is no lifetime is an hour", () =>
    Effect.gen(function*() {
      const tokens = yield* TestSource.expiring({ lifetime: Number.NaN })
      const token = yield* tokens.get()
      assert.strictEqual(Option.getOrThrow(token.expiresAt) - token.issuedAt, 3_600_000)
    }))

  it.effect("failing: with the error of each tag, and with one of your own", () =>
    Effect.gen(function*() {
      for (const error of TokenErrors.each) {
        assert.strictEqual(yield* Effect.flip(TestSource.failing(error).get()), error)
        assert.strictEqual(yield* Effect.flip(TestSource.failing(error).renew(yield* TestSource.fixed().get())), error)
      }
      assert.strictEqual(yield* Effect.flip(TestSource.failing("own" as const).get()), "own")
    }))

  it.effect("hanging: until the caller gives up", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.timeoutOption(TestSource.hanging.get(), "1 second"))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isNone(yield* Fiber.join(fiber)))
    }))

  it.effect("slow: after a while", () =>
    Effect.gen(function*() {
      const answered = yield* Deferred.make<AccessToken.AccessToken>()
      const tokens = TestSource.slow(TestSource.fixed("late"), "2 seconds")
      yield* Effect.fork(Deferred.complete(answered, tokens.get()))
      yield* TestClock.adjust("1999 millis")
      assert.isFalse(yield* Deferred.isDone(answered))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(secret(yield* Deferred.await(answered)), "late")
    }))

  it.effect("scripted: one behaviour after the other, and what it was asked", () =>
    Effect.gen(function*() {
      const tokens = yield* TestSource.scripted<TokenError.TokenError>(TestSource.fixed("good"))
      const token = yield* tokens.get()
      yield* tokens.become(TestSource.failing(TokenErrors.endpointUnavailable()))
      const error = yield* Effect.flip(tokens.renew(token))
      assert.strictEqual(error._tag, "EndpointUnavailable")
      yield* tokens.become(TestSource.fixed("better"))
      assert.strictEqual(secret(yield* tokens.pipe((source) => source.get())), "better")
      yield* tokens.invalidate(token)
      assert.strictEqual(yield* tokens.asked, 3)
      assert.deepStrictEqual(yield* tokens.refused, ["good", "good"])
    }))

  it.effect("the steps of a real source stand on it", () =>
    Effect.gen(function*() {
      const script = yield* TestSource.scripted<TokenError.RequestError>(TestSource.failing(TokenErrors.rateLimited()))
      const tokens = yield* TokenSource.managed()(script)
      const fiber = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust("200 millis")
      yield* script.become(TestSource.fixed("at last"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(secret(yield* Fiber.join(fiber)), "at last")
      yield* tokens.get()
      assert.strictEqual(yield* script.asked, 2)
    }).pipe(Effect.scoped))
})

/** An API that lets some tokens in. */
const api = (accepts: (token: string) => boolean) =>
  HttpClient.make((request) =>
    Effect.sync(() =>
      HttpClientResponse.fromWeb(
        request,
        new Response(null, {
          status: accepts((request.headers.authorization ?? "").slice("Bearer ".length)) ? 200 : 401
        })
      )
    )
  )

describe("TestSource: layers", () => {
  const call = Effect.map(HttpClient.get("https://api.test/users"), ({ status }) => status)
  const through = (tokens: Layer.Layer<TokenSource.TokenSource>, accepts: (token: string) => boolean) =>
    call.pipe(
      Effect.provide(
        BearerAuth.layer({ origins: ["https://api.test"] }).pipe(
          Layer.provide(tokens),
          Layer.provide(Layer.succeed(HttpClient.HttpClient, api(accepts)))
        )
      )
    )

  it.effect("the default source is the fixed one", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* through(TestSource.layerTest(), (token) => token === "test-token"), 200)
      assert.strictEqual(yield* through(TestSource.layerTest(), () => false), 401)
    }))

  it.effect("a refused token is renewed, and the request is made once more", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* through(TestSource.layerTest(TestSource.expiring()), (token) => token === "token-2"),
        200
      )
    }))

  it.effect("an error of the source comes out of the client", () =>
    Effect.gen(function*() {
      const tokens = TestSource.layerTest(TestSource.failing(TokenErrors.invalidClient()))
      const failed = Either.getLeft(yield* Effect.either(through(tokens, () => true)))
      assert.strictEqual(Option.getOrThrow(Option.flatMap(failed, BearerAuth.tokenErrorOf))._tag, "OAuthError")
    }))

  it.effect("for a tag of one's own", () =>
    Effect.gen(function*() {
      class Billing extends TokenSource.Tag("Billing")<Billing>() {}
      const token = yield* Effect.flatMap(Billing, (tokens) => tokens.get()).pipe(
        Effect.provide(TestSource.layerTestOf(Billing, TestSource.expiring({ prefix: "billing-" })))
      )
      assert.strictEqual(secret(token), "billing-1")
    }))

  it.effect("a client is given a source by hand, too", () =>
    Effect.gen(function*() {
      const client = api((token) => token === "by-hand").pipe(
        BearerAuth.withBearer(TestSource.fixed("by-hand"), { origins: ["https://api.test"] })
      )
      const { status } = yield* client.execute(HttpClientRequest.get("https://api.test/"))
      assert.strictEqual(status, 200)
    }))
})
