import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Either, FastCheck, Option, Pretty, Schema, SchemaAST } from "effect"
import { built } from "../../../src/edge/schemas/built.js"

class Point {
  constructor(readonly x: number, readonly label: string) {}
  get text() {
    return `${this.label} at ${this.x}`
  }
}

// built anew in each test, so that its mutants meet the test
const makePoint = (pretty?: (point: Point) => string) =>
  built(
    "Point",
    "a point",
    Schema.Struct({ x: Schema.Positive, label: Schema.String }),
    (u): u is Point => u instanceof Point,
    ({ label, x }) => new Point(x, label),
    pretty
  )

describe("a schema for a value that the library builds", () => {
  it("builds the value from its fields, and writes these fields only", () => {
    const point = makePoint()
    const value = Schema.decodeUnknownSync(point.encoded)({ x: 1, label: "here", more: true })
    assert.instanceOf(value, Point)
    assert.strictEqual(value.text, "here at 1")
    assert.deepStrictEqual(Schema.encodeSync(point.encoded)(value), { x: 1, label: "here" })
    assert.isTrue(Either.isLeft(Schema.encodeEither(point.encoded)(new Point(-1, "here"))))
  })

  it("inside one process, gives back the very value", () => {
    const point = makePoint()
    const value = new Point(1, "here")
    assert.strictEqual(Schema.decodeUnknownSync(point.self)(value), value)
    assert.strictEqual(Schema.encodeSync(point.self)(value), value)
  })

  it("reads no value of another class, and none with a wrong field", () => {
    const point = makePoint()
    for (const wrong of [{ x: 1, label: "here" }, new Point(-1, "here"), null]) {
      assert.isTrue(Either.isLeft(Schema.decodeUnknownEither(point.self)(wrong)))
    }
  })

  it("is made at random from its fields, and shown by its name only, unless it says how", () => {
    const point = makePoint()
    const [value] = FastCheck.sample(Arbitrary.make(point.self), 1)
    assert.instanceOf(value, Point)
    assert.isAbove(value!.x, 0)
    assert.strictEqual(Pretty.make(point.self)(new Point(1, "s3cr3t")), "Point")
    const shown = makePoint(({ x }) => `Point at ${x}`)
    assert.strictEqual(Pretty.make(shown.self)(new Point(1, "s3cr3t")), "Point at 1")
  })

  it("has its name and its description in a document of the schema", () => {
    const point = makePoint()
    for (const { ast } of [point.self, point.encoded]) {
      assert.deepStrictEqual(SchemaAST.getIdentifierAnnotation(ast), Option.some("effect-bearer.Point"))
      assert.deepStrictEqual(SchemaAST.getDescriptionAnnotation(ast), Option.some("a point"))
    }
  })

  it("an error names the place of the mistake and never quotes the input", () => {
    const point = makePoint()
    for (
      const result of [
        Schema.decodeUnknownEither(point.encoded)({ x: "s3cr3t", label: "here" }),
        Schema.decodeUnknownEither(point.self)(new Point(-1, "s3cr3t")),
        Schema.encodeEither(point.self)(new Point(-1, "s3cr3t"))
      ]
    ) {
      const message = Either.isLeft(result) ? result.left.message : ""
      assert.include(message, "Point: x ")
      assert.notInclude(message, "s3cr3t")
    }
  })
})
