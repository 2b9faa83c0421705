// The store of a refresh token and its options; published by RefreshToken.
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as TokenError from "../../values/TokenError.js"

/**
 * A refresh token at rest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stored {
  readonly token: Redacted.Redacted
  /** Epoch milliseconds; `None` when the server did not say (`refresh_expires_in`). */
  readonly expiresAt: Option.Option<number>
  /** Whether the server has replaced a refresh token before: then each is good for one use. */
  readonly rotates: boolean
  /**
   * - `ready`: not sent since it was stored
   * - `sent`: on its way to the server, or its answer was lost with the holder that sent it
   * - `sentTwice`: the same, for a second time
   * - `dead`: the server has refused it
   */
  readonly state: "ready" | "sent" | "sentTwice" | "dead"
  /** While a holder is at it: tells this use of the token from any other. */
  readonly mark?: string | undefined
  /**
   * Which of the refresh tokens that sources were given to begin with have been used, as digests, the last ones last.
   * One that is not among them comes from a new login. A store that does not keep this does without new logins. Numbers
   * are 32-bit hashes, as they were written before.
   */
  readonly begun?: ReadonlyArray<string | number> | undefined
}

/**
 * Where the refresh token is kept. One that several processes share must lock across all of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Store {
  readonly load: Effect.Effect<Option.Option<Stored>, TokenError.RequestError>
  /**
   * When this has succeeded the token survives a crash.
   *
   * `over` is what the caller has seen in the store last. A lock that can be lost, because it ends by itself, has to
   * look whether that is still there. If it is not, somebody else has moved on, and what they have put there stays:
   * one with a `mark`, about to be sent, then fails; any other is dropped. Without `over` the token replaces whatever
   * is there.
   */
  readonly save: (stored: Stored, over?: Option.Option<Stored>) => Effect.Effect<void, TokenError.RequestError>
  /** Runs an effect while nobody else who uses the store runs one. */
  readonly locked: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | TokenError.RequestError>
}

/**
 * How {@link shared} behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface SharedOptions {
  /**
   * Whose refresh token it is: names the authorization server, the client and the user. All who give the same name use
   * the same refresh token. It is part of the key in the store and must not be secret.
   */
  readonly namespace: string
  /**
   * How long one process may take to use the refresh token before another takes over. It has to be longer than the
   * total deadline of a token request plus a few operations of the store. Default 20 seconds.
   */
  readonly lease?: Duration.DurationInput | undefined
  /** Limit of one operation of the store. Default 1 second. */
  readonly timeout?: Duration.DurationInput | undefined
  /** How long to wait for one's turn. Default two leases. */
  readonly patience?: Duration.DurationInput | undefined
  /**
   * How long the record is kept after the refresh token has expired or, if its lifetime is unknown, after its last
   * use. When it is gone a source begins again with the refresh token it was given. Default 180 days.
   */
  readonly retention?: Duration.DurationInput | undefined
}
