import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Clocks } from "../../src/index.js"
import { steppable } from "../support/time.js"

describe("Clocks", () => {
  it.effect("reads both clocks in milliseconds", () =>
    Effect.gen(function*() {
      const before = yield* Clocks.now
      yield* TestClock.adjust(1500)
      const after = yield* Clocks.now
      assert.strictEqual(after.wall - before.wall, 1500)
      assert.strictEqual(after.steady - before.steady, 1500)
    }))

  it.effect("the steady clock counts parts of a millisecond", () =>
    Effect.gen(function*() {
      const { stepped } = yield* steppable
      const { steady } = Clocks.read({ ...stepped, unsafeCurrentTimeNanos: () => BigInt(1_234_567_890) })
      assert.strictEqual(steady, 1234.567)
    }))

  // FAULTS K1, K2, K3
  it.effect("a period ends on time, however the wall clock is set", () =>
    Effect.gen(function*() {
      const { state, stepped } = yield* steppable
      const now = Effect.withClock(Clocks.now, stepped)
      const period = Clocks.period(yield* now, 1000)
      for (const step of [0, -3_600_000, 3_600_000]) {
        state.step = step
        assert.strictEqual(Clocks.left(period, yield* now), 1000)
        assert.isFalse(Clocks.isOver(period, yield* now))
      }
      yield* TestClock.adjust(999)
      assert.strictEqual(Clocks.left(period, yield* now), 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(Clocks.left(period, yield* now), 0)
      assert.isTrue(Clocks.isOver(period, yield* now))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(Clocks.left(period, yield* now), 0)
      assert.isFalse(Clocks.isOver(Clocks.period(yield* now, Infinity), yield* now))
    }))

  it("a stored stretch of time does not count if it begins in the future, or is longer than it can be", () => {
    const stored = { from: 1000, until: 2000 }
    assert.isTrue(Clocks.isRunning(stored, 1000))
    assert.isTrue(Clocks.isRunning(stored, 1999))
    assert.isFalse(Clocks.isRunning(stored, 2000))
    assert.isFalse(Clocks.isRunning(stored, 999))
    assert.isTrue(Clocks.isRunning(stored, 990, { skew: 10 }))
    assert.isFalse(Clocks.isRunning(stored, 989, { skew: 10 }))
    assert.isTrue(Clocks.isRunning(stored, 1500, { longest: 1000 }))
    assert.isFalse(Clocks.isRunning(stored, 1500, { longest: 999 }))
  })

  // FAULTS K1
  it("the rest of a stored stretch of time is never more than all of it, and zero once it is over", () => {
    const stored = { from: 1000, until: 2000 }
    const left = [0, 1000, 1400, 2000, 9000].map((wall) => Clocks.remaining(stored, wall))
    assert.deepStrictEqual(left, [1000, 1000, 600, 0, 0])
  })

  // FAULTS K
  it("an earlier moment by the present wall clock: only a clock that was put back moves it", () => {
    const then = { wall: 10_000, steady: 500 }
    const at = (wall: number) => Clocks.wallOf(then, { wall, steady: 3500 })
    assert.deepStrictEqual([13_000, 12_999, 12_998, 13_001, 3_613_000].map(at), [10_000, 10_000, 9998, 10_000, 10_000])
    assert.strictEqual(at(13_000 - 3_600_000), 10_000 - 3_600_000)
  })
})
