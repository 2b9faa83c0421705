/** The sources of a data action: one for client credentials, one for token exchange, with everything around them. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as AccessToken from "effect-bearer/AccessToken"
import * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import * as Clocks from "effect-bearer/Clocks"
import * as Digest from "effect-bearer/Digest"
import * as Grant from "effect-bearer/Grant"
import * as OwnRequest from "effect-bearer/OwnRequest"
import * as RetryPolicy from "effect-bearer/RetryPolicy"
import * as Scopes from "effect-bearer/Scopes"
import * as Secret from "effect-bearer/Secret"
import * as ServerMetadata from "effect-bearer/ServerMetadata"
import type * as TokenEndpoint from "effect-bearer/TokenEndpoint"
import * as TokenError from "effect-bearer/TokenError"
import * as TokenRequest from "effect-bearer/TokenRequest"
import * as TokenSource from "effect-bearer/TokenSource"
import { TokenStore } from "effect-bearer/TokenStore"
import type { Options, Setting } from "./contract.js"
import type { Payload } from "./payload.js"

export interface Tokens {
  /** What a payload may ask for; `undefined` for anything. */
  readonly allowedScopes: Scopes.Scopes | undefined
  readonly get: (payload: Payload) => Effect.Effect<AccessToken.AccessToken, TokenError.TokenError>
}

export const exchangeType = "urn:ietf:params:oauth:grant-type:token-exchange"

const defaultTimeout: TokenEndpoint.Timeouts = { read: "10 seconds", total: "13.05 seconds" }

export const make = (
  options: Options,
  defaultRetry: RetryPolicy.RetryPolicy<TokenError.Transient>
): Effect.Effect<Tokens, TokenError.TokenError, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    const retry = options.retry ?? defaultRetry
    // the defaults below are options, too, and options without a store are refused
    const isShared = options.shared === undefined
      ? Option.isSome(yield* Effect.serviceOption(TokenStore))
      : options.shared !== false
    const { clientId, scopes, tokenEndpoint } = yield* RetryPolicy.retry(inTime(settle(options)), retry)

    const base = {
      tokenEndpoint,
      clientId,
      scopes,
      authentication: options.authentication,
      audience: options.audience,
      resource: options.resource,
      parameters: options.parameters,
      timeout: options.timeout ?? defaultTimeout,
      allowInsecure: options.allowInsecure,
      lenientTokenType: options.lenientTokenType,
      jwtExpiry: options.jwtExpiry
    }
    const managed = (namespace: string | undefined) =>
      TokenSource.managed({
        retry,
        cache: {
          capacity: options.capacity,
          clockSkew: options.grace ?? "1 minute",
          onMissingExpiry: options.assumedLifetime === undefined ? "never" : { assume: options.assumedLifetime }
        },
        refresh: options.refresh ?? false,
        circuitBreaker: options.circuitBreaker,
        rateLimit: options.rateLimit,
        scopePolicy: options.scopePolicy,
        shared: isShared ? { ...options.shared, namespace } : false
      })

    const namespace = options.shared === false ? undefined : options.shared?.namespace
    const identity = ClientAuthentication.identityOf(options.authentication)
    const own = yield* Effect.flatMap(TokenSource.clientCredentials(base), managed(namespace))
    // A subject token is a parameter of the request like any other, so that each has its own place in the cache.
    const exchanged = yield* Effect.flatMap(
      TokenSource.grant({ ...base, grant: Grant.make({ type: exchangeType }) }),
      managed(
        namespace === undefined && identity === undefined
          ? undefined
          : exchangeNamespace(namespace, tokenEndpoint, clientId, identity)
      )
    )

    const replace = replacing()

    return {
      allowedScopes: allowedScopes(options, scopes),
      get: (payload: Payload) => {
        const request = requestOf(payload)
        const source = payload.subject_token === undefined ? own : exchanged
        return payload.rejected_token === undefined
          ? source.get(request)
          : replace(source, payload.rejected_token, request)
      }
    }
  }).pipe(
    Effect.provideServiceEffect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, named(options.userAgent)))
  )

