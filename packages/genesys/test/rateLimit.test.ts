import { inspect } from "node:util"
import { HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Chunk, Clock, Duration, Effect, Either, Fiber, Option, Random, Stream, TestClock } from "effect"
import { BearerAuth } from "effect-bearer"
import platformClient from "purecloud-platform-client-v2"
import * as FakeCloud from "../src/FakeCloud.js"
import type { GenesysError } from "../src/index.js"
import { GenesysCloud, Users } from "../src/index.js"
import * as rateGate from "../src/rate/gate.js"
import * as test from "./utils/cloud.js"
import { logged } from "./utils/dataAction.js"
import type { HttpRequestOptions } from "./utils/sdk.js"
import {
  DefaultHttpClient,
  ended as finished,
  eventually,
  inTime,
  newClient,
  setUp as setUpSdk,
  withFake
} from "./utils/sdk.js"
import { recorder } from "./utils/spans.js"

// ---------------------------------------------------------------------------------------------------------------
// a cloud in memory
// ---------------------------------------------------------------------------------------------------------------

const ok = (headers: Record<string, string> = {}) => Response.json({ id: "org", name: "Org", version: 1 }, { headers })

const refusal = (headers: Record<string, string> = {}, members: Record<string, unknown> = {}) =>
  test.apiError(429, "too.many.requests.retry.after", members, headers)

const counted = (count: number, allowed: number, reset: number) => ({
  "inin-ratelimit-count": String(count),
  "inin-ratelimit-allowed": String(allowed),
  "inin-ratelimit-reset": String(reset)
})

/** Calls take their time, as they do. */
const after = (response: Response, latency: Duration.DurationInput = "100 millis") =>
  Effect.delay(Effect.succeed(response), latency)

/** Allows so many calls a minute, from the first one on; tells of it with every answer, or only in a 429. */
const byTheMinute = (allowed: number, tells = true) => {
  const seen = { refused: 0, served: [] as Array<string> }
  let since = -Infinity
  let count = 0
  const script: test.Script = ({ at, url }) => {
    if (at - since >= 60_000) [since, count] = [at, 0]
    count++
    const reset = Math.ceil((since + 60_000 - at) / 1000)
    const headers = tells ? counted(count, allowed, reset) : {}
    if (count > allowed) {
      seen.refused++
      return after(refusal({ ...headers, "retry-after": String(reset) }))
    }
    seen.served.push(new URL(url).pathname)
    return after(ok(headers))
  }
  return { script, seen }
}

/** The first call of a path gets this answer; all others are served. */
const first = (answers: Readonly<Record<string, () => Response>>): test.Script => {
  const asked = new Set<string>()
  return ({ url }) => {
    const { pathname } = new URL(url)
    const answer = asked.has(pathname) ? undefined : answers[pathname]
    asked.add(pathname)
    return after(answer?.() ?? ok())
  }
}

type Outcome = Either.Either<number, GenesysError.RequestError>

const setUp = (script: test.Script, api: GenesysCloud.ApiOptions = {}) =>
  Effect.map(
    Effect.suspend(() => {
      const cloud = test.memory(script)
      return Effect.map(test.connectTo(cloud.client, { api }), (service) => ({ ...cloud, service }))
    }),
    ({ calls, client, service }) => {
      const get = (path: string) => Effect.map(service.client.get(path), ({ status }) => status)
      return {
        client,
        service,
        /** Paths, in the order in which they were asked for. */
        paths: () => calls.map(({ url }) => new URL(url).pathname),
        times: () => calls.map(({ at }) => at),
        get,
        start: (path: string) => Effect.fork(Effect.either(get(path)))
      }
    }
  )

/** Whoever looks at this clock twice sees that time has passed, as on a real one. */
const ticking = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    let ticks = 0n
    const steady = (): bigint => clock.unsafeCurrentTimeNanos() + 1000n * ticks++
    return Effect.withClock(
      effect,
      Object.create(clock, { unsafeCurrentTimeNanos: { value: steady } }) as Clock.Clock
    )
  })

/** How many ended how. */
const tally = (outcomes: ReadonlyArray<Outcome>): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) {
    const how = Either.isRight(outcome) ? "ok" : outcome.left._tag
    counts[how] = (counts[how] ?? 0) + 1
  }
  return counts
}

const ended = (fiber: Fiber.RuntimeFiber<Outcome>) => Effect.map(Fiber.poll(fiber), (exit) => Option.isSome(exit))

/** What became of calls, all of which are over. */
const outcomesOf = (fibers: ReadonlyArray<Fiber.RuntimeFiber<Outcome>>) =>
  Effect.gen(function*() {
    const over = (yield* Effect.forEach(fibers, ended)).filter(Boolean)
    assert.lengthOf(over, fibers.length)
    return yield* Fiber.join(Fiber.all(fibers))
  })

