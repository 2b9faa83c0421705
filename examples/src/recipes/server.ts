/**
 * A server that calls an API with a token: `node:http` here; `hono.ts`, `express.ts` and `next-route.ts` are beside it.
 * One `ManagedRuntime` lives as long as the process, and with it one source, whatever the number of requests.
 *
 * Run it with `node --import tsx examples/src/recipes/server.ts`. It brings its own servers.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Array as Arr, Clock, Console, Effect, Layer, ManagedRuntime, Option } from "effect"
import { BearerAuth, ClientAuthentication, TokenError, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import { expect } from "../support/Expect.js"
import * as ProtectedApi from "../support/ProtectedApi.js"

// --- your server -------------------------------------------------------------------------------------------------

interface Settings {
  readonly tokens: TokenSource.LayerOptions
  readonly api: { readonly origin: string; readonly url: string }
}

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body: string
}

/** What one request does. It knows nothing of tokens. */
const handle = (url: string): Effect.Effect<Answer, never, HttpClient.HttpClient> =>
  HttpClient.get(url).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (body) => ({ status: response.status, body }))),
    Effect.catchAll((error) => Effect.map(Clock.currentTimeMillis, (now) => failure(error, now)))
  )

/** Without a token: when the client may come back, where that is known. */
const failure = (error: unknown, now: number): Answer => {
  const tokenError = BearerAuth.tokenErrorOf(error)
  if (Option.isNone(tokenError)) return { status: 502, body: "the API cannot be reached" }
  const back = Option.map(TokenError.retryAt(tokenError.value, now), (at) => Math.ceil(Math.max(0, at - now) / 1000))
  return {
    status: 503,
    ...Option.match(back, { onNone: () => ({}), onSome: (seconds) => ({ headers: { "retry-after": `${seconds}` } }) }),
    body: TokenError.codeOf(tokenError.value)
  }
}

const makeServer = ({ api, tokens }: Settings) => {
  // Once: a runtime, or a layer, made inside the handler would ask for a token at every request.
  const runtime = ManagedRuntime.make(
    BearerAuth.layer({ origins: [api.origin] }).pipe(
      Layer.provide(TokenSource.layer(tokens)),
      Layer.provide(NodeHttpClient.layerUndici)
    )
  )
  const server = createServer((request, response) => {
    const gone = new AbortController()
    response.once("close", () => gone.abort())
    // a client that hangs up interrupts its own work, and nobody else's
    runtime.runPromise(handle(api.url), { signal: gone.signal }).then(
      ({ body, headers, status }) => response.writeHead(status, headers).end(body),
      () => response.destroy()
    )
    request.resume()
  })
  // In a program of your own: process.once("SIGTERM", stop)
  const stop = () => new Promise((resolve) => server.close(resolve)).then(() => runtime.dispose())
  return { server, stop }
}

// --- the stage ---------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const login = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  const { server, stop } = makeServer({
    tokens: {
      tokenEndpoint: login.tokenEndpoint,
      clientId: login.clients.basic.id,
      authentication: ClientAuthentication.basic(login.clients.basic.secret)
    },
    api: { origin: api.origin, url: api.callsUrl }
  })
  yield* Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
  const { port } = server.address() as AddressInfo

  const get = Effect.map(HttpClient.get(`http://127.0.0.1:${port}/`), ({ status }) => status)
  const statuses = yield* Effect.all(Arr.replicate(get, 50), { concurrency: "unbounded" })
  yield* Effect.promise(stop)

  const { tokenRequests } = yield* login.seen
  yield* Console.log(`50 requests at once, ${tokenRequests} token request`)
  yield* expect("all of them were answered", statuses.every((status) => status === 200))
  yield* expect("one token was enough", tokenRequests === 1)
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer({ lifetime: "1 minute" })))

program.pipe(Effect.provide([Servers, NodeHttpClient.layer]), NodeRuntime.runMain)
