import { HttpBody, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FastCheck as fc, Fiber, Option, Random, Schedule, Schema, Stream, TestClock } from "effect"
import { RetryPolicy } from "effect-bearer"
import type { GenesysError } from "../src/index.js"
import { Analytics, GenesysApi, GenesysCloud, Limits, Organizations } from "../src/index.js"
import * as test from "./utils/cloud.js"

/** Runs on a client in memory while the clock goes on; the outcome, and when the calls were made. */
const run = <A, E>(
  script: test.Script,
  effect: Effect.Effect<A, E, GenesysCloud.GenesysCloud>,
  options: {
    readonly cloud?: Partial<GenesysCloud.Options>
    readonly login?: test.Script
    readonly minutes?: number
  } = {}
) =>
  Effect.gen(function*() {
    const { calls, client, logins } = test.memory(script, options.login)
    const cloud = yield* test.connectTo(client, options.cloud)
    const fiber = yield* effect.pipe(
      Effect.provideService(GenesysCloud.GenesysCloud, cloud),
      Effect.either,
      Effect.fork
    )
    yield* TestClock.adjust(Duration.minutes(options.minutes ?? 10))
    const poll = yield* Fiber.poll(fiber)
    assert.isTrue(Option.isSome(poll), "the call has not ended")
    const result = yield* Fiber.join(fiber)
    return { result, calls, logins, gaps: calls.slice(1).map(({ at }, i) => at - calls[i]!.at) }
  }).pipe(Effect.scoped, Effect.withRandom(Random.make("seed")))

const failing = <A, E>(...parameters: Parameters<typeof run<A, E>>) =>
  Effect.map(run(...parameters), (ran) => {
    assert.strictEqual(ran.result._tag, "Left")
    return { ...ran, error: (ran.result as { readonly left: E }).left }
  })

const limited = (headers: Record<string, string> = {}, members: Record<string, unknown> = {}) => () =>
  test.apiError(429, "too.many.requests.retry.after", members, headers)

/** `first`, as often as said, and then a success. */
const then = (first: () => Response, times = 1): test.Script => (_, nth) => nth <= times ? first() : test.organization()