const heldBack = (outcome: Outcome): GenesysError.ApiRateLimited => {
  assert.isTrue(Either.isLeft(outcome), "it was served")
  const error = (outcome as Either.Left<GenesysError.RequestError, number>).left
  assert.strictEqual(error._tag, "ApiRateLimited")
  return error as GenesysError.ApiRateLimited
}

const seeded = <A, E>(name: string, effect: () => Effect.Effect<A, E, Scope.Scope>) =>
  it.scoped(name, () => Effect.withRandom(effect(), Random.make(name)))

const crowd = (count: number) => Array.from({ length: count }, (_, i) => `/api/v2/things/a-${i}`)

// ---------------------------------------------------------------------------------------------------------------

describe("a crowd", () => {
  // SPEC B5
  seeded("200 calls, 50 a minute: four minutes, in order, and nobody is refused", () =>
    Effect.gen(function*() {
      const { script, seen } = byTheMinute(50)
      const { start, times } = yield* setUp(script, { maxRetryAfter: "5 minutes" })
      const fibers = yield* Effect.forEach(crowd(200), start)
      yield* TestClock.adjust("200 seconds")
      const outcomes = yield* Fiber.join(Fiber.all(fibers))
      assert.isTrue(outcomes.every(Either.isRight))
      assert.strictEqual(seen.refused, 0)
      assert.deepStrictEqual(seen.served, crowd(200))
      const minutes = Array.from({ length: 4 }, (_, i) =>
        times().filter((at) => at >= i * 60_000 && at < (i + 1) * 60_000).length)
      assert.deepStrictEqual(minutes, [50, 50, 50, 50])
      // who has waited does not leave in one instant with all others
      const second = times().slice(50, 100)
      assert.isAbove(new Set(second).size, 30)
      assert.isTrue(second[49]! - second[0]! > 5000 && second[49]! - second[0]! < 10_000)
    }))

  seeded("who would wait for longer than it may is told so at once, and is not sent", () =>
    Effect.gen(function*() {
      const { script, seen } = byTheMinute(50)
      const { get, start, times } = yield* setUp(script)
      const fibers = yield* Effect.forEach(crowd(250), start)
      yield* TestClock.adjust("30 seconds")
      // three minutes is the most: there is room for 150 more, and none for who comes now
      const late = heldBack(yield* Effect.either(get("/api/v2/late")))
      assert.strictEqual(late.attempts, 0)
      assert.isAbove(Option.getOrThrow(late.retryAt), 180_000)
      assert.include(
        late.message,
        "https://api.mypurecloud.de/api/v2/late was not sent, because other calls met the rate limit"
      )
      yield* TestClock.adjust("5 minutes")
      const outcomes = yield* Fiber.join(Fiber.all(fibers))
      assert.strictEqual(outcomes.filter(Either.isRight).length, 150)
      assert.strictEqual(seen.refused, 0)
      for (const outcome of outcomes.slice(150)) {
        const error = heldBack(outcome)
        assert.strictEqual(error.attempts, 0)
        assert.deepStrictEqual(error.rateLimit.allowed, Option.some(50))
        assert.isAbove(Option.getOrThrow(error.retryAt), 180_000)
      }
      assert.isAtMost(Math.max(...times()), 180_000)
      // nobody waits any more, so who comes now need not either
      const last = yield* start("/api/v2/last")
      yield* TestClock.adjust("1 second")
      assert.isTrue(Either.isRight(yield* Fiber.join(last)))
    }))

  seeded("where no header tells of the limit, few are refused, and all are served", () =>
    Effect.gen(function*() {
      const { script, seen } = byTheMinute(50, false)
      const { start } = yield* setUp(script, { maxRetryAfter: "20 minutes" })
      const fibers = yield* Effect.forEach(crowd(200), start)
      yield* TestClock.adjust("20 minutes")
      const outcomes = yield* Fiber.join(Fiber.all(fibers))
      assert.isTrue(outcomes.every(Either.isRight))
      assert.isAtMost(seen.refused, 60)
    }))

  seeded("others that use the same client are reckoned with", () =>
    Effect.gen(function*() {
      const { script, seen } = byTheMinute(50)
      const mine = yield* setUp(script, { maxRetryAfter: "20 minutes" })
      const other = yield* setUp(script, { maxRetryAfter: "20 minutes" })
      const fibers = yield* Effect.forEach(crowd(200), (path, i) => (i % 2 === 0 ? mine : other).start(path))
      yield* TestClock.adjust("20 minutes")
      assert.isTrue((yield* Fiber.join(Fiber.all(fibers))).every(Either.isRight))
      // in the first minute nobody knows of the other; later a few at a time
      assert.isAtMost(seen.refused, 60)
    }))
})

