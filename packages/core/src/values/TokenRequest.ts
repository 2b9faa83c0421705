/**
 * What a caller asks a token for: scopes, audience, resource and extra parameters. It is also the cache key, so two
 * requests that mean the same are equal, in whatever order their parts were written.
 *
 * @since 0.1.0
 */

import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Digest from "./Digest.js"
import * as Scopes from "./Scopes.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~effect-bearer/TokenRequest"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~effect-bearer/TokenRequest"

/**
 * A normalised request for a token. Build it once, with {@link make}, and reuse it: it carries its own cache key.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenRequest extends Equal.Equal {
  readonly [TypeId]: TypeId
  /** Scopes asked for; empty means "those of the source" (RFC 6749 §3.3). */
  readonly scopes: Scopes.Scopes
  /** Audiences asked for, sorted; empty means "those of the source" (RFC 8693 §2.1). */
  readonly audience: ReadonlyArray<string>
  /** Resource indicators, sorted; empty means "those of the source" (RFC 8707 §2). */
  readonly resource: ReadonlyArray<string>
  /** Extra parameters of the token request, by name. Their values are never printed. */
  readonly parameters: Readonly<Record<string, string>>
  /** The canonical form: equal requests have equal keys. It holds parameter values, so print {@link hash} instead. */
  readonly key: string
}

/**
 * The fields a request is made from; all optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly scopes?: Scopes.Input | undefined
  readonly audience?: string | Iterable<string> | undefined
  readonly resource?: string | URL | Iterable<string | URL> | undefined
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

const sorted = (input: string | URL | Iterable<string | URL> | undefined): ReadonlyArray<string> => {
  if (input === undefined) return []
  const values = typeof input === "string" || input instanceof URL ? [input] : Array.from(input)
  return Array.from(new Set(values.map((value) => typeof value === "string" ? value : value.href)))
    .filter((value) => value.length > 0)
    .sort()
}

/**
 * One parameter with its value as text; nothing for a parameter without a value. A program without types may give a
 * number, which is sent as text; `null` or `undefined`, which is not sent; or a `Redacted`, whose value has to be in
 * the key so that two secrets have different keys. Any other value stays as it is, and `Grant` refuses it.
 */
const withText = ([name, given]: readonly [string, unknown]): ReadonlyArray<readonly [string, string]> => {
  const value = Redacted.isRedacted(given) ? Redacted.value(given) : given
  if (value === undefined || value === null) return []
  const isPlain = typeof value === "number" || typeof value === "boolean" || typeof value === "bigint"
  return [[name, isPlain ? String(value) : value as string]]
}

class TokenRequestImpl implements TokenRequest {
  readonly [TypeId]: TypeId = TypeId
  constructor(
    readonly scopes: Scopes.Scopes,
    readonly audience: ReadonlyArray<string>,
    readonly resource: ReadonlyArray<string>,
    readonly parameters: Readonly<Record<string, string>>,
    readonly key: string
  ) {}
  [Equal.symbol](that: unknown): boolean {
    return isTokenRequest(that) && this.key === that.key
  }
  [Hash.symbol](): number {
    return Hash.string(this.key)
  }
  toJSON() {
    return {
      _id: "TokenRequest",
      scopes: this.scopes,
      audience: this.audience,
      resource: this.resource,
      // values of extra parameters can be credentials (an assertion, a password)
      parameters: Object.keys(this.parameters)
    }
  }
  toString(): string {
    return JSON.stringify(this.toJSON())
  }
  [NodeInspectSymbol]() {
    return this.toJSON()
  }
}

const fromNormalised = (
  scopes: Scopes.Scopes,
  audience: ReadonlyArray<string>,
  resource: ReadonlyArray<string>,
  parameters: ReadonlyArray<readonly [string, string]>
): TokenRequest =>
  new TokenRequestImpl(
    scopes,
    audience,
    resource,
    Object.fromEntries(parameters),
    scopes.length + audience.length + resource.length + parameters.length === 0
      ? ""
      : JSON.stringify([scopes, audience, resource, parameters])
  )

/**
 * Normalises: scopes, audience and resource are sorted and de-duplicated, parameters are ordered by name.
 *
 * @example
 * ```ts
 * import { TokenRequest } from "effect-bearer"
 * import { Equal } from "effect"
 *
 * const one = TokenRequest.make({ scopes: "users:read analytics:read" })
 * const two = TokenRequest.make({ scopes: ["analytics:read", "users:read"] })
 * Equal.equals(one, two) // true: they share one cached token
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): TokenRequest => {
  const text = textOf(options)
  if (text === undefined) return normalise(options)
  const known = recent.get(text)
  if (known !== undefined) return known
  const request = normalise(options)
  if (recent.size >= mostRecent) recent.clear()
  recent.set(text, request)
  return request
}

/**
 * Requests that were made a short time ago, by their text: a program that makes the same request for each call gets the
 * same object again, so that it is normalised once. Requests with parameters are not kept, for these may be secret.
 */
