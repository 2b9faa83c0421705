/**
 * How a client says who it is: `basic`, `basicRaw`, `post` and `none`. Which one is right depends on how the client is
 * registered, so nothing is guessed; when the server refuses, the error names what else to try. Signed assertions
 * (`private_key_jwt`) and DPoP are in `@effect-bearer/jose`.
 *
 * Run it with `node --import tsx examples/src/client-authentication.ts`. It brings its own servers.
 */
import { timingSafeEqual } from "node:crypto"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { ClientAuthentication, Grant, TokenSource } from "effect-bearer"
import { expect } from "./support/Expect.js"
import * as GrantServer from "./support/GrantServer.js"
import * as LoopbackServer from "./support/LoopbackServer.js"

/** Asks once; gives what became of it. */
const attempt = (
  tokenEndpoint: string,
  clientId: string,
  authentication: ClientAuthentication.ClientAuthentication,
  grant = Grant.clientCredentials
) =>
  TokenSource.grant({ tokenEndpoint, clientId, authentication, grant }).pipe(
    Effect.flatMap((source) => source.get()),
    Effect.as("a token"),
    Effect.catchTag("OAuthError", (error) => Effect.succeed(error.message))
  )

// A secret with characters that encodings disagree about.
const secret = Redacted.make("p+s%2F/w:d")

const program = Effect.gen(function*() {
  const { clients, deviceKey, tokenEndpoint } = yield* GrantServer.GrantServer
  const { basic, basicRaw, none, post } = ClientAuthentication

  // `basic`: a Basic header, id and secret form-encoded, as RFC 6749 §2.3.1 says.
  const asBasic = yield* attempt(tokenEndpoint, clients.basic.id, basic(secret))
  yield* Console.log(`basic: ${asBasic}`)

  // `basicRaw`: the same header, not encoded. This server decodes what was never encoded, and so refuses.
  const asRaw = yield* attempt(tokenEndpoint, clients.basic.id, basicRaw(secret))
  yield* Console.log(`basic-raw, at a server that decodes: ${asRaw}`)

  // Others take the bytes as they are. With letters, digits and - . _ * there is no difference.
  const rawEndpoint = yield* rawServer
  const atRaw = yield* attempt(rawEndpoint, "svc", basicRaw(secret))
  yield* Console.log(`basic-raw, at a server that does not: ${atRaw}`)
  const encodedAtRaw = yield* attempt(rawEndpoint, "svc", basic(secret))

  // `post`: id and secret in the body.
  const asPost = yield* attempt(tokenEndpoint, clients.post.id, post(secret))
  yield* Console.log(`post: ${asPost}`)

  // `none`: a public client has no secret. What it is allowed rests on the grant alone.
  const asNone = yield* attempt(
    tokenEndpoint,
    clients.open.id,
    none,
    Grant.make({
      type: GrantServer.deviceKeyGrant,
      parameters: () => Effect.succeed([["device_key", deviceKey]])
    })
  )
  yield* Console.log(`none: ${asNone}`)

  yield* expect(
    "each method works where it belongs",
    [asBasic, atRaw, asPost, asNone].every((outcome) => outcome === "a token")
  )
  yield* expect("the wrong encoding is refused", [asRaw, encodedAtRaw].every((text) => text.includes("invalid_client")))
  yield* expect("and the error names the right one", asRaw.includes("ClientAuthentication.basic)"))
  yield* expect("without the secret", !asRaw.includes(Redacted.value(secret)))
})

/** A token endpoint that takes Basic credentials byte by byte, as many do. */
const rawServer = Effect.gen(function*() {
  const server = yield* LoopbackServer.make
  const right = Buffer.from(`svc:${Redacted.value(secret)}`)
  yield* server.handle((request, response) => {
    request.resume()
    const given = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64")
    const known = given.length === right.length && timingSafeEqual(given, right)
    response.writeHead(known ? 200 : 401, { "content-type": "application/json" }).end(JSON.stringify(
      known ? { access_token: "raw", token_type: "Bearer", expires_in: 60 } : { error: "invalid_client" }
    ))
  })
  return `${server.origin}/token`
})

program.pipe(
  Effect.scoped,
  Effect.provide(
    Layer.merge(GrantServer.layer({ secret: Redacted.value(secret) }), NodeHttpClient.layerUndici)
  ),
  NodeRuntime.runMain
)
