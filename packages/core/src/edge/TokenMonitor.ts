/**
 * Watches the tokens that a source holds, through the other endpoints of the authorization server: asks whether they
 * are still active, and revokes them when the program ends.
 *
 * "Held" is what the cache of a source would serve now; a source without a cache (`TokenSource.cached`,
 * `TokenSource.layer`) holds nothing.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as foreignError from "../lifecycle/foreignError.js"
import { quietSleep } from "../lifecycle/quietSleep.js"
import * as source from "../lifecycle/source.js"
import type { AccessToken } from "../values/AccessToken.js"
import * as Clocks from "../values/Clocks.js"
import * as ranges from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"
import type * as TokenError from "../values/TokenError.js"
import { TokenEvent } from "../values/TokenEvent.js"
import * as TokenRequest from "../values/TokenRequest.js"
import type { Introspection, Result } from "../wire/Introspection.js"
import type { Revocation } from "../wire/Revocation.js"

/** An introspection of somebody else's that is silent for so long is let go; one of ours has a limit of its own. */
const longestCheck = Duration.minutes(5)

/**
 * Waits no longer than `limit`, and says so with `late`. What hangs holds up neither the next step nor, where it cannot be
 * interrupted, the end of the scope.
 */
const within = <E, R>(
  effect: Effect.Effect<unknown, E, R>,
  limit: Duration.DurationInput,
  late: string
): Effect.Effect<void, E, R> =>
  Effect.flatMap(
    Effect.timeoutOption(Effect.interruptible(Effect.disconnect(effect)), limit),
    (done) => Option.isSome(done) ? Effect.void : Effect.logWarning(late)
  )

/** Requests under way at once, however many tokens there are. */
const concurrency = 4

/**
 * Asks about a token of a source, on demand. If the server says that it is not active, the source stops serving exactly
 * this token, and the event `TokenInactive` is published, unless it was over anyway. A newer token stays. This token
 * also stays if the call fails, because a failure does not mean "inactive".
 *
 * Give the `request` that the token was fetched for, if there was one.
 *
 * **Example** (Before something that must not fail half-way)
 *
 * ```ts
 * import { TokenMonitor, TokenSource } from "effect-bearer"
 * import type { Introspection } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * declare const introspection: Introspection.Introspection
 *
 * const activeToken = Effect.gen(function*() {
 *   const tokens = yield* TokenSource.TokenSource
 *   const token = yield* tokens.get()
 *   const { active } = yield* TokenMonitor.enforce(tokens, introspection)(token)
 *   return active ? token : yield* tokens.get()
 * })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const enforce = <E>(
  self: source.With<E>,
  introspection: Introspection
): (token: AccessToken, request?: TokenRequest.TokenRequest) => Effect.Effect<Result, TokenError.RequestError> => {
  const { defaults, left, publish } = source.hooks(self)
  return (token, request) =>
    // an introspection of the user's own may throw
    Effect.tap(Effect.suspend(() => introspection.check(token)), (result) =>
      result.active
        ? Effect.void
        : Effect.flatMap(Effect.zip(Clock.currentTimeMillis, left(token, request)), ([at, left]) => {
          // a token that no cache knows is judged by its own times: a wall clock that was put back adds nothing to its
          // life
          const remaining = Option.orElse(
            left,
            () => Option.map(token.expiresAt, (until) => Clocks.remaining({ from: token.issuedAt, until }, at))
          )
          const expired = Option.contains(remaining, 0)
          const key = TokenRequest.hash(TokenRequest.withDefaults(request ?? defaults, defaults))
          return Effect.zipRight(
            expired
              ? Effect.void
              : publish(TokenEvent.TokenInactive({ key, at, age: Math.max(0, at - token.issuedAt), remaining })),
            self.invalidate(token, request)
          )
        }))
}

/**
 * @since 0.1.0
 * @category models
 */
export interface WatchOptions {
  readonly introspection: Introspection
  /** Time between two rounds. Default one minute, at least one second. */
  readonly every?: Duration.DurationInput | undefined
}

