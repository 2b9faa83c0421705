/**
 * A real authorization server inside this process that knows more grants than client credentials: `oidc-provider` on
 * loopback, with refresh tokens that are replaced at every use (RFC 9700 §4.14), resource indicators (RFC 8707), and,
 * registered as custom grants, token exchange (RFC 8693), JWT bearer (RFC 7523) and one of its own making.
 *
 * It is a stand-in for yours: small, and no model of a secure one.
 */
import type { KeyObject } from "node:crypto"
import { createPublicKey, generateKeyPairSync, randomBytes, verify } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Scope } from "effect"
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import type {
  AccessToken,
  Adapter,
  AdapterPayload,
  ClientMetadata,
  KoaContextWithOIDC,
  TokenEndpointGrantContext
} from "oidc-provider"
import { InvalidGrant, InvalidRequest, InvalidTarget } from "oidc-provider/lib/helpers/errors.js"
import { Provider } from "oidc-provider/lib/provider.js"
import type { Client } from "./AuthorizationServer.js"
import * as LoopbackServer from "./LoopbackServer.js"

/** An answered token request. */
export interface Answered {
  readonly grantType: string
  readonly parameters: Readonly<Record<string, unknown>>
  /** `200`, or the code of the error. */
  readonly outcome: string
}

export interface Options {
  /** How long access tokens live; whole seconds. Default one hour. */
  readonly lifetime?: Duration.DurationInput | undefined
  /** The secrets of the clients `basic` and `post`. Default: made up. */
  readonly secret?: string | undefined
  /** Verifies assertions of the JWT bearer grant. Without it there is no such grant. */
  readonly assertionKey?: KeyObject | undefined
}

export interface Service {
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly introspectionEndpoint: string
  readonly clients: {
    /** Authenticates with `client_secret_basic`. */
    readonly basic: Client
    /** Authenticates with `client_secret_post`. */
    readonly post: Client
    /** A public client: it has an id and no secret. */
    readonly open: { readonly id: string }
  }
  /** What a device proves to be itself with, for {@link deviceKeyGrant}. */
  readonly deviceKey: Redacted.Redacted
  /** Every answered token request, oldest first. */
  readonly answered: Effect.Effect<ReadonlyArray<Answered>>
  /**
   * What a login of a user named `ada` leaves the client `basic` with: a refresh token. It is good for tokens for
   * the APIs named, or, when none is, for opaque ones for nobody in particular.
   */
  readonly login: (apis?: ReadonlyArray<string>) => Effect.Effect<Redacted.Redacted>
  /** How often a refresh token was presented that had been used before. Each time everything of that login ends. */
  readonly thefts: Effect.Effect<number>
}

export class GrantServer extends Context.Tag("@effect-bearer/examples/GrantServer")<GrantServer, Service>() {}

/** The APIs that tokens can be for, as resource indicators and as audiences, and the scopes of each. */
export const apis: Readonly<Record<string, string>> = {
  "https://billing.example.com/": "invoices:read invoices:write",
  "https://reports.example.com/": "reports:read"
}

/** A grant of this server alone: a device proves by its key that it is one. Its answer has a refresh token. */
export const deviceKeyGrant = "urn:example:params:oauth:grant-type:device-key"

const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
const accessTokenType = "urn:ietf:params:oauth:token-type:access_token"

