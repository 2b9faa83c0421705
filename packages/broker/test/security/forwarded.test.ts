import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { get, setUp } from "../support/broker.js"

describe("forwarded requests", () => {
  // SPEC BROKER §3
  it.scopedLive("forwarded requests are refused on a loopback listener without a trusted proxy", () =>
    Effect.gen(function*() {
      const { ask, key, server } = yield* setUp()
      for (
        const [name, value] of Object.entries({
          "x-forwarded-for": "203.0.113.7",
          forwarded: "for=203.0.113.7;host=evil.example",
          via: "1.1 proxy",
          "x-forwarded-host": "evil.example",
          "x-real-ip": "127.0.0.1"
        })
      ) {
        for (const path of ["/v1/profiles/main/token", "/health/live", "/", "/oauth2/main/token"]) {
          const method = path.startsWith("/oauth2") ? "POST" : "GET"
          assert.strictEqual((yield* ask(path, { method, headers: { ...get(key), [name]: value } })).status, 400, name)
          assert.strictEqual((yield* ask(path, { method, headers: { ...get(key), [name]: "" } })).status, 400, name)
        }
      }
      assert.strictEqual(yield* server.count, 0)
    }))

  // SPEC BROKER §3
  it.scopedLive("forwarded requests of a proxy that is not trusted are refused", () =>
    Effect.gen(function*() {
      const { ask, key } = yield* setUp({ config: { trustedProxies: ["10.0.0.0/8", "2001:db8::/32"] } })
      const reply = yield* ask("/v1/profiles/main/token", { headers: { ...get(key), "x-forwarded-for": "10.1.1.1" } })
      assert.strictEqual(reply.status, 400)
    }))

  // SPEC BROKER §3
  it.scopedLive("a request of a trusted proxy counts for the client address that the proxy has seen, whatever headers the client sent", () =>
    Effect.gen(function*() {
      const { ask, key } = yield* setUp({
        config: {
          trustedProxies: ["127.0.0.1", "::1", "10.0.0.0/8"],
          limits: { failuresPerAddress: { limit: 2, interval: "1 hour" } }
        }
      })
      const refused = (through: string) =>
        Effect.map(
          ask("/v1/profiles/main/token", {
            headers: { "x-effect-bearer": "true", authorization: "Bearer wrong", "x-forwarded-for": through }
          }),
          (reply) => reply.status
        )
      // the right end is the proxy's; what stands left of it is the client's word
      const client = ["203.0.113.7", "1.1.1.1, 203.0.113.7", "10.9.9.9, 203.0.113.7, 10.1.2.3", "x, 203.0.113.7"]
      assert.deepStrictEqual(yield* Effect.forEach(client, refused), [401, 401, 429, 429])
      // another client is another address, whoever it says it is
      assert.deepStrictEqual(yield* Effect.forEach(["203.0.113.7, 203.0.113.8", "203.0.113.9"], refused), [401, 401])
      // a client of IPv6 has many addresses, and one network
      const many = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::", "2001:db8:1:2:3:4:5:6", "2001:db8:1:3::1"]
      assert.deepStrictEqual(yield* Effect.forEach(many, refused), [401, 401, 429, 401])
      // what is no address is the proxy's own
      assert.deepStrictEqual(yield* Effect.forEach(["nobody", "", "unknown"], refused), [401, 401, 429])
      // and a key is good from anywhere
      const good = yield* ask("/v1/profiles/main/token", { headers: { ...get(key), "x-forwarded-for": "203.0.113.7" } })
      assert.strictEqual(good.status, 200)
    }))
})
