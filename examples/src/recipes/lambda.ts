/**
 * A handler of AWS Lambda and its like: the process is frozen between two events and thawed, or not. The runtime is made
 * outside of the handler, so that a warm process still has its token. Nothing renews in the background of a frozen
 * process: the event that finds the token at its end waits for the next one.
 *
 * Run it with `node --import tsx examples/src/recipes/lambda.ts`. It brings its own servers.
 */
import { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, ManagedRuntime, Option } from "effect"
import { BearerAuth, ClientAuthentication, TokenError, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import { expect } from "../support/Expect.js"
import * as ProtectedApi from "../support/ProtectedApi.js"

// --- your module -------------------------------------------------------------------------------------------------

interface Settings {
  readonly tokens: TokenSource.LayerOptions
  readonly origin: string
}

/** In your module these are constants at its top: `const runtime = ManagedRuntime.make(…)`, `export const handler = …`. */
const makeHandler = ({ origin, tokens }: Settings) => {
  const runtime = ManagedRuntime.make(
    BearerAuth.layer({ origins: [origin] }).pipe(
      // `refresh: false`: a timer that is set before the freeze goes off after it, and asks for a token nobody wants
      Layer.provide(TokenSource.layer({ ...tokens, refresh: false })),
      Layer.provide(NodeHttpClient.layerUndici)
    )
  )
  const handler = (event: { readonly path: string }): Promise<{ readonly statusCode: number; readonly body: string }> =>
    runtime.runPromise(
      HttpClient.get(origin + event.path).pipe(
        Effect.flatMap((response) => Effect.map(response.text, (body) => ({ statusCode: response.status, body }))),
        // an event that ends in a rejection is sent again: let that happen only where it may help
        Effect.catchAll((error) =>
          Option.match(BearerAuth.tokenErrorOf(error), {
            onNone: () => Effect.fail(error),
            onSome: (tokenError) => Effect.succeed({ statusCode: 503, body: TokenError.codeOf(tokenError) })
          })
        )
      )
    )
  return { handler, runtime }
}

// --- the stage ---------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const login = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  const { handler, runtime } = makeHandler({
    tokens: {
      tokenEndpoint: login.tokenEndpoint,
      clientId: login.clients.basic.id,
      authentication: ClientAuthentication.basic(login.clients.basic.secret)
    },
    origin: api.origin
  })
  const invoke = Effect.map(Effect.promise(() => handler({ path: "/calls" })), ({ statusCode }) => statusCode)

  const first = yield* invoke
  const warm = yield* invoke
  const whileWarm = (yield* login.seen).tokenRequests
  yield* Effect.sleep("1100 millis") // frozen for longer than the token lives
  const thawed = yield* invoke
  yield* Effect.promise(() => runtime.dispose())

  yield* Console.log(`${first}, ${warm}, and after the freeze ${thawed}`)
  yield* expect("a warm process uses the token it has", whileWarm === 1)
  yield* expect("a thawed one gets the next token first", (yield* login.seen).tokenRequests === 2)
  yield* expect("the API saw no call with an old token", (yield* api.seen).statuses[401] === undefined)
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer({ lifetime: "1 second" })))

program.pipe(Effect.provide(Servers), NodeRuntime.runMain)
