/**
 * A script in CI: settings from the environment, the result on stdout, everything else on stderr, an exit code that
 * says what to do, and no token and no secret in the log of the job.
 *
 * Run it with `node --import tsx examples/src/recipes/ci-script.ts`. It brings its own servers, and runs the script twice.
 */
import { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { ConfigProvider, Console, Effect, Layer, Logger, LogLevel, Option, Redacted } from "effect"
import { BearerAuth, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import { expect } from "../support/Expect.js"
import * as ProtectedApi from "../support/ProtectedApi.js"

// --- your script -------------------------------------------------------------------------------------------------

/** Exit codes: 75 is "try again" by the custom of sysexits.h, 78 "the configuration is wrong". */
const exitCodeOf = (error: unknown): number =>
  Option.match(BearerAuth.tokenErrorOf(error), {
    onNone: () => 1,
    onSome: (error) => error._tag === "RetriesExhausted" || error._tag === "CircuitOpen" ? 75 : 78
  })

const messageOf = (error: { readonly message: string }): string =>
  Option.match(BearerAuth.tokenErrorOf(error), { onNone: () => error.message, onSome: ({ message }) => message })

const script = (api: { readonly origin: string; readonly url: string }) => {
  // OAUTH_TOKEN_ENDPOINT, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET: secrets of the pipeline
  const Api = BearerAuth.layer({ origins: [api.origin] }).pipe(
    Layer.provide(TokenSource.layerConfig()),
    Layer.provide(NodeHttpClient.layerUndici)
  )
  return HttpClient.get(api.url).pipe(
    Effect.flatMap((response) => response.json),
    Effect.flatMap((result) => Console.log(JSON.stringify(result))),
    Effect.as(0),
    Effect.provide(Api),
    Effect.catchAll((error) =>
      Effect.as(Console.error(`cannot fetch the calls: ${messageOf(error)}`), exitCodeOf(error))
    ),
    // the lines of the source's own log are on stdout by default: errors are told above
    Logger.withMinimumLogLevel(LogLevel.None)
  )
}

// As a program of its own it ends with: script(…).pipe(Effect.tap((code) => Effect.sync(() => process.exitCode = code)),
// NodeRuntime.runMain)

// --- the stage ---------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const login = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  const withSecret = (secret: string) =>
    script({ origin: api.origin, url: api.callsUrl }).pipe(
      Effect.withConfigProvider(ConfigProvider.fromMap(
        new Map([
          ["OAUTH_TOKEN_ENDPOINT", login.tokenEndpoint],
          ["OAUTH_CLIENT_ID", login.clients.basic.id],
          ["OAUTH_CLIENT_SECRET", secret]
        ])
      ))
    )
  const good = yield* withSecret(Redacted.value(login.clients.basic.secret))
  const wrong = yield* withSecret("not the secret")
  yield* Console.log(`exit codes ${good} and ${wrong}`)
  yield* expect("a wrong secret is a matter of configuration, and was not retried", wrong === 78)
  yield* expect("two runs, two token requests", (yield* login.seen).tokenRequests === 2)
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer()))

program.pipe(Effect.provide(Servers), NodeRuntime.runMain)
