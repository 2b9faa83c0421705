import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, FastCheck, Fiber, Option, Stream, TestClock } from "effect"
import * as RateLimit from "../../src/lifecycle/RateLimit.js"
import * as source from "../../src/lifecycle/source.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import type { TokenEvent } from "../../src/values/TokenEvent.js"
import * as TokenRequest from "../../src/values/TokenRequest.js"

/** An effect that remembers when it started. */
const recorder = () => {
  const starts: Array<number> = []
  return { starts, effect: Effect.map(Clock.currentTimeMillis, (now) => void starts.push(now)) }
}

// SPEC C8
describe("RateLimit.make", () => {
  it.effect("lets a burst through, then makes the rest wait for the window", () =>
    Effect.gen(function*() {
      const { effect, starts } = recorder()
      const { limit } = yield* RateLimit.make({ limit: 3, interval: "1 second" })
      const fibers = yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.fork(limit(effect)))
      yield* Effect.yieldNow()
      assert.deepStrictEqual(starts, [0, 0, 0])
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(starts, [0, 0, 0, 1_000, 1_000, 1_000, 2_000, 2_000])
    }))

  it.effect("has the documented defaults: 100 a minute", () =>
    Effect.gen(function*() {
      const { effect, starts } = recorder()
      const { limit } = yield* RateLimit.make()
      yield* Effect.replicateEffect(limit(effect), 100)
      const waiting = yield* Effect.fork(limit(effect))
      yield* TestClock.adjust("59999 millis")
      assert.strictEqual(starts.length, 100)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(waiting)
      assert.strictEqual(starts[100], 60_000)
    }))

  // a bucket or a fixed window would let nearly 2 · limit through
  it.effect.prop("never starts more than the limit in any interval, and uses all of the limit", {
    limit: FastCheck.integer({ min: 1, max: 5 }),
    pauses: FastCheck.array(FastCheck.constantFrom(0, 0, 0, 100, 400, 900, 1_500), { minLength: 1, maxLength: 15 })
  }, ({ limit, pauses }) =>
    Effect.gen(function*() {
      const { effect, starts } = recorder()
      const limiter = yield* RateLimit.make({ limit, interval: "1 second" })
      const arrivals: Array<number> = []
      for (const pause of pauses) {
        if (pause > 0) yield* TestClock.adjust(pause)
        arrivals.push(yield* Clock.currentTimeMillis)
        yield* Effect.fork(limiter.limit(effect))
        yield* Effect.yieldNow()
      }
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(starts.length, pauses.length)
      starts.forEach((start, n) => {
        const before = starts[n - limit]
        // each starts as early as the limit allows, and no earlier
        assert.strictEqual(start, Math.max(arrivals[n]!, before === undefined ? 0 : before + 1_000))
      })
    }), { fastCheck: { numRuns: 50 } })

  it.effect("gives the place of an interrupted waiter to the next", () =>
    Effect.gen(function*() {
      const { effect, starts } = recorder()
      const { limit } = yield* RateLimit.make({ limit: 1, interval: "1 second" })
      yield* limit(effect)
      const first = yield* Effect.fork(limit(effect))
      yield* TestClock.adjust("500 millis")
      const second = yield* Effect.fork(limit(effect))
      const third = yield* Effect.fork(limit(effect))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* Fiber.interrupt(second)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(third)
      assert.deepStrictEqual(starts, [0, 1_000])
    }))

  it.effect("does not depend on how long effects run or how they end", () =>
    Effect.gen(function*() {
      const { limit } = yield* RateLimit.make({ limit: 2, interval: "1 second" })
      yield* Effect.fork(limit(Effect.never))
      yield* Effect.yieldNow()
      yield* Effect.flip(limit(Effect.fail("no")))
      const { effect, starts } = recorder()
      yield* Effect.fork(limit(effect))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(starts, [1_000])
    }))

  it.effect("with `onExceeded: fail` it fails at once, and says when to come back", () =>
    Effect.gen(function*() {
      const { effect, starts } = recorder()
      const { limit } = yield* RateLimit.make({ limit: 2, interval: "10 seconds", onExceeded: "fail" })
      yield* limit(effect)
      yield* TestClock.adjust("4 seconds")
      yield* limit(effect)
      const error = yield* Effect.flip(limit(effect))
      assert.strictEqual(error._tag, "RateLimited")
      assert.isTrue(error.retryable)
      assert.deepStrictEqual(Option.map(error.retryAfter, Duration.toMillis), Option.some(6_000))
      // a refused request uses none of the limit
      yield* TestClock.adjust("6 seconds")
      yield* limit(effect)
      assert.deepStrictEqual(starts, [0, 4_000, 10_000])
    }))

  it.effect("moves options into range", () =>
    Effect.gen(function*() {
      const { effect, starts } = recorder()
      const one = yield* RateLimit.make({ limit: 0, interval: "1 second" })
      yield* Effect.fork(Effect.replicateEffect(one.limit(effect), 2))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(starts, [0, 1_000])
      const free = yield* RateLimit.make({ limit: NaN, interval: -1 })
      yield* Effect.replicateEffect(free.limit(Effect.void), 1_000)
    }))

  it.effect("keeps one timer whatever the number of waiters, and none longer than a timer can count", () =>
    Effect.gen(function*() {
      const { limit } = yield* RateLimit.make({ limit: 1, interval: "30 days" })
      yield* limit(Effect.void)
      const waiters = yield* Effect.forkAll(Array.from({ length: 50 }, () => limit(Effect.void)))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual([...(yield* TestClock.sleeps())], [3_600_000])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual([...(yield* TestClock.sleeps())], [7_200_000])
      yield* Fiber.interrupt(waiters)
    }))
})

