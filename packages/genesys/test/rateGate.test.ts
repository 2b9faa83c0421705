import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Fiber, Option, TestClock } from "effect"
import { forkVanishing } from "../../../test/src/vanishing.js"
import * as test from "./utils/cloud.js"
import { logged } from "./utils/dataAction.js"

const ok = () => Response.json({ id: "org" })
const refusal = (headers: Record<string, string>, members: Record<string, unknown> = {}) =>
  test.apiError(429, "too.many.requests", members, headers)

const setUp = (script: test.Script, api: object = {}) =>
  Effect.suspend(() => {
    const { calls, client } = test.memory(script)
    return Effect.map(test.connectTo(client, { api }), (service) => ({
      calls,
      get: (path: string) => Effect.map(service.client.get(path), ({ status }) => status)
    }))
  })

const minute = 60_000

describe("a wait of years in a 429", () => {
  const century = "999999999"
  const cases: Readonly<Record<string, () => Response>> = {
    "Retry-After in seconds": () => refusal({ "retry-after": century }),
    "Retry-After as a date": () => refusal({ "retry-after": "Tue, 01 Jan 2058 00:00:00 GMT" }),
    "inin-ratelimit-reset": () => refusal({ "inin-ratelimit-reset": century }),
    "words": () => refusal({}, { message: `Retry the request in [${century}] seconds` }),
    "words, in minutes": () => refusal({}, { message: `Retry in ${century} minutes` }),
    "all calls of the token": () =>
      refusal({
        "retry-after": century,
        "inin-ratelimit-count": "301",
        "inin-ratelimit-allowed": "300",
        "inin-ratelimit-reset": century
      })
  }
  // FAULTS B5
  for (const [name, answer] of Object.entries(cases)) {
    it.scoped(`is cut to minutes, and logged: ${name}`, () =>
      Effect.gen(function*() {
        const { layer, lines } = logged()
        const { calls, get } = yield* setUp((_, nth) => nth === 1 ? answer() : ok())
        yield* Effect.gen(function*() {
          const first = yield* Effect.flip(get("/api/v2/x"))
          assert.strictEqual(first._tag === "ApiRateLimited" && first.attempts, 1)
          assert.isAtMost(
            Option.getOrThrow(first._tag === "ApiRateLimited" ? first.retryAt : Option.none()),
            5 * minute
          )
          const held = yield* Effect.flip(get("/api/v2/x"))
          if (held._tag !== "ApiRateLimited") return assert.fail(held._tag)
          assert.strictEqual(held.attempts, 0)
          assert.isAtMost(Option.getOrThrow(held.retryAt), 5 * minute + 30_000)
          yield* TestClock.adjust("331 seconds")
          assert.strictEqual(yield* get("/api/v2/x"), 200)
          assert.lengthOf(calls, 2)
        }).pipe(Effect.provide(layer))
        const told = lines.filter((line) => line.startsWith("{") && line.includes("too long to be believed"))
        assert.lengthOf(told, 1)
        assert.include(told[0], name.startsWith("all") ? "all calls of Genesys Cloud" : "GET /api/v2/x")
      }))
  }

  // FAULTS B5
  it.scoped("after the cut wait one call at a time is sent, until the API stops to repeat that wait", () =>
    Effect.gen(function*() {
      const { calls, get } = yield* setUp(() =>
        Effect.delay(Effect.sync(() => refusal({ "retry-after": century })), 100)
      )
      const call = Effect.fork(Effect.either(get("/api/v2/x")))
      yield* call
      yield* TestClock.adjust("6 minutes")
      yield* Effect.replicateEffect(call, 20)
      yield* TestClock.adjust("500 millis")
      assert.lengthOf(calls, 2)
    }))

  // FAULTS B5
  it.scoped("a wait of hours is kept, and a client with a long `maxRetryAfter` waits for it", () =>
    Effect.gen(function*() {
      const { calls, get } = yield* setUp((_, nth) => nth === 1 ? refusal({ "retry-after": "7200" }) : ok(), {
        maxRetryAfter: "1 day"
      })
      const fiber = yield* Effect.fork(get("/api/v2/x"))
      yield* TestClock.adjust("2 hours")
      assert.lengthOf(calls, 1)
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), 200)
    }))
})

