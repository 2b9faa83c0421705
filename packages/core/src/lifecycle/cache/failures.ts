// Takes a failed attempt into the slot of its key: what callers are told, and when to ask again.
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as AccessToken from "../../values/AccessToken.js"
import * as TokenError from "../../values/TokenError.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import { backgroundStep, mandated, refusalStep } from "../backOff.js"
import * as foreignError from "../foreignError.js"
import type { Attempt, Slot } from "./slot.js"
import { failuresOf } from "./slot.js"
import { until } from "./tokenLife.js"

/** Takes in a failure; the held token stays. Returns the failure for the waiting callers, and the event to publish. */
export const remember = <E>(
  slot: Slot<E>,
  exit: Exit.Failure<AccessToken.AccessToken, E>,
  { elapsed, key, now, random, reason }: Attempt
): { readonly failure: Exit.Exit<never, E>; readonly event: TokenEvent } => {
  const held = slot.held
  const left = held === undefined ? 0 : until(held, held.mustAt, now)
  const stillServing = left > 0
  const failures = failuresOf(slot)
  const error = errorOf(exit)
  const mandate = mandated(error, now.wall)
  // Half of a step is fixed and half is random, so that the processes of a fleet do not all ask at the same time.
  const step = backgroundStep(failures, held?.lifetime ?? Number.POSITIVE_INFINITY) * (1 + random) / 2
  // While a token is served, the next attempt comes before that token's end. A caller that comes after its end starts
  // an attempt at once, unless the server itself said when to come back.
  const block = stillServing ? mandate : Math.max(mandate, refusalStep(failures))
  const ahead = Math.max(block, stillServing ? Math.min(step, left) : step)
  const retryAt = now.wall + (stillServing ? ahead : block)
  const failure = withRetryAt(exit, retryAt)
  slot.trouble = {
    failures,
    failure,
    aheadAfter: now.steady + ahead,
    blockedUntil: now.steady + block,
    wasEarly: slot.isEarly
  }
  slot.isEarly = false
  const event = TokenEvent.RefreshFailed({
    key,
    at: now.wall,
    reason,
    error: foreignError.nameOf(error),
    message: foreignError.messageOf(error),
    elapsed,
    failures,
    stillServing,
    retryAt
  })
  return { failure, event }
}

/**
 * Gives up an attempt that showed no sign of life for too long. The held token stays, and the next caller that needs a
 * token starts a new attempt.
 */
export const giveUp = <E>(slot: Slot<E>, { elapsed, key, now, reason }: Attempt): TokenEvent => {
  const failures = failuresOf(slot)
  const wait = backgroundStep(failures, slot.held?.lifetime ?? Number.POSITIVE_INFINITY)
  slot.trouble = { failures, failure: undefined, aheadAfter: now.steady + wait, blockedUntil: now.steady }
  slot.isEarly = false
  return TokenEvent.RequestAbandoned({ key, at: now.wall, reason, elapsed })
}

const errorOf = <E>(exit: Exit.Exit<unknown, E>): E | undefined =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined

/** Whether a failure says that asking again with the same credentials is pointless. */
export const isRefusal = (exit: Exit.Exit<unknown, unknown>): boolean => {
  const error = errorOf(exit)
  return Predicate.hasProperty(error, "retryable") && error.retryable === false &&
    !Predicate.hasProperty(error, "retryAt")
}

/** Adds to a `RetriesExhausted` when to come back, now that it is known. */
const withRetryAt = <E>(exit: Exit.Failure<unknown, E>, retryAt: number): Exit.Exit<never, E> =>
  Exit.failCause(
    Cause.map(exit.cause, (error) =>
      TokenError.isTokenError(error) && error._tag === "RetriesExhausted" && Option.isNone(error.retryAt)
        ? new TokenError.RetriesExhausted({ ...error, retryAt: Option.some(retryAt) }) as typeof error
        : error)
  )