describe("a 429", () => {
  // SPEC B5
  seeded("is waited for by all", () =>
    Effect.gen(function*() {
      const { paths, start, times } = yield* setUp(first({ "/api/v2/a": () => refusal({ "retry-after": "30" }) }))
      const a = yield* start("/api/v2/a")
      yield* TestClock.adjust("1 second")
      const others = yield* Effect.forEach(["/api/v2/b", "/api/v2/c"], start)
      yield* TestClock.adjust("29 seconds")
      assert.deepStrictEqual(paths(), ["/api/v2/a"])
      yield* TestClock.adjust("5 seconds")
      assert.isTrue((yield* Fiber.join(Fiber.all([a, ...others]))).every(Either.isRight))
      assert.sameMembers(paths().slice(1), ["/api/v2/a", "/api/v2/b", "/api/v2/c"])
      for (const at of times().slice(1)) assert.isTrue(at >= 30_100 && at <= 33_300, String(at))
    }))

  // FAULTS B5
  seeded("of ten minutes is believed by who has that much time", () =>
    Effect.gen(function*() {
      const { start, times } = yield* setUp(
        first({ "/api/v2/a": () => refusal({ "retry-after": "600" }) }),
        { maxRetryAfter: "20 minutes" }
      )
      const a = yield* start("/api/v2/a")
      yield* TestClock.adjust("1 second")
      const other = yield* start("/api/v2/a")
      yield* TestClock.adjust("598 seconds")
      assert.lengthOf(times(), 1)
      yield* TestClock.adjust("2 minutes")
      assert.isTrue((yield* Fiber.join(Fiber.zip(a, other))).every(Either.isRight))
    }))

  seeded("is what others are told, who would have to wait for too long", () =>
    Effect.gen(function*() {
      const members = { message: "Enough", contextId: "c0ffee" }
      const { get, paths, start } = yield* setUp(
        first({ "/api/v2/a": () => refusal({ "retry-after": "30" }, members) }),
        { maxRetryAfter: "20 seconds" }
      )
      const a = yield* start("/api/v2/a")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(heldBack(yield* Fiber.join(a)).retryAt, Option.some(30_100))
      const error = heldBack(yield* Effect.either(get("/api/v2/b")))
      assert.deepInclude(error, { method: "GET", url: "https://api.mypurecloud.de/api/v2/b", status: 429, attempts: 0 })
      assert.deepStrictEqual(error.code, Option.some("too.many.requests.retry.after"))
      assert.deepStrictEqual(error.contextId, Option.some("c0ffee"))
      const retryAt = Option.getOrThrow(error.retryAt)
      assert.isTrue(retryAt >= 30_100 && retryAt <= 33_101, String(retryAt))
      assert.include(error.message, "come back at 1970-01-01T00:00:3")
      assert.deepStrictEqual(paths(), ["/api/v2/a"])
      // 20 seconds are enough by now
      yield* TestClock.adjust("13 seconds")
      const late = yield* start("/api/v2/b")
      yield* TestClock.adjust("20 seconds")
      assert.isTrue(Either.isRight(yield* Fiber.join(late)))
    }))

  seeded("holds nobody who carries a token of its own, nor does the 429 of that", () =>
    Effect.gen(function*() {
      const { get, paths, service, start } = yield* setUp(
        first({
          "/api/v2/a": () => refusal({ "retry-after": "30" }),
          "/api/v2/own": () => refusal({ "retry-after": "60" })
        }),
        { maxRetryAfter: "40 seconds" }
      )
      const own = (path: string) =>
        service.client.execute(HttpClientRequest.bearerToken(HttpClientRequest.get(path), "another-token")).pipe(
          Effect.map(({ status }) => status),
          BearerAuth.skip,
          Effect.either,
          Effect.fork
        )
      const refused = yield* own("/api/v2/own")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(heldBack(yield* Fiber.join(refused)).attempts, 1)
      const a = yield* start("/api/v2/a")
      yield* TestClock.adjust("1 second")
      const other = yield* own("/api/v2/b")
      yield* TestClock.adjust("1 second")
      assert.isTrue(yield* ended(other))
      assert.deepStrictEqual(paths(), ["/api/v2/own", "/api/v2/a", "/api/v2/b"])
      yield* Fiber.interrupt(a)
      yield* TestClock.adjust("1 minute")
      const last = yield* Effect.fork(get("/api/v2/c"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(last), 200)
    }))

  seeded("fails who sends nothing again, and whoever else does not wait either", () =>
    Effect.gen(function*() {
      const { get, paths, start } = yield* setUp(
        first({ "/api/v2/a": () => refusal({ "retry-after": "30" }) }),
        { retry: false }
      )
      const a = yield* start("/api/v2/a")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(heldBack(yield* Fiber.join(a)).attempts, 1)
      assert.strictEqual(heldBack(yield* Effect.either(get("/api/v2/b"))).attempts, 0)
      assert.deepStrictEqual(paths(), ["/api/v2/a"])
    }))

  seeded("of a call that is interrupted is waited for all the same, and nobody is lost", () =>
    Effect.gen(function*() {
      const { paths, start } = yield* setUp(first({ "/api/v2/a": () => refusal({ "retry-after": "30" }) }))
      const a = yield* start("/api/v2/a")
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(a)
      const [b, c, d, e] = yield* Effect.all([
        start("/api/v2/b"),
        start("/api/v2/c"),
        start("/api/v2/d"),
        start("/api/v2/e")
      ])
      yield* TestClock.adjust("1 second")
      // the first of the queue, and one in the middle of it
      yield* Fiber.interrupt(b)
      yield* Fiber.interrupt(d)
      yield* TestClock.adjust("28 seconds")
      assert.deepStrictEqual(paths(), ["/api/v2/a"])
      yield* TestClock.adjust("4 seconds")
      assert.isTrue((yield* Fiber.join(Fiber.all([c, e]))).every(Either.isRight))
      assert.deepStrictEqual(paths(), ["/api/v2/a", "/api/v2/c", "/api/v2/e"])
      // who was interrupted left no gap behind: the next ones need not wait
      const next = yield* Effect.forEach(crowd(20), start)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue((yield* Fiber.join(Fiber.all(next))).every(Either.isRight))
    }))
})

describe("whom a 429 concerns", () => {
  const one = "/api/v2/users/11111111-2222-4333-8444-555555555555"
  const another = "/api/v2/users/22222222-2222-4333-8444-555555555555"

  /** Whether calls wait after a 429 for one user: those of another user, and those of something else. */
  const waits = (headers: Record<string, string>, members: Record<string, unknown> = {}) =>
    Effect.gen(function*() {
      const { start } = yield* setUp(first({ [one]: () => refusal(headers, members) }), { maxRetryAfter: "1 day" })
      yield* start(one)
      yield* TestClock.adjust("1 second")
      const [same, other] = yield* Effect.all([start(another), start("/api/v2/routing/queues")])
      yield* TestClock.adjust("2 seconds")
      const waiting = [!(yield* ended(same)), !(yield* ended(other))]
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual([yield* ended(same), yield* ended(other)], [true, true])
      return waiting
    })

  seeded("all, if the token has used up what it may", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* waits({ "retry-after": "30", ...counted(301, 300, 30) }), [true, true])
      assert.deepStrictEqual(yield* waits({ "retry-after": "600", ...counted(300, 300, 600) }), [true, true])
    }))

  seeded("those of the resource, if the token has something left", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* waits({ "retry-after": "30", ...counted(12, 300, 30) }), [true, false])
    }))

  seeded("whom the name of the limit says", () =>
    Effect.gen(function*() {
      const named = (key: string) => waits({ "retry-after": "30" }, { limit: { key, namespace: "x", value: 1 } })
      assert.deepStrictEqual(yield* named("client.credentials.token.rate.per.minute"), [true, true])
      assert.deepStrictEqual(yield* named("org.app.user.rate.per.minute"), [true, true])
      assert.deepStrictEqual(yield* named("details.jobs.rate.per.second"), [true, false])
    }))

  seeded(
    "all, if nobody says; those of the resource, if it takes longer than a limit by the minute does",
    () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* waits({ "retry-after": "60" }), [true, true])
        assert.deepStrictEqual(yield* waits({}), [true, true])
        // a day's limit on one call
        assert.deepStrictEqual(yield* waits({ "retry-after": "7200" }), [true, false])
      })
  )

  seeded("a limit of one resource is told to its other callers, and to nobody else", () =>
    Effect.gen(function*() {
      const { get, paths, service, start } = yield* setUp(first({ [one]: () => refusal({ "retry-after": "7200" }) }))
      const first429 = yield* start(one)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(heldBack(yield* Fiber.join(first429)).attempts, 1)
      const error = heldBack(yield* Effect.either(get(another)))
      assert.strictEqual(error.attempts, 0)
      assert.isAtLeast(Option.getOrThrow(error.retryAt), 7_200_100)
      const put = yield* Effect.fork(Effect.either(service.client.put(another)))
      const queues = yield* start("/api/v2/routing/queues")
      yield* TestClock.adjust("1 second")
      assert.isTrue(Either.isRight(yield* Fiber.join(put)))
      assert.isTrue(Either.isRight(yield* Fiber.join(queues)))
      assert.deepStrictEqual(paths(), [one, another, "/api/v2/routing/queues"])
    }))
})

