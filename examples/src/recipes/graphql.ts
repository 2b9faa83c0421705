/**
 * GraphQL: many servers say in the body of a 200 that the token is not accepted. A rule of your own finds that out; the
 * token is renewed, and the query is made once more.
 *
 * Run it with `node --import tsx examples/src/recipes/graphql.ts`. It brings its own servers.
 */
import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Array as Arr, Console, Effect, Layer, Logger, LogLevel, Option, Schema } from "effect"
import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import { expect } from "../support/Expect.js"
import * as LoopbackServer from "../support/LoopbackServer.js"

// --- your client -------------------------------------------------------------------------------------------------

const Errors = Schema.Struct({
  errors: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({ extensions: Schema.optional(Schema.Struct({ code: Schema.optional(Schema.String) })) })
    ),
    { default: () => [] }
  )
})

/** The rule for status 401, and the code that servers of GraphQL use. The body stays readable for the caller. */
const isAuthFailure = (response: HttpClientResponse.HttpClientResponse) =>
  BearerAuth.isAuthFailure(response) ? true : HttpClientResponse.schemaBodyJson(Errors)(response).pipe(
    Effect.map(({ errors }) => errors.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED")),
    Effect.orElseSucceed(() => false)
  )

const Answer = Schema.Struct({ data: Schema.Struct({ viewer: Schema.Struct({ name: Schema.String }) }) })

const viewer = (url: string) =>
  HttpClientRequest.post(url).pipe(
    HttpClientRequest.bodyUnsafeJson({ query: "{ viewer { name } }" }),
    HttpClient.execute,
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Answer)),
    Effect.map(({ data }) => data.viewer.name)
  )

// --- the stage ---------------------------------------------------------------------------------------------------

/** Answers 200 to everything, and takes the second token only. */
const graphql = Effect.gen(function*() {
  const server = yield* LoopbackServer.make
  const tokens: Array<string> = []
  yield* server.handle((request, response) => {
    const token = request.headers.authorization ?? ""
    if (!tokens.includes(token)) tokens.push(token)
    request.resume()
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(
      token === tokens[0]
        ? { errors: [{ message: "who are you?", extensions: { code: "UNAUTHENTICATED" } }] }
        : { data: { viewer: { name: "Ada" } } }
    ))
  })
  return { origin: server.origin, url: `${server.origin}/graphql`, tokens: Effect.sync(() => Arr.copy(tokens)) }
})

const program = Effect.gen(function*() {
  const login = yield* AuthorizationServer.AuthorizationServer
  const server = yield* graphql
  const Api = BearerAuth.layer({ origins: [server.origin], isAuthFailure }).pipe(
    Layer.provide(TokenSource.layer({
      tokenEndpoint: login.tokenEndpoint,
      clientId: login.clients.basic.id,
      authentication: ClientAuthentication.basic(login.clients.basic.secret)
    })),
    Layer.provide(NodeHttpClient.layerUndici)
  )
  const name = yield* Effect.option(viewer(server.url)).pipe(Effect.provide(Api))
  yield* Console.log(`the viewer is ${Option.getOrElse(name, () => "nobody")}`)
  yield* expect("the refused token was renewed", (yield* server.tokens).length === 2)
  yield* expect("and the query made once more", Option.contains(name, "Ada"))
})

program.pipe(
  Effect.scoped,
  Effect.provide(AuthorizationServer.layer({ lifetime: "1 minute" })),
  Logger.withMinimumLogLevel(LogLevel.None), // the refusal is a warning
  NodeRuntime.runMain
)
