/**
 * A typed client of an `HttpApi` that carries a token. What can go wrong with the token is part of the error type of
 * every endpoint, beside the errors of the API itself, so the compiler asks what to do about it.
 *
 * Run it with `node --import tsx examples/src/http-api-client.ts`. It brings its own servers.
 */
import { HttpApi, HttpApiClient, HttpApiEndpoint, HttpApiGroup, HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Logger, LogLevel, Schema } from "effect"
import { BearerAuth, ClientAuthentication, RetryPolicy, TokenRequest, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "./support/AuthorizationServer.js"
import { expect } from "./support/Expect.js"
import * as ProtectedApi from "./support/ProtectedApi.js"

// --- the API, as its team publishes it ---------------------------------------------------------------------------

class Calls extends HttpApiGroup.make("calls").add(
  HttpApiEndpoint.get("list", "/calls").addSuccess(Schema.Struct({ calls: Schema.Array(Schema.String) }))
) {}

class CallsApi extends HttpApi.make("CallsApi").add(Calls) {}

// --- its client --------------------------------------------------------------------------------------------------

// `makeWith`, not `make`: its `httpClient` may have errors of its own, and `withBearer` adds those of the token.
const makeClient = (baseUrl: string) =>
  Effect.gen(function*() {
    const http = yield* HttpClient.HttpClient
    const tokens = yield* TokenSource.TokenSource
    return yield* HttpApiClient.makeWith(CallsApi, {
      httpClient: http.pipe(BearerAuth.withBearer(tokens, { origins: [baseUrl] })),
      baseUrl
    })
  })

// --- the program -------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const server = yield* AuthorizationServer.AuthorizationServer
  const client = yield* makeClient((yield* ProtectedApi.ProtectedApi).origin)

  // client.calls.list(): Effect<{ calls }, TokenError | HttpClientError | HttpApiDecodeError | ParseError>
  const list = client.calls.list().pipe(
    Effect.map(({ calls }) => `${calls.length} calls`),
    // Fatal: asking again won't help, somebody has to do something. `error.message` says what.
    Effect.catchTag("OAuthError", (error) => Effect.succeed(`refused: ${error.error}`)),
    // Transient, and the policy has given up: worth coming back to.
    Effect.catchTag(
      "RetriesExhausted",
      (error) => Effect.succeed(`try later: ${error.attempts} attempts, the last one a ${error.last._tag}`)
    )
  )

  const normally = yield* list
  yield* Console.log(`with the usual scope      ${normally}`)

  // Another scope for this one call: another token, with its own place in the cache. This client may not have it.
  const forbidden = yield* list.pipe(BearerAuth.withRequest(TokenRequest.make({ scopes: "calls:admin" })))
  yield* Console.log(`with a scope too many     ${forbidden}`)

  const writing = BearerAuth.withRequest(TokenRequest.make({ scopes: "calls:write" }))
  const down = yield* list.pipe(writing, server.whileDown(AuthorizationServer.unavailable()))
  yield* Console.log(`while no token can be had ${down}`)

  yield* expect("the endpoint answered with a decoded value", normally === "0 calls")
  yield* expect("a fatal token error was caught by its tag", forbidden === "refused: invalid_scope")
  yield* expect(
    "a transient one was retried first",
    down === "try later: 3 attempts, the last one a EndpointUnavailable"
  )
})

// --- the stage ---------------------------------------------------------------------------------------------------

const Tokens = Layer.unwrapEffect(Effect.map(AuthorizationServer.AuthorizationServer, (server) =>
  TokenSource.layer({
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.basic.id,
    authentication: ClientAuthentication.basic(server.clients.basic.secret),
    scopes: "calls:read",
    retry: RetryPolicy.exponentialJitter({ base: "50 millis", maxRetries: 2 })
  })))

const Everything = Tokens.pipe(
  Layer.provideMerge(NodeHttpClient.layerUndici),
  Layer.provideMerge(ProtectedApi.layer),
  Layer.provideMerge(AuthorizationServer.layer())
)

program.pipe(
  Effect.provide(Everything),
  // The source logs what goes wrong. Here it is printed already.
  Logger.withMinimumLogLevel(LogLevel.None),
  NodeRuntime.runMain
)
