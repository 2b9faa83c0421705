/**
 * An `HttpClient` whose requests carry an OAuth 2.0 access token. Nothing that uses it needs to know.
 *
 * Run it with `node --import tsx examples/src/quickstart.ts`. It brings its own servers.
 */
import { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "./support/AuthorizationServer.js"
import { expect } from "./support/Expect.js"
import * as ProtectedApi from "./support/ProtectedApi.js"

const program = Effect.gen(function*() {
  // Stand-ins for your authorization server and the API you call: they run inside this process.
  const server = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi

  // 1. Where tokens come from. From the environment instead: `TokenSource.layerConfig()`.
  const Tokens = TokenSource.layer({
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.basic.id,
    authentication: ClientAuthentication.basic(server.clients.basic.secret),
    scopes: "calls:read"
  })

  // 2. The client that puts them on requests to these origins, and to no others. The plain client goes in last: the
  //    source asks for tokens with it, and API calls go out through it.
  const ApiClient = BearerAuth.layer({ origins: [api.origin] }).pipe(
    Layer.provide(Tokens),
    Layer.provide(NodeHttpClient.layerUndici)
  )

  // 3. Use it like any other HttpClient.
  const response = yield* HttpClient.get(api.callsUrl).pipe(Effect.provide(ApiClient))
  yield* Console.log(`GET /calls answered ${response.status}`)

  yield* expect("the API let the call in", response.status === 200)
  yield* expect("one token was requested", (yield* server.seen).tokenRequests === 1)
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer()))

program.pipe(Effect.provide(Servers), NodeRuntime.runMain)
