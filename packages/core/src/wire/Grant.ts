/**
 * The part of a token request that is not about the client: the grant type and its parameters (RFC 6749 §4).
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Scopes from "../values/Scopes.js"
import * as TokenError from "../values/TokenError.js"
import type * as TokenRequest from "../values/TokenRequest.js"
import type * as ClientAuthentication from "./ClientAuthentication.js"
import * as credential from "./credential.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~effect-bearer/Grant"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~effect-bearer/Grant"

/**
 * Parameters of the form body.
 *
 * @since 0.1.0
 * @category models
 */
export type Parameters = ClientAuthentication.Parameters

/**
 * @since 0.1.0
 * @category models
 */
export interface Grant {
  readonly [TypeId]: TypeId
  /** The value of `grant_type`. */
  readonly type: string
  /** The form for one request, `grant_type` first; evaluated on every attempt. */
  readonly parameters: (
    request: TokenRequest.TokenRequest,
    context: ClientAuthentication.Context
  ) => Effect.Effect<Parameters, TokenError.RequestError>
}

/**
 * A grant from its type and its own parameters. Scope, audience, resource and extra parameters of the token request are
 * added automatically.
 *
 * @example
 * ```ts
 * import { Grant } from "effect-bearer"
 * import { Effect, Redacted } from "effect"
 *
 * const exchange = (subjectToken: Redacted.Redacted) =>
 *   Grant.make({
 *     type: "urn:ietf:params:oauth:grant-type:token-exchange",
 *     parameters: () =>
 *       Effect.succeed([
 *         ["subject_token", subjectToken],
 *         ["subject_token_type", "urn:ietf:params:oauth:token-type:access_token"]
 *       ])
 *   })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly type: string
  readonly parameters?: Grant["parameters"] | undefined
}): Grant => ({
  [TypeId]: TypeId,
  type: options.type,
  parameters: (request, context) =>
    Effect.flatMap(
      options.parameters === undefined ? Effect.succeed<Parameters>([]) : options.parameters(request, context),
      (own) => withRequest([["grant_type", options.type], ...own], request)
    )
})

/**
 * The client asks on its own behalf (RFC 6749 §4.4).
 *
 * @since 0.1.0
 * @category constructors
 */
export const clientCredentials: Grant = make({ type: "client_credentials" })

/**
 * Token types of RFC 8693 §3, for `subjectTokenType` and its like.
 *
 * @since 0.1.0
 * @category constants
 */
export const TokenType = {
  accessToken: "urn:ietf:params:oauth:token-type:access_token",
  refreshToken: "urn:ietf:params:oauth:token-type:refresh_token",
  idToken: "urn:ietf:params:oauth:token-type:id_token",
  saml1: "urn:ietf:params:oauth:token-type:saml1",
  saml2: "urn:ietf:params:oauth:token-type:saml2",
  jwt: "urn:ietf:params:oauth:token-type:jwt"
} as const

/**
 * The tokens that are exchanged for an access token. Each may be an effect that yields it; the effect runs on every
 * attempt.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenExchange {
  /** The token of the party on whose behalf the request is made (RFC 8693 §2.1). */
  readonly subjectToken: ClientAuthentication.Secret
  /** Default {@link TokenType}`.accessToken`. */
  readonly subjectTokenType?: string | undefined
  /** The token of the party that acts, for delegation. */
  readonly actorToken?: ClientAuthentication.Secret | undefined
  /** Default {@link TokenType}`.accessToken`. Sent only with an actor token. */
  readonly actorTokenType?: string | undefined
  /** The requested type; the server decides when it is absent. */
  readonly requestedTokenType?: string | undefined
}

