/**
 * Hono on Node.js, with one `ManagedRuntime` for the life of the process. A visitor who hangs up interrupts the work that
 * was done for the visit, and SIGTERM closes the server first and the source of tokens then.
 *
 * Run it with `node --import tsx examples/src/recipes/hono.ts`. It brings its own servers.
 */
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { serve } from "@hono/node-server"
import { Clock, Effect, Layer, ManagedRuntime, Option } from "effect"
import { BearerAuth, TokenError, TokenSource } from "effect-bearer"
import { Hono } from "hono"
import * as Visitors from "../support/Visitors.js"

// --- your server -------------------------------------------------------------------------------------------------

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

const start = async ({ origin, tokens }: Visitors.Settings) => {
  // Once per process. A runtime that is made in a handler would ask for a token at every request.
  const runtime = ManagedRuntime.make(
    BearerAuth.layer({ origins: [origin] }).pipe(
      Layer.provide(TokenSource.layer(tokens)), // or TokenSource.layerConfig()
      Layer.provide(NodeHttpClient.layerUndici)
    )
  )

  const app = new Hono()
  // the signal of the request is aborted when the visitor hangs up
  const call = (path: string) =>
    app.get(path, (c) => runtime.runPromise(answer(origin + path), { signal: c.req.raw.signal }))
  call("/calls")
  call("/slow")
  // the work of a visitor who hung up was interrupted, and nobody is there for an answer; all else is a bug
  app.onError((_error, c) => c.req.raw.signal.aborted ? c.newResponse(null) : c.text("internal error", 500))

  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 })
  // first no more visitors, and the visits under way to their end; then the source, and with it its timer
  const stop = () => new Promise((resolve) => server.close(resolve)).then(() => runtime.dispose())
  const stopped = new Promise<void>((resolve) => process.once("SIGTERM", () => resolve(stop())))

  await once(server, "listening")
  return { port: (server.address() as AddressInfo).port, stopped }
}

// --- the stage ---------------------------------------------------------------------------------------------------

Visitors.run(async (settings) => {
  const { port, stopped } = await start(settings)
  return { visit: Visitors.over(`http://127.0.0.1:${port}`), stopped }
})
