/**
 * Two APIs in one program, each with its own authorization server, credentials, token and client.
 *
 * Every source gets a tag of its own, so the compiler tells them apart: what needs `Billing` can't be given `Users`.
 *
 * Run it with `node --import tsx examples/src/two-apis.ts`. It brings its own servers.
 */
import type { HttpClientError } from "@effect/platform"
import { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer } from "effect"
import type { TokenError } from "effect-bearer"
import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "./support/AuthorizationServer.js"
import { expect } from "./support/Expect.js"
import * as ProtectedApi from "./support/ProtectedApi.js"

// --- two sources -----------------------------------------------------------------------------------------------

class Billing extends TokenSource.Tag("Billing")<Billing>() {}
class Users extends TokenSource.Tag("Users")<Users>() {}

// --- two clients -----------------------------------------------------------------------------------------------

// One way: an ordinary HttpClient behind a tag. A token that can't be had is folded into HttpClientError.
class BillingClient extends Context.Tag("BillingClient")<BillingClient, HttpClient.HttpClient>() {}

const billingClient = (origin: string) =>
  Layer.effect(BillingClient, HttpClient.HttpClient).pipe(
    Layer.provide(BearerAuth.layer({ origins: [origin], source: Billing }))
  )

// Another way: a client that says in its type that a token may be missing.
class UsersClient extends Context.Tag("UsersClient")<
  UsersClient,
  HttpClient.HttpClient.With<HttpClientError.HttpClientError | TokenError.TokenError>
>() {}

const usersClient = (origin: string) =>
  Layer.effect(
    UsersClient,
    Effect.zipWith(HttpClient.HttpClient, Users, (http, source) =>
      BearerAuth.withBearer(http, source, { origins: [origin] }))
  )

// --- the program: it knows clients, not tokens -------------------------------------------------------------------

const program = (billingUrl: string, usersUrl: string) =>
  Effect.gen(function*() {
    const billing = yield* BillingClient
    const users = yield* UsersClient
    const statusOf = Effect.map((response: { readonly status: number }) => response.status)

    const [fromBilling, fromUsers] = yield* Effect.all([
      statusOf(billing.get(billingUrl)),
      statusOf(users.get(usersUrl))
    ], { concurrency: "unbounded" })
    // The wrong client for this URL: its token stays at home, because the origin is not on its list.
    const strayed = yield* statusOf(billing.get(usersUrl))

    yield* Console.log(`billing client at the billing API: ${fromBilling}`)
    yield* Console.log(`users client at the users API: ${fromUsers}`)
    yield* Console.log(`billing client at the users API: ${strayed}`)
    return { fromBilling, fromUsers, strayed }
  })

// --- the stage -------------------------------------------------------------------------------------------------

/** An authorization server, and an API that accepts the tokens of this server only. */
const company = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  const api = yield* Effect.provideService(ProtectedApi.make, AuthorizationServer.AuthorizationServer, server)
  return { server, api }
})

const options = ({ server }: Effect.Effect.Success<typeof company>): TokenSource.LayerOptions => ({
  tokenEndpoint: server.tokenEndpoint,
  clientId: server.clients.basic.id,
  authentication: ClientAuthentication.basic(server.clients.basic.secret)
})

const main = Effect.gen(function*() {
  const billing = yield* company
  const users = yield* company

  const Clients = Layer.merge(billingClient(billing.api.origin), usersClient(users.api.origin)).pipe(
    Layer.provide(Layer.merge(Billing.layer(options(billing)), Users.layer(options(users)))),
    Layer.provide(NodeHttpClient.layerUndici)
  )
  const statuses = yield* Effect.provide(program(billing.api.callsUrl, users.api.callsUrl), Clients)

  const atUsers = yield* users.api.seen
  yield* expect("both APIs let their client in", statuses.fromBilling === 200 && statuses.fromUsers === 200)
  yield* expect(
    "each authorization server issued one token",
    (yield* billing.server.seen).tokensIssued === 1 && (yield* users.server.seen).tokensIssued === 1
  )
  yield* expect(
    "the billing token never went to the users API",
    statuses.strayed === 401 && atUsers.withoutToken === 1 && atUsers.tokensAccepted === 1
  )
})

main.pipe(Effect.scoped, NodeRuntime.runMain)
