import * as fs from "node:fs"
import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"
import * as Net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import * as tls from "node:tls"
import { FetchHttpClient } from "@effect/platform"
import { NodeHttpClient, Undici } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { ClientAuthentication, Grant, TokenEndpoint, TokenRequest } from "../../src/index.js"
import { authority, first, good, second } from "../fixtures/certificates.js"

const json = JSON.stringify({ access_token: "a-token", token_type: "Bearer", expires_in: 3600 })

const ask = (tokenEndpoint: string) =>
  Effect.flatMap(
    TokenEndpoint.make({ tokenEndpoint, clientId: "reports", authentication: ClientAuthentication.mtls }),
    (endpoint) => endpoint.request(Grant.clientCredentials, TokenRequest.empty)
  )

const listening = (server: Net.Server) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      const sockets = new Set<Net.Socket>()
      server.on("connection", (socket: Net.Socket) => {
        sockets.add(socket.on("error", () => undefined))
        server.once("quit", () => socket.destroy())
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.emit("quit")
      })
  )

const secure = (seen: Array<string>) =>
  Effect.map(
    listening(Https.createServer(
      { ...good, ca: authority, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        seen.push((request.socket as tls.TLSSocket).getPeerCertificate().subject?.CN as string | undefined ?? "nobody")
        response.end(json)
      }
    )),
    (port) => `https://localhost:${port}/token`
  )

// FAULTS W3
describe("a proxy that every request has to go through", () => {
  const credentials = `Basic ${Buffer.from("user:pass").toString("base64")}`

  /** Answers `CONNECT` with `status`, or with a tunnel if the credentials are right. */
  const proxy = (status: number, seen: Array<string | undefined>) => {
    const server = Http.createServer((_, response) => {
      response.writeHead(status, { "proxy-authenticate": "Basic realm=\"Corporate\"" }).end()
    })
    server.on("connect", (request, socket: Net.Socket) => {
      socket.on("error", () => undefined)
      seen.push(request.url)
      if (request.headers["proxy-authorization"] !== credentials) {
        return void socket.end(`HTTP/1.1 ${status} No\r\nproxy-authenticate: Basic realm="Corporate"\r\n\r\n`)
      }
      const { hostname, port } = new URL(`http://${request.url}`)
      const tunnel = Net.connect(Number(port), hostname, () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
        tunnel.pipe(socket).pipe(tunnel)
      })
      tunnel.on("error", () => socket.destroy())
    })
    return Effect.map(listening(server), (port) => `127.0.0.1:${port}`)
  }

  const through = (at: string, authority: string, kind: "undici" | "fetch") => {
    const agent = Effect.acquireRelease(
      Effect.sync(() => new Undici.ProxyAgent({ uri: `http://${at}`, requestTls: { ca: authority } })),
      (agent) => Effect.promise(() => agent.destroy())
    )
    return kind === "undici"
      ? NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(Layer.scoped(NodeHttpClient.Dispatcher, agent)))
      : Layer.unwrapScoped(Effect.map(agent, (dispatcher) =>
        Layer.provideMerge(
          FetchHttpClient.layer,
          Layer.succeed(FetchHttpClient.RequestInit, { dispatcher } as RequestInit)
        )))
  }

  for (const kind of ["undici", "fetch"] as const) {
    it.scopedLive(
      `${kind}: without the proxy's credentials the request fails, and the error says so`,
      () =>
        Effect.gen(function*() {
          const url = yield* secure([])
          for (const status of [407, 403, 502]) {
            const seen: Array<string | undefined> = []
            const at = yield* proxy(status, seen)
            const error = yield* Effect.flip(Effect.provide(ask(url), through(at, authority, kind)))
            assert.strictEqual(error._tag, status === 502 ? "EndpointUnavailable" : "RejectedByEndpoint")
            assert.strictEqual(error.retryable, status === 502)
            assert.include(error.message, "proxy")
            assert.notInclude(error.message, "host name")
            if (status === 407) assert.include(error.message, "credentials")
            assert.deepStrictEqual(seen, [new URL(url).host])
          }
        }),
      30_000
    )

    it.scopedLive(`${kind}: with the proxy's credentials the request gets a token`, () =>
      Effect.gen(function*() {
        const seen: Array<string | undefined> = []
        const at = yield* proxy(407, seen)
        const token = yield* Effect.provide(ask(yield* secure([])), through(`user:pass@${at}`, authority, kind))
        assert.strictEqual(Redacted.value(token.value), "a-token")
        assert.strictEqual(seen.length, 1)
      }), 30_000)
  }
})

// FAULTS W6: the recipe of the README
describe("a client certificate that is renewed on disk", () => {
  const rotating = (files: { readonly cert: string; readonly key: string; readonly ca: string }) => {
    const read = () =>
      tls.createSecureContext({
        cert: fs.readFileSync(files.cert),
        key: fs.readFileSync(files.key),
        ca: fs.readFileSync(files.ca)
      })
    let context = read()
    return new Undici.Agent({
      clientTtl: 60_000,
      connect: (options, callback) => {
        try {
          context = read()
        } catch {
          // only half of the pair is written: the previous certificate is still good
        }
        Undici.buildConnector({ secureContext: context })(options, callback)
      }
    })
  }

  it.scopedLive(
    "new connections show the new certificate, and requests under way are not disturbed",
    () =>
      Effect.gen(function*() {
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "certificate-"))),
          (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true }))
        )
        const files = {
          cert: path.join(folder, "cert.pem"),
          key: path.join(folder, "key.pem"),
          ca: path.join(folder, "ca.pem")
        }
        const write = ({ cert, key }: { readonly cert: string; readonly key: string }) => {
          fs.writeFileSync(files.cert, cert)
          fs.writeFileSync(files.key, key)
        }
        fs.writeFileSync(files.ca, authority)
        write(first)

        const seen: Array<string> = []
        const state = { closing: false, held: [] as Array<() => void>, hold: false }
        const server = Https.createServer(
          { ...good, ca: authority, requestCert: true, rejectUnauthorized: true },
          (request, response) => {
            seen.push((request.socket as tls.TLSSocket).getPeerCertificate().subject.CN as string)
            if (state.closing) response.setHeader("connection", "close")
            if (state.hold) return void state.held.push(() => response.end(json))
            response.end(json)
          }
        )
        const url = `https://localhost:${yield* listening(server)}/token`
        const layer = NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
          Layer.provide(Layer.scoped(
            NodeHttpClient.Dispatcher,
            Effect.acquireRelease(
              Effect.sync(() => rotating(files)),
              (agent) => Effect.promise(() => agent.destroy())
            )
          ))
        )
        yield* Effect.gen(function*() {
          yield* ask(url)
          state.hold = true
          const underWay = yield* Effect.fork(ask(url))
          yield* Effect.sync(() => state.held.length).pipe(
            Effect.delay("10 millis"),
            Effect.repeat({ until: (held) => held === 1 })
          )
          state.hold = false
          // the half that is written first does not match the other file
          fs.writeFileSync(files.cert, second.cert)
          yield* ask(url)
          write(second)
          state.held[0]!()
          yield* underWay.await
          state.closing = true
          yield* ask(url)
          yield* ask(url)
          const last = yield* ask(url)
          assert.strictEqual(Redacted.value(last.value), "a-token")
          assert.deepStrictEqual(new Set(seen.slice(0, 3)), new Set(["client-1"]))
          assert.strictEqual(seen.at(-1), "client-2")
        }).pipe(Effect.provide(layer))
      }),
    30_000
  )
})
