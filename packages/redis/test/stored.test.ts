import { assert, describe, it } from "@effect/vitest"
import { Either, Option } from "effect"
import { AccessToken, TokenStore } from "effect-bearer"
import * as stored from "../src/internal/stored.js"

const token = AccessToken.make({ value: "s3cr3t", issuedAt: 1_000, expiresAt: 61_000 })
const endless = AccessToken.make({ value: "s3cr3t", issuedAt: 1_000 })
const found = (of: AccessToken.AccessToken, lifetime: number): stored.Found => ({ token: of, text: "", lifetime })

describe("a token in Redis", () => {
  it("stands behind the number of its lease", () => {
    const text = `17 ${TokenStore.encodeToken(token)}`
    const read = Either.getOrThrow(stored.decode([text, 500]))
    assert.isTrue(AccessToken.isSame(read.token, token))
    assert.strictEqual(read.text, text)
    assert.strictEqual(read.lifetime, 500)
  })

  it("is unreadable in any other form, and not quoted", () => {
    const text = TokenStore.encodeToken(token)
    for (
      const reply of ["s3cr3t", [text, 500], [`x ${text}`, 500], [`17 ${text}`, "500"], ["17 s3cr3t", 500], [], {}]
    ) {
      const problem = Option.getOrThrow(Either.getLeft(stored.decode(reply)))
      assert.isNotEmpty(problem)
      assert.notInclude(problem, "s3cr3t")
    }
  })

  it("has the time that Redis keeps it for, by the clock of this machine", () => {
    // this clock is an hour behind that of the machine that stored it
    const here = Option.getOrThrow(stored.current(found(token, 30_000), -3_600_000))
    assert.deepStrictEqual(here.expiresAt, Option.some(-3_570_000))
    assert.strictEqual(here.issuedAt, -3_630_000)
    assert.isTrue(AccessToken.isSame(here, token))
  })

  it("is none when its time is over, and keeps its own time if Redis keeps it for ever", () => {
    assert.isTrue(Option.isNone(stored.current(found(token, 0), 5_000)))
    assert.isTrue(Option.isNone(stored.current(found(token, -1), 61_000)))
    assert.deepStrictEqual(Option.getOrThrow(stored.current(found(token, -1), 60_999)).expiresAt, Option.some(61_000))
    assert.isTrue(Option.isSome(stored.current(found(endless, 10), 61_000)))
  })

  it("is kept until it expires, ten years at most, and for the given time if its end is unknown", () => {
    assert.strictEqual(stored.lifetime(token, 1_000.5, 7), 59_999)
    assert.strictEqual(stored.lifetime(endless, 1_000, 7), 7)
    const long = AccessToken.make({ value: "x", issuedAt: 0, expiresAt: 1e15 })
    assert.strictEqual(stored.lifetime(long, 0, 7), 3_650 * 86_400_000)
    assert.isAtMost(stored.lifetime(token, 61_000, 7), 0)
  })

  it("the number of a lease is a whole one that a number of JavaScript can hold", () => {
    for (const reply of [17, "17"]) assert.deepStrictEqual(stored.fence(reply), Either.right(17))
    for (const reply of ["x", 0.5, "1e999", 2 ** 53, [], true, {}]) assert.isTrue(Either.isLeft(stored.fence(reply)))
  })
})
