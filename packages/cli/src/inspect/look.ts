/** What a token says of itself. Nobody has verified it. */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Digest from "effect-bearer/Digest"
import * as Jwt from "effect-bearer/Jwt"

/** Something to be careful about. */
export interface Warning {
  readonly code: "expired" | "not-yet-valid" | "not-signed" | "no-expiry" | "long-lifetime"
  readonly message: string
}

interface Base {
  /** The first eight hexadecimal digits of the SHA-256, as the audit lines of the broker have it. */
  readonly fingerprint: string
  readonly characters: number
}

/** A token that only the server can read. */
export interface Opaque extends Base {
  readonly format: "opaque"
  /** What it looks like, if it looks like something. */
  readonly hint: string | undefined
}

/** A JWT (RFC 7519). Times are epoch milliseconds. */
export interface Readable extends Base {
  readonly format: "jwt"
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
  readonly scopes: ReadonlyArray<string>
  readonly expiresAt: number | undefined
  readonly issuedAt: number | undefined
  readonly notBefore: number | undefined
  readonly warnings: ReadonlyArray<Warning>
}

export type Look = Opaque | Readable

/** Access tokens live for minutes or hours: it is long until one that was lost is worth nothing. */
const longLifetime = 86_400_000

const own = (record: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(record, name) ? record[name] : undefined

/** The first eight hexadecimal digits of its SHA-256. */
export const fingerprint = (token: string): string => Digest.nameOf(token).slice(0, 8)

export const look = (token: string, now: number): Look => {
  const base = { fingerprint: fingerprint(token), characters: token.length }
  const decoded = Option.getOrUndefined(Jwt.decode(token))
  if (decoded === undefined) return { ...base, format: "opaque", hint: hintOf(token) }
  const header = Redacted.value(decoded.header)
  const times = {
    expiresAt: Option.getOrUndefined(decoded.expiresAt),
    issuedAt: Option.getOrUndefined(decoded.issuedAt),
    notBefore: Option.getOrUndefined(decoded.notBefore)
  }
  return {
    ...base,
    ...times,
    format: "jwt",
    header,
    claims: Redacted.value(decoded.claims),
    scopes: decoded.scopes,
    warnings: warningsOf({ ...times, isSigned: isSigned(header, token) }, now)
  }
}

const isSigned = (header: Readonly<Record<string, unknown>>, token: string): boolean => {
  const algorithm = own(header, "alg")
  return !(typeof algorithm === "string" && algorithm.toLowerCase() === "none") && !token.endsWith(".")
}

const warningsOf = (
  { expiresAt, isSigned, issuedAt, notBefore }: {
    readonly expiresAt: number | undefined
    readonly issuedAt: number | undefined
    readonly notBefore: number | undefined
    readonly isSigned: boolean
  },
  now: number
): ReadonlyArray<Warning> => {
  const found: Array<Warning> = []
  const warn = (code: Warning["code"], message: string) => void found.push({ code, message })
  if (!isSigned) warn("not-signed", "It is not signed (alg \"none\" or no signature): anybody can write such a token.")
  if (expiresAt === undefined) warn("no-expiry", "It has no usable \"exp\": it does not say when it ends.")
  if (expiresAt !== undefined && expiresAt <= now) warn("expired", "It has expired.")
  if (notBefore !== undefined && notBefore > now) warn("not-yet-valid", "It is not valid yet (\"nbf\").")
  if (issuedAt !== undefined && issuedAt > now && (notBefore === undefined || notBefore <= now)) {
    warn("not-yet-valid", "It was issued in the future (\"iat\"): one of the clocks is wrong.")
  }
  const from = issuedAt ?? notBefore
  if (from !== undefined && expiresAt !== undefined && expiresAt - from > longLifetime) {
    warn("long-lifetime", "It lives for longer than a day: whoever finds it can use it for long.")
  }
  return found
}

/** What a person may have given instead of an access token that is a JWT. */
const hintOf = (token: string): string | undefined => {
  const parts = token.split(".").length
  if (token.startsWith("{") || token.startsWith("[")) {
    return "It looks like JSON: give the token alone, as `effect-bearer token` prints it."
  }
  if (parts === 5) return "It looks like an encrypted JWT (RFC 7516): only the API that it is for can read it."
  if (parts === 3) return "It has three parts like a JWT, but header and claims cannot be decoded."
  return undefined
}
