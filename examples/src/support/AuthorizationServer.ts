/**
 * A real authorization server inside this process: `oidc-provider` on loopback, for client credentials.
 *
 * Everything it says about itself (`seen`) is counted where requests arrive and tokens leave, so a program can be
 * judged by what the server saw and not by what the program believes. It can also misbehave on demand: go down,
 * slow down, or revoke tokens.
 */
import { generateKeyPair, randomBytes } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { promisify } from "node:util"
import type { Scope } from "effect"
import { Clock, Context, Duration, Effect, FiberSet, Layer, Redacted } from "effect"
import type { Adapter, AdapterPayload, ClientMetadata, Configuration } from "oidc-provider"
import { Provider } from "oidc-provider/lib/provider.js"
import * as LoopbackServer from "./LoopbackServer.js"

/** A client registered at the server; its secret is made up anew at each start. */
export interface Client {
  readonly id: string
  readonly secret: Redacted.Redacted
}

/** How the token endpoint is down. */
export type Outage =
  /** It answers 503, with `Retry-After` if given. */
  | { readonly _tag: "Unavailable"; readonly retryAfter?: Duration.DurationInput | undefined }
  /** Nobody listens: connections are refused. Such requests never arrive, so they cannot be counted. */
  | { readonly _tag: "Refused" }

export const unavailable = (retryAfter?: Duration.DurationInput): Outage => ({ _tag: "Unavailable", retryAfter })

export const refused: Outage = { _tag: "Refused" }

/** What the server saw so far. Times are epoch milliseconds. */
export interface Seen {
  /** Requests that arrived at the token endpoint, whatever became of them. */
  readonly tokenRequests: number
  /** When each of them arrived. */
  readonly tokenRequestsAt: ReadonlyArray<number>
  readonly tokensIssued: number
  /** When each token was issued. */
  readonly tokensIssuedAt: ReadonlyArray<number>
  /** Answers of the token endpoint by status. Requests given up by the client before the answer are not in it. */
  readonly tokenStatuses: Readonly<Record<number, number>>
  readonly introspections: number
  readonly tokensRevoked: number
}

export interface Options {
  /** How long tokens live; whole seconds, as in `expires_in`. Default 3 s. */
  readonly lifetime?: Duration.DurationInput | undefined
  /** Scopes the server knows. Default `calls:read calls:write calls:admin`. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** Those of them its clients may have. Default `calls:read calls:write`. */
  readonly clientScopes?: ReadonlyArray<string> | undefined
  /** How long the token endpoint takes before it begins to answer. Default 0. */
  readonly latency?: Duration.DurationInput | undefined
}

export interface Service {
  readonly issuer: string
  readonly tokenEndpoint: string
  /** On a port of its own, as resource servers reach it: an outage of the token endpoint does not touch it. */
  readonly introspectionEndpoint: string
  readonly revocationEndpoint: string
  readonly clients: {
    /** Authenticates with `client_secret_basic`. */
    readonly basic: Client
    /** Authenticates with `client_secret_post`. */
    readonly post: Client
    /** The resource server's own account, for introspection only (`client_secret_basic`). */
    readonly api: Client
  }
  readonly seen: Effect.Effect<Seen>
  /** Takes the token endpoint down until `recover`. */
  readonly fail: (outage: Outage) => Effect.Effect<void>
  readonly recover: Effect.Effect<void>
  /** Takes the token endpoint down while `effect` runs. */
  readonly whileDown: (outage: Outage) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Revokes one token; whether it was known. */
  readonly revoke: (token: Redacted.Redacted) => Effect.Effect<boolean>
  /** Revokes every token issued so far; how many those were. */
  readonly revokeAll: Effect.Effect<number>
  readonly setLifetime: (lifetime: Duration.DurationInput) => Effect.Effect<void>
  readonly setLatency: (latency: Duration.DurationInput) => Effect.Effect<void>
}