describe("429", () => {
  // SPEC B5
  it.effect("after a 429 the next try waits at least as long as Retry-After says", () =>
    Effect.gen(function*() {
      const { gaps, result } = yield* run(then(limited({ "retry-after": "42" })), Organizations.me)
      assert.strictEqual(result._tag, "Right")
      assert.lengthOf(gaps, 1)
      // a tenth at random on top, so that those turned away together do not come back together
      assert.isTrue(gaps[0]! >= 42_000 && gaps[0]! <= 46_200)
    }))

  // SPEC B5
  it.effect("a 429 is tried again three times, at first after up to half a second; the error is that of the last answer", () =>
    Effect.gen(function*() {
      const { calls, error, gaps } = yield* failing(limited({ "retry-after": "0" }), Organizations.me)
      assert.lengthOf(calls, 4)
      gaps.forEach((gap, i) => assert.isAtMost(gap, 500 * 2 ** i))
      assert.strictEqual(error._tag, "ApiRateLimited")
      if (error._tag === "ApiRateLimited") assert.strictEqual(error.attempts, 4)
    }))

  it.effect("the base of the waits is half a second", () =>
    Effect.gen(function*() {
      const policy = RetryPolicy.exponentialJitter<GenesysError.Transient>({ base: "500 millis", jitter: "none" })
      const { gaps } = yield* run(limited({ "retry-after": "0" }), Organizations.me, {
        cloud: { api: { retry: policy } }
      })
      assert.deepStrictEqual(gaps, [500, 1000, 2000])
    }))

  // SPEC E2
  it.effect("after a 429 that names no time the next try waits ten seconds, or `defaultRetryAfter", () =>
    Effect.gen(function*() {
      const { gaps } = yield* run(then(limited()), Organizations.me)
      assert.isTrue(gaps[0]! >= 10_000 && gaps[0]! <= 11_000)
      const other = yield* run(then(limited()), Organizations.me, {
        cloud: { api: { defaultRetryAfter: "2 seconds" } }
      })
      assert.isTrue(other.gaps[0]! >= 2000 && other.gaps[0]! <= 2500)
    }))

  // SPEC E2
  it.effect("after a 429 of the login host the next token request waits as long as it says, or ten seconds", () =>
    Effect.gen(function*() {
      const busy = (headers: Record<string, string>): test.Script => (_, nth) =>
        nth === 1 ? Response.json({ error: "too.many.requests" }, { status: 429, headers }) : test.tokenReply()
      for (const [headers, seconds] of [[{}, 10], [{ "retry-after": "20" }, 20]] as const) {
        const { logins } = yield* run(() => test.organization(), Organizations.me, { login: busy(headers) })
        assert.lengthOf(logins, 2)
        const gap = logins[1]!.at - logins[0]!.at
        assert.isTrue(gap >= seconds * 1000 && gap <= seconds * 1100, String(gap))
      }
    }))

  it.effect("without a usable Retry-After the wait comes from the other headers, or from the message", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [() => Response, seconds: number]> = [
        [limited({ "inin-ratelimit-count": "301", "inin-ratelimit-allowed": "300", "inin-ratelimit-reset": "17" }), 17],
        [limited({}, { message: "Rate limit exceeded. Retry the request in [23] seconds" }), 23],
        [limited({ "inin-ratelimit-reset": "soon" }, { message: "Retry in 2 minutes" }), 120],
        [limited({ "retry-after": "3", "inin-ratelimit-reset": "17" }), 3],
        [limited({ "retry-after": "-3", "inin-ratelimit-reset": "17" }), 17]
      ]
      for (const [reply, seconds] of cases) {
        const { gaps } = yield* run(then(reply), Organizations.me)
        assert.isTrue(gaps[0]! >= seconds * 1000 && gaps[0]! <= seconds * 1100 + 500, `${seconds}: ${gaps[0]}`)
      }
    }))

  it.effect("a call fails at once if the wait is longer than `maxRetryAfter`, and the error says when to come back", () =>
    Effect.gen(function*() {
      const { calls, error } = yield* failing(limited({ "retry-after": "181" }), Organizations.me, { minutes: 0 })
      assert.lengthOf(calls, 1)
      assert.strictEqual(error._tag, "ApiRateLimited")
      if (error._tag !== "ApiRateLimited") return
      assert.deepStrictEqual(error.retryAt, Option.some(181_000))
      assert.include(error.message, "come back at 1970-01-01T00:03:01.000Z")
      const patient = yield* run(then(limited({ "retry-after": "181" })), Organizations.me, {
        cloud: { api: { maxRetryAfter: "5 minutes" } }
      })
      assert.strictEqual(patient.result._tag, "Right")
    }))

  it.effect("a POST is sent again after a 429, too, because the API has done nothing yet", () =>
    Effect.gen(function*() {
      const post = GenesysApi.post("/api/v2/x", { a: 1 }, Schema.Unknown)
      const { calls } = yield* run(then(limited({ "retry-after": "1" })), post)
      assert.deepStrictEqual(calls.map(({ body, method }) => `${method} ${body}`), ["POST {\"a\":1}", "POST {\"a\":1}"])
    }))

  it.effect("retry` takes any policy of effect-bearer, or false for none", () =>
    Effect.gen(function*() {
      const none = yield* failing(limited({ "retry-after": "1" }), Organizations.me, {
        cloud: { api: { retry: false } }
      })
      assert.lengthOf(none.calls, 1)
      const policy = RetryPolicy.exponentialJitter<GenesysError.Transient>({ maxRetries: 1 })
      const once = yield* failing(limited({ "retry-after": "1" }), Organizations.me, {
        cloud: { api: { retry: policy } }
      })
      assert.lengthOf(once.calls, 2)
    }))
})

describe("5xx", () => {
  const down = () => test.apiError(503, "service.unavailable", {}, { "retry-after": "2" })

  it.effect("a 5xx is tried again if the call only reads", () =>
    Effect.gen(function*() {
      for (const read of [Organizations.me, Analytics.conversationDetails({ interval: "a/b" })]) {
        const { calls, gaps } = yield* run(then(down), read as typeof Organizations.me)
        assert.lengthOf(calls, 2)
        assert.isAtLeast(gaps[0]!, 2000)
      }
    }))

  it.effect("a 5xx is not tried again if the call may change something", () =>
    Effect.gen(function*() {
      const { calls, error } = yield* failing(down, GenesysApi.post("/api/v2/x", {}, Schema.Unknown))
      assert.lengthOf(calls, 1)
      assert.strictEqual(error._tag, "ApiUnavailable")
      assert.strictEqual(error.retryable, true)
    }))
})

