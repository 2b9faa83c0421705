/** The store that several brokers share: Redis, or a folder of one machine; sealed if there are keys for it. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TokenError from "effect-bearer/TokenError"
import * as TokenStore from "effect-bearer/TokenStore"
import type { Store } from "../BrokerConfig.js"
import * as secrets from "../config/secrets.js"
import type { ReadSecret } from "./source.js"

type StoreLayer = Layer.Layer<
  TokenStore.TokenStore,
  TokenError.InvalidConfiguration,
  FileSystem.FileSystem | Path.Path
>

export const layer = (store: Store, readSecret: ReadSecret): StoreLayer => {
  const unsealed = "redis" in store ? redis(store.redis, readSecret) : TokenStore.layerFile({ directory: store.folder })
  const { sealWith } = store
  if (sealWith === undefined || sealWith.length === 0) return unsealed
  const keys = Effect.map(
    Effect.forEach(sealWith, (reference) => now(readSecret, reference)),
    ([current, ...previous]) => ({ current: current!, previous })
  )
  return TokenStore.encrypted(keys)(unsealed)
}

/** An optional package: loaded where the configuration names Redis. */
const redis = (options: Extract<Store, { readonly redis: unknown }>["redis"], readSecret: ReadSecret): StoreLayer =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const module = yield* Effect.tryPromise({
      try: () => import("@effect-bearer/redis/RedisTokenStore"),
      catch: () =>
        new TokenError.InvalidConfiguration({
          fields: ["store.redis"],
          detail: "it needs the package @effect-bearer/redis: install it beside the broker"
        })
    })
    return module.layer({ url: yield* now(readSecret, options.url), prefix: options.prefix })
  }))

/** A secret that is needed at the start. */
const now = (readSecret: ReadSecret, reference: Parameters<ReadSecret>[0]) =>
  Effect.flatMap(
    readSecret(reference),
    (read) => secrets.now(read, { field: "store", what: "a secret of the store", limit: "10 seconds" })
  )
