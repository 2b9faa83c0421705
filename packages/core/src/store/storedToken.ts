// The text form of a token in a store, and the way back.
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../values/AccessToken.js"
import * as json from "../values/json.js"

/**
 * The token type of an envelope that a sealed store gives to the store inside, so that no reader takes it for a token.
 */
export const sealedType = "Sealed"

/** Raised when the form changes; a text of any other version is unreadable. */
const version = 1

/**
 * The text form of a token at rest. It holds the token in the clear. The refresh token is left out: it has a store of
 * its own, and copies of it must be avoided. Members of `extra` that JSON cannot hold are left out, too.
 */
export const encode = (token: AccessToken.AccessToken): string => {
  const extra = Redacted.value(token.extra)
  return Option.getOrElse(
    json.write(form(token, extra)),
    () =>
      JSON.stringify(form(token, json.boundedMembers(Object.entries(extra).filter(([, member]) => isWritable(member)))))
  )
}

const isWritable = (member: unknown): boolean => Option.isSome(json.write(member))

const form = (token: AccessToken.AccessToken, extra: json.Members) => ({
  version,
  value: Redacted.value(token.value),
  tokenType: token.tokenType,
  scopes: token.scopes,
  issuedAt: token.issuedAt,
  expiresAt: Option.getOrNull(token.expiresAt),
  refreshAt: Option.getOrNull(token.refreshAt),
  extra
})

/** The inverse of {@link encode}; on the left the problem, without showing any of the text. */
export const decode = (text: string): Either.Either<AccessToken.AccessToken, string> => {
  const members = json.object(text)
  if (Option.isNone(members)) return Either.left("it is no JSON object")
  const { expiresAt, extra, issuedAt, refreshAt, scopes, tokenType, value } = members.value
  if (members.value.version !== version) return Either.left(`its version is not ${version}`)
  if (typeof value !== "string" || !printable.test(value)) return Either.left("it holds no token")
  if (
    typeof tokenType !== "string" || !isTime(issuedAt) || !isTimeOrNull(expiresAt) || !isTimeOrNull(refreshAt) ||
    !Array.isArray(scopes) || !scopes.every(Predicate.isString) || !Predicate.isRecord(extra)
  ) return Either.left("a field is missing or of the wrong type")
  return Either.right(AccessToken.make({
    value,
    tokenType,
    scopes,
    issuedAt,
    expiresAt: Option.fromNullable(expiresAt),
    refreshAt: Option.fromNullable(refreshAt),
    extra: json.boundedMembers(Object.entries(extra))
  }))
}

/** Whether the token's lifetime is over, so that a store no longer gives it. */
export const isOver = (token: AccessToken.AccessToken, now: number): boolean =>
  Option.exists(token.expiresAt, (expiresAt) => expiresAt <= now)

/** The same token with its times by a clock that is ahead by `by` milliseconds. */
export const moved = (token: AccessToken.AccessToken, by: number): AccessToken.AccessToken =>
  new AccessToken.AccessToken({
    ...token,
    issuedAt: token.issuedAt + by,
    expiresAt: Option.map(token.expiresAt, (at) => at + by),
    refreshAt: Option.map(token.refreshAt, (at) => at + by)
  })

/** Any other character could break the header that the token is put into. */
export const printable = /^[\x20-\x7e]+$/

const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

const isTimeOrNull = (value: unknown): value is number | null => value === null || isTime(value)