describe("time", () => {
  const hang: test.Script = () => Effect.never

  // SPEC C12
  it.effect("a call without an answer fails after five seconds, and is not sent again", () =>
    Effect.gen(function*() {
      for (const call of [Organizations.me, GenesysApi.post("/api/v2/x", {}, Schema.Unknown)]) {
        const { calls, error } = yield* failing(
          hang,
          call as Effect.Effect<unknown, GenesysError.CallError, GenesysCloud.GenesysCloud>
        )
        assert.lengthOf(calls, 1)
        assert.strictEqual(error._tag, "ApiTimeout")
        assert.include(error.message, "5000 ms")
        assert.include(error.message, "https://api.mypurecloud.de/api/v2/")
      }
      const { client } = test.memory(hang)
      const cloud = yield* test.connectTo(client)
      const fiber = yield* Effect.fork(Effect.either(cloud.client.get("/api/v2/x")))
      yield* TestClock.adjust("4999 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("1 millis")
      assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)))
    }).pipe(Effect.scoped))

  // SPEC C12
  it.effect("the head and the body of an answer share the time limit", () =>
    Effect.gen(function*() {
      // three seconds to the head, and then a body that never ends
      const drip: test.Script = () =>
        Effect.delay(
          Effect.sync(() => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }))),
          "3 seconds"
        )
      const { client } = test.memory(drip)
      const cloud = yield* test.connectTo(client)
      const fiber = yield* Organizations.me.pipe(
        Effect.provideService(GenesysCloud.GenesysCloud, cloud),
        Effect.flip,
        Effect.fork
      )
      yield* TestClock.adjust("3 seconds")
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "ApiTimeout")
    }).pipe(Effect.scoped))

  it.effect("the time spent waiting for a token does not count for the time limit of a call", () =>
    Effect.gen(function*() {
      const slow: test.Script = () => Effect.delay(Effect.sync(test.tokenReply), "8 seconds")
      const { result } = yield* run(() => test.organization(), Organizations.me, { login: slow })
      assert.strictEqual(result._tag, "Right")
    }))

  // SPEC E3
  it.effect("the time limit of every request can be set to ten seconds, as in the Python program", () =>
    Effect.gen(function*() {
      const ten = {
        cloud: { timeout: "10 seconds", retry: Schedule.recurs(0), api: { timeout: "10 seconds" } }
      } as const
      for (const [api, login] of [[hang, undefined], [() => test.organization(), hang]] as const) {
        const { client } = test.memory(api, login)
        const cloud = yield* test.connectTo(client, ten.cloud)
        const fiber = yield* Effect.fork(Effect.flip(cloud.client.get("/api/v2/users/me")))
        yield* TestClock.adjust("9999 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust("1 millis")
        assert.include((yield* Fiber.join(fiber)).message, login === undefined ? "within 10000 ms" : "10")
      }
    }).pipe(Effect.scoped))

  it.effect("the time limit of a call is an option", () =>
    Effect.gen(function*() {
      const slow: test.Script = () => Effect.delay(Effect.sync(test.organization), "8 seconds")
      const { result } = yield* run(slow, Organizations.me, { cloud: { api: { timeout: "9 seconds" } } })
      assert.strictEqual(result._tag, "Right")
    }))
})

