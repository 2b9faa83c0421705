import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as AccessToken from "../AccessToken.js"
import type { Now } from "../Clocks.js"
import * as TokenError from "../TokenError.js"
import type { Reason } from "../TokenEvent.js"
import { TokenEvent } from "../TokenEvent.js"
import * as anyError from "./anyError.js"
import { backgroundStep, mandated, refusalStep } from "./backOff.js"
import type { Flight } from "./flight.js"
import type { Moments, Timing } from "./lifetime.js"
import { moments } from "./lifetime.js"

/** A token that may be served, and the moments of its life. */
export interface Held extends Moments {
  readonly token: AccessToken.AccessToken
  readonly exit: Exit.Exit<AccessToken.AccessToken>
  /** Steady minus wall time when the token arrived: `moment + offset` is that moment by the steady clock. */
  readonly offset: number
}

/** Milliseconds until `moment`, by whichever clock says it is nearer: a token is fresh only if both say so. */
export const until = (held: Held, moment: number, now: Now): number =>
  Math.min(moment - now.wall, moment + held.offset - now.steady)

/**
 * By how much the wall clock has been put back since the token arrived, in milliseconds: so much earlier is its end by
 * today's wall clock. Only back: a clock that seems to have been put forward may belong to a machine that slept.
 */
const putBack = (held: Held, now: Now): number => {
  const step = now.steady - now.wall - held.offset
  // two clocks cannot be read in the same moment
  return step > 1 ? step : 0
}

/** The held token, with its end by today's wall clock: what another token is to be compared with. */
export const current = (held: Held, now: Now): AccessToken.AccessToken => {
  const step = putBack(held, now)
  return step === 0 ? held.token : new AccessToken.AccessToken({
    ...held.token,
    expiresAt: Option.map(held.token.expiresAt, (expiresAt) => expiresAt - step)
  })
}

/** What is known about one key. It lives as long as its place in the cache; tokens come and go in it. */
export class Slot<E> {
  held: Held | undefined = undefined
  flight: Flight<AccessToken.AccessToken, E> | undefined = undefined
  /** From `from` to `until`, by the wall clock, the held token may be served without a closer look. */
  from = Number.POSITIVE_INFINITY
  until = Number.NEGATIVE_INFINITY
  /** When a caller last asked, by the wall clock. */
  lastUsed = 0
  /** What is remembered of attempts that failed; absent after a success. */
  trouble: Trouble<E> | undefined = undefined
  /** The token most recently reported as refused. */
  rejected: AccessToken.AccessToken | undefined = undefined

  constructor(readonly key: string) {}

  hold(held: Held): void {
    this.held = held
    this.closeWindow()
  }

  drop(): void {
    this.held = undefined
    this.closeWindow()
  }

  private closeWindow(): void {
    this.from = Number.POSITIVE_INFINITY
    this.until = Number.NEGATIVE_INFINITY
  }
}

/** Consecutive attempts that brought nothing new. Times are by the steady clock. */
export interface Trouble<E> {
  readonly failures: number
  /** The last failure, unless the attempt brought a token that is of no use. */
  readonly failure: Exit.Exit<never, E> | undefined
  /** No attempt ahead of need before this; never earlier than `blockedUntil`. */
  readonly aheadAfter: number
  /** No attempt at all before this. */
  readonly blockedUntil: number
}

/** One attempt to fill a slot. */
export interface Attempt {
  readonly key: string
  readonly reason: Reason
  readonly elapsed: number
  /** In [0, 1). */
  readonly random: number
  readonly now: Now
}

/**
 * Whether a token was good when it was issued and is not any more: the machine was suspended, or starved, while it was
 * on its way. The server can do better, so it is asked once more.
 */
export const isLate = (token: AccessToken.AccessToken, now: Now, timing: Timing): boolean => {
  const { lifetime, mustAt } = moments(token, timing, 0)
  return lifetime > 0 && mustAt <= now.wall
}

/** Takes in a token that arrived; says what happened. */
export const adopt = <E>(
  slot: Slot<E>,
  token: AccessToken.AccessToken,
  { elapsed, key, now, random, reason }: Attempt,
  timing: Timing
): ReadonlyArray<TokenEvent> => {
  const common = { key, at: now.wall }
  const before = slot.held
  const held: Held = {
    token,
    exit: Exit.succeed(token),
    offset: now.steady - now.wall,
    ...moments(token, timing, random)
  }
  const failures = (slot.trouble?.failures ?? 0) + 1

  const refusedBefore = slot.rejected !== undefined && AccessToken.isSame(slot.rejected, token)
  if (refusedBefore || held.mustAt <= now.wall) {
    // Those who waited get it, for it is all the server has. Nobody after them does, and the server is left in peace.
    if (before !== undefined && until(before, before.mustAt, now) <= 0) slot.drop()
    const wait = refusalStep(failures)
    const next = now.steady + wait
    slot.trouble = { failures, failure: undefined, aheadAfter: next, blockedUntil: next }
    return [TokenEvent.NoProgress({ ...common, retryAt: Option.some(now.wall + wait) })]
  }

  if (reason === "ahead" && before !== undefined && held.mustAt <= before.mustAt - putBack(before, now)) {
    if (!AccessToken.isSame(before.token, token)) slot.hold(held)
    const wait = backgroundStep(failures, held.lifetime)
    slot.trouble = { failures, failure: undefined, aheadAfter: now.steady + wait, blockedUntil: now.steady }
    return [TokenEvent.NoProgress({ ...common, retryAt: Option.some(now.wall + wait) })]
  }

  slot.hold(held)
  slot.trouble = undefined
  const acquired = TokenEvent.TokenAcquired({
    ...common,
    reason,
    elapsed,
    scopes: token.scopes,
    expiresAt: token.expiresAt,
    refreshAt: Number.isFinite(held.refreshAt) ? Option.some(held.refreshAt) : Option.none()
  })
  return Option.isNone(token.expiresAt) ? [acquired, TokenEvent.LifetimeUnknown(common)] : [acquired]
}

