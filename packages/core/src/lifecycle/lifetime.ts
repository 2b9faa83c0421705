// Where in a token's life it is renewed, and where it is no longer handed out.
import * as Option from "effect/Option"
import type { AccessToken } from "../values/AccessToken.js"

/** How a token's life is divided. All numbers are milliseconds. */
export interface Timing {
  /** How long before expiry renewal begins, at most half the lifetime; zero for never. */
  readonly ahead: number
  /** Renewal begins up to this much earlier, at random, so that a fleet does not renew in step. */
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
 * A token is renewed ahead of need no sooner than this after it arrived, or after a third of what is left of it:
 * whatever the server advises (`refresh_in`) and the caller says.
 */
const aheadFloor = 30_000

/**
 * The moments of a token that arrived at `arrived` (epoch milliseconds; default: when it was issued). A token that was
 * issued in the future is not believed: this clock, or the one it was written by, has been put back, and its end lies
 * as much too late. `random` is in [0, 1).
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
    // whoever made it had another idea of "now"; its end still says something
    : claimed <= issuedAt
    ? [arrived, claimed]
    : [arrived, arrived + claimed - issuedAt]
  const lifetime = Math.max(0, endsAt - begin)
  const mustAt = endsAt - Math.min(timing.clockSkew, lifetime / 10)
  if (timing.ahead <= 0) return { refreshAt: mustAt, mustAt, endsAt, lifetime }
  const wanted = endsAt - Math.min(timing.ahead, lifetime / 2)
  const advised = Option.getOrElse(token.refreshAt, () => wanted)
  const jitter = Math.floor(random * Math.min(timing.jitter, lifetime / 10))
  const floor = arrived + Math.min(aheadFloor, Math.max(0, mustAt - arrived) / 3)
  return { refreshAt: Math.max(floor, Math.min(wanted, advised, mustAt) - jitter), mustAt, endsAt, lifetime }
}
