import { FileSystem, KeyValueStore } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Redacted } from "effect"
import { AccessToken, TokenStore } from "../../src/index.js"
import { once, storeConformance, twice } from "../support/storeConformance.js"

const inFolder = <A, E, R>(use: (folder: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    return yield* use(yield* fs.makeTempDirectoryScoped())
  }).pipe(Effect.provide(NodeContext.layer))

const file = (directory: string) => Layer.provide(TokenStore.layerFile({ directory }), NodeContext.layer)

const key = Redacted.make("0".repeat(64))

storeConformance("memory", { pair: once(TokenStore.layerMemory) })

storeConformance("file", { pair: inFolder((folder) => twice(file(`${folder}/tokens`))) })

storeConformance("key-value store", {
  pair: once(Layer.provide(TokenStore.layerKeyValueStore, KeyValueStore.layerMemory))
})

storeConformance("key-value store on files", {
  pair: inFolder((folder) =>
    once(TokenStore.layerKeyValueStore.pipe(
      Layer.provide(KeyValueStore.layerFileSystem(`${folder}/kvs`)),
      Layer.provide(NodeContext.layer)
    ))
  )
})

storeConformance("sealed memory", { pair: once(TokenStore.encrypted(key)(TokenStore.layerMemory)) })

storeConformance("sealed file", {
  pair: inFolder((folder) => twice(file(`${folder}/tokens`).pipe(TokenStore.encrypted(key))))
})

describe("the text form of a token", () => {
  const nested = (levels: number): unknown => {
    let value: unknown = "deep"
    for (let level = 0; level < levels; level++) value = [value]
    return value
  }
  const extraOf = (text: string) => Redacted.value(Either.getOrThrow(TokenStore.decodeToken(text)).extra)

  // FAULTS B
  it("members that JSON cannot hold are left out, and the others stay", () => {
    const circle: Array<unknown> = []
    circle.push(circle)
    for (const wrong of [nested(100_000), circle, 10n]) {
      const token = AccessToken.make({ value: "a", issuedAt: 0, extra: { wrong, patient: "4711" } })
      assert.deepStrictEqual(extraOf(TokenStore.encodeToken(token)), { patient: "4711" })
    }
  })

  // FAULTS B
  it("what is nested deeper than any server nests is left out when a stored token is read", () => {
    const text = TokenStore.encodeToken(
      AccessToken.make({ value: "a", issuedAt: 0, extra: { deep: 0, shallow: nested(10) } })
    )
      .replace("\"deep\":0", `"deep":${"[".repeat(100_000)}${"]".repeat(100_000)}`)
    const extra = extraOf(text)
    assert.deepStrictEqual(extra["shallow"], nested(10))
    assert.isBelow(JSON.stringify(extra).length, 300)
  })
})