/**
 * Asks about every held token, again and again while the scope lives, and does with the answers what {@link enforce}
 * does. A call that fails, dies or is interrupted is logged, and the token is asked about again in the next round. A question does not count as
 * a use of the token: a token that no caller uses is forgotten as before, and no token is requested.
 *
 * **Example** (The default source, watched)
 *
 * ```ts
 * import { TokenMonitor, TokenSource } from "effect-bearer"
 * import type { Introspection } from "effect-bearer"
 * import { Effect, Layer } from "effect"
 *
 * declare const introspection: Introspection.Introspection
 *
 * const Watched = Layer.scopedDiscard(
 *   Effect.flatMap(TokenSource.TokenSource, TokenMonitor.watch({ introspection, every: "30 seconds" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const watch =
  (options: WatchOptions) => <S extends source.With<unknown>>(self: S): Effect.Effect<S, never, Scope.Scope> => {
    const check = enforce(self, options.introspection)
    const { held } = source.hooks(self)
    const round = Effect.flatMap(
      held,
      (tokens) =>
        Effect.forEach(
          tokens,
          ({ request, token }) =>
            Effect.catchAllCause(
              within(
                check(token, request),
                longestCheck,
                "introspection gave no answer; the token is served as before"
              ),
              (cause) => complain("introspection failed; the token is served as before", cause)
            ),
          { concurrency, discard: true }
        )
    )
    const complaint = Settings.warn(Settings.problems(ranges.monitor, { every: options.every }, "TokenMonitor"))
    const pause = quietSleep(Settings.value(ranges.monitor.every, options.every))
    // without `interruptible` a fiber forked while a layer is built could not be stopped
    const rounds = Effect.interruptible(Effect.forever(Effect.zipRight(pause, round)))
    return Effect.as(Effect.zipRight(complaint, Effect.forkScoped(rounds)), self)
  }

/**
 * @since 0.1.0
 * @category models
 */
export interface CloseOptions {
  readonly revocation: Revocation
  /** How long closing the scope may take because of this, in total. Default 5 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Revokes the held access tokens when the scope closes, so that none outlives the program. A failure is logged and
 * stops nothing. Refresh tokens stay valid. Do not use this if several processes share their tokens: the others would
 * go on with revoked tokens.
 *
 * **Example** (A job that leaves nothing behind)
 *
 * ```ts
 * import { TokenMonitor, TokenSource } from "effect-bearer"
 * import type { Revocation, TokenError } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * declare const revocation: Revocation.Revocation
 * declare const uncached: TokenSource.With<TokenError.TokenError>
 *
 * const job = Effect.gen(function*() {
 *   const tokens = yield* TokenSource.cached()(uncached).pipe(
 *     Effect.flatMap(TokenMonitor.revokeOnClose({ revocation, timeout: "2 seconds" }))
 *   )
 *   return yield* tokens.get()
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const revokeOnClose =
  (options: CloseOptions) => <S extends source.With<unknown>>(self: S): Effect.Effect<S, never, Scope.Scope> => {
    const { held } = source.hooks(self)
    const revokeAll = Effect.flatMap(
      held,
      (tokens) =>
        Effect.forEach(
          tokens,
          ({ token }) =>
            Effect.catchAllCause(Effect.suspend(() => options.revocation.revoke(token)), (cause) =>
              complain("a token could not be revoked on closing; it lives until it expires", cause)),
          {
            concurrency,
            discard: true
          }
        )
    )
    // a finalizer cannot be interrupted: a request that takes too long is no longer waited for
    const bounded = within(
      revokeAll,
      Settings.value(ranges.revocation.timeout, options.timeout),
      "revoking tokens on closing took too long; given up"
    )
    return Effect.as(
      Effect.zipRight(
        Settings.warn(Settings.problems(ranges.revocation, { timeout: options.timeout }, "TokenMonitor")),
        Effect.addFinalizer(() => bounded)
      ),
      self
    )
  }

/**
 * The library's own errors may be shown; any other error may hold a secret. A call that is interrupted from inside is a
 * failure like any other: nothing of this runs if the watch itself is interrupted.
 */
const complain = (message: string, cause: Cause.Cause<TokenError.RequestError>): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logWarning(message),
    "reason",
    Option.match(Cause.failureOption(cause), {
      onNone: () => Cause.isInterruptedOnly(cause) ? "it was interrupted from inside" : "an unexpected defect",
      onSome: (error) => foreignError.messageOf(error, "an error of somebody else's")
    })
  )
