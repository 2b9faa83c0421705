/**
 * Express, with one `ManagedRuntime` for the life of the process. A visitor who hangs up interrupts the work that was done
 * for the visit, and SIGTERM closes the server first and the source of tokens then.
 *
 * Run it with `node --import tsx examples/src/recipes/express.ts`. It brings its own servers.
 */
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Clock, Effect, Layer, ManagedRuntime, Option } from "effect"
import { BearerAuth, TokenError, TokenSource } from "effect-bearer"
import type { RequestHandler } from "express"
import express from "express"
import * as Visitors from "../support/Visitors.js"

// --- your server -------------------------------------------------------------------------------------------------

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body: string
}

/** What one request does. It knows nothing of tokens, and it has an answer for every failure. */
const answer = (url: string): Effect.Effect<Answer, never, HttpClient.HttpClient> =>
  HttpClient.get(url).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (body) => ({ status: response.status, body }))),
    Effect.catchAll((error) => Effect.map(Clock.currentTimeMillis, (now) => failure(error, now)))
  )

/** Without a token: when the visitor may come back, where that is known. */
const failure = (error: unknown, now: number): Answer => {
  const tokenError = BearerAuth.tokenErrorOf(error)
  if (Option.isNone(tokenError)) return { status: 502, body: "the API cannot be reached" }
  const at = TokenError.retryAt(tokenError.value, now)
  return {
    status: 503,
    headers: Option.isSome(at) ? { "retry-after": `${Math.ceil(Math.max(0, at.value - now) / 1000)}` } : {},
    body: TokenError.codeOf(tokenError.value)
  }
}

const start = async ({ origin, tokens }: Visitors.Settings) => {
  // Once per process. A runtime that is made in a handler would ask for a token at every request.
  const runtime = ManagedRuntime.make(
    BearerAuth.layer({ origins: [origin] }).pipe(
      Layer.provide(TokenSource.layer(tokens)), // or TokenSource.layerConfig()
      Layer.provide(NodeHttpClient.layerUndici)
    )
  )

  /** Express has no signal for a visitor who hangs up: the response is closed before it was written to its end. */
  const handler =
    (work: (path: string) => Effect.Effect<Answer, never, HttpClient.HttpClient>): RequestHandler =>
    (request, response, next) => {
      const gone = new AbortController()
      response.once("close", () => gone.abort())
      runtime.runPromise(work(request.path), { signal: gone.signal }).then(
        ({ body, headers = {}, status }) => void response.status(status).set(headers).send(body),
        // the work was interrupted, and nobody is there for an answer; all else is a bug, and for Express to tell
        (error: unknown) => gone.signal.aborted ? undefined : next(error)
      )
    }

  const app = express()
  app.get(["/calls", "/slow"], handler((path) => answer(origin + path)))

  const server = app.listen(0, "127.0.0.1")
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
