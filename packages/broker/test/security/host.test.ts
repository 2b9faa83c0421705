import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { configOf, get, setUp } from "../support/broker.js"
import * as raw from "../support/raw.js"

/** DNS rebinding: a web page whose name has been bound to this machine sends its own name as `Host`. */
describe("Host", () => {
  // SPEC BROKER §3
  it.scopedLive("the Host header has to name this machine or a configured name, with the port", () =>
    Effect.gen(function*() {
      const { broker, encoded, key, listening, origin, server } = yield* setUp({
        config: { hosts: ["Broker.internal:8443", "plain.internal"] }
      })
      const { port } = new URL(origin)
      const status = (host: ReadonlyArray<string>, target = "/v1/profiles/main/token", version = "1.1") =>
        Effect.map(
          raw.exchange(
            origin,
            raw.request(
              target,
              [
                ...host.map((value) => ["Host", value] as const),
                ...Object.entries(get(key))
              ],
              { version }
            )
          ),
          raw.statusOf
        )
      const allowed = [
        `127.0.0.1:${port}`,
        `127.8.9.1:${port}`,
        `localhost:${port}`,
        `LOCALHOST:${port}`,
        `LocalHost:${port}`,
        `[::1]:${port}`,
        "broker.internal:8443",
        "BROKER.INTERNAL:8443",
        "plain.internal"
      ]
      for (const host of allowed) assert.strictEqual(yield* status([host]), 200, host)
      const refused = [
        `evil.example:${port}`,
        "evil.example",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:1",
        `localhost:${Number(port) + 1}`,
        `localhost:${port}:${port}`,
        "localhost:",
        `localhost.:${port}`,
        `localhost.evil.example:${port}`,
        `evil.localhost:${port}`,
        `127.0.0.1.evil.example:${port}`,
        `127.0.0.1.:${port}`,
        // forms of addresses that resolvers take for the same
        `127.1:${port}`,
        `2130706433:${port}`,
        `0x7f000001:${port}`,
        `0177.0.0.1:${port}`,
        `0.0.0.0:${port}`,
        `::1:${port}`,
        `[::]:${port}`,
        `[::ffff:127.0.0.1]:${port}`,
        `[::1%25lo]:${port}`,
        `[fe80::1]:${port}`,
        `127.0.0.1@evil.example:${port}`,
        `evil.example@127.0.0.1:${port}`,
        `127.0.0.1:${port}/`,
        `127.0.0.1:${port}, evil.example`,
        `evil.example, 127.0.0.1:${port}`,
        `10.0.0.1:${port}`,
        "broker.internal",
        "broker.internal.:8443",
        `broker.internal:${port}`,
        "xbroker.internal:8443",
        "plain.internal:80",
        ""
      ]
      for (const host of refused) {
        const given = yield* status([host])
        assert.isTrue(given === 421 || given === 400, `${host}: ${given}`)
      }
      // none, and two, of which a proxy may have looked at the other one
      assert.strictEqual(yield* status([]), 400)
      assert.strictEqual(yield* status([], undefined, "1.0"), 421)
      assert.strictEqual(yield* status([`127.0.0.1:${port}`, "evil.example"]), 400)
      assert.strictEqual(yield* status(["evil.example", `127.0.0.1:${port}`]), 400)
      assert.strictEqual(yield* status([`127.0.0.1:${port}`, `127.0.0.1:${port}`]), 400)
      // a target that has a host of its own is no path of this server, whatever Host says
      assert.strictEqual(
        yield* status([`127.0.0.1:${port}`], `http://evil.example/v1/profiles/main/token`),
        404
      )
      assert.strictEqual(yield* status([`127.0.0.1:${port}`], `http://127.0.0.1:${port}/v1/profiles/main/token`), 404)
      assert.strictEqual(yield* status(["evil.example"], `http://127.0.0.1:${port}/v1/profiles/main/token`), 421)
      assert.strictEqual(yield* server.count, 1)

      // the paths that are open to all are not open to other names
      for (const path of ["/health/live", "/health/ready", "/", "/openapi.json", "/status", "/metrics", "/nowhere"]) {
        assert.strictEqual(yield* status([`evil.example:${port}`], path), 421, path)
      }

      // the same on the other family of addresses, where the machine has it
      const other = listening.addresses.find((address) => address.includes("[::1]"))
      if (other !== undefined) {
        const through = (host: string) =>
          Effect.map(raw.exchange(other, raw.request("/health/live", [["Host", host]])), raw.statusOf)
        assert.strictEqual(yield* through(`[::1]:${port}`), 200)
        assert.strictEqual(yield* through(`evil.example:${port}`), 421)
      }

      // a reload takes a name away
      yield* broker.reload(configOf({ ...encoded, hosts: [] }))
      assert.strictEqual(yield* status(["broker.internal:8443"]), 421)
    }))
})
