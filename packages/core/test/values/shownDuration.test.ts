import { assert, describe, it } from "@effect/vitest"
import { shownDuration } from "../../src/values/shownDuration.js"

describe("a duration in a log line or an error", () => {
  it("is shown in whole milliseconds, and in units from a second on", () => {
    assert.deepStrictEqual(
      [0, 0.4, 12.345678, 340, 999.4, 999.7, 1000, 1340.0004, 125_000, 86_400_000].map(shownDuration),
      ["0ms", "0ms", "12ms", "340ms", "999ms", "1s", "1s", "1s 340ms", "2m 5s", "1d"]
    )
  })

  it("of a clock that was put back is negative", () => {
    assert.strictEqual(shownDuration(-5.2), "-5ms")
  })
})
