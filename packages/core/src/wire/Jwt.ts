/**
 * A look inside access tokens that are JWTs, **without verifying anything**: neither signature nor issuer nor expiry is
 * checked, and the sender of a token can have written anything into it.
 *
 * That is good enough for planning, and for finding early what an API would refuse, because the API itself verifies the
 * token. It is not good enough to decide what a user may do. A token that is not a JWT is never an error here: to a
 * client an access token is opaque (RFC 9068 §6).
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as scopeNames from "../values/scopeNames.js"
import * as Scopes from "../values/Scopes.js"
import * as TokenError from "../values/TokenError.js"
import * as numericDate from "./numericDate.js"
import type { TokenLike } from "./tokenLike.js"
import * as tokenLike from "./tokenLike.js"

/**
 * The claims in a token. **They are not verified.** Claims other than scopes and times are `Redacted`, because they may
 * name people.
 *
 * @since 0.1.0
 * @category models
 */
export class UnverifiedClaims extends Data.TaggedClass("UnverifiedClaims")<{
  /** From `scope` (a string) and `scp` (a list or a string), whichever is there. */
  readonly scopes: Scopes.Scopes
  /** `exp`, epoch milliseconds. */
  readonly expiresAt: Option.Option<number>
  /** `iat`, epoch milliseconds. */
  readonly issuedAt: Option.Option<number>
  /** `nbf`, epoch milliseconds. */
  readonly notBefore: Option.Option<number>
  /** The whole payload. */
  readonly claims: Redacted.Redacted<Readonly<Record<string, unknown>>>
  /** The JOSE header: `alg`, `kid`, `typ`. */
  readonly header: Redacted.Redacted<Readonly<Record<string, unknown>>>
}> {}

/** Longer tokens are not decoded: no header carries them. */
const longest = 65_536

/**
 * The claims of a JWT, **not verified**; `None` for any token that is not a JWT, and for an encrypted JWT. It never
 * fails, whatever the text.
 *
 * @example
 * ```ts
 * import type { AccessToken } from "effect-bearer"
 * import { Jwt } from "effect-bearer"
 * import { Option, Redacted } from "effect"
 *
 * declare const token: AccessToken.AccessToken
 *
 * // for a log line, never for a decision
 * const tenant = Option.map(Jwt.decode(token), ({ claims }) => Redacted.value(claims).tenant)
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (token: TokenLike): Option.Option<UnverifiedClaims> => {
  const text: unknown = Redacted.value(tokenLike.redacted(token))
  if (typeof text !== "string" || text.length > longest) return Option.none()
  const [header, payload, signature, ...more] = text.split(".")
  if (payload === undefined || signature === undefined || more.length > 0) return Option.none()
  // an unsecured JWT has an empty signature
  if (signature !== "" && Option.isNone(bytes(signature))) return Option.none()
  return Option.map(
    Option.all([json(header!), json(payload)]),
    ([header, claims]) =>
      new UnverifiedClaims({
        scopes: scopesIn(claims, defaultScopeClaims),
        expiresAt: numericDate.parse(own(claims, "exp")),
        issuedAt: numericDate.parse(own(claims, "iat")),
        notBefore: numericDate.parse(own(claims, "nbf")),
        claims: Redacted.make(claims),
        header: Redacted.make(header)
      })
  )
}

const defaultScopeClaims: ReadonlyArray<string> = ["scope", "scp"]

/**
 * Compares the scopes a token claims with those a program is going to need, to fail early and by name rather than
 * with a 403 later on. **It grants nothing**: the claims are not verified.
 *
 * **Details**
 *
 * Success holds the claims that were read, or `None` for a token that is not a JWT, about which nothing is known. A JWT
 * without any of the claims has no scopes. Some servers keep the scopes in other claims: name those claims then, for
 * example `["roles"]` (Entra) or `["permissions"]` (Auth0).
 *
 * **Example** (At the start of a program)
 *
 * ```ts
 * import { Jwt, TokenSource } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * const token = Effect.gen(function*() {
 *   const tokens = yield* TokenSource.TokenSource
 *   const token = yield* tokens.get()
 *   yield* Jwt.checkScopes(token, "analytics:read users:read")
 *   return token
 * })
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const checkScopes = (
  token: TokenLike,
  required: Scopes.Input,
  options: { readonly claims?: ReadonlyArray<string> | undefined } = {}
): Either.Either<Option.Option<UnverifiedClaims>, TokenError.ScopeNotGranted> => {
  const decoded = decode(token)
  if (Option.isNone(decoded)) return Either.right(decoded)
  const granted = options.claims === undefined
    ? decoded.value.scopes
    : scopesIn(Redacted.value(decoded.value.claims), options.claims)
  const requested = Scopes.make(required)
  const missing = Scopes.missing(requested, granted)
  return missing.length === 0 ? Either.right(decoded) : Either.left(
    new TokenError.ScopeNotGranted({
      requested,
      granted,
      missing,
      renamed: scopeNames.renamed(missing, requested, granted)
    })
  )
}

/**
 * Own members only: a claim may be called `constructor`, and a missing claim must not yield a function of the
 * prototype.
 */
const own = (claims: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(claims, name) ? claims[name] : undefined

const scopesIn = (claims: Readonly<Record<string, unknown>>, names: ReadonlyArray<string>): Scopes.Scopes =>
  Scopes.make(
    names.map((name) => own(claims, name)).flatMap((value) => Array.isArray(value) ? value : [value])
      .filter((value) => typeof value === "string")
  )

/** Strict: no padding, no white space, and only the canonical spelling of each sequence of bytes. */
const bytes = (part: string): Option.Option<Uint8Array> =>
  /^[A-Za-z0-9_-]+$/.test(part)
    ? Option.filter(
      Either.getRight(Encoding.decodeBase64Url(part)),
      (decoded) => Encoding.encodeBase64Url(decoded) === part
    )
    : Option.none()

const json = (part: string): Option.Option<Readonly<Record<string, unknown>>> =>
  Option.filter(Option.flatMap(bytes(part), parse), Predicate.isRecord)

const parse = Option.liftThrowable((part: Uint8Array): unknown =>
  JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part))
)