/**
 * Exchanges one token for another (RFC 8693). Audience, resource and scopes come from the token request.
 *
 * @example
 * ```ts
 * import { Grant } from "effect-bearer"
 * import { Redacted } from "effect"
 *
 * const onBehalfOf = Grant.tokenExchange({ subjectToken: Redacted.make("the caller's token") })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const tokenExchange = (options: TokenExchange): Grant => {
  const subject = credential.make(options.subjectToken, { field: "subjectToken", name: "the subject token" })
  const actor = options.actorToken === undefined
    ? undefined
    : credential.make(options.actorToken, { field: "actorToken", name: "the actor token" })
  return make({
    type: "urn:ietf:params:oauth:grant-type:token-exchange",
    parameters: () =>
      Effect.gen(function*() {
        const parameters: Array<Parameters[number]> = [
          ["subject_token", yield* subject.read],
          ["subject_token_type", options.subjectTokenType ?? TokenType.accessToken]
        ]
        if (actor !== undefined) {
          parameters.push(
            ["actor_token", yield* actor.read],
            ["actor_token_type", options.actorTokenType ?? TokenType.accessToken]
          )
        }
        if (options.requestedTokenType !== undefined) {
          parameters.push(["requested_token_type", options.requestedTokenType])
        }
        return parameters
      })
  })
}

/**
 * Presents a signed assertion as the authorization (RFC 7523 §2.1). Many servers accept an assertion only once: give an
 * effect that signs a new one for each attempt.
 *
 * @since 0.1.0
 * @category constructors
 */
export const jwtBearer = (options: { readonly assertion: ClientAuthentication.Secret }): Grant => {
  const { read } = credential.make(options.assertion, { field: "assertion", name: "the assertion" })
  return make({
    type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    parameters: () => Effect.map(read, (assertion) => [["assertion", assertion]])
  })
}

/**
 * Spends a refresh token (RFC 6749 §6). This is only the request: `TokenSource.refreshToken` takes care of rotation,
 * storage and recovery.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refreshToken = (options: { readonly refreshToken: ClientAuthentication.Secret }): Grant => {
  const { read } = credential.make(options.refreshToken, { field: "refreshToken", name: "the refresh token" })
  return make({
    type: "refresh_token",
    parameters: () => Effect.map(read, (token) => [["refresh_token", token]])
  })
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isGrant = (u: unknown): u is Grant => Predicate.hasProperty(u, TypeId)

/**
 * Names that an extra parameter may not have, because it would silently replace a value of the options: those of RFC
 * 6749 §4.4, RFC 7521 §4.2, RFC 8693 §2.1 and RFC 8707 §2.
 *
 * @since 0.1.0
 * @category constants
 */
export const reserved: ReadonlySet<string> = new Set([
  "grant_type",
  "client_id",
  "client_secret",
  "client_assertion",
  "client_assertion_type",
  "scope",
  "audience",
  "resource"
])

const withRequest = (
  own: Parameters,
  request: TokenRequest.TokenRequest
): Effect.Effect<Parameters, TokenError.InvalidConfiguration> => {
  const taken = new Set(own.map(([name]) => name))
  const extra = Object.entries(request.parameters)
  const clashing = extra.map(([name]) => name).filter((name) =>
    reserved.has(name.trim().toLowerCase()) || taken.has(name) || name.trim() === ""
  )
  if (clashing.length > 0) {
    return Effect.fail(
      new TokenError.InvalidConfiguration({
        fields: clashing.map((name) => `parameters.${name}`),
        detail: "an extra parameter may not replace one that the library sends; " +
          "use the options scopes, audience, resource, clientId and authentication"
      })
    )
  }
  const shapeless = extra.filter(([, value]) => typeof value !== "string").map(([name]) => name)
  if (shapeless.length > 0) {
    return Effect.fail(
      new TokenError.InvalidConfiguration({
        fields: shapeless.map((name) => `parameters.${name}`),
        detail: "an extra parameter is a text"
      })
    )
  }
  return Effect.succeed([
    ...own,
    // some servers refuse an empty `scope=`
    ...(request.scopes.length === 0 ? [] : [["scope", Scopes.format(request.scopes)] as const]),
    ...request.audience.map((value) => ["audience", value] as const),
    ...request.resource.map((value) => ["resource", value] as const),
    // an extra parameter may be a password or an assertion
    ...extra.map(([name, value]) => [name, Redacted.make(value)] as const)
  ])
}
