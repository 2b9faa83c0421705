/**
 * What happens to the tokens of a source, as data. Subscribe with `source.events`; the same events feed the logs and
 * the metrics. Keys appear as hashes ({@link TokenRequest.hash}); tokens and secrets never appear.
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import type * as Option from "effect/Option"
import * as errorCode from "./errorCode.js"
import type * as Scopes from "./Scopes.js"

/**
 * Why a token was requested.
 *
 * - `cold`: no token was held
 * - `ahead`: the held token has reached its time of renewal and is still served
 * - `expired`: the held token could not be served any more
 * - `rejected`: the API answered 401 to the held token
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "cold" | "ahead" | "expired" | "rejected"

interface Common {
  /** Hash of the token request concerned. */
  readonly key: string
  /** Epoch milliseconds. */
  readonly at: number
}

/**
 * All events of a source.
 *
 * @since 0.1.0
 * @category models
 */
export type TokenEvent = Data.TaggedEnum<{
  /** A token request is being sent. */
  AcquisitionStarted: Common & { readonly reason: Reason }
  /** A token arrived and is served from now on. */
  TokenAcquired: Common & {
    readonly reason: Reason
    /** Milliseconds from the request to the token's arrival, retries included. */
    readonly elapsed: number
    readonly scopes: Scopes.Scopes
    readonly expiresAt: Option.Option<number>
    /** When the token is renewed ahead of its expiry. */
    readonly refreshAt: Option.Option<number>
  }
  /** Anomaly: no token could be obtained. Callers saw the error only if `stillServing` is false. */
  RefreshFailed: Common & {
    readonly reason: Reason
    /** The error's tag, for example `"OAuthError"`. */
    readonly error: string
    readonly message: string
    readonly elapsed: number
    /** Consecutive failures, this one included. */
    readonly failures: number
    /** Whether a valid token is still held and served. */
    readonly stillServing: boolean
    /** The earliest time of the next attempt. */
    readonly retryAt: number
  }
  /**
   * Anomaly: a token request showed no sign of life for too long: it hung, or the runtime dropped it. It was given up,
   * its late result changes nothing, and the callers that need a token start a new request.
   */
  RequestAbandoned: Common & { readonly reason: Reason; readonly elapsed: number }
  /** One attempt failed and another will be made. */
  RetryScheduled: Common & {
    readonly error: string
    readonly message: string
    readonly status: Option.Option<number>
    /** The attempt that failed, counted from 1. */
    readonly attempt: number
    /** Milliseconds until the next one. */
    readonly delay: number
  }
  /** The API refused a token with 401; it is not served any more. */
  TokenRejected: Common & { readonly age: number }
  /** Anomaly: refused although it should have been valid for `remaining` milliseconds more. */
  RevokedEarly: Common & { readonly age: number; readonly remaining: Option.Option<number> }
  /**
   * Anomaly: `refused` tokens in a row were refused soon after they were issued. Most likely another program gets
   * tokens for the same client at a server that keeps one live token per client: each new token ends the token of the
   * other program. Share a store, or give each program a client of its own. Until a token lives longer, token requests
   * are spaced by up to five seconds.
   */
  ClientUsedElsewhere: Common & { readonly refused: number }
  /**
   * Anomaly: introspection says that the token is not active, although it should have been valid for `remaining`
   * milliseconds more; it is not served any more.
   */
  TokenInactive: Common & { readonly age: number; readonly remaining: Option.Option<number> }
  /** Anomaly: the API refused a token that was just renewed because of a 401; it is not renewed again at once. */
  FreshTokenRejected: Common & { readonly origin: string }
  /**
   * Anomaly: `origin` answered 401 to a request that was sent without a token, because it is not among the `origins` of
   * `BearerAuth`. `allowed` is the listed origin that is most like it. Published once for each origin.
   */
  SentWithoutToken: Common & { readonly origin: string; readonly allowed: string }
  /** Anomaly: the scopes granted are not those requested. */
  ScopeDrift: Common & {
    readonly requested: Scopes.Scopes
    readonly granted: Scopes.Scopes
    readonly missing: Scopes.Scopes
  }
  /** Anomaly: scopes wider than the policy allows, for example `*`. */
  OverBroadScope: Common & { readonly scopes: Scopes.Scopes }
  /** Anomaly: the server handed out the same token again, or one that does not live longer. */
  NoProgress: Common & { readonly retryAt: Option.Option<number> }
  /** The server gave no usable lifetime: the token is served until it is refused. */
  LifetimeUnknown: Common
  /** A key was not used for `idle` milliseconds: it is no longer renewed. */
  KeyForgotten: Common & { readonly idle: number }
  /** The circuit breaker opened after `failures` failures in a row. */
  CircuitOpened: Common & { readonly failures: number; readonly retryAt: number }
  /** The circuit breaker closed again after a success. */
  CircuitClosed: Common
  /** A token request waits for the client-side rate limit. */
  Throttled: Common & { readonly delay: number }
  /** A token that another process had put into the shared store was taken from there; no server was asked. */
  TokenShared: Common & {
    /** Milliseconds since it was issued. */
    readonly age: number
    readonly expiresAt: Option.Option<number>
  }
  /**
   * Another process is fetching the token, and this one waits for it. While `stillServing` the current token is handed
   * out meanwhile.
   */
  RefreshingElsewhere: Common & { readonly stillServing: boolean }
  /** Anomaly: fetching took longer than the lease; another process has taken over, and its token is preferred. */
  LeaseLost: Common
  /** Anomaly: the shared store could not do something; the process works alone. */
  StoreFailed: Common & {
    readonly operation: string
    readonly reason: "unavailable" | "timeout" | "unreadable"
    readonly detail: string
  }
  /** The shared store answers again after `elapsed` milliseconds. */
  StoreRecovered: Common & { readonly elapsed: number }
}>

