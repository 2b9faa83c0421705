import { KeyValueStore } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Option } from "effect"
import { AccessToken } from "../../../src/index.js"
import * as entries from "../../../src/store/keyValue/entries.js"
import * as claims from "../../../src/store/leaseClaim.js"
import { secret } from "../../support/observe.js"

const stored = { fence: 7, token: AccessToken.make({ value: "s3cr3t", issuedAt: 0 }) }
const claimed = { fence: 7, ...claims.make("me", 1000, 500) }
const changed = (text: string, change: Record<string, unknown>) => JSON.stringify({ ...JSON.parse(text), ...change })

describe("the entries of a key-value store", () => {
  it("come back as they were written", () => {
    const token = Either.getOrThrow(entries.decodeToken(entries.encodeToken(stored)))
    assert.strictEqual(token.fence, 7)
    assert.strictEqual(secret(token.token), "s3cr3t")
    assert.deepStrictEqual(Either.getOrThrow(entries.decodeLease(entries.encodeLease(claimed))), claimed)
  })

  it("are no entries of this store with a number that cannot be a fence", () => {
    for (const fence of [-1, 1.5, 2 ** 52 + 2, "7", null, undefined]) {
      const problems = [
        Either.getLeft(entries.decodeToken(changed(entries.encodeToken(stored), { fence }))),
        Either.getLeft(entries.decodeLease(changed(entries.encodeLease(claimed), { fence })))
      ]
      for (const problem of problems) assert.strictEqual(Option.getOrThrow(problem), "it is no entry of this store")
    }
  })

  it("are no entries of this store when they are something else, and the content is not quoted", () => {
    for (const text of ["", "s3cr3t", "[]", "null", "{}", entries.encodeLease(claimed)]) {
      assert.strictEqual(Option.getOrThrow(Either.getLeft(entries.decodeToken(text))), "it is no entry of this store")
    }
    assert.strictEqual(
      Option.getOrThrow(
        Either.getLeft(entries.decodeLease(changed(entries.encodeLease(claimed), { claim: "s3cr3t" })))
      ),
      "it holds no lease"
    )
  })

  it.effect("have names of one length; one that cannot be read counts as missing and is overwritten", () =>
    Effect.gen(function*() {
      const names: Array<string> = []
      const store = yield* KeyValueStore.KeyValueStore
      const tokens = entries.tokensIn({
        ...store,
        set: (name, text) => Effect.suspend(() => store.set(names[names.push(name) - 1]!, text))
      })
      yield* tokens.write("a", stored)
      yield* tokens.write("b".repeat(1000), stored)
      for (const name of names) assert.match(name, /^effect-bearer\.token\.[0-9a-f]{64}$/)
      yield* store.set(names[0]!, "damaged")
      assert.isTrue(Either.isLeft(Option.getOrThrow(yield* tokens.read("a"))))
      assert.isTrue(Option.isNone(yield* tokens.readable("a")))
      yield* tokens.write("a", stored)
      assert.strictEqual(Option.getOrThrow(yield* tokens.readable("a")).fence, 7)
      yield* tokens.remove("a")
      assert.isTrue(Option.isNone(yield* tokens.read("a")))
    }).pipe(Effect.provide(KeyValueStore.layerMemory)))
})
