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
    // a token with less than this left is renewed first; half of a token's lifetime is the most that can be asked for
    yield* Effect.flatMap(TokenSource.TokenSource, TokenSource.getWithRemaining("10 minutes"))
    const request = yield* HttpClientRequest.bodyFile(HttpClientRequest.post(url), file, {
      contentType: "application/octet-stream"
    })
    const response = yield* HttpClient.execute(request)
    return { status: response.status, stored: yield* response.text }
  })

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
      authentication: ClientAuthentication.basic(login.clients.basic.secret)
    })),
    Layer.provide(NodeHttpClient.layerUndici)
  )
  yield* Effect.gen(function*() {
    const first = yield* upload(api.callsUrl, file)
    yield* Console.log(`${first.stored.length} characters, answered with ${first.status}`)
    yield* expect("the whole file arrived", first.stored === text)

    yield* login.revokeAll
    const second = yield* upload(api.callsUrl, file)
    yield* expect("refused once, it was sent again as a whole", second.stored === text)
  }).pipe(Effect.provide(Api))

  const { statuses } = yield* api.seen
  yield* expect("the API refused one upload", Option.contains(Option.fromNullable(statuses[401]), 1))
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer({ lifetime: "1 hour" })))

program.pipe(
  Effect.scoped,
  Effect.provide([Servers, NodeContext.layer]),
  Logger.withMinimumLogLevel(LogLevel.None), // the revocation is a warning
  NodeRuntime.runMain
)
