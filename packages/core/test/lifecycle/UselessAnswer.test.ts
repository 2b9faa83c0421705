/** Answers of a server that are no help: the token that was just refused, and tokens whose life is over. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { AccessToken, BearerAuth, TokenRequest, TokenSource } from "../../src/index.js"
import { makeApi } from "../support/bearer.js"
import { collect, secret, tags } from "../support/observe.js"
import { Scripted } from "../support/scripted.js"

const managedOf = (server: Scripted) => Effect.flatMap(server.source, TokenSource.managed())
const cachedOf = (server: Scripted) => Effect.flatMap(server.source, TokenSource.cached({ jitter: 0 }))

const hour = 3_600_000
/** A server that has one token, and gives it to every request. */
const same = (value = "same") => {
  const server = new Scripted()
  server.answer = (_, now) => AccessToken.make({ value, issuedAt: now, expiresAt: hour })
  return server
}

describe("a server that answers a renewal with the token that was refused", () => {
  // FAULTS T
  it.scoped("renew fails at once with an error that says so, and does not give the refused token", () =>
    Effect.gen(function*() {
      const server = same()
      const tokens = yield* managedOf(server)
      const events = yield* collect(tokens)
      const refused = yield* tokens.get()
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(tokens.renew(refused))
      assert.isTrue(error._tag === "EndpointUnavailable" && error.retryable)
      assert.include(error.message, "the very token that was refused")
      assert.strictEqual(server.count, 2)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(tags(events).filter((tag) => tag === "TokenAcquired"), ["TokenAcquired"])
      assert.include(tags(events), "NoProgress")
    }))

  // FAULTS T
  it.scoped("reports of the same token within the pause are answered without a token request", () =>
    Effect.gen(function*() {
      const server = same()
      const tokens = yield* managedOf(server)
      const refused = yield* tokens.get()
      yield* TestClock.adjust("1 minute")
      for (let i = 0; i < 100; i++) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(tokens.renew(refused))))
        yield* TestClock.adjust(100)
      }
      assert.isAtMost(server.count, 6, "10 seconds: pauses of 1, 2, 4 and 5 seconds")
      server.answer = undefined
      yield* TestClock.adjust("5 seconds")
      assert.match(secret(yield* tokens.renew(refused)), /^token-/)
    }))

  // FAULTS T
  it.scoped("get gives what the server says its token is, after the pause: an API may refuse a good token", () =>
    Effect.gen(function*() {
      const server = same()
      const tokens = yield* managedOf(server)
      const refused = yield* tokens.get()
      yield* TestClock.adjust("1 minute")
      yield* Effect.flip(tokens.renew(refused))
      const waiting = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust(999)
      assert.isNull(waiting.unsafePoll())
      yield* TestClock.adjust(1)
      assert.strictEqual(secret(yield* Fiber.join(waiting)), "same")
    }))

  // FAULTS R
  it.scoped("after one refusal by mistake, no caller waits once the server has said twice that it has no other token", () =>
    Effect.gen(function*() {
      const server = same()
      const tokens = yield* managedOf(server)
      const refused = yield* tokens.get()
      yield* TestClock.adjust("1 minute")
      yield* Effect.flip(tokens.renew(refused))
      const waiting = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
      assert.strictEqual(server.count, 3)
      for (let i = 0; i < 100; i++) {
        assert.strictEqual(secret(yield* tokens.get()), "same")
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(server.count, 3)
      // the API refuses it again: the server is asked, and the answer serves the next callers at once
      yield* Effect.flip(tokens.renew(refused))
      assert.strictEqual(secret(yield* tokens.get()), "same")
      assert.strictEqual(server.count, 4)
      // within the pause the report is answered without the server, and the token stays
      yield* Effect.flip(tokens.renew(refused))
      assert.strictEqual(secret(yield* tokens.get()), "same")
      assert.strictEqual(server.count, 4)
      yield* TestClock.adjust("1 minute")
      server.answer = undefined
      assert.match(secret(yield* tokens.renew(refused)), /^token-/)
    }))

  // FAULTS T
  it.scoped("a source that has no such error in its type lets the caller of renew wait for another token", () =>
    Effect.gen(function*() {
      const server = same()
      const tokens = yield* cachedOf(server)
      const refused = yield* tokens.get()
      yield* TestClock.adjust("1 minute")
      const waiting = yield* Effect.fork(tokens.renew(refused))
      yield* TestClock.adjust("1 minute")
      assert.isNull(waiting.unsafePoll())
      assert.isAtMost(server.count, 17)
      server.answer = undefined
      yield* TestClock.adjust("5 seconds")
      assert.match(secret(yield* Fiber.join(waiting)), /^token-/)
    }))

  // FAULTS T
  it.scoped("BearerAuth hands on the 401, of any kind of source, and the server is asked once per interval", () =>
    Effect.gen(function*() {
      for (const kind of [managedOf, cachedOf]) {
        const server = same()
        const tokens: TokenSource.With<unknown> = yield* Effect.map(
          kind(server) as ReturnType<typeof managedOf>,
          TokenSource.transform((effect) => effect)
        )
        const { client } = makeApi(() => new Response("no", { status: 401 }))
        const bearer = BearerAuth.withBearer(client, tokens, { origins: ["https://api.example.com"] })
        yield* TestClock.adjust("1 second")
        for (let i = 0; i < 20; i++) {
          const call = yield* Effect.fork(bearer.get("https://api.example.com"))
          yield* TestClock.adjust("5 seconds")
          assert.strictEqual((yield* Fiber.join(call)).status, 401)
        }
        assert.isAtMost(server.count, 42)
      }
    }))
})

