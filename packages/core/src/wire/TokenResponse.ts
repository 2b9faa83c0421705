/**
 * Turns the bytes from a token endpoint into a token or a typed error (RFC 6749 §5). Servers deviate from the standard
 * in many ways: harmless deviations are understood, others become an error that says what came. No response causes a
 * defect.
 *
 * @since 0.1.0
 */

import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../values/AccessToken.js"
import * as json from "../values/json.js"
import * as scopeNames from "../values/scopeNames.js"
import * as Scopes from "../values/Scopes.js"
import type * as TokenError from "../values/TokenError.js"
import type * as TokenRequest from "../values/TokenRequest.js"
import type { Decoded } from "./decode.js"
import * as decode from "./decode.js"
import * as Disclosure from "./Disclosure.js"
import * as refusal from "./endpointRefusal.js"
import * as expiry from "./expiresIn.js"
import type { Reply } from "./reply.js"

export type { Reply } from "./reply.js"

/**
 * The request that a reply belongs to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Context {
  /** Origin and path of the token endpoint, for errors. */
  readonly endpoint: string
  readonly grantType: string
  readonly request: TokenRequest.TokenRequest
  /** When the request was sent (epoch milliseconds): lifetime counts from here. */
  readonly sentAt: number
  /** When the reply came (epoch milliseconds): `Retry-After` counts from here. */
  readonly receivedAt: number
  /** The secrets of the request, which no error may show. */
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  /** A remark about unusual credentials. */
  readonly hint: Option.Option<string>
  /** Other ways for the client to authenticate. */
  readonly authenticationAdvice: string
  /** Whether an unknown `token_type` counts as `Bearer`. */
  readonly lenientTokenType: boolean
  /** Whether the `exp` of an access token that is a JWT counts. */
  readonly jwtExpiry: boolean
}

/**
 * A token, and remarks about an unusual reply, for the log.
 *
 * @since 0.1.0
 * @category models
 */
export interface Parsed {
  readonly token: AccessToken.AccessToken
  readonly warnings: ReadonlyArray<string>
}

/**
 * Reads a reply.
 *
 * - The body decides, not the content type: JSON, or a form as old servers send it.
 * - An `error`, or `ok: false`, wins over the status: some servers refuse with 200.
 * - Known OAuth codes are final and "later" codes are transient, whatever the status. Without a code 429, 408, 425
 *   and 5xx are transient, other refusals are final.
 * - `expires_in` is a number or a decimal string; 0 means a token that has already expired; any other value counts as
 *   missing. A point in time instead of a duration is understood. A lifetime is at most ten years.
 * - `scope` is separated by spaces, commas or semicolons, or a list; missing or empty it means "as requested".
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (reply: Reply, context: Context): Either.Either<Parsed, TokenError.RequestError> => {
  const decoded = decode.decode(reply.body)
  const disclosure = Disclosure.make(() => [...context.secrets, ...disclosed(decoded)])
  const asked = { ...context, place: "the token endpoint", scopes: context.request.scopes }
  return Either.flatMap(refusal.members(reply, decoded, asked, disclosure), (members) => {
    const malformed = (detail: string) => Either.left(refusal.malformed(reply, decoded, asked, detail))
    const value = members.get("access_token")
    if (typeof value !== "string" || value === "") return malformed("the reply has no access_token")
    if (!/^[\x21-\x7e]+$/.test(value)) return malformed("the access_token has characters that no header can carry")
    return Either.right(token(value, members, context, disclosure))
  })
}

/** The tokens in the response must not show up in an error either, even if the server repeats them elsewhere. */
const disclosed = (decoded: Decoded): ReadonlyArray<Redacted.Redacted> => {
  const found: Array<Redacted.Redacted> = []
  const look = (value: unknown, isSecret: boolean, depth: number): void => {
    if (typeof value === "string" || typeof value === "number") {
      if (isSecret) found.push(Redacted.make(String(value)))
      return
    }
    if (typeof value !== "object" || value === null || depth > 8) return
    for (const [name, inner] of Object.entries(value)) {
      look(inner, isSecret || Disclosure.isSecretName(name), depth + 1)
    }
  }
  if (decoded._tag === "Members") {
    for (const [name, value] of decoded.members) look(value, Disclosure.isSecretName(name), 0)
  }
  return found
}

