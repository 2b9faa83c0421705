import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { claimed, earlier, lifetime, refreshIn, seconds } from "../../src/wire/expiresIn.js"
import { jwt } from "../fixtures/jwt.js"

const tenYears = 10 * 365 * 86_400
/** 2027-01-15, in milliseconds. */
const sentAt = 1_800_000_000_900

const lived = (members: Record<string, unknown>, at = sentAt) => {
  const { seconds, unusable } = lifetime(new Map(Object.entries(members)), at)
  return [Option.getOrNull(seconds), unusable]
}

describe("the lifetime in a token response", () => {
  it.each<readonly [unknown, number | null]>([
    [3600, 3600],
    [3600.9, 3600],
    ["3600", 3600],
    ["3600.9", 3600],
    [0, 0],
    ["0", 0],
    [-1, null],
    ["-1", null],
    ["", null],
    ["x60", null],
    ["60x", null],
    ["60.", null],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
    [null, null],
    [[60], null],
    [true, null]
  ])("%j is read as %j seconds", (value, expected) => {
    assert.deepStrictEqual(lived({ expires_in: value }), [expected, expected === null ? ["expires_in"] : []])
    assert.strictEqual(Option.getOrNull(seconds(value)), expected)
    assert.strictEqual(Option.getOrNull(refreshIn(new Map([["refresh_in", value]]))), expected)
  })

  it("is at most ten years, and a number that is no duration is a point in time", () => {
    const of = (value: number) => lived({ expires_in: value })[0]
    assert.strictEqual(of(4e8), tenYears)
    // up to here it is a duration
    assert.strictEqual(of(1e9), tenYears)
    // seconds since 1970; a point in the past is no time at all
    assert.strictEqual(of(1_800_003_600), 3600)
    assert.strictEqual(of(1e9 + 1), 0)
    assert.strictEqual(of(1e11), tenYears)
    // milliseconds since 1970
    assert.strictEqual(of(1_800_003_600_900), 3600)
    assert.strictEqual(of(1_800_003_600_899), 3599)
    assert.strictEqual(of(1e12 + 1), 0)
    assert.strictEqual(of(1e12), tenYears)
    // no date at all
    assert.strictEqual(of(1e14), tenYears)
    assert.strictEqual(Option.getOrNull(seconds(1e300)), tenYears)
    assert.strictEqual(Option.getOrNull(refreshIn(new Map([["refresh_in", 1e300]]))), tenYears)
  })

  it("comes from the other members only where expires_in is missing or unusable", () => {
    const azure = "1800000060"
    assert.deepStrictEqual(lived({ expires_in: 1, expires: 2, expires_on: azure }), [1, []])
    assert.deepStrictEqual(lived({ expires_in: "?", expires: 2, expires_on: azure }), [2, []])
    assert.deepStrictEqual(lived({ expires: "?", expires_on: azure }), [60, []])
    assert.deepStrictEqual(lived({ expires_in: "?", expires: "?", expires_on: "?" }), [
      null,
      ["expires_in", "expires", "expires_on"]
    ])
    assert.deepStrictEqual(lived({}), [null, []])
    // a point in time, however small the number
    assert.deepStrictEqual(lived({ expires_on: 60 }), [0, []])
  })
})

describe("the end that a token states itself", () => {
  it("is none without an exp, and unusable in the past", () => {
    const none = { expiresAt: Option.none(), isPast: false }
    assert.deepStrictEqual(claimed("opaque", 0), none)
    assert.deepStrictEqual(claimed(jwt({}), 0), none)
    assert.deepStrictEqual(claimed(jwt({ exp: 60 }), 60_000), { expiresAt: Option.none(), isPast: true })
    assert.deepStrictEqual(claimed(jwt({ exp: 60 }), 59_999), { expiresAt: Option.some(60_000), isPast: false })
  })

  it("is at most ten years away", () => {
    const { expiresAt } = claimed(jwt({ exp: 8e12 }), 1000)
    assert.deepStrictEqual(expiresAt, Option.some(1000 + tenYears * 1000))
  })

  it("counts if it is the earlier one, or the only one", () => {
    const [one, two] = [Option.some(1), Option.some(2)]
    for (const [a, b] of [[one, two], [two, one], [one, Option.none()], [Option.none(), one]] as const) {
      assert.deepStrictEqual(earlier(a, b), one)
    }
    assert.deepStrictEqual(earlier(Option.none(), Option.none()), Option.none())
  })
})
