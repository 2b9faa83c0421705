import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { TokenError } from "../../../src/index.js"
import type { Store, Stored } from "../../../src/lifecycle/refreshToken/contract.js"
import * as ledger from "../../../src/lifecycle/refreshToken/ledger.js"
import * as record from "../../../src/lifecycle/refreshToken/record.js"

const down = new TokenError.TransportError({ endpoint: "the store", code: Option.none(), detail: "down" })
const stored = record.begin(Redacted.make("refresh-1"))

/** A store that fails to save while `isDown`. `replaced` has what each record was to replace. */
const makeStore = () => {
  const state = { isDown: false, saved: [] as Array<Stored>, replaced: [] as Array<Option.Option<Stored> | undefined> }
  const store: Store = {
    load: Effect.sync(() => Option.fromNullable(state.saved.at(-1))),
    save: (next, over) =>
      Effect.suspend(() => {
        state.replaced.push(over)
        return state.isDown ? Effect.fail(down) : Effect.sync(() => void state.saved.push(next))
      }),
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

  it.effect("takes a mark back in place of the marked record, for the store may have it after all", () =>
    Effect.gen(function*() {
      const { load, mark, state } = makeStore()
      state.isDown = true
      yield* Effect.flip(mark(stored, Option.some(stored)))
      yield* Effect.flip(load)
      const [first, second] = state.replaced.map((over) => Option.getOrThrow(over!))
      assert.strictEqual(first, stored)
      assert.strictEqual(second?.state, "sent")
      assert.isDefined(second?.mark)
    }))

  it.effect("stores nothing once more that the store has", () =>
    Effect.gen(function*() {
      const { load, mark, save, state } = makeStore()
      yield* save(stored, Option.none())
      yield* mark(stored, Option.some(stored))
      const { state: there } = Option.getOrThrow(yield* load)
      assert.strictEqual(there, "sent")
      assert.strictEqual(state.saved.length, 2)
    }))

  it.effect("knows the record that was last read, stored or marked, and none that could not be stored", () =>
    Effect.gen(function*() {
      const { lastKnown, mark, read, save, state } = makeStore()
      assert.deepStrictEqual(yield* read, Option.none())
      assert.deepStrictEqual(lastKnown(), Option.none())
      yield* save(stored, Option.none())
      assert.deepStrictEqual(lastKnown(), Option.some(stored))
      const marked = yield* mark(stored, Option.some(stored))
      assert.deepStrictEqual(lastKnown(), Option.some(marked))
      state.isDown = true
      yield* Effect.flip(save(stored, Option.some(marked)))
      assert.deepStrictEqual(lastKnown(), Option.some(marked))
      const others = record.begin(Redacted.make("refresh-2"))
      state.saved.push(others)
      yield* read
      assert.deepStrictEqual(lastKnown(), Option.some(others))
    }))

  it.effect("keeps the list of logins that a store of the user's own did not keep", () =>
    Effect.gen(function*() {
      const { read, save, state } = makeStore()
      yield* save(stored, Option.none())
      state.saved.push({ ...stored, begun: undefined })
      assert.deepStrictEqual(Option.flatMapNullable(yield* read, ({ begun }) => begun), Option.some(stored.begun!))
    }))
})
