// Takes in what an exchange brought: the refresh token is stored before anybody sees the access token.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import type * as TokenError from "../../values/TokenError.js"
import type { Store, Stored } from "./contract.js"
import { toTheEnd } from "./exchange.js"
import * as expiry from "./expiry.js"
import type * as ledger from "./ledger.js"
import { successor } from "./record.js"

/** `before` is the refresh token that was sent, if one was; `over` is the record in the store. */
export interface Adopt {
  /** Gives the access token when the refresh token is stored. */
  readonly now: (
    token: AccessToken,
    before: Stored | undefined,
    over: Option.Option<Stored>
  ) => Effect.Effect<AccessToken, TokenError.RequestError>
  /** The same for an answer that came when the caller waited no longer: the lock has to be taken again. */
  readonly late: (
    before: Stored | undefined,
    over: Option.Option<Stored>
  ) => (token: AccessToken) => Effect.Effect<unknown, TokenError.RequestError>
}

export const make = (store: Store, { lastKnown, save }: ledger.Ledger, life: expiry.Watch): Adopt => {
  const now: Adopt["now"] = (token, before, over) => {
    // RFC 6749 §6: no new one means that the old one stays
    const next = Option.orElse(token.refreshToken, () => Option.fromNullable(before?.token))
    if (Option.isNone(next)) return Effect.succeed(token)
    const expiresAt = expiry.refreshExpiry(token)
    return Effect.zipRight(
      life.received(next.value, token, expiresAt),
      Effect.as(save(successor(next.value, expiresAt, before, over, lastKnown()), over), token)
    )
  }
  return {
    now,
    late: (before, over) => (token) =>
      Option.isNone(token.refreshToken) ? Effect.void : store.locked(toTheEnd(now(token, before, over)))
  }
}
