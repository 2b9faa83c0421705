/** What a data action answers: one table from everything that can go wrong to a name and a status. */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as AccessToken from "effect-bearer/AccessToken"
import * as FailureReply from "effect-bearer/FailureReply"
import * as Scopes from "effect-bearer/Scopes"
import * as TokenError from "effect-bearer/TokenError"
import type { ErrorBody, ErrorName, Reply, TokenBody } from "./contract.js"

/** Of an answer that holds a token, and of any other (RFC 6749 §5.1). */
const headers = { "content-type": "application/json", "cache-control": "no-store" } as const

export const refusal = (
  error: ErrorName,
  status: number,
  message: string,
  retryAfter: Option.Option<number> = Option.none()
): Reply<ErrorBody> => ({
  status,
  headers: Option.isSome(retryAfter) ? { ...headers, "retry-after": String(retryAfter.value) } : headers,
  body: { error, message }
})

// --- failures -------------------------------------------------------------------------------------------------------

export const fromTokenError = (error: TokenError.TokenError, now: number): Reply<ErrorBody> => {
  const name = FailureReply.nameOf(error)
  return refusal(
    name,
    FailureReply.statuses[name],
    error.message,
    Option.map(
      Option.filter(TokenError.retryAt(error, now), Number.isFinite),
      (at) => Math.max(1, Math.ceil((at - now) / 1000))
    )
  )
}

// --- success --------------------------------------------------------------------------------------------------------

/** As the token response would be if it came now (RFC 6749 §5.1): `expires_in` is what remains, of milliseconds. */
export const granted = (token: AccessToken.AccessToken, remains: Option.Option<number>): TokenBody => {
  const { issued_token_type } = Redacted.value(token.extra)
  return {
    access_token: Redacted.value(token.value),
    token_type: token.tokenType,
    ...(Option.isSome(remains) ? { expires_in: Math.floor(remains.value / 1000) } : {}),
    ...(token.scopes.length === 0 ? {} : { scope: Scopes.format(token.scopes) }),
    // RFC 8693 §2.2.1 wants it
    ...(typeof issued_token_type === "string" ? { issued_token_type } : {})
  }
}

export const success = (body: TokenBody): Reply<TokenBody> => ({ status: 200, headers, body })
