/**
 * Shared work on runtimes where work ends with its request: each waiter has a timer of its own, and owners vanish
 * silently.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, TestClock } from "effect"
import { forkVanishing } from "../../../../test/src/vanishing.js"
import { SharedWork } from "../../src/index.js"

// for all of this file
Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Cloudflare-Workers" }, configurable: true })

const settle = TestClock.adjust(0)

describe("SharedWork, request-bound", () => {
  // FAULTS L2
  it.effect("callers share one run, and each finds its end with a timer of its own", () =>
    Effect.gen(function*() {
      let runs = 0
      const shared = SharedWork.make(Effect.delay(Effect.sync(() => ++runs), "2 seconds"))
      const waiting = yield* Effect.fork(Effect.all([shared, shared, shared], { concurrency: "unbounded" }))
      yield* TestClock.adjust(2050)
      assert.deepStrictEqual(yield* Fiber.join(waiting), [1, 1, 1])
    }))

  // FAULTS L1
  it.effect("the waiting callers begin a run anew within about a second after its owner vanished", () =>
    Effect.gen(function*() {
      let runs = 0
      const shared = SharedWork.make(Effect.suspend(() => ++runs === 1 ? Effect.never : Effect.succeed("again")))
      const { vanish } = yield* forkVanishing(shared)
      yield* settle
      const waiting = yield* Effect.fork(shared)
      yield* TestClock.adjust("3 seconds")
      assert.isNull(waiting.unsafePoll(), "its owner is there")
      vanish()
      yield* TestClock.adjust(1300)
      assert.strictEqual(yield* Fiber.join(waiting), "again")
    }))

  // FAULTS L2
  it.effect("the first waiter takes a free turn within 20 ms", () =>
    Effect.gen(function*() {
      const { withLock } = SharedWork.makeLock()
      const go = yield* Deferred.make<void>()
      const order: Array<string> = []
      yield* Effect.fork(withLock(Deferred.await(go)))
      yield* settle
      for (const name of ["a", "b", "c"]) {
        // the waiter that came later looks first
        yield* TestClock.adjust(7)
        yield* Effect.fork(withLock(Effect.zipRight(Effect.sync(() => order.push(name)), Effect.sleep(100))))
        yield* settle
      }
      // the second is the next to look
      yield* TestClock.adjust(3010)
      assert.deepStrictEqual(order, [], "the holder is there")
      yield* Deferred.succeed(go, undefined)
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(order, ["a"])
      yield* TestClock.adjust(300)
      assert.deepStrictEqual(order, ["a", "b", "c"])
    }))

  // FAULTS L1
  it.effect("a holder that vanishes loses its turn within about a second", () =>
    Effect.gen(function*() {
      const { withLock } = SharedWork.makeLock()
      const { vanish } = yield* forkVanishing(withLock(Effect.never))
      yield* TestClock.adjust("3 seconds")
      const waiting = yield* Effect.fork(withLock(Effect.succeed("next")))
      yield* settle
      vanish()
      yield* TestClock.adjust(1300)
      assert.isNotNull(waiting.unsafePoll())
    }))

  // FAULTS L1
  it.effect("a waiter that vanished is skipped", () =>
    Effect.gen(function*() {
      const { withLock } = SharedWork.makeLock()
      const go = yield* Deferred.make<void>()
      yield* Effect.fork(withLock(Deferred.await(go)))
      yield* settle
      const { vanish } = yield* forkVanishing(withLock(Effect.never))
      yield* settle
      const waiting = yield* Effect.fork(withLock(Effect.succeed("next")))
      yield* TestClock.adjust("2 seconds")
      vanish()
      yield* Deferred.succeed(go, undefined)
      yield* TestClock.adjust(1100)
      assert.isNotNull(waiting.unsafePoll())
    }))

  // FAULTS L1
  it.effect("work that waits for its turn does not become overdue by that", () =>
    Effect.gen(function*() {
      const lock = SharedWork.makeLock()
      let runs = 0
      const shared = SharedWork.make(
        Effect.zipRight(Effect.sync(() => runs++), lock.withLock(Effect.succeed("done"))),
        { overdueAfter: "1 second" }
      )
      yield* Effect.fork(lock.withLock(Effect.sleep("3 seconds")))
      yield* settle
      const waiting = yield* Effect.fork(shared)
      yield* TestClock.adjust(3100)
      assert.strictEqual(yield* Fiber.join(waiting), "done")
      assert.strictEqual(runs, 1)
    }))
})
