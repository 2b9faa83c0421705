// The state of one key of the cache: the token it holds, and the request under way.
import * as Cause from "effect/Cause"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as AccessToken from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import type { Flight } from "../../values/flight.js"
import * as TokenError from "../../values/TokenError.js"
import type { Reason } from "../../values/TokenEvent.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import { backgroundStep, leastPause, mandated, refusalStep } from "../backOff.js"
import * as foreignError from "../foreignError.js"
import type { Timing } from "../lifetime.js"
import { moments } from "../lifetime.js"
import type { Life } from "./tokenLife.js"
import { again, bare, begin, isOf, putBack, timed, until } from "./tokenLife.js"

/** A token that may be served, and its life. */
export interface Held extends Life {
  readonly token: AccessToken.AccessToken
  readonly exit: Exit.Exit<AccessToken.AccessToken>
}

const holding = (token: AccessToken.AccessToken, life: Life): Held => ({ ...life, token, exit: Exit.succeed(token) })

/** The held token, with its end corrected for a wall clock that was put back: other tokens are compared with this. */
export const current = (held: Held, now: Now): AccessToken.AccessToken => {
  const step = putBack(held, now)
  return step === 0 ? held.token : new AccessToken.AccessToken({
    ...held.token,
    expiresAt: Option.map(held.token.expiresAt, (expiresAt) => expiresAt - step)
  })
}

/** How many earlier tokens of a key are recognised if the server hands them out again, the held one not counted. */
const longestMemory = 3

/** What is remembered about a key after its slot was evicted. */
export interface Memory {
  readonly rejected: AccessToken.AccessToken | undefined
  readonly past: ReadonlyArray<Life>
}

/** Everything known about one key. A slot lives until the cache evicts it, and holds one token after another. */
export class Slot<E> {
  held: Held | undefined = undefined
  flight: Flight<AccessToken.AccessToken, E> | undefined = undefined
  /** From `from` to `until`, by the wall clock, the held token may be served without a new check of its life. */
  from = Number.POSITIVE_INFINITY
  until = Number.NEGATIVE_INFINITY
  /** When a caller last asked, by the steady clock. */
  lastUsed = 0
  /** What is remembered about failed attempts; absent after a success. */
  trouble: Trouble<E> | undefined
  /** The token most recently reported as refused. */
  rejected: AccessToken.AccessToken | undefined
  /** Whether the slot has a place in the cache: see `Slots`. */
  hasPlace = false
  /** Tokens held before, the latest first. */
  past: ReadonlyArray<Life>
  /** When the last new token arrived. */
  acquiredAt: Now | undefined = undefined
  /** For so many milliseconds after `acquiredAt` no token request is sent. */
  pause = 0
  /** How many tokens in a row were refused in the first half of their life. */
  cutShort = 0
  /** Whether the attempt under way was made before `blockedUntil`, because the credentials have changed. */
  isEarly = false

  constructor(readonly key: string, memory?: Memory, trouble?: Trouble<E>) {
    this.trouble = trouble
    this.rejected = memory?.rejected
    this.past = memory?.past ?? none
  }

  hold(held: Held): void {
    if (this.held !== undefined && !isOf(this.held, held.token)) this.bury(this.held)
    this.held = held
    this.closeWindow()
  }

  drop(): void {
    if (this.held !== undefined) this.bury(this.held)
    this.held = undefined
    this.closeWindow()
  }

  /** What a later slot of this key needs to know. */
  get memory(): Memory | undefined {
    const past = this.held === undefined ? this.past : [bare(this.held), ...this.past].slice(0, longestMemory)
    return this.rejected === undefined && past.length === 0 ? undefined : { rejected: this.rejected, past }
  }

  /** Milliseconds until a token request may be sent. */
  blockedFor(now: Now): number {
    return Math.max(0, this.pauseFor(now), this.wait(this.trouble?.blockedUntil, now))
  }

  /** Milliseconds until a renewal ahead of need may be sent. */
  aheadFor(now: Now): number {
    return Math.max(0, this.pauseFor(now), this.wait(this.trouble?.aheadAfter, now))
  }

  /**
   * Milliseconds left of the pause. The clock that has advanced more counts, so the time a machine slept counts too.
   */
  private pauseFor(now: Now): number {
    return this.acquiredAt === undefined ? 0 : this.pause - Math.max(
      now.steady - this.acquiredAt.steady,
      now.wall - this.acquiredAt.wall
    )
  }

  private wait(moment: number | undefined, now: Now): number {
    if (moment === undefined) return 0
    const wait = moment - now.steady
    // the held token ends when either clock says so: the steady clock does not count the time a machine slept
    return this.held !== undefined && this.trouble?.isUntilEnd === true
      ? Math.min(wait, until(this.held, this.held.firstEnd, now))
      : wait
  }

  /** The life of a token that this slot holds or held before. */
  lifeOf(token: AccessToken.AccessToken): Life | undefined {
    return this.held !== undefined && isOf(this.held, token) ? this.held : this.past.find((life) => isOf(life, token))
  }