/**
 * Scopes and the token type are values that programs act on: no part of them is rewritten only because it looks like a
 * secret. But some servers repeat a secret there, and programs write these values to their logs, so known secrets are
 * hidden. The requested scopes are known, and always stay.
 */
const valuesOf = (members: ReadonlyMap<string, unknown>, context: Context) => {
  const issued = ["access_token", "refresh_token", "id_token"].map((name) => members.get(name))
    .filter((token) => typeof token === "string").map((token) => Redacted.make(token))
  const { value } = Disclosure.make(context.secrets, { issued })
  return (text: string): string => value(Disclosure.printable(text))
}

const understood: ReadonlySet<string> = new Set([
  "access_token",
  "token_type",
  "expires_in",
  "refresh_in",
  "scope",
  "refresh_token",
  // of no use, and dangerous for a program that copies the other members by assignment
  "__proto__"
])

const token = (
  value: string,
  members: ReadonlyMap<string, unknown>,
  context: Context,
  disclosure: Disclosure.Disclosure
): Parsed => {
  const shown = valuesOf(members, context)
  const type = tokenType(members.get("token_type"), context, shown, disclosure)
  const { seconds, unusable } = expiry.lifetime(members, context.sentAt)
  const refreshToken = members.get("refresh_token")
  const claimed = context.jwtExpiry ? expiry.claimed(value, context.sentAt) : expiry.noClaim
  const after = (duration: number) => context.sentAt + duration * 1000
  return {
    token: AccessToken.make({
      value: Redacted.make(value),
      tokenType: type.value,
      scopes: scopes(members.get("scope"), context, shown),
      issuedAt: context.sentAt,
      expiresAt: expiry.earlier(Option.map(seconds, after), claimed.expiresAt),
      refreshAt: Option.map(expiry.refreshIn(members), after),
      refreshToken: typeof refreshToken === "string" && refreshToken !== ""
        ? Option.some(Redacted.make(refreshToken))
        : Option.none(),
      extra: json.boundedMembers(Array.from(members).filter(([name]) => !understood.has(name)))
    }),
    warnings: [
      ...type.warnings,
      ...(unusable.length === 0 ? [] : [
        `${context.endpoint} sent an unusable ${unusable.join(" and ")}: ${
          Option.isSome(claimed.expiresAt) ? "the token's own exp is used" : "the lifetime of the token is unknown"
        }`
      ]),
      ...(claimed.isPast
        ? [
          `${context.endpoint} sent a token whose own exp is over already, which is ignored: check the clock of this ` +
          "machine"
        ]
        : [])
    ]
  }
}

/** Types with rules of their own: sending such a token as a bearer token cannot work. */
const ownRules: ReadonlySet<string> = new Set(["dpop", "mac", "n_a", "pop"])

const tokenType = (
  value: unknown,
  context: Context,
  shown: (text: string) => string,
  disclosure: Disclosure.Disclosure
): { readonly value: string; readonly warnings: ReadonlyArray<string> } => {
  if (typeof value !== "string" || /^\s*(bearer)?\s*$/i.test(value)) return { value: "Bearer", warnings: [] }
  const name = shown(value.slice(0, 1000)).slice(0, 60)
  if (!context.lenientTokenType || ownRules.has(name.toLowerCase())) return { value: name, warnings: [] }
  return {
    value: "Bearer",
    warnings: [`${context.endpoint} sent the unknown token_type "${disclosure.strict(name)}": it is used as Bearer`]
  }
}

const scopes = (value: unknown, { request }: Context, shown: (text: string) => string): Scopes.Scopes => {
  const granted = Scopes.make(
    typeof value === "string" ? value : Array.isArray(value) ? value.filter((item) => typeof item === "string") : []
  )
  if (granted.length === 0) return request.scopes
  const known = new Set(request.scopes)
  const [unasked, asked] = Arr.partition(granted, (scope) => known.has(scope))
  return unasked.length === 0 ? granted : Scopes.make([...asked, ...scopeNames.hidden(unasked, shown)])
}
