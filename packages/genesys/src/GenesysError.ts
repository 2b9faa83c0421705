/**
 * Everything that can go wrong with a call to the Genesys Cloud API.
 *
 * Each member carries `retryable` as a literal type, as the errors of effect-bearer do: `true` where the API answered
 * "later", so that a `RetryPolicy` takes it. No member holds a request, a response or a header; text of the server is
 * cut, and what looks like a token is removed from it.
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as TokenError from "effect-bearer/TokenError"

// ---------------------------------------------------------------------------------------------------------------
// what the API says
// ---------------------------------------------------------------------------------------------------------------

/**
 * A further explanation inside an error of the API.
 *
 * @since 0.1.0
 * @category models
 */
export interface Detail {
  readonly errorCode?: string
  readonly fieldName?: string
  readonly entityId?: string
  readonly entityName?: string
}

/**
 * An error as the API words it. What it left out is `None` or empty.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stated {
  /** Such as `bad.credentials`, `not.found`, `missing.any.permissions`. */
  readonly code: Option.Option<string>
  /** The explanation, with its parameters filled in. */
  readonly description: Option.Option<string>
  readonly messageParams: Readonly<Record<string, string>>
  readonly entityId: Option.Option<string>
  readonly details: ReadonlyArray<Detail>
  readonly errors: ReadonlyArray<Stated>
}

/**
 * Which call it was, and what the support of Genesys asks for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  readonly method: string
  /** Origin and path, without the query. */
  readonly url: string
  /** The `contextId` of the error. */
  readonly contextId: Option.Option<string>
  /** The header `ININ-Correlation-Id` of the answer. */
  readonly correlationId: Option.Option<string>
}

/**
 * The state of a rate limit, from the `inin-ratelimit-*` headers. They are about the limit of the token, even where
 * another one was met.
 *
 * @since 0.1.0
 * @category models
 */
export interface RateLimit {
  /** Which limit was met, such as `token.rate.per.minute`, if the API names it. */
  readonly key: Option.Option<string>
  /** Requests counted in this period. */
  readonly count: Option.Option<number>
  /** How many are allowed in a period. */
  readonly allowed: Option.Option<number>
  /** When the next period begins. */
  readonly reset: Option.Option<Duration.Duration>
}

// ---------------------------------------------------------------------------------------------------------------
// errors
// ---------------------------------------------------------------------------------------------------------------

/**
 * The API refused the call: a status of 4xx (or an unexpected 3xx) other than 429. Sending it again will not help.
 *
 * @since 0.1.0
 * @category errors
 */
export class ApiError extends Data.TaggedError("ApiError")<
  Call & Stated & {
    readonly status: number
    /** What to do about it, where that is known. */
    readonly advice: Option.Option<string>
  }
> {
  readonly retryable = false as const
  override get message(): string {
    return `${this.method} ${this.url} was refused with ${this.status}${stated(this)}.${
      Option.match(this.advice, { onNone: () => "", onSome: (advice) => ` ${advice}` })
    }${ids(this)}`
  }
}

/**
 * The API answered 429: too many requests. Nothing was done, so any call may be sent again.
 *
 * A call also fails with it unsent, when another was told to stay away for longer than this one may wait. What it says
 * of the API is then what the other was told.
 *
 * @since 0.1.0
 * @category errors
 */
export class ApiRateLimited extends Data.TaggedError("ApiRateLimited")<
  Call & Stated & {
    readonly status: 429
    /** How long the API asked us to stay away, in whichever way it said so. */
    readonly retryAfter: Option.Option<Duration.Duration>
    readonly rateLimit: RateLimit
    /** How often the call was sent; 0 if it was not, because others had met the limit already. */
    readonly attempts: number
    /** When it makes sense to come back (epoch milliseconds). */
    readonly retryAt: Option.Option<number>
  }
> {
  readonly retryable = true as const
  override get message(): string {
    const met = this.attempts === 0 ? "was not sent, because other calls met the rate limit" : "met the rate limit"
    const key = Option.match(this.rateLimit.key, { onNone: () => "", onSome: (key) => ` ${key}` })
    return `${this.method} ${this.url} ${met}${key}${times(this.attempts)}${stated(this)}${
      comeBack(this.retryAt)
    }. Make fewer calls at a time, or ask Genesys for a higher limit.${ids(this)}`
  }
}

/**
 * The API is there and cannot serve now: 5xx. It does not say whether a call that changes something was carried out.
 *
 * @since 0.1.0
 * @category errors
 */
export class ApiUnavailable extends Data.TaggedError("ApiUnavailable")<
  Call & Stated & {
    readonly status: number
    readonly retryAfter: Option.Option<Duration.Duration>
    readonly attempts: number
    readonly retryAt: Option.Option<number>
  }
> {
  readonly retryable = true as const
  override get message(): string {
    return `${this.method} ${this.url} was answered ${this.status}: the API cannot serve now${times(this.attempts)}${
      stated(this)
    }${comeBack(this.retryAt)}.${ids(this)}`
  }
}

/**
 * The API took longer than allowed. Nobody knows whether the call was carried out, so it is not sent again by itself.
 *
 * @since 0.1.0
 * @category errors
 */
export class ApiTimeout extends Data.TaggedError("ApiTimeout")<{
  readonly method: string
  readonly url: string
  readonly limit: Duration.Duration
}> {
  readonly retryable = false as const
  override get message(): string {
    return `${this.method} ${this.url} did not answer within ${Duration.toMillis(this.limit)} ms. ` +
      "It may have been carried out all the same. Ask for less at a time, or raise the timeout."
  }
}

