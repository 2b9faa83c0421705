/**
 * An HTTP server on a free port of the loopback interface, for as long as its scope is open.
 *
 * It can stop listening for a while and come back on the same port, which is what a client of a crashed server sees:
 * connections are refused, then accepted again.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Scope } from "effect"
import { Data, Effect } from "effect"

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface LoopbackServer {
  /** For example `http://127.0.0.1:41283`, without a slash at the end. */
  readonly origin: string
  /** Sets what answers requests. Until then they wait. */
  readonly handle: (handler: Handler) => Effect.Effect<void>
  /** Drops every connection and refuses new ones. */
  readonly refuse: Effect.Effect<void>
  /** Listens again, on the same port. */
  readonly accept: Effect.Effect<void, CannotListen>
}

export class CannotListen extends Data.TaggedError("CannotListen")<{ readonly detail: string }> {
  override get message(): string {
    return `No server could be started on the loopback interface: ${this.detail}`
  }
}

const host = "127.0.0.1"

export const make: Effect.Effect<LoopbackServer, CannotListen, Scope.Scope> = Effect.gen(function*() {
  const server = createServer()

  const listen = (port: number) =>
    Effect.async<void, CannotListen>((resume) => {
      const onError = (error: Error) => resume(new CannotListen({ detail: error.message }))
      server.once("error", onError)
      server.listen(port, host, () => {
        server.off("error", onError)
        resume(Effect.void)
      })
    })

  const close = Effect.async<void>((resume) => {
    if (!server.listening) return resume(Effect.void)
    server.close(() => resume(Effect.void))
    // keep-alive connections would hold the server open for as long as the client likes
    server.closeAllConnections()
  })

  yield* Effect.acquireRelease(listen(0), () => close)
  const { port } = server.address() as AddressInfo

  return {
    origin: `http://${host}:${port}`,
    handle: (handler) => Effect.sync(() => void server.removeAllListeners("request").on("request", handler)),
    refuse: close,
    accept: Effect.suspend(() => server.listening ? Effect.void : listen(port))
  }
})
