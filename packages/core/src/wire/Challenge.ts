/**
 * `WWW-Authenticate`: what a resource server says when it refuses (RFC 9110 §11.6.1, RFC 6750 §3). The parser follows
 * the grammar; in a header that breaks the grammar it reads as much as it can. It never throws, and its time grows only
 * linearly with the length of the header.
 *
 * @since 0.1.0
 */

import type * as Headers from "@effect/platform/Headers"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Scopes from "../values/Scopes.js"

/**
 * One challenge of a `WWW-Authenticate` header.
 *
 * @since 0.1.0
 * @category models
 */
export interface Challenge {
  /** As the server wrote it; schemes are compared without regard to case. */
  readonly scheme: string
  /** The one unnamed value some schemes use, for example `Negotiate YII…`. */
  readonly token68: Option.Option<string>
  /** By lower-case name; if a name occurs twice, the first value counts. The object has no prototype. */
  readonly parameters: Readonly<Record<string, string>>
}

/**
 * A challenge of the schemes that carry access tokens: Bearer (RFC 6750 §3) or DPoP (RFC 9449 §7.1).
 *
 * @since 0.1.0
 * @category models
 */
export interface Bearer {
  readonly scheme: "Bearer" | "DPoP"
  /** `invalid_token`, `insufficient_scope`, `invalid_request`, … or a code of the server's own. */
  readonly error: Option.Option<string>
  readonly errorDescription: Option.Option<string>
  readonly errorUri: Option.Option<string>
  /** The scopes the resource demands; empty when it named none. */
  readonly scope: Scopes.Scopes
  readonly realm: Option.Option<string>
  /** Claims the server wants in the next token, Base64 of JSON (`error="insufficient_claims"`). */
  readonly claims: Option.Option<string>
  /**
   * The ways to authenticate that the resource accepts, best first (`acr_values`, RFC 9470 §3); empty when it named
   * none. The program passes them unchanged to the authorization server when it asks the user to authenticate again.
   */
  readonly acrValues: ReadonlyArray<string>
  /** The longest time since the user authenticated that the resource accepts (`max_age`, RFC 9470 §3). */
  readonly maxAge: Option.Option<Duration.Duration>
}

/**
 * All challenges of a header, in order. Several headers are one header joined with commas.
 *
 * @example
 * ```ts
 * import { Challenge } from "effect-bearer"
 *
 * Challenge.parse(`Negotiate, bearer realm="a, b", error="invalid_token"`).map(({ scheme }) => scheme)
 * // ["Negotiate", "bearer"]
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (header: string | ReadonlyArray<string>): ReadonlyArray<Challenge> => {
  const input = typeof header === "string" ? header : header.join(", ")
  const challenges: Array<Challenge> = []
  let parameters: Record<string, string> | undefined
  // A scheme stands at the start or after a comma, so a stray word inside a broken value starts no challenge.
  let mayStart = true
  let i = 0
  while (i < input.length) {
    const c = input.charCodeAt(i)
    if (c === comma) {
      mayStart = true
      i++
      continue
    }
    const end = skipToken(input, i)
    if (end === i) {
      // white space, or a character that is not allowed here
      if (!isSpace(c)) mayStart = false
      i++
      continue
    }
    const word = input.slice(i, end)
    const next = skipSpace(input, end)
    if (input.charCodeAt(next) === equals) {
      const value = readValue(input, skipSpace(input, next + 1))
      const name = word.toLowerCase()
      if (parameters !== undefined && !(name in parameters)) parameters[name] = value.text
      i = value.end
    } else if (mayStart) {
      const token68 = next > end ? readToken68(input, next) : undefined
      parameters = Object.create(null) as Record<string, string>
      challenges.push({ scheme: word, token68: Option.fromNullable(token68?.text), parameters })
      i = token68 === undefined ? next : token68.end
    } else {
      i = next
    }
    mayStart = false
  }
  return challenges
}

/**
 * The challenge that concerns access tokens: Bearer or DPoP, a challenge that names an error comes before one that
 * names none.
 *
 * @example
 * ```ts
 * import { Headers } from "@effect/platform"
 * import { Challenge } from "effect-bearer"
 * import { Option } from "effect"
 *
 * const headers = Headers.fromInput({ "www-authenticate": `Bearer error="insufficient_scope", scope="users:read"` })
 * Option.map(Challenge.bearer(headers), ({ scope }) => scope) // Option.some(["users:read"])
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const bearer = (headers: Headers.Headers): Option.Option<Bearer> => {
  const header = headers["www-authenticate"]
  if (header === undefined) return Option.none()
  let found: Challenge | undefined
  for (const challenge of parse(header)) {
    if (schemeOf(challenge) === undefined) continue
    if (found === undefined) found = challenge
    if ("error" in challenge.parameters) {
      found = challenge
      break
    }
  }
  return found === undefined ? Option.none() : Option.some(fromChallenge(found))
}

const fromChallenge = (challenge: Challenge): Bearer => {
  const { parameters } = challenge
  return {
    scheme: schemeOf(challenge)!,
    error: Option.fromNullable(parameters.error),
    errorDescription: Option.fromNullable(parameters.error_description),
    errorUri: Option.fromNullable(parameters.error_uri),
    scope: parameters.scope === undefined ? Scopes.empty : Scopes.make(parameters.scope),
    realm: Option.fromNullable(parameters.realm),
    claims: Option.fromNullable(parameters.claims),
    acrValues: parameters.acr_values === undefined
      ? []
      : parameters.acr_values.split(/\s+/).filter((acr) => acr !== ""),
    maxAge: secondsIn(parameters.max_age)
  }
}

/** A whole number of seconds; any other value is ignored. */
const secondsIn = (value: string | undefined): Option.Option<Duration.Duration> =>
  value !== undefined && /^\d{1,15}$/.test(value) ? Option.some(Duration.seconds(Number(value))) : Option.none()

