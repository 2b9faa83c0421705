/**
 * Token exchange (RFC 8693): an API that was called with a user's token calls the next API on that user's behalf. The
 * token it got is not for that API; it is exchanged for one that is, and that says who acts.
 *
 * Run it with `node --import tsx examples/src/grants/token-exchange.ts`. It brings its own server.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Option, Redacted } from "effect"
import { ClientAuthentication, Grant, Jwt, TokenSource } from "effect-bearer"
import { expect } from "../support/Expect.js"
import * as GrantServer from "../support/GrantServer.js"

// --- the gateway -------------------------------------------------------------------------------------------------

/** Makes, for the token of an incoming call, the source of the tokens for outgoing ones. */
const gateway = Effect.gen(function*() {
  const { clients, tokenEndpoint } = yield* GrantServer.GrantServer
  const self = {
    tokenEndpoint,
    clientId: clients.basic.id,
    authentication: ClientAuthentication.basic(clients.basic.secret)
  }
  // The gateway's own token, as proof of who acts. It is kept and renewed, as any other.
  const own = yield* Effect.flatMap(TokenSource.clientCredentials(self), TokenSource.cached())

  return (incoming: Redacted.Redacted) =>
    TokenSource.tokenExchange({
      ...self,
      subjectToken: incoming,
      // An effect is run at every exchange, so an actor token is never out of date.
      actorToken: Effect.map(own.get(), ({ value }) => value),
      audience: "https://billing.example.com/",
      scopes: "invoices:read"
      // The result is good for many calls, but only for this one user: cache it as long as the session lasts.
    }).pipe(Effect.flatMap(TokenSource.cached()))
})

// --- the program -------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const onBehalfOf = yield* gateway
  const tokens = yield* onBehalfOf(yield* incomingToken)

  const token = yield* tokens.get()
  const { act, aud, sub } = Redacted.value(Option.getOrThrow(Jwt.decode(token)).claims) as {
    readonly aud: string
    readonly sub: string
    readonly act: { readonly sub: string }
  }
  yield* Console.log(`a token for ${aud}, on behalf of ${sub}, used by ${act.sub}`)
  yield* expect("it is for the next API", aud === "https://billing.example.com/")
  yield* expect("its subject is who called", sub === "device-42")
  yield* expect("it says who acts", act.sub === "app-basic")
  yield* expect("it may do no more than was asked for", token.scopes.join(" ") === "invoices:read")
})

/** What a caller would send: here the token of a device. */
const incomingToken = Effect.gen(function*() {
  const { clients, deviceKey, tokenEndpoint } = yield* GrantServer.GrantServer
  const device = yield* TokenSource.grant({
    tokenEndpoint,
    clientId: clients.open.id,
    authentication: ClientAuthentication.none,
    grant: Grant.make({
      type: GrantServer.deviceKeyGrant,
      parameters: () => Effect.succeed([["device_key", deviceKey]])
    })
  })
  return (yield* device.get()).value
})

program.pipe(
  Effect.scoped,
  Effect.provide(Layer.merge(GrantServer.layer(), NodeHttpClient.layerUndici)),
  NodeRuntime.runMain
)