export const make = (options: Options = {}): Effect.Effect<Service, LoopbackServer.CannotListen, Scope.Scope> =>
  Effect.gen(function*() {
    const front = yield* LoopbackServer.make
    const lifetime = Math.max(1, Math.round(Duration.toSeconds(options.lifetime ?? "1 hour")))
    const answered: Array<Answered> = []
    let thefts = 0

    const clients = {
      basic: { id: "app-basic", secret: Redacted.make(options.secret ?? randomSecret()) },
      post: { id: "app-post", secret: Redacted.make(options.secret ?? randomSecret()) },
      open: { id: "app-open" }
    }
    const deviceKey = Redacted.make(randomSecret())
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const grants = [deviceKeyGrant, tokenExchange, ...options.assertionKey === undefined ? [] : [jwtBearer]]

    const resourceServer = (resource: string) => {
      const scope = apis[resource]
      if (scope === undefined) throw new InvalidTarget()
      return {
        scope,
        audience: resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: lifetime,
        jwt: { sign: { alg: "ES256" } }
      } as const
    }

    const provider = new Provider(front.origin, {
      adapter: adapters(),
      clientAuthMethods: ["client_secret_basic", "client_secret_post", "none"],
      clients: [
        metadata(clients.basic, "client_secret_basic", ["client_credentials", "refresh_token", ...grants]),
        metadata(clients.post, "client_secret_post", ["client_credentials"]),
        metadata(clients.open, "none", ["refresh_token", deviceKeyGrant])
      ],
      cookies: { keys: [randomSecret()] },
      // the server signs tokens for an API; those for nobody in particular are opaque
      extraTokenClaims: (_ctx, token) => "extra" in token ? token.extra : undefined,
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        dPoP: { enabled: false },
        introspection: { enabled: true, allowedPolicy: () => true },
        pushedAuthorizationRequests: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => [],
          getResourceServerInfo: (_ctx, resource) => resourceServer(resource),
          useGrantedResource: () => true
        },
        rpInitiatedLogout: { enabled: false },
        userinfo: { enabled: false }
      },
      findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig" }] },
      responseTypes: ["none"],
      rotateRefreshToken: true,
      scopes: ["offline_access", "calls:read", "calls:write"],
      ttl: { AccessToken: lifetime, ClientCredentials: lifetime, RefreshToken: 3600, Grant: 3600 }
    })

    /** Remembers that a user, or a device, has given a client access; tokens hang on it. */
    const newGrant = async (clientId: string, accountId: string) => {
      const grant = new provider.Grant({ clientId, accountId })
      grant.addOIDCScope("offline_access calls:read calls:write")
      for (const [resource, scope] of Object.entries(apis)) grant.addResourceScope(resource, scope)
      return grant.save()
    }

    const newRefreshToken = async (
      clientId: string,
      accountId: string,
      grantId: string,
      gty: string,
      resource: ReadonlyArray<string> = []
    ) => {
      const client = (await provider.Client.find(clientId))!
      return new provider.RefreshToken({
        client,
        accountId,
        grantId,
        gty,
        scope: ["offline_access calls:read calls:write", ...resource.map((api) => apis[api])].join(" "),
        resource: [...resource],
        rotations: 0
      } as never).save()
    }

    /** Issues an access token that is for `audience`, or, without one, for nobody in particular. */
    const issue = async (
      { oidc: { client } }: TokenEndpointGrantContext,
      { accountId, audience, extra, grantId, gty, scope }: {
        readonly accountId: string
        readonly grantId: string
        readonly gty: string
        readonly scope: string
        readonly audience?: string | undefined
        readonly extra?: Record<string, unknown> | undefined
      }
    ) => {
      const token: AccessToken = new provider.AccessToken({ accountId, client, grantId, gty, scope })
      if (audience !== undefined) {
        token.resourceServer = new (provider as unknown as ResourceServers).ResourceServer(
          audience,
          resourceServer(audience)
        )
      }
      if (extra !== undefined) token.extra = extra
      return {
        access_token: await token.save(),
        token_type: token.tokenType,
        expires_in: token.expiration,
        ...scope === "" ? {} : { scope }
      }
    }

    provider.registerGrantType<{ device_key?: string; tenant?: string }>(deviceKeyGrant, async (ctx) => {
      const { client, params } = ctx.oidc
      if (params.device_key !== Redacted.value(deviceKey)) throw new InvalidGrant("the device key is wrong")
      const grantId = await newGrant(client.clientId, "device-42")
      ctx.body = {
        ...await issue(ctx, {
          accountId: "device-42",
          grantId,
          gty: deviceKeyGrant,
          scope: params.scope ?? ""
        }),
        refresh_token: await newRefreshToken(client.clientId, "device-42", grantId, deviceKeyGrant),
        ...params.tenant === undefined ? {} : { tenant: params.tenant }
      }
    }, ["device_key", "tenant", "scope"])

    const find = async (token: string | undefined, type: string | undefined, name: string) => {
      if (token === undefined || type === undefined) throw new InvalidRequest(`${name} or its type is missing`)
      if (type !== accessTokenType) throw new InvalidRequest(`${name}_type is not supported`)
      const found = await provider.AccessToken.find(token) ?? await provider.ClientCredentials.find(token)
      if (found === undefined || found.isExpired) throw new InvalidRequest(`${name} is not valid`)
      return found
    }

    provider.registerGrantType<{
      subject_token?: string
      subject_token_type?: string
      actor_token?: string
      actor_token_type?: string
      audience?: string
    }>(tokenExchange, async (ctx) => {
      const { client, params } = ctx.oidc
      const subject = await find(params.subject_token, params.subject_token_type, "subject_token")
      const actor = params.actor_token === undefined
        ? undefined
        : await find(params.actor_token, params.actor_token_type, "actor_token")
      const audience = params.audience ?? [params.resource].flat()[0]
      if (audience === undefined || apis[audience] === undefined) throw new InvalidTarget()
      const allowed = apis[audience].split(" ")
      const asked = params.scope?.split(" ") ?? allowed
      const sub = "accountId" in subject ? subject.accountId : subject.clientId!
      ctx.body = {
        ...await issue(ctx, {
          accountId: sub,
          grantId: await newGrant(client.clientId, sub),
          gty: tokenExchange,
          scope: asked.filter((scope) => allowed.includes(scope)).join(" "),
          audience,
          // RFC 8693 §4.1: who acts for the subject
          extra: actor === undefined ? undefined : { act: { sub: actor.clientId } }
        }),
        issued_token_type: accessTokenType
      }
    }, [
      "subject_token",
      "subject_token_type",
      "actor_token",
      "actor_token_type",
      "requested_token_type",
      "audience",
      "resource",
      "scope"
    ], ["audience", "resource"])

    const { assertionKey } = options
    if (assertionKey !== undefined) {
      const seenIds = new Set<string>()
      provider.registerGrantType<{ assertion?: string }>(jwtBearer, async (ctx) => {
        const { client, params } = ctx.oidc
        const claims = read(params.assertion ?? "", assertionKey)
        const now = Date.now() / 1000
        if (claims === undefined) throw new InvalidGrant("the signature of the assertion is wrong")
        if (claims.aud !== front.origin + tokenPath) throw new InvalidGrant("the assertion is for somebody else")
        if (typeof claims.exp !== "number" || claims.exp < now) throw new InvalidGrant("the assertion has expired")
        if (typeof claims.jti !== "string" || seenIds.has(claims.jti)) throw new InvalidGrant("the jti was used before")
        seenIds.add(claims.jti)
        const sub = String(claims.sub)
        ctx.body = await issue(ctx, {
          accountId: sub,
          grantId: await newGrant(client.clientId, sub),
          gty: jwtBearer,
          scope: params.scope ?? ""
        })
      }, ["assertion", "scope"])
    }

    const log = ({ oidc }: KoaContextWithOIDC, outcome: string) =>
      answered.push({
        grantType: String(oidc.params?.grant_type),
        parameters: Object.fromEntries(
          Object.entries(oidc.params ?? {}).filter(([name, value]) => value !== undefined && !secretName.test(name))
        ),
        outcome
      })
    provider.on("grant.success", (ctx) => log(ctx, "200"))
    provider.on("grant.error", (ctx, error) => log(ctx, error.error))
    provider.on("grant.revoked", () => thefts++)
    const answer = provider.callback()
    yield* front.handle((request: IncomingMessage, response: ServerResponse) => void answer(request, response))

    return {
      issuer: front.origin,
      tokenEndpoint: front.origin + tokenPath,
      introspectionEndpoint: `${front.origin}${tokenPath}/introspection`,
      clients,
      deviceKey,
      answered: Effect.sync(() => answered.slice()),
      login: (resource = []) =>
        Effect.promise(async () => {
          const grantId = await newGrant(clients.basic.id, "ada")
          return Redacted.make(await newRefreshToken(clients.basic.id, "ada", grantId, "login", resource))
        }),
      thefts: Effect.sync(() => thefts)
    }
  })

