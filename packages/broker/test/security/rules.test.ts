import { BlockList } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import type { Incoming } from "../../src/guard/rules.js"
import { check } from "../../src/guard/rules.js"

const settings = { hosts: new Set(["broker.internal:8443"]), trustedProxies: new BlockList(), hasTrustedProxies: false }

const asked = (host: string, at: Partial<Incoming> = {}) =>
  check({
    route: { kind: "metrics", profile: undefined },
    headers: { host },
    isAmbiguous: false,
    address: "10.1.0.9",
    local: "10.1.0.5",
    listening: { kind: "network", port: 9180, tls: false },
    ...at
  }, settings)?.reason

describe("the Host of a request from the network", () => {
  // SPEC BROKER §3
  it("Host may be the address that the request came to, as probes and scrapers write it, and no other address", () => {
    assert.isUndefined(asked("10.1.0.5:9180"))
    assert.isUndefined(asked("[2001:db8::5]:9180", { local: "2001:db8::5" }))
    assert.isUndefined(asked("10.1.0.5:9180", { local: "::ffff:10.1.0.5" }))
    assert.isUndefined(asked("broker.internal:8443"))
    for (
      const other of ["10.1.0.6:9180", "10.1.0.5:9181", "10.1.0.5", "evil.example:9180", "10.1.0.5.evil.example:9180"]
    ) {
      assert.strictEqual(asked(other), "host", other)
    }
  })

  it("Host may be no address of the network if the listener is on loopback", () => {
    const loopback = { local: "127.0.0.1", listening: { kind: "loopback", port: 9180, tls: false } } as const
    assert.isUndefined(asked("127.0.0.1:9180", loopback))
    assert.strictEqual(asked("10.1.0.5:9180", loopback), "host")
  })
})
