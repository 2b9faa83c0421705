/**
 * All errors that can occur between a request for a token and its arrival.
 *
 * Each member carries `retryable` as a *literal* type, so that the compiler knows which errors are transient and which
 * are fatal: {@link Transient} may be retried, {@link Fatal} may not. No member holds a request, a response, a header
 * or a body, so none can print a secret. Every message ends with the {@link codeOf code} of the error in square
 * brackets.
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as errorCode from "./errorCode.js"
import type * as Scopes from "./Scopes.js"

/**
 * Marks the errors of the library. It is the same in every copy of the package, and no other error has it, even if it
 * looks like one of these.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-bearer/TokenError")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

// ---------------------------------------------------------------------------------------------------------------
// transient
// ---------------------------------------------------------------------------------------------------------------

/**
 * No complete response arrived: connection refused or reset, host unreachable, name not resolved, or the body was cut
 * short.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransportError extends Data.TaggedError("TransportError")<{
  /** Where the request went: origin and path, without user info and query. */
  readonly endpoint: string
  /** The operating system's or runtime's code where there is one: `ECONNREFUSED`, `ENOTFOUND`, `UND_ERR_SOCKET`… */
  readonly code: Option.Option<string>
  readonly detail: string
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = true as const
  override get message(): string {
    const said = Option.match(this.code, { onNone: () => "", onSome: (code) => ` (${code})` })
    return errorCode.append(
      `No answer from ${this.endpoint}: ${this.detail}${said}. Check the host name, the port and the network path.`,
      this._tag
    )
  }
}

/**
 * The endpoint took longer than allowed.
 *
 * @since 0.1.0
 * @category errors
 */
export class EndpointTimeout extends Data.TaggedError("EndpointTimeout")<{
  readonly endpoint: string
  /** Which limit ran out: the first byte of the response, the rest of its body, or the whole call. */
  readonly phase: "connect" | "read" | "total"
  readonly limit: Duration.Duration
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = true as const
  override get message(): string {
    return errorCode.append(
      `${this.endpoint} did not answer within ${Duration.toMillis(this.limit)} ms (${this.phase} timeout). ` +
        "Check that it is reachable from here, or raise the source's `timeout`.",
      this._tag
    )
  }
}

/**
 * The endpoint answered 429: too many token requests (RFC 6585 §4).
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimited extends Data.TaggedError("RateLimited")<{
  readonly endpoint: string
  readonly status: number
  /** How long the endpoint asked us to wait, if it said so in a form of RFC 9110 §10.2.3. */
  readonly retryAfter: Option.Option<Duration.Duration>
  readonly description: Option.Option<string>
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = true as const
  override get message(): string {
    return errorCode.append(
      `${this.endpoint} answered ${this.status}: too many requests${suffix(this.description)}. ` +
        "Share one source between all callers, or limit it with TokenSource.rateLimit.",
      this._tag
    )
  }
}

/**
 * The endpoint exists but cannot serve now: 408, 425, 5xx, or an OAuth code that says "later".
 *
 * @since 0.1.0
 * @category errors
 */
export class EndpointUnavailable extends Data.TaggedError("EndpointUnavailable")<{
  readonly endpoint: string
  readonly status: number
  readonly retryAfter: Option.Option<Duration.Duration>
  readonly description: Option.Option<string>
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = true as const
  override get message(): string {
    return errorCode.append(
      `${this.endpoint} answered ${this.status} and cannot serve now${suffix(this.description)}.`,
      this._tag
    )
  }
}

/**
 * Another process that shares the token store has just asked the server and got no token. This process does not ask
 * until the time that the note in the store gives.
 *
 * @since 0.1.0
 * @category errors
 */
