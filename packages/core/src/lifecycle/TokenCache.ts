/**
 * Keeps the tokens of a source and decides, at every call, whether the held one may be served, must be renewed first,
 * or should be renewed in the background.
 *
 * ```
 * Empty ──fetch──▶ Fresh ──t ≥ refreshAt──▶ Stale (serve it, one refresh in the background)
 *                                              └─t ≥ mustAt──▶ Must (wait for the refresh)
 *
 * refreshAt = expiresAt − min(ahead, lifetime / 4) − jitter
 * mustAt    = expiresAt − min(clockSkew, lifetime / 10)
 * ```
 *
 * One request is under way per key, whatever the number of callers. It runs in the cache's own scope: a caller who
 * is interrupted leaves, and the others get their token.
 *
 * @since 0.1.0
 */

import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Now } from "../values/Clocks.js"
import { isRequestBound } from "../values/runtime.js"
import * as ranges from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"
import type * as TokenError from "../values/TokenError.js"
import type { TokenEvent } from "../values/TokenEvent.js"
import * as TokenRequest from "../values/TokenRequest.js"
import * as Disclosure from "../wire/Disclosure.js"
import type { Context } from "./cache/context.js"
import { failing } from "./cache/context.js"
import * as errors from "./cache/errors.js"
import { KeyEntry } from "./cache/keyEntry.js"
import { Keys, nameOf } from "./cache/keys.js"
import { renewBelow } from "./cache/renewBelow.js"
import { renew, renewal, report } from "./cache/reports.js"
import { glance, obtain } from "./cache/serve.js"
import type { Slot } from "./cache/slot.js"
import { Slots } from "./cache/slots.js"
import * as views from "./cache/views.js"
import { workers } from "./cache/workers.js"
import type { Timing } from "./lifetime.js"
import * as pipeline from "./pipeline.js"
import * as source from "./source.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-bearer/TokenCache")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A source that holds tokens. Only such a source can be refreshed in the background.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cached<out E> extends source.With<E> {
  readonly [TypeId]: Control
}

/**
 * How {@link cached} behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many keys are kept; beyond it the least recently used is forgotten. Default 10 000. */
  readonly capacity?: number | undefined
  /**
   * How far the clocks of this host and the servers may differ. A token is not handed out in this last stretch of
   * its life; at most a tenth of the lifetime. Default 30 seconds.
   */
  readonly clockSkew?: Duration.DurationInput | undefined
  /**
   * How long before expiry a caller's `get` also starts a renewal in the background; at most a quarter of the lifetime,
   * and zero for never. Default 5 minutes. {@link BackgroundRefresh} sets its own.
   */
  readonly ahead?: Duration.DurationInput | undefined
  /** Renewal starts up to this much earlier, at random; at most a twentieth of the lifetime. Default 10 seconds. */
  readonly jitter?: Duration.DurationInput | undefined
  /**
   * What to make of a token that came without a usable lifetime: `"never"` serves it until the API refuses it,
   * `{ assume }` gives it a lifetime. Default `"never"`.
   */
  readonly onMissingExpiry?: "never" | { readonly assume: Duration.DurationInput } | undefined
  /**
   * A token request of which nothing has been heard for so long is given up, and the next caller, or one that waits,
   * begins anew: the request hangs, or the runtime has dropped it. A back-off, or waiting for a rate limit or another
   * process, does not count. Default: twice the deadline of one request and 5 seconds, at least 30 seconds; for a
   * source whose deadline is not known 2 minutes, and for a renewal ahead of need until the held token ends. At least
   * 1 second.
   */
  readonly overdueAfter?: Duration.DurationInput | undefined
}

/**
 * What a refresher sees of one key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  /** The canonical key; it may hold parameter values, so it is not for printing. */
  readonly id: string
  readonly hash: string
  /** The key of the source's own configuration. */
  readonly isDefault: boolean
  /**
   * Milliseconds until a renewal is wanted, or another attempt to replace a token that was revoked; infinite when there
   * is neither, or the server has refused.
   */
  readonly untilRefresh: (now: Now) => number
  /** Milliseconds that the token lives in all; zero while there is none. */
  readonly lifetime: () => number
  /** Milliseconds since a caller asked. */
  readonly idle: (now: Now) => number
  /** Starts a renewal unless one is under way. */
  readonly refresh: (now: Now) => void
  readonly forget: () => void
  /** Whether the cache still knows the key; it may have evicted it. */
  readonly isCurrent: Effect.Effect<boolean>
}

