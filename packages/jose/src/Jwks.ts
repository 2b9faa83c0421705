/**
 * Verification of JWT access tokens (RFC 9068) against the public keys of their issuer, a JWK set: for resource
 * servers, and for clients that want to know what they were given before they use it.
 *
 * Keys are matched and signatures checked by the `jose` library. The set is fetched through Effect's `HttpClient` and
 * kept by Effect's `Clock`, rather than by the library's own remote set, so that proxies, TLS settings and `TestClock`
 * apply to it as to every other request of this library. A set is kept for ten minutes, and a token signed with an
 * unknown key has it fetched again, at most every thirty seconds. One fetch serves all who wait for it. While it cannot
 * be fetched again, it is used for another hour.
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as AccessToken from "effect-bearer/AccessToken"
import * as OwnRequest from "effect-bearer/OwnRequest"
import type * as TokenError from "effect-bearer/TokenError"
import type { Options, Verified } from "./jwks/contract.js"
import type { JwksError } from "./jwks/errors.js"
import { settle } from "./jwks/settings.js"
import { verifier } from "./jwks/verification.js"

export type { Options, Verified } from "./jwks/contract.js"
export type { JwksError } from "./jwks/errors.js"
export {
  BadSignature,
  ClaimRejected,
  isJwksError,
  KeysUnavailable,
  MalformedToken,
  MissingScopes,
  TokenExpired,
  UnknownKey,
  WrongAudience,
  WrongIssuer
} from "./jwks/errors.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Verifier {
  readonly verify: (token: AccessToken.AccessToken | Redacted.Redacted) => Effect.Effect<Verified, JwksError>
}

/**
 * A verifier that keeps the keys of one issuer. Make one and keep it: the keys live as long as it does.
 *
 * @example
 * ```ts
 * import { Jwks } from "@effect-bearer/jose"
 * import { Effect } from "effect"
 * import type { Redacted } from "effect"
 *
 * const program = (token: Redacted.Redacted) =>
 *   Effect.gen(function*() {
 *     const verifier = yield* Jwks.make({
 *       issuer: "https://login.example.com",
 *       audience: "https://api.example.com",
 *       jwksUri: "https://login.example.com/.well-known/jwks.json",
 *       algorithms: ["RS256"],
 *       requiredScopes: "users:read"
 *     })
 *     const { claims } = yield* verifier.verify(token)
 *     return claims.sub
 *   }).pipe(Effect.catchTag("TokenExpired", () => Effect.succeed(undefined)))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Verifier, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const settled = yield* settle(options)
    const send = yield* OwnRequest.make
    const check = verifier(settled)
    return { verify: (token) => check(token, send) }
  })

/**
 * The same without a step in between: a function that keeps the keys, and takes the `HttpClient` from each call. What is
 * wrong with the options is told by every call.
 *
 * @example
 * ```ts
 * import { Jwks } from "@effect-bearer/jose"
 *
 * const verify = Jwks.verify({
 *   issuer: "https://login.example.com",
 *   audience: "https://api.example.com",
 *   jwksUri: "https://login.example.com/.well-known/jwks.json",
 *   algorithms: ["RS256", "PS256"]
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const verify = (
  options: Options
): (
  token: AccessToken.AccessToken | Redacted.Redacted
) => Effect.Effect<Verified, JwksError | TokenError.InvalidConfiguration, HttpClient.HttpClient> => {
  let check: ReturnType<typeof verifier> | undefined
  return (token) =>
    Effect.flatMap(OwnRequest.make, (send) =>
      check !== undefined
        ? check(token, send)
        : Effect.flatMap(settle(options), (settled) => (check ??= verifier(settled))(token, send)))
}