const schemeOf = (challenge: Challenge): Bearer["scheme"] | undefined => {
  const scheme = challenge.scheme.toLowerCase()
  return scheme === "bearer" ? "Bearer" : scheme === "dpop" ? "DPoP" : undefined
}

// ---------------------------------------------------------------------------------------------------------------
// scanning: every function takes a position and returns the position after what it read
// ---------------------------------------------------------------------------------------------------------------

const comma = 0x2c
const equals = 0x3d
const quote = 0x22
const backslash = 0x5c
const semicolon = 0x3b

/** Some servers separate parameters as other headers do, with semicolons. */
const isSeparator = (c: number): boolean => c === comma || c === semicolon

const isSpace = (c: number): boolean => c === 0x20 || c === 0x09 || c === 0x0d || c === 0x0a

const isAlphanumeric = (c: number): boolean =>
  (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a)

const characters = (text: string): ReadonlySet<number> => new Set(Array.from(text, (c) => c.charCodeAt(0)))
const tokenMarks = characters("!#$%&'*+-.^_`|~")
const token68Marks = characters("-._~+/")

const skipSpace = (input: string, start: number): number => {
  let i = start
  while (i < input.length && isSpace(input.charCodeAt(i))) i++
  return i
}

const skipToken = (input: string, start: number): number => {
  let i = start
  while (i < input.length && (isAlphanumeric(input.charCodeAt(i)) || tokenMarks.has(input.charCodeAt(i)))) i++
  return i
}

interface Read {
  readonly text: string
  readonly end: number
}

/** A token68 stands alone; if anything else follows, it is a list of parameters. */
const readToken68 = (input: string, start: number): Read | undefined => {
  let i = start
  while (i < input.length && (isAlphanumeric(input.charCodeAt(i)) || token68Marks.has(input.charCodeAt(i)))) i++
  if (i === start) return undefined
  while (input.charCodeAt(i) === equals) i++
  const next = skipSpace(input, i)
  return next === input.length || input.charCodeAt(next) === comma ? { text: input.slice(start, i), end: i } : undefined
}

const readValue = (input: string, start: number): Read => {
  if (input.charCodeAt(start) === quote) return readQuoted(input, start + 1)
  // Some servers leave out the quotes around values that need them, such as URLs.
  let i = start
  while (i < input.length && !isSeparator(input.charCodeAt(i)) && !isSpace(input.charCodeAt(i))) i++
  return { text: input.slice(start, i), end: i }
}

const readQuoted = (input: string, start: number): Read => {
  let text = ""
  let i = start
  while (i < input.length) {
    const c = input.charCodeAt(i)
    if (c === quote && closes(input, i + 1)) return { text, end: i + 1 }
    if (c === backslash && i + 1 < input.length) i++
    text += input[i]
    i++
  }
  return { text, end: i }
}

/**
 * Whether the quote before `start` ends its value. Some servers write quotes inside quotes without escaping them, so a
 * quote ends the value only if the text after it can follow a value: the end, another parameter, another challenge.
 * Each character is examined for one quote at most, so the time stays linear.
 */
const closes = (input: string, start: number): boolean => {
  const gap = skipSpace(input, start)
  if (gap === input.length) return true
  if (!isSeparator(input.charCodeAt(gap))) return gap > start && isName(input, gap)
  let i = skipSpace(input, gap + 1)
  // empty list members
  while (input.charCodeAt(i) === comma) i = skipSpace(input, i + 1)
  if (i === input.length) return true
  const end = skipToken(input, i)
  if (end === i) return false
  const next = input.charCodeAt(end)
  return end === input.length || next === comma || next === equals || isSpace(next)
}

const isName = (input: string, start: number): boolean => {
  const end = skipToken(input, start)
  return end > start && input.charCodeAt(skipSpace(input, end)) === equals
}
