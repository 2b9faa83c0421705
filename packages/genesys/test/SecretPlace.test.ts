import { FileSystem, HttpClient, HttpClientResponse } from "@effect/platform"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Redacted } from "effect"
import type { TokenError } from "effect-bearer"
import { Secret } from "effect-bearer"
import { vaultServer } from "../../core/test/support/vault.js"
import { GenesysCloud } from "../src/index.js"

/** Requests to the login host stay in memory, and the secrets in them are kept; all others go out. */
const clientOf = Effect.map(HttpClient.HttpClient, (real) => {
  const secrets: Array<string> = []
  const client = HttpClient.make((request, url) => {
    if (url.pathname !== "/oauth/token") return real.execute(request)
    const given = atob(request.headers["authorization"]!.replace(/^Basic /, ""))
    secrets.push(given.slice(given.indexOf(":") + 1))
    const body = { access_token: `token-${secrets.length}`, token_type: "bearer", expires_in: 3600 }
    return Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(body)))
  })
  return { client, secrets }
})

const environment = (variables: Record<string, string>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

const options = { region: "eu_central_1", clientId: "client" } as const

const tokensOf = <R>(
  layer: Layer.Layer<GenesysCloud.GenesysCloud, TokenError.InvalidConfiguration, HttpClient.HttpClient | R>,
  client: HttpClient.HttpClient
) =>
  Effect.map(
    Layer.build(Layer.provide(layer, Layer.succeed(HttpClient.HttpClient, client))),
    (context) => Context.get(context, GenesysCloud.GenesysCloud).tokens
  )

// SPEC B8
describe("a secret with a place", () => {
  it.scoped("in a file is read at every token request", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/genesys`
      yield* fs.writeFileString(path, "first\n")
      const { client, secrets } = yield* clientOf
      const tokens = yield* tokensOf(
        GenesysCloud.layer({ ...options, clientSecret: { from: Secret.file(path) } }),
        client
      )
      const token = yield* tokens.get()
      yield* fs.writeFileString(path, "second\n")
      yield* tokens.renew(token)
      assert.deepStrictEqual(secrets, ["first", "second"])
    }).pipe(Effect.provide([NodeContext.layer, NodeHttpClient.layer])))

  it.scoped("in a file that is not there is an error of the token request, which names the file", () =>
    Effect.gen(function*() {
      const { client, secrets } = yield* clientOf
      const tokens = yield* tokensOf(
        GenesysCloud.layer({ ...options, clientSecret: { from: Secret.file("/run/no/such/file") } }),
        client
      )
      const error = yield* Effect.flip(tokens.get())
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.include(error.message, "/run/no/such/file does not exist")
      assert.deepStrictEqual(secrets, [])
    }).pipe(Effect.provide([NodeContext.layer, NodeHttpClient.layer])))

  it.scoped("in Vault is asked for, and the rest comes from the environment", () =>
    Effect.gen(function*() {
      const vault = yield* vaultServer
      const { client, secrets } = yield* clientOf
      const layer = GenesysCloud.layerConfig({
        clientSecret: { from: Secret.vault({ path: "app/oauth", field: "client_secret", timeToLive: 0 }) }
      }).pipe(
        Layer.provide(environment({
          GENESYS_REGION: "eu_central_1",
          GENESYS_CLIENT_ID: "client",
          VAULT_ADDR: vault.address,
          VAULT_TOKEN: vault.token
        })),
        Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
      )
      const { tokens } = Context.get(yield* Layer.build(layer), GenesysCloud.GenesysCloud)
      const token = yield* tokens.get()
      vault.store.secret = "second"
      yield* tokens.renew(token)
      assert.deepStrictEqual(secrets, ["first", "second"])
    }).pipe(Effect.provide(NodeHttpClient.layer)))

  it.scoped("that cannot be looked for fails when the layer is built, and asks nobody", () =>
    Effect.gen(function*() {
      const { client, secrets } = yield* clientOf
      const error = yield* Effect.flip(tokensOf(
        GenesysCloud.layer({ ...options, clientSecret: { from: Secret.vault({ path: "", field: "f" }) } }).pipe(
          Layer.provide(environment({}))
        ),
        client
      ))
      assert.deepStrictEqual(error.fields, ["VAULT_ADDR", "VAULT_TOKEN", "path"])
      assert.deepStrictEqual(secrets, [])
    }).pipe(Effect.provide(NodeHttpClient.layer)))

  it.scoped("may yield the secret itself", () =>
    Effect.gen(function*() {
      const { client, secrets } = yield* clientOf
      const from = Effect.succeed(Redacted.make("fixed"))
      const tokens = yield* tokensOf(GenesysCloud.layer({ ...options, clientSecret: { from } }), client)
      yield* tokens.get()
      assert.deepStrictEqual(secrets, ["fixed"])
    }).pipe(Effect.provide(NodeHttpClient.layer)))
})
