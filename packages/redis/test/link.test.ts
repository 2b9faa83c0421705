import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Option, TestClock } from "effect"
import * as failure from "../src/internal/failure.js"
import * as link from "../src/internal/link.js"

/** The moments, in seconds, at which a connection is attempted that fails with what a server said. */
const attempts = (said: string, time: number) =>
  Effect.gen(function*() {
    const moments: Array<number> = []
    const supervised = yield* link.supervise(() =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        moments.push(now / 1000)
        return Effect.fail(failure.fromError(new Error(said)))
      })
    )
    for (let second = 0; second < time; second += 2) yield* TestClock.adjust("2 seconds")
    const { detail } = yield* Effect.flip(supervised.use(() => Promise.resolve(1)))
    return { moments, detail }
  })

describe("link", () => {
  // FAULTS W4
  for (
    const [said, remedy] of [
      ["WRONGPASS invalid username-password pair or user is disabled.", "check both where they are given"],
      ["NOAUTH Authentication required.", "give username and password"],
      ["NOPERM this user has no permissions to run the 'subscribe' command", "lists those that are needed"],
      ["ERR DB index is out of range", "no database of that number"],
      ["ERR max number of clients reached", "raise its maxclients"]
    ] as const
  ) {
    it.scoped(`connects less and less often, at least once a minute, after ${said.slice(0, 20)}…; the error says what to do`, () =>
      Effect.gen(function*() {
        const { detail, moments } = yield* attempts(said, 800)
        assert.include(detail, remedy)
        assert.isAtMost(moments.filter((at) => at <= 10).length, 6)
        const pauses = moments.slice(1).map((at, i) => at - moments[i]!)
        for (const pause of pauses) assert.isAtMost(pause, 62)
        for (const pause of pauses.slice(8)) assert.isAtLeast(pause, 28)
        assert.isAbove(pauses.length, 10)
      }))
  }

  for (
    const [said, first, last] of [
      ["LOADING Redis is loading the dataset in memory", 25, 1000],
      ["NOAUTH Authentication required.", 1000, 60_000]
    ] as const
  ) {
    it.scoped(`pauses for ${first} ms at first, then twice as long each time up to ${last} ms, with a random part`, () =>
      Effect.gen(function*() {
        const { moments } = yield* attempts(said, first / 4)
        assert.strictEqual(moments[0], 0)
        const shares = moments.slice(1).map((at, i) => (at - moments[i]!) * 1000 / Math.min(last, first * 2 ** i))
        assert.isAtLeast(shares.length, 6)
        for (const share of shares) assert.isTrue(share > 0.49 && share < 1.01, `${share}`)
        assert.isAbove(new Set(shares.map((share) => Math.round(share * 100))).size, 1)
      }))
  }

  it.scoped("after a connection that held for a while is lost, the pauses start again with the shortest", () =>
    Effect.gen(function*() {
      const moments: Array<number> = []
      let lose = () => undefined as void
      yield* link.supervise((signals) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          lose = signals.lose
          return moments.push(now) <= 8
            ? Effect.fail(failure.fromError(new Error("LOADING")))
            : Effect.void
        })
      )
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(moments, 9)
      lose()
      yield* TestClock.adjust(25)
      assert.lengthOf(moments, 10)
      // too young to be opened at once
      lose()
      yield* TestClock.adjust(24)
      assert.lengthOf(moments, 10)
      yield* TestClock.adjust(26)
      assert.lengthOf(moments, 11)
    }))

  it.scoped("after any other failure it connects at least every second", () =>
    Effect.gen(function*() {
      const { moments } = yield* attempts("LOADING Redis is loading the dataset in memory", 60)
      assert.isAtLeast(moments.length, 30)
    }))

  // FAULTS R3
  it.scoped("a command that a broken connection did not send is sent over the next one", () =>
    Effect.gen(function*() {
      let opened = 0
      const supervised = yield* link.supervise(() => Effect.sync(() => ++opened))
      const sent: Array<number> = []
      const use = supervised.use((connection) => {
        sent.push(connection)
        return connection === 1
          ? Promise.reject(Object.assign(new Error(), { code: "ECONNREFUSED" }))
          : Promise.resolve(2)
      })
      // a moment ago it was new: another would be no better
      assert.isTrue((yield* Effect.flip(use)).isUnsent === true)
      yield* TestClock.adjust("1 second")
      const all = yield* Effect.fork(Effect.all([use, use, use], { concurrency: "unbounded" }))
      while (Option.isNone(yield* Fiber.poll(all))) yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* Fiber.join(all), [2, 2, 2])
      assert.deepStrictEqual(sent, [1, 1, 1, 1, 2, 2, 2])
      assert.strictEqual(opened, 2)
    }))

  // FAULTS R3
  it.scoped("a command that may have been sent is not sent again, and the doubtful connection is replaced", () =>
    Effect.gen(function*() {
      let opened = 0
      let doubt = () => undefined as void
      const supervised = yield* link.supervise((signals) =>
        Effect.sync(() => {
          doubt = signals.doubt
          return ++opened
        })
      )
      let sent = 0
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(supervised.use(() => {
        sent++
        return Promise.reject(Object.assign(new Error(), { code: "ECONNRESET" }))
      }))
      assert.deepStrictEqual([error.code, sent], ["ECONNRESET", 1])
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(opened, 2)
      // too young to be doubted
      doubt()
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(opened, 2)
      yield* TestClock.adjust("1 second")
      doubt()
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(opened, 3)
    }))

  it("a command that was not sent is told from one that may have been sent", () => {
    const isUnsent = (code: string) => failure.fromError(Object.assign(new Error(), { code })).isUnsent
    assert.deepStrictEqual(["ECONNREFUSED", "ENOTFOUND", "ECONNRESET", "EPIPE", "ETIMEDOUT"].map(isUnsent), [
      true,
      true,
      false,
      false,
      false
    ])
  })
})
