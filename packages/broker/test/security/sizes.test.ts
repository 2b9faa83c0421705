import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { basic, form, get, setUp } from "../support/broker.js"
import * as raw from "../support/raw.js"

/** A token request, with these headers and this body, on a connection that ends with it. */
const post = (origin: string, key: string, headers: ReadonlyArray<readonly [string, string]>, body = "") =>
  raw.request("/oauth2/main/token", [
    ["Host", new URL(origin).host],
    ["Authorization", basic("flow", key)],
    ["Content-Type", "application/x-www-form-urlencoded"],
    ...headers
  ], { method: "POST", body })

const grant = form({ grant_type: "client_credentials" })

/** A body in chunks of this size. */
const chunked = (body: string, size = 1000) =>
  `${
    (body.match(new RegExp(`.{1,${size}}`, "gs")) ?? []).map((part) => `${part.length.toString(16)}\r\n${part}\r\n`)
      .join("")
  }0\r\n\r\n`

describe("sizes", () => {
  // SPEC BROKER §3
  it.scopedLive("a body that is too long is refused, with or without Content-Length; one of the greatest length is read", () =>
    Effect.gen(function*() {
      const { key, origin, server } = yield* setUp({ config: { limits: { body: 1000 } } })
      const full = `${grant}&pad=`.padEnd(1000, "x")
      const status = (message: string) => Effect.map(raw.exchange(origin, message), raw.statusOf)
      assert.strictEqual(yield* status(post(origin, key, [["Content-Length", "1000"]], full)), 200)
      assert.strictEqual(yield* status(post(origin, key, [["Transfer-Encoding", "chunked"]], chunked(full))), 200)
      assert.strictEqual(yield* status(post(origin, key, [["Transfer-Encoding", "chunked"]], chunked(full, 1))), 200)
      const longer = `${full}x`
      const long = "x".repeat(300_000)
      for (const body of [longer, long]) {
        const sized = yield* raw.exchange(origin, post(origin, key, [["Content-Length", String(body.length)]], body))
        assert.strictEqual(raw.statusOf(sized), 413)
        assert.include(sized, "\"error\":\"invalid_request\"")
        assert.strictEqual(yield* status(post(origin, key, [["Transfer-Encoding", "chunked"]], chunked(body))), 413)
      }
      // refused by its length alone, before it comes, and without a caller too
      assert.strictEqual(yield* status(post(origin, key, [["Content-Length", "999999999"]])), 413)
      assert.strictEqual(yield* status(post(origin, "wrong", [["Content-Length", "999999999"]])), 413)
      // the same where JSON is read
      const json = (body: string) =>
        status(raw.request("/auth/token/check", [
          ["Host", new URL(origin).host],
          ["Authorization", basic("flow", key)],
          ["Content-Type", "application/json"],
          ["Content-Length", String(body.length)]
        ], { method: "POST", body }))
      assert.strictEqual(yield* json(JSON.stringify({ client_id: "x".repeat(1000) })), 413)
      assert.strictEqual(yield* json("[".repeat(900)), 400)
      assert.strictEqual(yield* json(`{"client_id":${"[".repeat(400)}${"]".repeat(400)}}`), 400)
      // what is compressed could be larger than it looks
      assert.strictEqual(
        yield* status(post(origin, key, [["Content-Encoding", "gzip"], ["Content-Length", "2"]], "xx")),
        400
      )
      // a body that nobody reads does no harm
      const unread = raw.request("/health/live", [["Host", new URL(origin).host], ["Content-Length", "300000"]], {
        body: long
      })
      assert.strictEqual(yield* status(unread), 200)
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC BROKER §3
  it.scopedLive("headers that are too long are refused, and no header is dropped because there are many", () =>
    Effect.gen(function*() {
      const { key, origin } = yield* setUp()
      const { host } = new URL(origin)
      const status = (headers: ReadonlyArray<readonly [string, string]>, target = "/health/live") =>
        Effect.map(raw.exchange(origin, raw.request(target, headers)), raw.statusOf)
      assert.strictEqual(yield* status([["Host", host], ["X-Pad", "x".repeat(7000)]]), 200)
      assert.strictEqual(yield* status([["Host", host], ["X-Pad", "x".repeat(9000)]]), 431)
      assert.strictEqual(yield* status([["Host", host], [`X-${"x".repeat(9000)}`, "1"]]), 431)
      assert.strictEqual(yield* status([["Host", host]], `/${"a".repeat(9000)}`), 431)
      assert.strictEqual(
        yield* status([["Host", host], ...Array.from({ length: 900 }, (_, i) => [`X-Pad-${i}`, "1"] as const)]),
        431
      )
      // a proxy appends its own: they count, also as the last of very many
      const many = Array.from({ length: 2010 }, () => "a:")
      const text = yield* raw.exchange(
        origin,
        ["GET /health/live HTTP/1.1", `Host:${host}`, ...many, "Via:1.1 x", "Connection:close", "", ""].join("\r\n")
      )
      assert.strictEqual(raw.statusOf(text), 400)
      assert.include(text, "trustedProxies")
      assert.strictEqual(yield* status([["Host", host], ...Object.entries(get(key))], "/inject/main"), 200)
    }))

  // SPEC BROKER §3
  it.scopedLive("slow clients are dropped, and others are not affected", () =>
    Effect.gen(function*() {
      const { key, origin, token } = yield* setUp({ config: { limits: { sending: "500 ms" } } })
      const { host } = new URL(origin)
      const starts = [
        // nothing, a part of the first line, a part of the headers
        "",
        "GET /health",
        `GET /health/live HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `,
        // a part of the body, said to be longer, or in chunks
        post(origin, key, [["Content-Length", "100"]], "grant"),
        post(origin, key, [["Transfer-Encoding", "chunked"]], "5\r\ngrant\r\n"),
        post(origin, "wrong", [["Content-Length", "100"]], "grant"),
        // a body that nobody reads
        raw.request("/health/live", [["Host", host], ["Content-Length", "100"]], { body: "x" }).replace(
          "close",
          "keep-alive"
        )
      ]
      const slow = yield* Effect.forEach(starts, (start) =>
        Effect.gen(function*() {
          const connection = yield* raw.open(origin)
          yield* connection.write(start)
          return connection
        }), { concurrency: "unbounded" })
      // while they are at it
      for (let i = 0; i < 20; i++) assert.strictEqual((yield* token()).status, 200)
      const texts = yield* Effect.forEach(slow, ({ gone }) => gone, { concurrency: "unbounded" })
      for (const [index, text] of texts.entries()) {
        assert.include([0, 408, ...(index === 6 ? [200] : [])], raw.statusOf(text), JSON.stringify(starts[index]))
        assert.isAtMost(raw.answersIn(text), 1)
        assert.notInclude(text, "access_token")
      }
      // and one that goes on, a byte at a time
      const dripping = yield* raw.open(origin)
      yield* dripping.write(`GET /health/live HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `)
      yield* Effect.raceFirst(dripping.ended, Effect.forever(Effect.zipRight(dripping.write("x"), Effect.sleep(20))))
      assert.strictEqual((yield* token()).status, 200)
    }))

  // SPEC BROKER §3
  it.scopedLive("connections above the limit are refused, and the earlier ones go on", () =>
    Effect.gen(function*() {
      const { key, origin } = yield* setUp({ config: { limits: { connections: 3 } } })
      const message = raw.request("/v1/profiles/main/tokens", [
        ["Host", new URL(origin).host],
        ...Object.entries(get(key))
      ])
      const streams = yield* Effect.forEach([1, 2, 3], () =>
        Effect.gen(function*() {
          const connection = yield* raw.open(origin)
          yield* connection.write(message)
          yield* connection.until("data: ")
          return connection
        }))
      const more = yield* raw.open(origin)
      yield* more.write(message)
      assert.strictEqual(raw.answersIn(yield* more.ended), 0)
      for (const { received } of streams) assert.strictEqual(raw.statusOf(yield* received), 200)
    }))
})

describe("malformed HTTP", () => {
  // SPEC BROKER §3
  it.scopedLive("malformed HTTP is refused as a whole: no part of it is taken for a second request", () =>
    Effect.gen(function*() {
      const { key, origin, server } = yield* setUp()
      const { host } = new URL(origin)
      const smuggled =
        `GET /v1/profiles/main/token HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\nX-Effect-Bearer: true\r\n\r\n`
      const start = (headers: ReadonlyArray<string>, body: string) =>
        ["POST /auth/token/check HTTP/1.1", `Host: ${host}`, ...headers, "", body].join("\r\n")
      const attempts = [
        start(["Content-Length: 5", "Transfer-Encoding: chunked"], `0\r\n\r\n${smuggled}`),
        start(["Transfer-Encoding: chunked", "Content-Length: 5"], `0\r\n\r\n${smuggled}`),
        start(["Content-Length: 0", "Content-Length: 5"], smuggled),
        start(["Content-Length: 0, 5"], smuggled),
        start(["Content-Length: +0"], smuggled),
        start(["Content-Length: 0x0"], smuggled),
        start(["Content-Length : 0"], smuggled),
        start(["Content-Length:\u000b0"], smuggled),
        start(["Transfer-Encoding: xchunked"], `0\r\n\r\n${smuggled}`),
        start(["Transfer-Encoding: chunked, identity"], `0\r\n\r\n${smuggled}`),
        start(["Transfer-Encoding : chunked"], `0\r\n\r\n${smuggled}`),
        start(["X: 1\nTransfer-Encoding: chunked"], `0\r\n\r\n${smuggled}`),
        start(["Transfer-Encoding: chunked"], `0x0\r\n\r\n${smuggled}`),
        start(["Transfer-Encoding: chunked"], `-1\r\n\r\n${smuggled}`),
        start(["Transfer-Encoding: chunked"], `fffffffffffffffff\r\n\r\n${smuggled}`),
        start(["X\0: 1"], smuggled),
        start(["X: a\0b"], smuggled),
        `GET /health/live HTTP/1.1\nHost: ${host}\n\n${smuggled}`.replace("\nHost", "\r\nHost"),
        `GET /health/live HTTP/9.9\r\nHost: ${host}\r\n\r\n${smuggled}`,
        `\u0016\u0003\u0001\u0002\u0000\u0001\u0000${smuggled}`,
        `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${smuggled}`,
        "\r\n\r\n\r\n\0\0\0"
      ]
      for (const attempt of attempts) {
        const text = yield* raw.exchange(origin, attempt)
        assert.notInclude(text, "access_token", JSON.stringify(attempt))
        assert.isAtMost(raw.answersIn(text), 2)
        assert.notInclude(text, key)
      }
      assert.strictEqual(yield* server.count, 0)
    }))

  // SPEC BROKER §3
  it.scopedLive("malformed HTTP ends its connection, and nothing is written into an answer that has begun", () =>
    Effect.gen(function*() {
      const { key, origin } = yield* setUp()
      const garbage = yield* raw.open(origin)
      yield* garbage.write("no HTTP at all\r\n\r\n")
      assert.strictEqual(raw.statusOf(yield* garbage.gone), 400)

      const stream = yield* raw.open(origin)
      yield* stream.write(
        raw.request("/v1/profiles/main/tokens", [["Host", new URL(origin).host], ...Object.entries(get(key))])
          .replace("close", "keep-alive")
      )
      yield* stream.until("data: ")
      yield* stream.write("no HTTP at all\r\n\r\n")
      assert.strictEqual(raw.answersIn(yield* stream.gone), 1)
    }))
})
