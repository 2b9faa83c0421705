/** What a data action answers: one table from everything that can go wrong to a name and a status. */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as AccessToken from "effect-bearer/AccessToken"
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

type Verdict = readonly [error: ErrorName, status: number]

const configuration: Verdict = ["ConfigurationError", 500]
const badRequest: Verdict = ["BadRequest", 400]
const unauthorized: Verdict = ["Unauthorized", 401]
const forbidden: Verdict = ["Forbidden", 403]
const later: Verdict = ["RetryExhausted", 503]
const network: Verdict = ["NetworkError", 502]
const parsing: Verdict = ["ParseError", 500]

/** Codes for "wrong id or secret", which servers send with 400, 401 and 403. */
const wrongClient: ReadonlySet<string> = new Set(["invalid_client", "incorrect_client_credentials", "bad.credentials"])

/** Codes for "known, but may not". */
const notAllowed: ReadonlySet<string> = new Set([
  "unauthorized_client",
  "access_denied",
  "insufficient_scope",
  "consent_required",
  "interaction_required",
  "login_required"
])

const byStatus = (status: number, otherwise: Verdict): Verdict =>
  status === 401 ? unauthorized : status === 403 ? forbidden : otherwise

/** A member that is added to `TokenError` has no line here, and the compiler says so. */
const verdicts: {
  readonly [Tag in TokenError.TokenError["_tag"]]: (
    error: Extract<TokenError.TokenError, { readonly _tag: Tag }>
  ) => Verdict
} = {
  InvalidConfiguration: () => configuration,
  OAuthError: ({ error, status }) => {
    const code = error.trim().toLowerCase()
    return wrongClient.has(code) ? unauthorized : notAllowed.has(code) ? forbidden : byStatus(status, badRequest)
  },
  AuthenticationRequired: () => unauthorized,
  ScopeNotGranted: () => forbidden,
  // a redirect, a 404, a page: whatever answered is no token endpoint
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

export const fromTokenError = (error: TokenError.TokenError, now: number): Reply<ErrorBody> => {
  const [name, status] = (verdicts[error._tag] as (error: TokenError.TokenError) => Verdict)(error)
  return refusal(
    name,
    status,
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
