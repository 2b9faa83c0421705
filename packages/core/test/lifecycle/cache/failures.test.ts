/** What a slot does with a failed attempt, step by step. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Exit, Option } from "effect"
import { TokenError } from "../../../src/index.js"
import { giveUp, isRefusal } from "../../../src/lifecycle/cache/failures.js"
import { Slot } from "../../../src/lifecycle/cache/slot.js"
import { refused, unavailable } from "../../support/scripted.js"
import { at, attempt, fails, holding, hour } from "../../support/slots.js"

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
