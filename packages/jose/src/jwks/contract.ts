// The options of a verifier, and what it finds; published by Jwks.
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Scopes from "effect-bearer/Scopes"
import type * as jose from "jose"
import type * as SigningKey from "../SigningKey.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Exactly as the `iss` claim spells it. */
  readonly issuer: string
  /** One of these must be in the `aud` claim: the name of the API that asks. */
  readonly audience: string | ReadonlyArray<string>
  /** `https`, or `http` on a loopback host. */
  readonly jwksUri: string | URL
  /** What the issuer signs with. A token says itself how it is signed, so nothing else is believed. */
  readonly algorithms: readonly [SigningKey.Algorithm, ...ReadonlyArray<SigningKey.Algorithm>]
  /** Scopes the token must have, all of them; from `scope` or `scp`. Default none. */
  readonly requiredScopes?: Scopes.Input | undefined
  /**
   * The `typ` of the header. `"at+jwt"` tells access tokens from ID tokens at issuers that follow RFC 9068. Default:
   * not checked.
   */
  readonly typ?: string | undefined
  /** How far the issuer's clock may be off. Default 5 seconds, at most 1 day. */
  readonly clockTolerance?: Duration.DurationInput | undefined
  /** How long a set is used without asking again. Default 10 minutes; `Infinity` for ever. */
  readonly maxAge?: Duration.DurationInput | undefined
  /**
   * How much longer a set is used that is to be fetched again, while that fails: a server that is down for a moment stops
   * no API, and one that has withdrawn a key is not ignored for longer than this. Default 1 hour; 0 for never,
   * `Infinity` for as long as it takes.
   */
  readonly maxStale?: Duration.DurationInput | undefined
  /** The set is not fetched more often than this, whatever tokens come. Default 30 seconds. */
  readonly cooldown?: Duration.DurationInput | undefined
  /** Default 5 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * A token that was found to be genuine, and what it says.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verified {
  readonly claims: jose.JWTPayload
  readonly scopes: Scopes.Scopes
  /** What the token is bound to (`cnf`), to be compared with the DPoP proof or the client's certificate. */
  readonly boundTo: {
    /** Thumbprint of a DPoP key (RFC 9449 §6). */
    readonly jkt: Option.Option<string>
    /** Thumbprint of a certificate (RFC 8705 §3.1). */
    readonly x5t: Option.Option<string>
  }
}
