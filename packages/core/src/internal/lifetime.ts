import * as Option from "effect/Option"
import type { AccessToken } from "../AccessToken.js"

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
  /** The lifetime they were computed from. */
  readonly lifetime: number
}

/** `random` is in [0, 1). */
export const moments = (token: AccessToken, timing: Timing, random: number): Moments => {
  const expiresAt = Option.getOrElse(token.expiresAt, () => token.issuedAt + timing.assumedLifetime)
  const lifetime = Math.max(0, expiresAt - token.issuedAt)
  if (lifetime === Number.POSITIVE_INFINITY) return { refreshAt: expiresAt, mustAt: expiresAt, lifetime }
  const mustAt = expiresAt - Math.min(timing.clockSkew, lifetime / 10)
  if (timing.ahead <= 0) return { refreshAt: mustAt, mustAt, lifetime }
  const wanted = expiresAt - Math.min(timing.ahead, lifetime / 2)
  const advised = Option.getOrElse(token.refreshAt, () => wanted)
  const jitter = Math.floor(random * Math.min(timing.jitter, lifetime / 10))
  return { refreshAt: Math.min(wanted, advised, mustAt) - jitter, mustAt, lifetime }
}
