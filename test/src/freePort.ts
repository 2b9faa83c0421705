/** Ports of the loopback interface for servers that cannot choose one themselves. */
import { createServer } from "node:net"
import { Effect, Random } from "effect"

const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

/**
 * A port that nobody listened on a moment ago. Not one of the system's choice: those are given to outgoing connections
 * as well, of which the tests beside this one have many, and a server that is started later, or again, would find its
 * port taken.
 */
export const freePort: Effect.Effect<number> = Effect.repeat(
  Effect.flatMap(Random.nextIntBetween(10_000, 32_000), (port) => Effect.map(isFree(port), (free) => free ? port : 0)),
  { until: (port) => port !== 0 }
)
