/**
 * Keeps a refresh token alive (RFC 6749 §6) where every use may replace it.
 *
 * A server that rotates refresh tokens (RFC 9700 §4.14) takes each one *once*: a client that sends a spent one is taken
 * for a thief, and the whole family of tokens is revoked. So the order of things is everything:
 *
 * 1. under the store's lock, the stored token is read and **marked as being spent**;
 * 2. it is sent; from here on nothing interrupts;
 * 3. the pair that comes back is **stored, and only then** is the access token handed out.
 *
 * A holder that dies between 1 and 3 leaves the mark behind. Nobody knows then whether the server took the token, so
 * it is not sent again: the error says {@link TokenError.AuthenticationRequired}, or the fallback grant takes over.
 *
 * The store decides how far "once" reaches: with {@link memory} it holds for one process until it ends, with
 * {@link shared} for a whole fleet, across restarts.
 *
 * @since 0.1.0
 */

import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { TokenStore } from "../store/contract.js"
import type { AccessToken } from "../values/AccessToken.js"
import * as Settings from "../values/Settings.js"
import * as SharedWork from "../values/SharedWork.js"
import type * as TokenError from "../values/TokenError.js"
import type * as TokenRequest from "../values/TokenRequest.js"
import { bounded } from "./refreshToken/boundedStore.js"
import type { SharedOptions, Store, Stored } from "./refreshToken/contract.js"
import { withHistoryOf } from "./refreshToken/record.js"
import * as sharedRefreshToken from "./refreshToken/sharedRefreshToken.js"
import * as spend from "./refreshToken/spend.js"

export type { SharedOptions, Store, Stored } from "./refreshToken/contract.js"

/**
 * How a refresh token is spent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The refresh token to begin with: used while the store is empty, and, if it comes from a new login, when the stored
   * one cannot be used any more.
   */
  readonly refreshToken?: Redacted.Redacted | undefined
  /** Default {@link memory}: good for one process and until it ends. */
  readonly store?: Store | undefined
  /**
   * Whether the server takes each refresh token only once. `"auto"`, the default, finds out: until the server has
   * replaced a refresh token, it is treated as one that rotates, except that a token whose answer was lost is sent a
   * second time. `"never"` sends the same token as often as need be.
   */
  readonly rotation?: "auto" | "always" | "never" | undefined
}

