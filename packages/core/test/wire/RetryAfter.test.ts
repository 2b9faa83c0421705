import { Headers } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Duration, FastCheck, Option } from "effect"
import { RetryAfter } from "../../src/index.js"

const now = Date.UTC(2024, 1, 28, 12, 0, 0)
const millis = (value: string, at = now) => Option.getOrNull(Option.map(RetryAfter.parse(value, at), Duration.toMillis))
const fromHeaders = (headers: Record<string, string>) =>
  Option.getOrNull(Option.map(RetryAfter.fromHeaders(Headers.fromInput(headers), now), Duration.toMillis))

// SPEC A7
describe("RetryAfter", () => {
  it("W3.32 W3.34 reads seconds, fractions rounded up to whole milliseconds", () => {
    assert.deepStrictEqual(
      ["42", "0", "1.5", "1.1", "0.0001", "1.0000", " 7\t"].map((value) => millis(value)),
      [42_000, 0, 1_500, 1_100, 1, 1_000, 7_000]
    )
  })

  it("W3.34 ignores values that are neither a number nor a date", () => {
    for (
      const value of [
        "-3",
        "abc",
        "120, 120",
        "",
        " ",
        "1e3",
        "0x10",
        "+5",
        ".5",
        "5.",
        "Infinity",
        "NaN",
        "２",
        "2024",
        "2024-02-28",
        "2024-02-28T12:00:00Z",
        "Wed, 28 Feb 2024 12:00:00 +0000",
        "Wed, 28 Feb 2024 12:00:00 gmt",
        "28 Feb 2024 12:00:00 GMT",
        "Wed, 31 Feb 2024 12:00:00 GMT",
        "Wed, 28 Feb 2024 24:00:00 GMT",
        "Wed, 28 Feb 2024 12:60:00 GMT",
        "Wed, 28 Feb 2024 12:00:61 GMT"
      ]
    ) {
      if (value !== "2024") assert.isNull(millis(value), value)
    }
    // Date.parse("120") is the year 120: a numeric string must stay a number of seconds
    assert.strictEqual(millis("120"), 120_000)
  })

  it("W3.33 reads the three dates of RFC 9110", () => {
    assert.strictEqual(millis("Wed, 28 Feb 2024 12:01:00 GMT"), 60_000)
    assert.strictEqual(millis("Wednesday, 28-Feb-24 12:01:00 GMT"), 60_000)
    assert.strictEqual(millis("Wed Feb 28 12:01:00 2024"), 60_000)
    assert.strictEqual(millis("Fri Mar  1 12:00:00 2024"), 2 * 86_400_000)
    assert.strictEqual(millis("Thu, 29 Feb 2024 12:00:00 GMT"), 86_400_000)
  })

  it("W3.33 a two-digit year more than 50 years ahead belongs to the past century", () => {
    assert.strictEqual(millis("Sunday, 06-Nov-94 08:49:37 GMT"), 0)
    assert.strictEqual(millis("Saturday, 28-Feb-74 12:00:00 GMT"), Date.UTC(2074, 1, 28, 12) - now)
    assert.strictEqual(millis("Tuesday, 28-Feb-75 12:00:00 GMT"), 0)
  })

  it("W3.33 a leap second is the first second of the next minute", () => {
    assert.strictEqual(millis("Wed, 28 Feb 2024 12:00:60 GMT"), 60_000)
  })

  it("a date in the past is zero", () => {
    assert.strictEqual(millis("Wed, 28 Feb 2024 11:00:00 GMT"), 0)
    assert.strictEqual(millis("Sun, 06 Nov 1994 08:49:37 GMT"), 0)
  })

  it("W3.33 compares a date with the response's own Date header", () => {
    const headers = { "retry-after": "Wed, 28 Feb 2024 13:00:10 GMT", date: "Wed, 28 Feb 2024 13:00:00 GMT" }
    assert.strictEqual(fromHeaders(headers), 10_000)
    assert.strictEqual(fromHeaders({ ...headers, date: "soon" }), 3_610_000)
    assert.strictEqual(fromHeaders({ "retry-after": "5", date: "Wed, 28 Feb 2024 13:00:00 GMT" }), 5_000)
  })

  it("W3.35 reads the headers in the documented order and skips unreadable ones", () => {
    const all = { "retry-after-ms": "100", "x-ms-retry-after-ms": "200", "Retry-After": "3" }
    assert.strictEqual(fromHeaders(all), 100)
    assert.strictEqual(fromHeaders({ ...all, "retry-after-ms": "soon" }), 200)
    assert.strictEqual(fromHeaders({ ...all, "retry-after-ms": "-1", "x-ms-retry-after-ms": "" }), 3_000)
    assert.strictEqual(fromHeaders({ "retry-after-ms": "1.2" }), 2)
    assert.isNull(fromHeaders({ "x-ratelimit-reset": "60", "inin-ratelimit-reset": "60" }))
    assert.isNull(fromHeaders({}))
    // a client of somebody's own may have put it there
    const listed = { "retry-after": ["5"] } as unknown as Headers.Headers
    assert.isTrue(Option.isNone(RetryAfter.fromHeaders(listed, now)))
  })

  it("W3.38 absurd values neither throw nor become infinite", () => {
    assert.strictEqual(millis("86400"), 86_400_000)
    for (const value of ["9".repeat(400), `${"9".repeat(20)}.${"9".repeat(400)}`, "Fri, 31 Dec 9999 23:59:59 GMT"]) {
      assert.isTrue(Number.isSafeInteger(millis(value)), value.slice(0, 30))
    }
    assert.isTrue(Number.isSafeInteger(fromHeaders({ "retry-after-ms": "9".repeat(400) })))
  })

  it("any text gives None or a non-negative duration", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string(), FastCheck.integer({ min: 0, max: 4e12 }), (value, at) => {
        const found = millis(value, at)
        return found === null || (Number.isSafeInteger(found) && found >= 0)
      }),
      { numRuns: 1000 }
    )
  })

  it("reads back every date it is given", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.integer({ min: 0, max: 4e9 }), (seconds) => {
        const date = new Date(seconds * 1000).toUTCString()
        return millis(date, 0) === seconds * 1000
      }),
      { numRuns: 1000 }
    )
  })

  // FAULTS B3
  it("a header with a long run of blanks does not take quadratic time", () => {
    // quadratic time would be half a minute
    const blanks = " ".repeat(100_000)
    assert.strictEqual(millis(`1${blanks}x`), null)
    assert.strictEqual(millis(`${blanks}2\t${blanks}`), 2000)
  }, 5000)
})