// FAULTS B
describe("keys that take each other's place in the cache, at a server that repeats its tokens", () => {
  const requests = ["a", "b", "c"].map((scope) => TokenRequest.make({ scopes: [scope] }))
  /** A server with one token per key; it breaks down after so many requests that a test would not end. */
  const perKey = () => {
    const server = new Scripted()
    server.answer = (n, now) => {
      if (n > 500) throw new Error("a storm of requests")
      return AccessToken.make({ value: `of ${server.calls[n - 1]?.request.key}`, issuedAt: now, expiresAt: hour })
    }
    return server
  }

  for (const latency of [0, 20]) {
    it.scoped(`each waiting renew asks once per pause, whatever happened to its slot (latency ${latency})`, () =>
      Effect.gen(function*() {
        const server = perKey()
        const tokens = yield* Effect.flatMap(server.source, TokenSource.cached({ capacity: 1, jitter: 0 }))
        const refused = yield* Effect.forEach(requests, (request) => tokens.get(request))
        server.latency = latency
        yield* TestClock.adjust("1 minute")
        const waiting = yield* Effect.forEach(requests, (request, n) => Effect.fork(tokens.renew(refused[n]!, request)))
        yield* TestClock.adjust("10 seconds")
        assert.isAtMost(server.count, 3 + 3 * 5, "10 seconds: pauses of 1, 2, 4 and 5 seconds")
        yield* TestClock.adjust("50 seconds")
        assert.isAtMost(server.count, 3 + 3 * 15)
        server.answer = undefined
        yield* TestClock.adjust("6 seconds")
        for (const fiber of waiting) assert.match(secret(yield* Fiber.join(fiber)), /^token-/)
      }))
  }

  it.scoped("an error says when to come back, even if the slot of its key is a new one", () =>
    Effect.gen(function*() {
      const server = perKey()
      server.latency = 20
      const tokens = yield* Effect.flatMap(server.source, TokenSource.managed({ cache: { capacity: 1 } }))
      const waiting = yield* Effect.forEach(requests, (request) =>
        Effect.fork(Effect.flatMap(tokens.get(request), (token) =>
          Effect.flip(tokens.renew(token, request)))))
      yield* TestClock.adjust("1 second")
      for (const fiber of waiting) {
        const error = yield* Fiber.join(fiber)
        assert.isTrue(
          error._tag === "EndpointUnavailable" && error.retryAfter.pipe(
            Option.exists(Duration.greaterThanOrEqualTo("900 millis"))
          )
        )
      }
    }))
})