  /** Remembers the life of a token that is not held. */
  bury(life: Life): void {
    const others = this.past.filter((other) => !Equal.equals(other.value, life.value))
    this.past = [bare(life), ...others].slice(0, longestMemory)
  }

  /**
   * Called when the early refusals were not about the tokens: they do not show that another program uses this client.
   */
  forgive(): void {
    this.cutShort = 0
    this.pause = 0
  }

  private closeWindow(): void {
    this.from = Number.POSITIVE_INFINITY
    this.until = Number.NEGATIVE_INFINITY
  }
}

const none: ReadonlyArray<never> = []

/** Consecutive attempts that brought nothing new. Times are by the steady clock. */
export interface Trouble<E> {
  readonly failures: number
  /** The last failure; absent if the attempt brought a token that could not be used. */
  readonly failure: Exit.Exit<never, E> | undefined
  /** No renewal ahead of need is sent before this; never earlier than `blockedUntil`. */
  readonly aheadAfter: number
  /** No request at all is sent before this. */
  readonly blockedUntil: number
  /** Whether `blockedUntil` is the end of the held token. */
  readonly isUntilEnd?: boolean | undefined
  /** Whether the last attempt brought the token that was reported as refused. */
  readonly isRefusedAgain?: boolean | undefined
  /** Whether the last failure came from an attempt that was made early, because the credentials had changed. */
  readonly wasEarly?: boolean | undefined
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
 * Whether a new token was good when the server issued it, but is too old now: the machine was suspended, or starved,
 * while the response was on its way. The server can give a better token, so it is asked once more.
 */
export const isLate = <E>(slot: Slot<E>, token: AccessToken.AccessToken, now: Now, timing: Timing): boolean => {
  const { lifetime, mustAt } = moments(token, timing, 0, now.wall)
  return lifetime > 0 && mustAt <= now.wall && slot.lifeOf(token) === undefined
}

/** The result of taking in a token that arrived. */
export interface Adopted {
  /**
   * What the waiting callers get. **The rule: no caller gets a token whose `mustAt` is past, whatever way it came.**
   * `"later"`: they wait for the next attempt, at `trouble.blockedUntil`. `"over"`: the server gave a known token whose
   * life is over, and is not expected to give another one soon. `"ended"`: a new token had ended when it arrived.
   */
  readonly given: AccessToken.AccessToken | "later" | "over" | "ended"
  readonly events: ReadonlyArray<TokenEvent>
}

/** Takes in a token that arrived. */
export const adopt = <E>(
  slot: Slot<E>,
  token: AccessToken.AccessToken,
  attempt: Attempt,
  timing: Timing
): Adopted => {
  const { now, random, reason } = attempt
  const before = slot.held
  const known = slot.lifeOf(token)
  const isRefused = slot.rejected !== undefined && AccessToken.isSame(slot.rejected, token) &&
    !(before !== undefined && isOf(before, token))
  if (known !== undefined && !(isRefused && until(known, known.mustAt, now) > 0)) {
    return repeated(slot, token, known, attempt, timing)
  }

  const held = holding(token, known ?? begin(token, timing, random, now))
  if (isRefused && held.mustAt > now.wall && slot.trouble?.isRefusedAgain === true) {
    // The server was asked twice, and has no other token: the API may have refused it by mistake. It is served like any
    // other, or each caller would wait for one more request. The next report of it does not reach the server at once.
    slot.hold(held)
    return { given: token, events: [refusedAgain(slot, attempt)] }
  }
  const isEnded = held.mustAt <= now.wall
  if (isRefused || isEnded) {
    // The slot does not keep this token, and the server is not asked again for a while. A refused token goes to the
    // waiting callers, because the server has no other; the one that reported it does not take it.
    if (before !== undefined && until(before, before.mustAt, now) <= 0) slot.drop()
    if (!isRefused) slot.bury(held)
    const event = isRefused
      ? refusedAgain(slot, attempt)
      : noProgress(slot, attempt, refusalStep(failuresOf(slot)))
    return { given: isEnded ? "ended" : token, events: [event] }
  }

  if (reason === "ahead" && before !== undefined && held.mustAt <= before.mustAt - putBack(before, now)) {
    slot.hold(held)
    const failures = failuresOf(slot)
    return { given: token, events: [noProgress(slot, attempt, backgroundStep(failures, held.lifetime), atOnce(now))] }
  }

  // the held token was not refused, so there is no sign that another program ends this client's tokens
  if (before !== undefined) slot.cutShort = 0
  return acquired(slot, held, attempt)
}

/** Servers state lifetimes in whole seconds, so a server may treat a token as valid for so much longer than it said. */
const rounding = 2000

/** Takes in a token that the server has handed out before. */
const repeated = <E>(
  slot: Slot<E>,
  token: AccessToken.AccessToken,
  known: Life,
  attempt: Attempt,
  timing: Timing
): Adopted => {
  const { now, reason } = attempt
  const before = slot.held
  const { isExtended, life } = again(known, token, timing, now)
  const isUsable = life.mustAt > now.wall
  const held = holding(
    before !== undefined && isOf(before, token) && life.endsAt === known.endsAt
      ? before.token
      : timed(token, life),
    life
  )
  // the server gives the same token to every request, and this cache had forgotten the key in the meantime
  if (isUsable && before === undefined && reason !== "rejected") {
    return acquired(slot, holding(held.token, { ...life, repeats: known.repeats }), attempt)
  }
  if (before !== undefined && !isOf(before, token)) {
    slot.bury(life)
    if (until(before, before.mustAt, now) > 0) {
      const wait = backgroundStep(failuresOf(slot), before.lifetime)
      return { given: before.token, events: [noProgress(slot, attempt, wait, atOnce(now))] }
    }
  }
  slot.hold(held)

  const left = life.firstEnd - now.wall
  if (isUsable) {
    // The server is asked once more when this token is no longer handed out, and then not again before its end.
    return {
      given: held.token,
      events: [
        life.repeats === 1
          ? noProgress(slot, attempt, Math.max(leastPause, life.mustAt - now.wall), atOnce(now))
          : noProgressUntilEnd(slot, attempt, left)
      ]
    }
  }
  // No caller gets this token. The server should issue the next one at any moment, unless it has extended this one.
  if (!isExtended && left > 0) return { given: "later", events: [noProgressUntilEnd(slot, attempt, left)] }
  if (!isExtended && left >= -rounding) return { given: "later", events: [noProgress(slot, attempt, refusalStep(1))] }
  slot.drop()
  return { given: "over", events: [noProgress(slot, attempt, refusalStep(failuresOf(slot)))] }
}

const failuresOf = <E>(slot: Slot<E>): number => (slot.trouble?.failures ?? 0) + 1

/**
 * Notes an attempt without progress: the next renewal ahead of need comes after `wait`, any other request not before
 * `blockedUntil`.
 */
const noProgress = <E>(
  slot: Slot<E>,
  { key, now }: Attempt,
  wait: number,
  more: Partial<Pick<Trouble<E>, "blockedUntil" | "isRefusedAgain" | "isUntilEnd">> = {}
): TokenEvent => {
  const until = now.steady + wait
  slot.trouble = { failures: failuresOf(slot), failure: undefined, aheadAfter: until, blockedUntil: until, ...more }
  return TokenEvent.NoProgress({ key, at: now.wall, retryAt: Option.some(now.wall + wait) })
}

const refusedAgain = <E>(slot: Slot<E>, attempt: Attempt): TokenEvent =>
  noProgress(slot, attempt, refusalStep(failuresOf(slot)), { isRefusedAgain: true })

const noProgressUntilEnd = <E>(slot: Slot<E>, attempt: Attempt, wait: number): TokenEvent =>
  noProgress(slot, attempt, wait, { isUntilEnd: true })

/** A caller without a token does not wait for the next attempt. */
const atOnce = ({ steady }: Now) => ({ blockedUntil: steady })

const acquired = <E>(slot: Slot<E>, held: Held, { elapsed, key, now, reason }: Attempt): Adopted => {
  const { token } = held
  const common = { key, at: now.wall }
  slot.hold(held)
  slot.trouble = undefined
  slot.isEarly = false
  slot.acquiredAt = now
  slot.pause = leastPause
  const event = TokenEvent.TokenAcquired({
    ...common,
    reason,
    elapsed,
    scopes: token.scopes,
    expiresAt: token.expiresAt,
    refreshAt: Number.isFinite(held.refreshAt) ? Option.some(held.refreshAt) : Option.none()
  })
  return {
    given: token,
    events: Option.isNone(token.expiresAt) ? [event, TokenEvent.LifetimeUnknown(common)] : [event]
  }
}

/** Takes in a failure; the held token stays. Returns the failure for the waiting callers, and the event to publish. */
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

/**
 * When so many tokens in a row are refused in the first half of their lives, another program seems to use this client.
 */
const contested = 3

/** Tokens that live longer than this, or whose lifetime is unknown, count as living so long. */
const longestLife = 60 * 60_000

/** Drops the held token if it is `rejected`; returns the events to publish. */
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
  // trouble without a failure was about the dropped token: waiting for its end, or for a better token
  if (slot.trouble?.failure === undefined && slot.trouble?.isRefusedAgain !== true) slot.trouble = undefined
  const age = slot.acquiredAt === undefined ? Number.POSITIVE_INFINITY : now.steady - slot.acquiredAt.steady
  slot.cutShort = age < Math.min(held.lifetime, longestLife) / 2 ? slot.cutShort + 1 : 0
  slot.pause = slot.cutShort < contested ? 0 : refusalStep(slot.cutShort - contested + 1)
  const common = { key, at: now.wall, age: Math.max(0, now.wall - rejected.issuedAt) }
  const dropped = TokenEvent.TokenRejected(common)
  if (until(held, held.mustAt, now) <= 0 || slot.cutShort > contested) return [dropped]
  const remaining = Option.map(rejected.expiresAt, () => Math.max(0, until(held, held.endsAt, now)))
  const revoked = TokenEvent.RevokedEarly({ ...common, remaining })
  return slot.cutShort < contested
    ? [dropped, revoked]
    : [dropped, revoked, TokenEvent.ClientUsedElsewhere({ key, at: now.wall, refused: slot.cutShort })]
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
