import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { constants } from "node:fs"
import { mkdtemp, open, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@effect-bearer/testing"
import { Effect, TestClock } from "effect"
import { AccessToken } from "effect-bearer"
import type { Entry } from "../../src/operations/audit.js"
import * as Audit from "../../src/operations/audit.js"
import * as auditFile from "../../src/operations/auditFile.js"
import { basic, form, get, newKey, setUp } from "../support/broker.js"
import * as raw from "../support/raw.js"

/** Waits for so many lines: one that no token waits for comes after the answer. */
const atLeast = (audit: Effect.Effect<string>, count: number) =>
  Effect.map(
    Effect.repeat(Effect.delay(audit, 5), { until: (text) => linesOf(text).length >= count }),
    linesOf
  )

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))

describe("the audit", () => {
  // SPEC BROKER §3
  it.scopedLive("the audit has one line for each token that is handed out or refused, on every surface", () =>
    Effect.gen(function*() {
      const { ask, audit, key, origin, token } = yield* setUp()
      const surfaces: ReadonlyArray<readonly [string, Effect.Effect<unknown>]> = [
        ["oauth2", token()],
        [
          "check",
          ask("/auth/token/check", {
            method: "POST",
            headers: { authorization: basic("flow", key), "content-type": "application/json" },
            body: JSON.stringify({ client_id: "upstream-client" })
          })
        ],
        ["inject", ask("/inject/main", { headers: get(key) })],
        ["token", ask("/v1/profiles/main/token", { headers: get(key) })]
      ]
      for (const [, run] of surfaces) yield* run
      const stream = yield* raw.open(origin)
      yield* stream.write(
        raw.request("/v1/profiles/main/tokens", [["Host", new URL(origin).host], ...Object.entries(get(key))])
      )
      yield* stream.until("data: ")
      const given = yield* atLeast(audit, surfaces.length + 1)
      assert.deepStrictEqual(given.map(({ surface }) => surface), [...surfaces.map(([name]) => name), "tokens"])
      const digest = createHash("sha256").update((yield* token()).json.access_token).digest("hex").slice(0, 8)
      for (const line of given) {
        assert.deepStrictEqual(Object.keys(line).sort(), [
          "caller",
          "outcome",
          "profile",
          "remaining",
          "scopes",
          "surface",
          "time",
          "token"
        ])
        assert.include(line, { caller: "flow", profile: "main", outcome: "ok", token: digest })
        assert.deepStrictEqual(line.scopes, ["a", "b"])
        assert.isTrue(Number.isInteger(line.remaining) && line.remaining > 3000 && line.remaining <= 3600)
        assert.isAtMost(Math.abs(Date.parse(line.time) - Date.now()), 600_000)
      }
      // one for the digest above
      const before = (yield* atLeast(audit, given.length + 1)).length
      yield* token({ scope: "admin" })
      yield* token({ audience: "other" })
      yield* token({}, {}, "other")
      yield* token({}, { authorization: basic("flow", "wrong") })
      yield* token({}, { "content-type": "text/plain" })
      yield* ask("/v1/profiles/main/token?min_ttl=soon", { headers: get(key) })
      yield* ask("/v1/profiles/main/token", { headers: { authorization: `Bearer ${key}` } })
      yield* ask("/v1/profiles/main/token", { headers: { ...get(key), host: "evil.example" } })
      yield* ask("/v1/profiles/main/token", { headers: { ...get(key), origin: "null" } })
      yield* ask("/v1/profiles/main/token", { method: "PUT", headers: get(key) })
      const expected = [
        ["flow", "main", "scope"],
        ["flow", "main", "target"],
        ["flow", undefined, "profile"],
        [undefined, undefined, "credentials"],
        [undefined, undefined, "type"],
        ["flow", "main", "request"],
        [undefined, undefined, "header"],
        [undefined, undefined, "host"],
        [undefined, undefined, "browser"],
        [undefined, undefined, "method"]
      ]
      const refusals = yield* atLeast(audit, before + expected.length)
      assert.deepStrictEqual(
        refusals.slice(before).map(({ caller, outcome, profile }) => [caller, profile, outcome]),
        expected
      )
    }))

  // SPEC BROKER §3
  it.scopedLive("if the audit is required a token is held back until its line is written; otherwise it is not", () =>
    Effect.gen(function*() {
      for (const file of ["/dev/full", "/", "/nowhere/audit.log"]) {
        const { ask, key, origin, server, token } = yield* setUp({ config: { audit: { file, required: true } } })
        const refused = yield* token()
        assert.deepStrictEqual([refused.status, refused.json.error], [503, "temporarily_unavailable"])
        assert.strictEqual(refused.headers["retry-after"], "1")
        const issued = String((yield* server.issued)[0])
        const others = [
          refused,
          yield* ask("/v1/profiles/main/token", { headers: get(key) }),
          yield* ask("/inject/main", { headers: get(key) }),
          yield* ask("/auth/token/check", {
            method: "POST",
            headers: { authorization: basic("flow", key), "content-type": "application/json" },
            body: JSON.stringify({ client_id: "upstream-client" })
          })
        ]
        for (const reply of others) {
          assert.strictEqual(reply.status, 503)
          assert.notInclude(reply.text + JSON.stringify(reply.headers), issued)
        }
        const stream = yield* raw.open(origin)
        yield* stream.write(
          raw.request("/v1/profiles/main/tokens", [["Host", new URL(origin).host], ...Object.entries(get(key))])
        )
        // what is refused needs no line to be refused
        assert.strictEqual((yield* token({ scope: "admin" })).status, 400)
        // the stream has come to it
        const metrics = Effect.map(ask("/metrics", { headers: get(key) }), ({ text }) => text)
        yield* Effect.repeat(metrics, { until: (text) => /surface="tokens".*outcome="audit"\} [1-9]/.test(text) })
        assert.notInclude(yield* stream.received, issued)
        const status = yield* ask("/status", { headers: get(key) })
        assert.isAbove(status.json.auditLinesLost, 0)
      }
      const lenient = yield* setUp({ config: { audit: { file: "/dev/full" } } })
      assert.strictEqual((yield* lenient.token()).status, 200)
    }))

  const token = AccessToken.make({ value: "token-1", issuedAt: 0 })
  const entry: Entry = { caller: "flow", profile: "main", surface: "token", outcome: "ok", token, remaining: 1000 }
  const refused: Entry = { caller: undefined, profile: undefined, surface: "token", outcome: "credentials" }
  const silent = { onTrouble: () => {}, onRecovery: () => {} }

  // SPEC BROKER §3
  it.live("each token waits for its own line, not for that of another", () =>
    Effect.gen(function*() {
      const outcomes = [true, false, true, false]
      let written = 0
      const audit = Audit.make(
        () => outcomes[written++] === true ? Promise.resolve() : Promise.reject(new Error("full")),
        {
          required: true,
          now: Date.now,
          ...silent
        }
      )
      for (const outcome of outcomes) assert.strictEqual(yield* audit.record(entry), outcome)
      assert.strictEqual(written, outcomes.length)
    }))

  // SPEC BROKER §3
  it.live("lines about refusals do not push out a line that a token waits for", () =>
    Effect.gen(function*() {
      let release = () => {}
      const held = new Promise<void>((resolve) => release = resolve)
      let text = ""
      const audit = Audit.make(async (lines) => {
        text += lines
        await held
      }, { required: true, now: Date.now, ...silent })
      // the disk is slow, and refusals come by the thousands
      for (let i = 0; i < 20_000; i++) yield* audit.record(refused)
      assert.isAbove(audit.lost(), 5000)
      const waiting = yield* Effect.fork(audit.record(entry))
      yield* Effect.yieldNow()
      release()
      assert.isTrue(yield* waiting)
      assert.include(text, "\"outcome\":\"ok\"")
      assert.isAtMost(text.split("\n").length, 10_001)
    }))

  // FAULTS L
  it.effect("a disk that does not answer counts as one that is full: one log line says so, and one says when it is over", () =>
    Effect.gen(function*() {
      let release = () => {}
      const held = new Promise<void>((resolve) => release = resolve)
      const told: Array<string> = []
      const audit = Audit.make(() => held, {
        required: true,
        now: () => 0,
        onTrouble: (reason) => void told.push(reason),
        onRecovery: () => void told.push("again")
      })
      for (let i = 0; i < 2; i++) {
        const waiting = yield* Effect.fork(audit.record(entry))
        yield* TestClock.adjust("2 seconds")
        assert.isFalse(yield* waiting)
        assert.isTrue(yield* audit.isBlocked)
      }
      assert.deepStrictEqual(told, ["no answer in 2000 ms"])
      release()
      yield* audit.flush
      assert.isFalse(yield* audit.isBlocked)
      assert.deepStrictEqual(told, ["no answer in 2000 ms", "again"])
      assert.strictEqual(audit.lost(), 0)
    }))

  // FAULTS L
  it.live("the broker ends although the file of the audit is a pipe that nobody reads", () =>
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "audit-"))
      const path = join(folder, "pipe")
      execFileSync("mkfifo", [path])
      const reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
      const file = auditFile.make(path, () => 0)
      const written = file.append("x".repeat(1_000_000)).then(() => "written", () => "broken")
      await new Promise((resolve) => setTimeout(resolve, 50))
      await file.close()
      // the thread that writes gets an error, and is free again
      await reader.close()
      assert.strictEqual(await written, "broken")
      await rm(folder, { recursive: true })
    }))
})