// FAULTS K
describe("a server that repeats the refused token, and states an earlier end for it", () => {
  /** The second answer, and the ones after it, state an end after two minutes. */
  const shortening = (next: (n: number) => number = () => 120_000) => {
    const server = new Scripted()
    server.answer = (n, now) => AccessToken.make({ value: "same", issuedAt: now, expiresAt: n === 1 ? hour : next(n) })
    return server
  }

  for (const kind of [managedOf, cachedOf]) {
    it.scoped(`the token is not served after the earlier end (${kind.name})`, () =>
      Effect.gen(function*() {
        const server = shortening((n) => n === 2 ? 120_000 : hour)
        const tokens: TokenSource.With<unknown> = yield* kind(server) as ReturnType<typeof managedOf>
        const refused = yield* tokens.get()
        yield* TestClock.adjust("10 seconds")
        const renewal = yield* Effect.fork(Effect.exit(tokens.renew(refused)))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.interrupt(renewal)
        const waiting = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust("2 seconds")
        const served = yield* Fiber.join(waiting)
        assert.strictEqual(secret(served), "same")
        assert.deepStrictEqual(served.expiresAt, Option.some(120_000))
        yield* TestClock.adjust("106 seconds")
        for (let n = 0; n < 60; n++) {
          const late = yield* Effect.fork(Effect.exit(tokens.get()))
          yield* TestClock.adjust("1 minute")
          const exit = late.unsafePoll()
          assert.isTrue(exit === null || (Exit.isSuccess(exit) && Exit.isFailure(exit.value)), `minute ${n}`)
          yield* Fiber.interrupt(late)
        }
      }))
  }

  it.scoped("callers do not wait for the end that the server stated at first", () =>
    Effect.gen(function*() {
      const server = shortening()
      const tokens = yield* managedOf(server)
      const refused = yield* tokens.get()
      yield* TestClock.adjust("10 seconds")
      yield* Effect.flip(tokens.renew(refused))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(secret(yield* tokens.get()), "same")
      yield* TestClock.adjust("90 seconds")
      const waiting = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust(1)
      server.answer = undefined
      yield* TestClock.adjust("20 seconds")
      assert.match(secret(yield* Fiber.join(waiting)), /^token-/)
    }))
})

// FAULTS B
describe("a server that alternates between tokens that are all refused", () => {
  for (const size of [2, 3, 4, 5]) {
    for (const kind of [managedOf, cachedOf]) {
      it.scoped(`there are pauses between the requests (${size} tokens, ${kind.name})`, () =>
        Effect.gen(function*() {
          const server = new Scripted()
          server.answer = (n, now) => {
            if (n > 500) throw new Error("a storm of requests")
            return AccessToken.make({ value: `t${n % size}`, issuedAt: now, expiresAt: hour })
          }
          const tokens: TokenSource.With<unknown> = yield* kind(server) as ReturnType<typeof managedOf>
          const first = yield* tokens.get()
          const renewing = (token: AccessToken.AccessToken): Effect.Effect<never, unknown> =>
            Effect.flatMap(tokens.renew(token), renewing)
          const loop = yield* Effect.fork(renewing(first))
          yield* TestClock.adjust(0)
          assert.isAtMost(server.count, 4)
          yield* TestClock.adjust("1 minute")
          assert.isAtMost(server.count, 20)
          assert.isNull(loop.unsafePoll())
        }))
    }
  }
})

