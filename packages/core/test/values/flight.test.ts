/** The promises of a `Flight` to its waiters, and the signs of life that decide whether it is overdue. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, TestClock } from "effect"
import { Clocks } from "../../src/index.js"
import { Flight, partOf } from "../../src/values/flight.js"
import { Current, Underway } from "../../src/values/signsOfLife.js"
import { steppable } from "../support/time.js"

const settle = TestClock.adjust(0)

const make = (limit: number) =>
  Effect.map(Effect.clock, (clock) => {
    const told = { times: 0 }
    const flight: Flight<string, never> = new Flight<string, never>({
      clock,
      limit,
      again: Effect.succeed("again"),
      onGivenUp: () => told.times++
    })
    return { flight, told }
  })

describe("Underway", () => {
  it("work is overdue when it has shown no sign of life for as long as its limit", () => {
    const work = new Underway(1000, 500)
    assert.isFalse(work.isOverdue(1499))
    assert.isTrue(work.isOverdue(1500))
    work.expect(200, 1400)
    assert.isFalse(work.isOverdue(2099))
    assert.isTrue(work.isOverdue(2100))
    work.expect(0, 1500)
    assert.strictEqual(work.dueAt(), 2100, "a shorter silence takes nothing back")
  })

  // FAULTS L1
  it("an owner that gave a sign of life has to go on giving them", () => {
    const work = new Underway(0, 60_000)
    assert.isFalse(work.isOverdue(59_999), "one that never gave any need not")
    work.alive(10_000)
    assert.isFalse(work.isOverdue(11_000))
    assert.isTrue(work.isOverdue(11_001))
    work.alive(11_500)
    assert.isFalse(work.isOverdue(12_500))
  })

  it("work is not overdue while other work that it waits for is not, and has its own time after that", () => {
    const work = new Underway(0, 1000)
    const [long, short] = [new Underway(0, 5000), new Underway(0, 10)]
    work.waitFor(short)
    assert.strictEqual(work.dueAt(), 1010)
    work.waitFor(long)
    work.waitFor(long)
    work.waited(short)
    assert.strictEqual(work.dueAt(), 6000)
    work.waited(long)
    assert.strictEqual(work.dueAt(), 6000, "it waits for it twice")
    work.waited(long)
    assert.strictEqual(work.dueAt(), 1000)
    work.waitFor(short)
    work.expect(5000, 0)
    assert.strictEqual(work.dueAt(), 6000)
  })

  // FAULTS L1
  it("work that waits for itself, even over detours, does not hang a fiber that looks", () => {
    const [one, two] = [new Underway(0, 1000), new Underway(0, 1000)]
    one.waitFor(two)
    two.waitFor(one)
    assert.isAtMost(one.dueAt(), 20_000)
    assert.isTrue(two.isOverdue(20_000))
    const thicket = Array.from({ length: 20 }, () => new Underway(0, 1000))
    for (const one of thicket) thicket.forEach((other) => one.waitFor(other))
    assert.isAtMost(thicket[0]!.dueAt(), 20_000)
  })
})

describe("Flight", () => {
  it.effect("a flight lands once, for waiting fibers and for later ones", () =>
    Effect.gen(function*() {
      const { flight, told } = yield* make(1000)
      const waiting = yield* Effect.fork(Effect.all([flight.await(false), flight.await(true)], { concurrency: 2 }))
      yield* settle
      flight.land(Exit.succeed("first"))
      flight.land(Exit.succeed("second"))
      flight.giveUp()
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(yield* Fiber.join(waiting), ["first", "first"])
      assert.strictEqual(yield* flight.await(false), "first")
      assert.strictEqual(yield* flight.await(true), "first")
      yield* TestClock.adjust("1 hour")
      flight.judge()
      assert.strictEqual(told.times, 0)
    }))

  it.effect("a flight reports once that it was given up, and its late result changes nothing", () =>
    Effect.gen(function*() {
      const { flight, told } = yield* make(1000)
      flight.giveUp()
      flight.giveUp()
      flight.land(Exit.succeed("late"))
      assert.strictEqual(yield* flight.await(false), "again")
      assert.strictEqual(told.times, 1)
    }))

  // FAULTS L1
  it.effect("a fiber that finds a flight overdue frees all waiters, even if no fiber watches the flight", () =>
    Effect.gen(function*() {
      const { flight, told } = yield* make(1000)
      const waiting = yield* Effect.fork(flight.await(false))
      yield* TestClock.adjust(999)
      flight.judge()
      assert.isFalse(flight.isLanded)
      yield* TestClock.adjust(1)
      assert.isNull(waiting.unsafePoll())
      assert.strictEqual(yield* flight.await(false), "again")
      assert.strictEqual(yield* Fiber.join(waiting), "again")
      assert.strictEqual(told.times, 1)
    }))

  // FAULTS L1
  it.effect("a waiter with a timer of its own looks often enough, and finds by itself that the flight is overdue", () =>
    Effect.gen(function*() {
      const landed = yield* make(60_000)
      const late = yield* make(10_000)
      const one = yield* Effect.fork(landed.flight.await(true))
      const other = yield* Effect.fork(late.flight.await(true))
      yield* TestClock.adjust(9999)
      assert.isNull(other.unsafePoll())
      landed.flight.land(Exit.succeed("landed"))
      yield* TestClock.adjust(50)
      assert.strictEqual(yield* Fiber.join(one), "landed")
      assert.strictEqual(yield* Fiber.join(other), "again")
    }))

  // FAULTS L1, L2
  it.effect("the watch of a flight gives it up on time, and ends with the flight", () =>
    Effect.gen(function*() {
      const { flight, told } = yield* make(10_000)
      const watch = yield* Effect.fork(flight.watch(false))
      yield* TestClock.adjust(5000)
      flight.underway.expect(0, (yield* Clocks.now).steady)
      yield* TestClock.adjust(9999)
      assert.isFalse(flight.isLanded)
      yield* TestClock.adjust(1)
      assert.isTrue(flight.isLanded)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(Fiber.map(watch, Exit.succeed))))
      assert.strictEqual(told.times, 1)

      const beating = yield* make(60_000)
      const beats = yield* Effect.fork(beating.flight.watch(true))
      yield* TestClock.adjust("30 seconds")
      beating.flight.judge()
      assert.isFalse(beating.flight.isLanded, "it has told that it is there")
      beating.flight.land(Exit.succeed("landed"))
      yield* TestClock.adjust(200)
      assert.isNotNull(beats.unsafePoll(), "nothing is left to watch")
      assert.lengthOf(Array.from(yield* TestClock.sleeps()), 0)
    }))

  // FAULTS L1
  it.effect("a flight whose watch gave signs of life and vanished is overdue within about a second", () =>
    Effect.gen(function*() {
      const { flight } = yield* make(60_000)
      const watch = yield* Effect.fork(flight.watch(true))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(watch)
      yield* TestClock.adjust(1201)
      assert.strictEqual(yield* flight.await(false), "again")
    }))

  // FAULTS K1
  it.effect("a flight is judged by the steady clock", () =>
    Effect.gen(function*() {
      const { state, stepped } = yield* steppable
      yield* TestClock.adjust("1 hour")
      const { flight } = yield* Effect.withClock(make(10_000), stepped)
      for (const step of [3_600_000, -3_600_000]) {
        state.step = step
        flight.judge()
        assert.isFalse(flight.isLanded)
      }
      yield* TestClock.adjust("10 seconds")
      flight.judge()
      assert.isTrue(flight.isLanded)
    }))
})

describe("partOf", () => {
  it.effect("partOf: work is not overdue while the work it waits for is not, and has its own time after that", () =>
    Effect.gen(function*() {
      const outer = new Underway((yield* Clocks.now).steady, 1000)
      const inner = new Underway(0, 5000)
      const steady = Effect.map(Clocks.now, (now) => now.steady)
      const waiting = yield* Effect.fork(
        Effect.provideService(partOf(inner, Effect.sleep(4000)), Current, outer)
      )
      yield* TestClock.adjust(3999)
      assert.strictEqual(outer.dueAt(), 6000)
      assert.isFalse(outer.isOverdue(yield* steady))
      yield* TestClock.adjust(1)
      yield* Fiber.join(waiting)
      assert.strictEqual(outer.dueAt(), 5000, "the wait is a sign of life, and over")
    }))

  it.effect("partOf: for work that waits for several others at once, the last of them counts", () =>
    Effect.gen(function*() {
      const outer = new Underway(0, 1000)
      const [one, two] = [new Underway(0, 5000), new Underway(0, 50)]
      const wait = (underway: Underway, time: number) =>
        Effect.provideService(partOf(underway, Effect.sleep(time)), Current, outer)
      yield* Effect.fork(Effect.all([wait(one, 200), wait(two, 100)], { concurrency: "unbounded" }))
      yield* TestClock.adjust(100)
      assert.strictEqual(outer.dueAt(), 6000)
      yield* TestClock.adjust(100)
      assert.strictEqual(outer.dueAt(), 1200)
    }))
})
