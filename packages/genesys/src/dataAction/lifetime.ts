/** What remains of a token. */
import * as Option from "effect/Option"
import type * as AccessToken from "effect-bearer/AccessToken"
import * as Clocks from "effect-bearer/Clocks"

/** How long each token had to live when this module first saw it. */
const periods = new WeakMap<AccessToken.AccessToken, Clocks.Period>()

/**
 * The milliseconds that remain of a token until `expiresAt`, epoch milliseconds.
 *
 * That end is a moment of the wall clock: so it counts no longer than the token lives, nor longer than what remained of
 * it, by the steady clock, since it was first looked at. A wall clock that is put back makes no token last.
 */
export const remaining = (token: AccessToken.AccessToken, expiresAt: number, now: Clocks.Now): number => {
  const stated = Math.min(expiresAt - now.wall, Math.max(0, expiresAt - token.issuedAt))
  const period = periods.get(token)
  if (period === undefined) periods.set(token, Clocks.period(now, stated))
  return Math.max(0, period === undefined ? stated : Math.min(stated, Clocks.left(period, now)))
}

/** The same of a token that may not say when it ends: for one that does not, `assumed` milliseconds from its beginning. */
export const remainingOf = (
  token: AccessToken.AccessToken,
  assumed: Option.Option<number>,
  now: Clocks.Now
): Option.Option<number> =>
  Option.map(
    Option.orElse(token.expiresAt, () => Option.map(assumed, (lifetime) => token.issuedAt + lifetime)),
    (expiresAt) => remaining(token, expiresAt, now)
  )
