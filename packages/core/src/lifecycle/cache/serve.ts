// Decides at every call: serve the held token, wait for the request under way, or begin one. Each step is synchronous.
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { AccessToken } from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import * as clocks from "../../values/Clocks.js"
import type { Reason } from "../../values/TokenEvent.js"
import { WaitUntil } from "../waitUntil.js"
import { repeat, request } from "./acquire.js"
import type { Context, Token } from "./context.js"
import type { Slot } from "./slot.js"
import { until } from "./tokenLife.js"

/**
 * How long a token is served before its life is checked again: this limits the effect of a clock step, and the cost of
 * checks.
 */
const lookEvery = 1000

const noStay =
  "waitUntil has thrown, so a token is not renewed before its end: give withWaitUntil a function that calls it " +
  "on its context, (promise) => ctx.waitUntil(promise), while the request is being served"

/** Whether the held token may be served without a new check of its life. */
export const isOpen = <E>(slot: Slot<E>, wall: number): boolean =>
  wall < slot.until && wall >= slot.from && slot.hasPlace

/** The path of nearly every call: the held token is good for the moment, or a request is under way. */
export const glance = <E>({ requestBound }: Context<E>, slot: Slot<E>, clock: Clock.Clock): Token<E> | undefined => {
  const wall = clock.unsafeCurrentTimeMillis()
  const held = slot.held
  if (held !== undefined && isOpen(slot, wall)) return held.exit
  if (slot.flight !== undefined && (held === undefined || wall >= held.mustAt)) {
    return slot.flight.await(requestBound)
  }
  return undefined
}

/** Serves the held token, or else gets a token for `reason`. */
export const obtain = <E>(context: Context<E>, slot: Slot<E>, clock: Clock.Clock, reason?: Reason): Token<E> => {
  if (context.closed) return context.usedAfterClose
  const now = clocks.read(clock)
  slot.lastUsed = now.steady
  const served = serve(context, slot, now)
  if (served !== undefined) {
    return context.requestBound ? Effect.zipRight(renewWithin(context, slot, now), served) : served
  }
  // The caller's span is looked up only where a request may have to be its child.
  return Effect.flatMap(Effect.serviceOption(Tracer.ParentSpan), (parent) => {
    const now = clocks.read(clock)
    return serve(context, slot, now) ??
      awaitToken(context, slot, reason ?? (slot.held === undefined ? "cold" : "expired"), now, parent)
  })
}

/** The held token if it may be served, otherwise undefined; starts a renewal ahead of need if one is due. */
const serve = <E>(context: Context<E>, slot: Slot<E>, now: Now): Exit.Exit<AccessToken> | undefined => {
  const held = slot.held
  if (held === undefined) return undefined
  const untilMust = until(held, held.mustAt, now)
  if (untilMust <= 0) return undefined
  const untilRefresh = until(held, held.refreshAt, now)
  const due = context.timing.ahead > 0 && untilRefresh <= 0
  if (due && !context.requestBound) renewAhead(context, slot, now)
  if (slot.hasPlace) {
    slot.from = now.wall
    slot.until = now.wall + Math.min(lookEvery, untilMust, due ? lookEvery : untilRefresh)
  }
  return held.exit
}

/** For a slot that has nothing to serve: waits for the request under way, repeats the last failure, or asks the server. */
const awaitToken = <E>(
  context: Context<E>,
  slot: Slot<E>,
  reason: Reason,
  now: Now,
  parent: Option.Option<Tracer.AnySpan>
): Token<E> => {
  if (slot.flight !== undefined) return slot.flight.await(context.requestBound)
  const trouble = slot.trouble
  return trouble?.failure !== undefined && now.steady < trouble.blockedUntil
    ? repeat(context, slot, trouble.failure)
    : request(context, slot, reason, now, parent)
}

/** Starts a renewal in the background, unless it is too early for one. */
export const renewAhead = <E>(context: Context<E>, slot: Slot<E>, now: Now): void => {
  slot.flight?.judge()
  if (slot.flight === undefined && slot.aheadFor(now) === 0) {
    request(context, slot, "ahead", now, Option.none())
  }
}

/** The caches whose users have been told that `waitUntil` does not work. */
const told = new WeakSet<object>()

/**
 * For runtimes in which work ends with the request that began it: renews ahead of need only if `waitUntil` can keep the
 * present request alive for it.
 */
const renewWithin = <E>(context: Context<E>, slot: Slot<E>, now: Now): Effect.Effect<void> =>
  Effect.flatMap(WaitUntil, (waitUntil) => {
    const held = slot.held
    if (waitUntil === undefined || held === undefined || context.timing.ahead <= 0) return Effect.void
    if (until(held, held.refreshAt, now) > 0) return Effect.void
    renewAhead(context, slot, now)
    const flight = slot.flight
    if (flight === undefined) return Effect.void
    try {
      waitUntil(Effect.runPromise(Effect.exit(flight.await(true))))
      return Effect.void
    } catch {
      // the caller still gets the held token
      if (told.has(context)) return Effect.void
      told.add(context)
      return Effect.logWarning(noStay)
    }
  })
