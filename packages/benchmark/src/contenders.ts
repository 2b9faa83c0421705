/**
 * Ours, Effect's own `Cache`, and the peers, each behind one small interface. Every contender asks the same token
 * endpoint and is configured as its documentation does it; what differs is said beside it.
 */
import type { AccessToken as AzureToken, TokenCredential } from "@azure/core-auth"
import { bearerTokenAuthenticationPolicy, createPipelineRequest, type PipelinePolicy } from "@azure/core-rest-pipeline"
import { OAuth2Client as BadgatewayClient, OAuth2Fetch } from "@badgateway/oauth2-client"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Cache from "effect/Cache"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as AccessToken from "effect-bearer/AccessToken"
import * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import * as RetryPolicy from "effect-bearer/RetryPolicy"
import * as TokenSource from "effect-bearer/TokenSource"
import { OAuth2Client as GoogleClient, UserRefreshClient } from "google-auth-library"

export const clientId = "benchmark"
export const clientSecret = "benchmark-secret"

/** A token as a hand-written request gives it. */
export interface Token {
  readonly value: string
  /** When the request was sent, epoch ms. */
  readonly issuedAt: number
  /** Milliseconds. */
  readonly lifetime: number
}

/** The client credentials grant by `fetch`, for contenders that bring no token request of their own. */
export const fetchToken = async (tokenEndpoint: string): Promise<Token> => {
  const issuedAt = Date.now()
  const response = await fetch(tokenEndpoint, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
    body: new URLSearchParams({ grant_type: "client_credentials" })
  })
  if (!response.ok) throw new Error(`the token endpoint answered ${response.status}`)
  const body = await response.json() as { readonly access_token: string; readonly expires_in: number }
  return { value: body.access_token, issuedAt, lifetime: body.expires_in * 1000 }
}

/** What can be asked for a token. Those built on Effect have an effect as well. */
export interface Getter {
  readonly get: () => Promise<string>
  readonly effect?: Effect.Effect<string, unknown>
}

export type Open = (tokenEndpoint: string) => Promise<Getter>

// --- ours --------------------------------------------------------------------------------------------------------

/** A scope that lives as long as the process. */
const forever = Effect.runSync(Scope.make())

export const inProcess = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Scope.extend(effect, forever))

const ofSource = <E>(source: TokenSource.With<E>): Getter => {
  const value = (token: AccessToken.AccessToken) => Redacted.value(token.value)
  return {
    get: () => Effect.runPromise(source.get()).then(value),
    effect: Effect.map(source.get(), value)
  }
}

export type CacheOptions = Parameters<typeof TokenSource.cached>[0]

export type RefreshOptions = Parameters<typeof TokenSource.backgroundRefresh>[0]

/** A cached source over a function. */
export const cachedSource = (
  fetch: () => Promise<Token>,
  options: CacheOptions
): Promise<TokenSource.With<never>> =>
  inProcess(Effect.flatMap(
    TokenSource.make(() =>
      Effect.map(Effect.promise(fetch), ({ issuedAt, lifetime, value }) =>
        AccessToken.make({ value, issuedAt, expiresAt: issuedAt + lifetime }))
    ),
    TokenSource.cached(options)
  ))

/** The whole stack: client credentials over undici, cached and refreshed in the background. */
const clientCredentials = (
  cache: CacheOptions,
  refresh: RefreshOptions | false
): Open =>
async (tokenEndpoint) => {
  const runtime = await inProcess(Layer.toRuntime(NodeHttpClient.layerUndici))
  const cached = TokenSource.clientCredentials({
    tokenEndpoint,
    clientId,
    authentication: ClientAuthentication.basic(Redacted.make(clientSecret))
  }).pipe(Effect.flatMap(TokenSource.cached(cache)))
  const source = refresh === false ? cached : Effect.flatMap(cached, TokenSource.backgroundRefresh(refresh))
  return ofSource(await Runtime.runPromise(runtime)(Scope.extend(source, forever)))
}

/** The same with retries that outlast two seconds. */
const withRetry: Open = async (tokenEndpoint) => {
  const runtime = await inProcess(Layer.toRuntime(NodeHttpClient.layerUndici))
  const source = TokenSource.clientCredentials({
    tokenEndpoint,
    clientId,
    authentication: ClientAuthentication.basic(Redacted.make(clientSecret))
  }).pipe(
    Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter({
      base: "300 millis",
      maxRetries: 8,
      jitter: "equal"
    }))),
    Effect.flatMap(TokenSource.cached()),
    Effect.flatMap(TokenSource.backgroundRefresh())
  )
  return ofSource(await Runtime.runPromise(runtime)(Scope.extend(source, forever)))
}

const overFetch = (options: CacheOptions): Open => async (tokenEndpoint) =>
  ofSource(await cachedSource(() => fetchToken(tokenEndpoint), options))

// --- Effect's own Cache ------------------------------------------------------------------------------------------

export const effectCache = <K>(fetch: (key: K) => Effect.Effect<Token>): Promise<Cache.Cache<K, Token>> =>
  Effect.runPromise(Cache.makeWith({
    capacity: 200_000,
    lookup: fetch,
    timeToLive: Exit.match({
      onFailure: () => Duration.zero,
      onSuccess: ({ lifetime }) => Duration.millis(lifetime)
    })
  }))