/**
 * Constructors, `$is` and `$match` of {@link TokenEvent}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const TokenEvent = Data.taggedEnum<TokenEvent>()

/**
 * The code of every anomaly: of every event for which {@link isAnomaly} holds. Codes do not change; each has a page
 * `docs/errors/<code>.md`.
 *
 * @since 0.1.0
 * @category codes
 */
export const anomalyCodes = [
  "refresh-failed",
  "request-abandoned",
  "revoked-early",
  "client-used-elsewhere",
  "token-inactive",
  "fresh-token-rejected",
  "sent-without-token",
  "scope-drift",
  "over-broad-scope",
  "no-progress",
  "lease-lost",
  "store-failed"
] as const

/**
 * One of the {@link anomalyCodes}.
 *
 * @since 0.1.0
 * @category codes
 */
export type AnomalyCode = (typeof anomalyCodes)[number]

/**
 * The code of an event: its tag in kebab case. The log line of an anomaly ends with it, in square brackets, and it names
 * the page of the anomaly in `docs/errors`. Events that are no anomalies have no page.
 *
 * @example
 * ```ts
 * import { TokenEvent } from "effect-bearer"
 *
 * const event = TokenEvent.TokenEvent.LeaseLost({ key: "6f1c", at: 0 })
 *
 * TokenEvent.codeOf(event) // "lease-lost"
 * ```
 *
 * @since 0.1.0
 * @category codes
 */
export const codeOf = (event: { readonly _tag: TokenEvent["_tag"] }): string => errorCode.ofTag(event._tag)

/**
 * Whether an event reports something that an operator wants to know: revoked early, client used elsewhere, inactive by
 * introspection, scope drift, refresh failed, 401 on a fresh token, 401 where no token was sent, no progress, lease
 * lost, shared store not usable.
 *
 * @since 0.1.0
 * @category guards
 */
export const isAnomaly = (event: TokenEvent): boolean => (anomalyCodes as ReadonlyArray<string>).includes(codeOf(event))
