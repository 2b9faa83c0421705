import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Data, Duration, Effect, Fiber, Option, Redacted, TestClock } from "effect"
import { ClientAuthentication, RetryPolicy, TokenRequest, TokenSource } from "../../../src/index.js"
import { collect, secret, tags } from "../../support/observe.js"
import { Scripted, unavailable } from "../../support/scripted.js"

class Sealed extends Data.TaggedError("Sealed")<{}> {
  readonly retryable = true as const
}
class Denied extends Data.TaggedError("Denied")<{}> {
  readonly retryable = false as const
}

describe("steps of a pipeline", () => {
  it.scoped("take an effect that makes a source, and do what they do to a source", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      yield* server.enqueue(Reply.status(503))
      const tokens = yield* TokenSource.clientCredentials({
        tokenEndpoint: server.tokenEndpoint,
        clientId: "client",
        authentication: ClientAuthentication.basic(Redacted.make("s3cr3t"))
      }).pipe(
        TokenSource.rateLimit({ limit: 10 }),
        TokenSource.retry(RetryPolicy.exponentialJitter()),
        TokenSource.circuitBreaker(),
        TokenSource.enforceScopes(),
        TokenSource.cached({ clockSkew: "45 seconds" }),
        TokenSource.backgroundRefresh({ ahead: "5 minutes" }),
        Effect.provide(server.layer)
      )
      const events = yield* collect(tokens)
      const first = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(secret(yield* Fiber.join(first)), "token-1")
      yield* TestClock.adjust("57 minutes")
      assert.strictEqual(secret(yield* tokens.get()), "token-2")
      assert.include(tags(events), "RetryScheduled")
    }))

  it.scoped("an effect that makes no source fails with its own error, and no step runs", () =>
    Effect.gen(function*() {
      const none: Effect.Effect<TokenSource.With<never>, Denied> = Effect.fail(new Denied())
      assert.strictEqual((yield* Effect.flip(TokenSource.cached()(none)))._tag, "Denied")
      assert.strictEqual((yield* Effect.flip(TokenSource.enforceScopes()(none)))._tag, "Denied")
    }))
})

describe("errors of one's own", () => {
  it.scoped("a policy without a type argument retries them, and managed has them beside its own", () =>
    Effect.gen(function*() {
      const script: Array<Sealed | Denied> = [new Sealed(), new Sealed()]
      const scripted = new Scripted()
      const tokens = yield* TokenSource.make((request) =>
        Effect.gen(function*() {
          const error = script.shift()
          return error === undefined ? yield* scripted.fetch(request) : yield* error
        })
      ).pipe(TokenSource.managed())
      const first = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(secret(yield* Fiber.join(first)), "token-1")
      script.push(new Denied())
      assert.strictEqual((yield* Effect.flip(tokens.get(TokenRequest.make({ scopes: "a" }))))._tag, "Denied")
      script.push(...Array.from({ length: 9 }, () => new Sealed()))
      const exhausted = yield* Effect.fork(Effect.flip(tokens.get(TokenRequest.make({ scopes: "b" }))))
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(exhausted)
      assert(error._tag === "RetriesExhausted")
      assert.strictEqual(error.last._tag, "Sealed")
    }))

  it.scoped("a tag with errors of its own is provided by layerFrom", () => {
    class Vault extends TokenSource.Tag("Vault")<Vault, Denied>() {}
    return Effect.gen(function*() {
      const live = Vault.layerFrom(TokenSource.cached()(TokenSource.make(() => Effect.fail(new Denied()))))
      assert.strictEqual((yield* Effect.flip(Effect.provide(Vault.get(), live)))._tag, "Denied")
    })
  })
})

describe("make with a timeout", () => {
  it.scoped("interrupts what takes longer, and says so", () =>
    Effect.gen(function*() {
      let interrupted = false
      const tokens = yield* TokenSource.make(
        () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted = true)),
        { timeout: "3 seconds" }
      ).pipe(TokenSource.cached())
      const asking = yield* Effect.fork(Effect.flip(tokens.get()))
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(asking)
      assert.deepStrictEqual([error._tag, error.limit], ["EndpointTimeout", Duration.seconds(3)])
      assert.isTrue(interrupted)
    }))
})

describe("fixed", () => {
  it.scoped("always gives its token, cached or not, and renews to the same", () =>
    Effect.gen(function*() {
      const tokens = TokenSource.fixed(Redacted.make("one"))
      const token = yield* tokens.get()
      assert.strictEqual(secret(token), "one")
      assert.strictEqual(yield* tokens.renew(token), token)
      yield* tokens.invalidate(token)
      assert.strictEqual(secret(yield* (yield* TokenSource.cached()(tokens)).get()), "one")
      assert.deepStrictEqual((yield* TokenSource.status(tokens)).token, Option.some(token))
      assert.strictEqual(yield* TokenSource.fixed(token).get(TokenRequest.make({ scopes: "a" })), token)
    }))
})

describe("minTtl of a call", () => {
  const setup = Effect.gen(function*() {
    const server = new Scripted()
    const tokens = yield* TokenSource.managed({ refresh: false })(server.source)
    const first = yield* tokens.get()
    yield* TestClock.adjust("40 minutes")
    return { server, tokens, first }
  })

  it.scoped("a token with less left is renewed for this call; others are served the held one", () =>
    Effect.gen(function*() {
      const { first, server, tokens } = yield* setup
      assert.strictEqual(yield* tokens.get(undefined, { minTtl: "20 minutes" }), first)
      assert.strictEqual(yield* tokens.get(), first)
      server.latency = 1000
      const asking = yield* Effect.fork(tokens.get(undefined, { minTtl: "25 minutes" }))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* tokens.get(), first)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(secret(yield* Fiber.join(asking)), "token-2")
      assert.strictEqual(server.count, 2)
    }))

  it.scoped("asks for half of the lifetime at most, so an absurd demand is one request and no more", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup
      assert.strictEqual(secret(yield* tokens.get(undefined, { minTtl: Infinity })), "token-2")
      assert.strictEqual(secret(yield* tokens.get(undefined, { minTtl: Infinity })), "token-2")
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual(secret(yield* tokens.get(undefined, { minTtl: "2 hours" })), "token-2")
      assert.strictEqual(server.count, 2)
    }))

  it.scoped("passes through what is put around the cache, and gives the held token if there is no other", () =>
    Effect.gen(function*() {
      const { first, server, tokens } = yield* setup
      const around = tokens.pipe(TokenSource.transform((token) => token))
      server.failing = unavailable()
      const asking = yield* Effect.fork(around.get(undefined, { minTtl: "25 minutes" }))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* Fiber.join(asking), first)
      assert.strictEqual(server.count, 5)
    }))

  it.scoped("a demand that is no duration is none", () =>
    Effect.gen(function*() {
      const { first, server, tokens } = yield* setup
      assert.strictEqual(yield* tokens.get(undefined, { minTtl: Number.NaN }), first)
      assert.strictEqual(yield* tokens.get(undefined, { minTtl: -1 }), first)
      assert.strictEqual(server.count, 1)
    }))

  it.scoped("through the tag", () => {
    const server = new Scripted()
    class Own extends TokenSource.Tag("Own")<Own>() {}
    return Effect.gen(function*() {
      yield* Own.get()
      yield* TestClock.adjust("40 minutes")
      assert.strictEqual(secret(yield* Own.get()), "token-1")
      assert.strictEqual(secret(yield* Own.get(undefined, { minTtl: "25 minutes" })), "token-2")
    }).pipe(Effect.provide(Own.layerFrom(TokenSource.managed({ refresh: false })(server.source))))
  })
})
