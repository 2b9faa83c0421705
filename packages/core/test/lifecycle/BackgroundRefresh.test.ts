import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Clock, Deferred, Effect, Exit, Fiber, Random, Scope, TestClock } from "effect"
import type { BackgroundRefresh, TokenCache } from "../../src/index.js"
import { AccessToken, TokenRequest, TokenSource } from "../../src/index.js"
import { collect, secret, tags } from "../support/observe.js"
import { refused, Scripted, unavailable } from "../support/scripted.js"

const minutes = (n: number) => n * 60_000

const setup = (
  options: BackgroundRefresh.Options = {},
  prepare: (server: Scripted) => void = () => {},
  cache: TokenCache.Options = {}
) =>
  Effect.gen(function*() {
    const server = new Scripted()
    prepare(server)
    const tokens = yield* server.source.pipe(
      Effect.flatMap(TokenSource.cached(cache)),
      Effect.flatMap(TokenSource.backgroundRefresh({ jitter: 0, ...options }))
    )
    return {
      server,
      tokens,
      times: () => server.calls.map((call) => call.at / 60_000),
      at: () => server.calls.map((call) => call.at)
    }
  })

describe("BackgroundRefresh", () => {
  // SPEC B1, D6
  it.scoped("renews ahead of expiry without a caller, for a day (24 lifecycles and their overlap)", () =>
    Effect.gen(function*() {
      const { server, tokens, times } = yield* setup()
      yield* tokens.get()
      yield* TestClock.adjust("24 hours")
      assert.deepStrictEqual(times(), Arr.makeBy(27, (n) => n * 55))
      assert.strictEqual(secret(yield* tokens.get()), "token-27")
      assert.strictEqual(server.count, 27)
    }))

  // SPEC D6
  it.scoped("callers never wait while tokens are renewed ahead, however slow the endpoint is (I2)", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup({ ahead: "10 minutes" })
      yield* tokens.get()
      server.latency = minutes(9)
      const waits: Array<number> = []
      yield* Effect.forkScoped(Effect.gen(function*() {
        for (;;) {
          const before = yield* Clock.currentTimeMillis
          yield* tokens.get()
          waits.push((yield* Clock.currentTimeMillis) - before)
          yield* Effect.sleep("7 minutes")
        }
      }))
      yield* TestClock.adjust("12 hours")
      assert.isAbove(waits.length, 100)
      assert.isTrue(waits.every((wait) => wait === 0))
    }))

  it.scoped("clamps the window to a quarter of the lifetime: a token of 60 s is renewed every 45 s", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup({}, (s) => (s.lifetime = 60_000))
      yield* tokens.get()
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(server.calls.map((call) => call.at / 1000), Arr.makeBy(7, (n) => n * 45))
    }))

  it.scoped("jitter makes a renewal earlier, never later, and a seed repeats it", () => {
    const run = Effect.suspend(() =>
      Effect.gen(function*() {
        const { at, tokens } = yield* setup({ jitter: "1 minute" })
        yield* tokens.get()
        yield* TestClock.adjust("3 hours")
        return at().map((time) => time - at()[0]!)
      }).pipe(Effect.scoped, Effect.withRandom(Random.make("seed")))
    )
    return Effect.gen(function*() {
      const times = yield* run
      const gaps = times.slice(1).map((time, n) => time - times[n]!)
      assert.isTrue(gaps.every((gap) => gap >= minutes(54) && gap <= minutes(55)), String(gaps))
      assert.isAbove(new Set(gaps).size, 1)
      assert.deepStrictEqual(yield* run, times)
    })
  })

  // SPEC B7
  it.scoped("the refresher survives any failure, defects included, and recovers within one step (I5)", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup()
      const events = yield* collect(tokens)
      yield* tokens.get()
      server.failing = unavailable()
      yield* TestClock.adjust("58 minutes")
      const failed = events.filter((event) => event._tag === "RefreshFailed")
      assert.isAbove(failed.length, 4)
      assert.isBelow(failed.length, 20)
      assert.strictEqual(secret(yield* tokens.get()), "token-1")
      server.failing = undefined
      yield* TestClock.adjust("30 seconds")
      const renewed = secret(yield* tokens.get())
      assert.notStrictEqual(renewed, "token-1")
      yield* TestClock.adjust("56 minutes")
      assert.notStrictEqual(secret(yield* tokens.get()), renewed)
    }))

  it.scoped("the refresher goes on asking after the token has expired, so that the next caller need not wait", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup()
      yield* tokens.get()
      server.failing = unavailable()
      yield* TestClock.adjust("3 hours")
      server.failing = undefined
      yield* TestClock.adjust("30 seconds")
      const before = server.count
      assert.match(secret(yield* tokens.get()), /^token-/)
      assert.strictEqual(server.count, before)
    }))

  it.scoped("the refresher goes on asking after a revocation during an outage (I5)", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup()
      const events = yield* collect(tokens)
      const revoked = yield* tokens.get()
      server.failing = unavailable()
      assert.strictEqual((yield* Effect.flip(tokens.renew(revoked)))._tag, "EndpointUnavailable")
      yield* TestClock.adjust("3 hours")
      assert.isBelow(server.count, 730, "every 15 to 30 seconds")
      const reasons = events.flatMap((event) => event._tag === "AcquisitionStarted" ? [event.reason] : [])
      assert.deepStrictEqual(reasons.slice(0, 3), ["cold", "rejected", "cold"])
      server.failing = undefined
      yield* TestClock.adjust("30 seconds")
      const before = server.count
      assert.notStrictEqual(secret(yield* tokens.get()), secret(revoked))
      assert.strictEqual(server.count, before)
    }))

  it.scoped("the refresher stops asking if it never had a token, was refused, or got the revoked token again", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup()
      const quiet = Effect.gen(function*() {
        const before = server.count
        yield* TestClock.adjust("3 hours")
        assert.strictEqual(server.count, before)
      })
      server.failing = unavailable()
      yield* Effect.flip(tokens.get())
      yield* quiet

      server.failing = undefined
      const token = yield* tokens.get()
      server.failing = refused()
      assert.strictEqual((yield* Effect.flip(tokens.renew(token)))._tag, "OAuthError")
      yield* quiet

      server.failing = undefined
      server.answer = () => token
      const renewal = yield* Effect.fork(tokens.renew(token))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(renewal)
      yield* TestClock.adjust("5 seconds")
      yield* quiet
    }))

  it.scoped("the refresher wakes for a token of thirty days, although timers count to 24.8 days only", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup({}, (s) => (s.lifetime = 30 * 24 * 3_600_000))
      yield* tokens.get()
      yield* TestClock.adjust("30 days")
      assert.strictEqual(server.count, 2)
    }))

  it.scoped("renews each key at its own time; a key with an earlier one wakes the refresher", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup()
      yield* tokens.get()
      yield* TestClock.adjust("10 minutes")
      server.lifetime = 1_200_000
      yield* tokens.get(TokenRequest.make({ scopes: "short" }))
      yield* TestClock.adjust("16 minutes")
      assert.deepStrictEqual(server.calls.map((call) => [call.at / 60_000, call.request.scopes.join()]), [
        [0, ""],
        [10, "short"],
        [25, "short"]
      ])
    }))

  it.scoped("many keys that are due at the same moment are each renewed", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup()
      yield* Effect.forEach(Arr.range(1, 50), (n) => tokens.get(TokenRequest.make({ scopes: `s${n}` })))
      yield* TestClock.adjust("55 minutes")
      assert.strictEqual(server.count, 100)
      assert.strictEqual(new Set(server.calls.slice(50).map((call) => call.request.key)).size, 50)
    }))

  describe("idleTimeToLive", () => {
    it.scoped("a key that no caller uses is forgotten; a key that is used is kept", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ idleTimeToLive: "2 hours" })
        const events = yield* collect(tokens)
        const used = TokenRequest.make({ scopes: "used" })
        yield* tokens.get(TokenRequest.make({ scopes: "unused" }))
        yield* tokens.get(used)
        yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep("50 minutes"), tokens.get(used))))
        yield* TestClock.adjust("10 hours")
        const count = (scope: string) => server.calls.filter((call) => call.request.scopes.includes(scope)).length
        assert.strictEqual(count("unused"), 3)
        assert.strictEqual(count("used"), 11)
        assert.strictEqual(tags(events).filter((tag) => tag === "KeyForgotten").length, 1)
        // a forgotten key comes back when a caller asks for it
        yield* tokens.get(TokenRequest.make({ scopes: "unused" }))
        assert.strictEqual(count("unused"), 4)
      }))

    it.scoped("by default the source's own token is never forgotten, and other tokens after an idle hour", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        yield* tokens.get()
        yield* tokens.get(TokenRequest.make({ scopes: "other" }))
        yield* TestClock.adjust("12 hours")
        const own = server.calls.filter((call) => call.request.scopes.length === 0).length
        assert.strictEqual(own, 14)
        assert.strictEqual(server.count - own, 2)
      }))

    it.scoped("a key the cache has evicted is not renewed (I14)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({}, () => {}, { capacity: 2 })
        yield* Effect.forEach(["a", "b", "c", "d"], (scopes) => tokens.get(TokenRequest.make({ scopes })))
        yield* TestClock.adjust("56 minutes")
        assert.deepStrictEqual(
          server.calls.slice(4).map((call) => call.request.scopes.join()).sort(),
          ["c", "d"]
        )
      }))
  })

  describe("scope", () => {
    // I8
    it.effect("the refresher stops with its scope, and so does a renewal under way", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const interrupted = yield* Deferred.make<void>()
        let calls = 0
        const tokens = yield* TokenSource.make(() =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            calls++
            return calls === 1
              ? Effect.succeed(AccessToken.make({ value: "t", issuedAt: now, expiresAt: now + 3_600_000 }))
              : Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
          })
        ).pipe(
          Effect.flatMap(TokenSource.cached()),
          Effect.flatMap(TokenSource.backgroundRefresh({ jitter: 0 })),
          Scope.extend(scope)
        )
        yield* tokens.get()
        yield* TestClock.adjust("56 minutes")
        assert.strictEqual(calls, 2)
        yield* Scope.close(scope, Exit.void)
        yield* Deferred.await(interrupted)
        yield* TestClock.adjust("24 hours")
        assert.strictEqual(calls, 2)
      }))

    it.effect("the refresher can be stopped although it was started in an uninterruptible region", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        yield* Effect.uninterruptible(Scope.extend(setup(), scope))
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* TestClock.adjust(0)
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(closing)))
      }))
  })
})
