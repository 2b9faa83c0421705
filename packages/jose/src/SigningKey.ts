/**
 * Private keys for signing, in the forms in which people have them: PEM, JWK, or a key of the Web Crypto API.
 *
 * @since 0.1.0
 */

import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as jose from "jose"

/**
 * Signature algorithms (RFC 7518 §3.1, RFC 8037) of key pairs. `EdDSA` is Ed25519.
 *
 * @since 0.1.0
 * @category models
 */
export type Algorithm =
  | "RS256"
  | "RS384"
  | "RS512"
  | "PS256"
  | "PS384"
  | "PS512"
  | "ES256"
  | "ES384"
  | "ES512"
  | "EdDSA"

/**
 * A private key:
 *
 * - text: PEM in PKCS#8 (`-----BEGIN PRIVATE KEY-----`), where line breaks may also be written `\n`, as environment
 *   variables have them; or a JWK as JSON,
 * - a JWK (RFC 7517) as an object,
 * - a `CryptoKey`, for keys that cannot be extracted.
 *
 * @since 0.1.0
 * @category models
 */
export type Material = Redacted.Redacted | Redacted.Redacted<jose.JWK> | jose.CryptoKey

/**
 * A key, or an effect that yields it. The effect runs on every attempt, so a rotated key takes effect on the next
 * token request; a key that is the same as before is not imported again. Keys are compared by what they are made of, so
 * reading one anew makes no other of it: a client that the server refuses is not asked for again at each call. A `CryptoKey`
 * that cannot be exported is compared by a signature (RSASSA-PKCS1-v1_5, Ed25519); with other algorithms it cannot be
 * compared, and a rotation is noticed when the pause after a refusal is over, within seconds. If it fails with one of the library's own
 * errors (a vault that does not answer is a `TransportError`), that error is passed on; any other failure becomes
 * `InvalidConfiguration`, and what it holds is not shown, because it might hold the key.
 *
 * @since 0.1.0
 * @category models
 */
export type SigningKey = Material | Effect.Effect<Material, unknown>
