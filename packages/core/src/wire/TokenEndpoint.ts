/**
 * One HTTP exchange with a token endpoint (RFC 6749 §3.2): it sends a grant and gives a token or a typed error. It has
 * no cache and no retry: those belong to a source.
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import type * as AccessToken from "../values/AccessToken.js"
import * as logs from "../values/logs.js"
import type * as TokenError from "../values/TokenError.js"
import type * as TokenRequest from "../values/TokenRequest.js"
import * as endpointOptions from "./endpointOptions.js"
import * as formEndpoint from "./formEndpoint.js"
import type * as Grant from "./Grant.js"
import * as ServerMetadata from "./ServerMetadata.js"
import * as TokenResponse from "./TokenResponse.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~effect-bearer/TokenEndpoint"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~effect-bearer/TokenEndpoint"

export type { Timeouts } from "./timeouts.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends endpointOptions.Options {
  /**
   * `https`, or `http` on a loopback host; a query is kept, user info and a fragment are refused. Or
   * `ServerMetadata.tokenEndpoint(issuer)`, which looks the endpoint up in the issuer's metadata.
   */
  readonly tokenEndpoint: string | URL | ServerMetadata.EndpointLocation
  /**
   * Some servers call a bearer token `"Application Access Token"` or `"urlencoded"`. `true`, the default, treats any
   * type as `Bearer` and logs a warning, except types with rules of their own (`DPoP`, `MAC`, `N_A`, `PoP`); `false`
   * keeps the type that the server wrote.
   */
  readonly lenientTokenType?: boolean | undefined
  /**
   * Whether the unverified `exp` of an access token that is a JWT is used, for scheduling only: in place of an
   * `expires_in` that is missing or unusable, or if it is earlier than that. An `exp` in the past when the token
   * arrives shows that the clocks differ, and is ignored. Default `true`.
   */
  readonly jwtExpiry?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TokenEndpoint {
  readonly [TypeId]: TypeId
  /** Origin and path, as errors show it; for an endpoint that has not been looked up yet, the issuer. */
  readonly endpoint: string
  readonly clientId: string
  /**
   * Sends one token request. At most 1 MiB of the answer is read; redirects are refused. If the server does not accept
   * the client and its secret has changed since it was read, the request is sent once more.
   */
  readonly request: (
    grant: Grant.Grant,
    request: TokenRequest.TokenRequest
  ) => Effect.Effect<AccessToken.AccessToken, TokenError.RequestError>
  /** The current secret, to find out with `Equal` whether the credentials have changed. */
  readonly credentials: Effect.Effect<Option.Option<Redacted.Redacted>, TokenError.RequestError>
}

/**
 * Checks the options, before any network call, and uses the given `HttpClient` with its decorations. Give it one that
 * does not follow redirects: a client that follows them sends the credentials to any server that a redirect names.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Grant, TokenEndpoint, TokenRequest } from "effect-bearer"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Config, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const endpoint = yield* TokenEndpoint.make({
 *     tokenEndpoint: "https://login.example.com/oauth/token",
 *     clientId: "reporting",
 *     authentication: ClientAuthentication.basic(Config.redacted("CLIENT_SECRET"))
 *   })
 *   return yield* endpoint.request(Grant.clientCredentials, TokenRequest.make({ scopes: "reports:read" }))
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  options: Options
) => Effect.Effect<TokenEndpoint, TokenError.InvalidConfiguration, HttpClient.HttpClient> = Effect.fnUntraced(function*(
  options
) {
  const settled = yield* endpointOptions.settle(options, {
    field: ServerMetadata.fieldOf(options.tokenEndpoint) ?? "tokenEndpoint",
    what: "a token endpoint",
    example: "https://login.example.com/oauth/token",
    value: options.tokenEndpoint
  })
  const form = yield* formEndpoint.make(options, settled)
  const write = yield* logs.writer
  const { authentication, clientId, jwtExpiry = true, lenientTokenType = true } = options
  return {
    [TypeId]: TypeId,
    endpoint: form.endpoint,
    clientId,
    credentials: authentication.current,
    request: (grant, request) =>
      form.post({
        span: "TokenEndpoint.request",
        attributes: { "oauth.grant_type": grant.type },
        parameters: (context) => grant.parameters(request, context),
        read: (reply, answered) =>
          Effect.flatMap(
            TokenResponse.parse(reply, { ...answered, grantType: grant.type, request, lenientTokenType, jwtExpiry }),
            ({ token, warnings }) =>
              Effect.as(
                Effect.forEach(warnings, (warning) => write(LogLevel.Warning, Effect.logWarning(warning)), {
                  discard: true
                }),
                token
              )
          )
      })
  }
})

/**
 * @since 0.1.0
 * @category guards
 */
export const isTokenEndpoint = (u: unknown): u is TokenEndpoint => Predicate.hasProperty(u, TypeId)
