import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Duration, Option } from "effect"
import { TokenError } from "../../src/index.js"
import { backgroundStep, leastPause, mandated, refusalStep } from "../../src/lifecycle/backOff.js"
import { refused, unavailable } from "../support/scripted.js"

describe("back-off", () => {
  it("the step of a background renewal doubles from a tenth of the lifetime, at most 1 s, up to 30 s", () => {
    const steps = (lifetime: number) => Arr.makeBy(8, (n) => backgroundStep(n + 1, lifetime))
    assert.deepStrictEqual(steps(3_600_000), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
    assert.deepStrictEqual(steps(Number.POSITIVE_INFINITY), steps(3_600_000))
    assert.deepStrictEqual(steps(2000).slice(0, 3), [200, 400, 800])
    assert.strictEqual(backgroundStep(1, 0), 50, "never busy")
    assert.strictEqual(backgroundStep(1e9, 0), 30_000)
  })

  it("a failure is repeated for 1 s at first, and later for up to 5 s", () => {
    assert.deepStrictEqual(Arr.makeBy(5, (n) => refusalStep(n + 1)), [1000, 2000, 4000, 5000, 5000])
    assert.strictEqual(leastPause, 500)
  })

  // FAULTS B5
  it("a server is not asked for as long as it says, up to a limit", () => {
    const after = (seconds: number) => unavailable(Duration.seconds(seconds))
    assert.strictEqual(mandated(after(7), 0), 7000)
    assert.strictEqual(mandated(after(1e9), 0), 300_000)
    assert.strictEqual(mandated(after(7), 0, 2000), 2000)
    assert.strictEqual(mandated(refused(), 0), 0)
    const open = (retryAt: number) => new TokenError.CircuitOpen({ retryAt: Option.some(retryAt) })
    assert.strictEqual(mandated(open(7000), 5000), 2000)
    assert.strictEqual(mandated(open(1000), 5000), 0, "that moment is over")
    assert.strictEqual(mandated(open(Number.POSITIVE_INFINITY), 0), 300_000)
    assert.strictEqual(mandated(open(Number.NaN), 0), 0, "an error of somebody's own may say anything")
    assert.strictEqual(mandated(undefined, 0), 0)
  })
})
