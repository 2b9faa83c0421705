import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { AccessToken, TokenEvent as TokenEvents, TokenRequest, TokenSource } from "../../src/index.js"
import * as sourceModule from "../../src/lifecycle/source.js"
import { cachedFailing } from "../../src/lifecycle/TokenCache.js"
import { collect, secret, tags } from "../support/observe.js"
import { refused, Scripted } from "../support/scripted.js"
import { steppable } from "../support/time.js"

const cachedOf = (server: Scripted, options: Parameters<typeof TokenSource.cached>[0] = {}) =>
  Effect.flatMap(server.source, TokenSource.cached({ jitter: 0, ...options }))

describe("the life of a token", () => {
  // FAULTS R1
  it.scoped("the same token again moves neither its end nor its margin; at its end callers get a new one at once", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      const end = 3_600_000
      server.answer = (n, now) =>
        now < end
          ? AccessToken.make({ value: "same", issuedAt: now, expiresAt: now + 1000 * Math.ceil((end - now) / 1000) })
          : AccessToken.make({ value: `new-${n}`, issuedAt: now, expiresAt: now + 3_600_000 })
      const tokens = yield* cachedOf(server)
      yield* tokens.get()
      yield* TestClock.adjust(3_300_123)
      for (let at = 3_300_123; at < 3_569_000; at += 1000) {
        assert.strictEqual(secret(yield* tokens.get()), "same")
        yield* TestClock.adjust(1000)
      }
      yield* TestClock.adjust(end - 29_999 - (yield* Clock.currentTimeMillis))
      const waiting = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust(29_998)
      assert.isNull(waiting.unsafePoll(), "nobody gets it past its end less its margin")
      yield* TestClock.adjust(1)
      assert.match(secret(yield* Fiber.join(waiting)), /^new-/)
      assert.isAtMost(server.count, 4, "the first, two about it, and the new one")
    }))

  // FAULTS R1
  it.scoped("a server that has a new token when the old one is no longer handed out is asked then", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.answer = (n, now) =>
        now < 3_570_000
          ? AccessToken.make({ value: "same", issuedAt: now, expiresAt: 3_600_000 })
          : AccessToken.make({ value: `new-${n}`, issuedAt: now, expiresAt: now + 3_600_000 })
      const tokens = yield* cachedOf(server)
      yield* tokens.get()
      for (let at = 0; at < 3_569_000; at += 43_000) {
        yield* TestClock.adjust(43_000)
        assert.strictEqual(secret(yield* tokens.get()), "same")
      }
      yield* TestClock.adjust(1000)
      assert.strictEqual(secret(yield* tokens.get()), "new-3")
    }))

  // FAULTS T8, R1
  it.scoped("after its end no caller gets the same value again as a new token; the next new token is served", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.answer = (_, now) => AccessToken.make({ value: "same", issuedAt: now, expiresAt: now + 3_600_000 })
      const source = yield* server.source
      const typed = yield* cachedFailing({ jitter: 0 })(source)
      const generic = yield* TokenSource.cached({ jitter: 0 })(source)
      const events = yield* collect(typed)
      yield* typed.get()
      yield* generic.get()
      yield* TestClock.adjust("2 hours")
      const error = yield* Effect.flip(typed.get())
      assert.isTrue(error._tag === "EndpointUnavailable" && error.retryable)
      assert.include(error.message, "life is over")
      // this source has no such error in its type, so its callers wait for the next token
      const waiting = yield* Effect.fork(generic.get())
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(tags(events).filter((tag) => tag === "TokenAcquired" || tag === "NoProgress"), [
        "TokenAcquired",
        "TokenAcquired",
        "NoProgress",
        "NoProgress"
      ])
      assert.isTrue(Option.isNone((yield* TokenSource.status(typed)).token))
      const count = server.count
      for (let i = 0; i < 100; i++) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(typed.get())))
        yield* TestClock.adjust(100)
      }
      assert.isAtMost(server.count, count + 10, "and the server is left in peace by both")
      assert.isNull(waiting.unsafePoll())
      server.answer = undefined
      yield* TestClock.adjust("5 seconds")
      assert.match(secret(yield* typed.get()), /^token-/)
      assert.match(secret(yield* Fiber.join(waiting)), /^token-/)
    }))

  // FAULTS T
  it.scoped("a token that was over when it first arrived goes to no caller; the error names the clock", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.answer = () => AccessToken.make({ value: "same", issuedAt: -7_200_000, expiresAt: -3_600_000 })
      const tokens = yield* Effect.flatMap(server.source, cachedFailing({ jitter: 0 }))
      for (let i = 0; i < 3; i++) {
        const error = yield* Effect.flip(tokens.get())
        assert.strictEqual(error._tag, "EndpointUnavailable")
        if (i === 0) assert.include(error.message, "Check the clock")
        yield* TestClock.adjust("5 seconds")
      }
      assert.isAtMost(server.count, 4)
    }))

  // FAULTS K1
  it.scoped("a token from the future ends after its lifetime, not at its end by another clock", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.answer = (n, now) =>
        AccessToken.make({ value: `t${n}`, issuedAt: now + 3_600_000, expiresAt: now + 2 * 3_600_000 })
      const tokens = yield* cachedOf(server, { ahead: 0 })
      yield* tokens.get()
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(secret(yield* tokens.get()), "t2")
    }))

  // FAULTS B2
  it.effect("issuedAt defaults to now, by the clock of the fiber", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust(12_345)
      assert.strictEqual(AccessToken.make({ value: "t" }).issuedAt, 12_345)
      const outside = yield* TestClock.currentTimeMillis
      assert.strictEqual(outside, 12_345)
    }))

  // FAULTS B2
  for (
    const [name, answer] of [
      ["no issuedAt", (n: number, now: number) => AccessToken.make({ value: `t${n}`, expiresAt: now + 120_000 })],
      [
        "issued long ago",
        (n: number, now: number) => AccessToken.make({ value: `t${n}`, issuedAt: now - 1e9, expiresAt: now + 120_000 })
      ],
      [
        "refresh_in 0",
        (n: number, now: number) =>
          AccessToken.make({ value: `t${n}`, issuedAt: now, expiresAt: now + 3_600_000, refreshAt: now })
      ],
      [
        "refresh_in 1",
        (n: number, now: number) =>
          AccessToken.make({ value: `t${n}`, issuedAt: now, expiresAt: now + 3_600_000, refreshAt: now + 1000 })
      ],
      [
        "expires_in 1",
        (n: number, now: number) => AccessToken.make({ value: `t${n}`, issuedAt: now, expiresAt: now + 1000 })
      ],
      [
        "lives 100 ms",
        (n: number, now: number) => AccessToken.make({ value: `t${n}`, issuedAt: now, expiresAt: now + 100 })
      ]
    ] as const
  ) {
    it.scoped(`two renewals are never too close together: ${name}`, () =>
      Effect.gen(function*() {
        const server = new Scripted()
        server.answer = answer
        const tokens = yield* Effect.flatMap(cachedOf(server), TokenSource.backgroundRefresh({ jitter: "1 hour" }))
        yield* Effect.forkScoped(Effect.forever(Effect.zipRight(tokens.get(), Effect.sleep(10))))
        yield* TestClock.adjust("10 seconds")
        const gaps = server.calls.slice(1).map((call, n) => call.at - server.calls[n]!.at)
        assert.isTrue(
          gaps.every((gap) => gap >= (name === "expires_in 1" || name.startsWith("lives") ? 300 : 9000)),
          String(gaps)
        )
        assert.isAtMost(server.count, 25)
      }))
  }
})

