import type { FileSystem, KeyValueStore, Path } from "@effect/platform"
import type { ConfigError } from "effect"
import { Config, Context, Effect, Layer, Redacted } from "effect"
import { describe, expect, it } from "tstyche"
import type { TokenError } from "../../src/index.js"
import { TokenStore } from "../../src/index.js"

class Vault extends Context.Tag("Vault")<Vault, {}>() {}

declare const service: TokenStore.Service
declare const needy: Layer.Layer<TokenStore.TokenStore, "down", Vault>
declare const key: Redacted.Redacted
declare const fromVault: Effect.Effect<Redacted.Redacted<Uint8Array>, "sealed", Vault>

describe("TokenStore", () => {
  it("layers say what they need and what can be wrong with them", () => {
    expect(TokenStore.layerMemory).type.toBe<Layer.Layer<TokenStore.TokenStore>>()
    expect(TokenStore.layerFile({ directory: "tokens" })).type.toBe<
      Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration, FileSystem.FileSystem | Path.Path>
    >()
    expect(TokenStore.layerFile).type.not.toBeCallableWith({})
    expect(TokenStore.layerKeyValueStore).type.toBe<
      Layer.Layer<TokenStore.TokenStore, never, KeyValueStore.KeyValueStore>
    >()
  })

  it("encrypted seals a layer, in a pipe and as a call", () => {
    expect(needy.pipe(TokenStore.encrypted(key))).type.toBe<
      Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration | "down", Vault>
    >()
    expect(TokenStore.encrypted(key)(TokenStore.layerMemory)).type.toBe<
      Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration>
    >()
    expect(TokenStore.layerMemory.pipe(TokenStore.encrypted(Config.redacted("KEY")))).type.toBe<
      Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration | ConfigError.ConfigError>
    >()
    expect(TokenStore.layerMemory.pipe(TokenStore.encrypted(fromVault))).type.toBe<
      Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration | "sealed", Vault>
    >()
  })

  it("encrypted seals a store, too", () => {
    expect(TokenStore.encrypted(key)(service)).type.toBe<
      Effect.Effect<TokenStore.Service, TokenError.InvalidConfiguration>
    >()
    expect(Effect.flatMap(Effect.succeed(service), TokenStore.encrypted(fromVault))).type.toBe<
      Effect.Effect<TokenStore.Service, TokenError.InvalidConfiguration | "sealed", Vault>
    >()
    expect(TokenStore.encrypted(key)).type.not.toBeCallableWith(Layer.empty)
    expect(TokenStore.encrypted(key)).type.not.toBeCallableWith("store")
  })

  it("a key is redacted", () => {
    expect(TokenStore.encrypted).type.toBeCallableWith(Redacted.make(new Uint8Array(32)))
    expect(TokenStore.encrypted).type.toBeCallableWith({ id: "2026", key })
    expect(TokenStore.encrypted).type.toBeCallableWith({ current: key, previous: [{ id: "2025", key }] })
    expect(TokenStore.encrypted).type.not.toBeCallableWith("0123")
    expect(TokenStore.encrypted).type.not.toBeCallableWith({ id: "2026", key: "0123" })
    expect(TokenStore.encrypted).type.not.toBeCallableWith({ previous: [key] })
    expect(TokenStore.generateKey).type.toBe<Effect.Effect<Redacted.Redacted>>()
  })
})
