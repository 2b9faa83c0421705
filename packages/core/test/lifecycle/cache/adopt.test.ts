/** What a slot does with a token that arrived, step by step. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import type { TokenError } from "../../../src/index.js"
import { AccessToken } from "../../../src/index.js"
import { isLate } from "../../../src/lifecycle/cache/adopt.js"
import { reject } from "../../../src/lifecycle/cache/reject.js"
import { current, Slot } from "../../../src/lifecycle/cache/slot.js"
import { unavailable } from "../../support/scripted.js"
import { at, attempt, fails, holding, hour, takes, timing, token } from "../../support/slots.js"

describe("Slot: a new token", () => {
  it("a new token is held and clears failures; the next request waits half a second, by either clock", () => {
    const slot = new Slot<TokenError.TokenError>("key")
    slot.isEarly = true
    fails(slot, unavailable(), attempt(0))
    slot.isEarly = true
    assert.deepStrictEqual(takes(slot, token("first", 1000), attempt(1000)), {
      given: "first",
      tags: ["TokenAcquired"]
    })
    assert.isUndefined(slot.trouble)
    assert.isFalse(slot.isEarly)
    assert.strictEqual(slot.blockedFor(at(1100)), 400)
    assert.strictEqual(slot.aheadFor(at(1100)), 400)
    assert.strictEqual(slot.blockedFor(at(5000, 1100)), 0, "the machine slept")
    assert.strictEqual(slot.blockedFor(at(0, 5000)), 0, "the wall clock was put back")
  })

  it("a new token without a lifetime adds the event LifetimeUnknown", () => {
    const slot = new Slot<never>("key")
    const endless = AccessToken.make({ value: "endless", issuedAt: 0 })
    assert.deepStrictEqual(takes(slot, endless, attempt(0)).tags, ["TokenAcquired", "LifetimeUnknown"])
  })

  it("a new token, or dropping the held one, closes the window in which it is served without a check", () => {
    const { slot } = holding()
    slot.from = 0
    slot.until = 9e9
    takes(slot, token("second", 1000), attempt(1000))
    assert.isTrue(slot.from > slot.until)
    slot.from = 0
    slot.until = 9e9
    slot.drop()
    assert.isTrue(slot.from > slot.until)
  })

  it("a token from a renewal ahead of need that ends no later is NoProgress, though it is held", () => {
    const { slot } = holding()
    const same = token("second", 1000, hour)
    assert.deepStrictEqual(takes(slot, same, attempt(1000, "ahead")), { given: "second", tags: ["NoProgress"] })
    assert.strictEqual(slot.held?.token, same)
    assert.strictEqual(slot.aheadFor(at(2000)), 0)
    assert.strictEqual(slot.aheadFor(at(1900)), 100)
    assert.strictEqual(slot.blockedFor(at(1501)), 0)
    const later = token("third", 2000, hour + 1)
    assert.deepStrictEqual(takes(slot, later, attempt(2000, "ahead")).tags, ["TokenAcquired"])
  })

  // FAULTS K1
  it("a new token counts as ending later, although its end looks earlier by a wall clock that was put back", () => {
    const { first, slot } = holding()
    const now = at(1000 - hour, 1000)
    assert.deepStrictEqual(Option.getOrThrow(current(slot.held!, now).expiresAt), 0)
    assert.strictEqual(current(slot.held!, at(1000)), first)
    const next = token("second", now.wall, 1000)
    assert.deepStrictEqual(takes(slot, next, attempt(now, "ahead")).tags, ["TokenAcquired"])
  })

  // FAULTS R1
  it("a token that was over before it arrived is late, unless it is known or never had a lifetime", () => {
    const { first, slot } = holding()
    assert.isTrue(isLate(slot, token("other", 0, 1000), at(2000), timing))
    assert.isFalse(isLate(slot, token("other", 0, 1000), at(500), timing))
    assert.isFalse(isLate(slot, token("other", 1000, 1000), at(2000), timing))
    assert.isFalse(isLate(slot, first, at(2 * hour), timing))
  })

  // FAULTS T
  it("a token that arrives when it is over goes to no caller, and is recognised next time", () => {
    const { first, slot } = holding()
    const over = token("over", 0, 1000)
    assert.deepStrictEqual(takes(slot, over, attempt(5000)), { given: "ended", tags: ["NoProgress"] })
    assert.strictEqual(slot.held?.token, first, "the held one is still good")
    assert.isDefined(slot.lifeOf(over))
    assert.strictEqual(slot.blockedFor(at(5000)), 1000)
    takes(slot, token("over too", 0, 1000), attempt(2 * hour))
    assert.isUndefined(slot.held, "and now it is not")
    assert.strictEqual(slot.blockedFor(at(2 * hour)), 2000)
  })
})

// FAULTS R1
describe("Slot: a token that it knows", () => {
  it("a known token is served while it is good; the server is asked once more at its margin, then at its end", () => {
    const { first, slot } = holding()
    const now = hour - 200_000
    const told = takes(slot, token("first", now, hour), attempt(now, "ahead"))
    assert.deepStrictEqual(told, { given: "first", tags: ["NoProgress"] })
    assert.strictEqual(slot.held?.token, first, "the very token")
    assert.strictEqual(slot.aheadFor(at(now)), 170_000)
    assert.strictEqual(slot.blockedFor(at(now)), 0)
    takes(slot, token("first", now, hour), attempt(hour - 100_000, "ahead"))
    assert.strictEqual(slot.aheadFor(at(hour - 100_000)), 100_000)
    assert.strictEqual(slot.blockedFor(at(hour - 100_000)), 100_000, "nothing better will come before")
  })

  it("no caller gets a known token past its margin; the next request comes at its end, by either clock", () => {
    const { slot } = holding()
    const now = hour - 20_000
    assert.strictEqual(takes(slot, token("first", now, hour), attempt(now, "expired")).given, "later")
    assert.strictEqual(slot.blockedFor(at(now)), 20_000)
    assert.strictEqual(slot.blockedFor(at(hour - 5000, now)), 5000, "the machine slept")
    // because lifetimes are in whole seconds, the server may be up to a second behind
    assert.strictEqual(takes(slot, token("first", hour, hour + 900), attempt(hour + 500, "expired")).given, "later")
    assert.strictEqual(slot.blockedFor(at(hour + 500)), 1000)
    assert.strictEqual(takes(slot, token("first", hour, hour + 2000), attempt(hour + 2001, "expired")).given, "over")
    assert.isUndefined(slot.held)
  })

  it("a known token past its margin that the server extends still counts as over, and no caller waits for it", () => {
    const { slot } = holding()
    const now = hour - 20_000
    assert.strictEqual(takes(slot, token("first", now), attempt(now, "expired")).given, "over")
    assert.isUndefined(slot.held)
  })

  // FAULTS T
  it("a token that was over when it first arrived, or refused as well, goes to no caller at any time", () => {
    const slot = new Slot<never>("key")
    const late = token("late", 0, 1000)
    for (const [now, given] of [[5000, "ended"], [10_000, "over"]] as const) {
      assert.deepStrictEqual(takes(slot, late, attempt(now)), { given, tags: ["NoProgress"] })
    }
    const other = new Slot<never>("key")
    reject(other, late, "key", at(5000))
    assert.strictEqual(takes(other, late, attempt(5000, "rejected")).given, "ended")
  })

  it("a known token counts as new for a slot that holds none, and this is not counted as a repeat", () => {
    const { slot } = holding()
    slot.drop()
    const told = takes(slot, token("first", 1000, hour), attempt(1000, "cold"))
    assert.deepStrictEqual(told, { given: "first", tags: ["TokenAcquired"] })
    assert.strictEqual(slot.held?.repeats, 0)
  })

  it("an earlier token in answer to a reported refusal is NoProgress, because it may have been refused too", () => {
    const { slot } = holding()
    const second = token("second", 1000)
    takes(slot, second, attempt(1000))
    reject(slot, second, "key", at(2000))
    const told = takes(slot, token("first", 2000, hour), attempt(2000, "rejected"))
    assert.deepStrictEqual(told, { given: "first", tags: ["NoProgress"] })
  })

  it("a refused token that the server gives again at once is NoProgress, and is not held", () => {
    const { first, slot } = holding()
    reject(slot, first, "key", at(1000))
    const told = takes(slot, token("first", 1000, hour), attempt(1000, "rejected"))
    assert.deepStrictEqual(told, { given: "first", tags: ["NoProgress"] })
    assert.isUndefined(slot.held)
  })

  // FAULTS T
  it("an expired token that was just refused goes to no caller, if the server has no other", () => {
    const { first, slot } = holding()
    const now = hour + 5000
    reject(slot, first, "key", at(now))
    assert.strictEqual(takes(slot, token("first", now, hour), attempt(now, "rejected")).given, "over")
    assert.isUndefined(slot.held)
    assert.strictEqual(takes(slot, token("first", now, hour), attempt(now, "cold")).given, "over")
  })

  it("an earlier token does not replace the held token while the held token is good", () => {
    const { slot } = holding()
    takes(slot, token("second", 1000, 3 * hour), attempt(1000))
    const told = takes(slot, token("first", 2000, hour), attempt(2000, "ahead"))
    assert.deepStrictEqual(told, { given: "second", tags: ["NoProgress"] })
    assert.strictEqual(slot.lifeOf(token("first", 0))?.repeats, 1)
    const late = hour + 500
    assert.strictEqual(takes(slot, token("first", late, hour + 2000), attempt(late, "ahead")).given, "second")
    assert.strictEqual(takes(slot, token("first", 4 * hour), attempt(4 * hour, "expired")).given, "over")
  })

  it("a slot recognises three earlier tokens besides the held one; the next slot of its key, three in all", () => {
    const { slot } = holding()
    const rest = ["b", "c", "d", "e"].map((value, n) => token(value, (n + 1) * 1000))
    for (const next of rest) takes(slot, next, attempt(next.issuedAt))
    const known = (slot: Slot<never> | Slot<TokenError.TokenError>) =>
      ["first", "b", "c", "d", "e"].filter((value) => slot.lifeOf(token(value, 0)) !== undefined)
    assert.deepStrictEqual(known(slot), ["b", "c", "d", "e"])
    // the next slot of the key knows three
    const next = new Slot<never>("key", slot.memory)
    assert.deepStrictEqual(known(next), ["c", "d", "e"])
    assert.isUndefined(next.held)
    // a token that comes back again and again takes one place only
    for (let n = 0; n < 5; n++) slot.bury(slot.lifeOf(rest[2]!)!)
    assert.deepStrictEqual(known(slot), ["b", "c", "d", "e"])
    assert.isUndefined(new Slot<never>("key").memory)
  })

  // FAULTS K
  it("a refused token that comes again has the earliest end that the server has stated, whether it is held or not", () => {
    const { first, slot } = holding()
    reject(slot, first, "key", at(1000))
    takes(slot, token("first", 1000, 100_000), attempt(1000, "rejected"))
    takes(slot, token("first", 2000, hour), attempt(2000, "cold"))
    assert.strictEqual(slot.held?.endsAt, 100_000)
    assert.deepStrictEqual(slot.held!.token.expiresAt, Option.some(100_000))
    assert.strictEqual(slot.held!.repeats, 0)
    // a slot that did not know the token
    const other = new Slot<never>("key")
    other.rejected = first
    for (const end of [100_000, hour]) takes(other, token("first", 0, end), attempt(1000))
    assert.strictEqual(other.held?.endsAt, 100_000)
    // by now it is over
    reject(slot, first, "key", at(3000))
    assert.strictEqual(takes(slot, token("first", 4000, 4500), attempt(5000, "rejected")).given, "later")
    assert.strictEqual(takes(slot, token("first", 4000, 4500), attempt(8000, "rejected")).given, "over")
    assert.isUndefined(slot.held)
  })

  // FAULTS L
  it("callers wait for the end of a token as the server states it now, not as it stated it at first", () => {
    const { slot } = holding()
    takes(slot, token("first", 1000, 100_000), attempt(1000, "ahead"))
    assert.strictEqual(takes(slot, token("first", 80_000, 100_000), attempt(80_000, "expired")).given, "later")
    assert.strictEqual(slot.blockedFor(at(80_000)), 20_000)
  })
})
