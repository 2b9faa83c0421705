/** An HTTP server of the demo, on a free port of loopback; it ends with its scope. */
import type { RequestListener } from "node:http"
import { createServer } from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Failure } from "../output/failure.js"
import { failed } from "../output/failure.js"

export interface Loopback {
  /** As `http://127.0.0.1:41283`. */
  readonly origin: string
  /** Sets what answers. */
  readonly handle: (listener: RequestListener) => void
}

const host = "127.0.0.1"

export const make: Effect.Effect<Loopback, Failure, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.async<ReturnType<typeof createServer>, Failure>((resume) => {
      const server = createServer()
      server.once("error", () => resume(Effect.fail(failed("The demo found no free port on the loopback interface."))))
      server.listen(0, host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ),
  (server) => {
    const address = server.address()
    return {
      origin: `http://${host}:${typeof address === "object" ? address?.port : ""}`,
      handle: (listener) => void server.on("request", listener)
    }
  }
)
