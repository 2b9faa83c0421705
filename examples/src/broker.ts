/**
 * A token broker for programs that cannot keep a token: start it, and ask it in whatever way a program already speaks.
 *
 * Run it with `node --import tsx examples/src/broker.ts`: it brings an authorization server and an API on loopback, makes a
 * key for a caller, and prints the lines to paste into another terminal. It ends with Ctrl-C. `… broker.ts tour` asks in
 * every way itself, shows the answers, and ends.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeContext, NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Broker, BrokerConfig, BrokerServer, CallerKey } from "@effect-bearer/broker"
import { Chunk, Console, Effect, Layer, Redacted, Schedule, Schema, Stream } from "effect"
import * as AuthorizationServer from "./support/AuthorizationServer.js"
import { expect } from "./support/Expect.js"
import * as ProtectedApi from "./support/ProtectedApi.js"

const isTour = process.argv[2] === "tour"

const folder = mkdtempSync(join(tmpdir(), "effect-bearer-broker-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
const tokenFile = join(folder, "token")

/** What would stand in `broker.yaml`. */
const configuration = (server: AuthorizationServer.Service, digest: string) =>
  Schema.decodeUnknown(BrokerConfig.Config)({
    // a free port for the tour, so that it runs beside anything
    listen: [{ port: isTour ? 0 : 4180 }],
    audit: { file: join(folder, "audit.log") },
    profiles: {
      calls: {
        tokenEndpoint: server.tokenEndpoint,
        clientId: server.clients.basic.id,
        authentication: { method: "basic", secret: { env: "CLIENT_SECRET" } },
        scopes: ["calls:read"],
        required: true,
        file: { path: tokenFile, format: "header" }
      }
    },
    callers: [{ id: "flow", keys: [digest], profiles: { calls: {} }, permissions: ["status", "metrics"] }]
  })

const program = Effect.gen(function*() {
  const server = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  const { digest, key } = yield* CallerKey.generate
  // a secret is named in the configuration, and read when it is needed
  process.env["CLIENT_SECRET"] = Redacted.value(server.clients.basic.secret)
  const config = yield* configuration(server, digest)

  yield* Effect.gen(function*() {
    const { addresses: [origin = ""] } = yield* BrokerServer.BrokerServer
    yield* isTour ? tour(origin, key, server, api) : invite(origin, key, server)
  }).pipe(
    Effect.provide(BrokerServer.layer.pipe(Layer.provide(Broker.layer(config))))
  )
})

/** What to paste into another terminal. */
const invite = (origin: string, key: Redacted.Redacted, server: AuthorizationServer.Service) =>
  Effect.zipRight(
    Console.log(`The broker listens on ${origin}. Its status page is ${origin}/ and takes the key below.

  KEY=${Redacted.value(key)}

As an OAuth client:
  curl -u "flow:$KEY" -d grant_type=client_credentials ${origin}/oauth2/calls/token
As a flow that names a client:
  curl -u "flow:$KEY" --json '{"client_id":"${server.clients.basic.id}"}' ${origin}/auth/token/check
As a script:
  curl -H "Authorization: Bearer $KEY" -H "X-Effect-Bearer: true" "${origin}/v1/profiles/calls/token?min_ttl=1"
Each new token as it comes:
  curl -N -H "Authorization: Bearer $KEY" -H "X-Effect-Bearer: true" ${origin}/v1/profiles/calls/tokens
From a file:
  cat ${tokenFile}
`),
    Effect.never
  )

/** Asks in every way. What it prints of tokens is how many there were. */
const tour = (
  origin: string,
  key: Redacted.Redacted,
  server: AuthorizationServer.Service,
  api: ProtectedApi.Service
) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const json = (request: HttpClientRequest.HttpClientRequest) =>
      Effect.flatMap(
        client.execute(request),
        (response) => response.json as Effect.Effect<Record<string, unknown>, unknown>
      )
    const asCaller = HttpClientRequest.bearerToken(Redacted.value(key))
    const asGet = HttpClientRequest.setHeader("x-effect-bearer", "true")

    const oauth = yield* json(
      HttpClientRequest.post(`${origin}/oauth2/calls/token`).pipe(
        HttpClientRequest.basicAuth("flow", key),
        HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials" })
      )
    )
    yield* Console.log(`as an OAuth client: ${oauth["token_type"]}, ${oauth["expires_in"]} s left`)
    const check = yield* json(
      HttpClientRequest.post(`${origin}/auth/token/check`).pipe(
        asCaller,
        HttpClientRequest.bodyUnsafeJson({ client_id: server.clients.basic.id })
      )
    )
    yield* Console.log(`as a flow: ${check["token_type"]}, ${check["expires_in"]} s left`)
    const script = yield* json(
      HttpClientRequest.get(`${origin}/v1/profiles/calls/token`).pipe(asCaller, asGet)
    )
    yield* Console.log(`as a script: scopes ${JSON.stringify(script["scopes"])}`)
    const inject = yield* client.execute(HttpClientRequest.get(`${origin}/inject/calls`).pipe(asCaller, asGet))
    const authorization = inject.headers["authorization"] ?? ""
    yield* Console.log(`as a proxy: status ${inject.status}, a header to copy`)
    const stream = yield* client.execute(
      HttpClientRequest.get(`${origin}/v1/profiles/calls/tokens`).pipe(asCaller, asGet)
    )
    const first = yield* stream.stream.pipe(Stream.decodeText(), Stream.take(1), Stream.runCollect)
    yield* Console.log(`as a listener: ${Chunk.join(first, "").split("\n")[1]}`)
    // the file is written beside the answers, and not before them
    const file = yield* Effect.tryPromise(() => readFile(tokenFile, "utf8")).pipe(
      Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 200 })
    )
    yield* Console.log("from a file: a header")

    const answer = yield* client.execute(
      HttpClientRequest.get(api.callsUrl).pipe(HttpClientRequest.setHeader("authorization", authorization))
    )
    yield* Console.log(`the API answers ${answer.status}`)
    yield* expect("the API took the token", answer.status === 200)
    const given = new Set([oauth["access_token"], check["access_token"], script["access_token"]])
    for (const header of [authorization, file]) given.add(header.replace(/^Bearer /, ""))
    const { tokensIssued } = yield* server.seen
    yield* expect("every way gave a token that the server issued, and none asked for one of its own", tokensIssued <= 2)
    yield* expect("a token changed hands only if it was renewed meanwhile", given.size <= tokensIssued)
  })

program.pipe(
  Effect.provide(
    ProtectedApi.layer.pipe(
      Layer.provideMerge(AuthorizationServer.layer({ lifetime: "10 seconds" })),
      Layer.merge(NodeHttpClient.layerUndici),
      Layer.merge(NodeContext.layer)
    )
  ),
  NodeRuntime.runMain
)
