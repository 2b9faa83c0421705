import type * as Crypto from "node:crypto"
import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { PassThrough } from "node:stream"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, Redacted, TestClock } from "effect"
import { vi } from "vitest"
import * as credentials from "../../src/guard/credentials.js"
import { readForm, readJson } from "../../src/guard/form.js"
import { CallerKey } from "../../src/index.js"
import * as callers from "../../src/policy/callers.js"
import { configOf } from "../support/broker.js"

vi.mock("node:crypto", async (original) => {
  const crypto = await original<typeof Crypto>()
  return { ...crypto, createHash: vi.fn(crypto.createHash), timingSafeEqual: vi.fn(crypto.timingSafeEqual) }
})

const plain = (shown: ReturnType<typeof credentials.inHeader>) => shown.map(({ id, key }) => [id, key] as const)

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`

describe("the credentials of a caller", () => {
  // SPEC BROKER §3
  it("each key is digested once and compared once, in constant time, whoever the caller is", () => {
    const keys = Array.from({ length: 4 }, (_, i) => `key ${i}`)
    const known = callers.make(configOf({
      profiles: {},
      callers: [
        { id: "a", keys: keys.slice(0, 2).map((key) => CallerKey.digestOf(Redacted.make(key))) },
        { id: "b", keys: keys.slice(2).map((key) => CallerKey.digestOf(Redacted.make(key))) }
      ]
    }))
    const calls = (key: string, id: string | undefined) => {
      vi.mocked(createHash).mockClear()
      vi.mocked(timingSafeEqual).mockClear()
      const found = known.byKey(key, id)?.id
      return {
        found,
        digests: vi.mocked(createHash).mock.calls.length,
        compared: vi.mocked(timingSafeEqual).mock.calls.map(([a, b]) => [a.byteLength, b.byteLength])
      }
    }
    const path = { digests: 1, compared: [[32, 32]] }
    const cases: ReadonlyArray<readonly [string, string | undefined, string | undefined]> = [
      ["key 0", undefined, "a"],
      ["key 1", "a", "a"],
      ["key 3", "b", "b"],
      // nobody's key, another's key, nobody's name
      ["key 0", "b", undefined],
      ["key 0", "", undefined],
      ["key 0", "nobody", undefined],
      ["key 4", "a", undefined],
      ["key 4", undefined, undefined],
      ["", undefined, undefined],
      ["x".repeat(1024), "a", undefined],
      [CallerKey.digestOf(Redacted.make("key 0")), "a", undefined],
      [CallerKey.digestOf(Redacted.make("key 0")).slice(7), "a", undefined]
    ]
    for (const [key, id, found] of cases) assert.deepStrictEqual(calls(key, id), { found, ...path }, `${id} ${key}`)
  })

  // SPEC F1
  it("credentials are read in every form that clients use, and malformed ones are refused", () => {
    assert.deepStrictEqual(plain(credentials.inHeader(basic("id:key"))), [["id", "key"]])
    assert.deepStrictEqual(plain(credentials.inHeader(basic("id:a:b"))), [["id", "a:b"]])
    assert.deepStrictEqual(plain(credentials.inHeader(basic(":"))), [["", ""]])
    assert.deepStrictEqual(plain(credentials.inHeader(basic("i%64:k+y"))), [["id", "k y"], ["i%64", "k+y"]])
    assert.deepStrictEqual(plain(credentials.inHeader(basic("id:100%"))), [["id", "100%"]])
    assert.deepStrictEqual(plain(credentials.inHeader("bearer   key")), [[undefined, "key"]])
    for (
      const header of [
        undefined,
        "",
        " ",
        "Basic",
        "Basic ",
        "Bearer",
        "Basic a b",
        "Bearer a b",
        basic("no colon"),
        "Basic !!!",
        "Digest x",
        "BasicBearer x",
        `Bearer ${"x".repeat(2000)}`,
        basic("x".repeat(2000)),
        `Basic${" ".repeat(100_000)}`
      ]
    ) assert.deepStrictEqual(plain(credentials.inHeader(header)), [], String(header).slice(0, 40))
  })

  // SPEC BROKER §3
  it("a caller is found by a whole name of a certificate that TLS has verified, not by a part of a name", () => {
    const namesOf = (socket: object) => credentials.certificateNames({ socket } as IncomingMessage)
    const shown = (certificate: object, authorized = true) =>
      namesOf({ authorized, getPeerCertificate: () => certificate })
    assert.isTrue(Option.isNone(namesOf({})))
    assert.isTrue(Option.isNone(shown({ subject: { CN: "a" } }, false)))
    const none = { subject: undefined, alternatives: [] }
    // Node.js calls a resumed session without certificate authorized
    assert.deepStrictEqual(Option.getOrThrow(shown({})), none)
    assert.deepStrictEqual(Option.getOrThrow(shown({ subject: { CN: ["a", "b"] } })), none)
    assert.deepStrictEqual(Option.getOrThrow(shown({ subject: { O: "a" } })), none)
    const alternatives = (subjectaltname: string) => Option.getOrThrow(shown({ subjectaltname })).alternatives
    assert.deepStrictEqual(alternatives("DNS:a, URI:spiffe://b, IP Address:10.0.0.1"), [
      "DNS:a",
      "URI:spiffe://b",
      "IP:10.0.0.1"
    ])
    // a value that needed quotes may look like several; nothing of such a certificate counts
    assert.deepStrictEqual(alternatives("DNS:a, URI:\"x, URI:spiffe://b\""), [])
    const known = callers.make(configOf({
      profiles: {},
      callers: [
        { id: "a", certificates: [{ subject: "toString" }] },
        { id: "b", certificates: [{ san: "DNS:b" }] }
      ]
    }))
    const names = { subject: undefined, alternatives: [] }
    assert.strictEqual(known.byCertificate({ ...names, subject: "toString" })?.id, "a")
    assert.strictEqual(known.byCertificate({ ...names, alternatives: ["DNS:x", "DNS:b"] })?.id, "b")
    for (const subject of ["DNS:b", "b", "TOSTRING", "", "constructor", "toString "]) {
      assert.isUndefined(known.byCertificate({ ...names, subject }), subject)
    }
    for (const name of ["toString", "DNS:b ", "dns:b", "URI:b", "DNS:x.b"]) {
      assert.isUndefined(known.byCertificate({ ...names, alternatives: [name] }), name)
    }
  })
})

/** A request with this body, and the stream it comes from. */
const sent = (body: string | undefined, headers: Record<string, string> = {}) => {
  const source = new PassThrough()
  if (body !== undefined) source.end(body)
  return {
    source,
    request: {
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      source
    } as unknown as HttpServerRequest.HttpServerRequest
  }
}

const limit = 16_384
const second = Duration.seconds(1)

describe("the body of a request", () => {
  // SPEC BROKER §3
  it.effect("a body is read up to its limit in bytes", () =>
    Effect.gen(function*() {
      const read = (body: string, headers = {}) => Effect.either(readForm(sent(body, headers).request, limit, second))
      const reason = (body: string, headers = {}) =>
        Effect.map(Effect.flip(readForm(sent(body, headers).request, limit, second)), ({ reason }) => reason)
      assert.strictEqual((yield* read("a=".padEnd(limit, "x")))._tag, "Right")
      assert.strictEqual(yield* reason("a=".padEnd(limit + 1, "x")), "size")
      // two bytes each
      assert.strictEqual(yield* reason(`a=${"ü".repeat(limit / 2)}`), "size")
      assert.strictEqual(yield* reason("", { "content-length": String(limit + 1) }), "size")
      assert.strictEqual(yield* reason("a=1", { "content-encoding": "gzip" }), "request")
      assert.strictEqual(yield* reason("a=1&a=2"), "request")
      assert.strictEqual(yield* reason("a=1", { "content-type": "text/plain" }), "type")
      const form = yield* readForm(
        sent("__proto__=1&constructor=2&audience=x&audience=y&=&%zz=%").request,
        limit,
        second
      )
      assert.deepStrictEqual(form.get("__proto__"), ["1"])
      assert.deepStrictEqual(form.get("audience"), ["x", "y"])
      assert.strictEqual(Object.getPrototypeOf({}).constructor, Object)
    }))

  // SPEC BROKER §3
  it.effect("many parameters, or deep JSON, cost no more time than the length of the body", () =>
    Effect.gen(function*() {
      const most = 10_485_760
      const many = `grant_type=client_credentials${"&audience=".repeat(200_000)}${"&resource=x".repeat(200_000)}`
      const form = yield* readForm(sent(many).request, most, second)
      assert.strictEqual(form.get("audience")!.length, 200_000)
      const names = Array.from({ length: 200_000 }, (_, i) => `n${i}=1`).join("&")
      assert.strictEqual((yield* readForm(sent(names).request, most, second)).size, 200_000)
      const json = { "content-type": "application/json" }
      for (
        const body of ["[".repeat(5_000_000), "{\"a\":".repeat(1_000_000), `"${"\\".repeat(999_999)}`, "1e999999999"]
      ) {
        const result = yield* Effect.either(readJson(sent(body, json).request, most, second))
        assert.strictEqual(result._tag, body === "1e999999999" ? "Right" : "Left")
      }
    }))

  // SPEC BROKER §3
  it.effect("a body is waited for up to the time limit; then everything that it holds is released", () =>
    Effect.gen(function*() {
      const { request, source } = sent(undefined)
      const reading = yield* Effect.fork(Effect.uninterruptible(Effect.flip(readForm(request, limit, second))))
      yield* Effect.yieldNow()
      source.write("a=1")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(reading)).reason, "slow")
      assert.strictEqual(source.listenerCount("data"), 0)
      // and a client that goes away
      const cut = sent(undefined)
      const waiting = yield* Effect.fork(Effect.flip(readForm(cut.request, limit, second)))
      yield* Effect.yieldNow()
      cut.source.destroy(new Error("reset"))
      assert.strictEqual((yield* Fiber.join(waiting)).reason, "request")
    }))
})
