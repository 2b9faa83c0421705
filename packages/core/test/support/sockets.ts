import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import type { Scope } from "effect"
import { Effect } from "effect"

export interface Received {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly body: string
}

export type Reply = (received: Received, response: Http.ServerResponse, n: number) => void

/** A server on a real socket, and how many connections it saw. */
export const serve = (reply: Reply): Effect.Effect<
  { readonly origin: string; readonly received: Array<Received>; readonly sockets: Set<Socket> },
  never,
  Scope.Scope
> =>
  Effect.acquireRelease(
    Effect.async((resume) => {
      const received: Array<Received> = []
      const sockets = new Set<Socket>()
      const server = Http.createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk) => chunks.push(chunk))
        request.on("end", () => {
          const seen = {
            method: request.method!,
            path: request.url!,
            authorization: request.headers.authorization,
            body: Buffer.concat(chunks).toString()
          }
          received.push(seen)
          reply(seen, response, received.length)
        })
      })
      server.on("connection", (socket) => sockets.add(socket))
      server.listen(0, "127.0.0.1", () => {
        const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        resume(Effect.succeed({ origin, received, sockets, server }))
      })
    }) as Effect.Effect<
      { origin: string; received: Array<Received>; sockets: Set<Socket>; server: Http.Server }
    >,
    ({ server }) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
