import { FileSystem, KeyValueStore } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import { TokenStore } from "../../src/index.js"
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
