import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { built } from "../../../src/edge/schemas/built.js"

class Point {
  constructor(readonly x: number, readonly label: string) {}
  get text() {
    return `${this.label} at ${this.x}`
  }
}

const point = built(
  "Point",
  "a point",
  Schema.Struct({ x: Schema.Positive, label: Schema.String }),
  (u): u is Point => u instanceof Point,
  ({ label, x }) => new Point(x, label)
)

describe("a schema for a value that the library builds", () => {
  it("builds the value from its fields, and writes these fields only", () => {
    const value = Schema.decodeUnknownSync(point.encoded)({ x: 1, label: "here", more: true })
    assert.instanceOf(value, Point)
    assert.strictEqual(value.text, "here at 1")
    assert.deepStrictEqual(Schema.encodeSync(point.encoded)(value), { x: 1, label: "here" })
  })

  it("inside one process, gives back the very value", () => {
    const value = new Point(1, "here")
    assert.strictEqual(Schema.decodeUnknownSync(point.self)(value), value)
    assert.strictEqual(Schema.encodeSync(point.self)(value), value)
  })

  it("reads no value of another class, and none with a wrong field", () => {
    for (const wrong of [{ x: 1, label: "here" }, new Point(-1, "here"), null]) {
      assert.isTrue(Either.isLeft(Schema.decodeUnknownEither(point.self)(wrong)))
    }
  })

  it("an error names the place of the mistake and never quotes the input", () => {
    const result = Schema.decodeUnknownEither(point.encoded)({ x: "s3cr3t", label: "here" })
    const message = Either.isLeft(result) ? result.left.message : ""
    assert.include(message, "Point: x ")
    assert.notInclude(message, "s3cr3t")
  })
})
