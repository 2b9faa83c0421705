import { assert, describe, it } from "@effect/vitest"
import { AccessToken } from "../../src/index.js"
import type { Timing } from "../../src/lifecycle/lifetime.js"
import { moments } from "../../src/lifecycle/lifetime.js"

const hour = 3_600_000
const never = Number.POSITIVE_INFINITY
const timing: Timing = { ahead: 300_000, jitter: 0, clockSkew: 30_000, assumedLifetime: never }
const token = (times: { readonly issuedAt?: number; readonly expiresAt?: number; readonly refreshAt?: number }) =>
  AccessToken.make({ value: "token", issuedAt: 0, ...times })

describe("the moments of a token's life", () => {
  it("lie before its end by what the settings say", () => {
    assert.deepStrictEqual(moments(token({ issuedAt: 1000, expiresAt: hour + 1000 }), timing, 0), {
      refreshAt: hour + 1000 - 300_000,
      mustAt: hour + 1000 - 30_000,
      endsAt: hour + 1000,
      lifetime: hour
    })
  })

  it("lie before its end by a quarter and a tenth of a short life", () => {
    assert.deepStrictEqual(moments(token({ expiresAt: 200_000 }), timing, 0), {
      refreshAt: 150_000,
      mustAt: 180_000,
      endsAt: 200_000,
      lifetime: 200_000
    })
  })

  it("renewal begins earlier by a random part of the jitter, which is at most a twentieth of the life", () => {
    const refreshAt = (random: number, expiresAt: number) =>
      moments(token({ expiresAt }), { ...timing, jitter: 60_000 }, random).refreshAt
    assert.strictEqual(refreshAt(0, hour), hour - 300_000)
    assert.strictEqual(refreshAt(0.5, hour), hour - 330_000)
    assert.strictEqual(refreshAt(0.5, 200_000), 145_000)
    // times are whole milliseconds
    assert.strictEqual(refreshAt(0.99999, hour), hour - 359_999)
  })

  it("renewal begins when the server advises it, if that is earlier than the settings say", () => {
    const refreshAt = (refreshAt: number) => moments(token({ expiresAt: hour, refreshAt }), timing, 0).refreshAt
    assert.strictEqual(refreshAt(hour / 2), hour / 2)
    assert.strictEqual(refreshAt(hour - 1), hour - 300_000)
  })

  it("renewal begins no sooner than half a minute after the token arrived, or a third of what is left of it", () => {
    const refreshAt = (expiresAt: number, arrived: number) =>
      moments(token({ expiresAt, refreshAt: 0 }), timing, 0, arrived).refreshAt
    assert.strictEqual(refreshAt(hour, 5000), 35_000)
    assert.strictEqual(refreshAt(50_000, 0), 15_000)
    assert.strictEqual(refreshAt(50_000, 15_000), 25_000)
    // nothing is left of it
    assert.strictEqual(refreshAt(50_000, 60_000), 60_000)
  })

  it("renewal waits for the end where renewal ahead of need is off, whatever the server advises", () => {
    const at = moments(token({ expiresAt: hour, refreshAt: hour / 2 }), { ...timing, ahead: 0, jitter: 1000 }, 0.5)
    assert.strictEqual(at.refreshAt, hour - 30_000)
  })

  it("renewal never begins after the moment from which the token is not handed out", () => {
    const at = moments(token({ expiresAt: hour }), { ...timing, ahead: 10_000, clockSkew: 60_000 }, 0)
    assert.deepStrictEqual([at.refreshAt, at.mustAt], [hour - 60_000, hour - 60_000])
  })

  it("without a stated end, the end is the assumed one, or there is none", () => {
    assert.deepStrictEqual(moments(token({}), timing, 0), {
      refreshAt: never,
      mustAt: never,
      endsAt: never,
      lifetime: never
    })
    const assumed = { ...timing, assumedLifetime: hour }
    assert.deepStrictEqual(
      moments(token({ issuedAt: 7 }), assumed, 0),
      moments(token({ issuedAt: 7, expiresAt: hour + 7 }), timing, 0)
    )
  })

  it("without an end it is not renewed ahead of need, even if the server advises it: it is used until it is refused", () => {
    assert.strictEqual(moments(token({ refreshAt: 60_000 }), timing, 0).refreshAt, never)
  })

  it("a token that had ended before it was issued has no lifetime", () => {
    assert.deepStrictEqual(moments(token({ issuedAt: 1000, expiresAt: 400 }), timing, 0), {
      refreshAt: 1000,
      mustAt: 400,
      endsAt: 400,
      lifetime: 0
    })
  })

  // FAULTS K1
  it("a token that was issued in the future lives as long as it was meant to, from when it arrived", () => {
    const at = moments(token({ issuedAt: 2 * hour, expiresAt: 3 * hour }), timing, 0, hour / 2)
    assert.deepStrictEqual([at.endsAt, at.lifetime, at.mustAt], [1.5 * hour, hour, 1.5 * hour - 30_000])
  })

  // FAULTS K1
  it("a token that was issued in the future, but ends before that, had two clocks: its end holds", () => {
    for (const expiresAt of [hour, 2 * hour]) {
      const at = moments(token({ issuedAt: 2 * hour, expiresAt }), timing, 0, hour / 2)
      assert.deepStrictEqual([at.endsAt, at.lifetime], [expiresAt, expiresAt - hour / 2])
    }
  })
})
