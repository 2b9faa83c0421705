import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Deferred, type Duration, Effect, Exit, Fiber, TestClock } from "effect"
import { SharedWork } from "../src/index.js"

const settle = TestClock.adjust(0)

const gone = { onSuccess: (name: string) => name, onTimeout: () => "gone" }

/** An owner that can be neither stopped nor heard of. */
const vanished = Effect.uninterruptible(Effect.never)

describe("SharedWork", () => {
  describe("make", () => {
    it.effect("callers that ask at once share one run", () =>
      Effect.gen(function*() {
        let runs = 0
        const shared = SharedWork.make(Effect.delay(Effect.sync(() => ++runs), "1 second"))
        const fiber = yield* Effect.fork(Effect.all(Arr.makeBy(50, () => shared), { concurrency: "unbounded" }))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(new Set(yield* Fiber.join(fiber)), new Set([1]))
        const next = yield* Effect.fork(shared)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(next), 2)
      }))

    it.effect("a failure goes to all who wait, and to nobody after them", () =>
      Effect.gen(function*() {
        let runs = 0
        const shared = SharedWork.make(Effect.suspend(() => Effect.delay(Effect.fail(++runs), 10)))
        const fiber = yield* Effect.fork(
          Effect.all([Effect.flip(shared), Effect.flip(shared)], { concurrency: "unbounded" })
        )
        yield* TestClock.adjust(10)
        assert.deepStrictEqual(yield* Fiber.join(fiber), [1, 1])
        const next = yield* Effect.fork(Effect.flip(shared))
        yield* TestClock.adjust(10)
        assert.strictEqual(yield* Fiber.join(next), 2)
      }))

    it.effect("the caller that began it may leave; the run goes on for the others", () =>
      Effect.gen(function*() {
        let runs = 0
        const shared = SharedWork.make(
          Effect.zipRight(Effect.sync(() => runs++), Effect.delay(Effect.succeed("a"), 100))
        )
        const owner = yield* Effect.fork(shared)
        yield* settle
        const other = yield* Effect.fork(shared)
        yield* settle
        yield* Fiber.interrupt(owner)
        yield* TestClock.adjust(100)
        assert.strictEqual(yield* Fiber.join(other), "a")
        assert.strictEqual(runs, 1)
      }))

    it.effect("when the last caller has left, the run is interrupted and the next one begins anew", () =>
      Effect.gen(function*() {
        const interrupted = yield* Deferred.make<void>()
        let runs = 0
        const shared = SharedWork.make(Effect.suspend(() =>
          ++runs === 1
            ? Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
            : Effect.succeed("b")
        ))
        const callers = yield* Effect.all([Effect.fork(shared), Effect.fork(shared)])
        yield* settle
        yield* Fiber.interruptAll(callers)
        yield* Deferred.await(interrupted)
        assert.strictEqual(yield* shared, "b")
      }))

    // FAULTS L1, L3
    it.effect("work that is overdue is given up: those who wait begin it anew together, what comes late changes nothing", () =>
      Effect.gen(function*() {
        let runs = 0
        let overdue = 0
        const late = yield* Deferred.make<string>()
        const shared = SharedWork.make(
          Effect.suspend(() =>
            ++runs === 1 ? Effect.uninterruptible(Deferred.await(late)) : Effect.succeed(`run ${runs}`)
          ),
          { overdueAfter: "10 seconds", onOverdue: () => overdue++ }
        )
        const waiting = yield* Effect.fork(Effect.all(Arr.makeBy(20, () => shared), { concurrency: "unbounded" }))
        yield* TestClock.adjust(9999)
        assert.strictEqual(runs, 1)
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(new Set(yield* Fiber.join(waiting)), new Set(["run 2"]))
        assert.strictEqual(overdue, 1)
        yield* Deferred.succeed(late, "late")
        yield* settle
        assert.strictEqual(yield* shared, "run 3")
      }))

    it.effect("work that says how long it will be silent is not overdue for that", () =>
      Effect.gen(function*() {
        let runs = 0
        const shared = SharedWork.make(
          Effect.gen(function*() {
            runs++
            yield* SharedWork.expect("1 hour")
            yield* Effect.sleep("1 hour")
            return "done"
          }),
          { overdueAfter: "10 seconds" }
        )
        const waiting = yield* Effect.fork(shared)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* Fiber.join(waiting), "done")
        assert.strictEqual(runs, 1)
      }))

    it.effect("work that waits for other work is not overdue before that", () =>
      Effect.gen(function*() {
        let outerRuns = 0
        const inner = SharedWork.make(
          Effect.zipRight(SharedWork.expect("1 minute"), Effect.delay(Effect.succeed("inner"), "1 minute")),
          { overdueAfter: "10 seconds" }
        )
        const outer = SharedWork.make(
          Effect.zipRight(Effect.sync(() => outerRuns++), inner),
          { overdueAfter: "1 second" }
        )
        const waiting = yield* Effect.fork(outer)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Fiber.join(waiting), "inner")
        assert.strictEqual(outerRuns, 1)
      }))

    // FAULTS L1
    it.effect("work that waits for several others at once is not overdue before the last of them", () =>
      Effect.gen(function*() {
        let runs = 0
        const other = (name: string, time: Duration.DurationInput) =>
          SharedWork.make(Effect.delay(Effect.succeed(name), time), { overdueAfter: "1 minute" })
        const [slow, fast] = [other("slow", "50 seconds"), other("fast", "5 seconds")]
        const outer = SharedWork.make(
          Effect.zipRight(
            Effect.sync(() => runs++),
            // two of them wait for the same
            Effect.all([slow, fast, Effect.timeoutTo(slow, { duration: "1 second", ...gone })], {
              concurrency: "unbounded"
            })
          ),
          { overdueAfter: "10 seconds" }
        )
        const waiting = yield* Effect.fork(outer)
        yield* TestClock.adjust("50 seconds")
        assert.strictEqual(runs, 1)
        assert.deepStrictEqual(yield* Fiber.join(waiting), ["slow", "fast", "gone"])
      }))
  })

  describe("makeLock", () => {
    it.effect("one at a time, first come first served", () =>
      Effect.gen(function*() {
        const { withLock } = SharedWork.makeLock()
        const order: Array<string> = []
        const use = (name: string) =>
          withLock(Effect.gen(function*() {
            order.push(`${name} in`)
            yield* Effect.sleep(10)
            order.push(`${name} out`)
          }))
        const fiber = yield* Effect.fork(
          Effect.all([use("a"), use("b"), use("c")], { concurrency: "unbounded", discard: true })
        )
        yield* TestClock.adjust(30)
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(order, ["a in", "a out", "b in", "b out", "c in", "c out"])
      }))

    it.effect("a waiter that is interrupted is passed over; an interrupted holder gives its turn on", () =>
      Effect.gen(function*() {
        const lock = SharedWork.makeLock()
        const holder = yield* Effect.fork(lock.withLock(Effect.never))
        yield* settle
        const waiter = yield* Effect.fork(lock.withLock(Effect.never))
        const last = yield* Effect.fork(lock.withLock(Effect.succeed("last")))
        yield* settle
        assert.strictEqual(lock.size, 3)
        yield* Fiber.interrupt(waiter)
        yield* Fiber.interrupt(holder)
        assert.strictEqual(yield* Fiber.join(last), "last")
        assert.strictEqual(lock.size, 0)
      }))

    it.effect("a failure or a defect gives the turn on", () =>
      Effect.gen(function*() {
        const { withLock } = SharedWork.makeLock()
        yield* Effect.exit(withLock(Effect.fail("no")))
        yield* Effect.exit(withLock(Effect.die("no")))
        assert.strictEqual(yield* withLock(Effect.succeed(1)), 1)
      }))

    // FAULTS L1
    it.effect("a holder of which nothing is heard loses its turn, and its end later takes it from nobody", () =>
      Effect.gen(function*() {
        const { withLock } = SharedWork.makeLock({ overdueAfter: "10 seconds" })
        yield* Effect.forkDaemon(withLock(vanished))
        const slow = yield* Deferred.make<void>()
        yield* settle
        const second = yield* Effect.fork(withLock(Deferred.await(slow)))
        const third = yield* Effect.fork(withLock(Effect.succeed("third")))
        yield* TestClock.adjust("10 seconds")
        yield* settle
        // the second has it now, for its own 10 seconds
        assert.isNull(third.unsafePoll())
        yield* Deferred.succeed(slow, undefined)
        assert.strictEqual(yield* Fiber.join(third), "third")
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(second)))
      }))

    it.effect("a holder that says how long it will be silent keeps its turn", () =>
      Effect.gen(function*() {
        const { withLock } = SharedWork.makeLock({ overdueAfter: "10 seconds" })
        const holder = yield* Effect.fork(withLock(
          Effect.zipRight(SharedWork.expect("1 hour"), Effect.delay(Effect.succeed("held"), "1 hour"))
        ))
        yield* settle
        const waiter = yield* Effect.fork(withLock(Effect.succeed("next")))
        yield* TestClock.adjust("59 minutes")
        assert.isNull(waiter.unsafePoll())
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Fiber.join(holder), "held")
        assert.strictEqual(yield* Fiber.join(waiter), "next")
      }))
  })
})
