/**
 * Refresh tokens (RFC 6749 §6) at a server that replaces each one when it is used, and that ends the whole login when
 * one is used twice (RFC 9700 §4.14). The new one has to be stored before anything else happens, and by whoever locks
 * the store; that is what `TokenSource.refreshToken` takes care of.
 *
 * Run it with `node --import tsx examples/src/grants/refresh-token.ts`. It brings its own server.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Logger, LogLevel, Redacted } from "effect"
import { ClientAuthentication, RefreshToken, TokenSource } from "effect-bearer"
import { expect } from "../support/Expect.js"
import * as GrantServer from "../support/GrantServer.js"

const program = Effect.gen(function*() {
  const server = yield* GrantServer.GrantServer
  const options = {
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.basic.id,
    authentication: ClientAuthentication.basic(server.clients.basic.secret)
  }
  const fromLogin = yield* server.login()

  // This store lives as long as the process. Yours is three effects around a file or a table: `load`, `save`, and
  // `locked`, which must hold across all processes that use the login.
  const store = yield* RefreshToken.memory
  const tokens = yield* TokenSource.refreshToken({ ...options, refreshToken: fromLogin, store }).pipe(
    Effect.flatMap(TokenSource.managed())
  )

  // Access tokens live one second here. For three seconds, somebody asks every 50 ms.
  const seen = new Set<string>()
  yield* Effect.repeatN(
    Effect.delay(Effect.map(tokens.get(), ({ value }) => seen.add(Redacted.value(value))), "50 millis"),
    60
  )
  const refreshes = (yield* server.answered).length
  yield* Console.log(`${seen.size} access tokens, ${refreshes} refresh tokens spent`)
  yield* expect("tokens were replaced while they were in use", seen.size >= 2)
  yield* expect("no refresh token was spent twice", (yield* server.thefts) === 0)

  // Somebody has a copy of the first refresh token, and tries it.
  const thief = yield* TokenSource.refreshToken({ ...options, refreshToken: fromLogin })
  yield* Effect.ignore(thief.get())
  yield* Console.log("A copy of an old refresh token was used: the server has ended the login.")

  // A source of its own, on the same store: the one above may still have an access token.
  const later = yield* TokenSource.refreshToken({ ...options, store })
  const ending = yield* later.get().pipe(
    Effect.as("a token"),
    // not retryable, by its type: only a person can help
    Effect.catchTag("AuthenticationRequired", ({ reason }) => Effect.succeed(`log in again: ${reason}`))
  )
  yield* Console.log(ending)
  yield* expect("the error says what to do", ending.startsWith("log in again"))
})

program.pipe(
  Effect.scoped,
  Effect.provide(Layer.merge(GrantServer.layer({ lifetime: "1 second" }), NodeHttpClient.layerUndici)),
  // The source logs what this program prints.
  Logger.withMinimumLogLevel(LogLevel.None),
  NodeRuntime.runMain
)
