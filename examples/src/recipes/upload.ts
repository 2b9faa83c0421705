/**
 * Uploads: a token that lives long enough for all of it, and a body that can be sent a second time after a 401.
 *
 * Run it with `node --import tsx examples/src/recipes/upload.ts`. It brings its own servers.
 */
import { FileSystem, HttpClientRequest } from "@effect/platform"
import { HttpClient } from "@effect/platform"
import { NodeContext, NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Logger, LogLevel, Option } from "effect"
import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import { expect } from "../support/Expect.js"
import * as ProtectedApi from "../support/ProtectedApi.js"

// --- your upload -------------------------------------------------------------------------------------------------

const apiClient = (origin: string) =>
  BearerAuth.layer({
    origins: [origin],
    // a file is read anew for the second attempt; leave this out for a stream that can be read only once
    replayStreams: true
  })

const upload = (url: string, file: string) =>
  Effect.gen(function*() {
    const request = yield* HttpClientRequest.bodyFile(HttpClientRequest.post(url), file, {
      contentType: "application/octet-stream"
    })
    const response = yield* HttpClient.execute(request)
    return { status: response.status, stored: yield* response.text }
  }).pipe(
    // a token with less than this left is renewed first; half of a token's lifetime is the most that can be asked for
    BearerAuth.withMinTtl("10 minutes")
  )

// --- the stage ---------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const login = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.makeTempFileScoped()
  const text = "a line of the report\n".repeat(20_000)
  yield* fs.writeFileString(file, text)

  const Api = apiClient(api.origin).pipe(
    Layer.provideMerge(TokenSource.layer({
      tokenEndpoint: login.tokenEndpoint,
      clientId: login.clients.basic.id,
      authentication: ClientAuthentication.basic(login.clients.basic.secret),
      refresh: false // here only the upload renews, so that it can be seen
    })),
    Layer.provide(NodeHttpClient.layerUndici)
  )
  yield* Effect.gen(function*() {
    yield* HttpClient.get(api.callsUrl)
    yield* login.setLifetime("1 hour")
    yield* Effect.sleep("2500 millis") // more than half of the first token's life
    const before = (yield* login.seen).tokenRequests
    const first = yield* upload(api.callsUrl, file)
    yield* Console.log(`${first.stored.length} characters, answered with ${first.status}`)
    yield* expect("the whole file arrived", first.stored === text)
    const after = (yield* login.seen).tokenRequests
    yield* expect("a token with too little left was renewed first", before === 1 && after === 2)

    yield* login.revokeAll
    const second = yield* upload(api.callsUrl, file)
    yield* expect("refused once, it was sent again as a whole", second.stored === text)
  }).pipe(Effect.provide(Api))

  const { statuses } = yield* api.seen
  yield* expect("the API refused one upload", Option.contains(Option.fromNullable(statuses[401]), 1))
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer({ lifetime: "4 seconds" })))

program.pipe(
  Effect.scoped,
  Effect.provide([Servers, NodeContext.layer]),
  Logger.withMinimumLogLevel(LogLevel.None), // the revocation is a warning
  NodeRuntime.runMain
)
