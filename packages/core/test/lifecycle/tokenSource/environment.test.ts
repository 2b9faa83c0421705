import { FileSystem } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import type { TokenError } from "../../../src/index.js"
import { ClientAuthentication, Secret, ServerMetadata, TokenSource } from "../../../src/index.js"
import { prefixOf } from "../../../src/lifecycle/tokenSource/environment.js"
import { secret } from "../../support/observe.js"

class Billing extends TokenSource.Tag("Billing")<Billing>() {}

const fromMap = (entries: Record<string, string>, pathDelim = "_") =>
  ConfigProvider.fromMap(new Map(Object.entries(entries)), { pathDelim })

const build = <A>(layer: Layer.Layer<A, TokenError.InvalidConfiguration>, provider: ConfigProvider.ConfigProvider) =>
  Layer.build(Layer.provide(layer, Layer.setConfigProvider(provider)))

const issuer = "https://login.example"

/** A server with metadata, whose token endpoint is found nowhere else. */
const discoverable = AuthorizationServer.make({
  answer: ({ form, url }) =>
    url.includes("/.well-known/oauth-authorization-server")
      ? Reply.json({
        issuer,
        token_endpoint: `${issuer}/found`,
        mtls_endpoint_aliases: { token_endpoint: `${issuer}/mtls` }
      })
      : url.endsWith("/found") || url.endsWith("/mtls")
      ? Reply.json({ access_token: `${form["client_id"]}@${url}`, token_type: "Bearer", expires_in: 3600 })
      : Reply.status(404)
})

