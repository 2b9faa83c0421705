/**
 * Visitors of a web server that calls an API: 50 at once, one who hangs up, and at the end the operator, who stops the
 * process with SIGTERM. For the programs that show one server in several frameworks.
 */
import { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Array as Arr, Console, Effect, Fiber, Layer } from "effect"
import type { TokenSource } from "effect-bearer"
import { ClientAuthentication } from "effect-bearer"
import * as AuthorizationServer from "./AuthorizationServer.js"
import { expect } from "./Expect.js"
import * as ProtectedApi from "./ProtectedApi.js"

/** What the server is told: how to get tokens, and where the API is that wants them. */
export interface Settings {
  readonly tokens: TokenSource.LayerOptions
  readonly origin: string
}

export interface Server {
  /** Calls a path of the server, and says with what status it answered. An interruption hangs up. */
  readonly visit: (path: string) => Effect.Effect<number, unknown>
  /** Resolves when the server has let go of everything, after SIGTERM. */
  readonly stopped: Promise<void>
}

/** A visitor who comes over a socket. */
export const over = (origin: string) => (path: string): Effect.Effect<number, unknown> =>
  HttpClient.get(origin + path).pipe(
    Effect.flatMap((response) => Effect.as(response.text, response.status)),
    // the agent that is closed at the end is one of its own for each visit: it leaves no connection open
    Effect.provide(NodeHttpClient.layer),
    Effect.scoped
  )

/** Runs the visits, and sets the exit code. It is no `NodeRuntime.runMain`, which has its own opinion about SIGTERM. */
export const run = (start: (settings: Settings) => Promise<Server>): void => {
  const program = Effect.gen(function*() {
    const login = yield* AuthorizationServer.AuthorizationServer
    const api = yield* ProtectedApi.ProtectedApi
    const { stopped, visit } = yield* Effect.promise(() =>
      start({
        tokens: {
          tokenEndpoint: login.tokenEndpoint,
          clientId: login.clients.basic.id,
          authentication: ClientAuthentication.basic(login.clients.basic.secret)
        },
        origin: api.origin
      })
    )
    const slow = (until: (slow: ProtectedApi.Seen["slow"]) => boolean) =>
      Effect.repeat(Effect.delay(api.seen, "10 millis"), { until: (seen) => until(seen.slow) }).pipe(
        Effect.timeout("10 seconds")
      )

    const statuses = yield* Effect.all(Arr.replicate(visit("/calls"), 50), { concurrency: "unbounded" })
    const { tokenRequests } = yield* login.seen
    yield* Console.log(`50 requests at once, ${tokenRequests} token request`)
    yield* expect("all of them were answered", statuses.every((status) => status === 200))
    yield* expect("one token was enough", tokenRequests === 1)

    const visitor = yield* Effect.fork(visit("/slow"))
    yield* slow(({ waiting }) => waiting === 1)
    yield* Fiber.interrupt(visitor)
    const { slow: { abandoned, waiting } } = yield* slow(({ waiting }) => waiting === 0)
    yield* expect("a visitor hung up, and the call to the API ended with the visit", abandoned === 1 && waiting === 0)

    yield* Effect.sync(() => void process.kill(process.pid, "SIGTERM"))
    yield* Effect.promise(() => stopped)
    const late = yield* Effect.either(visit("/calls"))
    yield* expect("after SIGTERM nobody is let in, and no token is asked for", late._tag === "Left")
    yield* expect("the token was one to the end", (yield* login.seen).tokenRequests === 1)
  })
  const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer({ lifetime: "1 minute" })))
  Effect.runPromise(Effect.provide(program, Servers)).catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
}
