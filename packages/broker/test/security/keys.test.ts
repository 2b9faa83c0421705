import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { CallerKey } from "../../src/index.js"
import { ask, basic, configOf, form, get, newKey, setUp } from "../support/broker.js"
import * as raw from "../support/raw.js"

const token = (origin: string, headers: Record<string, string>, fields: Record<string, string> = {}, path = "main") =>
  ask(origin, `/oauth2/${path}/token`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    body: form({ grant_type: "client_credentials", ...fields })
  })

describe("keys of callers", () => {
  // SPEC F1, BROKER §3
  it.scopedLive("without a key, or with the key of another caller, no token is handed out", () =>
    Effect.gen(function*() {
      const other = yield* newKey
      const { key, origin, server } = yield* setUp({ callers: [{ id: "other", keys: [other.digest] }] })
      const digest = CallerKey.digestOf(Redacted.make(key))
      const headers: ReadonlyArray<Record<string, string>> = [
        {},
        { authorization: "" },
        { authorization: "Basic" },
        { authorization: "Bearer" },
        { authorization: "Bearer " },
        { authorization: `Bearer ${key.slice(0, -1)}` },
        { authorization: `Bearer ${key}x` },
        { authorization: `Bearer ${key} ${key}` },
        { authorization: `Bearer ${key.toUpperCase()}` },
        { authorization: `Bearer ${digest}` },
        { authorization: `Digest ${key}` },
        { authorization: key },
        { authorization: basic("flow", "") },
        { authorization: basic("", "") },
        { authorization: basic("flow", other.key) },
        { authorization: basic("other", key) },
        { authorization: basic("", key) },
        { authorization: basic("FLOW", key) },
        { authorization: basic("flow ", key) },
        { authorization: basic("flow\0", key) },
        { authorization: basic("__proto__", key) },
        { authorization: basic("constructor", "constructor") },
        { authorization: `Basic ${Buffer.from(`flow${key}`).toString("base64")}` },
        { authorization: "Basic %%%" },
        { authorization: `Basic ${"A".repeat(4000)}` },
        { authorization: basic("%", "%") },
        { cookie: `key=${key}` }
      ]
      for (const shown of headers) {
        const reply = yield* token(origin, shown)
        assert.strictEqual(reply.status, 401, JSON.stringify(shown))
        assert.strictEqual(reply.json.error, "invalid_client")
        assert.match(reply.headers["www-authenticate"]!, /^Basic realm=/)
        assert.notInclude(reply.text, key)
      }
      const forms: ReadonlyArray<Record<string, string>> = [
        { client_id: "flow" },
        { client_id: "flow", client_secret: "" },
        { client_id: "flow", client_secret: other.key },
        { client_id: "other", client_secret: key },
        { client_id: "", client_secret: key },
        { client_id: "flow", client_secret: "k".repeat(5000) },
        { client_secret: "wrong" }
      ]
      for (const fields of forms) {
        const reply = yield* token(origin, {}, fields)
        assert.strictEqual(reply.status, 401, JSON.stringify(fields))
        assert.strictEqual(reply.json.error, "invalid_client")
      }
      assert.strictEqual(yield* server.count, 0)
      // no key in the address, where logs would keep it
      const inAddress = yield* ask(origin, `/v1/profiles/main/token?client_secret=${key}&access_token=${key}`, {
        headers: { "x-effect-bearer": "true" }
      })
      assert.strictEqual(inAddress.status, 401)
    }))

  // SPEC F1, RFC 6749 §2.3
  it.scopedLive("keys are accepted by Basic (raw and form-encoded), as Bearer, and in the form, but only one per request", () =>
    Effect.gen(function*() {
      // an id or a key of the caller's own making may have characters that the encodings treat differently
      const special = "k%2Bey+with/a:colon and ü"
      const { key, origin } = yield* setUp({
        callers: [{ id: "special", keys: [CallerKey.digestOf(Redacted.make(special))], profiles: { main: {} } }]
      })
      const encoded = (text: string) => encodeURIComponent(text).replaceAll("%20", "+")
      const good: ReadonlyArray<readonly [Record<string, string>, Record<string, string>]> = [
        [{ authorization: basic("flow", key) }, {}],
        [{ authorization: basic("flow", key).replace("Basic", "bAsIc") }, {}],
        [{ authorization: `Bearer ${key}` }, {}],
        [{ authorization: basic("special", special) }, {}],
        [{ authorization: basic("special", encoded(special)) }, {}],
        [{ authorization: basic("flow", key) }, { client_id: "flow" }],
        [{}, { client_id: "flow", client_secret: key }],
        [{}, { client_id: "special", client_secret: special }]
      ]
      for (const [headers, fields] of good) {
        assert.strictEqual((yield* token(origin, headers, fields)).status, 200, JSON.stringify([headers, fields]))
      }
      // the form does not mend what the header says
      const both = yield* token(origin, { authorization: basic("flow", "wrong") }, {
        client_id: "flow",
        client_secret: key
      })
      assert.strictEqual(both.status, 401)
      // and does not name another than the header does
      const another = yield* token(origin, { authorization: basic("flow", key) }, { client_id: "special" })
      assert.strictEqual(another.status, 400)
      assert.strictEqual(another.json.error, "invalid_request")
    }))

  // SPEC BROKER §3
  it.scopedLive("two keys of a caller are valid at once; a reload ends the old one, for requests and for streams", () =>
    Effect.gen(function*() {
      const [old, next, second] = [yield* newKey, yield* newKey, yield* newKey]
      const { broker, encoded, origin, server } = yield* setUp({
        caller: { keys: [old.digest] },
        callers: [{ id: "second", keys: [second.digest], profiles: { main: {} } }]
      })
      const reloaded = (keys: ReadonlyArray<string>, ofSecond = {}) =>
        broker.reload(configOf({
          ...encoded,
          callers: [{ ...encoded.callers[0], keys }, { ...encoded.callers[1], ...ofSecond }]
        }))
      const statuses = Effect.forEach(
        [old, next],
        ({ key }) => Effect.map(token(origin, { authorization: basic("flow", key) }), (reply) => reply.status)
      )
      assert.deepStrictEqual(yield* statuses, [200, 401])
      yield* reloaded([old.digest, next.digest])
      assert.deepStrictEqual(yield* statuses, [200, 200])

      const stream = (key: string, path: string) =>
        Effect.gen(function*() {
          const connection = yield* raw.open(origin)
          yield* connection.write(raw.request(path, [["Host", new URL(origin).host], ...Object.entries(get(key))]))
          yield* connection.until("data: ")
          return connection
        })
      const tokens = yield* stream(old.key, "/v1/profiles/main/tokens")
      const ofSecond = yield* stream(second.key, "/v1/profiles/main/tokens")
      const staying = yield* stream(next.key, "/v1/profiles/main/tokens")
      const status = yield* stream(old.key, "/status/events")
      // the second caller loses the profile, and keeps its key
      yield* reloaded([next.digest], { profiles: {} })
      assert.deepStrictEqual(yield* statuses, [401, 200])
      // a stream is looked at every few seconds
      for (const ended of [tokens, ofSecond]) {
        assert.strictEqual((yield* ended.ended).split("data: ").length, 2, "one token, no more")
      }
      yield* status.ended
      assert.notInclude(yield* staying.received, "\r\n0\r\n")
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC BROKER §3, §4
  it.scopedLive("a request that is being read when a reload comes gets no more than the new configuration allows", () =>
    Effect.gen(function*() {
      const { broker, encoded, key, origin, server } = yield* setUp({ profile: { scopes: ["a"] } })
      const body = "grant_type=client_credentials"
      const connection = yield* raw.open(origin)
      yield* connection.write(
        raw.request("/oauth2/main/token", [
          ["Host", new URL(origin).host],
          ["Authorization", basic("flow", key)],
          ["Content-Type", "application/x-www-form-urlencoded"],
          ["Content-Length", String(body.length)]
        ], { method: "POST", body: body.slice(0, 5) })
      )
      // the profile may do more now, and the caller is held to what it had
      yield* broker.reload(configOf({
        ...encoded,
        profiles: { main: { ...encoded.profiles.main, scopes: ["a", "admin"] } },
        callers: [{ ...encoded.callers[0], profiles: { main: { scopes: ["a"] } } }]
      }))
      yield* connection.write(body.slice(5))
      assert.strictEqual(raw.statusOf(yield* connection.ended), 200)
      assert.deepStrictEqual((yield* server.requests).map(({ form }) => form["scope"]), ["a"])
    }))
})
