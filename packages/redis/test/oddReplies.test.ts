/** What stands between here and Redis may answer by itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { AccessToken } from "effect-bearer"
import { RedisTokenStore } from "../src/index.js"

const token = AccessToken.make({ value: "token-of-the-test", issuedAt: 0 })

const answering = (reply: unknown) =>
  RedisTokenStore.make({
    client: {
      options: {},
      sendCommand: () => Promise.resolve(reply),
      duplicate: () => {
        throw new Error("no more connections")
      }
    }
  })

describe("an answer of Redis that is none of the store's scripts", () => {
  for (const reply of [1, "x", [], [1, 2], ["1 {}", "5"], {}, true, Buffer.from("x"), [["a"], 1], "1e999", "0.5"]) {
    // FAULTS W2
    it.scopedLive(`${JSON.stringify(reply)} is an error of the store, or nothing`, () =>
      Effect.gen(function*() {
        const store = yield* answering(reply)
        const found = yield* Effect.either(store.get("key"))
        assert.strictEqual(Either.isLeft(found) ? found.left.reason : "", "unreadable")
        const lease = yield* Effect.either(store.acquire("key", 1000))
        if (reply === 1) assert.isTrue(Either.isRight(lease))
        else assert.strictEqual(Either.isLeft(lease) ? lease.left.reason : "", "unavailable")
        assert.strictEqual(yield* store.put(token, { key: "key", owner: "me", fence: 1 }), reply === 1)
        yield* store.remove("key", token)
      }))
  }

  it.scopedLive("a null answer means no token and no lease", () =>
    Effect.gen(function*() {
      const store = yield* answering(null)
      assert.strictEqual((yield* store.get("key"))._tag, "None")
      assert.strictEqual((yield* store.acquire("key", 1000))._tag, "None")
    }))
})
