// Takes a token that arrived into the slot of its key: which token the waiting callers get, and when to ask again.
import * as Option from "effect/Option"
import * as AccessToken from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import { backgroundStep, leastPause, refusalStep } from "../backOff.js"
import type { Timing } from "../lifetime.js"
import { moments } from "../lifetime.js"
import type { Attempt, Held, Slot, Trouble } from "./slot.js"
import { failuresOf, holding, isRefusedAgain } from "./slot.js"
import type { Again, Life } from "./tokenLife.js"
import { again, begin, isOf, lastMoment, putBack, rounding, timed, until } from "./tokenLife.js"

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
  // the end that the server states now may be earlier than the one it stated before
  const repeat = known === undefined ? undefined : again(known, token, timing, now)
  if (known !== undefined && repeat !== undefined && !(isRefused && until(repeat.life, repeat.life.mustAt, now) > 0)) {
    return repeated(slot, token, known, repeat, attempt)
  }

  const held = known === undefined || repeat === undefined
    ? holding(token, begin(token, timing, random, now))
    : holding(timed(token, repeat.life), { ...repeat.life, repeats: known.repeats })
  if (isRefused && before !== undefined && until(before, before.mustAt, now) > 0) {
    // nobody has refused the held token since
    slot.bury(held)
    return kept(slot, before, attempt)
  }
  if (isRefused && held.mustAt > now.wall && isRefusedAgain(slot, token)) {
    // The server was asked twice, and has no other token: the API may have refused it by mistake. It is served like any
    // other, or each caller would wait for one more request. The next report of it does not reach the server at once.
    slot.hold(held)
    return { given: held.token, events: [refusedAgain(slot, token, attempt)] }
  }
  const isEnded = held.mustAt <= now.wall
  if (isRefused || isEnded) {
    // The slot does not keep this token, and the server is not asked again for a while. A refused token goes to the
    // waiting callers, because the server has no other; the one that reported it does not take it.
    if (before !== undefined && until(before, before.mustAt, now) <= 0) slot.drop()
    slot.bury(held)
    const event = isRefused
      ? refusedAgain(slot, token, attempt)
      : noProgress(slot, attempt, refusalStep(failuresOf(slot)))
    return { given: isEnded ? "ended" : held.token, events: [event] }
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

/** Takes in a token that the server has handed out before. */
const repeated = <E>(
  slot: Slot<E>,
  token: AccessToken.AccessToken,
  known: Life,
  { isExtended, life }: Again,
  attempt: Attempt
): Adopted => {
  const { now, reason } = attempt
  const before = slot.held
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
    if (until(before, before.mustAt, now) > 0) return kept(slot, before, attempt)
  }
  // a known token in place of another one counts as a token that came: it may be refused too, and so on without a pause
  if (isUsable && (before === undefined || !isOf(before, token))) arrived(slot, now)
  slot.hold(held)

  const left = lastMoment(life) - now.wall
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

/**
 * Notes an attempt without progress: the next renewal ahead of need comes after `wait`, any other request not before
 * `blockedUntil`.
 */
const noProgress = <E>(
  slot: Slot<E>,
  { key, now }: Attempt,
  wait: number,
  more: Partial<Pick<Trouble<E>, "blockedUntil" | "refusedAgain" | "isUntilEnd">> = {}
): TokenEvent => {
  const until = now.steady + wait
  slot.trouble = { failures: failuresOf(slot), failure: undefined, aheadAfter: until, blockedUntil: until, ...more }
  return TokenEvent.NoProgress({ key, at: now.wall, retryAt: Option.some(now.wall + wait) })
}

const refusedAgain = <E>(slot: Slot<E>, token: AccessToken.AccessToken, attempt: Attempt): TokenEvent =>
  noProgress(slot, attempt, refusalStep(failuresOf(slot)), { refusedAgain: token })

/** The held token stays, because it is better than the one that arrived. */
const kept = <E>(slot: Slot<E>, { lifetime, token }: Held, attempt: Attempt): Adopted => {
  const wait = backgroundStep(failuresOf(slot), lifetime)
  return { given: token, events: [noProgress(slot, attempt, wait, atOnce(attempt.now))] }
}

const noProgressUntilEnd = <E>(slot: Slot<E>, attempt: Attempt, wait: number): TokenEvent =>
  noProgress(slot, attempt, wait, { isUntilEnd: true })

/** A caller without a token does not wait for the next attempt. */
const atOnce = ({ steady }: Now) => ({ blockedUntil: steady })

/** The next request is not sent at once, and a refusal soon after this moment counts as an early one. */
const arrived = <E>(slot: Slot<E>, now: Now): void => {
  slot.acquiredAt = now
  slot.pause = leastPause
}

const acquired = <E>(slot: Slot<E>, held: Held, { elapsed, key, now, reason }: Attempt): Adopted => {
  const { token } = held
  const common = { key, at: now.wall }
  slot.hold(held)
  slot.trouble = undefined
  slot.isEarly = false
  arrived(slot, now)
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
