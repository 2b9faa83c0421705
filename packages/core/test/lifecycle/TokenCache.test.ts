import { assert, describe, it } from "@effect/vitest"
import {
  Array as Arr,
  Cause,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Option,
  Redacted,
  Scope,
  TestClock,
  Tracer
} from "effect"
import type { TokenCache } from "../../src/index.js"
import { AccessToken, TokenError, TokenRequest, TokenSource, TokenStore } from "../../src/index.js"
import { collect, secret, tags } from "../support/observe.js"
import { refused, Scripted, unavailable } from "../support/scripted.js"
import { steppable } from "../support/time.js"

const setup = (options: TokenCache.Options & { readonly scripted?: (s: Scripted) => void } = {}) =>
  Effect.gen(function*() {
    const server = new Scripted()
    options.scripted?.(server)
    const tokens = yield* Effect.flatMap(server.source, TokenSource.cached({ jitter: 0, ...options }))
    return { server, tokens }
  })

describe("TokenCache", () => {
  describe("getWithRemaining", () => {
    // BROKER F4
    it.scoped("renews a token with less left once for all its callers; plain get serves the held one meanwhile", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ ahead: 0 })
        const first = yield* tokens.get()
        yield* TestClock.adjust("40 minutes")
        assert.strictEqual(yield* TokenSource.getWithRemaining("20 minutes")(tokens), first)
        yield* TestClock.adjust(1)
        server.latency = 1000
        const asking = yield* Effect.fork(
          Effect.all(
            Array.from({ length: 10 }, () => TokenSource.getWithRemaining("20 minutes")(tokens)),
            { concurrency: "unbounded" }
          )
        )
        yield* Effect.yieldNow()
        assert.strictEqual(yield* tokens.get(), first)
        yield* TestClock.adjust("1 seconds")
        assert.deepStrictEqual((yield* Fiber.join(asking)).map(secret), Array.from({ length: 10 }, () => "token-2"))
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("getWithRemaining can ask for at most half of the lifetime", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ ahead: 0 })
        const first = yield* tokens.get()
        yield* TestClock.adjust("30 minutes")
        assert.strictEqual(yield* TokenSource.getWithRemaining("50 minutes")(tokens), first)
        yield* TestClock.adjust(1)
        assert.strictEqual(secret(yield* TokenSource.getWithRemaining("50 minutes")(tokens)), "token-2")
        assert.strictEqual(server.count, 2)
      }))

    // SPEC G1
    it.scoped("getWithRemaining renews a token from the shared store that has less left", () =>
      Effect.gen(function*() {
        const { server } = yield* setup()
        const store = yield* TokenStore.TokenStore
        /** A process that asks once and ends. */
        const once = (least?: Duration.DurationInput) =>
          Effect.scoped(Effect.gen(function*() {
            const alone = yield* server.source
            const tokens = yield* Effect.provideService(
              TokenSource.shared({ namespace: "one" })(alone),
              TokenStore.TokenStore,
              store
            ).pipe(Effect.flatMap(TokenSource.cached({ ahead: 0, jitter: 0 })))
            return secret(yield* (least === undefined ? tokens.get() : TokenSource.getWithRemaining(least)(tokens)))
          }))
        assert.strictEqual(yield* once(), "token-1")
        assert.strictEqual(yield* once("20 minutes"), "token-1")
        yield* TestClock.adjust("41 minutes")
        assert.strictEqual(yield* once(), "token-1")
        assert.strictEqual(yield* once("15 minutes"), "token-1")
        assert.strictEqual(server.count, 1)
        assert.strictEqual(yield* once("20 minutes"), "token-2")
        assert.strictEqual(yield* once("20 minutes"), "token-2")
        assert.strictEqual(server.count, 2)
      }).pipe(Effect.provide(TokenStore.layerMemory)))

    it.scoped("getWithRemaining gives the held token if the renewal fails, and does not ask again at once", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ ahead: 0 })
        const first = yield* tokens.get()
        yield* TestClock.adjust("45 minutes")
        server.failing = unavailable()
        assert.strictEqual(yield* TokenSource.getWithRemaining("20 minutes")(tokens), first)
        assert.strictEqual(yield* TokenSource.getWithRemaining("20 minutes")(tokens), first)
        assert.strictEqual(server.count, 2)
      }))
  })

  describe("status", () => {
    // FAULTS K1
    it.scoped("status says how long the token still lives, even after the wall clock was put back by an hour", () =>
      Effect.gen(function*() {
        const { state, stepped } = yield* steppable
        const { tokens } = yield* Effect.withClock(setup({ ahead: "10 minutes" }), stepped)
        const status = Effect.withClock(TokenSource.status(tokens), stepped)
        const none = { token: Option.none(), remaining: Option.none(), stale: false, refreshing: false }
        assert.deepStrictEqual(yield* status, none)
        const token = yield* Effect.withClock(tokens.get(), stepped)
        yield* TestClock.adjust("20 minutes")
        state.step = -3_600_000
        assert.deepStrictEqual(yield* status, {
          ...none,
          token: Option.some(token),
          remaining: Option.some(Duration.minutes(40))
        })
        yield* TestClock.adjust("30 minutes")
        assert.isTrue((yield* status).stale)
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(yield* status, none)
      }))
  })

  describe("serving", () => {
    // SPEC B2, A9, D2
    it.scoped("serves the held token until mustAt, and never after it (I3)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ ahead: 0 })
        const first = yield* tokens.get()
        yield* TestClock.adjust("59 minutes")
        assert.strictEqual(yield* tokens.get(), first)
        yield* TestClock.adjust(29_999)
        assert.strictEqual(yield* tokens.get(), first)
        yield* TestClock.adjust(1)
        assert.strictEqual(secret(yield* tokens.get()), "token-2")
        assert.strictEqual(server.count, 2)
      }))

    // SPEC B1
    it.scoped("renews in the background once fewer than 300 s remain, and serves meanwhile (I2)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ scripted: (s) => (s.latency = 0) })
        yield* tokens.get()
        server.latency = 5000
        yield* TestClock.adjust("54 minutes")
        yield* tokens.get()
        assert.strictEqual(server.count, 1)
        yield* TestClock.adjust("61 seconds")
        // a caller here must not wait, so nothing moves the clock
        assert.strictEqual(secret(yield* tokens.get()), "token-1")
        assert.strictEqual(secret(yield* tokens.get()), "token-1")
        assert.strictEqual(server.count, 2)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(secret(yield* tokens.get()), "token-2")
      }))

    it.scoped("limits both windows, so that a token of 60 s is still served", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ scripted: (s) => (s.lifetime = 60_000) })
        yield* tokens.get()
        yield* TestClock.adjust("44 seconds")
        yield* tokens.get()
        assert.strictEqual(server.count, 1)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(secret(yield* tokens.get()), "token-1")
        yield* TestClock.adjust(0)
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("counts the lifetime from when the request was sent", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({
          ahead: 0,
          clockSkew: 0,
          scripted: (s) => {
            s.latency = 10_000
            s.lifetime = 60_000
          }
        })
        const fiber = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
        yield* TestClock.adjust(49_999)
        yield* tokens.get()
        assert.strictEqual(server.count, 1)
        yield* TestClock.adjust(1)
        const second = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(second)
        assert.strictEqual(server.count, 2)
      }))

    // SPEC D5
    it.scoped("keeps a token for each request; equal requests share one", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        const a = TokenRequest.make({ scopes: "a b" })
        const first = yield* tokens.get(a)
        assert.strictEqual(yield* tokens.get(TokenRequest.make({ scopes: ["b", "a", "a"] })), first)
        const other = yield* tokens.get(TokenRequest.make({ scopes: "a" }))
        const audience = yield* tokens.get(TokenRequest.make({ scopes: "a b", audience: "x" }))
        const parameter = yield* tokens.get(TokenRequest.make({ scopes: "a b", parameters: { tenant: "t" } }))
        const resource = yield* tokens.get(TokenRequest.make({ scopes: "a b", resource: "https://x.example" }))
        assert.strictEqual(new Set([first, other, audience, parameter, resource].map(secret)).size, 5)
        assert.strictEqual(server.count, 5)
        assert.deepStrictEqual(server.calls[0]!.request.scopes, a.scopes)
      }))

    // SPEC A10
    it.scoped("serves a token of unknown lifetime until it is refused", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ scripted: (s) => (s.lifetime = undefined) })
        const events = yield* collect(tokens)
        const first = yield* tokens.get()
        yield* TestClock.adjust("400 days")
        assert.strictEqual(yield* tokens.get(), first)
        assert.strictEqual(server.count, 1)
        assert.strictEqual(secret(yield* tokens.renew(first)), "token-2")
        assert.include(tags(events), "LifetimeUnknown")
      }))

    // SPEC A10
    it.scoped("gives a token of unknown lifetime the lifetime of `assume`", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({
          onMissingExpiry: { assume: "1 hour" },
          ahead: 0,
          scripted: (s) => (s.lifetime = undefined)
        })
        yield* tokens.get()
        yield* TestClock.adjust("59 minutes")
        yield* tokens.get()
        assert.strictEqual(server.count, 1)
        yield* TestClock.adjust("1 minute")
        yield* tokens.get()
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("follows the server's advice when to renew (refresh_in)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({
          scripted: (s) => (s.answer = (n, now) =>
            AccessToken.make({
              value: `t${n}`,
              issuedAt: now,
              expiresAt: now + 3_600_000,
              refreshAt: now + 600_000
            }))
        })
        yield* tokens.get()
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(secret(yield* tokens.get()), "t1")
        yield* TestClock.adjust(0)
        assert.strictEqual(server.count, 2)
      }))
  })

  describe("clocks", () => {
    // SPEC D7
    it.scoped("a wall clock set back does not make an expired token fresh", () =>
      Effect.gen(function*() {
        const { state, stepped } = yield* steppable
        const here = Effect.withClock(stepped)
        const { server, tokens } = yield* here(setup({ ahead: 0 }))
        yield* here(tokens.get())
        yield* TestClock.adjust("50 minutes")
        state.step = -Duration.toMillis("2 hours")
        yield* here(tokens.get())
        assert.strictEqual(server.count, 1)
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(secret(yield* here(tokens.get())), "token-2")
      }))

    it.scoped("after a wall clock set back, a new token that ends earlier by that clock still counts as progress", () =>
      Effect.gen(function*() {
        const { state, stepped } = yield* steppable
        const here = Effect.withClock(stepped)
        const { tokens } = yield* here(setup())
        const events = yield* collect(tokens)
        yield* here(tokens.get())
        state.step = -Duration.toMillis("2 hours")
        yield* TestClock.adjust("56 minutes")
        yield* here(tokens.get())
        yield* TestClock.adjust(0)
        assert.strictEqual(secret(yield* here(tokens.get())), "token-2")
        assert.deepStrictEqual(tags(events), [
          "AcquisitionStarted",
          "TokenAcquired",
          "AcquisitionStarted",
          "TokenAcquired"
        ])
      }))

    it.scoped("a suspended machine is noticed although the monotonic clock stood still", () =>
      Effect.gen(function*() {
        const { state, stepped } = yield* steppable
        const here = Effect.withClock(stepped)
        const { tokens } = yield* here(setup({ ahead: 0 }))
        yield* here(tokens.get())
        yield* here(tokens.get())
        state.step = Duration.toMillis("2 hours")
        assert.strictEqual(secret(yield* here(tokens.get())), "token-2")
      }))
  })

  describe("single flight", () => {
    // SPEC D1, C6, C7
    it.scoped("10 000 callers on an empty cache are one request (I1)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ scripted: (s) => (s.latency = 200) })
        const fiber = yield* Effect.fork(Effect.all(Arr.makeBy(10_000, () => tokens.get()), {
          concurrency: "unbounded"
        }))
        yield* TestClock.adjust("200 millis")
        const all = yield* Fiber.join(fiber)
        assert.strictEqual(server.count, 1)
        assert.strictEqual(new Set(all).size, 1)
      }))

    // SPEC C6
    it.scoped("callers at expiry are one request, joined with the one under way", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        yield* tokens.get()
        server.latency = 60_000
        yield* TestClock.adjust("59 minutes")
        assert.strictEqual(secret(yield* tokens.get()), "token-1")
        assert.strictEqual(server.count, 2)
        // past mustAt with the refresh still under way
        yield* TestClock.adjust("45 seconds")
        const fiber = yield* Effect.fork(Effect.all(Arr.makeBy(500, () => tokens.get()), {
          concurrency: "unbounded"
        }))
        yield* TestClock.adjust("15 seconds")
        assert.isTrue((yield* Fiber.join(fiber)).every((token) => secret(token) === "token-2"))
        assert.strictEqual(server.count, 2)
      }))

    // trap: `Cache.get` runs the lookup on the first caller's fiber, so its interruption interrupts every waiter
    it.scoped("the caller that started the request may leave; the others get their token (I4)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ scripted: (s) => (s.latency = 1000) })
        const owner = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust(0)
        const waiters = yield* Effect.forEach([1, 2, 3], () => Effect.fork(tokens.get()))
        yield* TestClock.adjust(0)
        yield* Fiber.interrupt(owner)
        yield* TestClock.adjust("1 second")
        for (const waiter of waiters) assert.strictEqual(secret(yield* Fiber.join(waiter)), "token-1")
        assert.strictEqual(server.count, 1)
      }))

    it.scoped("a caller's timeout detaches only that caller", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ scripted: (s) => (s.latency = 5000) })
        const hasty = yield* Effect.fork(Effect.timeoutOption(tokens.get(), "1 second"))
        const patient = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust("1 second")
        assert.isTrue(Option.isNone(yield* Fiber.join(hasty)))
        yield* TestClock.adjust("4 seconds")
        assert.strictEqual(secret(yield* Fiber.join(patient)), "token-1")
        assert.strictEqual(server.count, 1)
      }))

    it.scoped("when all callers leave, the request is finished and its token kept", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ scripted: (s) => (s.latency = 1000) })
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.fork(tokens.get()))
        yield* TestClock.adjust(0)
        yield* Fiber.interruptAll(fibers)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(secret(yield* tokens.get()), "token-1")
        assert.strictEqual(server.count, 1)
      }))

    // trap: with tiny time slices a Pending entry of `Cache` could leak for ever
    it.scoped("no interruption at any moment makes a key hang", () =>
      Effect.gen(function*() {
        const { tokens } = yield* setup({ scripted: (s) => (s.latency = 10) })
        const fibers = yield* Effect.forEach(Arr.range(10, 64), (ops) =>
          Effect.gen(function*() {
            const request = TokenRequest.make({ scopes: `s${ops}` })
            const fiber = yield* Effect.fork(Effect.withMaxOpsBeforeYield(tokens.get(request), ops))
            yield* Effect.yieldNow()
            yield* Fiber.interrupt(fiber)
            return yield* Effect.fork(tokens.get(request))
          }))
        yield* TestClock.adjust(20)
        for (const fiber of fibers) assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
      }))

    // trap: capacity below the number of keys in flight breaks the single flight of `Cache`
    it.scoped("keys in flight beyond the capacity are still one request each", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ capacity: 1, scripted: (s) => (s.latency = 100) })
        const fibers = yield* Effect.forEach(["a", "b", "a", "b", "a"], (scopes) =>
          Effect.tap(Effect.fork(tokens.get(TokenRequest.make({ scopes }))), () => TestClock.adjust(1)))
        yield* TestClock.adjust("1 second")
        yield* Fiber.joinAll(fibers)
        assert.strictEqual(server.count, 2)
      }))
  })

  describe("failures", () => {
    // trap: one failure for all waiters, and a TTL of 0 that serves it again within the millisecond
    it.scoped("waiting callers and those of the next second get the failure; then the server is asked again", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({
          scripted: (s) => {
            s.latency = 10
            s.script = [refused()]
          }
        })
        const fiber = yield* Effect.fork(
          Effect.all(Arr.makeBy(1000, () => Effect.flip(tokens.get())), { concurrency: "unbounded" })
        )
        yield* TestClock.adjust(10)
        const errors = yield* Fiber.join(fiber)
        assert.isTrue(errors.every((error) => error._tag === "OAuthError"))
        assert.strictEqual((yield* Effect.flip(tokens.get()))._tag, "OAuthError")
        yield* TestClock.adjust(999)
        assert.strictEqual((yield* Effect.flip(tokens.get()))._tag, "OAuthError")
        assert.strictEqual(server.count, 1)
        yield* TestClock.adjust(1)
        const after = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust(10)
        assert.strictEqual(secret(yield* Fiber.join(after)), "token-2")
      }))

    // SPEC D3, D4
    it.scoped("repeated refusals are remembered for one second, growing to five", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ scripted: (s) => (s.failing = refused()) })
        for (const step of [999, 1, 1999, 1, 3999, 1, 4999, 1, 4999, 1]) {
          yield* Effect.flip(tokens.get())
          yield* TestClock.adjust(step)
        }
        yield* Effect.flip(tokens.get())
        assert.deepStrictEqual(server.calls.map((call) => call.at), [0, 1000, 3000, 7000, 12_000, 17_000])
      }))

    it.scoped("while backing off without a token, get fails at once and says when to come back", () =>
      Effect.gen(function*() {
        const server = new Scripted()
        server.failing = unavailable(Duration.seconds(90))
        const tokens = yield* Effect.flatMap(server.source, TokenSource.cached())
        const first = yield* Effect.flip(tokens.get())
        assert.strictEqual(first._tag, "EndpointUnavailable")
        yield* TestClock.adjust("89 seconds")
        yield* Effect.flip(tokens.get())
        assert.strictEqual(server.count, 1)
        yield* TestClock.adjust("1 second")
        yield* Effect.flip(tokens.get())
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("RetriesExhausted that comes out of the cache carries retryAt", () =>
      Effect.gen(function*() {
        const exhausted = new TokenError.RetriesExhausted({
          attempts: 4,
          elapsed: Duration.seconds(3),
          last: unavailable(),
          retryAt: Option.none()
        })
        const tokens = yield* Effect.flatMap(
          TokenSource.make(() => Effect.fail(exhausted)),
          TokenSource.cached()
        )
        const error = yield* Effect.flip(tokens.get())
        assert.deepStrictEqual(error.retryAt, Option.some(1000))
        assert.strictEqual(error.attempts, 4)
        assert.include(error.message, "come back at")
      }))

    // SPEC C11
    it.scoped("a remembered refusal no longer counts as soon as the credentials change", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* rotating
        yield* Effect.flip(tokens.get())
        yield* Effect.flip(tokens.get())
        assert.strictEqual(server.count, 1)
        server.secret = Redacted.make("new")
        assert.strictEqual(secret(yield* tokens.get()), "token")
        assert.strictEqual(server.count, 2)
      }))

    // trap: a failed `Cache.refresh` replaces a good value
    it.scoped("a failed renewal is an event, and the held token is still served (I5)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        const events = yield* collect(tokens)
        const first = yield* tokens.get()
        server.failing = unavailable()
        yield* TestClock.adjust("55 minutes")
        for (let i = 0; i < 24; i++) {
          assert.strictEqual(yield* tokens.get(), first)
          yield* TestClock.adjust("10 seconds")
        }
        const failed = events.filter((event) => event._tag === "RefreshFailed")
        assert.isAbove(failed.length, 3)
        assert.isBelow(failed.length, 20)
        assert.isTrue(failed.every((event) => event.stillServing && event.reason === "ahead"))
        // when the server is back there is a fresh token within one step
        server.failing = undefined
        yield* TestClock.adjust("29 seconds")
        const fiber = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust(0)
        yield* Fiber.join(fiber)
        yield* TestClock.adjust(0)
        assert.notStrictEqual(secret(yield* tokens.get()), "token-1")
      }))

    it.scoped("at the end of the held token a caller gets a fresh attempt, whatever the back-off was", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        yield* tokens.get()
        server.failing = unavailable()
        yield* TestClock.adjust("59 minutes")
        yield* tokens.get()
        yield* TestClock.adjust("29 seconds")
        yield* tokens.get()
        server.failing = undefined
        yield* TestClock.adjust("2 seconds")
        assert.match(secret(yield* tokens.get()), /^token-/)
      }))

    it.scoped("a defect of the source reaches its callers, and is not repeated for ever", () =>
      Effect.gen(function*() {
        const { tokens } = yield* setup({ scripted: (s) => (s.script = [Cause.die("bug")]) })
        const exit = yield* Effect.exit(tokens.get())
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(secret(yield* tokens.get()), "token-2")
      }))

    it.scoped("a source that throws when it is called gives a defect to that call only", () =>
      Effect.gen(function*() {
        let calls = 0
        const tokens = yield* Effect.flatMap(
          TokenSource.make((): Effect.Effect<AccessToken.AccessToken> => {
            calls++
            if (calls === 1) throw new Error("bug")
            return Effect.succeed(AccessToken.make({ value: "t" }))
          }),
          TokenSource.cached()
        )
        assert.isTrue(Exit.isFailure(yield* Effect.exit(tokens.get())))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(secret(yield* tokens.get()), "t")
      }))
  })

  describe("no progress", () => {
    it.scoped("the same token again causes a back-off, not a loop of requests", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({
          scripted: (s) => (s.answer = () => AccessToken.make({ value: "same", issuedAt: 0, expiresAt: 3_600_000 }))
        })
        const events = yield* collect(tokens)
        yield* tokens.get()
        yield* TestClock.adjust("55 minutes")
        for (let i = 0; i < 20; i++) {
          assert.strictEqual(secret(yield* tokens.get()), "same")
          yield* TestClock.adjust("10 seconds")
        }
        assert.isBelow(server.count, 16)
        assert.include(tags(events), "NoProgress")
      }))

    it.scoped("after a token that was over before it arrived, the server is asked once more (I3)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({
          scripted: (s) => {
            s.lifetime = 60_000
            s.latency = 70_000
          }
        })
        const waiting = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust(69_000)
        server.latency = 100
        yield* TestClock.adjust(2000)
        assert.strictEqual(secret(yield* Fiber.join(waiting)), "token-2")
        assert.strictEqual(server.count, 2)
      }))

    // FAULTS T
    it.scoped("callers wait for a token with a lifetime if the first has none, and cause no loop of requests", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ scripted: (s) => (s.lifetime = 0) })
        const waiting = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust(999)
        assert.strictEqual(server.count, 1)
        server.lifetime = 60_000
        yield* TestClock.adjust(1)
        assert.strictEqual(secret(yield* Fiber.join(waiting)), "token-2")
      }))
  })

  describe("renew and invalidate", () => {
    // SPEC B4
    it.scoped("500 reports of one revoked token are one request", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        const first = yield* tokens.get()
        server.latency = 50
        const fiber = yield* Effect.fork(
          Effect.all(Arr.makeBy(500, () => tokens.renew(first)), { concurrency: "unbounded" })
        )
        yield* TestClock.adjust(50)
        const renewed = yield* Fiber.join(fiber)
        assert.isTrue(renewed.every((token) => secret(token) === "token-2"))
        assert.strictEqual(server.count, 2)
      }))

    // SPEC B4
    it.scoped("a late report of an old token sends no request: the caller gets the newer token (I3)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        const first = yield* tokens.get()
        const second = yield* tokens.renew(first)
        assert.strictEqual(yield* tokens.renew(first), second)
        yield* tokens.invalidate(first)
        assert.strictEqual(yield* tokens.get(), second)
        assert.strictEqual(server.count, 2)
        assert.strictEqual(secret(yield* tokens.renew(second)), "token-3")
      }))

    it.scoped("invalidate drops exactly the reported token, and the next get asks the server", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        const first = yield* tokens.get()
        yield* tokens.invalidate(AccessToken.make({ value: "another" }))
        assert.strictEqual(yield* tokens.get(), first)
        yield* tokens.invalidate(AccessToken.make({ value: Redacted.value(first.value) }))
        assert.strictEqual(server.count, 1)
        assert.strictEqual(secret(yield* tokens.get()), "token-2")
      }))

    // trap: `Cache.invalidate` during a lookup is undone by its late result
    it.scoped("a report during a renewal is not undone when the renewal ends", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        const first = yield* tokens.get()
        server.latency = 1000
        yield* TestClock.adjust("56 minutes")
        yield* tokens.get()
        assert.strictEqual(server.count, 2)
        yield* tokens.invalidate(first)
        const fiber = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust("1 second")
        assert.strictEqual(secret(yield* Fiber.join(fiber)), "token-2")
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("a refused token that the server hands out again is not kept", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({
          scripted: (s) => (s.answer = (_, now) =>
            AccessToken.make({ value: "same", issuedAt: now, expiresAt: now + 3_600_000 }))
        })
        const events = yield* collect(tokens)
        const first = yield* tokens.get()
        const renewal = yield* Effect.fork(tokens.renew(first))
        yield* TestClock.adjust(0)
        assert.include(tags(events), "NoProgress")
        assert.isNull(renewal.unsafePoll(), "this source has no error in its type that says so")
        yield* Fiber.interrupt(renewal)
        const next = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(next)
        assert.strictEqual(server.count, 3)
      }))

    // SPEC B7
    it.scoped("a token refused before its time is an anomaly: RevokedEarly", () =>
      Effect.gen(function*() {
        const { tokens } = yield* setup()
        const events = yield* collect(tokens)
        const first = yield* tokens.get()
        yield* TestClock.adjust("10 minutes")
        yield* tokens.renew(first)
        yield* TestClock.adjust(0)
        const revoked = events.find((event) => event._tag === "RevokedEarly")
        assert.deepInclude(revoked, { age: 600_000, remaining: Option.some(3_000_000) })
        assert.deepStrictEqual(tags(events).slice(0, 4), [
          "AcquisitionStarted",
          "TokenAcquired",
          "TokenRejected",
          "RevokedEarly"
        ])
      }))

    it.scoped("renewing the token of one key does not change other keys", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup()
        const request = TokenRequest.make({ scopes: "a" })
        const a = yield* tokens.get(request)
        const other = yield* tokens.get()
        yield* tokens.renew(a, request)
        assert.strictEqual(yield* tokens.get(), other)
        assert.strictEqual(server.count, 3)
      }))
  })

  describe("bounds", () => {
    it.scoped("the least recently used key is forgotten beyond the capacity (I14)", () =>
      Effect.gen(function*() {
        const { server, tokens } = yield* setup({ capacity: 2 })
        const [a, b, c] = ["a", "b", "c"].map((scopes) => TokenRequest.make({ scopes }))
        yield* tokens.get(a)
        yield* tokens.get(b)
        yield* TestClock.adjust("2 seconds")
        yield* tokens.get(a)
        yield* tokens.get(c)
        yield* TestClock.adjust("2 seconds")
        yield* tokens.get(a)
        assert.strictEqual(server.count, 3)
        yield* tokens.get(b)
        assert.strictEqual(server.count, 4)
      }))
  })

  describe("scope", () => {
    // I8
    it.effect("a closed scope interrupts the request under way", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const interrupted = yield* Deferred.make<void>()
        const tokens = yield* Effect.flatMap(
          TokenSource.make(() => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))),
          TokenSource.cached()
        ).pipe(Scope.extend(scope))
        const waiter = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust(0)
        yield* Scope.close(scope, Exit.void)
        yield* Deferred.await(interrupted)
        // FAULTS L5: no caller could catch an interruption, and it would not say what is wrong
        const waited = yield* Fiber.await(waiter)
        assert.isFalse(Exit.isInterrupted(waited))
        assert.include(Exit.isFailure(waited) ? Cause.pretty(waited.cause) : "", "closed while a token was on its way")
        const after = yield* Effect.exit(tokens.get())
        assert.isFalse(Exit.isInterrupted(after))
        assert.include(Exit.isFailure(after) ? Cause.pretty(after.cause) : "", "scope was closed")
      }))

    it.effect("requests can be interrupted even when the cache was built uninterruptibly", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const tokens = yield* Effect.flatMap(
          TokenSource.make((): Effect.Effect<AccessToken.AccessToken> => Effect.never),
          TokenSource.cached()
        ).pipe(Scope.extend(scope), Effect.uninterruptible)
        const waiter = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust(0)
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(Exit.isFailure(yield* Fiber.await(waiter)))
      }))
  })

  describe("tracing", () => {
    it.scoped("a request that a caller waits for is a child of the caller's span; a cache hit makes no span", () =>
      Effect.gen(function*() {
        const spans: Array<Tracer.Span> = []
        const tracer = Tracer.make({
          span: (name, parent, context, links, startTime, kind) => {
            const span = new TestSpan(name, parent, context, links, startTime, kind)
            spans.push(span)
            return span
          },
          context: (f) => f()
        })
        yield* Effect.gen(function*() {
          const { tokens } = yield* setup()
          yield* Effect.withSpan(tokens.get(), "caller")
          yield* Effect.withSpan(tokens.get(), "second caller")
        }).pipe(Effect.withTracer(tracer))
        assert.deepStrictEqual(spans.map((span) => span.name), ["caller", "TokenSource.acquire", "second caller"])
        assert.strictEqual(Option.getOrThrow(spans[1]!.parent), spans[0])
      }))
  })
})

const rotating = Effect.gen(function*() {
  const server = { secret: Redacted.make("old"), count: 0 }
  const { make } = yield* Effect.promise(() => import("../../src/lifecycle/source.js"))
  const uncached = yield* make({
    fetch: () =>
      Effect.suspend(() => {
        server.count++
        return Redacted.value(server.secret) === "new"
          ? Effect.succeed(AccessToken.make({ value: "token" }))
          : Effect.fail(refused())
      }),
    credentials: Effect.sync(() => server.secret)
  })
  return { server, tokens: yield* TokenSource.cached()(uncached) }
})

class TestSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly spanId: string
  readonly traceId = "trace"
  readonly sampled = true
  status: Tracer.SpanStatus
  readonly attributes = new Map<string, unknown>()
  constructor(
    readonly name: string,
    readonly parent: Option.Option<Tracer.AnySpan>,
    readonly context: Tracer.Span["context"],
    readonly links: ReadonlyArray<Tracer.SpanLink>,
    startTime: bigint,
    readonly kind: Tracer.SpanKind
  ) {
    this.spanId = name
    this.status = { _tag: "Started", startTime }
  }
  end(): void {}
  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
  }
  event(): void {}
  addLinks(): void {}
}
