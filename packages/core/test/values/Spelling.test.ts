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
    assert.deepStrictEqual(Spelling.nearest("abcd", ["ab"], 2), ["ab"], "as many letters fewer as the limit")
  })

  it("two letters that changed places are one step, and only where they are neighbours", () => {
    assert.deepStrictEqual(Spelling.nearest("xab", ["xba"], 1), ["xba"])
    assert.deepStrictEqual(Spelling.nearest("abcd", ["badc"], 2), ["badc"], "twice")
    assert.deepStrictEqual(Spelling.nearest("abcd", ["badc"], 1), [])
    assert.deepStrictEqual(Spelling.nearest("xa", ["ay"], 1), [], "one of the two only")
    assert.deepStrictEqual(Spelling.nearest("ax", ["ya"], 1), [], "the other of the two only")
  })

  it("compares no text of more than 64 letters, and no more than 1000 candidates", () => {
    assert.deepStrictEqual(Spelling.nearest("x".repeat(64), ["x".repeat(63)], 1), ["x".repeat(63)])
    assert.deepStrictEqual(Spelling.nearest("x".repeat(65), ["x".repeat(64)], 1), [])
    const many = (count: number) => Array.from({ length: count }, (_, i) => i === 0 ? "cat" : "other")
    assert.deepStrictEqual(Spelling.nearest("pat", many(1000), 1), ["cat"])
    assert.deepStrictEqual(Spelling.nearest("pat", many(1001), 1), [])
    const dashed = `${"x".repeat(31)}-${"x".repeat(32)}`
    assert.strictEqual(Spelling.meant(dashed, ["x".repeat(63)]), "x".repeat(63), "64 letters")
    assert.strictEqual(Spelling.meant(`${dashed}-`, ["x".repeat(63)]), undefined, "65, though two of them do not count")
  })

  it("the longer the name, the more letters may differ: one, two, and three at the most", () => {
    assert.strictEqual(Spelling.meant("ab", ["ac"]), "ac")
    assert.strictEqual(Spelling.meant("abcde", ["abcxy"]), undefined)
    assert.strictEqual(Spelling.meant("abcdef", ["abcdxy"]), "abcdxy")
    assert.strictEqual(Spelling.meant("abcdefghijkl", ["abcdefghixyz"]), "abcdefghixyz")
    assert.strictEqual(Spelling.meant("abcdefghijkl", ["abcdefghwxyz"]), undefined)
  })

  it("two names that are one but for their case are no answer", () => {
    assert.strictEqual(Spelling.meant("TTL_MIN", ["ttlMin", "ttl-min"]), undefined)
  })
})
