// When in its life a token is renewed, and when it is no longer handed out.
import * as Option from "effect/Option"
import type { AccessToken } from "../values/AccessToken.js"

/** How a token's life is divided. All numbers are milliseconds. */
export interface Timing {
  /** How long before expiry renewal begins, at most a quarter of the lifetime; zero for never. */
  readonly ahead: number
  /**
   * Renewal begins up to this much earlier, at random, so that a fleet does not renew all at once; at
   * most a twentieth of the lifetime.
   */
  readonly jitter: number
  /** How long before expiry a token is no longer handed out, at most a tenth of the lifetime. */
  readonly clockSkew: number
  /** The lifetime to assume for a token that came without one; infinite means "until it is refused". */
  readonly assumedLifetime: number
}

/** The moments of one token's life by the wall clock (epoch milliseconds; infinite where there is no end). */
export interface Moments {
  /** From here on it is renewed in the background. */
  readonly refreshAt: number
  /** From here on it is not handed out. */
  readonly mustAt: number
  /** From here on it is not valid. */
  readonly endsAt: number
  /** The lifetime they were computed from. */
  readonly lifetime: number
}

/**
 * A token is renewed ahead of need no sooner than so many milliseconds after it arrived, or a third of its remaining
 * life if that is shorter, even if the server advises an earlier time (`refresh_in`) or the settings ask for one.
 */
const aheadFloor = 30_000

/**
 * The moments of a token that arrived at `arrived` (epoch milliseconds; default: when it was issued). If a token was
 * issued in the future, its times are corrected: the clock of this machine, or of the machine that wrote the token, has
 * been put back, and the stated end is too late by the same amount. `random` is in [0, 1).
 */
export const moments = (
  token: AccessToken,
  timing: Timing,
  random: number,
  arrived = token.issuedAt
): Moments => {
  const claimed = Option.getOrElse(token.expiresAt, () => token.issuedAt + timing.assumedLifetime)
  if (claimed === Number.POSITIVE_INFINITY) {
    return { refreshAt: claimed, mustAt: claimed, endsAt: claimed, lifetime: claimed }
  }
  const { issuedAt } = token
  const [begin, endsAt] = issuedAt <= arrived
    ? [issuedAt, claimed]
    // the maker of the token had another clock; the stated end is still used
    : claimed <= issuedAt
    ? [arrived, claimed]
    : [arrived, arrived + claimed - issuedAt]
  const lifetime = Math.max(0, endsAt - begin)
  const mustAt = endsAt - Math.min(timing.clockSkew, lifetime / 10)
  if (timing.ahead <= 0) return { refreshAt: mustAt, mustAt, endsAt, lifetime }
  const wanted = endsAt - Math.min(timing.ahead, lifetime / 4)
  const advised = Option.getOrElse(token.refreshAt, () => wanted)
  const jitter = Math.floor(random * Math.min(timing.jitter, lifetime / 20))
  const floor = arrived + Math.min(aheadFloor, Math.max(0, mustAt - arrived) / 3)
  return { refreshAt: Math.max(floor, Math.min(wanted, advised, mustAt) - jitter), mustAt, endsAt, lifetime }
}
