// One token request, and what it does to the slot of its key.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Tracer from "effect/Tracer"
import type { AccessToken } from "../../values/AccessToken.js"
import { isAccessToken } from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import * as clocks from "../../values/Clocks.js"
import type { Flight } from "../../values/flight.js"
import * as SharedWork from "../../values/SharedWork.js"
import type { Reason } from "../../values/TokenEvent.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import * as TokenRequest from "../../values/TokenRequest.js"
import * as Disclosure from "../../wire/Disclosure.js"
import * as source from "../source.js"
import { adopt, isLate } from "./adopt.js"
import type { Context, Token } from "./context.js"
import { failing } from "./context.js"
import * as errors from "./errors.js"
import { isRefusal, remember } from "./failures.js"
import { start } from "./flights.js"
import { nameOf } from "./keys.js"
import type { Attempt, Slot } from "./slot.js"
import { current } from "./slot.js"

/** Starts a request for the token of a slot, as soon as its back-off allows one. */
export const request = <E>(
  context: Context<E>,
  slot: Slot<E>,
  reason: Reason,
  now: Now,
  parent: Option.Option<Tracer.AnySpan>
): Token<E> => {
  const wait = slot.blockedFor(now)
  return start(context, slot, reason, (flight) => {
    const work = Disclosure.withSpan("TokenSource.acquire", {
      attributes: { "oauth.reason": reason, "oauth.request": nameOf(slot.key) },
      captureStackTrace: false,
      ...(Option.isSome(parent) && reason !== "ahead" ? { parent: parent.value } : { root: true })
    })(acquire(context, slot, reason, flight))
    return wait > 0 ? after(wait, work) : work
  })
}

/** For each refusal, the credentials that the server refused. */
const refused = new WeakMap<Exit.Exit<never, unknown>, Option.Option<unknown>>()

/**
 * Repeats a failure without asking the server. If it is a refusal and the credentials have changed since, the server is
 * asked before `blockedUntil`, but only once: there are credentials that read differently every time.
 */
export const repeat = <E>(context: Context<E>, slot: Slot<E>, failure: Exit.Exit<never, E>): Token<E> => {
  const { credentials } = context
  if (credentials === undefined || slot.trouble?.wasEarly === true || !isRefusal(failure)) return failure
  return start(context, slot, "cold", (flight) =>
    Effect.flatMap(credentials, (current) => {
      if (Equal.equals(current, refused.get(failure))) return failure
      slot.isEarly = true
      return acquire(context, slot, "cold", flight)
    }))
}

/** Runs `work` after `wait` milliseconds. Work that waits for its time does not become overdue by that. */
export const after = <A, E>(wait: number, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.zipRight(SharedWork.expect(wait), Effect.delay(work, wait))

const acquire = <E>(
  context: Context<E>,
  slot: Slot<E>,
  reason: Reason,
  flight: Flight<AccessToken, E>
): Token<E> =>
  Effect.gen(function*() {
    const { clock, publish } = context
    const started = clocks.read(clock)
    const key = nameOf(slot.key)
    yield* publish(TokenEvent.AcquisitionStarted({ key, at: started.wall, reason }))
    const fetch = Effect.map(Effect.exit(ask(context, slot, reason, started)), (exit) => settled(context, exit))
    let exit = yield* fetch
    const random = yield* Random.next
    let now = clocks.read(clock)
    if (Exit.isSuccess(exit) && isLate(slot, exit.value, now, context.timing)) {
      exit = yield* fetch
      now = clocks.read(clock)
    }
    // this flight was given up, and another one may have begun: its late result changes nothing
    if (slot.flight !== flight) return yield* exit
    const attempt = { key, reason, elapsed: Math.round(now.steady - started.steady), random, now }
    return Exit.isSuccess(exit)
      ? yield* succeed(context, slot, exit.value, attempt, flight)
      : yield* fail(context, slot, exit, attempt)
  })

/** What the server is asked for: a token in place of the one that was refused, or of the one that is held. */
const ask = <E>({ self }: Context<E>, slot: Slot<E>, reason: Reason, now: Now): Token<E> => {
  const request = TokenRequest.fromKey(slot.key)
  const { held, rejected } = slot
  if (reason === "rejected" && rejected !== undefined) return source.renewal(self, rejected, request)
  const replaced = held === undefined ? rejected : current(held, now)
  return replaced === undefined ? self.get(request) : source.replace(self, replaced, request)
}

/** A token, or a failure that the waiting callers can catch. */
const settled = <E>(context: Context<E>, exit: Exit.Exit<AccessToken, E>): Exit.Exit<AccessToken, E> =>
  Exit.isSuccess(exit)
    ? isAccessToken(exit.value) ? exit : failing(context, errors.noToken)
    : Cause.isInterruptedOnly(exit.cause)
    ? failing(context, errors.interruptedInside)
    : exit

/** A token came. It may still be one that no caller gets. */
const succeed = <E>(
  context: Context<E>,
  slot: Slot<E>,
  token: AccessToken,
  attempt: Attempt,
  flight: Flight<AccessToken, E>
): Token<E> => {
  const { fail, keys, publish, timing } = context
  const { events, given } = adopt(slot, token, attempt, timing)
  keys.remember(slot)
  const outcome = (): Token<E> => {
    if (typeof given !== "string") return Effect.succeed(given)
    const wait = slot.blockedFor(attempt.now)
    if (given === "later") return after(wait, acquire(context, slot, attempt.reason, flight))
    if (fail === undefined) {
      // no typed error can say so: the callers that still wait ask again after the pause
      flight.bringsNothing = true
      return Effect.succeed(token)
    }
    const why = given === "ended" ? errors.hasEnded(token, attempt.now) : errors.isOver
    const failure = fail(errors.useless(wait, why))
    if (slot.trouble !== undefined) slot.trouble = { ...slot.trouble, failure }
    keys.remember(slot)
    return failure
  }
  return Effect.zipRight(Effect.forEach(events, publish, { discard: true }), Effect.suspend(outcome))
}

const fail = <E>(
  { credentials, keys, publish }: Context<E>,
  slot: Slot<E>,
  exit: Exit.Failure<AccessToken, E>,
  attempt: Attempt
): Token<E> => {
  const { event, failure } = remember(slot, exit, attempt)
  keys.remember(slot)
  const noted = credentials !== undefined && isRefusal(exit)
    ? Effect.map(credentials, (credentials) => void refused.set(failure, credentials))
    : Effect.void
  return Effect.zipRight(Effect.zipRight(noted, publish(event)), failure)
}
