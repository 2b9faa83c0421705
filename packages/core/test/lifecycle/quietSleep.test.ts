import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { quietSleep } from "../../src/lifecycle/quietSleep.js"

/** No other timer of the process is as long as this. */
const long = 12_345_678

/** A timer counts no more. */
const longest = 2 ** 31 - 1

/** Timers of these lengths as `make` has them, and which of them were given up. */
const timers = <A>(make: (run: () => void, real: typeof setTimeout) => A) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout }
        const set: Array<{ readonly timer: A; readonly run: () => void; readonly millis: number }> = []
        const cleared: Array<unknown> = []
        globalThis.setTimeout = ((run: () => void, millis?: number) => {
          if (millis !== long && millis !== longest) return real.setTimeout(run, millis)
          const timer = make(run, real.setTimeout)
          set.push({ timer, run, millis })
          return timer
        }) as typeof setTimeout
        globalThis.clearTimeout = (timer) => {
          cleared.push(timer)
          real.clearTimeout(timer)
        }
        return { real, set, cleared }
      }),
      ({ real }) => Effect.sync(() => Object.assign(globalThis, real))
    ),
    ({ cleared, set }) => ({ cleared, set })
  )

describe.sequential("quietSleep", () => {
  it.effect("sleeps by the clock of the fiber", () =>
    Effect.gen(function*() {
      const sleeping = yield* Effect.fork(quietSleep("1 hour"))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(sleeping)
    }))

  it.scopedLive("a quiet sleep does not keep a process running, and leaves no timer when it is interrupted", () =>
    Effect.gen(function*() {
      const { cleared, set } = yield* timers((run, real) => real(run, long))
      const sleeping = yield* Effect.fork(quietSleep(long))
      yield* Effect.yieldNow()
      assert.lengthOf(set, 1)
      assert.isFalse(set[0]!.timer.hasRef())
      yield* Fiber.interrupt(sleeping)
      assert.include(cleared, set[0]!.timer)
    }))

  it.scopedLive("works in a browser, where a timer is a number", () =>
    Effect.gen(function*() {
      const { set } = yield* timers(() => 4711)
      const sleeping = yield* Effect.fork(quietSleep(long))
      yield* Effect.yieldNow()
      assert.isNull(sleeping.unsafePoll())
      set[0]!.run()
      yield* Fiber.join(sleeping)
    }))

  // FAULTS W11, B2: a timer for more than 31 bits ends at once, and monthly work would run in a busy loop
  it.scopedLive("sleeps longer than a timer can count", () =>
    Effect.gen(function*() {
      const sleeping = yield* Effect.fork(quietSleep("30 days"))
      yield* Effect.sleep(50)
      assert.isNull(sleeping.unsafePoll())
      yield* Fiber.interrupt(sleeping)
    }))

  it.scopedLive("sleeps the rest after the longest timer, if there is one", () =>
    Effect.gen(function*() {
      const { set } = yield* timers(() => 4711)
      const sleeping = yield* Effect.fork(quietSleep(longest + long))
      yield* Effect.yieldNow()
      set[0]!.run()
      yield* Effect.yieldNow()
      assert.deepStrictEqual(set.map(({ millis }) => millis), [longest, long])
      assert.isNull(sleeping.unsafePoll())
      set[1]!.run()
      yield* Fiber.join(sleeping)

      const exact = yield* Effect.fork(quietSleep(longest))
      yield* Effect.yieldNow()
      set[2]!.run()
      yield* Effect.yieldNow()
      assert.isNotNull(exact.unsafePoll(), "without a second timer")
    }))
})
