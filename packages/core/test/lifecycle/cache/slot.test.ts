/** What is known about one key, step by step. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Exit, Option, Redacted } from "effect"
import { AccessToken, TokenError } from "../../../src/index.js"
import {
  adopt,
  type Attempt,
  current,
  giveUp,
  isLate,
  isRefusal,
  reject,
  remember,
  Slot
} from "../../../src/lifecycle/cache/slot.js"
import type { Timing } from "../../../src/lifecycle/lifetime.js"
import { refused, unavailable } from "../../support/scripted.js"

const timing: Timing = { ahead: 300_000, jitter: 0, clockSkew: 30_000, assumedLifetime: Number.POSITIVE_INFINITY }
const hour = 3_600_000

const at = (wall: number, steady = wall) => ({ wall, steady })
const token = (value: string, issuedAt: number, expiresAt: number | undefined = issuedAt + hour) =>
  AccessToken.make({ value, issuedAt, expiresAt })
const attempt = (now: number | Attempt["now"], reason: Attempt["reason"] = "cold"): Attempt => ({
  key: "key",
  reason,
  elapsed: 1,
  random: 0,
  now: typeof now === "number" ? at(now) : now
})

/** A slot that holds `first`, which came at 0 and lives for an hour. */
const holding = () => {
  const slot = new Slot<TokenError.TokenError>("key")
  const first = token("first", 0)
  adopt(slot, first, attempt(0), timing)
  return { slot, first }
}
const takes = (slot: Slot<never> | Slot<TokenError.TokenError>, token: AccessToken.AccessToken, attempt: Attempt) => {
  const { events, given } = adopt(slot as Slot<never>, token, attempt, timing)
  return {
    given: typeof given === "string" ? given : Redacted.value(given.value),
    tags: events.map((event) => event._tag)
  }
}
const fails = (
  slot: Slot<TokenError.TokenError>,
  error: TokenError.TokenError,
  by: Attempt
) => remember(slot, Exit.fail(error) as Exit.Failure<AccessToken.AccessToken, TokenError.TokenError>, by)

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
})

describe("Slot: a failure", () => {
  it("a failure without a token is repeated for 1, 2, 4, then 5 s; a background renewal waits a random time", () => {
    const slot = new Slot<TokenError.TokenError>("key")
    for (const block of [1000, 2000, 4000, 5000, 5000]) {
      const { event } = fails(slot, unavailable(), attempt(0))
      assert.isTrue(event._tag === "RefreshFailed" && event.retryAt === block && !event.stillServing)
      assert.strictEqual(slot.blockedFor(at(0)), block)
    }
    const ahead = (random: number) => {
      const slot = new Slot<TokenError.TokenError>("key")
      for (let n = 0; n < 6; n++) fails(slot, unavailable(), { ...attempt(0), random })
      return slot.aheadFor(at(0))
    }
    assert.deepStrictEqual([ahead(0), ahead(0.5)], [15_000, 22_500])
  })

  it("a failure while a token is served blocks no caller; the next attempt comes before the token's end", () => {
    const { first, slot } = holding()
    const now = hour - 60_000
    for (let n = 0; n < 9; n++) fails(slot, unavailable(), { ...attempt(now, "ahead"), random: 0.999 })
    assert.strictEqual(slot.held?.token, first)
    assert.strictEqual(slot.blockedFor(at(now)), 0)
    assert.strictEqual(slot.aheadFor(at(now)), 29_985)
    const late = hour - 35_000
    const { event } = fails(slot, unavailable(), { ...attempt(late, "ahead"), random: 0.999 })
    assert.strictEqual(slot.aheadFor(at(late)), 5000)
    assert.isTrue(event._tag === "RefreshFailed" && event.stillServing && event.retryAt === late + 5000)
  })

  // FAULTS B5
  it("after a failure the server is not asked for as long as it says, whether a token is held or not", () => {
    const { slot } = holding()
    fails(slot, unavailable(Duration.minutes(2)), attempt(1000, "ahead"))
    assert.strictEqual(slot.blockedFor(at(1000)), 120_000)
    assert.strictEqual(slot.aheadFor(at(1000)), 120_000)
    const empty = new Slot<TokenError.TokenError>("key")
    fails(empty, unavailable(Duration.minutes(2)), attempt(0))
    assert.strictEqual(empty.blockedFor(at(0)), 120_000)
  })

  it("a failure gets the time of the next attempt if it has none, and a note if its attempt was early", () => {
    const slot = new Slot<TokenError.TokenError>("key")
    const exhausted = (retryAt: Option.Option<number>) =>
      new TokenError.RetriesExhausted({ last: unavailable(), attempts: 3, elapsed: Duration.seconds(1), retryAt })
    const told = (retryAt: Option.Option<number>) => {
      const { failure } = fails(slot, exhausted(retryAt), attempt(0))
      return Exit.match(failure, {
        onSuccess: () => undefined,
        onFailure: (cause) => cause._tag === "Fail" && "retryAt" in cause.error ? cause.error.retryAt : undefined
      })
    }
    assert.deepStrictEqual(told(Option.none()), Option.some(1000))
    assert.isFalse(slot.trouble?.wasEarly)
    slot.isEarly = true
    assert.deepStrictEqual(told(Option.some(9_000_000)), Option.some(9_000_000), "longer than it is kept away from")
    assert.isTrue(slot.trouble?.wasEarly)
    assert.isFalse(slot.isEarly)
  })

  it("a failure is a refusal if only other credentials can help", () => {
    assert.isTrue(isRefusal(Exit.fail(refused())))
    assert.isFalse(isRefusal(Exit.fail(unavailable())))
    assert.isFalse(isRefusal(Exit.fail({ retryable: false, retryAt: 1 })), "an open circuit, for example")
    assert.isFalse(isRefusal(Exit.die("x")))
    assert.isFalse(isRefusal(Exit.void))
  })

  it("an abandoned attempt blocks no caller that needs a token, but delays the next background renewal", () => {
    const { slot } = holding()
    slot.isEarly = true
    assert.strictEqual(giveUp(slot, attempt(2000, "ahead"))._tag, "RequestAbandoned")
    assert.strictEqual(slot.blockedFor(at(2000)), 0)
    assert.strictEqual(slot.aheadFor(at(2000)), 1000)
    assert.isFalse(slot.isEarly)
    giveUp(slot, attempt(2000, "ahead"))
    assert.strictEqual(slot.aheadFor(at(2000)), 2000)
  })
})

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
  it("a refused token that the server gives again goes to the waiting callers, and is not kept", () => {
    const slot = new Slot<never>("key")
    const value = token("refused", 0)
    slot.rejected = value
    assert.deepStrictEqual(takes(slot, token("refused", 1000), attempt(1000)), {
      given: "refused",
      tags: ["NoProgress"]
    })
    assert.isUndefined(slot.held)
    assert.isUndefined(slot.lifeOf(value))
    assert.strictEqual(slot.blockedFor(at(1000)), 1000)
    assert.strictEqual(takes(slot, token("next", 2000), attempt(2000)).tags[0], "TokenAcquired")
  })
})
