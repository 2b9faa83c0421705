// Takes in the report that a token was refused: drops it, and notices another program that ends this client's tokens.
import * as Option from "effect/Option"
import * as AccessToken from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import { refusalStep } from "../backOff.js"
import type { Slot } from "./slot.js"
import { isRefusedAgain } from "./slot.js"
import { until } from "./tokenLife.js"

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
  if (slot.trouble?.failure === undefined && !isRefusedAgain(slot, rejected)) slot.trouble = undefined
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
