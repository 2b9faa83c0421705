/**
 * A Worker that keeps a token in its isolate, as Cloudflare runs many requests in one.
 *
 * - `/token`: the value of the token.
 * - `/ahead`: the same, and the request stays for a renewal.
 * - `/impatient`: gives up after 50 ms, so that the request is answered while its token request is under way.
 * - `/api`: what the API says to a request with the token.
 * - `/hop?to=…`: the same, if the API redirects to that address.
 * - `/settledHop?to=…`: the same, with a client that sets the settings of `fetch` itself, inside.
 * - `/fetchHop?to=…`: the same through a `fetch` with a bearer.
 * - `/fetchPost?to=…`: the same for a POST, after what the response says of redirects.
 */
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { Cause, Effect, Exit, Layer, ManagedRuntime, Redacted } from "effect"
import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"

interface Env {
  readonly TOKEN_ENDPOINT: string
  readonly API: string
}

const makeRuntime = (env: Env) =>
  ManagedRuntime.make(
    BearerAuth.layer({ origins: [new URL(env.API).origin] }).pipe(
      Layer.provideMerge(TokenSource.layer({
        tokenEndpoint: env.TOKEN_ENDPOINT,
        clientId: "worker",
        authentication: ClientAuthentication.basic(Redacted.make("a secret of the worker")),
        refresh: { jitter: 0 }
      })),
      Layer.provide(FetchHttpClient.layer)
    )
  )

let runtime: ReturnType<typeof makeRuntime> | undefined

const token = Effect.flatMap(
  TokenSource.TokenSource,
  (source) => Effect.map(source.get(), (token) => Redacted.value(token.value))
)

const api = (url: string) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => Effect.flatMap(client.get(url), (response) => response.text))

const apiByFetch = (url: string, init: RequestInit = {}, read = (response: Response) => response.text()) =>
  Effect.gen(function*() {
    const fetch = yield* BearerAuth.withFetch(yield* TokenSource.TokenSource, { origins: [new URL(url).origin] })
    return yield* Effect.tryPromise(async () => read(await fetch(url, init)))
  })

const apiBySettled = (url: string) =>
  Effect.gen(function*() {
    const settled = HttpClient.transformResponse(
      yield* HttpClient.HttpClient,
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "follow" })
    )
    const client = BearerAuth.withBearer(settled, yield* TokenSource.TokenSource, { origins: [new URL(url).origin] })
    return yield* Effect.flatMap(client.get(url), (response) => response.text)
  }).pipe(Effect.provide(FetchHttpClient.layer))

const handle = (
  { pathname, search }: URL,
  env: Env
): Effect.Effect<string, unknown, HttpClient.HttpClient | TokenSource.TokenSource> => {
  switch (pathname) {
    case "/api":
      return api(env.API)
    case "/hop":
      return api(`${new URL(env.API).origin}/hop${search}`)
    case "/settledHop":
      return apiBySettled(`${new URL(env.API).origin}/hop${search}`)
    case "/fetchHop":
      return apiByFetch(`${new URL(env.API).origin}/hop${search}`)
    case "/fetchPost":
      return apiByFetch(
        `${new URL(env.API).origin}/hop${search}`,
        { method: "POST", body: "order" },
        async (response) => `${response.redirected} ${await response.text()}`
      )
    case "/impatient":
      return Effect.timeout(token, 50)
    default:
      return token
  }
}

export default {
  async fetch(
    request: Request,
    env: Env,
    ctx: { waitUntil(promise: Promise<unknown>): void }
  ): Promise<Response> {
    const url = new URL(request.url)
    const work = handle(url, env)
    const exit = await (runtime ??= makeRuntime(env)).runPromiseExit(
      url.pathname === "/ahead" ? TokenSource.withWaitUntil(work, (promise) => ctx.waitUntil(promise)) : work
    )
    return Exit.isSuccess(exit)
      ? new Response(exit.value)
      : new Response(Cause.pretty(exit.cause), { status: 503 })
  }
}