export class AuthorizationServer
  extends Context.Tag("@effect-bearer/examples/AuthorizationServer")<AuthorizationServer, Service>()
{}

export const make = (options: Options = {}): Effect.Effect<Service, LoopbackServer.CannotListen, Scope.Scope> =>
  Effect.gen(function*() {
    const front = yield* LoopbackServer.make
    const back = yield* LoopbackServer.make
    const fork = yield* FiberSet.makeRuntime<never>()

    let lifetime = wholeSeconds(options.lifetime ?? "3 seconds")
    let latency = Duration.decode(options.latency ?? 0)
    let outage: Outage | undefined
    const tokenRequestsAt: Array<number> = []
    const tokensIssuedAt: Array<number> = []
    const tokenStatuses: Record<number, number> = {}
    let introspections = 0
    let tokensRevoked = 0

    const clients = {
      basic: yield* newClient("calls-basic"),
      post: yield* newClient("calls-post"),
      api: yield* newClient("calls-api")
    }
    const store = new Store()
    const provider = new Provider(front.origin, {
      ...quiet,
      adapter: store.adapter,
      jwks: { keys: [yield* newSigningKey] },
      cookies: { keys: [randomSecret()] },
      scopes: [...options.scopes ?? ["calls:read", "calls:write", "calls:admin"]],
      clients: [
        metadata(clients.basic, "client_secret_basic", ["client_credentials"], options.clientScopes),
        metadata(clients.post, "client_secret_post", ["client_credentials"], options.clientScopes),
        metadata(clients.api, "client_secret_basic", [], options.clientScopes)
      ],
      ttl: { ClientCredentials: () => lifetime },
      features: {
        ...quiet.features,
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: () => true },
        revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId }
      }
    })
    provider.on("client_credentials.saved", () => tokensIssuedAt.push(Date.now()))
    provider.on("client_credentials.destroyed", () => tokensRevoked++)
    const answer = provider.callback()

    const answerTokenRequest = (request: IncomingMessage, response: ServerResponse) =>
      Effect.suspend(() => {
        if (outage?._tag !== "Unavailable") return Effect.sync(() => void answer(request, response))
        const { retryAfter } = outage
        return Effect.sync(() => {
          request.resume()
          response.writeHead(503, {
            "content-type": "text/plain",
            ...retryAfter === undefined ? {} : { "retry-after": String(Math.ceil(Duration.toSeconds(retryAfter))) }
          }).end("down for maintenance")
        })
      }).pipe(Effect.delay(latency))

    const handle = (request: IncomingMessage, response: ServerResponse) => {
      const { pathname } = new URL(request.url ?? "/", front.origin)
      if (pathname === paths.introspection) introspections++
      if (pathname !== paths.token) return void answer(request, response)
      tokenRequestsAt.push(Date.now())
      response.once("finish", () => {
        tokenStatuses[response.statusCode] = (tokenStatuses[response.statusCode] ?? 0) + 1
      })
      fork(answerTokenRequest(request, response))
    }
    yield* front.handle(handle)
    yield* back.handle(handle)

    const fail = (next: Outage) =>
      Effect.suspend(() => {
        outage = next
        return next._tag === "Refused" ? front.refuse : Effect.void
      })
    // the port was ours a moment ago: that it cannot be had again is no case worth handling
    const recover = Effect.suspend(() => {
      outage = undefined
      return Effect.orDie(front.accept)
    })

    return {
      issuer: front.origin,
      tokenEndpoint: front.origin + paths.token,
      introspectionEndpoint: back.origin + paths.introspection,
      revocationEndpoint: front.origin + paths.revocation,
      clients,
      seen: Effect.sync((): Seen => ({
        tokenRequests: tokenRequestsAt.length,
        tokenRequestsAt: [...tokenRequestsAt],
        tokensIssued: tokensIssuedAt.length,
        tokensIssuedAt: [...tokensIssuedAt],
        tokenStatuses: { ...tokenStatuses },
        introspections,
        tokensRevoked
      })),
      fail,
      recover,
      whileDown: (next) => (effect) => Effect.acquireUseRelease(fail(next), () => effect, () => recover),
      revoke: (token) =>
        Effect.sync(() => {
          const known = store.removeToken(Redacted.value(token))
          if (known) tokensRevoked++
          return known
        }),
      revokeAll: Effect.map(Clock.currentTimeMillis, (now) => {
        const revoked = store.removeTokens(now)
        tokensRevoked += revoked
        return revoked
      }),
      setLifetime: (next) => Effect.sync(() => void (lifetime = wholeSeconds(next))),
      setLatency: (next) => Effect.sync(() => void (latency = Duration.decode(next)))
    }
  })

