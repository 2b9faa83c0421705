import { assert, describe, it } from "@effect/vitest"
import { Bytes } from "../../src/index.js"

describe("Bytes", () => {
  it("joins pieces in their order, also none, one and empty ones", () => {
    const piece = (...bytes: ReadonlyArray<number>) => new Uint8Array(bytes)
    assert.deepStrictEqual(Bytes.concat([piece(1, 2), piece(), piece(3)]), piece(1, 2, 3))
    assert.deepStrictEqual(Bytes.concat([]), piece())
  })

  it("the result is an array of its own, also for a single piece out of a larger buffer", () => {
    const buffer = new Uint8Array([0, 1, 2, 3])
    const joined = Bytes.concat([buffer.subarray(1, 3)])
    buffer.fill(9)
    assert.deepStrictEqual(Array.from(joined), [1, 2])
    assert.strictEqual(joined.buffer.byteLength, 2)
  })
})
