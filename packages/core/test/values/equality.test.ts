import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted } from "effect"

/** `test/equality.ts` makes this work, and every test that compares such values depends on it. */
describe("assert.deepStrictEqual", () => {
  const same: ReadonlyArray<readonly [unknown, unknown]> = [
    [Option.none(), Option.none()],
    [Option.some({ a: [1] }), Option.some({ a: [1] })],
    [Redacted.make("a"), Redacted.make("a")],
    [{ a: Option.some(Redacted.make("a")) }, { a: Option.some(Redacted.make("a")) }],
    [[1, new Set([2])], [1, new Set([2])]]
  ]
  const different: ReadonlyArray<readonly [unknown, unknown]> = [
    [Option.some(1), Option.none()],
    [Option.none(), Option.some(1)],
    [Option.some(1), Option.some(2)],
    [Option.some(Option.none()), Option.some(Option.some(undefined))],
    [Redacted.make("a"), Redacted.make("b")],
    [{ a: [Option.some(1)] }, { a: [Option.none()] }],
    [new Map([["a", Redacted.make("a")]]), new Map([["a", Redacted.make("b")]])],
    [1, 2]
  ]

  it("assert.deepStrictEqual finds different values of Effect different", () => {
    for (const [left, right] of same) assert.deepStrictEqual(left, right)
    for (const [left, right] of different) assert.throws(() => assert.deepStrictEqual(left, right), /deeply equal/)
  })
})
