/** Sub-requests as Envoy and Traefik send them by their documentation: the proxies themselves are not here. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { setUp } from "../../../packages/broker/test/support/broker.js"

/** What the snippets for both say that the broker's configuration needs. */
const config = { hosts: ["calls.example.com"], trustedProxies: ["127.0.0.1"] }

const own = (key: string) => ({ authorization: `Bearer ${key}`, "x-effect-bearer": "true" })

describe("sub-requests", () => {
  // SPEC F3
  it.scopedLive("of Envoy (ext_authz over HTTP): method, path and host of the call, after the prefix", () =>
    Effect.gen(function*() {
      const { ask, key, server } = yield* setUp({ config })
      for (const [method, path] of [["GET", "/"], ["POST", "/calls?page=1"], ["DELETE", "/calls/%2e%2e/1"]] as const) {
        const reply = yield* ask(`/inject/main${path}`, {
          method,
          headers: {
            ...own(key),
            "content-length": "0",
            host: "calls.example.com",
            "x-envoy-internal": "true",
            "x-forwarded-for": "192.0.2.1"
          }
        })
        assert.strictEqual(reply.status, 200, `${method} ${path}`)
        assert.deepStrictEqual(
          [reply.headers["authorization"]],
          (yield* server.issued).map((token) => `Bearer ${token}`)
        )
      }
    }))

  it.scopedLive("of Traefik (forwardAuth): GET, and what was called in X-Forwarded headers", () =>
    Effect.gen(function*() {
      const headers = {
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-host": "calls.example.com",
        "x-forwarded-method": "POST",
        "x-forwarded-proto": "https",
        "x-forwarded-uri": "/calls?page=1"
      }
      const { ask, key, server } = yield* setUp({ config })
      const astray = yield* ask("/inject/main", { headers: { ...own(key), ...headers, host: "elsewhere.example" } })
      assert.strictEqual(astray.status, 421)
      const right = yield* ask("/inject/main", { headers: { ...own(key), ...headers } })
      assert.strictEqual(right.status, 200)
      assert.deepStrictEqual([right.headers["authorization"]], (yield* server.issued).map((token) => `Bearer ${token}`))
      const unconfigured = yield* setUp()
      const refused = yield* unconfigured.ask("/inject/main", { headers: { ...own(unconfigured.key), ...headers } })
      assert.strictEqual(refused.status, 400)
    }))
})
