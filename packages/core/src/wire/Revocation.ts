/**
 * Tells the authorization server that a token is no longer needed (RFC 7009).
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as TokenError from "../values/TokenError.js"
import * as decode from "./decode.js"
import * as Disclosure from "./Disclosure.js"
import * as endpointOptions from "./endpointOptions.js"
import * as refusal from "./endpointRefusal.js"
import * as formEndpoint from "./formEndpoint.js"
import type * as ServerMetadata from "./ServerMetadata.js"
import * as statedError from "./statedError.js"
import * as statuses from "./statuses.js"
import type { TokenLike } from "./tokenLike.js"
import * as tokenLike from "./tokenLike.js"
import type { Reply } from "./TokenResponse.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~effect-bearer/Revocation"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~effect-bearer/Revocation"

/**
 * The revocation endpoint, and the client that revokes: the one the token was issued to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends endpointOptions.Options {
  /** The revocation endpoint, or `ServerMetadata.revocationEndpoint(issuer)`. */
  readonly endpoint: string | URL | ServerMetadata.EndpointLocation
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Revocation {
  readonly [TypeId]: TypeId
  /** Origin and path; for an endpoint that has not been looked up yet, the issuer. */
  readonly endpoint: string
  /**
   * Revokes one token. It also succeeds for a token that the server does not know, or that has already expired (RFC
   * 7009 §2.2). A server that says "later" with 503 gives an `EndpointUnavailable` with its `Retry-After`; one that
   * cannot revoke this type of token gives an `OAuthError` with the code `unsupported_token_type`.
   *
   * To revoke a refresh token, give the hint `"refresh_token"`; the access tokens that came from it are revoked with
   * it.
   */
  readonly revoke: (
    token: TokenLike,
    options?: {
      /** `token_type_hint`: where the server should look first. Default `"access_token"`. */
      readonly hint?: "access_token" | "refresh_token" | (string & {}) | undefined
    }
  ) => Effect.Effect<void, TokenError.RequestError>
}

/**
 * Checks the options, before any network call. Limits, redirects, errors and secrets are treated as those of a
 * `TokenEndpoint`.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Revocation, ServerMetadata } from "effect-bearer"
 * import type { AccessToken } from "effect-bearer"
 * import { Config, Effect } from "effect"
 *
 * declare const token: AccessToken.AccessToken
 *
 * const program = Effect.gen(function*() {
 *   const revocation = yield* Revocation.make({
 *     endpoint: ServerMetadata.revocationEndpoint("https://login.example.com"),
 *     clientId: "reports",
 *     authentication: ClientAuthentication.basic(Config.redacted("CLIENT_SECRET"))
 *   })
 *   yield* revocation.revoke(token)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  options: Options
) => Effect.Effect<Revocation, TokenError.InvalidConfiguration, HttpClient.HttpClient> = Effect.fnUntraced(function*(
  options
) {
  const settled = yield* endpointOptions.settle(options, {
    field: "endpoint",
    what: "a revocation endpoint",
    example: "https://login.example.com/oauth/revoke",
    value: options.endpoint
  })
  const form = yield* formEndpoint.make(options, settled)
  return {
    [TypeId]: TypeId,
    endpoint: form.endpoint,
    revoke: (token, { hint = "access_token" } = {}) =>
      form.post({
        span: "Revocation.revoke",
        parameters: () => Effect.succeed([["token", tokenLike.redacted(token)], ["token_type_hint", hint]]),
        read
      })
  }
})

/**
 * @since 0.1.0
 * @category guards
 */
export const isRevocation = (u: unknown): u is Revocation => Predicate.hasProperty(u, TypeId)

/**
 * The status says it all: "the content of the response body is ignored by the client" (RFC 7009 §2.2). A token that is
 * over already is a success as well, but Google and Salesforce say so with 400 and a code.
 */
const read = (reply: Reply, answered: formEndpoint.Answered): Either.Either<void, TokenError.RequestError> => {
  if (statuses.isSuccess(reply.status)) return Either.void
  const decoded = decode.decode(reply.body)
  if (reply.status === 400 && Option.contains(statedError.read(decoded).code, "invalid_token")) return Either.void
  const disclosure = Disclosure.make(answered.secrets)
  return Option.match(
    refusal.classify(reply, decoded, { ...answered, place: "the revocation endpoint" }, disclosure),
    { onNone: () => Either.void, onSome: Either.left }
  )
}