/**
 * No answer could be had: refused, reset, unreachable, TLS, or the answer broke off. Nobody knows whether the call was
 * carried out.
 *
 * @since 0.1.0
 * @category errors
 */
export class ApiUnreachable extends Data.TaggedError("ApiUnreachable")<{
  readonly method: string
  readonly url: string
  /** The operating system's or runtime's code where there is one: `ECONNREFUSED`, `ENOTFOUND`… */
  readonly code: Option.Option<string>
  readonly detail: string
}> {
  readonly retryable = false as const
  override get message(): string {
    return `No answer to ${this.method} ${this.url}: ${this.detail}${
      Option.match(this.code, { onNone: () => "", onSome: (code) => ` (${code})` })
    }. Check the region, the network and any proxy.`
  }
}

/**
 * A success that holds something else than was expected: HTML, nothing at all, or JSON of another shape.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnexpectedReply extends Data.TaggedError("UnexpectedReply")<{
  readonly method: string
  readonly url: string
  readonly status: number
  /** Without parameters, and with an ellipsis for a part that is not well-known; empty when the server wrote none. */
  readonly contentType: string
  /** What is wrong with it; never a value of the reply. */
  readonly detail: string
  readonly correlationId: Option.Option<string>
}> {
  readonly retryable = false as const
  override get message(): string {
    return `${this.method} ${this.url} answered ${this.status} with ${this.contentType || "no content type"}: ` +
      `${this.detail}.${ids(this)}`
  }
}

/**
 * A payload is larger than it may be. It was neither sent nor handed on, and not cut.
 *
 * @since 0.1.0
 * @category errors
 */
export class PayloadTooLarge extends Data.TaggedError("PayloadTooLarge")<{
  readonly direction: "request" | "response"
  /** Bytes; of a response that was not read to its end, at least so many. */
  readonly size: number
  /** Bytes. */
  readonly limit: number
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The ${this.direction} has ${this.direction === "response" ? "at least " : ""}${this.size} bytes, and ` +
      `${this.limit} are allowed. Ask for fewer items at a time, or for fewer fields.`
  }
}

/**
 * A list that has no end, or a hole: its pages repeat, or stay empty although more are promised.
 *
 * @since 0.1.0
 * @category errors
 */
export class PagingStuck extends Data.TaggedError("PagingStuck")<{
  readonly reason: "repeatedCursor" | "repeatedPage" | "emptyPages" | "missingPage"
  /** The page that was at fault, counted from 1 in the order they were asked for. */
  readonly page: number
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The list does not go on after page ${this.page}: ${reasons[this.reason]}. What was read so far is not all.`
  }
}

/**
 * A call that cannot be made: an id that is blank, a body that is no JSON.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidCall extends Data.TaggedError("InvalidCall")<{
  /** The parameter at fault. */
  readonly field: string
  readonly detail: string
}> {
  readonly retryable = false as const
  override get message(): string {
    return `Invalid ${this.field}: ${this.detail}.`
  }
}

/**
 * Errors with which the API says "later": `retryable` is `true`.
 *
 * @since 0.1.0
 * @category models
 */
export type Transient = ApiRateLimited | ApiUnavailable

/**
 * What the API answered instead of a success, or did not answer.
 *
 * @since 0.1.0
 * @category models
 */
export type ResponseError = Transient | ApiError | ApiTimeout | ApiUnreachable

/**
 * What any request of the client can fail with: of the API, or for want of a token.
 *
 * @since 0.1.0
 * @category models
 */
export type RequestError = ResponseError | TokenError.TokenError

/**
 * What a typed call can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type CallError = RequestError | UnexpectedReply | InvalidCall

/**
 * Every error of this package.
 *
 * @since 0.1.0
 * @category models
 */
export type GenesysError = CallError | PagingStuck | PayloadTooLarge

const own: ReadonlySet<unknown> = new Set([
  ApiError,
  ApiRateLimited,
  ApiUnavailable,
  ApiTimeout,
  ApiUnreachable,
  UnexpectedReply,
  PayloadTooLarge,
  PagingStuck,
  InvalidCall
])

/**
 * @since 0.1.0
 * @category guards
 */
export const isGenesysError = (u: unknown): u is GenesysError =>
  TokenError.isTokenError(u) || (Predicate.isObject(u) && own.has(u.constructor))

// ---------------------------------------------------------------------------------------------------------------

const reasons: Record<PagingStuck["reason"], string> = {
  repeatedCursor: "the server gave a cursor that it had given before",
  repeatedPage: "the server gave the same page once more",
  emptyPages: "the server gave too many empty pages in a row",
  missingPage: "the server gave an empty page, or another page than asked for, although its total promises more items"
}

const stated = ({ code, description }: Stated): string =>
  Option.match(code, { onNone: () => "", onSome: (code) => ` "${code}"` }) +
  Option.match(description, { onNone: () => "", onSome: (text) => ` (${text.replace(/\.$/, "")})` })

const times = (attempts: number): string => attempts <= 1 ? "" : ` ${attempts} times`

const comeBack = (at: Option.Option<number>): string =>
  Option.isSome(at) && Math.abs(at.value) <= 8.64e15 ? `; come back at ${new Date(at.value).toISOString()}` : ""

const ids = (call: Partial<Pick<Call, "contextId" | "correlationId">>): string => {
  const parts = [["correlation id", call.correlationId], ["context id", call.contextId]] as const
  const known = parts.flatMap(([name, id]) => id === undefined || Option.isNone(id) ? [] : [`${name} ${id.value}`])
  return known.length === 0 ? "" : ` [${known.join(", ")}]`
}
