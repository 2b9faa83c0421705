// What verification can fail with; published by Jwks.
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import type * as Scopes from "effect-bearer/Scopes"

/**
 * The token was genuine and is not valid any more.
 *
 * @since 0.1.0
 * @category errors
 */
export class TokenExpired extends Data.TaggedError("TokenExpired")<{
  /** Epoch milliseconds. */
  readonly expiredAt: Option.Option<number>
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token has expired${
      Option.match(this.expiredAt, { onNone: () => "", onSome: (at) => ` at ${new Date(at).toISOString()}` })
    }.`
  }
}

/**
 * The signature is not that of the key it claims: the token was altered or made up.
 *
 * @since 0.1.0
 * @category errors
 */
export class BadSignature extends Data.TaggedError("BadSignature")<{}> {
  readonly retryable = false as const
  override get message(): string {
    return "The signature of the token does not match the issuer's key."
  }
}

/**
 * No key of the issuer fits the token. Its name for the key is shown if it reads like a name or is a UUID: anybody can
 * write anything there, and a long random text may be a credential. The command `effect-bearer inspect` shows it in any
 * case.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownKey extends Data.TaggedError("UnknownKey")<{
  readonly kid: Option.Option<string>
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The issuer's key set has no key ${
      Option.match(this.kid, { onNone: () => "that fits", onSome: (kid) => `"${kid}"` })
    }.`
  }
}

/**
 * The token is for somebody else.
 *
 * @since 0.1.0
 * @category errors
 */
export class WrongAudience extends Data.TaggedError("WrongAudience")<{
  readonly expected: ReadonlyArray<string>
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token is not for ${this.expected.join(" or ")}: ask for the right audience or resource.`
  }
}

/**
 * The token comes from somebody else.
 *
 * @since 0.1.0
 * @category errors
 */
export class WrongIssuer extends Data.TaggedError("WrongIssuer")<{
  readonly expected: string
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token was not issued by ${this.expected}.`
  }
}

/**
 * Another claim, or the type in the header, is missing or not as it must be: `exp`, `nbf`, `typ`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ClaimRejected extends Data.TaggedError("ClaimRejected")<{
  readonly claim: string
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The claim "${this.claim}" of the token is missing or not acceptable.`
  }
}

/**
 * The token lacks scopes.
 *
 * @since 0.1.0
 * @category errors
 */
export class MissingScopes extends Data.TaggedError("MissingScopes")<{
  readonly required: Scopes.Scopes
  readonly granted: Scopes.Scopes
  readonly missing: Scopes.Scopes
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token lacks ${this.missing.join(", ")} (granted: ${few(this.granted) || "none"}).`
  }
}

/** A token may have any number of scopes, of any length. */
const few = (scopes: Scopes.Scopes): string => {
  const text = scopes.slice(0, 20).join(", ").slice(0, 500)
  return scopes.length > 20 ? `${text}, … ${scopes.length} in all` : text
}

/**
 * This is no signed JWT, or it is signed in a way that is not accepted. Opaque tokens are for introspection.
 *
 * @since 0.1.0
 * @category errors
 */
export class MalformedToken extends Data.TaggedError("MalformedToken")<{
  readonly detail: string
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token cannot be verified: ${this.detail}.`
  }
}

/**
 * The key set could not be fetched, so nothing is known about the token.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeysUnavailable extends Data.TaggedError("KeysUnavailable")<{
  /** Origin and path. */
  readonly endpoint: string
  readonly detail: string
}> {
  readonly retryable = true as const
  override get message(): string {
    return `The key set of ${this.endpoint} could not be fetched: ${this.detail}.`
  }
}

/**
 * What verification can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type JwksError =
  | TokenExpired
  | BadSignature
  | UnknownKey
  | WrongAudience
  | WrongIssuer
  | ClaimRejected
  | MissingScopes
  | MalformedToken
  | KeysUnavailable

/**
 * @since 0.1.0
 * @category guards
 */
export const isJwksError = (u: unknown): u is JwksError =>
  u instanceof TokenExpired || u instanceof BadSignature || u instanceof UnknownKey || u instanceof WrongAudience ||
  u instanceof WrongIssuer || u instanceof ClaimRejected || u instanceof MissingScopes ||
  u instanceof MalformedToken || u instanceof KeysUnavailable
