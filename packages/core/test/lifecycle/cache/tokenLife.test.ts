/** The life of a token value: moments, two clocks, and the same value again. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { AccessToken } from "../../../src/index.js"
import { again, bare, begin, isOf, lastMoment, putBack, timed, until } from "../../../src/lifecycle/cache/tokenLife.js"
import type { Timing } from "../../../src/lifecycle/lifetime.js"

const timing: Timing = { ahead: 300_000, jitter: 0, clockSkew: 30_000, assumedLifetime: Number.POSITIVE_INFINITY }
const hour = 3_600_000

/** Both clocks, the steady one 500 ms ahead of the wall clock unless that was set. */
const at = (wall: number, steady = wall + 500) => ({ wall, steady })
const token = (issuedAt: number, expiresAt?: number) =>
  AccessToken.make({ value: "same", issuedAt, ...(expiresAt === undefined ? {} : { expiresAt }) })
const life = begin(token(0, hour), timing, 0, at(0))

describe("the life of a token", () => {
  it("a life begins with the moments of its token, and no repeats", () => {
    const { endsAt, firstEnd, lifetime, mustAt, offset, refreshAt, repeats } = life
    assert.deepStrictEqual(
      { endsAt, firstEnd, lifetime, mustAt, offset, refreshAt, repeats },
      {
        endsAt: hour,
        firstEnd: hour,
        lifetime: hour,
        mustAt: hour - 30_000,
        offset: 500,
        refreshAt: hour - 300_000,
        repeats: 0
      }
    )
    assert.strictEqual(begin(token(1000, hour), timing, 0, at(1000)).offset, 500)
    assert.isTrue(isOf(life, token(7, 9)))
    assert.isFalse(isOf(life, AccessToken.make({ value: "other" })))
  })

  // FAULTS K1
  it("a moment of a life comes as soon as either clock says so", () => {
    assert.strictEqual(until(life, 1000, at(400)), 600)
    assert.strictEqual(until(life, 1000, at(400, 1100)), 400, "put back")
    assert.strictEqual(until(life, 1000, at(900, 600)), 100, "the machine slept")
  })

  // FAULTS K1
  it("a wall clock that was put back is told apart from clocks read a moment apart, and from sleep", () => {
    assert.strictEqual(putBack(life, at(1000, 1501)), 0)
    assert.strictEqual(putBack(life, at(1000, 1502)), 2)
    assert.strictEqual(putBack(life, at(1000, 500)), 0)
  })
})

describe("what is remembered of a token that is no longer held", () => {
  it("is its life, and nothing else", () => {
    assert.deepStrictEqual(bare({ ...life, token: token(0) } as typeof life), life)
  })

  it("the next token is due at the end that was stated first, unless the life was shortened since", () => {
    assert.strictEqual(lastMoment({ endsAt: hour, firstEnd: hour + 2000 }), hour + 2000)
    assert.strictEqual(lastMoment({ endsAt: hour, firstEnd: hour + 2001 }), hour)
  })
})