describe("slots of evicted keys", () => {
  // FAULTS T5
  it.scoped("a refused token is not handed out again after its key was evicted", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      const tokens = yield* cachedOf(server, { capacity: 1 })
      const [one, two, other] = ["a", "a", "b"].map((scopes) => TokenRequest.make({ scopes }))
      const first = yield* tokens.get(one)
      yield* tokens.get(other)
      yield* tokens.invalidate(first, two)
      assert.notStrictEqual(secret(yield* tokens.get(one)), secret(first))
    }))

  // FAULTS T5
  it.scoped("a refused token is not kept if the server gives it again after its key was evicted", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      const tokens = yield* cachedOf(server, { capacity: 1 })
      const events = yield* collect(tokens)
      const [a, b] = ["a", "b"].map((scopes) => TokenRequest.make({ scopes }))
      const first = yield* tokens.get(a)
      yield* tokens.invalidate(first, a)
      yield* tokens.get(b)
      server.answer = () => first
      yield* tokens.get(TokenRequest.make({ scopes: "a" }))
      assert.isTrue(Option.isNone((yield* TokenSource.status(tokens, a)).token), "it is not kept")
      yield* TestClock.adjust(0)
      assert.include(tags(events), "NoProgress")
    }))
})

describe("keys that evict each other", () => {
  // FAULTS B4
  it.scoped("keys that evict each other keep their back-off: a refused client does not ask at every call", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.failing = refused()
      const tokens = yield* cachedOf(server, { capacity: 2 })
      for (let i = 0; i < 100; i++) {
        for (let key = 0; key < 5; key++) {
          const exit = yield* Effect.exit(tokens.get(TokenRequest.make({ scopes: `key-${key}` })))
          assert.isTrue(Exit.isFailure(exit))
        }
        yield* TestClock.adjust(200)
      }
      // twenty seconds: at most at 0, 1, 3, 7, 12 and 17 s
      assert.isAtMost(server.count, 5 * 7)
      server.failing = undefined
      yield* TestClock.adjust(5000)
      for (let key = 0; key < 5; key++) yield* tokens.get(TokenRequest.make({ scopes: `key-${key}` }))
    }))

  // FAULTS B4
  it.scoped("keys that evict each other remember which credentials were refused", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.failing = refused()
      let current = "old"
      const plain = yield* sourceModule.make({ fetch: server.fetch, credentials: Effect.sync(() => current) })
      const tokens = yield* TokenSource.cached({ capacity: 1 })(plain)
      const [a, b] = ["a", "b"].map((scopes) => TokenRequest.make({ scopes }))
      const both = Effect.all([Effect.exit(tokens.get(a)), Effect.exit(tokens.get(b))])
      yield* both
      for (let i = 0; i < 10; i++) yield* both
      assert.strictEqual(server.count, 2)
      current = "new"
      server.failing = undefined
      for (const exit of yield* both) assert.isTrue(Exit.isSuccess(exit))
    }))

  // FAULTS B4
  it.scoped("a failure is forgotten with the next success, whether its key was evicted or not", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.script = [refused(), "ok", "ok", refused(), "ok"]
      const tokens = yield* cachedOf(server, { capacity: 1 })
      const [a, b] = ["a", "b"].map((scopes) => TokenRequest.make({ scopes }))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(tokens.get(a))))
      yield* TestClock.adjust(1000)
      yield* tokens.get(a)
      yield* tokens.get(b)
      // the first failure again, not the second
      assert.isTrue(Exit.isFailure(yield* Effect.exit(tokens.get(a))))
      yield* TestClock.adjust(1000)
      yield* tokens.get(a)
      assert.strictEqual(server.count, 5)
    }))
})

