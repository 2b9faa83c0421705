/** The authorization server of the demo: `oidc-provider` on loopback, with one client and tokens that live a minute. */
import { generateKeyPairSync, randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Adapter, AdapterPayload, Configuration } from "oidc-provider"
import { Provider } from "oidc-provider/lib/provider.js"
import type { Failure } from "../output/failure.js"
import * as loopback from "./loopback.js"

export interface AuthorizationServer {
  readonly tokenEndpoint: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
  /** Whether a token is one of this server's, and alive. */
  readonly isActive: (token: string) => Promise<boolean>
}

/** Seconds: short enough for a person to watch the next one come. */
const lifetime = 60

const scopes = "calls:read calls:write"

const random = (): string => randomBytes(24).toString("base64url")

/** It wants a signing key even where nothing is signed, as here, where tokens are opaque. */
const signingKey = () => ({
  ...generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
  alg: "ES256",
  use: "sig"
})

/** Each feature that is left out is a default that would warn about itself. */
const features = {
  clientCredentials: { enabled: true },
  devInteractions: { enabled: false },
  dPoP: { enabled: false },
  pushedAuthorizationRequests: { enabled: false },
  resourceIndicators: { enabled: false },
  rpInitiatedLogout: { enabled: false },
  userinfo: { enabled: false }
} satisfies Configuration["features"]

/** Tokens in memory; those that are over are forgotten, because a demo may run for days. */
const memory = () => {
  const entries = new Map<string, AdapterPayload>()
  const forget = () => {
    const now = Date.now() / 1000
    for (const [key, { exp = Infinity }] of entries) if (exp < now) entries.delete(key)
  }
  return (model: string): Adapter => {
    const keyOf = (id: string) => `${model}:${id}`
    return {
      find: async (id) => entries.get(keyOf(id)),
      findByUid: async () => undefined,
      findByUserCode: async () => undefined,
      upsert: async (id, payload) => {
        forget()
        // times are cut to whole seconds: a token would be over up to a second before the time it was given with
        entries.set(keyOf(id), payload.exp === undefined ? payload : { ...payload, exp: payload.exp + 1 })
      },
      consume: async () => undefined,
      destroy: async (id) => void entries.delete(keyOf(id)),
      revokeByGrantId: async () => undefined
    }
  }
}

export const make: Effect.Effect<AuthorizationServer, Failure, Scope.Scope> = Effect.map(loopback.make, (server) => {
  const clientId = "demo-client"
  const clientSecret = random()
  const provider = new Provider(server.origin, {
    adapter: memory(),
    jwks: { keys: [signingKey()] },
    cookies: { keys: [random()] },
    scopes: scopes.split(" "),
    clientAuthMethods: ["client_secret_basic"],
    responseTypes: ["none"],
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: "ES256",
      scope: scopes
    }],
    ttl: { ClientCredentials: () => lifetime },
    features
  })
  const answer = provider.callback()
  server.handle((request, response) => void answer(request, response))
  return {
    tokenEndpoint: `${server.origin}/token`,
    clientId,
    clientSecret: Redacted.make(clientSecret),
    isActive: async (token) => (await provider.ClientCredentials.find(token))?.isValid === true
  }
})
