import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { AccessToken, TokenRequest } from "../../../src/index.js"
import { rang, withRoom } from "../../../src/lifecycle/sharing/room.js"
import type { Want } from "../../../src/lifecycle/sharing/want.js"
import type { Admission } from "../../../src/lifecycle/source.js"

const token = AccessToken.make({ value: "token" })
const want: Want<never> = {
  request: TokenRequest.make({}),
  current: undefined,
  isRefused: false,
  accepts: () => true,
  fetch: Effect.die("waits for room itself"),
  fetchAtOnce: Effect.succeed(token)
}

/** A rate limit that admits when `opens` is done, and counts what came back. */
const setup = Effect.map(Deferred.make<void>(), (opens) => {
  const counts = { taken: 0, given: 0 }
  const admission = {
    admit: () =>
      Effect.as(
        Effect.tap(Deferred.await(opens), () => void counts.taken++),
        Effect.sync(() => void counts.given++)
      ),
    inner: undefined as never
  } satisfies Admission
  return { admission, counts, opens }
})

describe("room under the rate limit", () => {
  it.effect("is kept if a request was sent, and given back if none was", () =>
    Effect.gen(function*() {
      const { admission, counts, opens } = yield* setup
      yield* Deferred.succeed(opens, undefined)
      const sent = yield* withRoom(admission, want, Effect.never, (effect) => effect, (fetch) => fetch)
      assert.strictEqual(sent, token)
      assert.deepStrictEqual(counts, { taken: 1, given: 0 })
      yield* withRoom(admission, want, Effect.never, (effect) => effect, () => Effect.void)
      assert.deepStrictEqual(counts, { taken: 2, given: 1 })
    }))

  it.effect("is no longer waited for when another process has stored a token", () =>
    Effect.gen(function*() {
      const { admission, counts } = yield* setup
      const bell = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        withRoom(admission, want, Deferred.await(bell), (effect) => effect, () => Effect.die("not reached"))
      )
      yield* Deferred.succeed(bell, undefined)
      assert.strictEqual(yield* Fiber.join(fiber), rang)
      assert.deepStrictEqual(counts, { taken: 0, given: 0 })
    }))

  it.effect("is not asked for where there is no limit", () =>
    Effect.gen(function*() {
      const fetch = Effect.succeed(token)
      const used = yield* withRoom(undefined, { ...want, fetch }, Effect.never, (effect) => effect, (fetch) => fetch)
      assert.strictEqual(used, token)
    }))
})
