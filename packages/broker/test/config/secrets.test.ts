import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { FileSystem } from "@effect/platform"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Redacted, TestClock } from "effect"
import { read } from "../../src/config/secrets.js"
import { BrokerConfig } from "../../src/index.js"

const platform = Layer.merge(NodeContext.layer, NodeHttpClient.layerUndici)

const withEnv = (variables: Record<string, string>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

// SPEC C11
describe("a reference to a secret is read at each use", () => {
  it.effect("a variable of the environment", () =>
    Effect.gen(function*() {
      const secret = yield* read({ env: "CLIENT_SECRET" })
      assert.strictEqual(Redacted.value(yield* withEnv({ CLIENT_SECRET: "one" })(secret)), "one")
      assert.strictEqual(Redacted.value(yield* withEnv({ CLIENT_SECRET: "two" })(secret)), "two")
      const error = yield* Effect.flip(withEnv({})(secret))
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.include(error.message, "CLIENT_SECRET")
    }).pipe(Effect.provide(platform)))

  it.effect("a file beside the configuration", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(
        `${folder}/broker.yaml`,
        "profiles: { a: { issuer: https://a.example, clientId: c, authentication: { method: basic, secret: { file: s } } } }"
      )
      const { profiles } = yield* BrokerConfig.load(`${folder}/broker.yaml`)
      const { authentication } = profiles["a"]!
      assert.strictEqual(authentication.method, "basic")
      const secret = yield* read("secret" in authentication ? authentication.secret : { env: "none" })
      // the file need not be there when the broker starts
      assert.include((yield* Effect.flip(secret)).message, "does not exist")
      for (const value of ["one", "two"]) {
        yield* fs.writeFileString(`${folder}/s`, `${value}\n`)
        assert.strictEqual(Redacted.value(yield* secret), value)
      }
    }).pipe(Effect.scoped, Effect.provide(platform)))

  it.effect("a field in Vault, whose own token is read anew too", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      let value = "one"
      const server = createServer((request, response) => {
        asked.push(`${request.url} ${request.headers["x-vault-token"]} ${request.headers["x-vault-namespace"]}`)
        response.setHeader("content-type", "application/json")
        response.end(JSON.stringify({ data: { data: { client_secret: value }, metadata: {} } }))
      })
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const { port } = server.address() as AddressInfo
      const secret = yield* read({
        vault: {
          address: `http://127.0.0.1:${port}`,
          mount: "kv",
          namespace: "team",
          path: "genesys/production",
          field: "client_secret",
          token: { env: "TOKEN" }
        }
      })
      assert.deepStrictEqual(asked, [])
      assert.strictEqual(Redacted.value(yield* withEnv({ TOKEN: "t1" })(secret)), "one")
      value = "two"
      yield* TestClock.adjust(Duration.seconds(6))
      assert.strictEqual(Redacted.value(yield* withEnv({ TOKEN: "t2" })(secret)), "two")
      assert.deepStrictEqual(asked, [
        "/v1/kv/data/genesys/production t1 team",
        "/v1/kv/data/genesys/production t2 team"
      ])
    }).pipe(Effect.scoped, Effect.provide(platform)))

  it.effect("if a setting of Vault is missing the broker does not start, and names it", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read({ vault: { path: "p", field: "f" } }))
      assert.deepStrictEqual(error.fields, ["VAULT_ADDR", "VAULT_TOKEN"])
    }).pipe(withEnv({}), Effect.provide(platform)))

  it.effect("a secret in the clear", () =>
    Effect.gen(function*() {
      assert.strictEqual(Redacted.value(yield* yield* read({ plain: Redacted.make("one") })), "one")
    }).pipe(Effect.provide(platform)))
})
