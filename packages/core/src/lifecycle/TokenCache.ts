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
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { AccessToken } from "../values/AccessToken.js"
import { isAccessToken, isSame } from "../values/AccessToken.js"
import type { Now } from "../values/Clocks.js"
import * as clocks from "../values/Clocks.js"
import { Flight } from "../values/flight.js"
import { isRequestBound } from "../values/runtime.js"
import * as ranges from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"
import * as SharedWork from "../values/SharedWork.js"
import { Current } from "../values/signsOfLife.js"
import * as TokenError from "../values/TokenError.js"
import type { Reason } from "../values/TokenEvent.js"
import { TokenEvent } from "../values/TokenEvent.js"
import * as TokenRequest from "../values/TokenRequest.js"
import * as Disclosure from "../wire/Disclosure.js"
import { ownSpan } from "../wire/ownSpan.js"
import { adopt, current as currentOf, giveUp, isLate, isRefusal, reject, remember, Slot } from "./cache/slot.js"
import { Slots } from "./cache/slots.js"
import { until } from "./cache/tokenLife.js"
import { workers } from "./cache/workers.js"
import type { Timing } from "./lifetime.js"
import * as source from "./source.js"
import { WaitUntil } from "./waitUntil.js"

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

/**
 * How long a token is served before its life is checked again: this limits the effect of a clock step, and the cost of
 * checks.
 */
const lookEvery = 1000

const hash = (key: string): string => TokenRequest.hash(TokenRequest.fromKey(key))

/** The default of `overdueAfter` in milliseconds; `undefined` for a source whose deadline is not known. */
const overdueAfter = (deadline: number | undefined): number | undefined =>
  deadline !== undefined && Number.isFinite(deadline) ? Math.max(30_000, 2 * deadline + 5000) : undefined

const slowest = 120_000

/** Limit for reading the credentials to find out whether they have changed, in milliseconds. */
const longestRead = 30_000

