/** A slot of the cache and one attempt after another, for the tests of its steps. */
import { Exit, Redacted } from "effect"
import { AccessToken, type TokenError } from "../../src/index.js"
import { adopt } from "../../src/lifecycle/cache/adopt.js"
import { remember } from "../../src/lifecycle/cache/failures.js"
import { type Attempt, Slot } from "../../src/lifecycle/cache/slot.js"
import type { Timing } from "../../src/lifecycle/lifetime.js"

export const timing: Timing = {
  ahead: 300_000,
  jitter: 0,
  clockSkew: 30_000,
  assumedLifetime: Number.POSITIVE_INFINITY
}
export const hour = 3_600_000

export const at = (wall: number, steady = wall) => ({ wall, steady })
export const token = (value: string, issuedAt: number, expiresAt: number | undefined = issuedAt + hour) =>
  AccessToken.make({ value, issuedAt, expiresAt })
export const attempt = (now: number | Attempt["now"], reason: Attempt["reason"] = "cold"): Attempt => ({
  key: "key",
  reason,
  elapsed: 1,
  random: 0,
  now: typeof now === "number" ? at(now) : now
})

/** A slot that holds `first`, which came at 0 and lives for an hour. */
export const holding = () => {
  const slot = new Slot<TokenError.TokenError>("key")
  const first = token("first", 0)
  adopt(slot, first, attempt(0), timing)
  return { slot, first }
}
export const takes = (
  slot: Slot<never> | Slot<TokenError.TokenError>,
  token: AccessToken.AccessToken,
  attempt: Attempt
) => {
  const { events, given } = adopt(slot as Slot<never>, token, attempt, timing)
  return {
    given: typeof given === "string" ? given : Redacted.value(given.value),
    tags: events.map((event) => event._tag)
  }
}
export const fails = (
  slot: Slot<TokenError.TokenError>,
  error: TokenError.TokenError,
  by: Attempt
) => remember(slot, Exit.fail(error) as Exit.Failure<AccessToken.AccessToken, TokenError.TokenError>, by)
