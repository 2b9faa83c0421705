/** Stops a server without losing a request that has reached it. */
import type { Server, ServerResponse } from "node:http"
import { Server as NetServer } from "node:net"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** So long connections that are idle may bring one more request: their clients do not know yet. */
const grace = Duration.seconds(1)

/** So long requests that run may take to finish, the time above included. */
const patience = Duration.seconds(10)

const lookEvery = Duration.millis(20)

const realClock = Clock.make()

/** Counts the requests of a server that are being answered, and asks for the end of connections once it is stopping. */
export const watch = (server: Server) => {
  const running = new Set<ServerResponse>()
  let isStopping = false
  server.prependListener("request", (_request, response) => {
    running.add(response)
    if (isStopping) endAfter(response)
    response.once("close", () => running.delete(response))
  })

  const connections = Effect.async<number>((resume) => {
    server.getConnections((_error, count) => resume(Effect.succeed(count)))
  })

  /** Looks until a condition holds, but not longer than `limit`: a finalizer, in which this runs, is not interruptible. */
  const until = (holds: Effect.Effect<boolean>, limit: Duration.Duration) =>
    Effect.flatMap(holds, (yes) => yes ? Effect.void : Effect.fail("not yet")).pipe(
      Effect.retry(Schedule.spaced(lookEvery)),
      Effect.interruptible,
      Effect.timeout(limit),
      Effect.ignore
    )

  return {
    /** No new connections; requests on those that are there are answered, for a while. */
    stop: Effect.gen(function*() {
      isStopping = true
      // a client that keeps its connection would send its next request when the server is gone
      running.forEach(endAfter)
      // http.Server closes idle connections with it, and a request may be on its way over one
      yield* Effect.sync(() => NetServer.prototype.close.call(server))
      yield* until(Effect.map(connections, (count) => count === 0), grace)
      yield* Effect.sync(() => server.closeIdleConnections())
      yield* until(Effect.sync(() => running.size === 0), Duration.subtract(patience, grace))
      yield* Effect.sync(() => server.closeAllConnections())
      // sockets live by real time, whatever clock the program has
    }).pipe(Effect.withClock(realClock))
  }
}

/** Tells the client that the connection ends with this answer. */
const endAfter = (response: ServerResponse): void => {
  if (!response.headersSent) response.setHeader("connection", "close")
}