describe("payloads", () => {
  const limit = Limits.maxPayload

  // SPEC C12
  it.effect.prop(
    "the size of a payload is that of its JSON in bytes",
    [fc.string({ unit: "grapheme", maxLength: 40 })],
    ([text]) =>
      Effect.gen(function*() {
        const size = Buffer.byteLength(JSON.stringify({ text }))
        const json = yield* Limits.payload({ text }, { direction: "response", limit: size })
        assert.strictEqual(json, JSON.stringify({ text }))
        const error = yield* Effect.flip(Limits.payload({ text }, { direction: "response", limit: size - 1 }))
        assert.deepInclude(error, { _tag: "PayloadTooLarge", direction: "response", size, limit: size - 1 })
      })
  )

  // SPEC C12
  it.effect("a payload of 32 KB is allowed, and one more byte is not", () =>
    Effect.gen(function*() {
      yield* Limits.text("x".repeat(limit), { direction: "request" })
      const error = yield* Effect.flip(Limits.text("x".repeat(limit + 1), { direction: "request" }))
      assert.strictEqual(error.message.includes("32769 bytes") && error.message.includes("32768"), true)
      // a size is one of bytes however large it is
      const emoji = yield* Effect.flip(Limits.text("😀".repeat(100_000), { direction: "request" }))
      assert.strictEqual(emoji.size, 400_000)
      const circular: Record<string, unknown> = {}
      circular["self"] = circular
      for (const nonsense of [circular, undefined, 1n]) {
        assert.strictEqual((yield* Effect.flip(Limits.payload(nonsense, { direction: "request" })))._tag, "InvalidCall")
      }
    }))

  const plain = (body: () => BodyInit | null, status = 200) => {
    let sent = 0
    const client = HttpClient.make((request) =>
      Effect.sync(() => {
        sent++
        return HttpClientResponse.fromWeb(request, new Response(body(), { status, headers: { "x-a": "b" } }))
      })
    )
    return { client: client.pipe(Limits.withTimeout(), Limits.withPayloadLimit()), sent: () => sent }
  }

  // SPEC C12
  it.effect("a payload that is too large is not sent", () =>
    Effect.gen(function*() {
      const { client, sent } = plain(() => "{}")
      const post = (size: number) =>
        client.execute(HttpClientRequest.bodyText(HttpClientRequest.post("http://x.y/"), "x".repeat(size)))
      yield* post(limit)
      const error = yield* Effect.flip(post(limit + 1))
      assert.deepInclude(error, { _tag: "PayloadTooLarge", direction: "request", size: limit + 1, limit })
      assert.strictEqual(sent(), 1)
    }))

  // SPEC C12
  it.effect("a body of any kind that is too large is not sent, if its size is known", () =>
    Effect.gen(function*() {
      const { client, sent } = plain(() => "{}")
      const form = (value: string | Blob, name = "é") => {
        const form = new FormData()
        form.set(name, value)
        return form
      }
      const text = (size: number) => "x".repeat(size)
      const ofSize: ReadonlyArray<(size: number) => HttpBody.HttpBody> = [
        (size) => HttpBody.uint8Array(new Uint8Array(size)),
        (size) => HttpBody.raw(`é${text(size - 2)}`),
        (size) => HttpBody.raw(new Uint8Array(new ArrayBuffer(size + 1), 1)),
        (size) => HttpBody.raw(new ArrayBuffer(size)),
        (size) => HttpBody.raw(new DataView(new ArrayBuffer(size))),
        (size) => HttpBody.raw(new Blob([text(size)])),
        (size) => HttpBody.raw(new URLSearchParams({ a: `é${text(size - 8)}` })),
        (size) => HttpBody.raw(form(`é${text(size - 4)}`)),
        (size) => HttpBody.formData(form(`é${text(size - 4)}`)),
        (size) => HttpBody.formData(form(new File([text(size - 7)], "n.txt"))),
        (size) => HttpBody.raw({ known: "to the client only" }, { contentLength: size }),
        (size) => HttpBody.stream(Stream.empty, undefined, size)
      ]
      for (const [i, body] of ofSize.entries()) {
        const post = (size: number) =>
          client.execute(HttpClientRequest.setBody(HttpClientRequest.post("http://x.y/"), body(size)))
        yield* post(limit)
        const error = yield* Effect.flip(post(limit + 1))
        assert.deepInclude(error, { _tag: "PayloadTooLarge", direction: "request", size: limit + 1, limit }, `${i}`)
      }
      assert.strictEqual(sent(), ofSize.length)
    }))

  // SPEC C12
  it.effect("an answer that is too large is an error; it is never cut", () =>
    Effect.gen(function*() {
      const fits = yield* plain(() => "x".repeat(limit), 201).client.get("http://x.y/")
      assert.deepStrictEqual([fits.status, fits.headers["x-a"]], [201, "b"])
      assert.strictEqual((yield* fits.text).length, limit)
      const pieces = () =>
        new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(10_000)) })
      for (const body of [() => "x".repeat(limit + 1), pieces]) {
        const error = yield* Effect.flip(plain(body).client.get("http://x.y/"))
        assert.strictEqual(error._tag, "PayloadTooLarge")
        if (error._tag === "PayloadTooLarge") assert.deepInclude(error, { direction: "response", limit })
      }
      const empty = yield* plain(() => null, 204).client.get("http://x.y/")
      assert.strictEqual(empty.status, 204)
    }))

  // SPEC C12
  it.effect("and the time is five seconds for any client", () =>
    Effect.gen(function*() {
      const client = HttpClient.make(() => Effect.never).pipe(Limits.withTimeout(), Limits.withPayloadLimit())
      const fiber = yield* Effect.fork(Effect.flip(client.get("http://x.y/?secret=1")))
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "ApiTimeout")
      assert.notInclude(error.message, "secret")
    }))
})
