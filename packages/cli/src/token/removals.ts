/** Finds out whether a store had the token that it is told to remove: its own answer does not say. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as AccessToken from "effect-bearer/AccessToken"
import type * as TokenStore from "effect-bearer/TokenStore"

/** The same store; `onRemoved` is called for each token that was there and is removed. */
export const watch = (store: TokenStore.Service, onRemoved: () => void): TokenStore.Service => ({
  ...store,
  remove: (key, token) =>
    Effect.flatMap(
      Effect.option(store.get(key)),
      (kept) =>
        Effect.tap(store.remove(key, token), () =>
          Effect.sync(() => {
            if (Option.exists(Option.flatten(kept), (kept) => AccessToken.isSame(kept, token))) onRemoved()
          }))
    )
})