describe("a client that is used elsewhere", () => {
  // FAULTS W8
  it.scoped("a client that is used elsewhere gives one event, and its token requests are spaced out", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      const tokens = yield* cachedOf(server)
      const events = yield* collect(tokens)
      yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
        const token = yield* tokens.get()
        yield* Effect.sleep(20)
        yield* tokens.renew(token)
      })))
      yield* TestClock.adjust("1 minute")
      const count = (tag: string) => tags(events).filter((other) => other === tag).length
      assert.strictEqual(count("ClientUsedElsewhere"), 1)
      assert.isAtMost(count("RevokedEarly"), 3)
      assert.isBelow(server.count, 20, "every five seconds at last")
      assert.isAbove(server.count, 10)
    }))

  // FAULTS W8
  it.scoped("refusals with tokens of a full life in between give no ClientUsedElsewhere event", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      const tokens = yield* cachedOf(server)
      const events = yield* collect(tokens)
      for (let i = 0; i < 5; i++) {
        yield* tokens.renew(yield* tokens.get())
        yield* TestClock.adjust("56 minutes")
        yield* tokens.get()
        yield* TestClock.adjust("2 minutes")
      }
      assert.notInclude(tags(events), "ClientUsedElsewhere")
    }))

  // FAULTS W8
  it.scoped("an API that refuses the successor of each token too gives no ClientUsedElsewhere event", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      const tokens = yield* cachedOf(server)
      const events = yield* collect(tokens)
      const { publish } = sourceModule.hooks(tokens)
      for (let i = 0; i < 8; i++) {
        yield* tokens.renew(yield* tokens.get())
        // BearerAuth publishes this when the replay is refused as well
        yield* publish(TokenEvents.TokenEvent.FreshTokenRejected({
          key: TokenRequest.hash(TokenRequest.empty),
          at: yield* Clock.currentTimeMillis,
          origin: "https://api.test"
        }))
        yield* TestClock.adjust("6 seconds")
      }
      assert.notInclude(tags(events), "ClientUsedElsewhere")
      // and no caller is made to wait
      const waiting = yield* Effect.fork(tokens.renew(yield* tokens.get()))
      yield* TestClock.adjust("500 millis")
      assert.isNotNull(waiting.unsafePoll())
    }))
})

