import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@effect-bearer/testing"
import { Effect } from "effect"
import { ask, basic, configOf, form, get, newKey, setUp } from "../support/broker.js"

const tokens = (origin: string, id: string, key: string) =>
(
  profile: string,
  fields: Record<string, string> | ReadonlyArray<readonly [string, string]> = {}
) =>
  ask(origin, `/oauth2/${profile}/token`, {
    method: "POST",
    headers: { authorization: basic(id, key), "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams([
      ["grant_type", "client_credentials"],
      ...(Array.isArray(fields) ? fields : Object.entries(fields)) as ReadonlyArray<[string, string]>
    ]).toString()
  })

describe("what a caller may ask", () => {
  // SPEC F1, BROKER §3
  it.scopedLive("a caller gets no profile of another caller, which looks as if it did not exist, and no surface it may not use", () =>
    Effect.gen(function*() {
      const narrow = yield* newKey
      const { key, origin, server } = yield* setUp({
        profiles: { other: {} },
        callers: [{ id: "narrow", keys: [narrow.digest], profiles: { main: { surfaces: ["inject"] }, other: {} } }]
      })
      const flow = tokens(origin, "flow", key)
      const [foreign, missing] = [yield* flow("other"), yield* flow("nowhere")]
      for (const reply of [foreign, missing]) {
        assert.strictEqual(reply.status, 400)
        assert.strictEqual(reply.json.error, "unauthorized_client")
      }
      assert.strictEqual(foreign.text, missing.text)
      for (const path of ["/v1/profiles/other/token", "/v1/profiles/other/tokens", "/inject/other"]) {
        const [foreign, missing] = [
          yield* ask(origin, path, { headers: get(key) }),
          yield* ask(origin, path.replace("other", "nowhere"), { headers: get(key) })
        ]
        assert.strictEqual(foreign.status, 403, path)
        assert.strictEqual(missing.status, 403, path)
        assert.strictEqual(foreign.text, missing.text)
      }
      const check = (id: string, key: string, clientId: string) =>
        ask(origin, "/auth/token/check", {
          method: "POST",
          headers: { authorization: basic(id, key), "content-type": "application/json" },
          body: JSON.stringify({ client_id: clientId })
        })
      assert.strictEqual((yield* check("flow", key, "client-other")).status, 403)
      assert.strictEqual((yield* check("flow", key, "client-other")).text, (yield* check("flow", key, "nobody")).text)
      // a surface that the caller may not use
      const form = yield* tokens(origin, "narrow", narrow.key)("main")
      assert.deepStrictEqual([form.status, form.json.error], [400, "unauthorized_client"])
      assert.strictEqual((yield* ask(origin, "/v1/profiles/main/token", { headers: get(narrow.key) })).status, 403)
      assert.strictEqual((yield* ask(origin, "/v1/profiles/main/tokens", { headers: get(narrow.key) })).status, 403)
      assert.strictEqual((yield* check("narrow", narrow.key, "upstream-client")).status, 403)
      assert.strictEqual(yield* server.count, 0)
      assert.strictEqual((yield* ask(origin, "/inject/main", { headers: get(narrow.key) })).status, 200)
      // and what is not about tokens
      for (const path of ["/status", "/status/events", "/metrics"]) {
        assert.strictEqual((yield* ask(origin, path, { headers: get(narrow.key) })).status, 403, path)
        assert.strictEqual((yield* ask(origin, path, { headers: {} })).status, 401, path)
      }
    }))

  // SPEC F1, BROKER §3
  it.scopedLive("a caller gets nothing wider than its policy; if it names no scopes it gets those of its policy, not the profile's", () =>
    Effect.gen(function*() {
      const narrow = yield* newKey
      const { key, origin, server } = yield* setUp({
        profile: { scopes: ["a", "b", "c"], audience: ["api-1"], resource: ["https://api.test/1"] },
        callers: [{
          id: "narrow",
          keys: [narrow.digest],
          profiles: { main: { scopes: ["a", "b"], audiences: ["api-1", "api-2"] } }
        }]
      })
      const [flow, small] = [tokens(origin, "flow", key), tokens(origin, "narrow", narrow.key)]
      const refusals: ReadonlyArray<readonly [typeof flow, ReadonlyArray<readonly [string, string]>, string]> = [
        [flow, [["scope", "a admin"]], "invalid_scope"],
        [flow, [["scope", "admin"]], "invalid_scope"],
        [flow, [["scope", "A"]], "invalid_scope"],
        [flow, [["scope", "a,admin"]], "invalid_scope"],
        [flow, [["scope", "a\u00a0admin"]], "invalid_scope"],
        [flow, [["scope", "__proto__"]], "invalid_scope"],
        [flow, [["audience", "api-2"]], "invalid_target"],
        [flow, [["audience", "api-1"], ["audience", "api-2"]], "invalid_target"],
        [flow, [["resource", "https://api.test/2"]], "invalid_target"],
        [flow, [["resource", "https://api.test/1/"]], "invalid_target"],
        [flow, [["resource", "https://api.test/1"], ["resource", "https://evil.test"]], "invalid_target"],
        [small, [["scope", "a b c"]], "invalid_scope"],
        [small, [["scope", "c"]], "invalid_scope"],
        [small, [["audience", "api-3"]], "invalid_target"]
      ]
      for (const [who, fields, error] of refusals) {
        const reply = yield* who("main", fields)
        assert.deepStrictEqual([reply.status, reply.json.error], [400, error], JSON.stringify(fields))
        for (const [, value] of fields) if (value.length > 3) assert.notInclude(reply.text, value)
      }
      assert.strictEqual(yield* server.count, 0)

      const sent = Effect.map(
        server.requests,
        (all) =>
          all.map(({ params }) =>
            params.filter(([name]) => ["scope", "audience", "resource"].includes(name)).map(([, value]) => value).join(
              "|"
            )
          )
      )
      const wide = yield* flow("main")
      const own = yield* small("main")
      assert.notStrictEqual(own.json.access_token, wide.json.access_token)
      assert.deepStrictEqual(yield* sent, ["a b c|api-1|https://api.test/1", "a b|api-1|https://api.test/1"])
      // the same on the surfaces where nothing can be named
      for (const path of ["/v1/profiles/main/token", "/inject/main"]) {
        const reply = yield* ask(origin, path, { headers: get(narrow.key) })
        assert.include(reply.text + String(reply.headers["authorization"]), own.json.access_token)
      }
      // parameters of the request that nobody may set reach nobody
      const extra = yield* flow("main", {
        scope: "c",
        token_endpoint: "http://evil.test/",
        issuer: "http://evil.test/",
        client_assertion: "x",
        assertion: "x",
        refresh_token: "x",
        redirect_uri: "http://evil.test/",
        "__proto__": "x"
      })
      assert.strictEqual(extra.status, 200)
      const last = (yield* server.requests).at(-1)!
      assert.deepStrictEqual(last.params.map(([name]) => name).sort(), ["audience", "grant_type", "resource", "scope"])
    }))

  // SPEC F1, RFC 8693
  it.scopedLive("a caller may exchange a token where profile and policy allow it, and for an access token only", () =>
    Effect.gen(function*() {
      const may = yield* newKey
      const { broker, encoded, key, origin, server } = yield* setUp({
        profile: { tokenExchange: true, scopes: ["a", "b"] },
        callers: [{ id: "may", keys: [may.digest], profiles: { main: { tokenExchange: true, scopes: ["a"] } } }]
      })
      const exchange = (id: string, key: string, fields: Record<string, string> = {}) =>
        ask(origin, "/oauth2/main/token", {
          method: "POST",
          headers: { authorization: basic(id, key), "content-type": "application/x-www-form-urlencoded" },
          body: form({
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token: "subject-1",
            subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
            ...fields
          })
        })
      const refused = yield* exchange("flow", key)
      assert.deepStrictEqual([refused.status, refused.json.error], [400, "unauthorized_client"])
      for (
        const fields of [
          { requested_token_type: "urn:ietf:params:oauth:token-type:refresh_token" },
          { requested_token_type: "urn:ietf:params:oauth:token-type:id_token" },
          { subject_token: "" },
          { subject_token_type: "" },
          { actor_token: "x" }
        ]
      ) {
        const reply = yield* exchange("may", may.key, fields as Record<string, string>)
        assert.deepStrictEqual([reply.status, reply.json.error], [400, "invalid_request"], JSON.stringify(fields))
      }
      assert.strictEqual((yield* exchange("may", may.key, { scope: "b" })).json.error, "invalid_scope")
      assert.strictEqual(yield* server.count, 0)

      const [first, again, other] = [
        yield* exchange("may", may.key),
        yield* exchange("may", may.key),
        yield* exchange("may", may.key, { subject_token: "subject-2" })
      ]
      assert.strictEqual(first.status, 200, first.text)
      assert.strictEqual(again.json.access_token, first.json.access_token)
      assert.notStrictEqual(other.json.access_token, first.json.access_token)
      assert.deepStrictEqual((yield* server.requests).map(({ form }) => form["scope"]), ["a", "a"])
      // the profile's own token is none of these
      assert.notInclude(
        [first.json.access_token, other.json.access_token],
        (yield* tokens(origin, "flow", key)("main")).json.access_token
      )

      // one caller's bad subject tokens are no other's trouble
      yield* server.setOutage(Reply.oauthError("invalid_grant"))
      for (let i = 0; i < 30; i++) {
        const reply = yield* exchange("may", may.key, { subject_token: `bad-${i}` })
        assert.deepStrictEqual([reply.status, reply.json.error], [400, "invalid_grant"])
        assert.notInclude(reply.text, `bad-${i}`)
      }
      yield* server.setOutage(false)
      assert.strictEqual((yield* exchange("may", may.key, { subject_token: "subject-3" })).status, 200)

      yield* broker.reload(configOf({
        ...encoded,
        callers: encoded.callers.map((caller) => ({ ...caller, profiles: { main: { scopes: ["a"] } } }))
      }))
      assert.strictEqual((yield* exchange("may", may.key)).json.error, "unauthorized_client")
    }))
})