describe("answers", () => {
  // SPEC BROKER §3
  it.scopedLive("every answer forbids caches, content sniffing and frames", () =>
    Effect.gen(function*() {
      const { ask, key, server, token } = yield* setUp()
      const replies = [
        yield* token(),
        yield* token({ scope: "admin" }),
        yield* token({}, { authorization: "Bearer wrong" }),
        yield* ask("/v1/profiles/main/token", { headers: get(key) }),
        yield* ask("/v1/profiles/main/token?min_ttl=x", { headers: get(key) }),
        yield* ask("/v1/profiles/MAIN/token", { headers: get(key) }),
        yield* ask("/inject/main", { headers: get(key) }),
        yield* ask("/inject/other", { headers: get(key) }),
        yield* ask("/inject/main/some/path?x=1", { headers: get(key) }),
        yield* ask("/inject/main/some/path", { method: "DELETE", headers: get(key) }),
        yield* ask("/auth/token/check", { method: "POST", headers: get(key) }),
        yield* ask("/nowhere"),
        yield* ask("/", { method: "PUT" }),
        yield* ask("/health/live", { method: "HEAD" }),
        yield* ask("/health/live"),
        yield* ask("/health/ready"),
        yield* ask("/metrics", { headers: get(key) }),
        yield* ask("/status", { headers: get(key) }),
        yield* ask("/"),
        yield* ask("/docs"),
        yield* ask("/page/status.js"),
        yield* ask("/openapi.json"),
        yield* ask("/", { headers: { host: "evil.example" } }),
        yield* Effect.zipRight(
          server.setOutage(Reply.oauthError("invalid_client")),
          token({ scope: "a" })
        )
      ]
      for (const [index, { headers, status }] of replies.entries()) {
        const which = `reply ${index}, ${status}`
        assert.notStrictEqual(status, 500, which)
        assert.strictEqual(headers["cache-control"], "no-store", which)
        assert.strictEqual(headers["x-content-type-options"], "nosniff", which)
        assert.strictEqual(headers["referrer-policy"], "no-referrer", which)
        const policy = headers["content-security-policy"] as string
        assert.match(policy, /(^|; )default-src 'none'(;|$)/, which)
        assert.match(policy, /(^|; )frame-ancestors 'none'(;|$)/, which)
        assert.notInclude(policy, "unsafe", which)
        for (const name of Object.keys(headers)) {
          assert.notMatch(name, /^access-control|^set-cookie$|^server$|^x-powered-by$/, which)
        }
      }
    }))

  // SPEC F1
  it.scopedLive("answers of the token endpoint have the form of RFC 6749, also refusals", () =>
    Effect.gen(function*() {
      const narrow = yield* newKey
      const { ask, key, server, token } = yield* setUp({
        callers: [{ id: "narrow", keys: [narrow.digest], profiles: { main: { surfaces: ["inject"] } } }]
      })
      const post = (body: string, type = "application/x-www-form-urlencoded", more = {}) =>
        ask("/oauth2/main/token", {
          method: "POST",
          headers: { authorization: basic("flow", key), ...(type === "" ? {} : { "content-type": type }), ...more },
          body
        })
      const grant = form({ grant_type: "client_credentials" })
      const cases: ReadonlyArray<
        readonly [Effect.Effect<Effect.Effect.Success<ReturnType<typeof post>>>, number, string]
      > = [
        [token({}, { authorization: basic("flow", "wrong") }), 401, "invalid_client"],
        [token({}, { authorization: basic("narrow", narrow.key) }), 400, "unauthorized_client"],
        [token({}, {}, "other"), 400, "unauthorized_client"],
        [token({}, {}, "OTHER"), 400, "unauthorized_client"],
        [token({ scope: "admin" }), 400, "invalid_scope"],
        [token({ resource: "https://evil.test" }), 400, "invalid_target"],
        [token({ grant_type: "password" }), 400, "unsupported_grant_type"],
        [token({ grant_type: "CLIENT_CREDENTIALS" }), 400, "unsupported_grant_type"],
        [token({ grant_type: "" }), 400, "invalid_request"],
        [post(""), 400, "invalid_request"],
        [post("scope=a"), 400, "invalid_request"],
        [post(`${grant}&${grant}`), 400, "invalid_request"],
        [post(`${grant}&scope=a&scope=b`), 400, "invalid_request"],
        [post(`${grant}&client_id=flow&client_id=narrow`), 400, "invalid_request"],
        [post(`${grant}&client_secret=a&client_secret=b`), 400, "invalid_request"],
        [post(`${grant}&unknown=a&unknown=b`), 400, "invalid_request"],
        [post(JSON.stringify({ grant_type: "client_credentials" }), "application/json"), 415, "invalid_request"],
        [post(grant, "text/plain"), 415, "invalid_request"],
        [post(grant, "multipart/form-data; boundary=x"), 415, "invalid_request"],
        [post(grant, "application/x-www-form-urlencodedx"), 415, "invalid_request"],
        [post(grant, ""), 415, "invalid_request"],
        [post("x".repeat(20_000)), 413, "invalid_request"],
        [post(grant, undefined, { host: "evil.example" }), 421, "invalid_request"],
        [post(grant, undefined, { origin: "https://evil.example" }), 403, "invalid_request"],
        [post(grant, undefined, { via: "1.1 x" }), 400, "invalid_request"],
        [ask("/oauth2/main/token", { headers: get(key) }), 405, "invalid_request"]
      ]
      for (const [index, [reply, status, error]] of cases.entries()) {
        const { headers, json, text } = yield* reply
        assert.deepStrictEqual([status, json?.error], [status, error], `case ${index}: ${text}`)
        assert.strictEqual((yield* reply).status, status, `case ${index}: ${text}`)
        assert.match(headers["content-type"]!, /^application\/json/)
        assert.deepStrictEqual(Object.keys(json).sort(), ["error", "error_description"])
        // RFC 6749 §5.2: the characters that a description may have
        assert.match(json.error_description, /^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/)
        assert.strictEqual("www-authenticate" in headers, status === 401)
      }
      // the content type is a name, whatever its case and parameters are
      for (const type of ["Application/X-WWW-Form-Urlencoded; charset=UTF-8", "application/x-www-form-urlencoded;"]) {
        assert.strictEqual((yield* post(grant, type)).status, 200)
      }
      assert.strictEqual(yield* server.count, 1)
    }))
})
