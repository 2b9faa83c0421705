/** The places of a cache. */
import { assert, describe, it } from "@effect/vitest"
import { Cache, Effect, Exit } from "effect"
import { AccessToken } from "../../../src/index.js"
import type { Slot } from "../../../src/lifecycle/cache/slot.js"
import { Slots } from "../../../src/lifecycle/cache/slots.js"

const none = (): undefined => undefined

describe("Slots", () => {
  // FAULTS T5
  it.effect("there is one slot per key, and an evicted slot is marked as having no place", () =>
    Effect.gen(function*() {
      const slots = yield* Slots.make<never>(2)
      const a = slots.touch("a", none)
      assert.isFalse(slots.isFull)
      const b = slots.touch("b", none)
      assert.isTrue(slots.isFull)
      assert.strictEqual(slots.touch("a", none), a)
      assert.deepStrictEqual(slots.values(), [b, a], "the least recently used first")
      const c = slots.touch("c", none)
      assert.deepStrictEqual([a, b, c].map((slot) => slot.hasPlace), [true, false, true])
      assert.isUndefined(slots.peek("b"))
      assert.notStrictEqual(slots.touch("b", none), b)
      assert.isFalse(b.hasPlace, "another has its key")
      assert.deepStrictEqual(slots.values().map(({ key }) => key), ["c", "b"])
    }))

  it.effect("peek does not count as a use of a slot, touch does", () =>
    Effect.gen(function*() {
      const slots = yield* Slots.make<never>(2)
      slots.touch("a", none)
      slots.touch("b", none)
      slots.peek("a")
      for (let n = 0; n < 10; n++) slots.peek(`${n}`)
      slots.touch("c", none)
      assert.isUndefined(slots.peek("a"))
      slots.touch("b", none)
      slots.touch("d", none)
      assert.isDefined(slots.peek("b"))
    }))

  it.effect("an evicted slot whose request is under way gets its place back", () =>
    Effect.gen(function*() {
      const slots = yield* Slots.make<never>(1)
      const a = slots.touch("a", none)
      slots.touch("b", none)
      assert.strictEqual(slots.touch("a", () => a), a)
      assert.isTrue(a.hasPlace)
    }))

  // FAULTS B4
  it.effect("the failure of an evicted key is remembered, but not that its token was no better than the last", () =>
    Effect.gen(function*() {
      const slots = yield* Slots.make<string>(1)
      const trouble = { failures: 1, aheadAfter: 1000, blockedUntil: 1000 }
      for (const failure of [Exit.fail("no"), undefined]) {
        const slot = slots.touch("a", none)
        slot.trouble = { ...trouble, failure }
        slots.remember(slot)
        slots.touch("b", none)
        assert.strictEqual(slots.touch("a", none).trouble?.failure, failure)
      }
      assert.isUndefined(slots.peek("a")?.trouble)
    }))

  // FAULTS T5
  it.effect("refused tokens are remembered for the thousand keys that were used last", () =>
    Effect.gen(function*() {
      const slots = yield* Slots.make<never>(1)
      const rejected = AccessToken.make({ value: "refused" })
      const report = (key: string): Slot<never> => {
        const slot = slots.touch(key, none)
        slot.rejected = rejected
        slots.remember(slot)
        return slot
      }
      const known = (key: string) => slots.touch(key, none).rejected === rejected
      for (let n = 0; n < 1000; n++) report(`${n}`)
      report("0")
      assert.isTrue(known("1"))
      report("1000")
      assert.deepStrictEqual(["0", "1", "2", "1000"].map(known), [true, false, true, true])
      // nothing is left to remember
      const two = slots.touch("2", none)
      two.rejected = undefined
      slots.remember(two)
      slots.touch("3", none)
      assert.isFalse(known("2"))
    }))
})

describe("Effect's Cache", () => {
  // this is why Slots has a map of its own; if Effect's Cache changes, the map can go
  it("Effect's Cache counts getOptionComplete as a use", () => {
    const cache = Effect.runSync(Cache.make({ capacity: 2, timeToLive: "1 hour", lookup: Effect.succeed }))
    const isThere = (key: string) => Effect.runSync(cache.contains(key))
    for (const key of ["a", "b"]) Effect.runSync(Effect.zipRight(cache.set(key, key), cache.get(key)))
    Effect.runSync(cache.getOptionComplete("a"))
    Effect.runSync(Effect.zipRight(cache.set("c", "c"), cache.get("c")))
    assert.deepStrictEqual(["a", "b", "c"].map(isThere), [true, false, true])
  })
})
