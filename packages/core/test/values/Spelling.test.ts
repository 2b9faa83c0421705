import { assert, describe, it } from "@effect/vitest"
import { Spelling } from "effect-bearer"

describe("Spelling", () => {
  it("gives the name that was meant, in any case and with any separators", () => {
    assert.strictEqual(Spelling.meant("client_id", ["clientId", "scopes"]), "clientId")
    assert.strictEqual(Spelling.meant("scpoes", ["clientId", "scopes"]), "scopes")
    assert.strictEqual(Spelling.meant("minttl", ["min-ttl", "format"]), "min-ttl")
  })

  it("gives nothing if two names are as near, if none is near, or for the name itself", () => {
    assert.strictEqual(Spelling.meant("pat", ["cat", "hat"]), undefined)
    assert.strictEqual(Spelling.meant("audience", ["scopes", "resource"]), undefined)
    assert.strictEqual(Spelling.meant("scopes", ["scopes"]), undefined)
    assert.strictEqual(Spelling.meant("x".repeat(65), ["x".repeat(64)]), undefined)
  })

  it("gives all candidates at the smallest distance within the limit", () => {
    assert.deepStrictEqual(Spelling.nearest("pat", ["cat", "hat", "mad"], 1), ["cat", "hat"])
    assert.deepStrictEqual(Spelling.nearest("ab", ["ba"], 1), ["ba"])
    assert.deepStrictEqual(Spelling.nearest("pat", ["dog"], 1), [])
    assert.deepStrictEqual(Spelling.nearest("pat", [], 1), [])
  })
})
