/**
 * The two servers of row 10, each in a process of its own: the broker, and a handler of the same HTTP stack that answers a
 * constant of the same size. `brokerServers.ts broker|bare <json>`.
 */
import { createServer } from "node:http"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Broker, BrokerConfig, BrokerServer, CallerKey } from "@effect-bearer/broker"
import { AuthorizationServer } from "@effect-bearer/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

export interface Ready {
  readonly origin: string
  readonly key: string
}

const say = (ready: Ready): void => void process.send!(ready)

const rate = { limit: 10_000_000, interval: "1 second" }

const broker = Effect.gen(function*() {
  const server = yield* AuthorizationServer.listen()
  const { digest, key } = yield* CallerKey.generate
  const config = yield* Schema.decodeUnknown(BrokerConfig.Config)({
    listen: [{ host: "127.0.0.1", port: 0 }],
    allowPlainSecrets: true,
    audit: { file: "/dev/null" },
    limits: { connections: 2000, requestsPerAddress: rate },
    profiles: {
      main: {
        tokenEndpoint: server.tokenEndpoint,
        clientId: "client",
        authentication: { method: "basic", secret: { plain: "secret" } },
        scopes: ["a", "b"]
      }
    },
    callers: [{ id: "load", keys: [digest], profiles: { main: {} }, rate }]
  })
  const context = yield* Layer.build(
    BrokerServer.layer.pipe(
      Layer.provide(Broker.layer(config)),
      Layer.provide([NodeContext.layer, NodeHttpClient.layerUndici])
    )
  )
  const { addresses } = yield* Effect.provide(BrokerServer.BrokerServer, context)
  say({ origin: addresses[0]!, key: Redacted.value(key) })
  yield* Effect.never
})

/** What the broker would answer: a body of the same length, or a header. */
const bare = ({ body, headers }: { readonly body: string; readonly headers: Record<string, string> }) =>
  Effect.gen(function*() {
    const server = yield* NodeHttpServer.make(createServer, { host: "127.0.0.1", port: 0 })
    const answer = body === ""
      ? HttpServerResponse.empty({ status: 200, headers })
      : HttpServerResponse.text(body, { contentType: "application/json", headers })
    yield* Effect.provideService(HttpServer.serveEffect(Effect.succeed(answer)), HttpServer.HttpServer, server)
    const { address } = server
    say({ origin: address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : "", key: "" })
    yield* Effect.never
  })

const [kind, argument = "{}"] = process.argv.slice(2)
process.on("disconnect", () => process.exit(0))
const server: Effect.Effect<void, unknown, Scope.Scope> = kind === "broker" ? broker : bare(JSON.parse(argument))
Effect.runFork(Effect.scoped(server))
