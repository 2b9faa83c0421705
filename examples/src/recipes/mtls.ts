/**
 * Mutual TLS with a certificate that is renewed on disk, as cert-manager and SPIFFE do it: a renewal takes effect without a
 * restart. Tokens are bound to the certificate (RFC 8705), so the API refuses one that was issued to the old certificate,
 * and `BearerAuth` gets another.
 *
 * Run it with `node --import tsx examples/src/recipes/mtls.ts`. It brings its own server.
 */
import { createHash, randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import type { TLSSocket } from "node:tls"
import * as tls from "node:tls"
import { FileSystem, HttpClient } from "@effect/platform"
import { NodeContext, NodeHttpClient, NodeRuntime, Undici } from "@effect/platform-node"
import { Array as Arr, Console, Effect, Layer, Logger, LogLevel } from "effect"
import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"
import * as Certificates from "../support/Certificates.js"
import { expect } from "../support/Expect.js"

// --- your client -------------------------------------------------------------------------------------------------

interface Settings {
  /** The folder with `tls.crt` and `tls.key`. */
  readonly folder: string
  /** Only for an authority of your own. */
  readonly ca?: string
  /** How long a connection keeps the certificate that it was opened with, in milliseconds. */
  readonly connectionLife: number
}

const makeAgent = ({ ca, connectionLife, folder }: Settings) => {
  const read = () =>
    tls.createSecureContext({
      cert: fs.readFileSync(path.join(folder, "tls.crt")),
      key: fs.readFileSync(path.join(folder, "tls.key")),
      ...(ca === undefined ? {} : { ca })
    })
  let context = read()
  return new Undici.Agent({
    clientTtl: connectionLife,
    connect: (options, callback) => {
      try {
        context = read() // for each new connection
      } catch {
        // half of the pair is written: the one of before is still good
      }
      Undici.buildConnector({ secureContext: context })(options, callback)
    }
  })
}

const withCertificate = (settings: Settings) =>
  NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
    Layer.provide(Layer.scoped(
      NodeHttpClient.Dispatcher,
      Effect.acquireRelease(Effect.sync(() => makeAgent(settings)), (agent) => Effect.promise(() => agent.destroy()))
    ))
  )

// --- the stage ---------------------------------------------------------------------------------------------------

/** Gives tokens to clients with a certificate, and takes each from its own certificate only. */
const server = Effect.acquireRelease(
  Effect.async<{ readonly origin: string; readonly seen: Array<string>; readonly close: Effect.Effect<void> }>(
    (resume) => {
      const issued = new Map<string, string>()
      const seen: Array<string> = []
      const server = createServer(
        { ...Certificates.server, ca: Certificates.authority, requestCert: true, rejectUnauthorized: true },
        (request, response) => {
          request.resume()
          const { raw, subject } = (request.socket as TLSSocket).getPeerCertificate()
          const certificate = createHash("sha256").update(raw).digest("base64url")
          if (request.url === "/token") {
            const token = randomBytes(24).toString("base64url")
            issued.set(token, certificate)
            return void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(
              { access_token: token, token_type: "Bearer", expires_in: 3600 }
            ))
          }
          const bound = issued.get((request.headers.authorization ?? "").slice("Bearer ".length))
          if (bound === certificate) seen.push(String(subject.CN))
          response.writeHead(bound === certificate ? 200 : 401).end()
        }
      )
      server.listen(0, "127.0.0.1", () => {
        const origin = `https://localhost:${(server.address() as AddressInfo).port}`
        const close = Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
        resume(Effect.succeed({ origin, seen, close }))
      })
    }
  ),
  ({ close }) => close
)

const write = (folder: string, { cert, key }: Certificates.Pair) =>
  Effect.sync(() => {
    fs.writeFileSync(path.join(folder, "tls.key"), key)
    fs.writeFileSync(path.join(folder, "tls.crt"), cert)
  })

const program = Effect.gen(function*() {
  const { origin, seen } = yield* server
  const folder = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
  yield* write(folder, Certificates.firstClient)

  const Api = BearerAuth.layer({ origins: [origin] }).pipe(
    Layer.provide(TokenSource.layer({
      tokenEndpoint: `${origin}/token`,
      clientId: "reports",
      authentication: ClientAuthentication.mtls
    })),
    Layer.provide(withCertificate({ folder, ca: Certificates.authority, connectionLife: 200 }))
  )
  yield* Effect.gen(function*() {
    const get = Effect.map(HttpClient.get(`${origin}/reports`), ({ status }) => status)
    yield* expect("the API takes the token from the certificate it was issued to", (yield* get) === 200)
    yield* write(folder, Certificates.secondClient)
    yield* Effect.sleep("300 millis") // until the connections with the old certificate are closed
    yield* expect("after the renewal the call succeeds as well", (yield* get) === 200)
  }).pipe(Effect.provide(Api))

  for (const name of Arr.dedupe(seen)) yield* Console.log(`the API saw: ${name}`)
  yield* expect("the second call used the new certificate", seen.includes("reports, the second certificate"))
})

program.pipe(
  Effect.scoped,
  Effect.provide(NodeContext.layer),
  Logger.withMinimumLogLevel(LogLevel.None), // the refused token is a warning
  NodeRuntime.runMain
)
