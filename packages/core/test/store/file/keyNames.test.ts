import { assert, describe, it } from "@effect/vitest"
import * as names from "../../../src/store/file/fileNames.js"
import * as keyNames from "../../../src/store/file/keyNames.js"

describe("the names of keys", () => {
  it("lead back to the key, from any file of it", () => {
    const { keyOf, nameOf } = keyNames.make()
    const name = nameOf("tenant|users:read")
    assert.match(name, /^[0-9a-f]{64}$/)
    assert.strictEqual(keyOf(names.lease(name, 3)), "tenant|users:read")
    assert.strictEqual(keyOf(names.token(name, { fence: 3, step: 0 })), "tenant|users:read")
  })

  it("lead nowhere from a file of no key, or of a key of other processes", () => {
    const { keyOf } = keyNames.make()
    assert.isUndefined(keyOf(names.floor(7)))
    assert.isUndefined(keyOf(names.temporary("x")))
    assert.isUndefined(keyOf(names.lease(keyNames.make().nameOf("another"), 1)))
  })

  it("are kept for 1024 keys, the latest of them", () => {
    const { keyOf, nameOf } = keyNames.make()
    const files = Array.from({ length: 1025 }, (_, index) => names.lease(nameOf(`key ${index}`), 1))
    assert.isUndefined(keyOf(files[0]!))
    assert.strictEqual(keyOf(files[1]!), "key 1")
    assert.strictEqual(keyOf(files[1024]!), "key 1024")
  })
})
