/** From a profile of the configuration to the sources of its tokens. */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as SigningKey from "@effect-bearer/jose/SigningKey"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import * as Digest from "effect-bearer/Digest"
import * as Grant from "effect-bearer/Grant"
import * as RefreshToken from "effect-bearer/RefreshToken"
import * as ServerMetadata from "effect-bearer/ServerMetadata"
import * as TokenError from "effect-bearer/TokenError"
import * as TokenSource from "effect-bearer/TokenSource"
import { TokenStore } from "effect-bearer/TokenStore"
import type { Profile, SecretReference } from "../BrokerConfig.js"
import * as secrets from "../config/secrets.js"

/** How a reference of the configuration becomes a secret that is read at each use. */
export type ReadSecret = (
  reference: SecretReference
) => Effect.Effect<Effect.Effect<Redacted.Redacted, TokenError.RequestError>, TokenError.InvalidConfiguration>

/** The sources of one profile: its own tokens, and those that callers get for tokens of their own (RFC 8693). */
export interface Sources {
  readonly own: TokenSource.With<TokenError.TokenError>
  readonly exchange: TokenSource.With<TokenError.TokenError> | undefined
}

/** Its parameters, subject token and all, come with each token request. */
const exchangeGrant = Grant.make({
  type: "urn:ietf:params:oauth:grant-type:token-exchange",
  parameters: () => Effect.succeed([])
})

export const make = (
  name: string,
  profile: Profile,
  readSecret: ReadSecret,
  /** Whether tokens are renewed ahead of need: not by a program that asks once and ends. */
  ahead = true
): Effect.Effect<Sources, TokenError.InvalidConfiguration, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    const options: TokenSource.Options = {
      tokenEndpoint: yield* endpointOf(profile),
      clientId: profile.clientId,
      authentication: yield* authentication(profile, readSecret),
      timeout: profile.timeout,
      scopes: profile.scopes,
      audience: profile.audience,
      resource: profile.resource,
      parameters: profile.parameters,
      allowInsecure: profile.allowInsecure
    }
    const hasStore = Option.isSome(yield* Effect.serviceOption(TokenStore))
    const managed = (purpose: "own" | "exchange") =>
      TokenSource.managed({
        cache: {
          capacity: profile.capacity,
          clockSkew: profile.clockSkew,
          onMissingExpiry: { assume: profile.assumeLifetime }
        },
        // a subject whose token is exchanged may never come again
        refresh: purpose === "exchange" || !ahead ? false : { ahead: profile.ahead },
        rateLimit: profile.rateLimit,
        shared: hasStore ? { namespace: namespaceOf(name, profile, purpose) } : false
      })
    const own = yield* grantOf(name, profile, options, readSecret)
    return {
      own: yield* managed("own")(own),
      exchange: profile.tokenExchange
        ? yield* Effect.flatMap(TokenSource.grant({ ...options, grant: exchangeGrant }), managed("exchange"))
        : undefined
    }
  })

const endpointOf = (profile: Profile) =>
  profile.issuer === undefined
    ? Effect.succeed(profile.tokenEndpoint ?? "")
    : Effect.map(
      ServerMetadata.make(profile.issuer, { allowInsecure: profile.allowInsecure, timeout: profile.timeout }),
      (metadata) => ServerMetadata.tokenEndpoint(metadata)
    )

export const authentication = (profile: Profile, readSecret: ReadSecret) =>
  Effect.gen(function*() {
    const { authentication: own } = profile
    switch (own.method) {
      case "none":
        return ClientAuthentication.none
      case "basic":
        return ClientAuthentication.basic(yield* readSecret(own.secret))
      case "basic-raw":
        return ClientAuthentication.basicRaw(yield* readSecret(own.secret))
      case "post":
        return ClientAuthentication.post(yield* readSecret(own.secret))
      case "private-key-jwt": {
        const { algorithm, audience, key, keyId } = own
        const { privateKeyJwt } = yield* jose
        return privateKeyJwt({
          key: yield* readSecret(key),
          // an impossible name is refused when the key is used
          alg: algorithm as SigningKey.Algorithm | undefined,
          kid: keyId,
          audience
        })
      }
    }
  })

/** An optional package: loaded where a profile needs it. */
const jose = Effect.tryPromise({
  try: () => import("@effect-bearer/jose/ClientAssertion"),
  catch: () =>
    new TokenError.InvalidConfiguration({
      fields: ["authentication.method"],
      detail: "private-key-jwt needs the package @effect-bearer/jose: install it beside the broker"
    })
})

const grantOf = (name: string, profile: Profile, options: TokenSource.Options, readSecret: ReadSecret) =>
  Effect.gen(function*() {
    const { grant } = profile
    switch (grant.type) {
      case "client_credentials":
        return yield* TokenSource.clientCredentials(options)
      case "refresh_token":
        return yield* TokenSource.refreshToken({
          ...options,
          // what a source is made with is there before its first request
          refreshToken: yield* secrets.now(yield* readSecret(grant.refreshToken), {
            field: "grant.refreshToken",
            what: "the refresh token",
            limit: profile.timeout
          }),
          // the store knows which token has replaced it
          store: yield* refreshTokenStore(name, profile)
        })
      case "jwt_bearer":
        return yield* TokenSource.grant({
          ...options,
          grant: Grant.jwtBearer({ assertion: yield* readSecret(grant.assertion) })
        })
    }
  })

const refreshTokenStore = (name: string, profile: Profile) =>
  Effect.flatMap(
    Effect.serviceOption(TokenStore),
    (store) =>
      Option.isNone(store) ? Effect.succeed(undefined) : Effect.provideService(
        RefreshToken.shared({ namespace: namespaceOf(name, profile, "refresh") }),
        TokenStore,
        store.value
      )
  )

/** Whose tokens these are among brokers that share a store; the token request adds scopes, audience, resource and subject. */
const namespaceOf = (name: string, profile: Profile, purpose: string): string =>
  `broker:${name}:${
    Digest.shortNameOf(JSON.stringify([
      profile.issuer ?? "",
      profile.tokenEndpoint ?? "",
      profile.clientId,
      profile.grant.type,
      purpose
    ]))
  }`
