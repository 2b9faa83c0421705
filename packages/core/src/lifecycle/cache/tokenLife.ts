/**
 * The life of one token value, as this process knows it.
 *
 * **The rule.** A token has one end: the earliest end that the server has stated for it. It has one margin before that
 * end, computed from the lifetime it had when it first arrived. When the server hands out the same value again, the end
 * does not move later and the margin does not become smaller.
 */
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as AccessToken from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import type { Moments, Timing } from "../lifetime.js"
import { moments } from "../lifetime.js"

export interface Life extends Moments {
  readonly value: Redacted.Redacted
  readonly issuedAt: number
  /** Steady minus wall time when the token last arrived: `moment + offset` is that moment by the steady clock. */
  readonly offset: number
  /** The end that the server stated first. An end stated later differs by rounding, or the server changed it. */
  readonly firstEnd: number
  /** How often the server handed out this token again instead of a new one. */
  readonly repeats: number
}

/**
 * How far the wall clock may be off the steady clock, in milliseconds; if it is further off, it was set or the machine
 * slept.
 */
const tolerance = 2000

/** Servers state lifetimes in whole seconds, so a server may treat a token as valid for so much longer than it said. */
export const rounding = 2000

/** When the server should issue the next token: at the first end it stated, unless it has shortened the life since. */
export const lastMoment = ({ endsAt, firstEnd }: Pick<Life, "endsAt" | "firstEnd">): number =>
  firstEnd - endsAt > rounding ? endsAt : firstEnd

/** Milliseconds until `moment`, by whichever clock says it is nearer: a token is fresh only if both say so. */
export const until = (life: Pick<Life, "offset">, moment: number, now: Now): number =>
  Math.min(moment - now.wall, moment + life.offset - now.steady)

/**
 * By how many milliseconds the wall clock has been put back since the token arrived: by the present wall clock the
 * token ends so much earlier. A clock that seems to have been put forward gives 0, because the machine may have slept.
 */
export const putBack = (life: Pick<Life, "offset">, now: Now): number => {
  const step = now.steady - now.wall - life.offset
  // the two clocks are read one after the other, so a difference of 1 ms means nothing
  return step > 1 ? step : 0
}

export const begin = (token: AccessToken.AccessToken, timing: Timing, random: number, now: Now): Life => {
  const its = moments(token, timing, random, now.wall)
  return {
    ...its,
    value: token.value,
    issuedAt: token.issuedAt,
    offset: now.steady - now.wall,
    firstEnd: its.endsAt,
    repeats: 0
  }
}

export const isOf = (life: Life, token: AccessToken.AccessToken): boolean => Equal.equals(life.value, token.value)

/** Copies the fields of `Life` only: they are remembered of a token that is no longer held. */
export const bare = (
  { endsAt, firstEnd, issuedAt, lifetime, mustAt, offset, refreshAt, repeats, value }: Life
): Life => ({ endsAt, firstEnd, issuedAt, lifetime, mustAt, offset, refreshAt, repeats, value })

/** The life after the server handed out the same value again. */
export interface Again {
  readonly life: Life
  /**
   * Whether the server says that the token lives longer than it said at first, by more than rounding: no other token is
   * to be expected.
   */
  readonly isExtended: boolean
}

export const again = (life: Life, token: AccessToken.AccessToken, timing: Timing, now: Now): Again => {
  const claimed = moments(token, timing, 0, now.wall).endsAt - now.wall
  // A machine that slept and a wall clock that was put forward look the same. Only the lifetime that the server states
  // tells them apart.
  const aheadBy = now.wall + life.offset - now.steady
  const wasSet = aheadBy > tolerance && claimed > life.firstEnd - now.wall + tolerance
  const left = (moment: number) => moment - now.wall + (wasSet ? Math.floor(aheadBy) : -Math.ceil(putBack(life, now)))
  const known = left(life.firstEnd)
  const remaining = Math.min(left(life.endsAt), claimed)
  const lifetime = Number.isFinite(life.lifetime) ? life.lifetime : remaining
  const margin = Number.isFinite(life.endsAt) ? life.endsAt - life.mustAt : Math.min(timing.clockSkew, remaining / 10)
  const firstEnd = now.wall + (Number.isFinite(known) ? known : remaining)
  const endsAt = now.wall + remaining
  const mustAt = endsAt - margin
  return {
    life: {
      ...bare(life),
      lifetime,
      endsAt,
      mustAt,
      refreshAt: Number.isFinite(life.endsAt) ? Math.min(mustAt, life.refreshAt - life.endsAt + endsAt) : mustAt,
      firstEnd,
      offset: now.steady - now.wall,
      repeats: life.repeats + 1
    },
    isExtended: claimed > Math.max(0, known) + tolerance
  }
}

/** The token with the times of `Life`, not with those of the latest response. */
export const timed = (token: AccessToken.AccessToken, { endsAt, issuedAt }: Life): AccessToken.AccessToken =>
  new AccessToken.AccessToken({
    ...token,
    issuedAt,
    expiresAt: Option.map(token.expiresAt, () => endsAt)
  })
