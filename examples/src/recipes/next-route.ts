/**
 * A route of Next.js (App Router, the runtime `nodejs`), with one `ManagedRuntime` for the life of the process. A visitor
 * who hangs up interrupts the work that was done for the visit.
 *
 * Next.js itself is not started here: a route handler is a function from `Request` to a promise of `Response`, and this
 * program calls it as such.
 *
 * Run it with `node --import tsx examples/src/recipes/next-route.ts`. It brings its own servers.
 */
import { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Clock, Effect, Layer, ManagedRuntime, Option } from "effect"
import { BearerAuth, TokenError, TokenSource } from "effect-bearer"
import * as Visitors from "../support/Visitors.js"

// --- lib/api.ts: your runtime ------------------------------------------------------------------------------------

const makeRuntime = ({ origin, tokens }: Visitors.Settings) =>
  ManagedRuntime.make(
    BearerAuth.layer({ origins: [origin] }).pipe(
      Layer.provide(TokenSource.layer(tokens)), // or TokenSource.layerConfig()
      Layer.provide(NodeHttpClient.layerUndici)
    )
  )

type Runtime = ReturnType<typeof makeRuntime>

const kept = globalThis as { apiRuntime?: Runtime }

/**
 * `next dev` loads a module again after each change, and a build may put the module into several bundles: what is kept at
 * `globalThis` is there once per process all the same. In your module this is
 * `export const runtime = kept.apiRuntime ??= makeRuntime(…)`.
 */
const runtimeOf = (settings: Visitors.Settings): Runtime => kept.apiRuntime ??= makeRuntime(settings)

// --- app/calls/route.ts: your route ------------------------------------------------------------------------------

/** What one request does. It knows nothing of tokens, and it has an answer for every failure. */
const answer = (url: string): Effect.Effect<Response, never, HttpClient.HttpClient> =>
  HttpClient.get(url).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (body) => new Response(body, { status: response.status }))),
    Effect.catchAll((error) => Effect.map(Clock.currentTimeMillis, (now) => failure(error, now)))
  )

/** Without a token: when the visitor may come back, where that is known. */
const failure = (error: unknown, now: number): Response => {
  const tokenError = BearerAuth.tokenErrorOf(error)
  if (Option.isNone(tokenError)) return new Response("the API cannot be reached", { status: 502 })
  const headers = new Headers()
  const at = TokenError.retryAt(tokenError.value, now)
  if (Option.isSome(at)) headers.set("retry-after", `${Math.ceil(Math.max(0, at.value - now) / 1000)}`)
  return new Response(TokenError.codeOf(tokenError.value), { status: 503, headers })
}

/**
 * In your module: `export const GET = (request: Request) => runtime.runPromise(…)`, and beside it
 * `export const dynamic = "force-dynamic"`, or `next build` may call the route, and keep what it answered.
 */
const makeGet = (runtime: Runtime, origin: string) => (request: Request): Promise<Response> =>
  runtime.runPromise(answer(origin + new URL(request.url).pathname), { signal: request.signal })

// --- instrumentation.ts: the end of the process ------------------------------------------------------------------

/** Next.js ends the process at SIGTERM by itself. With `NEXT_MANUAL_SIG_HANDLE=true` it leaves that to you. */
const disposeAtEnd = (runtime: Runtime): Promise<void> =>
  new Promise((resolve) => process.once("SIGTERM", () => resolve(runtime.dispose())))

// --- the stage ---------------------------------------------------------------------------------------------------

Visitors.run(async (settings) => {
  const GET = makeGet(runtimeOf(settings), settings.origin)
  const stopped = disposeAtEnd(runtimeOf(settings))
  return {
    visit: (path) =>
      Effect.tryPromise((signal) => GET(new Request(`http://app.test${path}`, { signal }))).pipe(
        Effect.map(({ status }) => status)
      ),
    stopped
  }
})
