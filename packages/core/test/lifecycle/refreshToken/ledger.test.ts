import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { TokenError } from "../../../src/index.js"
import type { Store, Stored } from "../../../src/lifecycle/refreshToken/contract.js"
import * as ledger from "../../../src/lifecycle/refreshToken/ledger.js"
import * as record from "../../../src/lifecycle/refreshToken/record.js"

const down = new TokenError.TransportError({ endpoint: "the store", code: Option.none(), detail: "down" })
const stored = record.begin(Redacted.make("refresh-1"))

/** A store that fails to save while `isDown`. */
const makeStore = () => {
  const state = { isDown: false, saved: [] as Array<Stored> }
  const store: Store = {
    load: Effect.sync(() => Option.fromNullable(state.saved.at(-1))),
    save: (next) =>
      Effect.suspend(() => state.isDown ? Effect.fail(down) : Effect.sync(() => void state.saved.push(next))),
    locked: (effect) => effect
  }
  return { state, ...ledger.make(store) }
}

describe("the ledger of a refresh token", () => {
  it.effect("stores a record that could not be stored before anything else is read", () =>
    Effect.gen(function*() {
      const { load, save, state } = makeStore()
      state.isDown = true
      assert.strictEqual(yield* Effect.flip(save(stored, Option.none())), down)
      assert.strictEqual(yield* Effect.flip(load), down)
      state.isDown = false
      assert.deepStrictEqual(yield* load, Option.some(stored))
      yield* load
      assert.strictEqual(state.saved.length, 1)
    }))

  it.effect("marks a token as being sent; each mark is another one", () =>
    Effect.gen(function*() {
      const { mark } = makeStore()
      const once = yield* mark(stored, Option.none())
      const twice = yield* mark(once, Option.some(once))
      assert.deepStrictEqual([once.state, twice.state], ["sent", "sentTwice"])
      assert.isDefined(once.mark)
      assert.notStrictEqual(once.mark, twice.mark)
    }))

  it.effect("takes a mark back that could not be stored", () =>
    Effect.gen(function*() {
      const { load, mark, state } = makeStore()
      state.isDown = true
      yield* Effect.flip(mark(stored, Option.none()))
      state.isDown = false
      const there = yield* load
      assert.deepStrictEqual(Option.map(there, ({ mark, state }) => [state, mark]), Option.some(["ready", undefined]))
    }))
})
