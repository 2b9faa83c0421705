/**
 * A set of OAuth 2.0 scopes (RFC 6749 §3.3): sorted, without duplicates, compared by content.
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"

/**
 * Scope values in ascending order, each once. Two sets with the same members are `Equal.equals`.
 *
 * @since 0.1.0
 * @category models
 */
export type Scopes = ReadonlyArray<string>

/**
 * What a caller may write for a set of scopes: one string separated by spaces, commas or semicolons, or a list.
 *
 * @since 0.1.0
 * @category models
 */
export type Input = string | Iterable<string>

/**
 * The empty set: the request names no scope, and the server decides.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Scopes = Data.array<Array<string>>([])

const separators = /[\s,;]+/

/**
 * Builds a set from a string or a list. Strings are split at spaces, commas and semicolons, because all three are
 * seen in configuration files and in server replies; the wire always gets spaces.
 *
 * @example
 * ```ts
 * import { Scopes } from "effect-bearer"
 *
 * Scopes.make("users:read, analytics:read users:read") // ["analytics:read", "users:read"]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (input: Input): Scopes => {
  const parts = typeof input === "string" ? [input] : Array.from(input)
  const values = new Set(parts.flatMap((part) => part.split(separators)).filter((value) => value.length > 0))
  return values.size === 0 ? empty : Data.array(Array.from(values).sort())
}

/**
 * The form of RFC 6749 §3.3: values separated by single spaces.
 *
 * @since 0.1.0
 * @category conversions
 */
export const format = (self: Scopes): string => self.join(" ")

/**
 * The scopes of `requested` that are not in `granted`.
 *
 * @example
 * ```ts
 * import { Scopes } from "effect-bearer"
 *
 * Scopes.missing(Scopes.make("a b c"), Scopes.make("b")) // ["a", "c"]
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const missing = (requested: Scopes, granted: Scopes): Scopes => {
  const has = new Set(granted)
  return make(requested.filter((scope) => !has.has(scope)))
}