describe("layerConfig", () => {
  const client = (prefix: string, server: AuthorizationServer.AuthorizationServer) => ({
    [`${prefix}_TOKEN_ENDPOINT`]: server.tokenEndpoint,
    [`${prefix}_CLIENT_ID`]: prefix,
    [`${prefix}_CLIENT_SECRET`]: "secret",
    [`${prefix}_CLIENT_AUTHENTICATION`]: "post"
  })

  it.scoped("a prefix for each of several sources, or the name of the tag", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const layers = Layer.mergeAll(
        TokenSource.layerConfig({ prefix: "REPORTS_" }),
        Billing.layerConfig({ prefix: true })
      ).pipe(Layer.provide(server.layer))
      const context = yield* build(
        layers,
        fromMap({ ...client("REPORTS", server), ...client("BILLING", server) })
      )
      yield* Context.get(context, Billing).get()
      yield* Context.get(context, TokenSource.TokenSource).get()
      assert.deepStrictEqual((yield* server.requests).map(({ form }) => form["client_id"]), ["BILLING", "REPORTS"])
    }))

  it("the prefix of a tag is its name in capitals", () => {
    assert.deepStrictEqual(
      ["Billing", "app/billingApi", "@acme/core/Billing", "S3Tokens", "OAUTH"].map(prefixOf),
      ["BILLING", "APP_BILLING_API", "ACME_CORE_BILLING", "S3_TOKENS", "OAUTH"]
    )
  })

  const faults = (provider: ConfigProvider.ConfigProvider, prefix?: string) =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const layer = TokenSource.layerConfig(prefix === undefined ? undefined : { prefix })
      return yield* Effect.flip(build(Layer.provide(layer, server.layer), provider))
    })

  it.scoped("an error names the variables that were looked up, whatever providers are nested in", () =>
    Effect.gen(function*() {
      const names = (prefix: string, between = "_") =>
        ["TOKEN_ENDPOINT", "CLIENT_ID", "CLIENT_SECRET"].map((name) => `${prefix}${between}${name}`)
      assert.deepStrictEqual((yield* faults(fromMap({}), "BILLING")).fields, names("BILLING"))
      const blank = { APP_BILLING_CLIENT_ID: " ", APP_BILLING_CLIENT_AUTHENTICATION: "basic" }
      const nested = yield* faults(ConfigProvider.nested(fromMap(blank), "APP"), "BILLING")
      assert.deepStrictEqual(nested.fields, names("APP_BILLING"))
      assert.include(nested.message, "APP_BILLING_ISSUER")
      const dotted = yield* faults(ConfigProvider.nested(fromMap({ "APP.OAUTH_CLIENT_ID": " " }, "."), "APP"))
      assert.deepStrictEqual(dotted.fields, names("APP.OAUTH"))
      const inside = ConfigProvider.nested(fromMap({ A_B_OAUTH_CLIENT_SECRET: "secret" }), "B")
      const twice = yield* faults(ConfigProvider.nested(inside, "A"))
      assert.deepStrictEqual(twice.fields, names("A_B_OAUTH").slice(0, 2))
      const json = ConfigProvider.nested(ConfigProvider.fromJson({ app: {} }), "app")
      assert.deepStrictEqual((yield* faults(json)).fields, names("app.OAUTH"))
      const either = ConfigProvider.orElse(ConfigProvider.nested(fromMap({}), "APP"), () => fromMap({}))
      assert.deepStrictEqual((yield* faults(either)).fields, names("APP_OAUTH"))
      assert.deepStrictEqual((yield* faults(fromMap({}), " _")).fields, ["prefix"])
    }))

  it.scoped("a wrong authentication is named by the variable that was read", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const entries = { ...client("A_OAUTH", server), A_OAUTH_CLIENT_AUTHENTICATION: "Basic" }
      const error = yield* faults(ConfigProvider.nested(fromMap(entries), "A"))
      assert.deepStrictEqual(error.fields, ["A_OAUTH_CLIENT_AUTHENTICATION"])
    }))

  it.scoped("the secret is read at each attempt, and one that has gone is named", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      Object.assign(process.env, client("ROTATING", server))
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => Object.keys(client("ROTATING", server)).forEach((name) => delete process.env[name]))
      )
      const context = yield* build(
        Layer.provide(TokenSource.layerConfig({ prefix: "TATING" }), server.layer),
        ConfigProvider.nested(ConfigProvider.fromEnv({ pathDelim: "" }), "RO")
      )
      const tokens = Context.get(context, TokenSource.TokenSource)
      const first = yield* tokens.get()
      process.env["ROTATING_CLIENT_SECRET"] = "rotated"
      const second = yield* tokens.renew(first)
      assert.deepStrictEqual(
        (yield* server.requests).map(({ form }) => form["client_secret"]),
        ["secret", "rotated"]
      )
      delete process.env["ROTATING_CLIENT_SECRET"]
      const error = yield* Effect.flip(tokens.renew(second))
      assert(error._tag === "InvalidConfiguration")
      assert.deepStrictEqual(error.fields, ["ROTATING_CLIENT_SECRET"])
    }))

  it.scoped("OAUTH_ISSUER stands in place of the token endpoint, which goes first", () =>
    Effect.gen(function*() {
      const server = yield* discoverable
      const entries = { OAUTH_ISSUER: issuer, OAUTH_CLIENT_ID: "id", OAUTH_CLIENT_AUTHENTICATION: "none" }
      const token = (more: Record<string, string> = {}) =>
        Effect.flatMap(
          build(Layer.provide(TokenSource.layerConfig(), server.layer), fromMap({ ...entries, ...more })),
          (context) => Context.get(context, TokenSource.TokenSource).get()
        )
      assert.strictEqual(secret(yield* token()), `id@${issuer}/found`)
      assert.strictEqual(secret(yield* token({ OAUTH_TOKEN_ENDPOINT: `${issuer}/mtls` })), `id@${issuer}/mtls`)
      const error = yield* Effect.flip(token({ OAUTH_ISSUER: "login.example" }))
      assert.deepStrictEqual((error as TokenError.InvalidConfiguration).fields, ["OAUTH_ISSUER"])
    }))

  it.scoped("a value that cannot work is named by its variable, at the start and at a request", () =>
    Effect.gen(function*() {
      const wrong = {
        A_OAUTH_TOKEN_ENDPOINT: "http://login.example/token",
        A_OAUTH_CLIENT_ID: "i:d",
        A_OAUTH_CLIENT_SECRET: "secret",
        A_OAUTH_CLIENT_AUTHENTICATION: "basic-raw"
      }
      const atStart = yield* faults(ConfigProvider.nested(fromMap(wrong), "A"))
      assert.deepStrictEqual(atStart.fields, ["A_OAUTH_TOKEN_ENDPOINT", "A_OAUTH_CLIENT_ID"])
      assert.include(atStart.message, "Invalid configuration of A_OAUTH_TOKEN_ENDPOINT, A_OAUTH_CLIENT_ID: ")

      // the metadata is looked up when a token is needed
      const server = yield* AuthorizationServer.make({ answer: () => Reply.json({ issuer }) })
      const context = yield* build(
        Layer.provide(TokenSource.layerConfig(), server.layer),
        fromMap({ OAUTH_ISSUER: issuer, OAUTH_CLIENT_ID: "id", OAUTH_CLIENT_AUTHENTICATION: "none" })
      )
      const atRequest = yield* Effect.flip(Context.get(context, TokenSource.TokenSource).get())
      assert(atRequest._tag === "InvalidConfiguration")
      assert.deepStrictEqual(atRequest.fields, ["OAUTH_ISSUER"])
    }))
})

