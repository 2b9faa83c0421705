/**
 * Client credentials (RFC 6749 §4.4): a program asks for a token on its own behalf. One token per scope set and per
 * API; a resource indicator (RFC 8707) says which API it is for.
 *
 * Run it with `node --import tsx examples/src/grants/client-credentials.ts`. It brings its own server.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Option, Redacted } from "effect"
import { AccessToken, ClientAuthentication, Jwt, TokenRequest, TokenSource } from "effect-bearer"
import { expect } from "../support/Expect.js"
import * as GrantServer from "../support/GrantServer.js"

// What to ask for is a value: equal requests share a token.
const forReports = TokenRequest.make({ resource: "https://reports.example.com/", scopes: "reports:read" })

const program = Effect.gen(function*() {
  const tokens = yield* TokenSource.TokenSource

  // What the source was configured with. Asked for twice, requested once.
  const billing = yield* tokens.get()
  const again = yield* tokens.get()
  // Another API and other scopes: another token, kept and renewed beside the first.
  const reports = yield* tokens.get(forReports)

  yield* Console.log(`for ${audienceOf(billing)}: ${billing.scopes.join(" ")}`)
  yield* Console.log(`for ${audienceOf(reports)}: ${reports.scopes.join(" ")}`)
  yield* expect("the same request gets the same token", AccessToken.isSame(billing, again))
  yield* expect("each API has its own token", !AccessToken.isSame(billing, reports))
})

/** Good enough for a line of output. Nobody has verified what the token says. */
const audienceOf = (token: AccessToken.AccessToken) =>
  Option.match(Jwt.decode(token), {
    onNone: () => "nobody in particular",
    onSome: ({ claims }) => String(Redacted.value(claims).aud)
  })

const Tokens = Layer.unwrapEffect(Effect.map(GrantServer.GrantServer, (server) =>
  TokenSource.layer({
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.basic.id,
    authentication: ClientAuthentication.basic(server.clients.basic.secret),
    resource: "https://billing.example.com/",
    scopes: "invoices:read"
  })))

const main = Effect.gen(function*() {
  yield* program
  const server = yield* GrantServer.GrantServer
  yield* expect("two tokens were requested", (yield* server.answered).length === 2)
})

main.pipe(
  Effect.provide(Tokens),
  Effect.provide(Layer.merge(GrantServer.layer(), NodeHttpClient.layerUndici)),
  NodeRuntime.runMain
)
