import { inspect } from "node:util"
import { Error as PlatformError, FileSystem, HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Duration, Effect, Exit, Option, Redacted } from "effect"
import { ClientAuthentication, OwnRequest, Secret, TokenSource, TokenStore } from "../../src/index.js"

const named = (name: string, message: string, members: object = {}): Error =>
  Object.assign(new Error(message), { name }, members)

/** The environment of Deno 2 and 1 without permission, and a provider that is broken. */
const denied = (variable: string) =>
  named("NotCapable", `Requires env access to "${variable}", run again with the --allow-env flag`)
const deniedBefore = (variable: string) =>
  named("PermissionDenied", `Requires env access to "${variable}", run again with the --allow-env flag`)
const broken = () => new Error("s3cr3t-of-the-provider")

const throwing = (error: (variable: string) => Error) =>
  ConfigProvider.fromMap(new Map()).pipe(ConfigProvider.mapInputPath((name) => {
    throw error(name)
  }))

const client = HttpClient.make((request) =>
  Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport" }))
)

const uses: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = {
  "TokenSource.layerConfig": Effect.provide(TokenSource.TokenSource, TokenSource.layerConfig()).pipe(
    Effect.provideService(HttpClient.HttpClient, client)
  ),
  "TokenSource.layerConfig of configs": Effect.provide(
    TokenSource.TokenSource,
    TokenSource.layerConfig({
      tokenEndpoint: Config.string("WHERE"),
      clientId: Config.succeed("c"),
      authentication: Config.succeed(ClientAuthentication.none)
    })
  ).pipe(Effect.provideService(HttpClient.HttpClient, client)),
  "Secret.env": Secret.env("CLIENT_SECRET"),
  "Secret.env as a credential": Effect.flatMap(
    TokenSource.clientCredentials({
      tokenEndpoint: "https://login.example.com/token",
      clientId: "c",
      authentication: ClientAuthentication.basic(Secret.env("CLIENT_SECRET"))
    }),
    (source) => source.get()
  ).pipe(Effect.provideService(HttpClient.HttpClient, client)),
  "Config.redacted as a credential": Effect.flatMap(
    TokenSource.clientCredentials({
      tokenEndpoint: "https://login.example.com/token",
      clientId: "c",
      authentication: ClientAuthentication.basic(Config.redacted("CLIENT_SECRET"))
    }),
    (source) => source.get()
  ).pipe(Effect.provideService(HttpClient.HttpClient, client)),
  "Secret.vault": Secret.vault({ path: "a", field: "b" }).pipe(
    Effect.provideService(HttpClient.HttpClient, client)
  ),
  "TokenStore.encrypted": Effect.provide(
    TokenStore.TokenStore,
    TokenStore.layerMemory.pipe(TokenStore.encrypted(Config.redacted("KEY")))
  )
}

describe("settings that cannot be read", () => {
  // FAULTS W: without --allow-env of Deno the layer died
  for (const [what, use] of Object.entries(uses)) {
    it.scoped(`${what}: InvalidConfiguration, which names the permission`, () =>
      Effect.gen(function*() {
        for (
          const [error, said] of [[denied, "--allow-env"], [deniedBefore, "--allow-env"], [
            broken,
            "could not be read"
          ]] as const
        ) {
          const exit = yield* Effect.exit(Effect.withConfigProvider(use, throwing(error)))
          assert.isTrue(Exit.isFailure(exit))
          if (Exit.isSuccess(exit)) return
          const failure = Option.getOrThrow(Cause.failureOption(exit.cause)) as {
            readonly _tag: string
            readonly message: string
          }
          assert.strictEqual(failure._tag, "InvalidConfiguration", inspect(exit))
          assert.include(failure.message, said)
          assert.notInclude(inspect(exit, { depth: 9 }), "s3cr3t")
        }
      }))
  }
})

describe("Secret.file", () => {
  // FAULTS W: "could not be read (Unknown)"
  it.effect("the error names the permission that is missing", () =>
    Effect.gen(function*() {
      const cause = named("NotCapable", "Requires read access to \"/run/secret\", run again with the --allow-read flag")
      const fs = FileSystem.layerNoop({
        stat: () =>
          Effect.fail(
            new PlatformError.SystemError({ module: "FileSystem", method: "stat", reason: "Unknown", cause })
          )
      })
      const error = yield* Effect.flip(Effect.flatten(Effect.provide(Secret.file("/run/secret"), fs)))
      assert.include(error.message, "/run/secret could not be read: ")
      assert.include(error.message, "--allow-read")
    }))
})

describe("requests that the runtime does not permit", () => {
  const at = "https://login.example.com:8443/oauth/token"
  const failure = (cause: unknown) =>
    Effect.flip(Effect.flatMap(
      Effect.provideService(
        OwnRequest.make,
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause }))
        )
      ),
      (send) =>
        send({
          request: HttpClientRequest.get(at),
          endpoint: at,
          field: "tokenEndpoint",
          timeout: Duration.seconds(10),
          secrets: [Redacted.make("s3cr3t-of-the-client")]
        })
    ))

  // FAULTS W: retried as a fault of the network, with advice about the host name
  it.effect("it fails at once, and names the permission", () =>
    Effect.gen(function*() {
      const causes = [
        // Deno 2 and 1 by fetch; Deno 2 by node:http; Node.js 25 with --permission
        named("NotCapable", "Requires net access to \"login.example.com:8443\", run again with the --allow-net flag"),
        named(
          "PermissionDenied",
          "Requires net access to \"login.example.com:8443\", run again with the --allow-net flag"
        ),
        named("Error", "getaddrinfo EPERM login.example.com", { code: "EPERM" }),
        named("Error", "Access to this API has been restricted. Use --allow-net to manage permissions.", {
          code: "ERR_ACCESS_DENIED",
          permission: "Net"
        })
      ]
      for (const cause of [...causes, ...causes.map((cause) => new TypeError("fetch failed", { cause }))]) {
        const found = yield* failure(cause)
        assert.strictEqual(found._tag, "InvalidConfiguration", inspect(cause))
        assert.isFalse(found.retryable)
        assert.include(found.message, "--allow-net")
        assert.include(found.message, "login.example.com:8443")
        assert.notInclude(found.message, "Check the host name")
      }
    }))

  it.effect("a refusal by the operating system is a fault of the network", () =>
    Effect.gen(function*() {
      for (
        const cause of [
          named("Error", "connect EPERM 10.0.0.1:443", { code: "EPERM" }),
          named("Error", "connect EACCES 10.0.0.1:443", { code: "EACCES" }),
          named("PermissionDenied", "Operation not permitted (os error 1)")
        ]
      ) assert.strictEqual((yield* failure(cause))._tag, "TransportError", inspect(cause))
    }))
})
