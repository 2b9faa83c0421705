/**
 * A Worker of Cloudflare, and other runtimes in which work ends with the request that began it. One `ManagedRuntime`
 * per isolate, made when the first request brings the settings. `withWaitUntil` lets a request renew the token ahead of
 * its end after it was answered.
 *
 * Run it with `node --import tsx examples/src/recipes/worker.ts`. It brings its own servers.
 */
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import { expect } from "../support/Expect.js"
import * as ProtectedApi from "../support/ProtectedApi.js"

// --- your Worker -------------------------------------------------------------------------------------------------

interface Env {
  readonly TOKEN_ENDPOINT: string
  readonly CLIENT_ID: string
  readonly CLIENT_SECRET: string
  readonly API: string
}

const makeRuntime = (env: Env) =>
  ManagedRuntime.make(
    BearerAuth.layer({ origins: [env.API] }).pipe(
      Layer.provide(TokenSource.layer({
        tokenEndpoint: env.TOKEN_ENDPOINT,
        clientId: env.CLIENT_ID,
        authentication: ClientAuthentication.basic(Redacted.make(env.CLIENT_SECRET))
      })),
      Layer.provide(FetchHttpClient.layer)
    )
  )

let runtime: ReturnType<typeof makeRuntime> | undefined

const worker = {
  fetch: (request: Request, env: Env, ctx: { waitUntil(promise: Promise<unknown>): void }): Promise<Response> => {
    runtime ??= makeRuntime(env)
    const { pathname } = new URL(request.url)
    const handled = HttpClient.get(env.API + pathname).pipe(
      Effect.flatMap((response) =>
        Effect.map(response.text, (body) => new Response(body, { status: response.status }))
      ),
      Effect.catchAll(() => Effect.succeed(new Response("come back later", { status: 503 })))
    )
    return runtime.runPromise(TokenSource.withWaitUntil(handled, (promise) => ctx.waitUntil(promise)))
  }
}

// In a Worker: export default worker

// --- the stage: on Node.js `waitUntil` is never needed; test/src/workers runs such a Worker in workerd ------------

const program = Effect.gen(function*() {
  const login = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  const env: Env = {
    TOKEN_ENDPOINT: login.tokenEndpoint,
    CLIENT_ID: login.clients.basic.id,
    CLIENT_SECRET: Redacted.value(login.clients.basic.secret),
    API: api.origin
  }
  const after: Array<Promise<unknown>> = []
  const visit = Effect.promise(() =>
    worker.fetch(new Request("https://worker.example/calls"), env, { waitUntil: (promise) => void after.push(promise) })
  )
  const answers = yield* Effect.all([visit, visit, visit], { concurrency: "unbounded" })
  yield* Effect.promise(() => Promise.all(after))
  yield* Effect.promise(() => runtime?.dispose() ?? Promise.resolve())

  yield* Console.log(`the Worker answered ${answers.map(({ status }) => status).join(", ")}`)
  yield* expect("requests that came together shared one token", (yield* login.seen).tokenRequests === 1)
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer()))

program.pipe(Effect.provide(Servers), NodeRuntime.runMain)