describe("the options of a grant", () => {
  const client = { clientId: "id", authentication: ClientAuthentication.none }

  it.effect("`issuer` is looked up at the first request; a client with a certificate gets its own endpoint", () =>
    Effect.gen(function*() {
      const server = yield* discoverable
      const ask = (options: TokenSource.Given<TokenSource.Options>) =>
        Effect.flatMap(TokenSource.clientCredentials(options), (tokens) => tokens.get()).pipe(
          Effect.map(secret),
          Effect.provide(server.layer)
        )
      assert.strictEqual(yield* ask({ ...client, issuer }), `id@${issuer}/found`)
      assert.strictEqual(yield* ask({ ...client, issuer: new URL(issuer) }), `id@${issuer}/found`)
      const before = yield* server.count
      const metadata = yield* Effect.provide(ServerMetadata.make(issuer), server.layer)
      yield* ask({ ...client, issuer: metadata })
      yield* ask({ ...client, issuer: metadata })
      assert.strictEqual((yield* server.count) - before, 3)
      assert.strictEqual(
        yield* ask({ clientId: "id", authentication: ClientAuthentication.mtls, issuer }),
        `id@${issuer}/mtls`
      )
    }))

  it.effect("an issuer that cannot work is named as `issuer`, and so are two places", () =>
    Effect.gen(function*() {
      const server = yield* discoverable
      const fields = (options: object) =>
        TokenSource.clientCredentials({ ...client, ...options } as TokenSource.Options).pipe(
          Effect.provide(server.layer),
          Effect.flip,
          Effect.map((error) => error.fields)
        )
      assert.deepStrictEqual(yield* fields({ issuer: "http://login.example" }), ["issuer"])
      assert.deepStrictEqual(yield* fields({ issuer, tokenEndpoint: `${issuer}/token` }), ["tokenEndpoint", "issuer"])
      assert.strictEqual(yield* server.count, 0)
    }))

  it.effect("an effect that makes the authentication runs once, and its secret is read at each attempt", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      let content = "one"
      const fs = FileSystem.makeNoop({
        stat: () => Effect.succeed({ type: "File", size: FileSystem.Size(3) } as FileSystem.File.Info),
        readFile: () => Effect.sync(() => new TextEncoder().encode(content))
      })
      const tokens = yield* TokenSource.clientCredentials({
        tokenEndpoint: server.tokenEndpoint,
        clientId: "id",
        authentication: Effect.map(Secret.file("/run/secrets/client-secret"), ClientAuthentication.post)
      }).pipe(Effect.provide(server.layer), Effect.provideService(FileSystem.FileSystem, fs))
      yield* tokens.get()
      content = "two"
      yield* tokens.get()
      assert.deepStrictEqual((yield* server.requests).map(({ form }) => form["client_secret"]), ["one", "two"])
    }))

  it.effect("an effect that makes no authentication is the failure of the source", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const error = yield* TokenSource.clientCredentials({
        tokenEndpoint: server.tokenEndpoint,
        clientId: "id",
        authentication: Effect.map(Secret.vault({ path: "", field: "" }), ClientAuthentication.post)
      }).pipe(Effect.provide(server.layer), Effect.flip, Effect.withConfigProvider(fromMap({})))
      assert.include(error.fields, "VAULT_ADDR")
    }))
})
