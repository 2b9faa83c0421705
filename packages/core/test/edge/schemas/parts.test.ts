import { assert, describe, it } from "@effect/vitest"
import { Duration, Either, Option, Schema } from "effect"
import * as parts from "../../../src/edge/schemas/parts.js"

const reads = <A, I>(schema: Schema.Schema<A, I>, input: unknown) =>
  Either.isRight(Schema.decodeUnknownEither(schema)(input))

describe("the parts of the schemas: bounds", () => {
  it("a text has at most 1 048 576 characters", () => {
    assert.isTrue(reads(parts.text, "x".repeat(1_048_576)))
    assert.isFalse(reads(parts.text, "x".repeat(1_048_577)))
  })

  it("a list and a record have at most 65 536 entries", () => {
    const full = Array.from({ length: 65_536 }, (_, index) => `${index}`)
    const asRecord = (keys: ReadonlyArray<string>) => Object.fromEntries(keys.map((key) => [key, key]))
    const record = parts.record("an object of strings", parts.isText, {})
    assert.isTrue(reads(parts.texts, full))
    assert.isTrue(reads(record, asRecord(full)))
    assert.isFalse(reads(parts.texts, [...full, "one more"]))
    assert.isFalse(reads(record, asRecord([...full, "one more"])))
  })

  it("a duration is a finite number of milliseconds, zero or more", () => {
    assert.deepStrictEqual(Schema.decodeSync(parts.duration)(1500), Duration.millis(1500))
    for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY, "1500"]) assert.isFalse(reads(parts.duration, wrong))
    assert.isTrue(Either.isLeft(Schema.encodeEither(parts.duration)(Duration.infinity)))
  })

  it("a record is given back as it is, with `__proto__` as an ordinary member", () => {
    const record = parts.record("an object of strings", parts.isText, {})
    const input: unknown = JSON.parse("{\"__proto__\":\"x\"}")
    assert.strictEqual(Schema.decodeUnknownSync(record)(input), input as never)
  })

  it("a member that may be left out may also be null", () => {
    const schema = Schema.Struct({ value: parts.optional(parts.text) })
    for (const input of [{}, { value: null }]) {
      assert.deepStrictEqual(Schema.decodeUnknownSync(schema)(input), { value: Option.none() })
    }
  })
})