export const layer = (options: Options = {}): Layer.Layer<AuthorizationServer, LoopbackServer.CannotListen> =>
  Layer.scoped(AuthorizationServer, make(options))

// ---------------------------------------------------------------------------------------------------------------

const paths = {
  token: "/token",
  introspection: "/token/introspection",
  revocation: "/token/revocation"
}

const wholeSeconds = (lifetime: Duration.DurationInput): number => Math.max(1, Math.round(Duration.toSeconds(lifetime)))

const randomSecret = (): string => randomBytes(24).toString("base64url")

const newClient = (id: string): Effect.Effect<Client> =>
  Effect.sync(() => ({ id, secret: Redacted.make(randomSecret()) }))

/** oidc-provider wants a signing key even when nothing is ever signed, as here, where tokens are opaque. */
const newSigningKey = Effect.map(
  Effect.promise(() => promisify(generateKeyPair)("ec", { namedCurve: "P-256" })),
  ({ privateKey }) => ({ ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig" })
)

const metadata = (
  client: Client,
  method: "client_secret_basic" | "client_secret_post",
  grants: Array<string>,
  scopes: ReadonlyArray<string> = ["calls:read", "calls:write"]
): ClientMetadata => ({
  client_id: client.id,
  client_secret: Redacted.value(client.secret),
  token_endpoint_auth_method: method,
  grant_types: grants,
  redirect_uris: [],
  response_types: [],
  id_token_signed_response_alg: "ES256",
  scope: scopes.join(" ")
})

/** Only what a client-credentials server needs: each feature left out is a default that would warn about itself. */
const quiet = {
  clientAuthMethods: ["client_secret_basic", "client_secret_post"],
  responseTypes: ["none"],
  features: {
    devInteractions: { enabled: false },
    dPoP: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    resourceIndicators: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    userinfo: { enabled: false }
  }
} satisfies Configuration

/** Where oidc-provider keeps its tokens: memory of this server, gone with it. */
class Store {
  private readonly entries = new Map<string, AdapterPayload>()

  readonly adapter = (model: string): Adapter => {
    const key = (id: string) => `${model}:${id}`
    return {
      find: async (id) => this.entries.get(key(id)),
      findByUid: async () => undefined,
      findByUserCode: async () => undefined,
      upsert: async (id, payload) => void this.entries.set(key(id), withWholeLife(payload)),
      consume: async () => undefined,
      destroy: async (id) => void this.entries.delete(key(id)),
      revokeByGrantId: async () => undefined
    }
  }

  removeToken(token: string): boolean {
    return this.entries.delete(tokenPrefix + token)
  }

  /** Removes every token; how many of them were still valid. */
  removeTokens(now: number): number {
    let valid = 0
    for (const [key, payload] of this.entries) {
      if (!key.startsWith(tokenPrefix)) continue
      this.entries.delete(key)
      if ((payload.exp ?? Infinity) * 1000 > now) valid++
    }
    return valid
  }
}

/** Times are cut to whole seconds, so a token would die up to a second before the `expires_in` it was given with. */
const withWholeLife = (payload: AdapterPayload): AdapterPayload =>
  payload.exp === undefined ? payload : { ...payload, exp: payload.exp + 1 }

const tokenPrefix = "ClientCredentials:"