const named = (userAgent: string | undefined) => (client: HttpClient.HttpClient): HttpClient.HttpClient =>
  userAgent === undefined ? client : HttpClient.mapRequest(client, HttpClientRequest.setHeader("user-agent", userAgent))

// --- settings -------------------------------------------------------------------------------------------------------

interface Settled {
  readonly clientId: string
  readonly tokenEndpoint: string | URL | ServerMetadata.EndpointLocation
  readonly scopes: Scopes.Scopes
}

/** What is read comes from somewhere that may hang, and every request waits for it. */
const inTime = <A>(settings: Effect.Effect<A, TokenError.RequestError>): Effect.Effect<A, TokenError.RequestError> =>
  OwnRequest.deadline("total", Option.some(settingsTimeout), "the place where the settings of the data action are")(
    settings
  )

const settingsTimeout = Duration.seconds(10)

/** Reads what comes from a store. Everything that is missing is named in one error, before any token request. */
const settle = (options: Options): Effect.Effect<Settled, TokenError.RequestError> =>
  Effect.gen(function*() {
    const [clientId, tokenEndpoint, scopes, secret] = yield* Effect.all([
      Effect.either(required(options.clientId, { field: "clientId", name: "the client id" })),
      Effect.either(endpointOf(options.tokenEndpoint)),
      Effect.either(scopesOf(options.scopes)),
      Effect.either(isThere(options.authentication))
    ], { concurrency: "unbounded" })
    const wrong = [clientId, tokenEndpoint, scopes, secret].flatMap((
      one: Either.Either<unknown, TokenError.RequestError>
    ) => Either.isLeft(one) && one.left._tag === "InvalidConfiguration" ? [one.left] : [])
    if (wrong.length > 0) {
      return yield* new TokenError.InvalidConfiguration({
        fields: Array.from(new Set(wrong.flatMap(({ fields }) => fields))),
        detail: Array.from(new Set(wrong.map(({ detail }) => detail))).join("; ")
      })
    }
    return { clientId: yield* clientId, tokenEndpoint: yield* tokenEndpoint, scopes: yield* scopes }
  })

const endpointOf = (
  setting: Options["tokenEndpoint"]
): Effect.Effect<Settled["tokenEndpoint"], TokenError.RequestError> =>
  setting instanceof URL || ServerMetadata.isEndpointLocation(setting)
    ? Effect.succeed(setting)
    : required(setting, { field: "tokenEndpoint", name: "the token endpoint" })

const scopesOf = (setting: Options["scopes"]): Effect.Effect<Scopes.Scopes, TokenError.RequestError> =>
  Effect.isEffect(setting)
    ? Effect.map(Secret.guarded(setting, { field: "scopes", name: "the scopes" }), Scopes.make)
    : Effect.succeed(Scopes.make(setting ?? []))

/** The secret is read again for every token request: a vault that does not answer now is asked again then. */
const isThere = ({ current }: Options["authentication"]): Effect.Effect<unknown, TokenError.InvalidConfiguration> =>
  Effect.catchAll(current, (error) => error._tag === "InvalidConfiguration" ? Effect.fail(error) : Effect.void)

const required = (
  setting: Setting,
  origin: { readonly field: string; readonly name: string }
): Effect.Effect<string, TokenError.RequestError> =>
  Effect.flatMap(Effect.isEffect(setting) ? Secret.guarded(setting, origin) : Effect.succeed(setting), (value) => {
    const text: unknown = Redacted.isRedacted(value) ? Redacted.value(value) : value
    return typeof text === "string" && text.trim() !== ""
      ? Effect.succeed(text.trim())
      : Effect.fail(
        new TokenError.InvalidConfiguration({
          fields: [origin.field],
          detail: `${origin.name} is missing or blank`
        })
      )
  })