const openEffectCache: Open = async (tokenEndpoint) => {
  const cache = await effectCache((_: string) => Effect.promise(() => fetchToken(tokenEndpoint)))
  const effect = Effect.map(cache.get("token"), ({ value }) => value)
  return { get: () => Effect.runPromise(effect), effect }
}

/** As one would write it: retries in the lookup. */
const openEffectCacheWithRetry: Open = async (tokenEndpoint) => {
  const cache = await effectCache((_: string) =>
    Effect.tryPromise(() => fetchToken(tokenEndpoint)).pipe(
      Effect.retry(Schedule.intersect(Schedule.exponential("300 millis"), Schedule.recurs(8))),
      Effect.orDie
    )
  )
  const effect = Effect.map(cache.get("token"), ({ value }) => value)
  return { get: () => Effect.runPromise(effect), effect }
}

// --- peers -------------------------------------------------------------------------------------------------------

/**
 * Azure's policy wants a request to sign and refuses plain http, so it gets an https request that goes nowhere.
 * Its credential is the user's own: here the hand-written request.
 */
export const azurePolicy = (getToken: () => Promise<Token>): PipelinePolicy => {
  const credential: TokenCredential = {
    getToken: async (): Promise<AzureToken> => {
      const { lifetime, value } = await getToken()
      return { token: value, expiresOnTimestamp: Date.now() + lifetime }
    }
  }
  return bearerTokenAuthenticationPolicy({ credential, scopes: "scope/.default" })
}

/** One request for everybody: making one costs ten times what the policy does. */
const azureRequest = createPipelineRequest({ url: "https://loopback/" })

export const azureGet = (policy: PipelinePolicy): () => Promise<string> => async () => {
  let authorization = ""
  await policy.sendRequest(azureRequest, async (request) => {
    authorization = request.headers.get("authorization")!
    return { request, status: 200, headers: request.headers }
  })
  return authorization.slice("Bearer ".length)
}

/** The `authorized_user` client of google-auth-library: a refresh token grant, its own HTTP, and single flight. */
const openGoogleRefresh = (eagerRefreshThresholdMillis?: number): Open => async (tokenEndpoint) => {
  const client = new UserRefreshClient({
    clientId,
    clientSecret,
    refreshToken: "refresh",
    endpoints: { oauth2TokenUrl: tokenEndpoint },
    ...(eagerRefreshThresholdMillis === undefined ? {} : { eagerRefreshThresholdMillis })
  })
  return { get: async () => (await client.getAccessToken()).token! }
}

/** The way to client credentials in google-auth-library: a `refreshHandler`, which it calls once per caller. */
const openGoogleHandler: Open = async (tokenEndpoint) => {
  const client = new GoogleClient()
  client.refreshHandler = async () => {
    const { lifetime, value } = await fetchToken(tokenEndpoint)
    return { access_token: value, expiry_date: Date.now() + lifetime }
  }
  return { get: async () => (await client.getAccessToken()).token! }
}

export const badgateway = (tokenEndpoint: string, stored?: Token): OAuth2Fetch => {
  const client = new BadgatewayClient({ clientId, clientSecret, tokenEndpoint })
  return new OAuth2Fetch({
    client,
    getNewToken: () => client.clientCredentials(),
    getStoredToken: () =>
      stored === undefined ? null : {
        accessToken: stored.value,
        expiresAt: stored.issuedAt + stored.lifetime,
        refreshToken: null
      }
  })
}

const openBadgateway: Open = async (tokenEndpoint) => {
  const client = badgateway(tokenEndpoint)
  return { get: () => client.getAccessToken() }
}

/** As cheap as it gets: one promise for everybody, never renewed. */
const openPromise: Open = async (tokenEndpoint) => {
  let token: Promise<Token> | undefined
  return { get: async () => (await (token ??= fetchToken(tokenEndpoint))).value }
}

export const contenders = {
  "effect-bearer": clientCredentials({}, {}),
  "effect-bearer, over fetch": overFetch({}),
  // What 2 s tokens from an endpoint 200 ms away call for: see the README.
  "effect-bearer, renewed 300 ms ahead": clientCredentials({ clockSkew: "50 millis" }, {
    ahead: "300 millis",
    jitter: 0
  }),
  "effect-bearer, with retry": withRetry,
  "Effect Cache": openEffectCache,
  "Effect Cache, with retry": openEffectCacheWithRetry,
  "Azure": async (tokenEndpoint) => ({ get: azureGet(azurePolicy(() => fetchToken(tokenEndpoint))) }),
  "google, UserRefreshClient": openGoogleRefresh(),
  "google, refreshHandler": openGoogleHandler,
  "google, UserRefreshClient, 300 ms ahead": openGoogleRefresh(300),
  "badgateway": openBadgateway,
  "one promise": openPromise
} satisfies Readonly<Record<string, Open>>

export type Contender = keyof typeof contenders

export const open = (name: Contender, tokenEndpoint: string): Promise<Getter> => contenders[name](tokenEndpoint)
