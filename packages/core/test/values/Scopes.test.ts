import { assert, describe, it } from "@effect/vitest"
import { Equal, FastCheck, Hash } from "effect"
import { Scopes } from "../../src/index.js"

const word = FastCheck.stringMatching(/^[a-z:*.-]{1,8}$/)

describe("Scopes", () => {
  // SPEC A13
  it("Scopes are split at spaces, commas and semicolons, and sent with spaces", () => {
    for (const input of ["b a", "b,a", " a;b ", "a, b b", ["b", "a"], ["a b", "b"]]) {
      assert.strictEqual(Scopes.format(Scopes.make(input)), "a b")
    }
    assert.strictEqual(Scopes.make(" , ;"), Scopes.empty)
  })

  it.prop("order and repetition do not matter", [FastCheck.array(word)], ([words]) => {
    const one = Scopes.make(words)
    const two = Scopes.make([...words, ...words].reverse().join(","))
    assert.isTrue(Equal.equals(one, two))
    assert.strictEqual(Hash.hash(one), Hash.hash(two))
  })

  it.prop(
    "missing gives the scopes that are requested and not granted",
    [FastCheck.array(word), FastCheck.array(word)],
    ([a, b]) => {
      const missing = Scopes.missing(Scopes.make(a), Scopes.make(b))
      assert.deepStrictEqual(new Set(missing), new Set(a.filter((scope) => !b.includes(scope))))
    }
  )
})
