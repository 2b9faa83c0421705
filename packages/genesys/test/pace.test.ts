import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Option } from "effect"
import { VirtualTime } from "../../../test/src/VirtualTime.js"
import { GenesysError } from "../src/index.js"
import * as refusal from "../src/internal/refusal.js"
import * as pace from "../src/rate/pace.js"

/** A server that counts by the minute, and calls that keep the pace; all of it in virtual time. */
const simulate = (setting: {
  readonly allowed: number
  /** When its first period ends. */
  readonly offset: number
  /** How it makes whole seconds of what is left. */
  readonly round: (seconds: number) => number
  /** When each call wants to leave. */
  readonly arrivals: ReadonlyArray<number>
  /** Of each exchange; half of it is the way there. */
  readonly latencies: ReadonlyArray<number>
  readonly random: ReadonlyArray<number>
}) => {
  const { allowed, latencies, offset, random, round } = setting
  const self = pace.make()
  const time = new VirtualTime()
  const periods = new Map<number, number>()
  /** Since when each of them has waited. */
  const queue: Array<number> = []
  let [ended, steps, sent, refused, served, looks] = [0, 0, 0, 0, 0, 0]
  const schedule = (at: number, run: () => void) =>
    void time.at(at, () => {
      if (++steps > 100_000) return time.stop()
      ended = time.now
      run()
    })

  const send = () => {
    const departed = time.now
    const latency = latencies[sent++ % latencies.length]!
    self.leave()
    schedule(departed + latency / 2, () => {
      const { now } = time
      const period = Math.floor((now - offset) / 60_000)
      const count = (periods.get(period) ?? 0) + 1
      periods.set(period, count)
      const left = (offset + (period + 1) * 60_000 - now) / 1000
      const reset = Math.max(0, round(left)) * 1000
      schedule(now + latency / 2, () => {
        if (count > allowed) {
          refused++
          self.refused(time.now + Math.ceil(left) * 1000, why, allowed)
          queue.push(time.now)
        } else {
          served++
          self.answered(time.now, departed, { count, allowed, reset })
        }
        self.end()
        look()
      })
    })
  }

  const look = () => {
    while (queue.length > 0) {
      const verdict = self.verdict(time.now, queue[0]!)
      if (verdict._tag === "Go") {
        queue.shift()
        send()
      } else if (verdict._tag === "UsedUp") {
        self.close(verdict.until + Math.ceil(1000 * random[looks++ % random.length]!))
      } else return schedule(verdict.until, look)
    }
  }

  for (const at of setting.arrivals) schedule(at, () => [queue.push(at), look()])
  time.advance(Number.POSITIVE_INFINITY)
  return { refused, served, ended }
}

const why = new GenesysError.ApiRateLimited({
  method: "GET",
  url: "https://api.mypurecloud.de/",
  status: 429,
  attempts: 1,
  retryAfter: Option.none(),
  retryAt: Option.none(),
  rateLimit: { key: Option.none(), count: Option.none(), allowed: Option.none(), reset: Option.none() },
  contextId: Option.none(),
  correlationId: Option.none(),
  ...refusal.nothing
})

const settings = (longest: number) =>
  fc.record({
    allowed: fc.integer({ min: 5, max: 60 }),
    offset: fc.integer({ min: 1, max: 60_000 }),
    round: fc.constantFrom(Math.ceil, Math.floor, Math.round),
    arrivals: fc.oneof(
      fc.array(fc.constant(0), { minLength: 1, maxLength: 200, size: "max" }),
      fc.array(fc.integer({ min: 0, max: 180_000 }), { minLength: 1, maxLength: 200, size: "max" })
    ),
    latencies: fc.array(fc.integer({ min: 2, max: longest }), { minLength: 1, maxLength: 20 }),
    random: fc.array(fc.double({ min: 0, max: 0.99, noNaN: true }), { minLength: 1, maxLength: 20 })
  })

/** One period that others may have used up, and those that it takes. */
const latestEnd = ({ allowed, arrivals }: { readonly allowed: number; readonly arrivals: ReadonlyArray<number> }) =>
  Math.max(...arrivals) + (Math.ceil(arrivals.length / allowed) + 1) * 62_000

describe("pace", () => {
  it.prop(
    "all calls are served as soon as the limit allows, and at most five are refused",
    [settings(999)],
    ([setting]) => {
      const { ended, refused, served } = simulate(setting)
      assert.strictEqual(served, setting.arrivals.length)
      assert.isAtMost(refused, 5)
      assert.isAtMost(ended, latestEnd(setting))
    },
    { fastCheck: { numRuns: 2000 } }
  )

  it.prop(
    "with a slow API more calls may be refused, but all are served as soon as the limit allows",
    [settings(3000)],
    ([setting]) => {
      const { ended, served } = simulate(setting)
      assert.strictEqual(served, setting.arrivals.length)
      assert.isAtMost(ended, latestEnd(setting))
    },
    { fastCheck: { numRuns: 2000 } }
  )

  it("an answer whose counts are those of the previous minute stops no call", () => {
    const self = pace.make()
    const leave = (at: number) => {
      assert.strictEqual(self.verdict(at, at)._tag, "Go")
      self.leave()
    }
    leave(0)
    self.answered(100, 0, { count: 1, allowed: 3, reset: 60_000 })
    self.end()
    leave(59_000)
    // another minute
    leave(62_000)
    self.answered(63_000, 59_000, { count: 3, allowed: 3, reset: 1000 })
    self.end()
    leave(63_000)
    leave(65_000)
    assert.strictEqual(self.verdict(66_000, 66_000)._tag, "UsedUp")
  })
  it("a call waits for the first answer for one second, or until a call under way ends without an answer", () => {
    const self = pace.make()
    const leave = (at: number) => {
      for (let i = 0; i < 5; i++) {
        assert.strictEqual(self.verdict(at, at)._tag, "Go")
        self.leave()
      }
    }
    leave(0)
    assert.deepStrictEqual(self.verdict(999, 0), { _tag: "Busy", until: 1000 })
    assert.strictEqual(self.verdict(1000, 0)._tag, "Go")
    assert.deepStrictEqual(self.verdict(1000, 400), { _tag: "Busy", until: 1400 })
    self.unanswered(1000, 0)
    assert.strictEqual(self.verdict(1000, 400)._tag, "Go")
    assert.deepStrictEqual(self.verdict(1001, 1001), { _tag: "Busy", until: 2001 })
    for (let i = 0; i < 5; i++) self.end()

    self.refused(10_000, why)
    assert.deepStrictEqual(self.verdict(9999, 0), { _tag: "Closed", until: 10_000 })
    leave(10_000)
    // the second begins with the end of the wait
    assert.deepStrictEqual(self.verdict(10_000, 0), { _tag: "Busy", until: 11_000 })
    // this one left before it
    self.unanswered(10_500, 9)
    assert.strictEqual(self.verdict(10_500, 0)._tag, "Busy")
    self.unanswered(10_500, 10_000)
    assert.strictEqual(self.verdict(10_500, 0)._tag, "Go")
  })
})