describe("RateLimit.limit", () => {
  it.scoped("limits a source over all its keys, and publishes which request waits, and how long", () =>
    Effect.gen(function*() {
      const token = AccessToken.make({ value: "t" })
      let requests = 0
      const plain = yield* source.make({ fetch: () => Effect.sync(() => (requests++, token)) })
      const tokens = yield* plain.pipe(RateLimit.limit({ limit: 2, interval: "1 minute" }))
      const seen: Array<TokenEvent> = []
      yield* Effect.forkScoped(Stream.runForEach(tokens.events, (event) => Effect.sync(() => seen.push(event))))
      yield* Effect.yieldNow()

      const users = TokenRequest.make({ scopes: "users" })
      const billing = TokenRequest.make({ scopes: "billing" })
      yield* tokens.get()
      yield* TestClock.adjust("20 seconds")
      yield* tokens.get(users)
      const waiters = [
        yield* Effect.fork(tokens.get(users)),
        yield* Effect.fork(tokens.renew(token, billing)),
        yield* Effect.fork(tokens.get(billing))
      ]
      yield* TestClock.adjust(0)
      assert.strictEqual(requests, 2)
      assert.deepStrictEqual(
        seen.map((event) => event._tag === "Throttled" ? [event.key, event.at, event.delay] : event._tag),
        [
          [TokenRequest.hash(users), 20_000, 40_000],
          [TokenRequest.hash(billing), 20_000, 60_000],
          [TokenRequest.hash(billing), 20_000, 100_000]
        ]
      )
      // the published delays were right
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(requests, 3)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(requests, 4)
      yield* TestClock.adjust("40 seconds")
      yield* Effect.forEach(waiters, Fiber.join)
      assert.strictEqual(requests, 5)
      // no request waits any more
      yield* TestClock.adjust("1 minute")
      yield* tokens.get()
      yield* TestClock.adjust(0)
      assert.strictEqual(seen.length, 3)
    }))

  it.effect("with `onExceeded: fail` a source's request fails", () =>
    Effect.gen(function*() {
      const plain = yield* source.make({ fetch: () => Effect.succeed(AccessToken.make({ value: "t" })) })
      const tokens = yield* plain.pipe(RateLimit.limit({ limit: 1, onExceeded: "fail" }))
      yield* tokens.get()
      assert.strictEqual((yield* Effect.flip(tokens.get()))._tag, "RateLimited")
    }))
})
