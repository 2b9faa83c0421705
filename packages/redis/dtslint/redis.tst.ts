import type { Config, Effect, Layer, Redacted, Scope } from "effect"
import type { ConfigError } from "effect/ConfigError"
import type { TokenError, TokenStore } from "effect-bearer"
import { createClient, createCluster, createSentinel, defineScript } from "redis"
import { describe, expect, it } from "tstyche"
import * as Redis from "../src/index.js"
import { RedisTokenStore } from "../src/index.js"

declare const url: Redacted.Redacted
declare const config: Config.Config<Redacted.Redacted>

describe("RedisTokenStore", () => {
  it("can be set up wrongly, and needs nothing", () => {
    expect(RedisTokenStore.layer({ url })).type.toBe<
      Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration>
    >()
    expect(RedisTokenStore.make({ url })).type.toBe<
      Effect.Effect<TokenStore.Service, TokenError.InvalidConfiguration, Scope.Scope>
    >()
    expect(Redis.layer).type.toBe<typeof RedisTokenStore.layer>()
  })

  it("reads the environment, or what it is told to", () => {
    expect(RedisTokenStore.layerConfig()).type.toBe<
      Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration>
    >()
    expect(RedisTokenStore.layerConfig({ url: config })).type.toBe<
      Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration | ConfigError>
    >()
  })

  it("wants to know where Redis is, in one way", () => {
    const sentinel = { name: "main", sentinelRootNodes: [{ host: "a", port: 26379 }] }
    const cluster = { rootNodes: [{ url: "redis://a" }] }
    expect(RedisTokenStore.layer).type.not.toBeCallableWith({})
    expect(RedisTokenStore.layer).type.not.toBeCallableWith({ prefix: "tokens:" })
    expect(RedisTokenStore.layer).type.toBeCallableWith({ url: "redis://a", options: { socket: { tls: true } } })
    expect(RedisTokenStore.layer).type.toBeCallableWith({ options: { username: "tokens", password: "…" } })
    expect(RedisTokenStore.layer).type.toBeCallableWith({ sentinel })
    expect(RedisTokenStore.layer).type.toBeCallableWith({ cluster })
    expect(RedisTokenStore.layer).type.not.toBeCallableWith({ url, sentinel })
    expect(RedisTokenStore.layer).type.not.toBeCallableWith({ url, cluster })
    expect(RedisTokenStore.layer).type.not.toBeCallableWith({ url, client: createClient() })
  })

  it("takes a client of any kind, whatever it was made with", () => {
    const script = defineScript({ SCRIPT: "return 1", parseCommand: () => {}, transformReply: () => 1 })
    const buffers = { commandOptions: { typeMapping: { 36: Buffer } } } as const
    expect(RedisTokenStore.layer).type.toBeCallableWith({ client: createClient() })
    expect(RedisTokenStore.layer).type.toBeCallableWith({ client: createClient({ RESP: 2, ...buffers }) })
    expect(RedisTokenStore.layer).type.toBeCallableWith({ client: createClient({ scripts: { script } }) })
    expect(RedisTokenStore.layer).type.toBeCallableWith({
      client: createSentinel({ name: "main", sentinelRootNodes: [], ...buffers })
    })
    expect(RedisTokenStore.layer).type.toBeCallableWith({
      client: createCluster({ rootNodes: [], scripts: { script } })
    })
    expect(RedisTokenStore.layer).type.not.toBeCallableWith({ client: {} })
  })
})
