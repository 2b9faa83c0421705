/**
 * JWT bearer (RFC 7523 §2.1): a signed assertion stands for the authorization, as with the service accounts of Google
 * and the server-to-server flow of Salesforce. Most servers take an assertion only once, so it is an effect: every
 * token request signs a new one.
 *
 * Run it with `node --import tsx examples/src/grants/jwt-bearer.ts`. It brings its own server.
 */
import { createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Layer, Redacted } from "effect"
import { AccessToken, ClientAuthentication, TokenSource } from "effect-bearer"
import { expect } from "../support/Expect.js"
import * as GrantServer from "../support/GrantServer.js"

// Yours comes from a file or a vault. The server knows the public half.
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })

/** A JWT, signed with ES256 (RFC 7515 §3.1). */
const signed = (claims: Readonly<Record<string, unknown>>) => {
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")
  const text = `${encode({ alg: "ES256", typ: "JWT" })}.${encode(claims)}`
  const signature = sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" })
  return Redacted.make(`${text}.${signature.toString("base64url")}`)
}

/** Says who is meant, who is to believe it, and for how long; `jti` makes it different from every other. */
const assertion = (subject: string, audience: string) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const seconds = Math.floor(now / 1000)
    return signed({ sub: subject, aud: audience, iat: seconds, exp: seconds + 60, jti: randomUUID() })
  })

const program = Effect.gen(function*() {
  const server = yield* GrantServer.GrantServer
  const tokens = yield* TokenSource.jwtBearer({
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.basic.id,
    authentication: ClientAuthentication.basic(server.clients.basic.secret),
    assertion: assertion("ada", server.tokenEndpoint),
    scopes: "calls:read"
  })

  // A source without a cache asks every time. Yours has one: put `.pipe(TokenSource.managed())` behind it.
  const first = yield* tokens.get()
  const second = yield* tokens.get()

  const outcomes = (yield* server.answered).map(({ outcome }) => outcome)
  yield* Console.log(`two tokens, two assertions: the server answered ${outcomes.join(", ")}`)
  yield* expect("the second one is another", !AccessToken.isSame(first, second))
  yield* expect("no assertion was sent twice", outcomes.every((outcome) => outcome === "200"))
})

program.pipe(
  Effect.provide(
    Layer.merge(GrantServer.layer({ assertionKey: createPublicKey(privateKey) }), NodeHttpClient.layerUndici)
  ),
  NodeRuntime.runMain
)