// FAULTS R1
describe("the same value again", () => {
  it("the same value again does not end later or have a smaller margin, and counts as a repeat", () => {
    const now = at(hour - 100_000)
    const { isExtended, life: next } = again(life, token(now.wall, hour + 999), timing, now)
    assert.isFalse(isExtended)
    assert.deepStrictEqual(
      { endsAt: next.endsAt, firstEnd: next.firstEnd, mustAt: next.mustAt, refreshAt: next.refreshAt },
      { endsAt: hour, firstEnd: hour, mustAt: hour - 30_000, refreshAt: hour - 300_000 }
    )
    assert.strictEqual(next.lifetime, hour)
    assert.strictEqual(next.repeats, 1)
    assert.strictEqual(again(next, token(now.wall, hour), timing, now).life.repeats, 2)
  })

  it("the same value again ends and is renewed earlier if the server says so; its first end is remembered", () => {
    const now = at(1_000_000)
    const { life: next } = again(life, token(now.wall, 2_000_000), timing, now)
    assert.deepStrictEqual(
      [next.endsAt, next.mustAt, next.refreshAt, next.firstEnd],
      [2_000_000, 1_970_000, 1_700_000, hour]
    )
  })

  it("the same value again counts as extended only by more than rounding, also after its end", () => {
    const isExtended = (now: number, end: number) => again(life, token(now, end), timing, at(now)).isExtended
    assert.isFalse(isExtended(1000, hour + 2000))
    assert.isTrue(isExtended(1000, hour + 2001))
    // once the token is over, the claimed lifetime counts from now
    assert.isFalse(isExtended(2 * hour, 2 * hour + 2000))
    assert.isTrue(isExtended(2 * hour, 2 * hour + 2001))
  })

  it("a token of unknown lifetime takes the lifetime that is stated later, and never counts as extended", () => {
    const endless = begin(token(0), timing, 0, at(0))
    assert.strictEqual(endless.endsAt, Number.POSITIVE_INFINITY)
    const now = at(1000)
    const { isExtended, life: next } = again(endless, token(1000, 101_000), timing, now)
    assert.isFalse(isExtended)
    assert.deepStrictEqual(
      [next.endsAt, next.firstEnd, next.lifetime, next.mustAt, next.refreshAt],
      [101_000, 101_000, 100_000, 91_000, 91_000]
    )
    const still = again(endless, token(1000), timing, now)
    assert.strictEqual(still.life.endsAt, Number.POSITIVE_INFINITY)
    assert.isFalse(still.isExtended)
  })

  // FAULTS K1
  it("after the wall clock was put back, the token's end is earlier by that clock by the same amount", () => {
    // an hour back, after 10 minutes
    const now = at(600_000 - hour, 600_500)
    const { isExtended, life: next } = again(life, token(now.wall, 0), timing, now)
    assert.deepStrictEqual([next.endsAt, next.firstEnd, next.mustAt], [0, 0, -30_000])
    assert.isFalse(isExtended)
    assert.strictEqual(next.offset, hour + 500)
    assert.strictEqual(until(next, next.endsAt, now), hour - 600_000)
  })

  // FAULTS K1
  it("a wall clock put forward moves the token's end if the server's end fits; otherwise the machine slept", () => {
    // an hour forward, after 10 minutes
    const now = at(600_000 + hour, 600_500)
    const set = again(life, token(now.wall, 2 * hour), timing, now)
    assert.deepStrictEqual([set.life.endsAt, set.life.firstEnd, set.isExtended], [2 * hour, 2 * hour, false])
    assert.strictEqual(until(set.life, set.life.endsAt, now), hour - 600_000)
    // the same clocks after half an hour of sleep
    const later = at(40 * 60_000, 600_500)
    const slept = again(life, token(later.wall, hour + 1000), timing, later)
    assert.deepStrictEqual([slept.life.endsAt, slept.life.firstEnd], [hour, hour])
    // a difference as small as the drift of two clocks does not mean that a clock was set
    const drifted = again(life, token(602_000, hour + 2001), timing, at(602_000, 600_500))
    assert.strictEqual(drifted.life.endsAt, hour)
    // an end that is later only by as much does not fit either
    const rounded = again(life, token(602_001, hour + 2000), timing, at(602_001, 600_500))
    assert.strictEqual(rounded.life.endsAt, hour)
  })

  it("the token is handed out with the times of its life, not with those of the latest response", () => {
    const now = at(1_000_000)
    const next = again(life, token(now.wall, hour + 999), timing, now).life
    const again_ = timed(token(now.wall, hour + 999), next)
    assert.strictEqual(again_.issuedAt, 0)
    assert.deepStrictEqual(again_.expiresAt, Option.some(hour))
    assert.deepStrictEqual(timed(token(now.wall), next).expiresAt, Option.none())
  })
})
