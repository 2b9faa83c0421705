/**
 * A grant that no RFC knows: the server's own type, with parameters of its own. Cache, retry and renewal come along.
 *
 * Run it with `node --import tsx examples/src/grants/custom-grant.ts`. It brings its own server.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import type { ClientAuthentication as Client } from "effect-bearer"
import { ClientAuthentication, Grant, TokenRequest, TokenSource } from "effect-bearer"
import { expect } from "../support/Expect.js"
import * as GrantServer from "../support/GrantServer.js"

/**
 * A function makes it, so that it reads like the library's own. What is secret is `Redacted`: it is then removed from
 * whatever the server says in return. Parameters are evaluated on every attempt.
 */
const deviceKey = (key: Redacted.Redacted): Grant.Grant =>
  Grant.make({
    type: GrantServer.deviceKeyGrant,
    parameters: () => Effect.succeed<Client.Parameters>([["device_key", key]])
  })

const program = Effect.gen(function*() {
  const tokens = yield* TokenSource.TokenSource

  // Further parameters are part of what is asked for, and so of the cache's key: a token of one tenant is never
  // handed out for another.
  const north = yield* tokens.get(TokenRequest.make({ parameters: { tenant: "north" } }))
  const south = yield* tokens.get(TokenRequest.make({ parameters: { tenant: "south" } }))

  // What the server sends beyond RFC 6749 is kept; it may be anything, so it is Redacted.
  const tenants = [north, south].map(({ extra }) => String(Redacted.value(extra).tenant))
  yield* Console.log(`tokens for the tenants ${tenants.join(" and ")}`)
  yield* expect("each tenant has its own token", tenants.join() === "north,south")
})

const Tokens = Layer.unwrapEffect(Effect.map(GrantServer.GrantServer, (server) =>
  TokenSource.layer({
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.open.id,
    authentication: ClientAuthentication.none,
    grant: deviceKey(server.deviceKey)
  })))

const main = Effect.gen(function*() {
  yield* program
  const server = yield* GrantServer.GrantServer

  // A key that is wrong: the error has the server's words and an advice, and not the key.
  const error = yield* TokenSource.grant({
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.open.id,
    authentication: ClientAuthentication.none,
    grant: deviceKey(Redacted.make("the key of another device"))
  }).pipe(Effect.flatMap((source) => source.get()), Effect.flip)
  yield* Console.log(error.message)
  yield* expect("a refusal is final", !error.retryable)
})

main.pipe(
  Effect.provide(Tokens),
  Effect.provide(Layer.merge(GrantServer.layer(), NodeHttpClient.layerUndici)),
  NodeRuntime.runMain
)
