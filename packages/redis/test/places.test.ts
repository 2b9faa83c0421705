import { assert, describe, it } from "@effect/vitest"
import * as places from "../src/internal/places.js"

/** The hash tag, as the specification of Redis Cluster finds it: between the first brace and the next closing one. */
const tagOf = (place: string) => /\{([^}]*)\}/.exec(place)?.[1]

describe("where Redis keeps the parts of a key", () => {
  it("are three names with one hash tag that is not empty, whatever the key", () => {
    for (const key of ["", "tenant|users:read", "{", "}", "{}", "}{a}", "a{b}c", "ключ", "\ud83d\ude00", "\ud83d"]) {
      const { fence, lease, token } = places.of("tokens:", key)
      assert.strictEqual(new Set([fence, lease, token]).size, 3)
      const tags = [fence, lease, token].map(tagOf)
      assert.isNotEmpty(tags[0], key)
      assert.deepStrictEqual(tags, [tags[0], tags[0], tags[0]])
    }
  })

  it("begin with the prefix, and show the key", () => {
    assert.deepStrictEqual(places.of("tokens:", "users"), {
      token: "tokens:{=users}:token",
      lease: "tokens:{=users}:lease",
      fence: "tokens:{=users}:fence"
    })
  })

  it("differ for keys that UTF-8 cannot tell apart", () => {
    const names = ["\ud83d", "\ud83e", "\ufffd", "a\ud83d"].map((key) => places.of("", key).token)
    assert.strictEqual(new Set(names.map((name) => Buffer.from(name).toString("hex"))).size, names.length)
  })
})
