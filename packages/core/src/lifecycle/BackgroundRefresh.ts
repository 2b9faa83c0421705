/**
 * Renews the tokens of a cache ahead of their expiry, so that callers never wait for one in steady state.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as clocks from "../values/Clocks.js"
import { isRequestBound } from "../values/runtime.js"
import { refresh as ranges } from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"
import { TokenEvent } from "../values/TokenEvent.js"
import { Agenda } from "./backgroundRefresh/agenda.js"
import * as pipeline from "./pipeline.js"
import { quietSleep } from "./quietSleep.js"
import type { CompileError } from "./RetryPolicy.js"
import * as TokenCache from "./TokenCache.js"

/**
 * How {@link backgroundRefresh} behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long before its expiry a token is renewed; at most a quarter of its lifetime. Default 5 minutes. */
  readonly ahead?: Duration.DurationInput | undefined
  /** Renewal starts up to this much earlier, at random; at most a twentieth of the lifetime. Default 10 seconds. */
  readonly jitter?: Duration.DurationInput | undefined
  /**
   * A token that no caller asked for during this time is no longer renewed; the next caller waits for a new one.
   * Default: for what the source is configured with one day, or as long as its token lives if that is longer; one hour
   * for the token requests of callers. `Infinity` for never.
   */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
}

/** With no more keys than this the agenda is not cleaned up. */
const fewest = 64

/** `Effect.sleep` never wakes after 24.8 days, and no timer notices a suspended machine: look at the clock hourly. */
const longestSleep = 60 * 60_000

/**
 * Starts the refresher: one fiber in the scope, however many keys. It never ends by itself: a renewal that fails is an
 * event and is tried again after a back-off, while the held token goes on being served. A failed request for the
 * successor of a revoked token is also tried again, unless the server refused it: when the server is back, there is a
 * token before any caller asks.
 *
 * Only a source with a cache has something to refresh, which is why it takes a {@link TokenCache.Cached}.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import type { AccessToken } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * declare const fromVault: Effect.Effect<AccessToken.AccessToken, Error>
 *
 * const tokens = TokenSource.make(() => fromVault).pipe(
 *   TokenSource.cached({ clockSkew: "45 seconds" }),
 *   TokenSource.backgroundRefresh({ ahead: "10 minutes", idleTimeToLive: "30 minutes" })
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const backgroundRefresh = (options: Options = {}) =>
<S extends pipeline.Input>(
  self: S & NeedsCache<S>
): pipeline.FlatMapped<S, TokenCache.Cached<pipeline.ErrorOf<S>>, never, Scope.Scope> =>
  pipeline.flatMap(self as S, (source) => refreshing(source as TokenCache.Cached<pipeline.ErrorOf<S>>, options))

/** `unknown` for a source that holds tokens, or an effect that makes one. */
type NeedsCache<S> = S extends Effect.Effect<infer A, infer _E, infer _R> ? CachedOnly<A> : CachedOnly<S>

type CachedOnly<A> = A extends TokenCache.Cached<unknown> ? unknown
  : CompileError<
    "This source holds no tokens, so there are none to renew: put TokenSource.cached() before this step",
    A
  >

/**
 * The same for a source.
 *
 * @internal
 */
export const refreshing = <E>(
  self: TokenCache.Cached<E>,
  options: Options = {}
): Effect.Effect<TokenCache.Cached<E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const control = self[TokenCache.TypeId]
    yield* Settings.warn(Settings.problems(ranges, options, "refresh"))
    control.setTiming({
      ahead: Settings.value(ranges.ahead, options.ahead),
      jitter: Settings.value(ranges.jitter, options.jitter)
    })
    // here a fiber would end with the request that built the layer, so tokens are renewed within requests instead
    if (isRequestBound()) return self
    const idleTimeToLive = (entry: TokenCache.Entry): number =>
      options.idleTimeToLive !== undefined
        ? Settings.value(ranges.idleTimeToLive, options.idleTimeToLive)
        : entry.isDefault
        ? Math.max(Duration.toMillis("1 day"), entry.lifetime())
        : Duration.toMillis("1 hour")

    const clock = yield* Effect.clock
    // When each key is due for renewal, by the steady clock. A key that the cache has evicted is removed when it is
    // due, or when the agenda has grown to twice its size after the last clean-up.
    const agenda = new Agenda<TokenCache.Entry>()
    let most = fewest
    let wake = Effect.unsafeMakeLatch(false)
    let wakesAt = Number.NEGATIVE_INFINITY

    const enqueue = (entry: TokenCache.Entry): void => {
      const now = clocks.read(clock)
      const wait = entry.untilRefresh(now)
      if (wait === Number.POSITIVE_INFINITY) return agenda.delete(entry.id)
      // Never a busy loop: a key that is due at once still waits for one millisecond of the clock.
      const due = now.steady + Math.max(1, Math.min(wait, longestSleep))
      agenda.set(entry.id, due, entry)
      if (agenda.size > most) {
        agenda.filter((entry) => Effect.runSync(entry.isCurrent))
        most = Math.max(fewest, 2 * agenda.size)
      }
      if (due < wakesAt) wake.unsafeOpen()
    }

    const renew = (entry: TokenCache.Entry): Effect.Effect<void> =>
      Effect.flatMap(entry.isCurrent, (isCurrent) => {
        if (!isCurrent) return Effect.void
        const now = clocks.read(clock)
        const idle = entry.idle(now)
        if (idle >= idleTimeToLive(entry)) {
          entry.forget()
          return control.publish(TokenEvent.KeyForgotten({ key: entry.hash, at: now.wall, idle }))
        }
        if (entry.untilRefresh(now) > 0) {
          enqueue(entry)
        } else {
          entry.refresh(now)
        }
        return Effect.void
      })

    const loop = Effect.forever(Effect.suspend(() => {
      const now = clocks.read(clock).steady
      const entry = agenda.take(now)
      if (entry !== undefined) return renew(entry)
      wake = Effect.unsafeMakeLatch(false)
      wakesAt = agenda.first?.due ?? Number.POSITIVE_INFINITY
      // while there is nothing to renew there is no timer
      return wakesAt === Number.POSITIVE_INFINITY
        ? wake.await
        : Effect.raceFirst(quietSleep(Math.min(longestSleep, Math.ceil(wakesAt - now))), wake.await)
    }))

    const stop = control.onSettled(enqueue)
    yield* Effect.addFinalizer(() => Effect.sync(stop))
    // Without `interruptible` a fiber forked while a layer is built could not be stopped.
    yield* Effect.forkScoped(Effect.interruptible(loop))
    return self
  })
