import { KeyValueStore } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { AccessToken } from "../../../src/index.js"
import * as entries from "../../../src/store/keyValue/entries.js"
import * as newestPut from "../../../src/store/keyValue/newest.js"
import * as claims from "../../../src/store/leaseClaim.js"

const stored = (fence: number) => ({ fence, token: AccessToken.make({ value: `token ${fence}`, issuedAt: 0 }) })
const leased = (fence: number) => ({ fence, ...claims.ended("me") })

const scenario = <E>(
  title: string,
  run: (parts: {
    readonly newest: newestPut.Newest
    readonly tokens: entries.Entries<entries.Stored>
    readonly leases: entries.Entries<entries.Claimed>
  }) => Effect.Effect<void, E>
) =>
  it.effect(title, () =>
    Effect.gen(function*() {
      const store = yield* KeyValueStore.KeyValueStore
      const tokens = entries.tokensIn(store)
      const leases = entries.leasesIn(store)
      yield* run({ newest: newestPut.make(tokens, leases), tokens, leases })
    }).pipe(Effect.provide(KeyValueStore.layerMemory)))

describe("the newest token that was put from here", () => {
  scenario(
    "takes the place of an older one that the store wrote late",
    ({ leases, newest, tokens }) =>
      Effect.gen(function*() {
        yield* leases.write("key", leased(2))
        newest.note("key", stored(2))
        assert.strictEqual((yield* newest.mended("key", stored(1))).fence, 2)
        assert.strictEqual(Option.getOrThrow(yield* tokens.readable("key")).fence, 2)
      })
  )

  scenario(
    "gives way to a newer one, and to one of the same lease",
    ({ leases, newest, tokens }) =>
      Effect.gen(function*() {
        yield* leases.write("key", leased(3))
        newest.note("key", stored(2))
        for (const found of [stored(2), stored(3)]) assert.strictEqual(yield* newest.mended("key", found), found)
        assert.isTrue(Option.isNone(yield* tokens.read("key")))
      })
  )

  scenario(
    "is forgotten when the entries were deleted and the numbers begin anew",
    ({ leases, newest }) =>
      Effect.gen(function*() {
        newest.note("key", stored(9))
        yield* leases.write("key", leased(1))
        const found = stored(1)
        assert.strictEqual(yield* newest.mended("key", found), found)
        assert.isUndefined(newest.get("key"))
      })
  )

  scenario("is forgotten with the token that is removed, but not with another one", ({ newest }) =>
    Effect.sync(() => {
      newest.note("key", stored(2))
      newest.forget("key", stored(1).token)
      assert.strictEqual(newest.get("key")?.fence, 2)
      newest.forget("key", stored(2).token)
      assert.isUndefined(newest.get("key"))
    }))

  scenario("is none for a key that was only written elsewhere: what is found counts, and nothing is to be forgotten", ({
    newest
  }) =>
    Effect.gen(function*() {
      const found = stored(1)
      assert.strictEqual(yield* newest.mended("key", found), found)
      newest.forget("key", found.token)
      assert.isUndefined(newest.get("key"))
    }))

  scenario("is kept for 1024 keys, the latest of them", ({ newest }) =>
    Effect.sync(() => {
      for (let index = 0; index < 1024; index++) newest.note(`key ${index}`, stored(1))
      // noted again, so it is one of the latest
      newest.note("key 0", stored(2))
      newest.note("another", stored(1))
      assert.strictEqual(newest.get("key 0")?.fence, 2)
      assert.isUndefined(newest.get("key 1"))
      assert.isDefined(newest.get("key 2"))
    }))
})
