// Serves the scriptable server on a socket.
import * as Http from "node:http"
import * as Https from "node:https"
import type * as Net from "node:net"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as desk from "./desk.js"

/** Serves a desk on a free loopback port. Closing the scope ends every socket, answered or not. */
export const listen = (
  state: desk.Desk,
  tls: { readonly key: string; readonly cert: string } | undefined
): Effect.Effect<
  {
    readonly port: number
    readonly connections: Effect.Effect<number>
    readonly inFlight: Effect.Effect<number>
  },
  never,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const runFork = Runtime.runFork(yield* Effect.runtime<never>())
    const sockets = new Set<Net.Socket>()
    let inFlight = 0
    const onRequest = (request: Http.IncomingMessage, response: Http.ServerResponse) => {
      inFlight++
      const fiber = runFork(Effect.catchAllCause(handle(state, request, response), () =>
        Effect.sync(() => {
          request.socket.destroy()
        })))
      response.once("close", () => {
        inFlight--
        runFork(Fiber.interruptFork(fiber))
      })
    }
    const server = tls === undefined ? Http.createServer(onRequest) : Https.createServer(tls, onRequest)
    server.on("connection", (socket: Net.Socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.once("close", () => sockets.delete(socket))
    })
    server.on("tlsClientError", () => {})
    const ready = yield* Deferred.make<number>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        server.listen(0, tls === undefined ? "127.0.0.1" : "localhost", () => {
          Deferred.unsafeDone(ready, Effect.succeed((server.address() as Net.AddressInfo).port))
        })
      ),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    return {
      port: yield* Deferred.await(ready),
      connections: Effect.sync(() => sockets.size),
      inFlight: Effect.sync(() => inFlight)
    }
  })

const handle = (state: desk.Desk, request: Http.IncomingMessage, response: Http.ServerResponse) =>
  Effect.gen(function*() {
    const body = yield* read(request)
    const reply = yield* desk.serve(state, {
      method: request.method ?? "",
      url: request.url ?? "",
      headers: Object.fromEntries(
        Object.entries(request.headers).map((
          [name, value]
        ) => [name, Array.isArray(value) ? value.join(", ") : value ?? ""])
      ),
      body
    })
    switch (reply._tag) {
      case "Respond": {
        response.writeHead(reply.status, { ...length(reply), ...reply.headers })
        response.flushHeaders()
        for (const piece of reply.body) {
          if (Duration.greaterThan(reply.interval, Duration.zero)) yield* Effect.sleep(reply.interval)
          yield* write(state, response, piece)
        }
        if (reply.end === "reset") return void reset(request.socket)
        if (reply.end === "hang") return yield* Effect.never
        response.end()
        // the body is shorter than it claimed to be: only closing tells the client
        if (reply.headers["content-length"] !== undefined) request.socket.end()
        return
      }
      case "Hang":
        return yield* Effect.never
      case "Reset":
        return void reset(request.socket)
      case "Raw":
        return void request.socket.end(reply.bytes)
    }
  })

const reset = (socket: Net.Socket) =>
  typeof socket.resetAndDestroy === "function" ? socket.resetAndDestroy() : socket.destroy()

/** A body of one piece has a length, so that the connection can be used again without chunked coding. */
const length = (reply: Extract<desk.Settled, { readonly _tag: "Respond" }>): Record<string, string> => {
  if (!Array.isArray(reply.body) || reply.body.length > 1 || reply.end !== "complete") return {}
  const [piece] = reply.body
  return { "content-length": String(piece === undefined ? 0 : Buffer.byteLength(piece)) }
}

const read = (request: Http.IncomingMessage): Effect.Effect<string> =>
  Effect.async((resume) => {
    const pieces: Array<Buffer> = []
    request.on("data", (piece: Buffer) => pieces.push(piece))
    request.once("end", () => resume(Effect.succeed(Buffer.concat(pieces).toString("utf8"))))
  })

/** Waits until the network took the piece: the count of bytes sent is then that of bytes the client let through. */
const write = (state: desk.Desk, response: Http.ServerResponse, piece: string | Uint8Array): Effect.Effect<void> =>
  Effect.async((resume) => {
    response.write(piece, () => {
      state.bytesSent += Buffer.byteLength(piece)
      resume(Effect.void)
    })
  })