/** Takes in a failure: what is held stays held. Gives what waiters are told, and what happened. */
export const remember = <E>(
  slot: Slot<E>,
  exit: Exit.Failure<AccessToken.AccessToken, E>,
  { elapsed, key, now, random, reason }: Attempt
): { readonly failure: Exit.Exit<never, E>; readonly event: TokenEvent } => {
  const held = slot.held
  const left = held === undefined ? 0 : until(held, held.mustAt, now)
  const stillServing = left > 0
  const failures = (slot.trouble?.failures ?? 0) + 1
  const error = errorOf(exit)
  const mandate = mandated(error, now.wall)
  // Half of a step is certain and half is random, so that a fleet does not knock in step.
  const step = backgroundStep(failures, held?.lifetime ?? Number.POSITIVE_INFINITY) * (1 + random) / 2
  // While a token is served the next attempt comes before its end, and who comes after its end gets one at once,
  // unless the server itself said when to come back.
  const block = stillServing ? mandate : Math.max(mandate, refusalStep(failures))
  const ahead = Math.max(block, stillServing ? Math.min(step, left) : step)
  const retryAt = now.wall + (stillServing ? ahead : block)
  const failure = withRetryAt(exit, retryAt)
  slot.trouble = { failures, failure, aheadAfter: now.steady + ahead, blockedUntil: now.steady + block }
  const event = TokenEvent.RefreshFailed({
    key,
    at: now.wall,
    reason,
    error: anyError.nameOf(error),
    message: anyError.messageOf(error),
    elapsed,
    failures,
    stillServing,
    retryAt
  })
  return { failure, event }
}

/** An attempt of which nothing was heard for too long: what is held stays held, and whoever needs a token asks anew. */
export const giveUp = <E>(slot: Slot<E>, { elapsed, key, now, reason }: Attempt): TokenEvent => {
  const failures = (slot.trouble?.failures ?? 0) + 1
  const wait = backgroundStep(failures, slot.held?.lifetime ?? Number.POSITIVE_INFINITY)
  slot.trouble = { failures, failure: undefined, aheadAfter: now.steady + wait, blockedUntil: now.steady }
  return TokenEvent.RequestAbandoned({ key, at: now.wall, reason, elapsed })
}

/** Drops `rejected` if it is what is held; says what happened. */
export const reject = <E>(
  slot: Slot<E>,
  rejected: AccessToken.AccessToken,
  key: string,
  now: Now
): ReadonlyArray<TokenEvent> => {
  slot.rejected = rejected
  const held = slot.held
  if (held === undefined || !AccessToken.isSame(held.token, rejected)) return []
  slot.drop()
  const common = { key, at: now.wall, age: Math.max(0, now.wall - rejected.issuedAt) }
  const dropped = TokenEvent.TokenRejected(common)
  if (until(held, held.mustAt, now) <= 0) return [dropped]
  const remaining = Option.map(rejected.expiresAt, (expiresAt) => Math.max(0, expiresAt - now.wall))
  return [dropped, TokenEvent.RevokedEarly({ ...common, remaining })]
}

const errorOf = <E>(exit: Exit.Exit<unknown, E>): E | undefined =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined

/** Whether a failure says that asking again with the same credentials is pointless. */
export const isRefusal = (exit: Exit.Exit<unknown, unknown>): boolean => {
  const error = errorOf(exit)
  return Predicate.hasProperty(error, "retryable") && error.retryable === false &&
    !Predicate.hasProperty(error, "retryAt")
}

/** `RetriesExhausted` tells when to come back, once that is known. */
const withRetryAt = <E>(exit: Exit.Failure<unknown, E>, retryAt: number): Exit.Exit<never, E> =>
  Exit.failCause(
    Cause.map(exit.cause, (error) =>
      error instanceof TokenError.RetriesExhausted && Option.isNone(error.retryAt)
        ? new TokenError.RetriesExhausted({ ...error, retryAt: Option.some(retryAt) }) as typeof error
        : error)
  )
