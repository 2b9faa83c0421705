// Renews a token that has less time left than a caller needs.
import * as Effect from "effect/Effect"
import * as clocks from "../../values/Clocks.js"
import type * as TokenRequest from "../../values/TokenRequest.js"
import type { Context, Token } from "./context.js"
import { renewAhead } from "./serve.js"
import { until } from "./tokenLife.js"

/**
 * Renews the token of `request` if less than `least` milliseconds of it are left, but never one that has more than half
 * of its life left. If no token is held, a store may have one with little of its life left: `get` fetches that first.
 */
export const renewBelow = <E>(
  context: Context<E>,
  least: number,
  request: TokenRequest.TokenRequest | undefined,
  get: Token<E>
): Effect.Effect<void> =>
  Effect.suspend(() =>
    context.closed || context.keys.of(request).held !== undefined
      ? renewHeld(context, least, request, false)
      : Effect.zipRight(Effect.ignore(get), renewHeld(context, least, request, true))
  )

const renewHeld = <E>(
  context: Context<E>,
  least: number,
  request: TokenRequest.TokenRequest | undefined,
  isNew: boolean
): Effect.Effect<void> =>
  Effect.clockWith((clock) => {
    const slot = context.keys.of(request)
    const now = clocks.read(clock)
    const held = slot.held
    if (context.closed || held === undefined || until(held, held.mustAt, now) <= 0) return Effect.void
    if (until(held, held.endsAt, now) >= Math.min(least, held.lifetime / 2)) return Effect.void
    // a token that has just come with half of its life gone is from a store: the server was not asked just now, so no
    // pause is needed
    if (isNew && slot.cutShort === 0) slot.pause = 0
    renewAhead(context, slot, now)
    return slot.flight === undefined ? Effect.void : Effect.ignore(slot.flight.await(context.requestBound))
  })