export const layer = (options: Options = {}): Layer.Layer<GrantServer, LoopbackServer.CannotListen> =>
  Layer.scoped(GrantServer, make(options))

// ---------------------------------------------------------------------------------------------------------------

const tokenPath = "/token"

const randomSecret = (): string => randomBytes(24).toString("base64url")

/** Parameters that are not for a log. */
const secretName = /(secret|token|assertion|key)$/

/** The types do not tell of it. */
interface ResourceServers {
  readonly ResourceServer: new(
    resource: string,
    info: object
  ) => NonNullable<AccessToken["resourceServer"]>
}

const metadata = (
  client: { readonly id: string; readonly secret?: Redacted.Redacted },
  method: "client_secret_basic" | "client_secret_post" | "none",
  grants: Array<string>
): ClientMetadata => ({
  client_id: client.id,
  ...client.secret === undefined ? {} : { client_secret: Redacted.value(client.secret) },
  token_endpoint_auth_method: method,
  grant_types: grants,
  redirect_uris: [],
  response_types: [],
  id_token_signed_response_alg: "ES256"
})

/** The claims of an ES256 assertion, if it is one and its signature is right. */
const read = (jwt: string, key: KeyObject): Record<string, unknown> | undefined => {
  const [header = "", payload = "", signature = ""] = jwt.split(".")
  const right = verify(
    "sha256",
    Buffer.from(`${header}.${payload}`),
    { key: createPublicKey(key.export({ type: "spki", format: "pem" })), dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url")
  )
  return right ? JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) : undefined
}

/** Where the provider keeps what it issued: memory of this server, gone with it. */
const adapters = () => {
  const entries = new Map<string, AdapterPayload>()
  return (model: string): Adapter => {
    const key = (id: string) => `${model}:${id}`
    return {
      find: async (id) => entries.get(key(id)),
      findByUid: async () => undefined,
      findByUserCode: async () => undefined,
      upsert: async (id, payload) => void entries.set(key(id), payload),
      consume: async (id) => {
        const payload = entries.get(key(id))
        if (payload !== undefined) entries.set(key(id), { ...payload, consumed: Math.floor(Date.now() / 1000) })
      },
      destroy: async (id) => void entries.delete(key(id)),
      revokeByGrantId: async (grantId) => {
        for (const [id, payload] of entries) {
          if (id.startsWith(`${model}:`) && payload.grantId === grantId) entries.delete(id)
        }
      }
    }
  }
}
