import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { basic, form, get, setUp } from "../support/broker.js"

/** What a web page can make a browser send, and what a server can be talked into fetching. */
describe("requests of web pages", () => {
  // SPEC BROKER §3
  it.scopedLive("requests of web pages are refused on every surface, without a CORS header", () =>
    Effect.gen(function*() {
      const { ask, key, origin, server } = yield* setUp()
      const own = origin
      const foreign: ReadonlyArray<Record<string, string>> = [
        { origin: "https://evil.example" },
        { origin: "null" },
        { origin: "" },
        { origin: `${own}.evil.example` },
        { origin: own.replace("http:", "https:") },
        { origin: "http://localhost:1" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
        { "sec-fetch-site": "Cross-Site" },
        { "sec-fetch-site": "none, cross-site" },
        { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
        { referer: "https://evil.example/page" },
        { referer: `${own}.evil.example/` },
        { referer: `https://evil.example/${own}/` },
        { referer: own },
        { referer: "" },
        { referer: `${own}/`, origin: "https://evil.example" },
        { origin: own, "sec-fetch-site": "cross-site" }
      ]
      const surfaces = [
        ["GET", "/v1/profiles/main/token"],
        ["GET", "/v1/profiles/main/tokens"],
        ["GET", "/inject/main"],
        ["POST", "/oauth2/main/token"],
        ["POST", "/auth/token/check"],
        ["GET", "/metrics"],
        ["GET", "/health/live"],
        ["GET", "/health/ready"]
      ] as const
      for (const [method, path] of surfaces) {
        for (const headers of [...foreign, { origin: own }, { "sec-fetch-site": "same-origin" }]) {
          const reply = yield* ask(path, {
            method,
            headers: { ...get(key), "content-type": "application/x-www-form-urlencoded", ...headers },
            body: method === "POST" ? form({ grant_type: "client_credentials" }) : ""
          })
          assert.strictEqual(reply.status, 403, `${path} ${JSON.stringify(headers)}`)
          assert.deepStrictEqual(Object.keys(reply.headers).filter((name) => name.startsWith("access-control")), [])
        }
      }
      assert.strictEqual(yield* server.count, 0)
      // what a person types into the address bar is no page's
      assert.strictEqual((yield* ask("/health/live", { headers: { "sec-fetch-site": "none" } })).status, 200)
    }))

  // SPEC BROKER §3
  it.scopedLive("requests of the status page itself, and of a link to it, are answered", () =>
    Effect.gen(function*() {
      const { ask, key, origin: own } = yield* setUp()
      const status = (path: string, headers: Record<string, string>) =>
        Effect.map(ask(path, { headers: { authorization: `Bearer ${key}`, ...headers } }), (reply) => reply.status)
      for (const path of ["/", "/page/status.js", "/openapi.json", "/status"]) {
        assert.strictEqual(yield* status(path, { origin: own, "sec-fetch-site": "same-origin" }), 200, path)
        assert.strictEqual(yield* status(path, { referer: `${own}/`, "sec-fetch-site": "same-origin" }), 200, path)
        assert.strictEqual(yield* status(path, { "sec-fetch-site": "cross-site" }), 403, path)
        assert.strictEqual(yield* status(path, { referer: "https://evil.example/" }), 403, path)
        assert.strictEqual(yield* status(path, { origin: "null" }), 403, path)
      }
      const link = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
        referer: "https://evil.example/"
      }
      assert.strictEqual(yield* status("/", link), 200)
      assert.strictEqual(yield* status("/status", link), 403)
      assert.strictEqual(yield* status("/", { ...link, origin: "https://evil.example" }), 403)
      assert.strictEqual(yield* status("/", { ...link, "sec-fetch-mode": "cors" }), 403)
      for (const dest of ["iframe", "embed", "object", "script", "empty"]) {
        assert.strictEqual(yield* status("/", { ...link, "sec-fetch-dest": dest }), 403, dest)
      }
    }))

  // SPEC BROKER §3
  it.scopedLive("a preflight request gets no permission, either", () =>
    Effect.gen(function*() {
      const { ask } = yield* setUp()
      for (const path of ["/oauth2/main/token", "/v1/profiles/main/token", "/auth/token/check", "/status", "/"]) {
        const reply = yield* ask(path, {
          method: "OPTIONS",
          headers: {
            origin: "https://evil.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, x-effect-bearer",
            "access-control-request-private-network": "true"
          }
        })
        assert.strictEqual(reply.status, 403)
        assert.deepStrictEqual(Object.keys(reply.headers).filter((name) => name.startsWith("access-control")), [])
      }
    }))

  // SPEC BROKER §3
  it.scopedLive("a GET surface needs a header that a server cannot be tricked into sending", () =>
    Effect.gen(function*() {
      const { ask, key, server } = yield* setUp()
      const credentials = { authorization: basic("flow", key) }
      for (const path of ["/v1/profiles/main/token", "/v1/profiles/main/tokens", "/inject/main", "/inject/main/path"]) {
        const without: ReadonlyArray<Record<string, string>> = [
          {},
          { "x-effect-bearer": "" },
          { "x-effect-bearer": "false" },
          { "x-effect-bearer": "1" },
          { "x-effect-bearer": "true, true" },
          { "x_effect_bearer": "true" },
          { cookie: "x-effect-bearer=true" }
        ]
        for (const headers of without) {
          const reply = yield* ask(path, { headers: { ...credentials, ...headers } })
          assert.strictEqual(reply.status, 403, `${path} ${JSON.stringify(headers)}`)
        }
        // neither does the address stand for it
        assert.strictEqual((yield* ask(`${path}?x-effect-bearer=true`, { headers: credentials })).status, 403)
      }
      assert.strictEqual(yield* server.count, 0)
    }))
})
