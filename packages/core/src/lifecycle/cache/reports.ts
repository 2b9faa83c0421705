// What callers report of a token: an API has refused it.
import * as Effect from "effect/Effect"
import type { AccessToken } from "../../values/AccessToken.js"
import { isSame } from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import * as clocks from "../../values/Clocks.js"
import type * as TokenRequest from "../../values/TokenRequest.js"
import { refusalStep } from "../backOff.js"
import { after } from "./acquire.js"
import type { Context, Token } from "./context.js"
import * as errors from "./errors.js"
import { nameOf } from "./keys.js"
import { reject } from "./reject.js"
import { obtain } from "./serve.js"
import type { Slot } from "./slot.js"
import { isRefusedAgain } from "./slot.js"

/** Takes in a caller's report that `rejected` was refused. */
export const report = <E>({ keys, publish }: Context<E>, rejected: AccessToken, slot: Slot<E>): Effect.Effect<void> =>
  Effect.clockWith((clock) => {
    const now = clocks.read(clock)
    slot.lastUsed = now.steady
    const events = reject(slot, rejected, nameOf(slot.key), now)
    keys.remember(slot)
    return Effect.forEach(events, publish, { discard: true })
  })

/** What the server answers to the report that `rejected` was refused, even if it is that very token. */
export const renewal = <E>(
  context: Context<E>,
  rejected: AccessToken,
  request: TokenRequest.TokenRequest | undefined
): Token<E> =>
  Effect.clockWith((clock) => {
    const slot = context.keys.of(request)
    return !context.closed && isAnswered(slot, rejected, clocks.read(clock))
      ? Effect.succeed(rejected)
      : Effect.zipRight(
        report(context, rejected, slot),
        Effect.suspend(() => obtain(context, slot, clock, "rejected"))
      )
  })

/** Whether the last answer was `rejected` again, and the pause after it is not over. */
const isAnswered = <E>(slot: Slot<E>, rejected: AccessToken, now: Now): boolean =>
  slot.flight === undefined && (slot.held === undefined || isSame(slot.held.token, rejected)) &&
  isRefusedAgain(slot, rejected) && slot.rejected !== undefined && isSame(slot.rejected, rejected) &&
  slot.blockedFor(now) > 0

/**
 * The same, but the token that was refused is never given. `turn` counts how often this caller has got it, from 1: the
 * slot that knows the pause may have been evicted, so each caller has a pause of its own.
 */
export const renew = <E>(
  context: Context<E>,
  rejected: AccessToken,
  request: TokenRequest.TokenRequest | undefined,
  turn = 1
): Token<E> =>
  Effect.flatMap(renewal(context, rejected, request), (token) =>
    isSame(token, rejected)
      ? Effect.clockWith((clock) => {
        // only a look: who waits must not evict the slot of another key
        const known = context.keys.peek(request)?.blockedFor(clocks.read(clock)) ?? 0
        const wait = Math.max(known, refusalStep(turn))
        return context.fail === undefined
          // no typed error can say so: the caller waits
          ? after(wait, Effect.suspend(() => renew(context, rejected, request, turn + 1)))
          : context.fail(errors.useless(wait, errors.refusedAgain))
      })
      : Effect.succeed(token))
