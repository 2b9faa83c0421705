/** A port in front of a server: while it is shut, connections are refused, as those to a server that is down. */
import type { AddressInfo, Socket } from "node:net"
import { connect, createServer } from "node:net"
import { Effect } from "effect"

export const make = Effect.acquireRelease(
  Effect.async<ReturnType<typeof gateOf>>((resume) => {
    const gate = gateOf()
    gate.server.listen(0, "127.0.0.1", () => resume(Effect.succeed(gate)))
  }),
  ({ shutNow }) => Effect.sync(shutNow)
).pipe(Effect.map(({ leadTo, server, shutNow }) => {
  const { port } = server.address() as AddressInfo
  return {
    port,
    /** Names the port of the server behind it; until then whoever connects waits. */
    leadTo,
    shut: Effect.async<void>((resume) => {
      server.once("close", () => resume(Effect.void))
      shutNow()
    }),
    open: Effect.async<void>((resume) => void server.listen(port, "127.0.0.1", () => resume(Effect.void)))
  }
}))

const gateOf = () => {
  let lead = (_port: number) => {}
  const target = new Promise<number>((resolve) => lead = resolve)
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => {}).once("close", () => sockets.delete(socket))
    return socket
  }
  const server = createServer(async (client) => {
    keep(client)
    const upstream = keep(connect(await target, "127.0.0.1"))
    client.pipe(upstream).pipe(client)
    client.once("close", () => upstream.destroy())
    upstream.once("close", () => client.destroy())
  })
  return {
    server,
    leadTo: lead,
    shutNow: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  }
}
