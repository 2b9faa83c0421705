import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { basic, form, get, setUp } from "./support/broker.js"

describe("surfaces", () => {
  // SPEC F1, A14
  it.scopedLive("F1 is a token endpoint: the token, its remaining life, its scopes, and no refresh token", () =>
    Effect.gen(function*() {
      const { server, token } = yield* setUp({ server: { expiresIn: 3600, members: { refresh_token: "refresh-me" } } })
      const reply = yield* token()
      assert.strictEqual(reply.status, 200, reply.text)
      assert.deepStrictEqual(Object.keys(reply.json).sort(), ["access_token", "expires_in", "scope", "token_type"])
      assert.deepStrictEqual(yield* server.issued, [reply.json.access_token])
      assert.strictEqual(reply.json.token_type, "Bearer")
      assert.isAtMost(reply.json.expires_in, 3600)
      assert.isAtLeast(reply.json.expires_in, 3000)
      assert.strictEqual(reply.headers["cache-control"], "no-store")
      assert.strictEqual((yield* token()).json.access_token, reply.json.access_token)
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC F1 to F4
  it.scopedLive("all surfaces serve the same token", () =>
    Effect.gen(function*() {
      const { ask, key, server, token } = yield* setUp()
      const [issued] = [(yield* token()).json.access_token]
      const check = yield* ask("/auth/token/check", {
        method: "POST",
        headers: { authorization: basic("flow", key), "content-type": "application/json" },
        body: JSON.stringify({ client_id: "upstream-client", request_timestamp: new Date().toISOString() })
      })
      assert.strictEqual(check.status, 200, check.text)
      assert.strictEqual(check.json.access_token, issued)
      assert.isUndefined(check.headers["x-token-refreshing"])
      assert.isUndefined(check.headers["warning"])
      const inject = yield* ask("/inject/main", { headers: get(key) })
      assert.strictEqual(inject.status, 200)
      assert.strictEqual(inject.text, "")
      assert.strictEqual(inject.headers["authorization"], `Bearer ${issued}`)
      const people = yield* ask("/v1/profiles/main/token", { headers: get(key) })
      assert.strictEqual(people.status, 200, people.text)
      assert.strictEqual(people.json.access_token, issued)
      assert.strictEqual(people.json.refreshing, false)
      assert.isAbove(Date.parse(people.json.expires_at), Date.now())
      assert.strictEqual(yield* server.count, 1)
    }))

  it.scopedLive("the client may show its key in the form", () =>
    Effect.gen(function*() {
      const { ask, key } = yield* setUp()
      const reply = yield* ask("/oauth2/main/token", {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: form({ grant_type: "client_credentials", client_id: "flow", client_secret: key })
      })
      assert.strictEqual(reply.status, 200, reply.text)
    }))
})
