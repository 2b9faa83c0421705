// The options and replies of the data action handler; published by DataAction.
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as BackgroundRefresh from "effect-bearer/BackgroundRefresh"
import type * as Scopes from "effect-bearer/Scopes"
import type * as ServerMetadata from "effect-bearer/ServerMetadata"
import type * as TokenError from "effect-bearer/TokenError"
import type * as TokenSource from "effect-bearer/TokenSource"

/**
 * A setting, or an effect that reads it from a store: `Secret.env("EXTERNAL_CLIENT_ID")`, a `Config`, the field of a
 * vault. Whatever that fails with, its value is not shown.
 *
 * @since 0.1.0
 * @category models
 */
export type Setting = string | Redacted.Redacted | Effect.Effect<string | Redacted.Redacted, unknown>

/**
 * How {@link handler} gets its tokens. Settings are read at the first request that needs them, and again at the next
 * if one was missing; the secret is read for every token request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options
  extends
    Omit<TokenSource.Options, "tokenEndpoint" | "clientId" | "scopes">,
    Omit<TokenSource.ManagedOptions, "cache" | "refresh">
{
  /** Of any provider; of Genesys Cloud itself: `Region.of("eu_central_1").tokenEndpoint`. */
  readonly tokenEndpoint: Setting | URL | ServerMetadata.EndpointLocation
  readonly clientId: Setting
  /** Asked for where the payload names none; separated by spaces or commas, or a list. */
  readonly scopes?: Scopes.Input | Effect.Effect<Scopes.Input, unknown> | undefined
  /** What a payload may name in `scope`. Default: `scopes`, if there are any, and `"any"` otherwise. */
  readonly allowedScopes?: Scopes.Input | "any" | undefined
  /**
   * Limits of one token request. Default: 10 seconds between two pieces of the answer, 13.05 in total. The 3.05
   * seconds for connecting are up to the HTTP client, see `TokenEndpoint.Timeouts`.
   */
  readonly timeout?: TokenSource.Options["timeout"]
  /** Default {@link retryPolicy}. */
  readonly retry?: Schedule.Schedule<unknown, TokenError.Transient> | undefined
  /** No token is handed out in this last stretch of its life; at most a tenth of it. Default 60 seconds. */
  readonly grace?: Duration.DurationInput | undefined
  /**
   * The lifetime of tokens that come without one. By default they are served, without `expires_in`, until a
   * `rejected_token` says that they are over.
   */
  readonly assumedLifetime?: Duration.DurationInput | undefined
  /**
   * Renewal ahead of need. Off by default: a serverless runtime is stopped between two requests. A server that goes on
   * running spares its callers the wait.
   */
  readonly refresh?: BackgroundRefresh.Options | false | undefined
  /** How many tokens are kept, a subject token's counting as one. Default 10 000. */
  readonly capacity?: number | undefined
  /** How token requests introduce themselves. Default: `effect-bearer` and its version. */
  readonly userAgent?: string | undefined
  /** The most a payload and a reply may have, in bytes. Default 32 768. */
  readonly payloadLimit?: number | undefined
  /** A payload with a member that is not known: refuse it (the default), or ignore the member. */
  readonly unknownMembers?: "refuse" | "ignore" | undefined
}

/**
 * The names of failures.
 *
 * @since 0.1.0
 * @category models
 */
export type ErrorName =
  | "ConfigurationError"
  | "BadRequest"
  | "Unauthorized"
  | "Forbidden"
  | "PayloadTooLarge"
  | "RetryExhausted"
  | "NetworkError"
  | "ParseError"
  | "InternalError"

/**
 * @since 0.1.0
 * @category models
 */
export interface ErrorBody {
  readonly error: ErrorName
  readonly message: string
}

/**
 * The members of a token response (RFC 6749 §5.1).
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenBody {
  readonly access_token: string
  readonly token_type: string
  /** Whole seconds that remain; absent if unknown. */
  readonly expires_in?: number
  /** Granted scopes, separated by spaces; absent if the server named none and none were asked for. */
  readonly scope?: string
  /** Of an exchanged token (RFC 8693 §2.2.1), if the server named it. */
  readonly issued_token_type?: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Reply<out Body = TokenBody | ErrorBody> {
  readonly status: number
  /** `Content-Type` and `Cache-Control: no-store`; `Retry-After` where it is known. Names are in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body
}