/**
 * What talks to the server: the refresh grant, and the full one to fall back to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exchange {
  readonly refresh: (
    token: Redacted.Redacted,
    request: TokenRequest.TokenRequest
  ) => Effect.Effect<AccessToken, TokenError.RequestError>
  /** Used when there is no refresh token that could be spent. */
  readonly fallback:
    | ((request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, TokenError.RequestError>)
    | undefined
  /**
   * Limit of `refresh` and of `fallback`, because all others wait for the lock while one of them runs. One that takes
   * longer fails with `EndpointTimeout`, and the server may have taken the refresh token; a new refresh token that
   * comes within another minute is still stored. Infinite if they have deadlines of their own. Default 15 seconds.
   */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * A store in memory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const memory: Effect.Effect<Store> = Effect.sync(() => {
  const lock = SharedWork.makeLock()
  let stored = Option.none<Stored>()
  return {
    load: Effect.sync(() => stored),
    save: (next, over) =>
      Effect.sync(() => {
        if (!isLate(next, over, stored)) stored = Option.some(withHistoryOf(stored, next))
      }),
    locked: lock.withLock
  }
})

/**
 * Whether `next` comes from an overdue holder of the lock, and another holder has got a newer refresh token meanwhile:
 * the newer one is kept.
 */
const isLate = (next: Stored, over: Option.Option<Stored> | undefined, there: Option.Option<Stored>): boolean =>
  over !== undefined && Option.isSome(over) && Option.isSome(there) &&
  !Equal.equals(there.value.token, over.value.token) &&
  !Equal.equals(there.value.token, next.token)

/**
 * Keeps the refresh token in the `TokenStore` of the program, so that a fleet spends each one once: under a lease, and
 * with its successor stored before anybody sees the access token.
 *
 * **Details**
 *
 * - The refresh token in the store counts, not the configured `refreshToken`: that one is for the first start, and for
 *   a start after a new login. A configured one that no process has used yet takes over when the stored one cannot be
 *   used any more; to have it take over at once, `save` it. A login that was saved into an empty store does not say
 *   which configured ones have been used: after it none of them takes over, so `save` the next login too.
 * - A holder that dies delays the others by no more than the lease. If it may have sent the token by then, the head of
 *   this page says what the others do.
 * - A holder that gets its answer after its lease has ended still stores the new refresh token, unless another process
 *   has got a newer one meanwhile: then that one stays.
 * - While the store does not answer no refresh token is used, and requests fail with a `TransportError`. A refresh
 *   token that could not be stored is kept in memory and stored as soon as the store answers: in the background for as
 *   long as other processes wait for the lock, and before anything else at the next use.
 * - A record that cannot be read is an `InvalidConfiguration`; it never makes a process begin again with its configured
 *   refresh token.
 * - Under `TokenSource.managed` sources that ask for different scopes wait for each other here: give `shared` a lease
 *   that covers their turns.
 *
 * **Gotchas**
 *
 * A store may lose the record: a Redis without persistence, one that evicts, a wall clock that is put forward by more
 * than `retention`. A process that has read or stored the record before goes on with what it knows; if another process
 * has used the refresh token since, the server refuses it, and may end the login. Once a process has stored what it
 * knows, that record counts for all, even for one that knows a newer refresh token: no process can tell which is newer.
 * A process that starts after the loss begins with its configured refresh token, which is spent. So keep the record
 * safe. To end a login, revoke the refresh token at the server: to delete the record does not end it.
 *
 * A refresh token of a public client that was obtained with a DPoP proof is bound to the key of that proof (RFC 9449
 * §5), and one of a client with a certificate may be bound to the certificate (RFC 8705 §7.1). The server refuses it to
 * a process with another key, and it then counts as dead for all processes. So give every process that shares it the
 * same key, and keep the key as long as the refresh token; or give each process a namespace and a login of its own.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, RefreshToken, TokenSource } from "effect-bearer"
 * import { Effect, Redacted } from "effect"
 *
 * const namespace = "login.example.com/reports/alice"
 *
 * const tokens = Effect.gen(function*() {
 *   const source = yield* TokenSource.refreshToken({
 *     tokenEndpoint: "https://login.example.com/oauth/token",
 *     clientId: "reports",
 *     authentication: ClientAuthentication.basic(Redacted.make("secret")),
 *     refreshToken: Redacted.make("from the first login"),
 *     store: yield* RefreshToken.shared({ namespace })
 *   })
 *   return yield* TokenSource.managed({ shared: { namespace, lease: "1 minute" } })(source)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const shared: (
  options: SharedOptions
) => Effect.Effect<Store, TokenError.InvalidConfiguration, TokenStore> = sharedRefreshToken.make

/**
 * Spends the stored refresh token for access tokens, keeping the promises of this module.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options,
  exchange: Exchange
): Effect.Effect<(request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, TokenError.RequestError>> =>
  Effect.gen(function*() {
    yield* Settings.warn(Settings.problems(ranges, { timeout: exchange.timeout }, "RefreshToken"))
    return spend.make({
      configured: options.refreshToken,
      store: options.store === undefined ? yield* memory : bounded(options.store),
      rotation: options.rotation ?? "auto",
      refresh: exchange.refresh,
      fallback: exchange.fallback,
      timeout: Settings.value(ranges.timeout, exchange.timeout)
    })
  })

const ranges = { timeout: Settings.duration("15 seconds", { least: 1, unlimited: true }) }