/** Runs `work` after `wait` milliseconds. Work that waits for its time does not become overdue by that. */
const after = <A, E>(wait: number, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.zipRight(SharedWork.expect(wait), Effect.delay(work, wait))

/** The error of a source that is used after its scope was closed. */
const closedError = new TokenError.InvalidConfiguration({
  fields: ["scope"],
  detail:
    "this token source was used after its scope was closed: its layer was provided to an effect that has ended, " +
    "and what was taken out of that effect (a source, an HttpClient) does not work any more. Provide the layer around the " +
    "whole program, run it by Layer.launch, or keep it in a ManagedRuntime that is disposed of last"
})

/**
 * The error for callers that wait for a token when the scope is closed. They could not catch an interruption, and it
 * would not say what is wrong.
 */
const closedMeanwhile = new TokenError.InvalidConfiguration({
  fields: ["scope"],
  detail:
    "the scope of this token source was closed while a token was on its way: end what uses it before, or keep its " +
    "layer around the whole program (Layer.launch, or a ManagedRuntime that is disposed of last)"
})

const noStay =
  "waitUntil has thrown, so a token is not renewed before its end: give withWaitUntil a function that calls it " +
  "on its context, (promise) => ctx.waitUntil(promise), while the request is being served"

/** The error if a user's own source yields something that is no token. */
const noToken = new TokenError.InvalidConfiguration({
  fields: ["source"],
  detail: "what the token source yielded is no AccessToken: make one with AccessToken.make"
})

/** The error if a source was interrupted from inside: the callers that wait for it were not interrupted. */
const brokenOff = new TokenError.TransportError({
  endpoint: "the token source",
  code: Option.none(),
  detail: "it was interrupted from inside, and not by who asked it"
})

/**
 * The error if the server answers with a token that no caller gets; the server is asked again after `wait` milliseconds.
 */
const uselessError = (wait: number, description: string) =>
  new TokenError.EndpointUnavailable({
    endpoint: "The token source",
    status: 200,
    retryAfter: Option.some(Duration.millis(wait)),
    description: Option.some(description)
  })

const isOver =
  "it handed out a token again whose life is over. A cache between here and the server may have kept the " +
  "answer; a server that makes a token live longer under the same name has to name no lifetime"

const refusedAgain = "it answered the renewal with the very token that was refused, and has no other. Check that the " +
  "API takes tokens of this server and for this audience; a cache between here and the server may have kept the answer"

/** Says why a new token that arrived at `now` had ended already. */
const hasEnded = ({ expiresAt, issuedAt }: AccessToken, now: Now): string => {
  const lifetime = Option.getOrElse(expiresAt, () => issuedAt) - issuedAt
  return lifetime > 0
    ? `it handed out a token that lives for ${Duration.format(Duration.millis(lifetime))} and took ` +
      `${Duration.format(Duration.millis(Math.max(0, now.wall - issuedAt)))} to arrive: it has ended already, or is ` +
      "about to end. Check the clock of this machine, and what makes the answer slow"
    : "it handed out a token that has ended already: with a lifetime of 0 (expires_in), or an end in the past. If the " +
      "server means a token without an end by that, make the source with TokenSource.make and name no expiresAt; check " +
      "the clock of this machine too"
}

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
 *   const uncached = yield* TokenSource.make(() => fromVault)
 *   const tokens = yield* TokenSource.cached({ clockSkew: "45 seconds" })(uncached)
 *   return yield* tokens.get()
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const cached = (options: Options = {}) => <E>(uncached: source.With<E>) =>
  // the errors of the source do not include those of the cache
  build<E>(options, uncached, undefined)

/**
 * The same for a source that may fail with any `TokenError`.
 *
 * @internal
 */
export const cachedFailing = (options: Options = {}) => (uncached: source.With<TokenError.TokenError>) =>
  build<TokenError.TokenError>(options, uncached, Exit.fail)

const build = <E>(
  options: Options,
  uncached: source.With<E>,
  // absent if the errors of the source do not include this one
  fail: ((error: TokenError.RequestError) => Exit.Exit<never, E>) | undefined
): Effect.Effect<Cached<E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    type Token = Effect.Effect<AccessToken, E>
    type Parent = Option.Option<Tracer.AnySpan>

    const self = yield* source.withHooks(uncached)
    const clock = yield* Effect.clock
    const { credentials: current, deadline, defaults, publish } = source.hooks(self)
    yield* Settings.warn([
      ...Settings.problems(ranges.cache, options, "cache"),
      ...Settings.problems(
        ranges.onMissingExpiry,
        options.onMissingExpiry === "never" ? undefined : options.onMissingExpiry,
        "cache.onMissingExpiry"
      )
    ])
    const limit = options.overdueAfter === undefined
      ? overdueAfter(deadline)
      : Settings.value(ranges.cache.overdueAfter, options.overdueAfter)
    const limitOf = ({ held }: Slot<E>, reason: Reason, now: Now): number =>
      limit ?? Math.max(slowest, reason === "ahead" && held !== undefined ? until(held, held.mustAt, now) : 0)
    const requestBound = isRequestBound()
    // an effect of the user's, which may hang
    const credentials = current?.pipe(
      Effect.interruptible,
      Disclosure.unlogged,
      Effect.disconnect,
      Effect.timeout(Math.min(deadline ?? longestRead, limit ?? longestRead, longestRead)),
      Effect.option
    )
    const listeners = new Set<(entry: Entry) => void>()
    const entries = new WeakMap<Slot<E>, Entry>()
    let timing: Timing = {
      ahead: Settings.value(ranges.cache.ahead, options.ahead),
      jitter: Settings.value(ranges.cache.jitter, options.jitter),
      clockSkew: Settings.value(ranges.cache.clockSkew, options.clockSkew),
      assumedLifetime: options.onMissingExpiry === undefined || options.onMissingExpiry === "never"
        ? Number.POSITIVE_INFINITY
        : Settings.value(
          ranges.onMissingExpiry.assume,
          // a program without types can give null
          (options.onMissingExpiry as { readonly assume: unknown } | null)?.assume
        )
    }

    // Requests run here, in the cache's scope, never on the fiber of a caller.
    const { abandon, fork } = yield* workers
    let closed = false
    let wasTold = false
    let cannotStay = false
    // without `fail` a defect is all that is left; it is a bug of the program
    const failing = (error: TokenError.RequestError) => fail === undefined ? Exit.die(error) : fail(error)
    const closedExit = failing(closedError)
    const usedAfterClose: Token = Effect.suspend(() => {
      if (wasTold) return closedExit
      wasTold = true
      return Effect.zipRight(Effect.logError(closedError.message), closedExit)
    })

    // Slots with a request under way are found here even after the cache evicted them: a capacity smaller than the
    // number of keys in flight must not break single flight.
    const busy = new Map<string, Slot<E>>()
    const defaultSlot = new Slot<E>(defaults.key)
    // it needs no place in the cache
    defaultSlot.hasPlace = true

    const places = yield* Slots.make<E>(Settings.value(ranges.cache.capacity, options.capacity))

    // The slots of request objects that have been used before.
    const slots = new WeakMap<TokenRequest.TokenRequest, Slot<E>>()

    const slotOf = (request: TokenRequest.TokenRequest | undefined): Slot<E> => {
      if (request === undefined) return defaultSlot
      const known = slots.get(request)
      // The order of use matters only when the cache is full and may have to evict a key.
      if (known !== undefined && (known === defaultSlot || (!places.isFull && known.hasPlace))) return known
      const key = known?.key ?? TokenRequest.withDefaults(request, defaults).key
      const slot = key === defaults.key
        ? defaultSlot
        : (places.isFull ? undefined : places.peek(key)) ?? places.touch(key, () => busy.get(key))
      slots.set(request, slot)
      return slot
    }

    /** The slot of a request if there is one. It does not count as a use of the slot. */
    const peek = (request: TokenRequest.TokenRequest | undefined): Slot<E> | undefined => {
      const key = request === undefined ? defaults.key : TokenRequest.withDefaults(request, defaults).key
      return key === defaults.key
        ? defaultSlot
        : busy.get(key) ?? places.peek(key)
    }

    // --- work: runs in the cache's scope ------------------------------------------------------------------------

    /** A token, or a failure that the waiting callers can catch. */
    const settled = (exit: Exit.Exit<AccessToken, E>): Exit.Exit<AccessToken, E> =>
      Exit.isSuccess(exit)
        ? isAccessToken(exit.value) ? exit : failing(noToken)
        : Cause.isInterruptedOnly(exit.cause)
        ? failing(brokenOff)
        : exit

    /** One token request, and what it does to the slot. */
    const acquire = (slot: Slot<E>, reason: Reason, flight: Flight<AccessToken, E>): Token =>
      Effect.gen(function*() {
        const started = clocks.read(clock)
        const key = hash(slot.key)
        yield* publish(TokenEvent.AcquisitionStarted({ key, at: started.wall, reason }))
        const request = TokenRequest.fromKey(slot.key)
        const { rejected } = slot
        const current = slot.held === undefined ? rejected : currentOf(slot.held, started)
        const fetch = reason === "rejected" && rejected !== undefined
          ? source.renewal(self, rejected, request)
          : current === undefined
          ? self.get(request)
          : source.replace(self, current, request)
        let exit = settled(yield* Effect.exit(fetch))
        const random = yield* Random.next
        let now = clocks.read(clock)
        if (Exit.isSuccess(exit) && isLate(slot, exit.value, now, timing)) {
          exit = settled(yield* Effect.exit(fetch))
          now = clocks.read(clock)
        }
        // this flight was given up, and another one may have begun: its late result changes nothing
        if (slot.flight !== flight) return yield* exit
        const attempt = { key, reason, elapsed: Math.round(now.steady - started.steady), random, now }
        if (Exit.isSuccess(exit)) {
          const { events, given } = adopt(slot, exit.value, attempt, timing)
          if (slot !== defaultSlot) places.remember(slot)
          yield* Effect.forEach(events, publish, { discard: true })
          // otherwise the server has only a token whose life is over, and no caller gets that
          if (typeof given !== "string") return given
          if (given === "later") return yield* after(slot.blockedFor(now), acquire(slot, reason, flight))
          // if no typed error can say so, the callers that still wait ask again after the pause
          if (fail === undefined) {
            useless.add(flight)
            return yield* exit
          }
          const why = given === "ended" ? hasEnded(exit.value, now) : isOver
          const failure = fail(uselessError(slot.blockedFor(now), why))
          if (slot.trouble !== undefined) slot.trouble = { ...slot.trouble, failure }
          if (slot !== defaultSlot) places.remember(slot)
          return yield* failure
        }
        const { event, failure } = remember(slot, exit, attempt)
        if (slot !== defaultSlot) places.remember(slot)
        if (credentials !== undefined && isRefusal(exit)) refused.set(failure, yield* credentials)
        yield* publish(event)
        return yield* failure
      })

    const request = (slot: Slot<E>, reason: Reason, now: Now, parent: Parent): Token => {
      const wait = slot.blockedFor(now)
      return start(slot, reason, (flight) => {
        const work = ownSpan("TokenSource.acquire", {
          attributes: { "oauth.reason": reason, "oauth.request": hash(slot.key) },
          captureStackTrace: false,
          ...(Option.isSome(parent) && reason !== "ahead" ? { parent: parent.value } : { root: true })
        })(acquire(slot, reason, flight))
        return wait > 0 ? after(wait, work) : work
      })
    }

    /** Flights that ended with a token that no caller gets, and with no error that could say so. */
    const useless = new WeakSet<Flight<AccessToken, E>>()

    /** For each refusal, the credentials that the server refused. */
    const refused = new WeakMap<Exit.Exit<never, E>, Option.Option<unknown>>()

    /**
     * Repeats a failure without asking the server. If it is a refusal and the credentials have changed since, the
     * server is asked before `blockedUntil`, but only once: there are credentials that read differently every time.
     */
    const repeat = (slot: Slot<E>, failure: Exit.Exit<never, E>): Token =>
      credentials === undefined || slot.trouble?.wasEarly === true || !isRefusal(failure) ? failure : start(
        slot,
        "cold",
        (flight) =>
          Effect.flatMap(credentials, (current) => {
            if (Equal.equals(current, refused.get(failure))) return failure
            slot.isEarly = true
            return acquire(slot, "cold", flight)
          })
      )

    const settle = (slot: Slot<E>): void => {
      slot.flight = undefined
      if (busy.get(slot.key) === slot) busy.delete(slot.key)
    }

    const tellListeners = (slot: Slot<E>): void => {
      if (listeners.size > 0) listeners.forEach((listener) => listener(entryOf(slot)))
    }

    /** Starts work that any number of callers wait for. Synchronous: nothing comes between a check and the start. */
    const start = (slot: Slot<E>, reason: Reason, work: (flight: Flight<AccessToken, E>) => Token): Token => {
      if (closed) return usedAfterClose
      const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
      const began = clocks.read(clock)
      const flight: Flight<AccessToken, E> = new Flight({
        clock,
        limit: limitOf(slot, reason, began),
        again: Effect.clockWith((clock) => obtain(slot, clock, reason)),
        onGivenUp: () => {
          if (slot.flight !== flight) return
          settle(slot)
          const now = clocks.read(clock)
          const elapsed = Math.round(now.steady - began.steady)
          fork(publish(giveUp(slot, { key: hash(slot.key), reason, elapsed, random: 0, now })))
          fibers.forEach(abandon)
          tellListeners(slot)
        }
      })
      const land = (exit: Exit.Exit<AccessToken, E>) => {
        if (slot.flight !== flight) return
        settle(slot)
        if (useless.has(flight)) flight.startAnew()
        else flight.land(exit)
        fibers[1]?.unsafeInterruptAsFork(FiberId.none)
        tellListeners(slot)
      }
      slot.flight = flight
      busy.set(slot.key, slot)
      fibers.push(fork(
        work(flight).pipe(
          Effect.provideService(Current, flight.underway),
          Effect.exit,
          Effect.flatMap((exit) => Effect.sync(() => land(exit))),
          Disclosure.unlogged,
          Effect.interruptible
        )
      ))
      // This gives up the flight if the fiber was interrupted before, or while, it did its work.
      fibers[0]?.addObserver(() => closed ? land(failing(closedMeanwhile)) : flight.giveUp())
      if (!flight.isLanded) fibers.push(fork(Effect.interruptible(flight.watch(requestBound))))
      // The caller that starts the flight waits in the same way: another request that finds the flight overdue must not
      // resume this caller.
      return flight.await(requestBound)
    }

    // --- the state machine: each step is synchronous ------------------------------------------------------------

    /** The held token if it may be served, otherwise undefined; starts a renewal ahead of need if one is due. */
    const serve = (slot: Slot<E>, now: Now): Exit.Exit<AccessToken> | undefined => {
      const held = slot.held
      if (held === undefined) return undefined
      const untilMust = until(held, held.mustAt, now)
      if (untilMust <= 0) return undefined
      const untilRefresh = until(held, held.refreshAt, now)
      const due = timing.ahead > 0 && untilRefresh <= 0
      if (due && !requestBound) renewAhead(slot, now)
      if (slot.hasPlace) {
        slot.from = now.wall
        slot.until = now.wall + Math.min(lookEvery, untilMust, due ? lookEvery : untilRefresh)
      }
      return held.exit
    }

    /** Starts a renewal in the background, unless it is too early for one. */
    const renewAhead = (slot: Slot<E>, now: Now): void => {
      slot.flight?.judge()
      if (slot.flight === undefined && slot.aheadFor(now) === 0) {
        request(slot, "ahead", now, Option.none())
      }
    }

    /**
     * For runtimes in which work ends with the request that began it: renews ahead of need only if `waitUntil` can keep
     * the present request alive for it.
     */
    const renewWithin = (slot: Slot<E>, now: Now): Effect.Effect<void> =>
      Effect.flatMap(WaitUntil, (waitUntil) => {
        const held = slot.held
        if (waitUntil === undefined || held === undefined || timing.ahead <= 0) return Effect.void
        if (until(held, held.refreshAt, now) > 0) return Effect.void
        renewAhead(slot, now)
        const flight = slot.flight
        if (flight === undefined) return Effect.void
        try {
          waitUntil(Effect.runPromise(Effect.exit(flight.await(true))))
          return Effect.void
        } catch {
          // the caller still gets the held token
          const isNews = !cannotStay
          cannotStay = true
          return isNews ? Effect.logWarning(noStay) : Effect.void
        }
      })

    /**
     * For a slot that has nothing to serve: waits for the request under way, repeats the last failure, or asks the
     * server.
     */
    const await_ = (slot: Slot<E>, reason: Reason, now: Now, parent: Parent): Token => {
      if (slot.flight !== undefined) return slot.flight.await(requestBound)
      const trouble = slot.trouble
      return trouble?.failure !== undefined && now.steady < trouble.blockedUntil
        ? repeat(slot, trouble.failure)
        : request(slot, reason, now, parent)
    }

    /** Serves the held token, or else gets a token for `reason`. */
    const obtain = (slot: Slot<E>, clock: Clock.Clock, reason?: Reason): Token => {
      if (closed) return usedAfterClose
      const now = clocks.read(clock)
      slot.lastUsed = now.steady
      const served = serve(slot, now)
      if (served !== undefined) return requestBound ? Effect.zipRight(renewWithin(slot, now), served) : served
      // The caller's span is looked up only where a request may have to be its child.
      return Effect.flatMap(Effect.serviceOption(Tracer.ParentSpan), (parent) => {
        const now = clocks.read(clock)
        return serve(slot, now) ??
          await_(slot, reason ?? (slot.held === undefined ? "cold" : "expired"), now, parent)
      })
    }

    /** The path of nearly every call: the held token is good for the moment, or a request is under way. */
    const glance = (slot: Slot<E>, clock: Clock.Clock): Token | undefined => {
      const wall = clock.unsafeCurrentTimeMillis()
      const held = slot.held
      if (held !== undefined && isOpen(slot, wall)) return held.exit
      if (slot.flight !== undefined && (held === undefined || wall >= held.mustAt)) {
        return slot.flight.await(requestBound)
      }
      return undefined
    }

    const isOpen = (slot: Slot<E>, wall: number): boolean => wall < slot.until && wall >= slot.from && slot.hasPlace

    // --- the public face ----------------------------------------------------------------------------------------

    const tokenAtOnce: source.Hooks["peek"] = (clock, request) => {
      const slot = request === undefined ? defaultSlot : slots.get(request)
      return slot?.held !== undefined && isOpen(slot, clock.unsafeCurrentTimeMillis()) ? slot.held.token : undefined
    }

    const getDefault: Token = Effect.clockWith((clock) => glance(defaultSlot, clock) ?? obtain(defaultSlot, clock))

    const get = (request?: TokenRequest.TokenRequest): Token =>
      request === undefined ? getDefault : Effect.clockWith((clock) => {
        const slot = slots.get(request)
        if (slot === undefined) {
          const found = slotOf(request)
          return glance(found, clock) ?? obtain(found, clock)
        }
        return glance(slot, clock) ?? obtain(slotOf(request), clock)
      })

    /** Takes in a caller's report that `rejected` was refused. */
    const report = (rejected: AccessToken, slot: Slot<E>): Effect.Effect<void> =>
      Effect.clockWith((clock) => {
        const now = clocks.read(clock)
        slot.lastUsed = now.steady
        const events = reject(slot, rejected, hash(slot.key), now)
        if (slot !== defaultSlot) places.remember(slot)
        return Effect.forEach(events, publish, { discard: true })
      })

    /** What the server answers to the report that `rejected` was refused, even if it is that very token. */
    const renewal = (rejected: AccessToken, request?: TokenRequest.TokenRequest): Token =>
      Effect.clockWith((clock) => {
        const slot = slotOf(request)
        return isRefusedAgain(slot, rejected, clocks.read(clock))
          ? Effect.succeed(rejected)
          : Effect.zipRight(report(rejected, slot), Effect.suspend(() => obtain(slot, clock, "rejected")))
      })

    /** Whether the last answer was `rejected` again, and the pause after it is not over. */
    const isRefusedAgain = (slot: Slot<E>, rejected: AccessToken, now: Now): boolean =>
      !closed && slot.flight === undefined && slot.held === undefined && slot.trouble?.isRefusedAgain === true &&
      slot.rejected !== undefined && isSame(slot.rejected, rejected) && slot.blockedFor(now) > 0

    const renew = (rejected: AccessToken, request?: TokenRequest.TokenRequest): Token =>
      Effect.flatMap(renewal(rejected, request), (token) =>
        !isSame(token, rejected) ? Effect.succeed(token) : Effect.clockWith((clock) => {
          const wait = slotOf(request).blockedFor(clocks.read(clock))
          return fail === undefined
            ? after(
              wait,
              Effect.suspend(() =>
                renew(rejected, request)
              )
            )
            : fail(uselessError(wait, refusedAgain))
        }))

    const makeEntry = (slot: Slot<E>): Entry => ({
      id: slot.key,
      hash: hash(slot.key),
      isDefault: slot === defaultSlot,
      untilRefresh: (now) => {
        const { held, rejected, trouble } = slot
        // After a revocation there is no token to renew, but a new one may be asked for. A slot that never had a token
        // may stand for a request that the server never grants, so asking is left to the callers.
        const isWanted = held !== undefined ||
          (rejected !== undefined && trouble?.failure !== undefined && !isRefusal(trouble.failure))
        return !isWanted || timing.ahead <= 0 || !slot.hasPlace ? Number.POSITIVE_INFINITY : Math.max(
          held === undefined ? 0 : until(held, held.refreshAt, now),
          slot.aheadFor(now)
        )
      },
      lifetime: () => slot.held?.lifetime ?? 0,
      idle: (now) => now.steady - slot.lastUsed,
      refresh: (now) => {
        slot.flight?.judge()
        if (slot.flight === undefined) request(slot, slot.held === undefined ? "cold" : "ahead", now, Option.none())
      },
      forget: () => {
        if (slot.flight === undefined) slot.drop()
      },
      isCurrent: Effect.sync(() => slot.hasPlace)
    })

    const entryOf = (slot: Slot<E>): Entry => {
      const known = entries.get(slot)
      if (known !== undefined) return known
      const entry = makeEntry(slot)
      entries.set(slot, entry)
      return entry
    }

    /** Every token that would be served now. It does not count as a use of them. */
    const held = Effect.map(
      clocks.now,
      (now) =>
        [defaultSlot, ...places.values()].flatMap(({ held, key }) =>
          held !== undefined && until(held, held.mustAt, now) > 0
            ? [{ token: held.token, request: TokenRequest.fromKey(key) }]
            : []
        )
    )

    const status = (request?: TokenRequest.TokenRequest) =>
      Effect.clockWith((clock) => {
        const slot = peek(request)
        const now = clocks.read(clock)
        const refreshing = slot?.flight !== undefined
        const held = slot?.held
        if (held === undefined || until(held, held.mustAt, now) <= 0) {
          return Effect.succeed({ token: Option.none(), remaining: Option.none(), stale: false, refreshing })
        }
        const left = until(held, held.endsAt, now)
        return Effect.succeed({
          token: Option.some(held.token),
          remaining: Number.isFinite(left) ? Option.some(Duration.millis(left)) : Option.none(),
          stale: until(held, held.refreshAt, now) <= 0,
          refreshing
        })
      })

    const renewHeldBelow = (least: number, request: TokenRequest.TokenRequest | undefined, isNew: boolean) =>
      Effect.clockWith((clock) => {
        const slot = slotOf(request)
        const now = clocks.read(clock)
        const held = slot.held
        if (closed || held === undefined || until(held, held.mustAt, now) <= 0) return Effect.void
        if (until(held, held.endsAt, now) >= Math.min(least, held.lifetime / 2)) return Effect.void
        // a token that has just come with half of its life gone is from a store: the server was not asked just now, so
        // no pause is needed
        if (isNew && slot.cutShort === 0) slot.pause = 0
        renewAhead(slot, now)
        return slot.flight === undefined ? Effect.void : Effect.ignore(slot.flight.await(requestBound))
      })

    /** If no token is held, a store may have one with little of its life left: it is fetched first, then renewed. */
    const renewBelow: source.Hooks["renewBelow"] = (least, request) =>
      Effect.suspend(() =>
        closed || slotOf(request).held !== undefined
          ? renewHeldBelow(least, request, false)
          : Effect.zipRight(Effect.ignore(get(request)), renewHeldBelow(least, request, true))
      )

    const left: source.Hooks["left"] = (token, request) =>
      Effect.clockWith((clock) => {
        const life = peek(request)?.lifeOf(token)
        return Effect.succeed(
          life === undefined || !Number.isFinite(life.endsAt)
            ? Option.none()
            : Option.some(Math.max(0, until(life, life.endsAt, clocks.read(clock))))
        )
      })

    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
        // the work may hang where it cannot be interrupted: its end is not waited for
        for (const slot of Array.from(busy.values())) {
          const { flight } = slot
          settle(slot)
          flight?.land(failing(closedMeanwhile))
        }
        for (const slot of [defaultSlot, ...places.values()]) slot.drop()
      })
    )

    /**
     * If an API refuses the successor of a token too, the refusals were not about the tokens: no other program has
     * replaced them.
     */
    const heard: source.Hooks["publish"] = (event) => {
      if (event._tag === "FreshTokenRejected") {
        for (const slot of [defaultSlot, ...places.values()]) {
          if (slot.cutShort > 0 && hash(slot.key) === event.key) slot.forgive()
        }
      }
      return publish(event)
    }

    const control: Control = {
      setTiming: (changed) => {
        timing = { ...timing, ...changed }
      },
      onSettled: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      publish
    }

    return Object.assign(
      source.derive<E>(self, {
        get,
        renew,
        renewal,
        invalidate: (rejected, request) =>
          Effect.suspend(() => {
            const slot = slotOf(request)
            return Effect.zipRight(report(rejected, slot), self.invalidate(rejected, TokenRequest.fromKey(slot.key)))
          })
      }, { held, left, peek: tokenAtOnce, publish: heard, renewBelow, status }),
      { [TypeId]: control } as const
    )
  })