describe("a refused client", () => {
  // FAULTS B4
  it.scoped("a refused client whose credentials read differently every time asks at most twice per step", () =>
    Effect.gen(function*() {
      let count = 0
      const uncached = yield* sourceModule.make({
        fetch: () => Effect.suspend(() => (count++, Effect.fail(refused()))),
        credentials: Effect.sync(() => ({}))
      })
      const tokens = yield* TokenSource.cached()(uncached)
      for (let i = 0; i < 300; i++) {
        yield* Effect.flip(tokens.get())
        yield* TestClock.adjust(100)
      }
      assert.isAtMost(count, 20)
    }))
})

describe("another copy of the package", () => {
  // FAULTS W13
  it.scoped("sources and tokens of another copy of the package are recognised by their symbols", () =>
    Effect.gen(function*() {
      const tokens = yield* cachedOf(new Scripted())
      const token = yield* tokens.get()
      const foreignSource = Object.defineProperties({}, Object.getOwnPropertyDescriptors(tokens)) as typeof tokens
      assert.isTrue(Option.isSome((yield* TokenSource.status(foreignSource)).token))
      const foreign = Object.defineProperties(
        Object.create({ [AccessToken.TypeId]: AccessToken.TypeId }),
        Object.getOwnPropertyDescriptors(token)
      )
      assert.isTrue(AccessToken.isAccessToken(foreign))
      assert.isFalse(AccessToken.isAccessToken({ _tag: "AccessToken", value: "x" }))
    }))
})

describe("idle", () => {
  // FAULTS L6, K1
  it.scoped("the source's own token is no longer renewed after an idle day, by the steady clock", () =>
    Effect.gen(function*() {
      const { state, stepped } = yield* steppable
      const server = new Scripted()
      const tokens = yield* Effect.withClock(
        Effect.flatMap(cachedOf(server), TokenSource.backgroundRefresh({ jitter: 0 })),
        stepped
      )
      const events = yield* collect(tokens)
      yield* Effect.withClock(tokens.get(), stepped)
      state.step = -10 * 3_600_000
      yield* TestClock.adjust("3 days")
      assert.isAtMost(server.count, 28)
      assert.include(tags(events), "KeyForgotten")
      assert.lengthOf(Array.from(yield* TestClock.sleeps()), 0, "no timer while nothing is held")
    }))
})