// FAULTS T
describe("a server that goes back to an earlier token", () => {
  for (const kind of [managedOf, cachedOf]) {
    it.scoped(`a token that was reported as refused does not replace another one that is good (${kind.name})`, () =>
      Effect.gen(function*() {
        const server = new Scripted()
        const values = ["B", "A", "A", "A"]
        server.answer = (_, now) => AccessToken.make({ value: values.shift() ?? "B", issuedAt: now, expiresAt: hour })
        const tokens: TokenSource.With<unknown> = yield* kind(server) as ReturnType<typeof managedOf>
        const b = yield* tokens.get()
        yield* TestClock.adjust("1 second")
        const a = yield* tokens.renew(b)
        yield* TestClock.adjust("1 minute")
        const renewal = yield* Effect.fork(Effect.exit(tokens.renew(a)))
        yield* TestClock.adjust(0)
        yield* Fiber.interrupt(renewal)
        const waiting = yield* Effect.fork(tokens.get())
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(secret(yield* Fiber.join(waiting)), "A")
        // a slow caller
        assert.strictEqual(secret(yield* tokens.renew(b)), "A")
        // the renewal ahead of need, and until the margin of A
        yield* TestClock.adjust(hour - 320_000 - (yield* Clock.currentTimeMillis))
        while ((yield* Clock.currentTimeMillis) < hour - 33_000) {
          assert.strictEqual(secret(yield* tokens.get()), "A")
          yield* TestClock.adjust("2 seconds")
        }
        assert.isAtLeast(server.count, 5, "B came at the renewal ahead of need")
        assert.isAtMost(server.count, 30)
      }))
  }
})

describe("a server whose tokens have ended when they arrive", () => {
  // FAULTS T
  it.scoped("a token with a lifetime of zero goes to no caller; the error names the lifetime", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.lifetime = 0
      const tokens = yield* managedOf(server)
      const error = yield* Effect.flip(tokens.get())
      assert.isTrue(error._tag === "EndpointUnavailable" && Option.isSome(error.retryAfter))
      assert.include(error.message, "has ended already")
      assert.include(error.message, "a lifetime of 0")
      for (let i = 0; i < 100; i++) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(tokens.get())))
        yield* TestClock.adjust(100)
      }
      assert.isAtMost(server.count, 5)
      server.lifetime = 60_000
      yield* TestClock.adjust("5 seconds")
      assert.match(secret(yield* tokens.get()), /^token-/)
    }))

  // FAULTS T
  it.scoped("a token that ends before its answer arrives goes to no caller; the error names both times", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.lifetime = 1000
      server.latency = 1500
      const tokens = yield* managedOf(server)
      const asking = yield* Effect.fork(Effect.flip(tokens.get()))
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(asking)
      assert.strictEqual(error._tag, "EndpointUnavailable")
      assert.include(error.message, "lives for 1s and took 1s 500ms")
      assert.strictEqual(server.count, 2, "asked once more at once, because the first may have been an accident")
    }))

  // FAULTS T
  it.scoped("a source without such an error lets its callers wait; the server is asked only while one waits", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      server.lifetime = 0
      const tokens = yield* cachedOf(server)
      const waiting = yield* Effect.fork(Effect.all([tokens.get(), tokens.get()], { concurrency: 2 }))
      yield* TestClock.adjust("1 minute")
      assert.isAtMost(server.count, 17)
      yield* Fiber.interrupt(waiting)
      yield* TestClock.adjust("5 seconds")
      const count = server.count
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(server.count, count)
      const next = yield* Effect.fork(Effect.all([tokens.get(), tokens.get()], { concurrency: 2 }))
      yield* TestClock.adjust("1 second")
      server.lifetime = 60_000
      yield* TestClock.adjust("5 seconds")
      const [one, other] = yield* Fiber.join(next)
      assert.strictEqual(one, other)
    }))

  // FAULTS T
  it.scoped("an ended token that is refused goes to no caller either", () =>
    Effect.gen(function*() {
      const server = same()
      const tokens = yield* managedOf(server)
      const first = yield* tokens.get()
      yield* TestClock.adjust("2 hours")
      const error = yield* Effect.flip(tokens.renew(first))
      assert.include(error.message, "life is over")
    }))
})