describe("a caller that vanishes without an interruption", () => {
  // FAULTS L1, L2
  it.scoped("a vanished caller that is the first in the queue does not hold up the others", () =>
    Effect.gen(function*() {
      const { calls, get } = yield* setUp((_, nth) => nth === 1 ? refusal({ "retry-after": "30" }) : ok())
      yield* Effect.fork(get("/api/v2/a")).pipe(
        Effect.flatMap((fiber) => Effect.zipRight(TestClock.adjust("1 second"), Fiber.interrupt(fiber)))
      )
      const gone = yield* Effect.replicateEffect(forkVanishing(get("/api/v2/gone")), 3)
      yield* TestClock.adjust("1 second")
      const others = yield* Effect.forEach(["/api/v2/b", "/api/v2/c"], (path) => Effect.fork(get(path)))
      yield* TestClock.adjust("1 second")
      for (const { vanish } of gone) vanish()
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(yield* Fiber.join(Fiber.all(others)), [200, 200])
      assert.deepStrictEqual(calls.map(({ url }) => new URL(url).pathname), ["/api/v2/a", "/api/v2/b", "/api/v2/c"])
      // and whoever comes later does not meet them either
      const late = yield* Effect.fork(get("/api/v2/d"))
      yield* TestClock.adjust(1)
      assert.isTrue(Option.isSome(yield* Fiber.poll(late)))
    }))

  // FAULTS L1, L2
  it.scoped("a call under way whose caller vanished counts for a minute, and no longer", () =>
    Effect.gen(function*() {
      const { calls, get } = yield* setUp((_, nth) =>
        nth <= 5 ? Effect.never : nth === 6 ? ok() : Effect.delay(Effect.sync(ok), 100)
      )
      const gone = yield* Effect.replicateEffect(forkVanishing(get("/api/v2/gone")), 5)
      yield* TestClock.adjust(1)
      for (const { vanish } of gone) vanish()
      const early = yield* Effect.fork(get("/api/v2/a"))
      yield* TestClock.adjust("500 millis")
      // all five that may go ahead are under way
      assert.isTrue(Option.isNone(yield* Fiber.poll(early)))
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* Fiber.join(early), 200)
      yield* TestClock.adjust("2 minutes")
      const late = yield* Effect.replicateEffect(Effect.fork(get("/api/v2/b")), 5)
      yield* TestClock.adjust(1)
      assert.lengthOf(calls, 11, "none of them waits for another")
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* Fiber.join(Fiber.all(late)), [200, 200, 200, 200, 200])
    }))

  // FAULTS L1
  it.scoped("other calls do not wait for ever for a vanished caller at the gate of a resource", () =>
    Effect.gen(function*() {
      const { get } = yield* setUp((_, nth) => nth === 1 ? refusal({ "retry-after": "150" }) : ok())
      yield* Effect.either(get("/api/v2/x")).pipe(Effect.fork)
      yield* TestClock.adjust("1 second")
      const { vanish } = yield* forkVanishing(get("/api/v2/x"))
      yield* TestClock.adjust("1 second")
      vanish()
      yield* TestClock.adjust("10 minutes")
      const results = yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.either(get("/api/v2/x")))
      assert.isTrue(results.every(Either.isRight))
    }))
})

describe("bounds", () => {
  // FAULTS B5
  it.scoped("no more than 256 resources are waited for at a time", () =>
    Effect.gen(function*() {
      const { calls, get } = yield* setUp(() => refusal({ "retry-after": "1000" }))
      const path = (n: number) =>
        `/api/v2/things/${"abcdefghij"[n % 10]}${"abcdefghij"[Math.floor(n / 10) % 10]}${
          "abcdefghij"[Math.floor(n / 100)]
        }`
      yield* Effect.forEach(Array.from({ length: 300 }, (_, n) => n), (n) => Effect.either(get(path(n))))
      assert.lengthOf(calls, 300)
      yield* Effect.either(get(path(299)))
      assert.lengthOf(calls, 300)
      yield* Effect.either(get(path(0)))
      assert.lengthOf(calls, 301)
    }))
})
