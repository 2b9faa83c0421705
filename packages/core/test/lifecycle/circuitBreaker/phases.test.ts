import { assert, describe, it } from "@effect/vitest"
import { Duration, Either, Option } from "effect"
import * as phases from "../../../src/lifecycle/circuitBreaker/phases.js"
import * as TokenError from "../../../src/values/TokenError.js"

const settings = { threshold: 2, resetAfter: 10_000, longest: 35_000 }

/** The wall clock shows another time than the steady one. */
const at = (steady: number) => ({ steady, wall: 1_000_000 + steady })

const begin = (breaker: phases.Phases, steady: number): phases.Phase => Either.getOrThrow(breaker.admit(at(steady)))
const turnedAway = (breaker: phases.Phases, steady: number) => Either.getLeft(breaker.admit(at(steady)))

/** A breaker that has opened at 0. */
const opened = () => {
  const breaker = phases.make(settings)
  assert.isUndefined(breaker.failed(begin(breaker, 0), undefined, at(0)))
  assert.deepStrictEqual(breaker.failed(begin(breaker, 0), undefined, at(0)), { failures: 2, retryAt: 1_010_000 })
  return breaker
}

describe("the phases of a circuit breaker", () => {
  it("closed: an answer starts the count again", () => {
    const breaker = phases.make(settings)
    assert.isUndefined(breaker.failed(begin(breaker, 0), undefined, at(0)))
    assert.isFalse(breaker.answered(begin(breaker, 0)))
    assert.isUndefined(breaker.failed(begin(breaker, 0), undefined, at(0)))
    assert.strictEqual(breaker.current()._tag, "Closed")
  })

  it("open: attempts are turned away with the time of the wall clock, until one becomes the probe", () => {
    const breaker = opened()
    assert.deepStrictEqual(turnedAway(breaker, 4_000), Option.some(Option.some(1_010_000)))
    assert.strictEqual(begin(breaker, 10_000)._tag, "HalfOpen")
    assert.deepStrictEqual(turnedAway(breaker, 10_000), Option.some(Option.none()))
  })

  it("half-open: the answer to the probe closes it", () => {
    const breaker = opened()
    assert.isTrue(breaker.answered(begin(breaker, 10_000)))
    assert.deepStrictEqual(breaker.current(), { _tag: "Closed", failures: 0 })
  })

  it("half-open: each probe that fails doubles the time, up to the longest", () => {
    const breaker = opened()
    let now = 10_000
    for (const [failures, delay] of [[3, 20_000], [4, 35_000], [5, 35_000]] as const) {
      const retryAt = 1_000_000 + now + delay
      assert.deepStrictEqual(breaker.failed(begin(breaker, now), undefined, at(now)), { failures, retryAt })
      now += delay
    }
  })

  it("stays open for as long as the server asks for, and for an hour at most", () => {
    const open = (retryAfter: Duration.DurationInput) => {
      const breaker = phases.make({ ...settings, threshold: 1 })
      const error = new TokenError.EndpointUnavailable({
        endpoint: "https://login.example.com/token",
        status: 503,
        retryAfter: Option.some(Duration.decode(retryAfter)),
        description: Option.none()
      })
      return breaker.failed(begin(breaker, 0), error, at(0))?.retryAt
    }
    assert.strictEqual(open("1 second"), 1_010_000)
    assert.strictEqual(open("2 minutes"), 1_120_000)
    assert.strictEqual(open("1 day"), 1_000_000 + 3_600_000)
  })

  it("an attempt that began in an earlier phase changes nothing", () => {
    const breaker = phases.make(settings)
    const early = begin(breaker, 0)
    breaker.failed(early, undefined, at(0))
    breaker.failed(early, undefined, at(0))
    const open = breaker.current()
    assert.isUndefined(breaker.failed(early, undefined, at(1)))
    assert.isFalse(breaker.answered(early))
    breaker.abandoned(early)
    assert.strictEqual(breaker.current(), open)
  })

  it("an interrupted probe leaves its place to the next attempt, and keeps the count", () => {
    const breaker = opened()
    breaker.abandoned(begin(breaker, 10_000))
    const probe = begin(breaker, 10_000)
    assert.strictEqual(probe._tag, "HalfOpen")
    assert.deepStrictEqual(breaker.failed(probe, undefined, at(10_000)), { failures: 3, retryAt: 1_030_000 })
  })

  it("a probe without signs of life for a minute is given up", () => {
    const breaker = opened()
    const probe = begin(breaker, 10_000)
    assert.isTrue(Option.isSome(turnedAway(breaker, 69_999)))
    assert.strictEqual(begin(breaker, 70_000)._tag, "HalfOpen")
    // its late end counts no more
    assert.isFalse(breaker.answered(probe))
    assert.strictEqual(breaker.current()._tag, "HalfOpen")
  })
})
