/**
 * Token requests and API calls through a proxy, on Node.js. `EnvHttpProxyAgent` reads `HTTPS_PROXY`, `HTTP_PROXY` and
 * `NO_PROXY`; here the proxy is given, so that the program can start one.
 *
 * Run it with `node --import tsx examples/src/recipes/proxy.ts`. It brings its own servers, the proxy included.
 */
import { createServer } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { connect } from "node:net"
import { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime, Undici } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import { expect } from "../support/Expect.js"
import * as ProtectedApi from "../support/ProtectedApi.js"

// --- your client -------------------------------------------------------------------------------------------------

/** In your program: `new Undici.EnvHttpProxyAgent()`, without options. */
const throughProxy = (options: Undici.EnvHttpProxyAgent.Options) =>
  NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
    Layer.provide(Layer.scoped(
      NodeHttpClient.Dispatcher,
      Effect.acquireRelease(
        Effect.sync(() => new Undici.EnvHttpProxyAgent(options)),
        (agent) => Effect.promise(() => agent.destroy())
      )
    ))
  )

// --- the stage ---------------------------------------------------------------------------------------------------

/** A proxy that opens tunnels (CONNECT), and tells to where. */
const proxy = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly tunnels: Array<string>; readonly close: Effect.Effect<void> }>(
    (resume) => {
      const tunnels: Array<string> = []
      const sockets = new Set<Socket>()
      const server = createServer()
      server.on("connect", (request, client: Socket) => {
        tunnels.push(request.url ?? "")
        const [host, port] = (request.url ?? "").split(":")
        const upstream = connect(Number(port), host, () => {
          client.write("HTTP/1.1 200 Connection Established\r\n\r\n")
          upstream.pipe(client).pipe(upstream)
        })
        for (const socket of [client, upstream]) {
          sockets.add(socket)
          socket.on("error", () => {})
        }
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = Effect.sync(() => {
          sockets.forEach((socket) => socket.destroy())
          server.close()
        })
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, tunnels, close }))
      })
    }
  ),
  ({ close }) => close
)

const program = Effect.gen(function*() {
  const login = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  const { tunnels, url } = yield* proxy

  const Api = BearerAuth.layer({ origins: [api.origin] }).pipe(
    Layer.provide(TokenSource.layer({
      tokenEndpoint: login.tokenEndpoint,
      clientId: login.clients.basic.id,
      authentication: ClientAuthentication.basic(login.clients.basic.secret)
    })),
    Layer.provide(throughProxy({ httpProxy: url, httpsProxy: url, noProxy: "" }))
  )
  const { status } = yield* HttpClient.get(api.callsUrl).pipe(Effect.provide(Api))

  yield* Console.log(`the API answered ${status}`)
  const hosts = (url: string) => tunnels.includes(new URL(url).host)
  yield* expect("the token request went through the proxy", hosts(login.tokenEndpoint))
  yield* expect("the API call went through the proxy", hosts(api.origin))
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer()))

program.pipe(Effect.scoped, Effect.provide(Servers), NodeRuntime.runMain)
