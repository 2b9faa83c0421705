// What the fake cloud is told and what it tells; published by FakeCloud.
import type * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Region from "../Region.js"

/**
 * A user of the fake organization; members are sent as they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface FakeUser {
  readonly id: string
  readonly name: string
  readonly [member: string]: unknown
}

/**
 * A conversation of the fake organization; members are sent as they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface FakeConversation {
  readonly conversationId: string
  /** ISO 8601. A query finds the conversations that began within its interval. */
  readonly conversationStart: string
  readonly [member: string]: unknown
}

/**
 * The settings of the fake; all optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: a UUID. */
  readonly clientId?: string | undefined
  /** Default: made up. */
  readonly clientSecret?: string | undefined
  /**
   * The region of the organization. The login hosts of other regions do not know its client, as in the real cloud.
   * Default: it is known everywhere.
   */
  readonly home?: Region.Name | undefined
  /** Scopes the client may ask for; any other is an `invalid_scope`. Default: whatever is asked for. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** What the roles of the client allow; `*` is everything. Default `["*"]`. */
  readonly permissions?: ReadonlyArray<string> | undefined
  /** `expires_in` of tokens. Default 24 hours. */
  readonly lifetime?: Duration.DurationInput | undefined
  /** Token requests a minute for a client. Default 300. */
  readonly tokenRateLimit?: number | undefined
  /** API requests a minute for a token. Default 300. */
  readonly rateLimit?: number | undefined
  /** Default: three. */
  readonly users?: ReadonlyArray<FakeUser> | undefined
  /** Default: three, of 1 January 2026. */
  readonly conversations?: ReadonlyArray<FakeConversation> | undefined
}

/**
 * Which requests a fault is for. Default: the next ones, whatever they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  readonly host?: "login" | "api" | undefined
  /** The beginning of the path. */
  readonly path?: string | undefined
}

/**
 * A request as it arrived. The credentials in it are `<redacted>`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SeenRequest {
  /** Epoch milliseconds, by the Clock. */
  readonly at: number
  readonly method: string
  /** As it was meant: `login.mypurecloud.de`, or the loopback address. */
  readonly host: string
  /** With its query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The status of the answer; 0 while there is none. */
  readonly status: number
}

/**
 * What arrived so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Seen {
  /** Requests for tokens, whatever became of them. */
  readonly tokenRequests: number
  readonly tokensIssued: number
  /** All other requests. */
  readonly apiRequests: number
  /** How many of them, by `GET /api/v2/users`: method and path without the query. */
  readonly byPath: Readonly<Record<string, number>>
  /** How many answers, by status. */
  readonly statuses: Readonly<Record<number, number>>
  /** Every request, the oldest first. */
  readonly requests: ReadonlyArray<SeenRequest>
}

/**
 * What a request meets instead of its answer. Build it with {@link unavailable}, {@link rateLimited} and the like.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = Data.TaggedEnum<{
  /** This very reply. */
  Reply: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
  /** An error in the words of the host that was asked: of the API, or of the token endpoint. */
  Refusal: {
    readonly status: number
    readonly code: string
    readonly message: string
    readonly headers: Readonly<Record<string, string>>
    readonly messageParams: Readonly<Record<string, string>>
  }
  /** The usual answer, but later. */
  Slow: { readonly delay: Duration.Duration }
}>
