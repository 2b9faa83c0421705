/**
 * The function behind a data action, served over HTTP: it takes a flow's request and replies with an access token, or
 * with `{ error, message }` and a status. Here the tokens are those of Genesys Cloud; any other provider will do.
 *
 * Run it with `node --import tsx examples/src/genesys/data-action.ts`. It brings its own server; to get the tokens of
 * your organization, set `GENESYS_CLIENT_ID`, `GENESYS_CLIENT_SECRET` and `GENESYS_REGION`.
 */
import { createServer } from "node:http"
import { HttpClient, HttpClientRequest, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer, NodeRuntime, Undici } from "@effect/platform-node"
import { DataAction, Region } from "@effect-bearer/genesys"
import * as FakeCloud from "@effect-bearer/genesys/FakeCloud"
import { Console, Effect, Layer, Logger, LogLevel, Option, Schema } from "effect"
import { ClientAuthentication } from "effect-bearer"
import { expect } from "../support/Expect.js"
import * as Genesys from "../support/Genesys.js"

// --- the data action ---------------------------------------------------------------------------------------------

const makeAction = Effect.gen(function*() {
  const { options } = yield* Genesys.Genesys
  const { tokenEndpoint } = yield* Region.parse(options.region)
  return yield* DataAction.handler({
    tokenEndpoint,
    clientId: options.clientId,
    // Of another provider, for example: ClientAuthentication.post(Secret.env("EXTERNAL_CLIENT_SECRET"))
    authentication: ClientAuthentication.basicRaw(options.clientSecret),
    scopes: options.scopes
  })
})

// A serverless runtime gets the same as a function: DataAction.toPromiseHandler(makeAction, layer). A server does this:
const serve = (action: DataAction.Handler) =>
  HttpServer.serveEffect(Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { body, headers, status } = yield* action({ body: yield* request.text })
    return yield* HttpServerResponse.json(body, { status, headers })
  }))

/** A limit of 3.05 seconds on connecting is a matter of the HTTP client. */
const Dispatcher = Layer.scoped(
  NodeHttpClient.Dispatcher,
  Effect.acquireRelease(
    Effect.sync(() => new Undici.Agent({ connect: { timeout: 3050 } })),
    (agent) => Effect.promise(() => agent.destroy())
  )
)

// --- the flow ----------------------------------------------------------------------------------------------------

const Answer = Schema.Struct({
  access_token: Schema.optional(Schema.Redacted(Schema.String)),
  expires_in: Schema.optional(Schema.Number),
  error: Schema.optional(Schema.String),
  message: Schema.optional(Schema.String)
})

/** What a flow does with it. */
const call = (payload: string) =>
  Effect.gen(function*() {
    const url = yield* HttpServer.addressFormattedWith(Effect.succeed)
    const response = yield* HttpClient.execute(
      HttpClientRequest.post(url).pipe(HttpClientRequest.bodyText(payload, "application/json"))
    )
    const answer = yield* Schema.decodeUnknown(Answer)(yield* response.json)
    return { status: response.status, retryAfter: response.headers["retry-after"], ...answer }
  })

const program = Effect.gen(function*() {
  yield* serve(yield* makeAction)

  const first = yield* call("{}")
  yield* Console.log(
    `${first.status}, a token for ${(first.expires_in ?? 0) > 0 ? "a while" : "nobody knows how long"}`
  )
  yield* expect("the first call got a token", first.status === 200 && first.access_token !== undefined)

  yield* Effect.sleep("1100 millis")
  const more = yield* Effect.all(Array.from({ length: 20 }, () => call("")), { concurrency: "unbounded" })
  yield* expect(
    "20 more got the same, with what remains of its time",
    more.every(({ expires_in = 0, status }) => status === 200 && expires_in < (first.expires_in ?? 0))
  )

  // A mistake in the payload is found before anything is sent, and named.
  const broken = yield* call("{\"scope\": ")
  const misspelt = yield* call("{\"subjectToken\": \"…\"}")
  yield* Console.log(`${broken.status} ${broken.error}: ${broken.message}`)
  yield* Console.log(`${misspelt.status} ${misspelt.error}: ${misspelt.message}`)
  yield* expect("a bad payload is the caller's fault", broken.status === 400 && misspelt.status === 400)

  const { fake } = yield* Genesys.Genesys
  if (Option.isNone(fake)) return
  yield* expect("one token was requested for all", (yield* fake.value.seen).tokenRequests === 1)

  // The token endpoint is down for longer than is worth waiting. Who can be served is served.
  yield* fake.value.failAlways(FakeCloud.unavailable("2 minutes"), { host: "login" })
  const held = yield* call("{}")
  const other = yield* call("{\"scope\": \"users:readonly\"}")
  yield* Console.log(`${other.status} ${other.error}, Retry-After ${other.retryAfter}`)
  yield* expect("the token that is held does not need the token endpoint", held.status === 200)
  yield* expect("another one does, and the reply says when to come back", other.status === 503)
})

// --- the stage ---------------------------------------------------------------------------------------------------

program.pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(
    Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, Dispatcher),
    NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }),
    Genesys.layer({ scopes: ["users:readonly", "analytics:readonly"] })
  )),
  // The data action logs what goes wrong. Here it is printed already.
  Logger.withMinimumLogLevel(LogLevel.None),
  NodeRuntime.runMain
)
