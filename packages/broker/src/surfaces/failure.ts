/** The answers to failures upstream: the names of SPEC A11, and the codes of RFC 6749 §5.2. */
import * as Option from "effect/Option"
import * as FailureReply from "effect-bearer/FailureReply"
import * as TokenError from "effect-bearer/TokenError"
import type { Refusal } from "../guard/refusal.js"

/** The codes of RFC 6749 that a caller of the token endpoint can do something about: they are handed on, always with 400. */
const ownCodes: ReadonlySet<string> = new Set(["invalid_scope", "invalid_target", "invalid_grant"])

/** The name of SPEC A11, and the code of RFC 6749 §5.2. */
const verdict = (error: TokenError.TokenError): readonly [name: FailureReply.Name, code: string] => {
  if (error._tag === "ScopeNotGranted") return ["Forbidden", "invalid_scope"]
  if (error._tag === "OAuthError") {
    const code = error.error.trim().toLowerCase()
    if (ownCodes.has(code)) return ["BadRequest", code]
  }
  const name = FailureReply.nameOf(error)
  return [name, name === "RetryExhausted" || name === "NetworkError" ? "temporarily_unavailable" : "server_error"]
}

/** After how many seconds to come back, if the server did not say it. */
const usualPause = 5

/** The longest `Retry-After`, also if the clock was put back after the moment was stated. */
const longestPause = 3600

/** The answer to a failure upstream; its message holds no secret, and says what to do. */
export const ofToken = (error: TokenError.TokenError, now: number): Refusal => {
  const [name, code] = verdict(error)
  const status = FailureReply.statuses[name]
  const at = Option.filter(TokenError.retryAt(error, now), Number.isFinite)
  const isLater = status === 503 || code === "temporarily_unavailable"
  return {
    reason: "upstream",
    status,
    code,
    name,
    message: error.message,
    retryAfter: Option.isSome(at)
      ? Math.min(longestPause, Math.max(1, Math.ceil((at.value - now) / 1000)))
      : isLater
      ? usualPause
      : undefined
  }
}

/** The wait is over, and the request for a token is still under way. */
export const awaited: Refusal = {
  reason: "upstream",
  status: 503,
  code: "temporarily_unavailable",
  name: "RetryExhausted",
  message: "There is no token yet; the request for one is under way.",
  retryAfter: 1
}

/** The status of a surface that can only say yes, no, or later. */
export const asLater = (refusal: Refusal): Refusal => ({
  ...refusal,
  status: 503,
  retryAfter: refusal.retryAfter ?? usualPause
})

/** What OAuth clients understand: 401 would be about the caller's own key, and that is right. */
export const asOAuth = (refusal: Refusal): Refusal => ({
  ...refusal,
  status: refusal.code === "server_error"
    ? (refusal.status === 500 ? 500 : 502)
    : refusal.code === "temporarily_unavailable"
    ? 503
    : 400,
  retryAfter: refusal.code === "temporarily_unavailable" ? refusal.retryAfter ?? usualPause : refusal.retryAfter
})
