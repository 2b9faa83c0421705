import { assert, describe, it } from "@effect/vitest"
import { RenewalGuard } from "../../../src/edge/bearer/renewalGuard.js"
import { AccessToken, TokenRequest } from "../../../src/index.js"
import type * as Clocks from "../../../src/values/Clocks.js"

describe("RenewalGuard", () => {
  const at = (steady: number): Clocks.Now => ({ steady, wall: 0 })
  const token = (n: number) => AccessToken.make({ value: `token-${n}` })

  // FAULTS K1
  it("RenewalGuard holds a refused token for the interval, and forgets older ones", () => {
    const guard = new RenewalGuard(5000)
    const one = token(1)
    guard.renewed(one, at(0))
    assert.isTrue(guard.holds(one, at(4999)))
    assert.isFalse(guard.holds(one, at(5000)))
    assert.isTrue(guard.refused(one, at(6000)))
    assert.isFalse(guard.refused(one, at(10_999)))
    assert.isTrue(guard.holds(AccessToken.make({ value: "token-1" }), at(10_999)))
    assert.isTrue(guard.refused(one, at(11_000)))
    // the token was set again: the end of the first interval does not end the second
    guard.renewed(token(2), at(15_999))
    assert.isTrue(guard.holds(one, at(15_999)))
    assert.isFalse(guard.holds(one, at(16_000)))
  })

  it("a token that was set again before its interval was over is held for the second interval", () => {
    const guard = new RenewalGuard(5000)
    const one = token(1)
    guard.renewed(one, at(0))
    assert.isTrue(guard.refused(one, at(3000)))
    guard.refused(token(2), at(5500))
    assert.isTrue(guard.holds(one, at(6000)))
    assert.isFalse(guard.holds(one, at(8000)))
  })

  // Counts instead of measuring time: each entry is examined once when it comes and once when it goes.
  it("10 000 refused tokens within an interval cost no more than their number", () => {
    let reads = 0
    const counting = (steady: number): Clocks.Now => ({
      wall: 0,
      get steady() {
        reads++
        return steady
      }
    })
    const guard = new RenewalGuard(5000)
    for (let n = 0; n < 10_000; n++) guard.refused(token(n), counting(n / 10))
    assert.isBelow(reads, 50_000)
    for (let n = 0; n < 10_000; n++) guard.refused(token(n + 10_000), counting(10_000 + n / 10))
    assert.isBelow(reads, 150_000)
  })

  it("RenewalGuard is bounded: the oldest of too many tokens is no longer held back", () => {
    const guard = new RenewalGuard(5000)
    for (let n = 0; n <= 10_000; n++) guard.refused(token(n), at(1))
    assert.isFalse(guard.holds(token(0), at(2)))
    assert.isTrue(guard.holds(token(1), at(2)))
    assert.isTrue(guard.holds(token(10_000), at(2)))
  })

  it("a token that was accepted before it was refused is not held back, for it may have been revoked since", () => {
    const guard = new RenewalGuard(5000)
    const [one, two] = [token(1), token(2)]
    guard.accepted(one)
    guard.renewed(one, at(0))
    assert.isFalse(guard.isWatched(one, at(1)))
    assert.isFalse(guard.holds(one, at(1)))
    guard.renewed(two, at(0))
    guard.accepted(two)
    assert.isTrue(guard.isWatched(two, at(1)))
    assert.isFalse(guard.holds(two, at(1)))
    // refused after all, it is held back as any other
    guard.refused(two, at(2))
    assert.isTrue(guard.holds(two, at(3)))
    assert.isFalse(guard.isWatched(two, at(5002)))
  })

  it("a refused token that comes out of a renewal once more is still held back", () => {
    const guard = new RenewalGuard(5000)
    guard.refused(token(1), at(0))
    guard.renewed(token(1), at(4000))
    assert.isFalse(guard.refused(token(1), at(4500)))
    assert.isFalse(guard.holds(token(1), at(5000)))
  })

  it("an interval of zero holds nothing back", () => {
    const guard = new RenewalGuard(0)
    guard.renewed(token(1), at(0))
    assert.isTrue(guard.refused(token(1), at(0)))
    assert.isFalse(guard.holds(token(1), at(0)))
  })

  it("a call that could not be replayed drops the token of its request once in an interval", () => {
    const guard = new RenewalGuard(5000)
    const request = (audience: string) => TokenRequest.make({ audience })
    assert.isTrue(guard.mayInvalidate(request("billing"), at(0)))
    assert.isFalse(guard.mayInvalidate(request("billing"), at(4999)))
    assert.isTrue(guard.mayInvalidate(request("reports"), at(4999)))
    assert.isTrue(guard.mayInvalidate(request("billing"), at(5000)))
  })
})
