import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, type Clock, Deferred, type Duration, Effect, Exit, Fiber, FiberId, TestClock } from "effect"
import { SharedWork } from "../../src/index.js"
import { steppable } from "../support/time.js"

const settle = TestClock.adjust(0)

const gone = { onSuccess: (name: string) => name, onTimeout: () => "gone" }

/** An owner that cannot be stopped and shows no sign of life. */
const vanished = Effect.uninterruptible(Effect.never)

describe("SharedWork", () => {
  describe("make", () => {
    it.effect("callers that run shared work at the same time share one run", () =>
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

    it.effect("a failure goes to all waiting callers, and to no later caller", () =>
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

    it.effect("the caller that began a run may leave; the run goes on for the others", () =>
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

    // FAULTS L: it was begun again without end, and blocked the event loop
    it.effect("work that interrupts itself each time is not begun for ever: its callers are interrupted", () =>
      Effect.gen(function*() {
        let runs = 0
        const shared = SharedWork.make(
          Effect.suspend(() =>
            ++runs > 50 ? Effect.succeed("too often") : Effect.zipRight(Effect.yieldNow(), Effect.interrupt)
          )
        )
        const callers = yield* Effect.fork(
          Effect.all([Effect.exit(shared), Effect.exit(shared)], { concurrency: "unbounded" })
        )
        for (const exit of yield* Fiber.join(callers)) assert.isTrue(Exit.isInterrupted(exit))
        assert.strictEqual(runs, 2)
        // and so it is for those who come later
        assert.isTrue(Exit.isInterrupted(yield* Effect.exit(shared)))
        assert.isAtMost(runs, 4)
      }))

    it.effect("work that interrupts itself once is begun once more", () =>
      Effect.gen(function*() {
        let runs = 0
        const shared = SharedWork.make(Effect.suspend(() => ++runs % 2 === 1 ? Effect.interrupt : Effect.succeed(runs)))
        assert.strictEqual(yield* shared, 2)
        assert.strictEqual(yield* shared, 4)
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
    it.effect("overdue work is given up: its waiting callers share a new run, and a late result changes nothing", () =>
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

    it.effect("by default work is overdue after a minute", () =>
      Effect.gen(function*() {
        let runs = 0
        const shared = SharedWork.make(Effect.suspend(() => ++runs === 1 ? vanished : Effect.succeed("b")))
        const lock = SharedWork.makeLock()
        yield* Effect.forkDaemon(lock.withLock(vanished))
        yield* settle
        const waiting = yield* Effect.all([Effect.fork(shared), Effect.fork(lock.withLock(Effect.succeed("lock")))])
        yield* TestClock.adjust(59_999)
        for (const fiber of waiting) assert.isNull(fiber.unsafePoll())
        yield* TestClock.adjust(1)
        for (const fiber of waiting) assert.isNotNull(fiber.unsafePoll())
      }))

    it.effect("work that was interrupted has no result, so its waiting callers begin it anew", () =>
      Effect.gen(function*() {
        let overdue = 0
        let runs = 0
        const shared = SharedWork.make(
          Effect.suspend(() => ++runs === 1 ? Effect.delay(Effect.interrupt, 10) : Effect.succeed("b")),
          { onOverdue: () => overdue++ }
        )
        const waiting = yield* Effect.fork(Effect.all([shared, shared], { concurrency: "unbounded" }))
        yield* TestClock.adjust(10)
        assert.deepStrictEqual(yield* Fiber.join(waiting), ["b", "b"])
        assert.strictEqual(runs, 2)
        assert.strictEqual(overdue, 0, "it was not late")
      }))

    it.effect("work that has ended, or that all callers have left, leaves no timer", () =>
      Effect.gen(function*() {
        const { stepped } = yield* steppable
        let timers = 0
        const clock: Clock.Clock = {
          ...stepped,
          sleep: (duration) =>
            Effect.acquireUseRelease(
              Effect.sync(() => timers++),
              () => stepped.sleep(duration),
              () => Effect.sync(() => timers--)
            )
        }
        const run = <A>(work: Effect.Effect<A>) => Effect.withClock(SharedWork.make(work), clock)
        const waiting = yield* Effect.fork(run(Effect.delay(Effect.void, 10)))
        yield* settle
        assert.strictEqual(timers, 2, "that of the work, and that of its watch")
        yield* TestClock.adjust(10)
        yield* Fiber.join(waiting)
        yield* settle
        assert.strictEqual(timers, 0)
        const leaving = yield* Effect.fork(run(Effect.never))
        yield* settle
        assert.strictEqual(timers, 1)
        yield* Fiber.interrupt(leaving)
        yield* settle
        assert.strictEqual(timers, 0)
      }))

    // FAULTS L1
    it.effect("the end of a run that was given up does not end the next run", () =>
      Effect.gen(function*() {
        const late = yield* Deferred.make<string>()
        let runs = 0
        const shared = SharedWork.make(
          Effect.suspend(() =>
            ++runs === 1
              ? Effect.uninterruptible(Deferred.await(late))
              : Effect.delay(Effect.succeed(`run ${runs}`), 5000)
          ),
          { overdueAfter: "10 seconds" }
        )
        const first = yield* Effect.fork(shared)
        yield* TestClock.adjust("10 seconds")
        yield* Deferred.succeed(late, "late")
        yield* settle
        const second = yield* Effect.fork(shared)
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* Fiber.join(Fiber.zip(first, second)), ["run 2", "run 2"])
        assert.strictEqual(runs, 2)
      }))

    // FAULTS L1
    it.effect("a new caller does not wait for a run that all callers have left, though it cannot be stopped", () =>
      Effect.gen(function*() {
        let runs = 0
        const shared = SharedWork.make(Effect.suspend(() => ++runs === 1 ? vanished : Effect.succeed("b")))
        const leaving = yield* Effect.fork(shared)
        yield* settle
        yield* Fiber.interrupt(leaving)
        const next = yield* Effect.fork(shared)
        yield* settle
        assert.isNotNull(next.unsafePoll())
      }))

    // FAULTS L1
    it.effect("work that is given up is interrupted", () =>
      Effect.gen(function*() {
        let interrupted = 0
        let runs = 0
        const shared = SharedWork.make(
          Effect.suspend(() =>
            ++runs === 1
              ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
              : Effect.succeed("b")
          ),
          { overdueAfter: "10 seconds" }
        )
        const waiting = yield* Effect.fork(shared)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* Fiber.join(waiting), "b")
        yield* settle
        assert.strictEqual(interrupted, 1)
      }))

    it.effect("shared work can be interrupted although the caller that began it could not", () =>
      Effect.gen(function*() {
        const interrupted = yield* Deferred.make<void>()
        const shared = SharedWork.make(Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
        const caller = yield* Effect.fork(
          Effect.uninterruptible(Effect.timeout(Effect.interruptible(shared), "1 second"))
        )
        yield* TestClock.adjust("1 second")
        yield* Deferred.await(interrupted)
        assert.isTrue(Exit.isFailure(yield* Fiber.await(caller)))
      }))

    it.effect("work that announces a silence is not overdue during it", () =>
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

    it.effect("work that waits for other work is not overdue before that work", () =>
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
            // two of these waits are for the same work
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
    it.effect("a lock has one holder at a time, first come, first served", () =>
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

    it.effect("an interrupted waiter is skipped; an interrupted holder passes its turn on", () =>
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

    it.effect("a holder that fails or dies passes its turn on", () =>
      Effect.gen(function*() {
        const { withLock } = SharedWork.makeLock()
        yield* Effect.exit(withLock(Effect.fail("no")))
        yield* Effect.exit(withLock(Effect.die("no")))
        assert.strictEqual(yield* withLock(Effect.succeed(1)), 1)
      }))

    // FAULTS L1
    it.effect("a holder without signs of life loses its turn, and its late end does not end the turn of another", () =>
      Effect.gen(function*() {
        const { withLock } = SharedWork.makeLock({ overdueAfter: "10 seconds" })
        yield* Effect.forkDaemon(withLock(vanished))
        const slow = yield* Deferred.make<void>()
        yield* settle
        const second = yield* Effect.fork(withLock(Deferred.await(slow)))
        const third = yield* Effect.fork(withLock(Effect.succeed("third")))
        yield* TestClock.adjust("10 seconds")
        yield* settle
        // the second holder has the turn now, for its own 10 seconds
        assert.isNull(third.unsafePoll())
        yield* Deferred.succeed(slow, undefined)
        assert.strictEqual(yield* Fiber.join(third), "third")
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(second)))
      }))

    // FAULTS L1
    it.effect("the late end of a holder that lost its turn does not let a third one in beside the new holder", () =>
      Effect.gen(function*() {
        const lock = SharedWork.makeLock({ overdueAfter: "10 seconds" })
        const [late, slow] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        yield* Effect.forkDaemon(lock.withLock(Effect.uninterruptible(Deferred.await(late))))
        yield* settle
        yield* Effect.fork(lock.withLock(Deferred.await(slow)))
        yield* settle
        const third = yield* Effect.fork(lock.withLock(Effect.succeed("third")))
        yield* TestClock.adjust("10 seconds")
        yield* Deferred.succeed(late, undefined)
        yield* settle
        assert.isNull(third.unsafePoll())
        assert.strictEqual(lock.size, 2)
        yield* Deferred.succeed(slow, undefined)
        yield* settle
        assert.isNotNull(third.unsafePoll())
        assert.strictEqual(lock.size, 0)
      }))

    it.effect("a caller that finds the holder overdue before the first waiter does still comes after that waiter", () =>
      Effect.gen(function*() {
        const { stepped } = yield* steppable
        let late = BigInt(0)
        const clock = { ...stepped, unsafeCurrentTimeNanos: () => stepped.unsafeCurrentTimeNanos() + late }
        const { withLock } = SharedWork.makeLock({ overdueAfter: "10 seconds" })
        const order: Array<string> = []
        const use = (name: string) =>
          Effect.fork(Effect.withClock(withLock(Effect.sync(() => order.push(name))), clock))
        yield* Effect.forkDaemon(Effect.withClock(withLock(vanished), clock))
        yield* settle
        yield* use("first")
        yield* settle
        // timers are late if the runtime is busy
        late = BigInt(11_000_000_000)
        yield* use("second")
        yield* settle
        assert.deepStrictEqual(order, ["first", "second"])
      }))

    // FAULTS L1
    it.effect("two overdue holders in turn are each found overdue, though a waiter between them has left", () =>
      Effect.gen(function*() {
        let overdue = 0
        const { withLock } = SharedWork.makeLock({ overdueAfter: "10 seconds", onOverdue: () => overdue++ })
        yield* Effect.forkDaemon(withLock(vanished))
        yield* settle
        const leaving = yield* Effect.fork(withLock(Effect.never))
        yield* settle
        yield* Effect.forkDaemon(withLock(vanished))
        yield* settle
        const last = yield* Effect.fork(withLock(Effect.succeed("last")))
        yield* settle
        yield* Fiber.interrupt(leaving)
        yield* TestClock.adjust(19_999)
        assert.isNull(last.unsafePoll())
        yield* TestClock.adjust(1)
        assert.isNotNull(last.unsafePoll())
        assert.strictEqual(overdue, 2)
      }))

    it.effect("a waiter that is interrupted just after it got the turn passes the turn on", () =>
      Effect.gen(function*() {
        const { withLock } = SharedWork.makeLock()
        const go = yield* Deferred.make<void>()
        const waiters: Array<Fiber.RuntimeFiber<string>> = []
        yield* Effect.fork(Effect.zipRight(
          withLock(Deferred.await(go)),
          Effect.sync(() => waiters[0]!.unsafeInterruptAsFork(FiberId.none))
        ))
        yield* settle
        waiters.push(yield* Effect.fork(withLock(Effect.succeed("first"))))
        yield* settle
        waiters.push(yield* Effect.fork(withLock(Effect.succeed("second"))))
        yield* settle
        yield* Deferred.succeed(go, undefined)
        yield* settle
        assert.isNotNull(waiters[1]!.unsafePoll())
      }))

    // FAULTS L1
    it.effect("work that waits for its turn, or works under the lock, does not become overdue by that", () =>
      Effect.gen(function*() {
        const lock = SharedWork.makeLock()
        let runs = 0
        const work = (effect: Effect.Effect<void>) =>
          SharedWork.make(Effect.zipRight(Effect.sync(() => runs++), lock.withLock(effect)), {
            overdueAfter: "1 second"
          })
        const long = Effect.zipRight(SharedWork.expect("3 minutes"), Effect.sleep("3 minutes"))
        const holding = yield* Effect.fork(work(long))
        yield* settle
        const waiting = yield* Effect.fork(work(Effect.void))
        const next = yield* Effect.fork(work(Effect.void))
        yield* TestClock.adjust("3 minutes")
        yield* Fiber.join(Fiber.all([holding, waiting, next]))
        assert.strictEqual(runs, 3)
      }))

    it.effect("a holder that announces a silence keeps its turn", () =>
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
