/**
 * The life of one token value, as this process knows it.
 *
 * **The rule.** A token has one end, the earliest one heard of, and one margin before it, that of the life it had when
 * it was first heard of. A server that hands out the same value again neither moves the end later nor makes the margin
 * smaller: it has handed out nothing.
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
  /** Steady minus wall time when it was last heard of: `moment + offset` is that moment by the steady clock. */
  readonly offset: number
  /** Its end when it was first heard of: the others differ from it by rounding, or the server changed its mind. */
  readonly firstEnd: number
  /** How often it was handed out again instead of another one. */
  readonly repeats: number
  /** Whether it was over when it was first heard of: by what the clocks say it never lived, and still it is all there is. */
  readonly wasOver: boolean
}

/** How far the wall clock may be off the steady one before it counts as set, or as that of a machine that slept. */
const tolerance = 2000

/** Milliseconds until `moment`, by whichever clock says it is nearer: a token is fresh only if both say so. */
export const until = (life: Pick<Life, "offset">, moment: number, now: Now): number =>
  Math.min(moment - now.wall, moment + life.offset - now.steady)

/**
 * By how much the wall clock has been put back since the token arrived, in milliseconds: so much earlier is its end by
 * today's wall clock. Only back: a clock that seems to have been put forward may belong to a machine that slept.
 */
export const putBack = (life: Pick<Life, "offset">, now: Now): number => {
  const step = now.steady - now.wall - life.offset
  // two clocks cannot be read in the same moment
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
    repeats: 0,
    wasOver: its.mustAt <= now.wall
  }
}

export const isOf = (life: Life, token: AccessToken.AccessToken): boolean => Equal.equals(life.value, token.value)

/** Only the life: what is remembered of a token that is not held any more. */
export const bare = (
  { endsAt, firstEnd, issuedAt, lifetime, mustAt, offset, refreshAt, repeats, value, wasOver }: Life
): Life => ({ endsAt, firstEnd, issuedAt, lifetime, mustAt, offset, refreshAt, repeats, value, wasOver })

/** The life after the server handed out the same value again. */
export interface Again {
  readonly life: Life
  /** Whether the server says that it lives on, by more than rounding: nothing better will come. */
  readonly isExtended: boolean
}

export const again = (life: Life, token: AccessToken.AccessToken, timing: Timing, now: Now): Again => {
  const claimed = moments(token, timing, 0, now.wall).endsAt - now.wall
  // A machine that slept and a wall clock that was put forward look the same, but for what the server says.
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

/** The token with the times of its life, whatever it came with this time. */
export const timed = (token: AccessToken.AccessToken, { endsAt, issuedAt }: Life): AccessToken.AccessToken =>
  new AccessToken.AccessToken({
    ...token,
    issuedAt,
    expiresAt: Option.map(token.expiresAt, () => endsAt)
  })