const allowedScopes = (options: Options, configured: Scopes.Scopes): Scopes.Scopes | undefined =>
  options.allowedScopes === "any"
    ? undefined
    : options.allowedScopes !== undefined
    ? Scopes.make(options.allowedScopes)
    : configured.length === 0
    ? undefined
    : configured

// --- requests -------------------------------------------------------------------------------------------------------

const requestOf = (payload: Payload): TokenRequest.TokenRequest =>
  TokenRequest.make({
    scopes: payload.scope ?? [],
    audience: words(payload.audience),
    resource: words(payload.resource),
    parameters: payload.subject_token === undefined ? {} : {
      subject_token: Redacted.value(payload.subject_token),
      subject_token_type: payload.subject_token_type ?? Grant.TokenType.accessToken,
      ...(payload.actor_token === undefined ? {} : {
        actor_token: Redacted.value(payload.actor_token),
        actor_token_type: payload.actor_token_type ?? Grant.TokenType.accessToken
      }),
      ...(payload.requested_token_type === undefined ? {} : { requested_token_type: payload.requested_token_type })
    }
  })

/** A flow sends an empty text for what it has not set. */
const words = (value: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  (typeof value === "string" ? [value] : value ?? []).map((text) => text.trim()).filter((text) => text !== "")

/** An API that refuses whatever it gets must not make every flow request a token. */
const renewInterval = 5000

/**
 * Another token than the one an API refused. Who reports one that was replaced meanwhile gets the newer; who reports
 * one that is itself such a replacement, and new, gets it again.
 */
const replacing = () => {
  const replacements = new WeakMap<AccessToken.AccessToken, Clocks.Period>()
  return (
    source: TokenSource.With<TokenError.TokenError>,
    rejected: Redacted.Redacted,
    request: TokenRequest.TokenRequest
  ): Effect.Effect<AccessToken.AccessToken, TokenError.TokenError> =>
    Effect.gen(function*() {
      const reported = AccessToken.make({ value: rejected })
      const { token: held } = yield* TokenSource.status(source, request)
      if (Option.isSome(held) && !AccessToken.isSame(held.value, reported)) return held.value
      const current = Option.getOrElse(held, () => reported)
      const replaced = replacements.get(current)
      if (replaced !== undefined && !Clocks.isOver(replaced, yield* Clocks.now)) {
        yield* Effect.logWarning(
          "an API refuses a token that was just renewed; it is not renewed again at once [fresh-token-rejected]"
        )
        return current
      }
      const token = yield* source.renew(current, request)
      if (!replacements.has(token)) {
        replacements.set(token, Clocks.period(yield* Clocks.now, renewInterval))
      }
      return token
    })
}

// --- the shared store -----------------------------------------------------------------------------------------------

/**
 * Subject tokens are part of the request, and so of the digest that ends a key; what is left to tell apart is who
 * exchanges, and where. All of that is in a digest, too (the rule is in `Digest`): two servers or clients that differ in
 * anything have two names, and a query of the endpoint, which may hold an API key, is in none.
 */
export const exchangeNamespace = (
  namespace: string | undefined,
  tokenEndpoint: string | URL | ServerMetadata.EndpointLocation,
  clientId: string,
  /** What the client's credentials add to its id. */
  identity = ""
): string => {
  if (namespace !== undefined) return `exchange:${namespace}`
  const server = ServerMetadata.isEndpointLocation(tokenEndpoint)
    ? ["issuer", ServerMetadata.issuerOf(tokenEndpoint)]
    : ["endpoint", String(tokenEndpoint)]
  // for people who look into the store
  const place = server[1]!.replace(/^\w+:\/\//, "").replace(/[?#].*$/s, "").replace(/[^\w./-]/g, "-").slice(0, 60)
  return `exchange:${place}:${
    Digest.shortNameOf(JSON.stringify([...server, clientId, ...(identity === "" ? [] : [identity])]))
  }`
}