describe("the headers of an answer", () => {
  seeded("that the period is used up are enough: nobody needs to be refused", () =>
    Effect.gen(function*() {
      const { start, times } = yield* setUp(({ url }) => after(ok(url.endsWith("/a") ? counted(300, 300, 20) : {})))
      yield* start("/api/v2/a")
      yield* TestClock.adjust("1 second")
      const b = yield* start("/api/v2/b")
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(yield* ended(b))
      assert.isTrue(times()[1]! >= 21_100 && times()[1]! <= 22_200, String(times()[1]))
    }))

  seeded("are not believed where calls are served far beyond what they allow", () =>
    Effect.gen(function*() {
      const { start, times } = yield* setUp((_, nth) => after(ok(counted(1000 + nth, 300, 20))))
      for (let i = 0; i < 3; i++) {
        yield* start("/api/v2/a")
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(times(), [0, 1000, 2000])
    }))

  seeded("nor where they make no sense", () =>
    Effect.gen(function*() {
      for (const nonsense of [counted(5, 0, 20), counted(5, 5, 1_700_000)]) {
        const { start, times } = yield* setUp(() => after(ok(nonsense)))
        const since = times().length
        const [a, b] = [yield* start("/api/v2/a"), yield* TestClock.adjust("1 second"), yield* start("/api/v2/b")]
          .filter((fiber) => fiber !== undefined)
        yield* TestClock.adjust("1 second")
        assert.isTrue((yield* ended(a!)) && (yield* ended(b!)))
        assert.strictEqual(times().length - since, 2)
      }
    }))

  seeded("that come late do not begin another minute", () =>
    Effect.gen(function*() {
      // the first call was counted at once, and says so when the minute is used up
      const { start, times } = yield* setUp(({ url }, nth) =>
        after(ok(counted(url.endsWith("/slow") ? 1 : nth, 3, 60)), url.endsWith("/slow") ? "4 seconds" : "100 millis")
      )
      const fibers = yield* Effect.forEach(["/api/v2/slow", "/api/v2/a", "/api/v2/b"], start)
      yield* TestClock.adjust("5 seconds")
      const next = yield* start("/api/v2/c")
      yield* TestClock.adjust("65 seconds")
      assert.isTrue((yield* Effect.forEach([...fibers, next], ended)).every(Boolean))
      assert.isAtLeast(times()[3]!, 60_000)
    }))
})

describe("where nothing is known of a limit", () => {
  const hanging: GenesysCloud.ApiOptions = { timeout: "5 seconds" }

  /** All at once, and when each of them ended. */
  const rush = (start: (path: string) => Effect.Effect<Fiber.RuntimeFiber<Outcome>>, count: number) =>
    Effect.gen(function*() {
      const ends: Array<number> = []
      const fibers = yield* Effect.forEach(crowd(count), start)
      for (const fiber of fibers) {
        yield* Effect.fork(Effect.zipRight(
          Fiber.await(fiber),
          Effect.map(Clock.currentTimeMillis, (at) => ends.push(at))
        ))
      }
      return { ends, outcomes: outcomesOf(fibers) }
    })

  for (
    const [name, api] of [["that send nothing again", { retry: false }], ["that never wait", {
      maxRetryAfter: 0
    }]] as const
  ) {
    seeded(`calls ${name} are all served`, () =>
      ticking(Effect.gen(function*() {
        for (const count of [6, 50]) {
          for (const headers of [counted(1, 300, 60), {}]) {
            const { start } = yield* setUp(() => after(ok(headers)), api)
            const { outcomes } = yield* rush(start, count)
            yield* TestClock.adjust("2 seconds")
            assert.deepStrictEqual(tally(yield* outcomes), { ok: count })
          }
        }
      })))
  }

  seeded("a few go ahead until one is answered", () =>
    Effect.gen(function*() {
      const { paths, start } = yield* setUp(() => after(ok(counted(1, 300, 60)), "900 millis"))
      yield* rush(start, 50)
      yield* TestClock.adjust("899 millis")
      assert.lengthOf(paths(), 5)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(paths(), crowd(50))
    }))

  seeded("an answer that is long in coming holds up the others for a second", () =>
    Effect.gen(function*() {
      const { paths, start, times } = yield* setUp(() => Effect.never, { timeout: "1 minute" })
      yield* rush(start, 10)
      yield* TestClock.adjust("500 millis")
      assert.lengthOf(paths(), 5)
      yield* rush(start, 1)
      yield* TestClock.adjust("499 millis")
      assert.lengthOf(paths(), 5)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(times(), [0, 0, 0, 0, 0, 1000, 1000, 1000, 1000, 1000, 1500])
      assert.deepStrictEqual(paths().slice(0, 10), crowd(10))
    }))

  seeded("200 calls of an API that hangs take no longer than their time and a second", () =>
    Effect.gen(function*() {
      const { start } = yield* setUp(() => Effect.never, hanging)
      const { ends, outcomes } = yield* rush(start, 200)
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(tally(yield* outcomes), { ApiTimeout: 200 })
      assert.deepStrictEqual([ends[0], ends[4], ends[5], ends[199]], [5000, 5000, 6000, 6000])
    }))

  seeded("who waits for an answer waits no more when there is none", () =>
    Effect.gen(function*() {
      const { paths, start, times } = yield* setUp(() => Effect.never, { ...hanging, timeout: "300 millis" })
      const { outcomes } = yield* rush(start, 50)
      yield* TestClock.adjust("600 millis")
      assert.deepStrictEqual(tally(yield* outcomes), { ApiTimeout: 50 })
      assert.deepStrictEqual(times().slice(5), Array.from({ length: 45 }, () => 300))
      // who comes after that waits for the next answer
      yield* TestClock.adjust("1 millis")
      yield* rush(start, 20)
      yield* TestClock.adjust("1 millis")
      assert.lengthOf(paths(), 55)
    }))

  seeded("nor when the connection breaks", () =>
    Effect.gen(function*() {
      const { start, times } = yield* setUp(() => Effect.delay(Effect.die(new Error("ECONNRESET")), "20 millis"))
      const { outcomes } = yield* rush(start, 50)
      yield* TestClock.adjust("40 millis")
      assert.deepStrictEqual(tally(yield* outcomes), { ApiUnreachable: 50 })
      assert.deepStrictEqual(times().slice(5), Array.from({ length: 45 }, () => 20))
    }))

  seeded("who gives up lets the next one go ahead, and loses nobody", () =>
    Effect.gen(function*() {
      const { paths, start } = yield* setUp(() => Effect.never, hanging)
      const fibers = yield* Effect.forEach(crowd(20), start)
      yield* TestClock.adjust("300 millis")
      // one on its way, the first of the queue, and one in the middle of it
      for (const i of [0, 5, 10]) yield* Fiber.interrupt(fibers[i]!)
      yield* TestClock.adjust("300 millis")
      assert.deepStrictEqual(paths(), [0, 1, 2, 3, 4, 6].map((i) => crowd(20)[i]))
      yield* TestClock.adjust("400 millis")
      assert.deepStrictEqual(paths(), crowd(20).filter((_, i) => i !== 5 && i !== 10))
      yield* Fiber.interruptAll(fibers)
      // they are no longer under way
      yield* rush(start, 5)
      yield* TestClock.adjust("1 millis")
      assert.lengthOf(paths(), 23)
    }))

  seeded("a 429 for something else is an answer like any other", () =>
    Effect.gen(function*() {
      const limit = { key: "details.jobs.rate", value: 1 }
      const { start, times } = yield* setUp(
        ({ url }) => after(url.endsWith("/busy") ? refusal({ "retry-after": "60" }, { limit }) : ok()),
        { retry: false }
      )
      for (let i = 0; i < 5; i++) yield* start("/api/v2/busy")
      yield* rush(start, 20)
      yield* TestClock.adjust("200 millis")
      const at = (time: number, count: number) => Array.from({ length: count }, () => time)
      assert.deepStrictEqual(times(), [...at(0, 5), ...at(100, 10), ...at(200, 10)])
    }))
})

describe("after a wait", () => {
  /** One 429 for all, of which the time is over. */
  const waited = (script: test.Script, api: GenesysCloud.ApiOptions) =>
    Effect.gen(function*() {
      const cloud = yield* setUp(
        (request, nth) => nth === 1 ? refusal({ "retry-after": "30" }) : script(request, nth - 1),
        api
      )
      heldBack(yield* Effect.either(cloud.get("/api/v2/a")))
      const early = heldBack(yield* Effect.either(cloud.get("/api/v2/b")))
      assert.strictEqual(early.attempts, 0)
      yield* TestClock.adjust("33 seconds")
      assert.lengthOf(cloud.paths(), 1)
      return cloud
    })

  for (const [name, api] of [["send nothing again", { retry: false }], ["never wait", { maxRetryAfter: 0 }]] as const) {
    seeded(`calls that ${name} are all served`, () =>
      ticking(Effect.gen(function*() {
        for (const headers of [counted(1, 300, 60), {}]) {
          const { start } = yield* waited(() => after(ok(headers)), api)
          const fibers = yield* Effect.forEach(crowd(50), start)
          yield* TestClock.adjust("3 seconds")
          assert.deepStrictEqual(tally(yield* outcomesOf(fibers)), { ok: 50 })
        }
      })))

    seeded(`calls that ${name} fail unsent for what the API has said`, () =>
      ticking(Effect.gen(function*() {
        const { script, seen } = byTheMinute(50)
        const used = yield* waited(script, api)
        const fibers = yield* Effect.forEach(crowd(60), used.start)
        yield* TestClock.adjust("3 seconds")
        const outcomes = yield* outcomesOf(fibers)
        assert.deepStrictEqual(tally(outcomes), { ok: 50, ApiRateLimited: 10 })
        for (const outcome of outcomes.slice(50)) assert.strictEqual(heldBack(outcome).attempts, 0)
        assert.strictEqual(seen.refused, 0)

        const closed = yield* waited(() => after(refusal({ "retry-after": "30" })), api)
        const others = yield* Effect.forEach(crowd(60), closed.start)
        yield* TestClock.adjust("3 seconds")
        const sent = (yield* outcomesOf(others)).map((outcome) => heldBack(outcome).attempts)
        assert.deepStrictEqual(sent, crowd(60).map((_, i) => i < 5 ? 1 : 0))
      })))
  }

  seeded("an API that hangs holds up nobody for long", () =>
    Effect.gen(function*() {
      const { start, times } = yield* setUp(
        (_, nth) => nth === 1 ? refusal({ "retry-after": "30" }) : Effect.never,
        { timeout: "5 seconds" }
      )
      const fibers = yield* Effect.forEach(crowd(100), start)
      yield* TestClock.adjust("45 seconds")
      assert.deepStrictEqual(tally(yield* outcomesOf(fibers)), { ApiTimeout: 100 })
      const [fifth, sixth, last] = [times()[9]!, times()[10]!, times()[times().length - 1]!]
      assert.isTrue(fifth < 34_000 && sixth >= 31_000 && sixth - fifth > 500, `${fifth} ${sixth}`)
      // a little apart, as after every wait
      assert.isTrue(last - sixth > 1000 && last - sixth < 5000, `${sixth} ${last}`)
    }))
})

describe("a token", () => {
  seeded("that cannot be had is told to all at once: they do not wait for each other", () =>
    Effect.gen(function*() {
      let logins = 0
      const { client } = test.memory(() => ok(), () => {
        logins++
        return after(Response.json({ error: "server_error" }, { status: 500 }), "4 seconds")
      })
      const service = yield* test.connectTo(client)
      const fibers = yield* Effect.forEach(crowd(100), (path) => Effect.fork(Effect.flip(service.client.get(path))))
      yield* TestClock.adjust("40 seconds")
      assert.lengthOf(yield* Fiber.join(Fiber.all(fibers)), 100)
      assert.isAtMost(logins, 4)
    }))
})

describe("those who wait", () => {
  seeded("are told of in the log, once for all; and no secret is", () => {
    const { layer, lines } = logged()
    const { spans, tracer } = recorder()
    return Effect.gen(function*() {
      const { start } = yield* setUp(first({ "/api/v2/a": () => refusal({ "retry-after": "30" }) }))
      yield* start("/api/v2/a")
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach(crowd(30), start)
      yield* TestClock.adjust("40 seconds")
      const told = lines.filter((line) => line.includes("wait"))
      assert.lengthOf(told.filter((line) => line.startsWith("{")), 1)
      assert.match(told[0]!, /Calls of Genesys Cloud wait (29|3[0-2])\d{3} ms for a rate limit/)
      assert.lengthOf(spans.filter((span) => inspect(span).includes("GenesysCloud.wait")), 31)
      for (const secret of [test.secret, test.token]) {
        assert.notInclude(lines.join("\n") + inspect(spans, { depth: 20 }), secret)
      }
    }).pipe(Effect.provide(layer), Effect.withTracer(tracer))
  })

  seeded("fail when their own time is over, though others have more", () =>
    Effect.gen(function*() {
      const { get } = yield* setUp(() => refusal({ "retry-after": "30" }), { retry: false })
      const error = heldBack(yield* Effect.either(get("/api/v2/a")))
      const gates = rateGate.of({})
      const sent: Array<string> = []
      const call = (url: string, maxWait: Duration.Duration) =>
        Effect.fork(Effect.either(rateGate.pass(gates, { method: "GET", url, sent: 0, maxWait }, (report) => {
          sent.push(url)
          return sent.length > 5 ? Effect.void : Effect.delay(report.refused(error, Duration.seconds(30)), "100 millis")
        })))
      for (const path of crowd(5)) yield* call(path, Duration.zero)
      const patient = yield* call("patient", Duration.minutes(1))
      const hasty = yield* call("hasty", Duration.seconds(10))
      yield* TestClock.adjust("10 seconds")
      const outcome = Option.getOrThrow(yield* Fiber.poll(hasty))
      const held = Either.getOrThrow(Either.flip(yield* outcome))
      assert.isAbove(Option.getOrThrow(held.error.retryAt), 30_000)
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(Either.isRight(yield* Fiber.join(patient)))
      assert.deepStrictEqual(sent, [...crowd(5), "patient"])
    }))

  seeded("may be reading a list", () =>
    Effect.gen(function*() {
      let count = 0
      const pages: test.Script = ({ url }) => {
        count++
        const pageNumber = Number(new URL(url).searchParams.get("pageNumber"))
        const entities = [{ id: `u${pageNumber}`, name: `User ${pageNumber}` }]
        return after(Response.json({ entities, pageNumber, pageCount: 6, total: 6 }, {
          headers: counted((count - 1) % 3 + 1, 3, 30)
        }))
      }
      const { service } = yield* setUp(pages)
      const reading = yield* Users.list({ pageSize: 1 }).pipe(
        Stream.runCollect,
        Effect.provideService(GenesysCloud.GenesysCloud, service),
        Effect.fork
      )
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(count, 3)
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(reading)).map(({ id }) => id), [
        "u1",
        "u2",
        "u3",
        "u4",
        "u5",
        "u6"
      ])
    }))
})

