/** What a slot does with the report that a token was refused, step by step. */
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { reject } from "../../../src/lifecycle/cache/reject.js"
import { Slot } from "../../../src/lifecycle/cache/slot.js"
import { isOf } from "../../../src/lifecycle/cache/tokenLife.js"
import { unavailable } from "../../support/scripted.js"
import { at, attempt, fails, holding, hour, takes, token } from "../../support/slots.js"

describe("Slot: a refused token", () => {
  it("a refused token is dropped if it is the held one, and remembered in any case", () => {
    const { first, slot } = holding()
    const other = token("other", 0)
    assert.deepStrictEqual(reject(slot, other, "key", at(1000)), [])
    assert.strictEqual(slot.held?.token, first)
    assert.strictEqual(slot.rejected, other)
    assert.strictEqual(slot.memory?.rejected, other)
    const events = reject(slot, token("first", 5, 6), "key", at(1000))
    assert.deepStrictEqual(events.map((event) => event._tag), ["TokenRejected", "RevokedEarly"])
    assert.isUndefined(slot.held)
    assert.isDefined(slot.lifeOf(first))
    assert.strictEqual(slot.blockedFor(at(1000)), 0, "its successor may be asked for at once")
  })

  it("the refusal of a token past its margin is no RevokedEarly event", () => {
    const { first, slot } = holding()
    const events = reject(slot, first, "key", at(hour - 30_000))
    assert.deepStrictEqual(events.map((event) => event._tag), ["TokenRejected"])
  })

  it("the refusal of the held token ends the wait for its end, but not the wait after a failure", () => {
    const { first, slot } = holding()
    takes(slot, token("first", 0, hour), attempt(1000, "ahead"))
    takes(slot, token("first", 0, hour), attempt(2000, "ahead"))
    assert.isTrue(slot.trouble?.isUntilEnd)
    reject(slot, first, "key", at(3000))
    assert.isUndefined(slot.trouble)
    const other = holding()
    fails(other.slot, unavailable(Duration.minutes(1)), attempt(1000, "ahead"))
    reject(other.slot, other.first, "key", at(1000))
    assert.strictEqual(other.slot.blockedFor(at(1000)), 60_000)
  })

  // FAULTS W8
  it("three early refusals in a row give one ClientUsedElsewhere event, and then requests are spaced out", () => {
    const slot = new Slot<never>("key")
    const round = (n: number, lifetime: number, age: number) => {
      const began = n * 10 * hour
      const value = token(`t${n}`, began, began + lifetime)
      takes(slot, value, attempt(began, "rejected"))
      const events = reject(slot, value, "key", at(began + age)).map((event) => event._tag)
      return { events, wait: slot.blockedFor(at(began + age)) }
    }
    // the waits count from when the last token came
    const waits = [0, 0, 1000, 2000, 4000, 5000].map((wait) => Math.max(0, wait - 1000))
    assert.deepStrictEqual([0, 1, 2, 3, 4, 5].map((n) => round(n, hour, 1000).wait), waits)
    assert.deepStrictEqual(round(6, hour, 1000).events, ["TokenRejected"])
    slot.forgive()
    assert.strictEqual(slot.blockedFor(at(60 * hour + 1000)), 0)
    assert.deepStrictEqual(round(7, hour, 1000).events, ["TokenRejected", "RevokedEarly"])
    round(8, hour, 1000)
    assert.deepStrictEqual(round(9, hour, 1000).events, ["TokenRejected", "RevokedEarly", "ClientUsedElsewhere"])
    assert.strictEqual(round(10, hour, hour / 2).wait, 0, "half of its life is no accident")
    // a token that lives for days counts as living for one hour
    for (const n of [11, 12, 13]) assert.strictEqual(round(n, 100 * hour, hour / 2).wait, 0)
    assert.strictEqual(slot.cutShort, 0)
  })

  it("a token that is replaced without a refusal resets the count of early refusals", () => {
    const slot = new Slot<never>("key")
    for (const n of [0, 1, 2]) {
      const value = token(`t${n}`, n * hour)
      takes(slot, value, attempt(n * hour))
      reject(slot, value, "key", at(n * hour + 1))
    }
    assert.strictEqual(slot.cutShort, 3)
    takes(slot, token("a", 4 * hour), attempt(4 * hour))
    assert.strictEqual(slot.cutShort, 3)
    takes(slot, token("b", 5 * hour), attempt(5 * hour))
    assert.strictEqual(slot.cutShort, 0)
  })

  // FAULTS T5
  it("a refused token that the server gives again goes to the waiting callers, and is not held", () => {
    const slot = new Slot<never>("key")
    const value = token("refused", 0)
    slot.rejected = value
    assert.deepStrictEqual(takes(slot, token("refused", 1000), attempt(1000)), {
      given: "refused",
      tags: ["NoProgress"]
    })
    assert.isUndefined(slot.held)
    assert.strictEqual(slot.lifeOf(value)?.endsAt, 1000 + hour, "it has one end, if it comes again")
    assert.strictEqual(slot.blockedFor(at(1000)), 1000)
    assert.strictEqual(takes(slot, token("next", 2000), attempt(2000)).tags[0], "TokenAcquired")
  })

  // FAULTS T
  it("that the server repeated one refused token says nothing about another one", () => {
    const { first, slot } = holding()
    reject(slot, first, "key", at(1000))
    takes(slot, token("first", 1000, hour), attempt(1000, "rejected"))
    const other = token("other", 0)
    reject(slot, other, "key", at(2000))
    takes(slot, other, attempt(2000, "rejected"))
    assert.isUndefined(slot.held)
    // the server repeats this one as well
    takes(slot, other, attempt(4000, "cold"))
    assert.isTrue(slot.held !== undefined && isOf(slot.held, other))
  })
})
