/** From what can go wrong upstream to what a caller is told: SPEC A11, and RFC 6749 §5.2. */
import * as Option from "effect/Option"
import * as TokenError from "effect-bearer/TokenError"
import type { Refusal } from "../guard/refusal.js"

type Verdict = readonly [status: number, name: string, code: string]

const later: Verdict = [503, "RetryExhausted", "temporarily_unavailable"]
const network: Verdict = [502, "NetworkError", "temporarily_unavailable"]
const configuration: Verdict = [500, "ConfigurationError", "server_error"]
const parsing: Verdict = [500, "ParseError", "server_error"]
const unauthorized: Verdict = [401, "Unauthorized", "server_error"]
const forbidden: Verdict = [403, "Forbidden", "server_error"]
const badRequest: Verdict = [400, "BadRequest", "server_error"]

const byStatus = (status: number, otherwise: Verdict): Verdict =>
  status === 401 ? unauthorized : status === 403 ? forbidden : otherwise

const byCode: ReadonlyMap<string, Verdict> = new Map([
  ["invalid_client", unauthorized],
  ["incorrect_client_credentials", unauthorized],
  ["invalid_scope", [400, "BadRequest", "invalid_scope"]],
  ["invalid_target", [400, "BadRequest", "invalid_target"]],
  ["invalid_grant", [400, "BadRequest", "invalid_grant"]],
  ["unauthorized_client", forbidden],
  ["access_denied", forbidden],
  ["insufficient_scope", forbidden]
])

/** A member that is added to `TokenError` has no line here, and the compiler says so. */
const verdicts: {
  readonly [Tag in TokenError.TokenError["_tag"]]: (
    error: Extract<TokenError.TokenError, { readonly _tag: Tag }>
  ) => Verdict
} = {
  InvalidConfiguration: () => configuration,
  OAuthError: (error) => {
    const code = error.error.trim().toLowerCase()
    return byCode.get(code) ?? byStatus(error.status, badRequest)
  },
  AuthenticationRequired: () => unauthorized,
  ScopeNotGranted: () => [403, "Forbidden", "invalid_scope"],
  RejectedByEndpoint: ({ status }) => byStatus(status, status === 400 ? badRequest : network),
  MalformedResponse: () => parsing,
  TlsError: () => network,
  TransportError: () => network,
  EndpointTimeout: () => network,
  RateLimited: () => later,
  EndpointUnavailable: () => later,
  FailedElsewhere: () => later,
  RetriesExhausted: () => later,
  CircuitOpen: () => later
}

/** When to come back where nobody has said it. */
const usualPause = 5

/** Nobody is sent away for longer, also where the clock was put back after the moment was named. */
const longestPause = 3600

/** Of a failure upstream; its message holds no secret, and says what to do. */
export const ofToken = (error: TokenError.TokenError, now: number): Refusal => {
  const [status, name, code] = (verdicts[error._tag] as (error: TokenError.TokenError) => Verdict)(error)
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
