/**
 * The keys of callers: 256 random bits that a caller keeps, and a digest that the configuration keeps.
 *
 * **The rule.** The broker never holds a key. It holds SHA-256 digests, makes the digest of whatever it is shown, and
 * compares digests in constant time. An unknown caller takes the same path.
 *
 * @since 0.1.0
 */

import { createHash, randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/** So that scanners of repositories know a key when they see one. */
const prefix = "ebk_"

/**
 * A new key and its digest. The key is for the caller, and is shown once; the digest is for `callers[].keys`.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallerKey {
  readonly key: Redacted.Redacted
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string
}

/**
 * The digest of a key, as the configuration holds it.
 *
 * @example
 * ```ts
 * import { CallerKey } from "@effect-bearer/broker"
 * import { Redacted } from "effect"
 *
 * const digest = CallerKey.digestOf(Redacted.make("a key that was generated elsewhere"))
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const digestOf = (key: Redacted.Redacted): string =>
  `sha256:${createHash("sha256").update(Redacted.value(key)).digest("hex")}`

/**
 * Makes a key: 256 bits of the operating system's randomness.
 *
 * @example
 * ```ts
 * import { CallerKey } from "@effect-bearer/broker"
 * import { Console, Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const { digest, key } = yield* CallerKey.generate
 *   yield* Console.log(`for the caller: ${Redacted.value(key)}`)
 *   yield* Console.log(`for the configuration: ${digest}`)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const generate: Effect.Effect<CallerKey> = Effect.sync(() => {
  const key = Redacted.make(prefix + randomBytes(32).toString("base64url"))
  return { key, digest: digestOf(key) }
})
