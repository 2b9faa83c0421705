// What a cache tells of its tokens without asking a server. None of it counts as a use of a token.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as clocks from "../../values/Clocks.js"
import * as TokenRequest from "../../values/TokenRequest.js"
import type * as source from "../source.js"
import type { Context } from "./context.js"
import { isOpen } from "./serve.js"
import { until } from "./tokenLife.js"

type Views = Pick<source.Hooks, "held" | "left" | "peek" | "status">

export const make = <E>({ keys }: Context<E>): Views => ({
  /** Every token that would be served now. */
  held: Effect.map(
    clocks.now,
    (now) =>
      keys.all().flatMap(({ held, key }) =>
        held !== undefined && until(held, held.mustAt, now) > 0
          ? [{ token: held.token, request: TokenRequest.fromKey(key) }]
          : []
      )
  ),

  left: (token, request) =>
    Effect.clockWith((clock) => {
      const life = keys.peek(request)?.lifeOf(token)
      return Effect.succeed(
        life === undefined || !Number.isFinite(life.endsAt)
          ? Option.none()
          : Option.some(Math.max(0, until(life, life.endsAt, clocks.read(clock))))
      )
    }),

  peek: (clock, request) => {
    const slot = request === undefined ? keys.defaultSlot : keys.last(request)
    return slot?.held !== undefined && isOpen(slot, clock.unsafeCurrentTimeMillis()) ? slot.held.token : undefined
  },

  status: (request) =>
    Effect.clockWith((clock) => {
      const slot = keys.peek(request)
      const now = clocks.read(clock)
      const refreshing = slot?.flight !== undefined
      const held = slot?.held
      if (held === undefined || until(held, held.mustAt, now) <= 0) {
        return Effect.succeed({ token: Option.none(), remaining: Option.none(), stale: false, refreshing })
      }
      const left = until(held, held.endsAt, now)
      return Effect.succeed({
        token: Option.some(held.token),
        remaining: Number.isFinite(left) ? Option.some(Duration.millis(left)) : Option.none(),
        stale: until(held, held.refreshAt, now) <= 0,
        refreshing
      })
    })
})
