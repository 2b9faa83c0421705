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
   * - `sent`: on its way to the server, or the process that sent it died before it stored the answer
   * - `sentTwice`: sent a second time, with the answer to the first time lost
   * - `dead`: the server has refused it
   */
  readonly state: "ready" | "sent" | "sentTwice" | "dead"
  /** Set while a process uses the refresh token: it tells this use from any other. */
  readonly mark?: string | undefined
  /**
   * The configured refresh tokens (`refreshToken` of the options) that have been used, as digests, the latest last. A
   * configured refresh token that is not among them comes from a new login. With a store that does not keep this list,
   * new logins are not noticed. A record that is saved without it keeps the list of the record that it replaces. Numbers
   * are 32-bit hashes, which earlier versions wrote.
   */
  readonly begun?: ReadonlyArray<string | number> | undefined
}

/**
 * Where the refresh token is kept. A store that several processes share must lock across all of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Store {
  readonly load: Effect.Effect<Option.Option<Stored>, TokenError.RequestError>
  /**
   * When this has succeeded the token survives a crash.
   *
   * `over` is the record that the caller last saw in the store. A store whose lock can end by itself has to check
   * whether that record is still there. If it is not, another process has stored a newer record, and that record stays:
   * a `save` with a `mark` (the token is about to be sent) then fails; any other `save` is dropped. Without `over` the
   * token replaces any record.
   */
  readonly save: (stored: Stored, over?: Option.Option<Stored>) => Effect.Effect<void, TokenError.RequestError>
  /** Runs an effect while no other user of the store runs one. */
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
   * Whose refresh token it is: names the authorization server, the client and the user. All processes that give the
   * same name use the same refresh token. It is part of the key in the store and must not be secret. White space or
   * control characters at its ends are an `InvalidConfiguration`, so that "alice" and "alice " cannot be taken for the same.
   */
  readonly namespace: string
  /**
   * How long one process may take to use the refresh token before another takes over. It has to be longer than the
   * total deadline of a token request plus a few operations of the store. Default 20 seconds.
   */
  readonly lease?: Duration.DurationInput | undefined
  /** Limit of one operation of the store. Default 1 second. */
  readonly timeout?: Duration.DurationInput | undefined
  /** How long a process waits for its turn to use the refresh token. Default two leases. */
  readonly patience?: Duration.DurationInput | undefined
  /**
   * How long the record is kept after the refresh token has expired or, if its lifetime is unknown, after its last use.
   * Once the record is gone, a process that starts begins with its configured refresh token. Default 180 days.
   */
  readonly retention?: Duration.DurationInput | undefined
}
