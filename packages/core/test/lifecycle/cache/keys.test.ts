import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TokenRequest } from "../../../src/index.js"
import { Keys } from "../../../src/lifecycle/cache/keys.js"
import { Slots } from "../../../src/lifecycle/cache/slots.js"

const defaults = TokenRequest.make({ scopes: "read", audience: "one" })
const setup = (capacity = 2) => Effect.map(Slots.make<never>(capacity), (slots) => new Keys<never>(defaults, slots))
const scoped = (scopes: string) => TokenRequest.make({ scopes })

describe("the keys of a cache", () => {
  it.effect("a request that asks for what the source is configured for has the default slot", () =>
    Effect.gen(function*() {
      const keys = yield* setup()
      assert.strictEqual(keys.of(undefined), keys.defaultSlot)
      assert.strictEqual(keys.of(TokenRequest.empty), keys.defaultSlot)
      assert.strictEqual(keys.of(scoped("read")), keys.defaultSlot)
      assert.notStrictEqual(keys.of(scoped("write")), keys.defaultSlot)
    }))

  it.effect("equal requests have one slot, and to look at it makes none", () =>
    Effect.gen(function*() {
      const keys = yield* setup()
      assert.isUndefined(keys.peek(scoped("write")))
      assert.isUndefined(keys.last(scoped("write")))
      const slot = keys.of(scoped("write"))
      assert.strictEqual(keys.of(TokenRequest.make({ scopes: new Set(["write"]) })), slot)
      assert.strictEqual(keys.peek(scoped("write")), slot)
      assert.strictEqual(keys.last(scoped("write")), slot)
      assert.deepStrictEqual(keys.all(), [keys.defaultSlot, slot])
    }))

  it.effect("the slot of a request under way is found though the cache has evicted it", () =>
    Effect.gen(function*() {
      const keys = yield* setup(1)
      const slot = keys.of(scoped("write"))
      keys.begin(slot)
      keys.of(scoped("delete"))
      assert.isFalse(slot.hasPlace)
      assert.strictEqual(keys.peek(scoped("write")), slot)
      assert.strictEqual(keys.of(scoped("write")), slot)
      assert.deepStrictEqual(keys.underWay(), [slot])
      keys.end(slot)
      keys.of(scoped("delete"))
      assert.deepStrictEqual(keys.underWay(), [])
      assert.isUndefined(keys.peek(scoped("write")))
    }))
})
