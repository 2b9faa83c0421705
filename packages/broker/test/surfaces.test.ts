/** The surfaces over real HTTP; time is the TestClock's, so that lifetimes, waits and latencies are exact. */
import { open, readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import { HttpApiClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@effect-bearer/testing"
import type { Duration } from "effect"
import { Effect, Fiber, Redacted, TestClock } from "effect"
import { BrokerApi } from "../src/index.js"
import type { SetUp } from "./support/broker.js"
import {
  ask as askAt,
  basic,
  configOf,
  eventually,
  folder,
  form,
  get,
  newKey,
  openStream,
  setUp as setUpBroker
} from "./support/broker.js"

/** Virtual time may pass faster than a request over a socket: it ends none, unless a test wants that. */
const patient = { timeout: "1 hour", wait: "1 hour" }

const setUp = (options: SetUp = {}) =>
  Effect.map(setUpBroker({ ...options, profile: { ...patient, ...options.profile } }), (world) => ({
    ...world,
    check: (body: unknown = { client_id: "upstream-client" }, headers: Record<string, string> = {}) =>
      world.ask("/auth/token/check", {
        method: "POST",
        headers: { authorization: basic("flow", world.key), "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body)
      }),
    inject: (profile = "main") => world.ask(`/inject/${profile}`, { headers: get(world.key) }),
    people: (query = "", profile = "main") =>
      world.ask(`/v1/profiles/${profile}/token${query}`, { headers: get(world.key) })
  }))

/** Lets time pass until the effect has ended: what it waits for comes over sockets as well. */
const passing = <A, E>(effect: Effect.Effect<A, E>, step: Duration.DurationInput = "100 millis") =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    while (fiber.unsafePoll() === null) {
      yield* TestClock.adjust(step)
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    return yield* Fiber.join(fiber)
  })

/** A second, and a look, and so on: no time passes while it looks. */
const stepping = <A, E>(look: Effect.Effect<A, E>, isGood: (value: A) => boolean): Effect.Effect<A, E> =>
  Effect.flatMap(
    Effect.zipRight(TestClock.adjust("1 second"), look),
    (value) => isGood(value) ? Effect.succeed(value) : stepping(look, isGood)
  )

describe("F1: the token endpoint", () => {
  // SPEC F1, A14
  it.scoped("the answer has the token, its remaining life and its scopes, and no refresh token", () =>
    Effect.gen(function*() {
      const { server, token } = yield* setUp({ server: { members: { refresh_token: "refresh-me" } } })
      const first = yield* token()
      assert.strictEqual(first.status, 200, first.text)
      assert.deepStrictEqual(first.json, {
        access_token: "token-1",
        token_type: "Bearer",
        expires_in: 3600,
        scope: "a b"
      })
      assert.strictEqual(first.headers["cache-control"], "no-store")
      yield* TestClock.adjust("1000500 millis")
      assert.deepStrictEqual((yield* token()).json, { ...first.json, expires_in: 2599 })
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC F1
  it.scoped("expires_in` is the assumed lifetime if the server stated none", () =>
    Effect.gen(function*() {
      const { token } = yield* setUp({ server: { expiresIn: null }, profile: { assumeLifetime: "10 minutes" } })
      assert.strictEqual((yield* token()).json.expires_in, 600)
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual((yield* token()).json.expires_in, 360)
    }))

  // SPEC F1
  it.scoped("the key is accepted in the header, form-encoded or raw, and in the form", () =>
    Effect.gen(function*() {
      const { ask, key } = yield* setUp()
      const post = (headers: Record<string, string>, fields: Record<string, string>) =>
        ask("/oauth2/main/token", {
          method: "POST",
          headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8", ...headers },
          body: form({ grant_type: "client_credentials", ...fields })
        })
      assert.strictEqual((yield* post({ authorization: basic("flow", key) }, {})).status, 200)
      assert.strictEqual((yield* post({ authorization: basic("flow", encodeURIComponent(key)) }, {})).status, 200)
      assert.strictEqual((yield* post({ authorization: basic("%66low", key) }, {})).status, 200)
      assert.strictEqual((yield* post({}, { client_id: "flow", client_secret: key })).status, 200)
      assert.strictEqual((yield* post({}, { client_id: "other", client_secret: key })).status, 401)
      assert.strictEqual((yield* post({}, { client_id: "flow" })).status, 401)
    }))

  // SPEC F1, D5
  it.scoped("a caller may narrow the profile's scopes, audience and resource, within its policy", () =>
    Effect.gen(function*() {
      const { server, token } = yield* setUp({
        profile: { audience: ["x"], resource: ["https://one.example"] },
        caller: {
          profiles: { main: { scopes: ["a", "b", "c"], audiences: ["x", "y"] } }
        }
      })
      const asked = Effect.map(server.requests, (requests) => {
        const { audience, resource, scope } = requests.at(-1)!.form
        return { audience, resource, scope }
      })
      // a caller with scopes of its own that names none gets these
      assert.strictEqual((yield* token()).status, 200)
      assert.deepStrictEqual(yield* asked, { scope: "a b c", audience: "x", resource: "https://one.example" })
      assert.strictEqual((yield* token({ scope: "c" })).json.scope, "c")
      assert.strictEqual((yield* token({ scope: "a,b", audience: "y" })).status, 200)
      assert.deepStrictEqual(yield* asked, { scope: "a b", audience: "y", resource: "https://one.example" })
      // the same ask is the same token
      assert.strictEqual((yield* token({ scope: "b a", audience: "y" })).json.access_token, "token-3")
      assert.strictEqual(yield* server.count, 3)
      for (
        const [fields, error] of [
          [{ scope: "a d" }, "invalid_scope"],
          [{ audience: "z" }, "invalid_target"],
          [{ resource: "https://two.example" }, "invalid_target"]
        ] as const
      ) {
        const reply = yield* token(fields)
        assert.strictEqual(reply.status, 400)
        assert.strictEqual(reply.json.error, error)
      }
      assert.strictEqual(yield* server.count, 3)
    }))

  // SPEC F1
  it.scoped("answers errors in the form of RFC 6749", () =>
    Effect.gen(function*() {
      const { ask, key, token } = yield* setUp({ profiles: { other: {} } })
      const cases = [
        [yield* token({ grant_type: "password" }), 400, "unsupported_grant_type"],
        [yield* token({ grant_type: "" }), 400, "invalid_request"],
        [yield* token({}, {}, "other"), 400, "unauthorized_client"],
        [yield* token({}, {}, "nowhere"), 400, "unauthorized_client"],
        [yield* token({}, { authorization: basic("flow", `${key}x`) }), 401, "invalid_client"],
        [
          yield* token({
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token: "s",
            subject_token_type: "t"
          }),
          400,
          "unauthorized_client"
        ]
      ] as const
      for (const [reply, status, error] of cases) {
        assert.strictEqual(reply.status, status, reply.text)
        assert.strictEqual(reply.json.error, error)
        assert.isString(reply.json.error_description)
        assert.strictEqual(reply.headers["cache-control"], "no-store")
      }
      assert.match(cases[4][0].headers["www-authenticate"]!, /^Basic realm=/)
      const twice = yield* ask("/oauth2/main/token", {
        method: "POST",
        headers: { authorization: basic("flow", key), "content-type": "application/x-www-form-urlencoded" },
        body: "grant_type=client_credentials&scope=a&scope=b"
      })
      assert.strictEqual(twice.json.error, "invalid_request")
    }))

  // SPEC F1, A11
  it.scoped("a failure upstream is told from a mistake of the caller", () =>
    Effect.gen(function*() {
      const { server, token } = yield* setUp()
      yield* server.setOutage(Reply.status(503, { "retry-after": "7" }))
      const later = yield* passing(token())
      assert.strictEqual(later.status, 503)
      assert.strictEqual(later.json.error, "temporarily_unavailable")
      assert.isAtLeast(Number(later.headers["retry-after"]), 1)
      yield* TestClock.adjust("1 minute")
      yield* server.setOutage(Reply.oauthError("invalid_client", { status: 401 }))
      const refused = yield* passing(token())
      // 401 would say that the caller's own key is wrong
      assert.strictEqual(refused.status, 502)
      assert.strictEqual(refused.json.error, "server_error")
      assert.isUndefined(refused.headers["www-authenticate"])
    }))

  // SPEC F1, A4
  it.scoped("a subject's token is exchanged upstream, and the new token is cached for that subject", () =>
    Effect.gen(function*() {
      const { server, token } = yield* setUp({
        profile: { tokenExchange: true },
        caller: { profiles: { main: { tokenExchange: true } } }
      })
      const exchange = (subject: string, more: Record<string, string> = {}) =>
        token({
          grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
          subject_token: subject,
          subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
          ...more
        })
      const ada = yield* exchange("ada's token")
      assert.strictEqual(ada.status, 200, ada.text)
      assert.strictEqual(ada.json.issued_token_type, "urn:ietf:params:oauth:token-type:access_token")
      const [request] = yield* server.requests
      assert.strictEqual(request!.form["subject_token"], "ada's token")
      assert.strictEqual(request!.form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange")
      assert.strictEqual((yield* exchange("ada's token")).json.access_token, ada.json.access_token)
      assert.notStrictEqual((yield* exchange("bob's token")).json.access_token, ada.json.access_token)
      assert.notStrictEqual((yield* exchange("ada's token", { scope: "a" })).json.access_token, ada.json.access_token)
      assert.notStrictEqual((yield* token()).json.access_token, ada.json.access_token)
      assert.strictEqual(yield* server.count, 4)
      assert.strictEqual((yield* token({ ...form0, subject_token: "x" })).json.error, "invalid_request")
    }))
})

const form0 = { grant_type: "urn:ietf:params:oauth:grant-type:token-exchange" }

describe("F2: the check of a flow", () => {
  // SPEC F2, C2, C3, C4
  it.scoped("the answers are the token, then the token with X-Token-Refreshing while it is renewed, then the next token", () =>
    Effect.gen(function*() {
      const { check, server } = yield* setUp()
      const first = yield* check()
      assert.strictEqual(first.status, 200, first.text)
      assert.strictEqual(first.json.access_token, "token-1")
      assert.strictEqual(first.json.expires_in, 3600)
      yield* TestClock.adjust("54 minutes")
      assert.isUndefined((yield* check()).headers["x-token-refreshing"])
      yield* server.setLatency("5 seconds")
      const stale = yield* stepping(check(), ({ headers }) => headers["x-token-refreshing"] !== undefined)
      assert.strictEqual(stale.status, 200)
      assert.strictEqual(stale.headers["x-token-refreshing"], "true")
      assert.strictEqual(stale.json.access_token, "token-1")
      yield* stepping(check(), ({ json }) => json.access_token === "token-2")
      assert.isUndefined((yield* check()).headers["x-token-refreshing"])
      assert.strictEqual(yield* server.count, 2)
    }))

  // SPEC F2, C3, C7
  it.scoped("a first token is waited for up to `wait`; then the answer is 202, and the request goes on", () =>
    Effect.gen(function*() {
      const { check, server } = yield* setUp({ server: { latency: "8 seconds" }, profile: { wait: "5 seconds" } })
      const early = yield* passing(check())
      assert.strictEqual(early.status, 202)
      assert.deepStrictEqual(early.json, { status: "refreshing" })
      assert.strictEqual(early.headers["retry-after"], "1")
      const later = yield* passing(check())
      assert.strictEqual(later.status, 200)
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC F2
  it.scoped("a request_timestamp that is far from now adds a warning to the answer", () =>
    Effect.gen(function*() {
      const { check } = yield* setUp()
      const ask = (request_timestamp: unknown) => check({ client_id: "upstream-client", request_timestamp })
      yield* TestClock.setTime(Date.parse("2026-01-01T00:00:00Z"))
      for (const near of ["2026-01-01T00:04:59Z", 1_767_225_600, 1_767_225_600_000]) {
        const reply = yield* ask(near)
        assert.strictEqual(reply.status, 200, reply.text)
        assert.isUndefined(reply.headers["warning"])
      }
      for (const far of ["2026-01-01T00:06:00Z", 1_767_000_000, "yesterday", ""]) {
        const reply = yield* ask(far)
        assert.strictEqual(reply.status, 200)
        assert.match(String(reply.headers["warning"]), /request_timestamp/)
      }
    }))

  // SPEC F2, A2, A11
  it.scoped("mistakes and failures are answered with {error, message} and the status of SPEC A11", () =>
    Effect.gen(function*() {
      const { check, server } = yield* setUp({ profiles: { other: {} } })
      const cases = [
        [yield* check("{"), 400, "BadRequest"],
        [yield* check({}), 400, "BadRequest"],
        [yield* check([]), 400, "BadRequest"],
        [yield* check({ client_id: "client-other" }), 403, "Forbidden"],
        [yield* check({ client_id: "nobody's" }), 403, "Forbidden"],
        [yield* check(undefined, { authorization: "Bearer nonsense" }), 401, "Unauthorized"],
        [yield* check("client_id=x", { "content-type": "application/x-www-form-urlencoded" }), 415, "BadRequest"]
      ] as const
      for (const [reply, status, error] of cases) {
        assert.strictEqual(reply.status, status, reply.text)
        assert.deepStrictEqual(Object.keys(reply.json), ["error", "message"])
        assert.strictEqual(reply.json.error, error)
      }
      const upstream = (reply: Reply.Reply) =>
        Effect.gen(function*() {
          yield* server.setOutage(reply)
          yield* TestClock.adjust("2 minutes")
          const answer = yield* passing(check())
          return [answer.status, answer.json.error]
        })
      assert.deepStrictEqual(yield* upstream(Reply.oauthError("invalid_client", { status: 401 })), [
        401,
        "Unauthorized"
      ])
      assert.deepStrictEqual(yield* upstream(Reply.oauthError("invalid_scope")), [400, "BadRequest"])
      assert.deepStrictEqual(yield* upstream(Reply.status(403)), [403, "Forbidden"])
      assert.deepStrictEqual(yield* upstream(Reply.status(503)), [503, "RetryExhausted"])
      assert.deepStrictEqual(yield* upstream(Reply.status(404)), [502, "NetworkError"])
      assert.deepStrictEqual(yield* upstream(Reply.html()), [500, "ParseError"])
    }))
})

describe("F3: for sub-requests", () => {
  // SPEC F3
  it.scoped("the answer is empty, with the Authorization header that the proxy copies", () =>
    Effect.gen(function*() {
      const { ask, inject, key, server } = yield* setUp({ profiles: { other: {} } })
      const reply = yield* inject()
      assert.strictEqual(reply.status, 200)
      assert.strictEqual(reply.text, "")
      assert.strictEqual(reply.headers["authorization"], "Bearer token-1")
      // Envoy asks with the method and the path of the call it holds
      const envoy = yield* ask("/inject/main/api/v2/users?expand=all", { method: "POST", headers: get(key), body: "x" })
      assert.strictEqual(envoy.status, 200)
      assert.strictEqual(envoy.headers["authorization"], "Bearer token-1")
      assert.strictEqual((yield* inject("other")).status, 403)
      assert.strictEqual((yield* ask("/inject/main", { headers: get("nobody's key") })).status, 401)
      yield* server.setOutage(Reply.status(403))
      yield* TestClock.adjust("2 hours")
      const failed = yield* passing(inject())
      assert.strictEqual(failed.status, 503)
      assert.isAtLeast(Number(failed.headers["retry-after"]), 1)
      assert.strictEqual(failed.text, "")
    }))
})

describe("F4: for people and scripts", () => {
  // SPEC F4
  it.scoped("the answer says when the token ends, and a token with less life than min_ttl is renewed", () =>
    Effect.gen(function*() {
      const { people, server } = yield* setUp()
      yield* TestClock.setTime(Date.parse("2026-01-01T00:00:00Z"))
      const first = yield* people()
      assert.deepStrictEqual(first.json, {
        access_token: "token-1",
        token_type: "Bearer",
        expires_at: "2026-01-01T01:00:00.000Z",
        remaining: 3600,
        scopes: ["a", "b"],
        refreshing: false
      })
      yield* TestClock.adjust("40 minutes")
      assert.strictEqual((yield* people("?min_ttl=1200")).json.access_token, "token-1")
      assert.strictEqual((yield* people("?min_ttl=1201")).json.access_token, "token-2")
      // clamped to half of the lifetime
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual((yield* people("?min_ttl=3600")).json.access_token, "token-2")
      assert.strictEqual(yield* server.count, 2)
      for (const wrong of ["?min_ttl=abc", "?min_ttl=-1", "?min_ttl=1&min_ttl=2x", "?min_ttl=99999999"]) {
        const reply = yield* people(wrong)
        assert.strictEqual(reply.status, 400, wrong)
        assert.deepStrictEqual(Object.keys(reply.json), ["error", "message"])
      }
    }))

  // SPEC F4
  it.scoped("if a renewal for min_ttl takes longer than `wait`, the answer is the present token", () =>
    Effect.gen(function*() {
      const { people, server } = yield* setUp({ profile: { wait: "1 second" } })
      yield* people()
      yield* TestClock.adjust("50 minutes")
      yield* server.setLatency("9 seconds")
      const reply = yield* passing(people("?min_ttl=1800"))
      assert.strictEqual(reply.json.access_token, "token-1")
      assert.strictEqual(reply.json.refreshing, true)
    }))
})

describe("F5: a stream of tokens", () => {
  // SPEC F5
  it.scoped("the stream sends the current token, then one event per rotation with a growing id, and heartbeats", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-01-01T00:00:00Z"))
      const { key, origin, server } = yield* setUp()
      const stream = yield* openStream(origin, key)
      const first = yield* stream.next
      assert.strictEqual(first.event, "token")
      assert.strictEqual(first.data.access_token, "token-1")
      yield* TestClock.adjust("16 seconds")
      yield* stream.comment
      yield* TestClock.adjust("55 minutes")
      const second = yield* passing(stream.next, "1 second")
      assert.strictEqual(second.data.access_token, "token-2")
      assert.isAbove(second.id, first.id)
      assert.strictEqual(yield* server.count, 2)

      // whoever lost the connection has the first, and gets the second at once
      const resumed = yield* openStream(origin, key, first.id)
      assert.deepStrictEqual((yield* resumed.next).data.access_token, "token-2")
      // whoever has seen the second waits for the third
      const waiting = yield* openStream(origin, key, second.id)
      yield* TestClock.adjust("56 minutes")
      assert.deepStrictEqual((yield* passing(waiting.next, "1 second")).data.access_token, "token-3")
      // an id of the future is none of the broker's
      const wrong = yield* openStream(origin, key, 9_999_999_999_999)
      assert.deepStrictEqual((yield* wrong.next).data.access_token, "token-3")
    }))

  // SPEC F5
  it.scoped("the stream ends when the broker drains, and when a reload takes the profile from the caller", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-01-01T00:00:00Z"))
      const { broker, encoded, key, origin } = yield* setUp()
      const one = yield* openStream(origin, key)
      yield* one.next
      yield* broker.reload(configOf({ ...encoded, callers: [{ ...encoded.callers[0], profiles: {} }] }))
      yield* passing(one.ended, "1 second")
      yield* broker.reload(configOf(encoded))
      const two = yield* openStream(origin, key)
      yield* two.next
      yield* broker.drain
      yield* passing(two.ended, "1 second")
    }))

  // SPEC F5
  it.scoped("each caller has a limited number of streams at a time, independent of other callers", () =>
    Effect.gen(function*() {
      const { key, origin, people, ...world } = yield* setUp({ config: { limits: { streamsPerCaller: 1 } } })
      const stream = Effect.scoped(Effect.gen(function*() {
        const open = yield* openStream(origin, key)
        yield* open.next
        return yield* world.ask("/v1/profiles/main/tokens", { headers: get(key) })
      }))
      yield* TestClock.setTime(Date.parse("2026-01-01T00:00:00Z"))
      const refused = yield* stream
      assert.strictEqual(refused.status, 429)
      assert.strictEqual(refused.json.error, "RateLimited")
      assert.strictEqual((yield* people()).status, 200)
      // the place is free again when the connection has gone
      const again = Effect.scoped(
        Effect.flatMap(
          openStream(origin, key),
          ({ ended, next }) => Effect.race(Effect.as(next, "open"), Effect.as(ended, "refused"))
        )
      )
      yield* eventually(again, (outcome) => outcome === "open")
    }))
})

describe("F6: a token file", () => {
  // SPEC F6
  it.scoped("the file holds the token in the format of the profile with mode 0600, and is replaced whole at each rotation", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const file = (name: string) => join(directory, name)
      const { server } = yield* setUp({
        server: { expiresIn: 120 },
        profile: { file: { path: file("raw") } },
        profiles: {
          header: { file: { path: file("header"), format: "header" } },
          json: { file: { path: file("json"), format: "json" } }
        }
      })
      const read = (name: string) => Effect.promise(() => readFile(file(name), "utf8").catch(() => ""))
      yield* passing(eventually(
        Effect.all([read("raw"), read("header"), read("json")]),
        (texts) => texts.every((text) => text !== "")
      ))
      const [raw, header, json] = yield* Effect.all([read("raw"), read("header"), read("json")])
      const issued = yield* server.issued
      assert.include(issued, raw)
      assert.include(issued, header.replace(/^Bearer /, ""))
      assert.deepStrictEqual(Object.keys(JSON.parse(json)), ["access_token", "token_type", "expires_in"])
      assert.strictEqual((yield* Effect.promise(() => stat(file("raw")))).mode & 0o777, 0o600)
      assert.deepStrictEqual((yield* Effect.promise(() => readdir(directory))).sort(), ["header", "json", "raw"])

      // a reader who opened the old file reads it to its end
      const handle = yield* Effect.promise(() => open(file("raw")))
      yield* TestClock.adjust("92 seconds")
      yield* passing(eventually(read("raw"), (text) => text !== raw), "1 second")
      assert.strictEqual(yield* Effect.promise(() => handle.readFile("utf8")), raw)
      yield* Effect.promise(() => handle.close())

      // no new token: the old one stays, also when it is over
      const last = yield* read("raw")
      yield* server.setOutage(true)
      yield* TestClock.adjust("3 minutes")
      assert.strictEqual(yield* read("raw"), last)
    }))

  // SPEC F6
  it.scoped("the file is removed when its token has ended, if the profile says so", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const path = join(directory, "token")
      const { server } = yield* setUp({
        server: { expiresIn: 120 },
        profile: { file: { path, removeDead: true } }
      })
      const isThere = Effect.promise(() => stat(path).then(() => true, () => false))
      yield* passing(eventually(isThere, (there) => there))
      yield* server.setOutage(true)
      yield* TestClock.adjust("3 minutes")
      yield* passing(eventually(isThere, (there) => !there), "1 second")
    }))
})

describe("F7: operations", () => {
  // SPEC F7
  it.scoped("the broker is ready while every required profile has a usable token, and live in any case", () =>
    Effect.gen(function*() {
      const { ask, broker, server } = yield* setUp({
        server: { answer: () => Reply.status(503) },
        profile: { required: true },
        profiles: { other: {} }
      })
      assert.strictEqual((yield* ask("/health/live")).status, 200)
      const before = yield* ask("/health/ready")
      assert.strictEqual(before.status, 503)
      assert.deepStrictEqual(before.json, {
        ready: false,
        draining: false,
        profiles: { main: { required: true, usable: false }, other: { required: false, usable: false } }
      })
      yield* server.enqueue(Reply.token())
      // nobody asks: the broker gets the token of a required profile by itself
      const ready = yield* passing(eventually(ask("/health/ready"), ({ status }) => status === 200), "1 second")
      assert.strictEqual(ready.json.profiles.main.usable, true)
      yield* broker.drain
      const draining = yield* ask("/health/ready")
      assert.strictEqual(draining.status, 503)
      assert.strictEqual(draining.json.draining, true)
      assert.strictEqual((yield* ask("/health/live")).status, 200)
    }))

  // SPEC F7
  it.scoped("metrics are Prometheus text: with a key on the listener of the API, without on their own", () =>
    Effect.gen(function*() {
      const { ask, key, listening, token } = yield* setUp({ config: { metrics: { port: 0 } } })
      yield* token()
      assert.strictEqual((yield* ask("/metrics")).status, 401)
      const reply = yield* ask("/metrics", { headers: { authorization: `Bearer ${key}` } })
      assert.strictEqual(reply.status, 200)
      assert.match(
        reply.text,
        /^effect_bearer_broker_requests_total\{surface="oauth2",profile="main",caller="flow",outcome="ok"\} 1$/m
      )
      assert.match(reply.text, /^effect_bearer_broker_token_usable\{profile="main"\} 1$/m)
      assert.match(reply.text, /^effect_bearer_broker_token_remaining_seconds\{profile="main"\} 3600$/m)
      assert.match(reply.text, /^# TYPE oauth_token_request_duration_seconds histogram$/m)
      const own = yield* askAt(listening.metrics!, "/metrics")
      assert.strictEqual(own.status, 200)
      assert.strictEqual((yield* askAt(listening.metrics!, "/oauth2/main/token", { method: "POST" })).status, 404)
      assert.strictEqual((yield* askAt(listening.metrics!, "/status")).status, 404)
    }))

  // SPEC F7
  it.scoped("the status needs the permission, and holds no token", () =>
    Effect.gen(function*() {
      const other = yield* newKey
      const { ask, key, token } = yield* setUp({ callers: [{ id: "other", keys: [other.digest] }] })
      yield* token()
      assert.strictEqual((yield* ask("/status")).status, 401)
      assert.strictEqual((yield* ask("/status", { headers: { authorization: `Bearer ${other.key}` } })).status, 403)
      const reply = yield* ask("/status", { headers: { authorization: `Bearer ${key}` } })
      assert.strictEqual(reply.status, 200, reply.text)
      const [profile] = reply.json.profiles
      assert.strictEqual(profile.name, "main")
      assert.strictEqual(profile.remaining, 3_600_000)
      assert.strictEqual(profile.askedBy, "this")
      assert.strictEqual(profile.askedLastMinute, 1)
      assert.strictEqual(profile.problem, null)
      assert.notInclude(reply.text, "token-1")
      assert.notInclude(reply.text, key)
    }))

  // SPEC F7
  it.scoped("the contract: every endpoint of the API is served, and the document says the same", () =>
    Effect.gen(function*() {
      const { ask } = yield* setUp()
      const reply = yield* ask("/openapi.json")
      assert.strictEqual(reply.status, 200)
      assert.deepStrictEqual(Object.keys(reply.json.paths).sort(), [
        "/auth/token/check",
        "/health/live",
        "/health/ready",
        "/inject/{profile}",
        "/metrics",
        "/oauth2/{profile}/token",
        "/status",
        "/status/events",
        "/v1/profiles/{profile}/token",
        "/v1/profiles/{profile}/tokens"
      ])
      for (const [path, methods] of Object.entries(reply.json.paths as Record<string, object>)) {
        for (const method of Object.keys(methods)) {
          const answer = yield* ask(path.replace("{profile}", "main"), { method: method.toUpperCase() })
          assert.notInclude([404, 405], answer.status, `${method} ${path}`)
        }
      }
    }))

  // SPEC F1, F2, F4
  it.scoped("the typed client reads what the surfaces answer", () =>
    Effect.gen(function*() {
      const { key, origin, server } = yield* setUp()
      const client = yield* HttpApiClient.make(BrokerApi.BrokerApi, {
        baseUrl: origin,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(key))
      })
      const path = { profile: "main" }
      const token = yield* client.tokens.oauth2({ path, payload: { grant_type: "client_credentials", scope: "a" } })
      assert.strictEqual(Redacted.value(token.access_token), "token-1")
      const check = yield* client.tokens.check({ payload: { client_id: "upstream-client" } })
      assert.isTrue("access_token" in check)
      const people = yield* client.tokens.token({
        path,
        headers: { "x-effect-bearer": "true" },
        urlParams: { min_ttl: 60 }
      })
      assert.strictEqual(people.remaining, 3600)
      assert.notInclude(inspect([token, check, people], { depth: 9 }), "token-1")
      const refused = yield* Effect.flip(
        client.tokens.oauth2({ path, payload: { grant_type: "client_credentials", scope: "z" } })
      )
      assert.deepInclude(refused, { error: "invalid_scope" })
      const status = yield* client.operations.status({})
      assert.strictEqual(status.profiles[0]!.usable, true)
      assert.isTrue((yield* client.operations.ready({})).ready)
      yield* client.tokens.inject({ path, headers: { "x-effect-bearer": "true" } })
      assert.strictEqual(yield* server.count, 2)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})