export class FailedElsewhere extends Data.TaggedError("FailedElsewhere")<{
  /** The tag of the error the other process got, for example `"EndpointUnavailable"`. */
  readonly error: string
  /** The message of that error. */
  readonly detail: string
  /** How long to wait. */
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = true as const
  override get message(): string {
    return errorCode.append(
      `Another process that shares this token has just failed to get it (${this.error}): ${this.detail}`,
      this._tag
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------
// fatal
// ---------------------------------------------------------------------------------------------------------------

/**
 * The authorization server refused, in the words of RFC 6749 §5.2. Another attempt will not help.
 *
 * @since 0.1.0
 * @category errors
 */
export class OAuthError extends Data.TaggedError("OAuthError")<{
  readonly endpoint: string
  /** The code: `invalid_client`, `invalid_scope`, `unauthorized_client`, … or one of the server's own. */
  readonly error: string
  /** The server's own explanation, capped, known secrets removed. */
  readonly description: Option.Option<string>
  readonly uri: Option.Option<string>
  readonly status: number
  /** What to do about it, where that is known. */
  readonly advice: Option.Option<string>
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = false as const
  override get message(): string {
    return errorCode.append(
      `${this.endpoint} refused the request with ${this.status} "${this.error}"${suffix(this.description)}.` +
        advise(this.advice),
      this._tag
    )
  }
}

/**
 * A 2xx reply that holds no token that can be used: HTML, truncated JSON, a missing or illegal `access_token`.
 *
 * @since 0.1.0
 * @category errors
 */
export class MalformedResponse extends Data.TaggedError("MalformedResponse")<{
  readonly endpoint: string
  readonly status: number
  /** Type and subtype, where they are well-known; empty when the server sent none. */
  readonly contentType: string
  /** What is wrong with it. */
  readonly detail: string
  /** Describes the body, as `JSON cut off, 812 bytes`; never its text. */
  readonly excerpt: string
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = false as const
  override get message(): string {
    // a compressed body does not show whether the URL is wrong
    const hint = this.detail.startsWith("the reply is compressed")
      ? ""
      : " Check that the URL is the endpoint itself, not a login page or a proxy."
    return errorCode.append(
      `${this.endpoint} answered ${this.status} with ${this.contentType || "no content type"}: ${this.detail}.` +
        hint + (this.excerpt === "" ? "" : ` It sent ${this.excerpt}.`),
      this._tag
    )
  }
}

/**
 * The advice of a {@link RejectedByEndpoint} begins with this if a proxy answered, not the endpoint.
 *
 * @internal
 */
export const byProxy = "The proxy between this program and the server"

/**
 * A refusal that is not an OAuth error: a 3xx or 4xx without an RFC 6749 body, from a gateway, a proxy or a wrong path.
 *
 * @since 0.1.0
 * @category errors
 */
export class RejectedByEndpoint extends Data.TaggedError("RejectedByEndpoint")<{
  readonly endpoint: string
  readonly status: number
  readonly contentType: string
  readonly excerpt: string
  readonly advice: Option.Option<string>
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = false as const
  override get message(): string {
    return errorCode.append(
      Option.isSome(this.advice) && this.advice.value.startsWith(byProxy)
        ? `${this.advice.value} It answered ${this.status} in place of ${this.endpoint}.`
        : `${this.endpoint} answered ${this.status}, not with an OAuth error.${advise(this.advice)}${
          this.excerpt === "" ? "" : ` It sent ${this.excerpt}.`
        }`,
      this._tag
    )
  }
}

/**
 * A token arrived, but not with all the scopes that the policy demands.
 *
 * @since 0.1.0
 * @category errors
 */
export class ScopeNotGranted extends Data.TaggedError("ScopeNotGranted")<{
  readonly requested: Scopes.Scopes
  readonly granted: Scopes.Scopes
  readonly missing: Scopes.Scopes
  /** Missing scopes that seem to be granted under another spelling: they differ in case or punctuation only. */
  readonly renamed: ReadonlyArray<{ readonly requested: string; readonly granted: string }>
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = false as const
  override get message(): string {
    const renamed = this.renamed.map(({ granted, requested }) => `${requested} as ${granted}`).join(", ")
    return errorCode.append(
      `The authorization server did not grant ${this.missing.join(", ")} ` +
        `(granted: ${this.granted.join(", ") || "none"}). ` +
        (renamed === "" ? "" : `It seems to write ${renamed}: ask for the names it uses. `) +
        "Give the client these scopes or roles at the server, or stop asking for them.",
      this._tag
    )
  }
}

/**
 * The program was set up in a way that cannot work. Raised before any network call.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidConfiguration extends Data.TaggedError("InvalidConfiguration")<{
  /** The options or environment variables at fault. */
  readonly fields: ReadonlyArray<string>
  readonly detail: string
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = false as const
  override get message(): string {
    return errorCode.append(`Invalid configuration of ${this.fields.join(", ")}: ${this.detail}`, this._tag)
  }
}

/**
 * The TLS handshake failed. This is not a timeout, and waiting will not help.
 *
 * @since 0.1.0
 * @category errors
 */
export class TlsError extends Data.TaggedError("TlsError")<{
  readonly endpoint: string
  /** `CERT_HAS_EXPIRED`, `SELF_SIGNED_CERT_IN_CHAIN`, `ERR_TLS_CERT_ALTNAME_INVALID`… */
  readonly code: string
  readonly advice: string
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = false as const
  override get message(): string {
    return errorCode.append(`The TLS handshake with ${this.endpoint} failed (${this.code}). ${this.advice}`, this._tag)
  }
}

/**
 * The refresh token is spent, expired or lost, and there is no grant to fall back to. Somebody has to log in, or the
 * program has to be given a new refresh token.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthenticationRequired extends Data.TaggedError("AuthenticationRequired")<{
  /** Why, for example `"the refresh token has expired"`. */
  readonly reason: string
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = false as const
  override get message(): string {
    return errorCode.append(
      `Authenticate again: ${this.reason}. Provide a new refresh token, or configure a grant to fall back to.`,
      this._tag
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------
// composed
// ---------------------------------------------------------------------------------------------------------------

/**
 * Every attempt the policy allowed was made, or the server asked for a longer wait than the policy has left.
 *
 * @since 0.1.0
 * @category errors
 */
export class RetriesExhausted<E> extends Data.TaggedError("RetriesExhausted")<{
  /** Attempts made, the first included. */
  readonly attempts: number
  /** From the first attempt to giving up. */
  readonly elapsed: Duration.Duration
  /** The error of the last attempt. */
  readonly last: E
  /** When it makes sense to come back (epoch milliseconds), if known. */
  readonly retryAt: Option.Option<number>
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = false as const
  override get message(): string {
    const attempts = `${this.attempts} attempt${this.attempts === 1 ? "" : "s"}`
    return errorCode.append(`Gave up after ${attempts}${comeBack(this.retryAt)}. Last: ${render(this.last)}`, this._tag)
  }
}

/**
 * The circuit breaker is open: the endpoint has failed too often, so it is not asked now.
 *
 * @since 0.1.0
 * @category errors
 */
export class CircuitOpen extends Data.TaggedError("CircuitOpen")<{
  /** When the next attempt is let through (epoch milliseconds). */
  readonly retryAt: Option.Option<number>
}> {
  get [TypeId](): TypeId {
    return TypeId
  }
  readonly retryable = false as const
  override get message(): string {
    return errorCode.append(
      `The circuit breaker is open: the token endpoint failed too often lately${comeBack(this.retryAt)}.`,
      this._tag
    )
  }
}

/**
 * Errors that may go away by themselves: `retryable` is `true`.
 *
 * @since 0.1.0
 * @category models
 */
export type Transient = TransportError | EndpointTimeout | RateLimited | EndpointUnavailable | FailedElsewhere

/**
 * Errors that another attempt will not remove: `retryable` is `false`.
 *
 * @since 0.1.0
 * @category models
 */
export type Fatal =
  | OAuthError
  | MalformedResponse
  | RejectedByEndpoint
  | ScopeNotGranted
  | InvalidConfiguration
  | TlsError
  | AuthenticationRequired

/**
 * What one token request can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type RequestError = Transient | Fatal

/**
 * Every error of the library: of one request, or composed by retrying and circuit breaking.
 *
 * @since 0.1.0
 * @category models
 */
export type TokenError = RequestError | RetriesExhausted<Transient> | CircuitOpen

/**
 * The code of every member of {@link TokenError}. Codes do not change; each has a page `docs/errors/<code>.md`.
 *
 * @since 0.1.0
 * @category codes
 */
export const codes = [
  "transport-error",
  "endpoint-timeout",
  "rate-limited",
  "endpoint-unavailable",
  "failed-elsewhere",
  "oauth-error",
  "malformed-response",
  "rejected-by-endpoint",
  "scope-not-granted",
  "invalid-configuration",
  "tls-error",
  "authentication-required",
  "retries-exhausted",
  "circuit-open"
] as const

/**
 * One of the {@link codes}.
 *
 * @since 0.1.0
 * @category codes
 */
export type Code = (typeof codes)[number]

/**
 * The code of an error, with which its message ends: its tag in kebab case. It names the page of the error in
 * `docs/errors`. The field `code` of {@link TransportError} and {@link TlsError} is something else: the code of the
 * operating system or the runtime.
 *
 * @example
 * ```ts
 * import { Option } from "effect"
 * import { TokenError } from "effect-bearer"
 *
 * const error = new TokenError.CircuitOpen({ retryAt: Option.none() })
 *
 * TokenError.codeOf(error) // "circuit-open"
 * ```
 *
 * @since 0.1.0
 * @category codes
 */
export const codeOf = (error: { readonly _tag: TokenError["_tag"] }): Code => errorCode.ofTag(error._tag) as Code

/**
 * Whether this is an error of the library: by {@link TypeId}, so that it holds for errors of another copy of the package,
 * and for no error of the program's own.
 *
 * @since 0.1.0
 * @category guards
 */
export const isTokenError = (u: unknown): u is TokenError => Predicate.hasProperty(u, TypeId) && u instanceof Error

/**
 * Whether the server refused with one of these codes. Some servers write `INVALID_GRANT`, so case does not count.
 *
 * @example
 * ```ts
 * import { TokenError } from "effect-bearer"
 *
 * const isSpent = (error: TokenError.TokenError) => TokenError.hasCode(error, "invalid_grant")
 * ```
 *
 * @since 0.1.0
 * @category guards
 */
export const hasCode = (u: unknown, ...codes: ReadonlyArray<string>): u is OAuthError =>
  isTokenError(u) && u._tag === "OAuthError" && codes.includes(u.error.trim().toLowerCase())

/**
 * Whether another attempt may help: `true` exactly for {@link Transient}.
 *
 * @since 0.1.0
 * @category guards
 */
export const isTransient = (u: unknown): u is Transient => isTokenError(u) && u.retryable

/**
 * When it makes sense to ask again (epoch milliseconds), if the error says so: its own `retryAt`, or `now` plus the
 * `Retry-After` the server sent.
 *
 * @since 0.1.0
 * @category getters
 */
export const retryAt = (error: unknown, now: number): Option.Option<number> => {
  if (Predicate.hasProperty(error, "retryAt") && Option.isOption(error.retryAt)) {
    return Option.filter(error.retryAt, (at): at is number => Predicate.isNumber(at) && !Number.isNaN(at))
  }
  return Option.map(retryAfterMillis(error), (millis) => now + millis)
}

/**
 * The server's `Retry-After` in milliseconds, for any error that carries one in a `retryAfter` field.
 *
 * @internal
 */
export const retryAfterMillis = (error: unknown): Option.Option<number> =>
  Predicate.hasProperty(error, "retryAfter") && Option.isOption(error.retryAfter)
    ? Option.map(Option.filter(error.retryAfter, Duration.isDuration), Duration.toMillis)
    : Option.none()

const suffix = (text: Option.Option<string>): string => Option.isSome(text) ? ` (${text.value})` : ""
const advise = (text: Option.Option<string>): string => Option.isSome(text) ? ` ${text.value}` : ""
const comeBack = (at: Option.Option<number>): string =>
  Option.isSome(at) && Number.isFinite(at.value) && Math.abs(at.value) <= 8.64e15
    ? `; come back at ${new Date(at.value).toISOString()}`
    : ""
/** The message of an error that is not the library's own may hold a secret, so it is not shown. */
const render = (error: unknown): string =>
  isTokenError(error) ? error.message : "the source failed with an error of its own"