const recent = new Map<string, TokenRequest>()

/** How many requests are kept, and how long the text of each may be. */
const mostRecent = 256
const longestText = 512

/** A text that no two different requests have; `undefined` for requests that are not kept. */
const textOf = ({ audience, parameters, resource, scopes }: Options): string | undefined => {
  if (parameters !== undefined) return undefined
  const audiences = lines(audience)
  const resources = audiences === undefined ? undefined : lines(resource)
  const scope = resources === undefined ? undefined : spaced(scopes)
  if (scope === undefined) return undefined
  const text = `${audiences}\n\n${resources}\n\n${scope}`
  return text.length > longestText ? undefined : text
}

/** One line for each value; `undefined` for what is not text, or not on one line. */
const lines = (input: Options["resource"]): string | undefined =>
  input === undefined
    ? ""
    : typeof input === "string"
    ? input.includes("\n") ? undefined : input
    : Array.isArray(input) && input.every(isLine)
    ? input.join("\n")
    : undefined

const isLine = (value: unknown): boolean => typeof value === "string" && value !== "" && !value.includes("\n")

const spaced = (input: Scopes.Input | undefined): string | undefined =>
  input === undefined
    ? ""
    : typeof input === "string"
    ? input
    : Array.isArray(input) && input.every(Predicate.isString)
    ? input.join(" ")
    : undefined

const normalise = ({ audience, parameters, resource, scopes }: Options): TokenRequest => {
  if (parameters === undefined || parameters === null) {
    return fromNormalised(Scopes.make(scopes ?? []), sorted(audience), sorted(resource), [])
  }
  const named = make({ audience, resource, scopes })
  return fromNormalised(
    named.scopes,
    named.audience,
    named.resource,
    Object.entries(parameters).flatMap(withText).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
  )
}

/**
 * The request that names nothing: it stands for the token that the source was configured for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: TokenRequest = make()

/**
 * The request that `key` is the canonical form of: the inverse of {@link TokenRequest.key}.
 *
 * @internal
 */
export const fromKey = (key: string): TokenRequest => {
  if (key === "") return empty
  const [scopes, audience, resource, parameters] = JSON.parse(key)
  return fromNormalised(Scopes.make(scopes), audience, resource, parameters)
}

/**
 * Fills the empty fields of `self` from `defaults`, field by field; parameters are merged, those of `self` winning.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withDefaults = (self: TokenRequest, defaults: TokenRequest): TokenRequest => {
  // a program without types may give the options of a request
  const given = isTokenRequest(self) ? self : make(self as Options)
  return given.key === "" ? defaults : isComplete(given, defaults) ? given : make({
    scopes: given.scopes.length === 0 ? defaults.scopes : given.scopes,
    audience: given.audience.length === 0 ? defaults.audience : given.audience,
    resource: given.resource.length === 0 ? defaults.resource : given.resource,
    parameters: { ...defaults.parameters, ...given.parameters }
  })
}

/** Whether `defaults` have nothing that `self` lacks. */
const isComplete = (self: TokenRequest, defaults: TokenRequest): boolean =>
  (self.scopes.length > 0 || defaults.scopes.length === 0) &&
  (self.audience.length > 0 || defaults.audience.length === 0) &&
  (self.resource.length > 0 || defaults.resource.length === 0) &&
  Object.keys(defaults.parameters).every((name) => Object.hasOwn(self.parameters, name))

/**
 * @since 0.1.0
 * @category guards
 */
export const isTokenRequest = (u: unknown): u is TokenRequest => Predicate.hasProperty(u, TypeId)

/** Each hash is made when it is first needed, because serving a token from the cache needs none. */
const hashes = new WeakMap<TokenRequest, string>()

/**
 * Twenty-four hexadecimal digits that stand for the request in logs, spans, metrics and events: 96 bits of the SHA-256
 * of its {@link TokenRequest.key}. No two requests have the same one, and it discloses nothing of the request to a
 * reader who cannot guess it. It is short enough that secret scanners do not report it in logs: they take 32 such
 * characters for a secret.
 *
 * @since 0.1.0
 * @category getters
 */
export const hash = (self: TokenRequest): string => {
  let name = hashes.get(self)
  if (name === undefined) hashes.set(self, name = Digest.nameOf(self.key).slice(0, 24))
  return name
}
