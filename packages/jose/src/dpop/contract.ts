// The options of DPoP; published by Dpop.
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as jose from "jose"
import type * as SigningKey from "../SigningKey.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The key that tokens are bound to, or an effect that yields it, run once, for a minute at most. Default: a new pair that cannot be
   * extracted and ends with the process. Give one where tokens outlive the process or are shared between several
   * (`TokenSource.shared`): they are of no use without the key. Of a `CryptoKey` both halves are needed.
   */
  readonly key?:
    | SigningKey.SigningKey
    | KeyPair
    | Effect.Effect<SigningKey.Material | KeyPair, unknown>
    | undefined
  /** Default `"ES256"`, which every server knows, or what the key is for. */
  readonly alg?: SigningKey.Algorithm | undefined
  /** `iat` lies this far in the past, for servers whose clock is behind this machine's. Default 0. */
  readonly backdate?: Duration.DurationInput | undefined
  /** Whether a `Stream` body may be sent a second time, as the option of `BearerAuth`. Default `false`. */
  readonly replayStreams?: boolean | undefined
}

/**
 * Both halves of a key, as Web Crypto generates them.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyPair {
  readonly privateKey: jose.CryptoKey
  readonly publicKey: jose.CryptoKey
}