/**
 * What a refresher needs of a cache. `BackgroundRefresh` is one; another can be built on it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  readonly setTiming: (timing: Partial<Timing>) => void
  /** Calls `listener` after every attempt; returns a function that stops this. */
  readonly onSettled: (listener: (entry: Entry) => void) => () => void
  readonly publish: source.Hooks["publish"]
}

/** The default of `overdueAfter` in milliseconds; `undefined` for a source whose deadline is not known. */
const overdueAfter = (deadline: number | undefined): number | undefined =>
  deadline !== undefined && Number.isFinite(deadline) ? Math.max(30_000, 2 * deadline + 5000) : undefined

/** Limit for reading the credentials to find out whether they have changed, in milliseconds. */
const longestRead = 30_000

/**
 * Puts a cache in front of a source: see the module's description for when a token is served, renewed or waited for.
 *
 * - A renewal that fails while the held token is valid is an event and a back-off, never an error to a caller.
 * - A failure without a valid token goes to every waiting caller, and is repeated to callers that come within the next
 *   seconds (one to five, or what the server's `Retry-After` says), so that a wrong secret does not cause a flood of
 *   requests.
 * - `renew` and `invalidate` compare tokens: they drop only the token that was refused, never another one.
 * - A token that has ended when it arrives (`expires_in: 0`, or an answer that took too long) goes to no caller, and
 *   `renew` never gives the token that it was told was refused. The error is `EndpointUnavailable`; a source whose errors
 *   do not include that lets its callers wait, and asks the server every few seconds. After a refused token came again,
 *   `get` asks the server once more and gives what it says: an API may have refused a good token by mistake.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import type { AccessToken } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * declare const fromVault: Effect.Effect<AccessToken.AccessToken, Error>
 *
 * const program = Effect.gen(function*() {
 *   const tokens = yield* TokenSource.make(() => fromVault).pipe(TokenSource.cached({ clockSkew: "45 seconds" }))
 *   return yield* tokens.get()
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const cached =
  (options: Options = {}) =>
  <S extends pipeline.Input>(uncached: S): pipeline.FlatMapped<S, Cached<pipeline.ErrorOf<S>>, never, Scope.Scope> =>
    // the errors of the source do not include those of the cache
    pipeline.flatMap(uncached, (source) => build<pipeline.ErrorOf<S>>(options, source, undefined))

/**
 * The same for a source that may fail with any `RequestError`.
 *
 * @internal
 */
export const cachedFailing =
  (options: Options = {}) =>
  <E>(uncached: source.With<E> & ([TokenError.RequestError] extends [E] ? unknown : never)) =>
    build<E>(options, uncached, (error) => Exit.fail(error as unknown as E))

const build = <E>(
  options: Options,
  uncached: source.With<E>,
  // absent if the errors of the source do not include this one
  fail: Context<E>["fail"]
): Effect.Effect<Cached<E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const self = yield* source.withHooks(uncached)
    const clock = yield* Effect.clock
    const { credentials, deadline, defaults, publish } = source.hooks(self)
    const { capacity, limit, timing } = yield* settle(options, deadline)
    const keys = new Keys(defaults, yield* Slots.make<E>(capacity))
    const listening = makeListening<E>()

    const context: Context<E> = {
      self,
      publish,
      clock,
      keys,
      workers: yield* workers,
      credentials: credentials &&
        bounded(credentials, Math.min(deadline ?? longestRead, limit ?? longestRead, longestRead)),
      requestBound: isRequestBound(),
      limit,
      fail,
      obtain: (slot, clock, reason) => obtain(context, slot, clock, reason),
      onSettled: (slot) => listening.tell(context, slot),
      usedAfterClose: tellOnce(failing({ fail }, errors.closedBefore)),
      timing,
      closed: false
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => close(context)))

    const getDefault = Effect.clockWith((clock) =>
      glance(context, keys.defaultSlot, clock) ?? obtain(context, keys.defaultSlot, clock)
    )
    const serve = (request?: TokenRequest.TokenRequest) =>
      request === undefined ? getDefault : Effect.clockWith((clock) => {
        const last = keys.last(request)
        const slot = last ?? keys.of(request)
        return glance(context, slot, clock) ?? obtain(context, last === undefined ? slot : keys.of(request), clock)
      })
    const get: source.With<E>["get"] = (request, options) =>
      options?.minTtl === undefined
        ? serve(request)
        : Effect.zipRight(renewBelow(context, leastOf(options.minTtl), request, serve(request)), serve(request))

    return Object.assign(
      source.derive<E>(self, {
        get,
        renew: (rejected, request) => renew(context, rejected, request),
        renewal: (rejected, request) => renewal(context, rejected, request),
        invalidate: (rejected, request) =>
          Effect.suspend(() => {
            const slot = keys.of(request)
            return Effect.zipRight(
              report(context, rejected, slot),
              self.invalidate(rejected, TokenRequest.fromKey(slot.key))
            )
          })
      }, {
        ...views.make(context),
        publish: (event) => {
          hear(context, event)
          return publish(event)
        }
      }),
      { [TypeId]: controlOf(context, listening.listeners) } as const
    )
  })

