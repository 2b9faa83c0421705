/**
 * Every error of `effect-bearer` by one call, for tests of what a program does about it. Each function fills in what a
 * server would have said; give the fields that your test is about.
 *
 * @example
 * ```ts
 * import { TestSource, TokenErrors } from "@effect-bearer/testing"
 *
 * const refused = TestSource.failing(TokenErrors.invalidClient())
 * const busy = TestSource.failing(TokenErrors.rateLimited({ retryAfter: "5 seconds" }))
 * ```
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Scopes from "effect-bearer/Scopes"
import * as TokenError from "effect-bearer/TokenError"

/**
 * The token endpoint in every error that names one, unless another is given.
 *
 * @since 0.1.0
 * @category constants
 */
export const endpoint = "https://auth.test/oauth/token"

/**
 * What each error of the wire may be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface At {
  /** Default {@link endpoint}. */
  readonly endpoint?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Busy extends At {
  readonly status?: number | undefined
  /** What the server sent as `Retry-After`. Default: it sent none. */
  readonly retryAfter?: Duration.DurationInput | undefined
  readonly description?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Refused extends At {
  readonly status?: number | undefined
  /** `error_description` of the answer. Default: it had none. */
  readonly description?: string | undefined
  readonly advice?: string | undefined
}

const at = (given: At): string => given.endpoint ?? endpoint

const duration = (given: Duration.DurationInput | undefined): Option.Option<Duration.Duration> =>
  Option.map(Option.fromNullable(given), Duration.decode)

// ---------------------------------------------------------------------------------------------------------------
// transient
// ---------------------------------------------------------------------------------------------------------------

/**
 * No answer: the connection was refused, unless another `code` is given.
 *
 * @since 0.1.0
 * @category transient
 */
export const transportError = (
  options: At & { readonly code?: string | undefined; readonly detail?: string | undefined } = {}
): TokenError.TransportError =>
  new TokenError.TransportError({
    endpoint: at(options),
    code: Option.some(options.code ?? "ECONNREFUSED"),
    detail: options.detail ?? "connection refused"
  })

/**
 * The endpoint took longer than allowed: 10 seconds for the whole call, unless something else is given.
 *
 * @since 0.1.0
 * @category transient
 */
export const endpointTimeout = (
  options: At & {
    readonly phase?: TokenError.EndpointTimeout["phase"] | undefined
    readonly limit?: Duration.DurationInput | undefined
  } = {}
): TokenError.EndpointTimeout =>
  new TokenError.EndpointTimeout({
    endpoint: at(options),
    phase: options.phase ?? "total",
    limit: Duration.decode(options.limit ?? "10 seconds")
  })

/**
 * 429: too many token requests.
 *
 * @since 0.1.0
 * @category transient
 */
export const rateLimited = (options: Busy = {}): TokenError.RateLimited =>
  new TokenError.RateLimited({
    endpoint: at(options),
    status: options.status ?? 429,
    retryAfter: duration(options.retryAfter),
    description: Option.fromNullable(options.description)
  })

/**
 * The endpoint cannot serve now: 503, unless another status is given.
 *
 * @since 0.1.0
 * @category transient
 */
export const endpointUnavailable = (options: Busy = {}): TokenError.EndpointUnavailable =>
  new TokenError.EndpointUnavailable({
    endpoint: at(options),
    status: options.status ?? 503,
    retryAfter: duration(options.retryAfter),
    description: Option.fromNullable(options.description)
  })

/**
 * Another process that shares the token has just failed to get it.
 *
 * @since 0.1.0
 * @category transient
 */
export const failedElsewhere = (
  options: {
    readonly error?: TokenError.RequestError | undefined
    readonly retryAfter?: Duration.DurationInput | undefined
  } = {}
): TokenError.FailedElsewhere => {
  const error = options.error ?? endpointUnavailable()
  return new TokenError.FailedElsewhere({
    error: error._tag,
    detail: error.message,
    retryAfter: duration(options.retryAfter ?? "1 second")
  })
}

// ---------------------------------------------------------------------------------------------------------------
// refusals in the words of OAuth
// ---------------------------------------------------------------------------------------------------------------

/**
 * The server refused with a code, its own or one of RFC 6749 §5.2. The status is 400 unless given.
 *
 * @since 0.1.0
 * @category fatal
 */
export const oauthError = (code: string, options: Refused = {}): TokenError.OAuthError =>
  new TokenError.OAuthError({
    endpoint: at(options),
    error: code,
    description: Option.fromNullable(options.description),
    uri: Option.none(),
    status: options.status ?? 400,
    advice: Option.fromNullable(options.advice)
  })

/**
 * The client is unknown, or its secret is wrong: 401 (RFC 6749 §5.2).
 *
 * @since 0.1.0
 * @category fatal
 */
export const invalidClient = (options: Refused = {}): TokenError.OAuthError =>
  oauthError("invalid_client", { status: 401, ...options })

/**
 * The refresh token, the assertion or the code is spent, expired or another client's (RFC 6749 §5.2).
 *
 * @since 0.1.0
 * @category fatal
 */
export const invalidGrant = (options: Refused = {}): TokenError.OAuthError => oauthError("invalid_grant", options)

/**
 * A parameter is missing, unknown or there twice (RFC 6749 §5.2).
 *
 * @since 0.1.0
 * @category fatal
 */
export const invalidRequest = (options: Refused = {}): TokenError.OAuthError => oauthError("invalid_request", options)

/**
 * A scope is unknown, or more than the client may have (RFC 6749 §5.2).
 *
 * @since 0.1.0
 * @category fatal
 */
export const invalidScope = (options: Refused = {}): TokenError.OAuthError => oauthError("invalid_scope", options)

/**
 * The client may not use this grant (RFC 6749 §5.2).
 *
 * @since 0.1.0
 * @category fatal
 */
export const unauthorizedClient = (options: Refused = {}): TokenError.OAuthError =>
  oauthError("unauthorized_client", options)

/**
 * The server does not know this grant (RFC 6749 §5.2).
 *
 * @since 0.1.0
 * @category fatal
 */
export const unsupportedGrantType = (options: Refused = {}): TokenError.OAuthError =>
  oauthError("unsupported_grant_type", options)

/**
 * The audience or the resource is not one that the server gives tokens for (RFC 8707 §2, RFC 8693 §2.2.2).
 *
 * @since 0.1.0
 * @category fatal
 */
export const invalidTarget = (options: Refused = {}): TokenError.OAuthError => oauthError("invalid_target", options)

/**
 * A person or a policy has said no: 403 (RFC 6749 §4.1.2.1).
 *
 * @since 0.1.0
 * @category fatal
 */
export const accessDenied = (options: Refused = {}): TokenError.OAuthError =>
  oauthError("access_denied", { status: 403, ...options })

// ---------------------------------------------------------------------------------------------------------------
// fatal
// ---------------------------------------------------------------------------------------------------------------

/**
 * A success that holds no token: a page of HTML, unless something else is given.
 *
 * @since 0.1.0
 * @category fatal
 */
export const malformedResponse = (
  options: At & {
    readonly contentType?: string | undefined
    readonly detail?: string | undefined
    readonly excerpt?: string | undefined
  } = {}
): TokenError.MalformedResponse =>
  new TokenError.MalformedResponse({
    endpoint: at(options),
    status: 200,
    contentType: options.contentType ?? "text/html",
    detail: options.detail ?? "the body is not JSON",
    excerpt: options.excerpt ?? "a page of HTML, 57 bytes"
  })

/**
 * A refusal that is not an OAuth error: 404, unless another status is given.
 *
 * @since 0.1.0
 * @category fatal
 */
export const rejectedByEndpoint = (
  options: At & {
    readonly status?: number | undefined
    readonly contentType?: string | undefined
    readonly advice?: string | undefined
  } = {}
): TokenError.RejectedByEndpoint =>
  new TokenError.RejectedByEndpoint({
    endpoint: at(options),
    status: options.status ?? 404,
    contentType: options.contentType ?? "text/html",
    excerpt: "",
    advice: Option.fromNullable(options.advice)
  })

/**
 * A token came, without some of the scopes.
 *
 * @since 0.1.0
 * @category fatal
 */
export const scopeNotGranted = (
  options: { readonly requested?: Scopes.Input | undefined; readonly granted?: Scopes.Input | undefined } = {}
): TokenError.ScopeNotGranted => {
  const requested = Scopes.make(options.requested ?? "users:read users:write")
  const granted = Scopes.make(options.granted ?? "users:read")
  return new TokenError.ScopeNotGranted({
    requested,
    granted,
    missing: Scopes.missing(requested, granted),
    renamed: []
  })
}

/**
 * The program was set up in a way that cannot work.
 *
 * @since 0.1.0
 * @category fatal
 */
export const invalidConfiguration = (
  options: { readonly fields?: ReadonlyArray<string> | undefined; readonly detail?: string | undefined } = {}
): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({
    fields: options.fields ?? ["clientId"],
    detail: options.detail ?? "it is empty"
  })

/**
 * The TLS handshake failed: the certificate has expired, unless another `code` is given.
 *
 * @since 0.1.0
 * @category fatal
 */
export const tlsError = (
  options: At & { readonly code?: string | undefined; readonly advice?: string | undefined } = {}
): TokenError.TlsError =>
  new TokenError.TlsError({
    endpoint: at(options),
    code: options.code ?? "CERT_HAS_EXPIRED",
    advice: options.advice ?? "Renew the certificate of the server."
  })

/**
 * Somebody has to log in again.
 *
 * @since 0.1.0
 * @category fatal
 */
export const authenticationRequired = (reason = "the refresh token has expired"): TokenError.AuthenticationRequired =>
  new TokenError.AuthenticationRequired({ reason })

// ---------------------------------------------------------------------------------------------------------------
// composed
// ---------------------------------------------------------------------------------------------------------------

/**
 * All attempts of the retry policy have failed, the last one with `last`: a 503, unless another error is given.
 *
 * @since 0.1.0
 * @category composed
 */
export const retriesExhausted: {
  (): TokenError.RetriesExhausted<TokenError.Transient>
  <E>(
    last: E,
    options?: {
      /** Default 4. */
      readonly attempts?: number | undefined
      /** Default 3.5 seconds. */
      readonly elapsed?: Duration.DurationInput | undefined
      /** Epoch milliseconds. Default: not known. */
      readonly retryAt?: number | undefined
    }
  ): TokenError.RetriesExhausted<E>
} = <E>(
  last: E = endpointUnavailable() as E,
  options: {
    readonly attempts?: number | undefined
    readonly elapsed?: Duration.DurationInput | undefined
    readonly retryAt?: number | undefined
  } = {}
): TokenError.RetriesExhausted<E> =>
  new TokenError.RetriesExhausted({
    attempts: options.attempts ?? 4,
    elapsed: Duration.decode(options.elapsed ?? "3500 millis"),
    last,
    retryAt: Option.fromNullable(options.retryAt)
  })

/**
 * The circuit breaker is open, until `retryAt` (epoch milliseconds) if that is given.
 *
 * @since 0.1.0
 * @category composed
 */
export const circuitOpen = (options: { readonly retryAt?: number | undefined } = {}): TokenError.CircuitOpen =>
  new TokenError.CircuitOpen({ retryAt: Option.fromNullable(options.retryAt) })

/**
 * One error of each tag, for a test that goes through all of them.
 *
 * @example
 * ```ts
 * import { TokenErrors } from "@effect-bearer/testing"
 *
 * const statusOf = (error: (typeof TokenErrors.each)[number]) => error.retryable ? 503 : 500
 * const statuses = TokenErrors.each.map(statusOf)
 * ```
 *
 * @since 0.1.0
 * @category constants
 */
export const each: ReadonlyArray<TokenError.TokenError> = [
  transportError(),
  endpointTimeout(),
  rateLimited(),
  endpointUnavailable(),
  failedElsewhere(),
  invalidClient(),
  malformedResponse(),
  rejectedByEndpoint(),
  scopeNotGranted(),
  invalidConfiguration(),
  tlsError(),
  authenticationRequired(),
  retriesExhausted(),
  circuitOpen()
]
