/** What the tests of this folder share: real servers on loopback, and an HTTP client. */
import { HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import * as ProtectedApi from "@effect-bearer/examples/support/ProtectedApi"
import { Effect, Layer, Logger, LogLevel, Redacted, Schema } from "effect"

/**
 * An authorization server, an API that trusts it, and the plain HTTP client: new for each test that provides it. Silent,
 * because most of what these tests provoke is worth a line in the log.
 */
export const servers = (options?: AuthorizationServer.Options) =>
  ProtectedApi.layer.pipe(
    Layer.provideMerge(AuthorizationServer.layer(options)),
    Layer.merge(NodeHttpClient.layerUndici),
    Layer.merge(Logger.minimumLogLevel(LogLevel.None))
  )

const TokenReply = Schema.Struct({
  access_token: Schema.Redacted(Schema.String),
  expires_in: Schema.Number,
  scope: Schema.optional(Schema.String)
})

/** What a form post to the authorization server is answered: status and text. */
export const post = (url: string, form: Record<string, string>, client?: AuthorizationServer.Client) =>
  Effect.gen(function*() {
    const request = HttpClientRequest.post(url).pipe(HttpClientRequest.bodyUrlParams(form))
    const response = yield* HttpClient.execute(
      client === undefined
        ? request
        : HttpClientRequest.basicAuth(request, client.id, Redacted.value(client.secret))
    )
    return { status: response.status, headers: response.headers, text: yield* response.text }
  })

/** A token of the `basic` client, had without the library. */
export const plainToken = (scope = "calls:read") =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.AuthorizationServer
    const reply = yield* post(
      server.tokenEndpoint,
      { grant_type: "client_credentials", scope },
      server.clients.basic
    )
    return yield* Schema.decode(Schema.parseJson(TokenReply))(reply.text)
  })
