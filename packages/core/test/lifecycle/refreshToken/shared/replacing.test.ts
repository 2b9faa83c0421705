import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted } from "effect"
import type { Stored } from "../../../../src/lifecycle/refreshToken/contract.js"
import { isInPlace, isMark, owed } from "../../../../src/lifecycle/refreshToken/shared/replacing.js"

const record = (token: string, more: Partial<Stored> = {}): Stored => ({
  token: Redacted.make(token),
  expiresAt: Option.none(),
  rotates: true,
  state: "ready",
  ...more
})
const none = Option.none<Stored>()
const first = record("refresh-1")
const marked = record("refresh-1", { state: "sent", mark: "use-1" })
const next = record("refresh-2")

describe("which record of a refresh token may replace which", () => {
  it("the one that is in the store is replaced if it is the expected one", () => {
    assert.isTrue(isInPlace(Option.some(first), Option.some(first), marked))
    const dead = record("refresh-1", { state: "dead" })
    assert.isFalse(isInPlace(Option.some(marked), Option.some(first), dead))
    assert.isFalse(
      isInPlace(Option.some(record("refresh-1", { state: "sent", mark: "use-2" })), Option.some(marked), dead)
    )
    assert.isFalse(isInPlace(Option.some({ ...marked, state: "sentTwice" }), Option.some(marked), dead))
    assert.isFalse(isInPlace(Option.some(next), Option.some(first), marked))
    assert.isFalse(isInPlace(none, Option.some(first), marked))
  })

  it("a mark is a record that says so", () => {
    assert.deepStrictEqual([first, marked].map(isMark), [false, true])
  })

  it("a first record is written only into an empty store", () => {
    assert.isTrue(isInPlace(none, none, first))
    assert.isFalse(isInPlace(Option.some(first), none, next))
  })

  it("a new refresh token also replaces the one it was exchanged for under another mark, and fills an empty store", () => {
    const expected = Option.some(marked)
    assert.isTrue(isInPlace(Option.some(record("refresh-1", { state: "sent", mark: "use-2" })), expected, next))
    assert.isTrue(isInPlace(none, expected, next))
    assert.isFalse(isInPlace(Option.some(record("refresh-3")), expected, next))
  })
})

describe("what is stored later, if a record could not be stored", () => {
  it("is the record itself, in place of the same one", () => {
    assert.deepStrictEqual(owed(next, Option.some(marked)), { next, over: Option.some(marked) })
  })

  it("is the record of before, if the other said that the refresh token is about to be sent: it was not", () => {
    const unmarked = { ...first, mark: undefined }
    assert.deepStrictEqual(owed(marked, Option.some(first)), { next: unmarked, over: Option.some(marked) })
    const ready = { ...marked, state: "ready" as const, mark: undefined }
    assert.deepStrictEqual(owed(marked, none), { next: ready, over: Option.some(marked) })
  })
})
