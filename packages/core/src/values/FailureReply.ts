/**
 * What a program answers its own callers with, if it could not get a token: one table from the errors of this library to
 * a name and an HTTP status. The broker and the data action of the library use it; a gateway of your own may, too.
 *
 * @since 0.1.0
 */
import type * as TokenError from "./TokenError.js"

/**
 * The statuses by name.
 *
 * | name | status | when |
 * |---|---|---|
 * | `ConfigurationError` | 500 | the program was set up in a way that cannot work |
 * | `BadRequest` | 400 | the server refused the request: a scope, an audience, a grant |
 * | `Unauthorized` | 401 | the server does not accept the credentials, or somebody has to log in |
 * | `Forbidden` | 403 | the server knows the client and does not allow it this |
 * | `RetryExhausted` | 503 | the server cannot serve now, and the attempts are used up |
 * | `NetworkError` | 502 | the server could not be reached, or something else answered |
 * | `ParseError` | 500 | the server answered with something that is no token |
 *
 * @since 0.1.0
 * @category models
 */
export const statuses = {
  ConfigurationError: 500,
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  RetryExhausted: 503,
  NetworkError: 502,
  ParseError: 500
} as const

/**
 * The names of failures.
 *
 * @since 0.1.0
 * @category models
 */
export type Name = keyof typeof statuses

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

const byStatus = (status: number, otherwise: Name): Name =>
  status === 401 ? "Unauthorized" : status === 403 ? "Forbidden" : otherwise

/** A member that is added to `TokenError` has no line here, and the compiler says so. */
const names: {
  readonly [Tag in TokenError.TokenError["_tag"]]: (
    error: Extract<TokenError.TokenError, { readonly _tag: Tag }>
  ) => Name
} = {
  InvalidConfiguration: () => "ConfigurationError",
  OAuthError: (error) => {
    const code = error.error.trim().toLowerCase()
    return wrongClient.has(code)
      ? "Unauthorized"
      : notAllowed.has(code)
      ? "Forbidden"
      : byStatus(error.status, "BadRequest")
  },
  AuthenticationRequired: () => "Unauthorized",
  ScopeNotGranted: () => "Forbidden",
  // a redirect, a 404, a page: whatever answered is no token endpoint
  RejectedByEndpoint: ({ status }) => byStatus(status, status === 400 ? "BadRequest" : "NetworkError"),
  MalformedResponse: () => "ParseError",
  TlsError: () => "NetworkError",
  TransportError: () => "NetworkError",
  EndpointTimeout: () => "NetworkError",
  RateLimited: () => "RetryExhausted",
  EndpointUnavailable: () => "RetryExhausted",
  FailedElsewhere: () => "RetryExhausted",
  RetriesExhausted: () => "RetryExhausted",
  CircuitOpen: () => "RetryExhausted"
}

/**
 * The name of the failure. Its status is in {@link statuses}; the message of the error may be shown as it is.
 *
 * @example
 * ```ts
 * import { FailureReply, TokenError } from "effect-bearer"
 *
 * const error = new TokenError.AuthenticationRequired({ reason: "the refresh token has expired" })
 * const name = FailureReply.nameOf(error) // "Unauthorized"
 * const reply = { status: FailureReply.statuses[name], body: { error: name, message: error.message } }
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const nameOf = (error: TokenError.TokenError): Name =>
  (names[error._tag] as (error: TokenError.TokenError) => Name)(error)