/** A number that is none asks for nothing. */
const leastOf = (minTtl: Duration.DurationInput): number => Settings.value(ranges.minTtl, minTtl)

/** What a refresher needs of a cache. */
const controlOf = <E>(context: Context<E>, listeners: Set<(entry: Entry) => void>): Control => ({
  setTiming: (changed) => {
    context.timing = { ...context.timing, ...changed }
  },
  onSettled: (listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  publish: context.publish
})

/** Tells refreshers of each attempt. There is one `Entry` for each key. */
const makeListening = <E>() => {
  const listeners = new Set<(entry: Entry) => void>()
  const entries = new WeakMap<Slot<E>, Entry>()
  return {
    listeners,
    tell: (context: Context<E>, slot: Slot<E>): void => {
      if (listeners.size === 0) return
      let entry = entries.get(slot)
      if (entry === undefined) entries.set(slot, entry = new KeyEntry(context, slot))
      for (const listener of listeners) listener(entry)
    }
  }
}

/** Ends the waiting of all callers: the work may hang where it cannot be interrupted, so its end is not waited for. */
const close = <E>(context: Context<E>): void => {
  const { keys } = context
  context.closed = true
  for (const slot of keys.underWay()) {
    const { flight } = slot
    keys.end(slot)
    flight?.land(failing(context, errors.closedMeanwhile))
  }
  for (const slot of keys.all()) slot.drop()
}

/**
 * If an API refuses the successor of a token too, the refusals were not about the tokens: no other program has replaced
 * them.
 */
const hear = <E>({ keys }: Context<E>, event: TokenEvent): void => {
  if (event._tag !== "FreshTokenRejected") return
  for (const slot of keys.all()) {
    if (slot.cutShort > 0 && nameOf(slot.key) === event.key) slot.forgive()
  }
}

/** Logs the use of a closed source once; all callers get `exit`. */
const tellOnce = <E>(exit: Exit.Exit<never, E>): Effect.Effect<never, E> => {
  let wasTold = false
  return Effect.suspend(() => {
    if (wasTold) return exit
    wasTold = true
    return Effect.zipRight(Effect.logError(errors.closedBefore.message), exit)
  })
}

/** Reads credentials, which may be an effect of the user's that hangs. */
const bounded = (credentials: Effect.Effect<unknown, unknown>, limit: number): Effect.Effect<Option.Option<unknown>> =>
  credentials.pipe(
    Effect.interruptible,
    Disclosure.unlogged,
    Effect.disconnect,
    Effect.timeout(limit),
    Effect.option
  )

/** The settings as numbers. A setting that is none is a warning, and its default holds. */
const settle = (options: Options, deadline: number | undefined) => {
  const { onMissingExpiry = "never" } = options
  return Effect.as(
    Settings.warn([
      ...Settings.problems(ranges.cache, options, "cache"),
      ...Settings.problems(
        ranges.onMissingExpiry,
        onMissingExpiry === "never" ? undefined : onMissingExpiry,
        "cache.onMissingExpiry"
      )
    ]),
    {
      capacity: Settings.value(ranges.cache.capacity, options.capacity),
      limit: options.overdueAfter === undefined
        ? overdueAfter(deadline)
        : Settings.value(ranges.cache.overdueAfter, options.overdueAfter),
      timing: {
        ahead: Settings.value(ranges.cache.ahead, options.ahead),
        jitter: Settings.value(ranges.cache.jitter, options.jitter),
        clockSkew: Settings.value(ranges.cache.clockSkew, options.clockSkew),
        assumedLifetime: onMissingExpiry === "never"
          ? Number.POSITIVE_INFINITY
          // a program without types can give null
          : Settings.value(
            ranges.onMissingExpiry.assume,
            (onMissingExpiry as { readonly assume: unknown } | null)?.assume
          )
      }
    }
  )
}