// ---------------------------------------------------------------------------------------------------------------

describe("over sockets", () => {
  it.effect("200 calls, 50 allowed: 50 are served, the rest is told when to come back, and nobody knocks in vain", () =>
    test.withCloud(
      Effect.gen(function*() {
        const fake = yield* FakeCloud.FakeCloud
        const { client } = yield* GenesysCloud.GenesysCloud
        yield* fake.setRateLimit(50)
        const outcomes = yield* inTime(Effect.forEach(
          crowd(200),
          () => Effect.either(client.get("/api/v2/organizations/me")),
          { concurrency: "unbounded" }
        ))
        const { statuses } = yield* fake.seen
        assert.strictEqual(outcomes.filter(Either.isRight).length, 50)
        assert.isAtMost(statuses[429] ?? 0, 5)
        for (const outcome of outcomes.filter(Either.isLeft)) {
          assert.strictEqual(outcome.left._tag, "ApiRateLimited")
          if (outcome.left._tag !== "ApiRateLimited") continue
          const wait = Option.getOrThrow(outcome.left.retryAt) - (yield* Clock.currentTimeMillis)
          assert.isTrue(wait > 30_000 && wait < 70_000, String(wait))
        }
      }),
      { cloud: { api: { maxRetryAfter: "5 seconds" } } }
    ))

  it.live("the official SDK, told to send nothing again, has all calls served", () =>
    withFake(Effect.gen(function*() {
      const { ada, fake, users } = yield* setUpSdk({ sdk: { retry: false } })
      const calls = Array.from({ length: 20 }, () => Effect.promise(() => users.getUser(ada.id)))
      assert.lengthOf(yield* Effect.all(calls, { concurrency: "unbounded" }), 20)
      assert.strictEqual((yield* fake.seen).statuses[429] ?? 0, 0)
    })))

  it.effect("the official SDK and the service wait for each other", () =>
    withFake(Effect.gen(function*() {
      let answers = 0
      class Counting extends DefaultHttpClient {
        override request(options: HttpRequestOptions) {
          return super.request(options).finally(() => answers++)
        }
      }
      const client = newClient()
      client.setHttpClient(new Counting() as never)
      const { cloud, fake, sdk } = yield* setUpSdk({ client })
      yield* fake.fail(1, FakeCloud.rateLimited("1 second"), { host: "api", path: "/api/v2/users" })
      const ofSdk = yield* Effect.fork(sdk.call((api) => new platformClient.UsersApi(api).getUsers()))
      yield* eventually(Effect.sync(() => answers), (answers) => answers === 1)
      yield* inTime(cloud.client.get("/api/v2/organizations/me"))
      yield* finished(ofSdk)
      const [refused, ...served] = (yield* fake.seen).requests.filter(({ path }) => path.startsWith("/api/"))
      assert.strictEqual(refused?.status, 429)
      assert.lengthOf(served, 2)
      for (const { at } of served) assert.isAtLeast(at - refused!.at, 1000)
    })))
})
