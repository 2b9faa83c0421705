// Limits the operations of a user's own store.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TokenError from "../../values/TokenError.js"
import type { Store } from "./contract.js"

/** Limit of one operation of a user's own store, in milliseconds. `shared` has shorter limits of its own. */
const longestOperation = 60_000

/** An operation that hangs keeps the lock from all others, so after the limit it is no longer waited for. */
export const bounded = (store: Store): Store => {
  const within = <A>(operation: "load" | "save", effect: Effect.Effect<A, TokenError.RequestError>) =>
    Effect.timeoutFail(Effect.interruptible(Effect.disconnect(effect)), {
      duration: longestOperation,
      onTimeout: () =>
        new TokenError.TransportError({
          endpoint: "the store of the refresh token",
          code: Option.none(),
          detail: `\`${operation}\` has given no answer in ${longestOperation} ms; no refresh token is used without it`
        })
    })
  return {
    ...store,
    load: within("load", store.load),
    save: (stored, over) => within("save", store.save(stored, over))
  }
}
