// Reads and writes the record of a refresh token, and keeps what could not be stored until it can be.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as random from "../../values/random.js"
import type * as TokenError from "../../values/TokenError.js"
import type { Store, Stored } from "./contract.js"
import { unmarked, withHistoryOf } from "./record.js"

export type Ledger = ReturnType<typeof make>

/** What one process does with a store. Call it under the lock of the store only. */
export const make = (store: Store) => {
  // A record that could not be stored is kept as long as the process lives, and is stored before anything else is
  // done.
  let unsaved = Option.none<{ readonly stored: Stored; readonly over: Option.Option<Stored> }>()
  // The record that was last read or stored: a store may lose it.
  let last = Option.none<Stored>()
  const known = (stored: Stored): void => {
    last = Option.some(stored)
  }
  const save = (stored: Stored, over: Option.Option<Stored>): Effect.Effect<void, TokenError.RequestError> =>
    Effect.suspend(() => {
      unsaved = Option.some({ stored, over })
      return Effect.tap(store.save(stored, over), () => {
        unsaved = Option.none()
        known(stored)
      })
    })

  const read = Effect.map(
    store.load,
    Option.map((there) => {
      // a store of the user's own may have been given a login without the list of those before
      const stored = withHistoryOf(last, there)
      known(stored)
      return stored
    })
  )

  const load: Effect.Effect<Option.Option<Stored>, TokenError.RequestError> = Effect.suspend(() =>
    Option.match(unsaved, {
      onNone: () => read,
      // another process may have stored a newer record
      onSome: ({ over, stored }) => Effect.zipRight(save(stored, over), read)
    })
  )

  /**
   * Stores that the token is about to be sent. If that cannot be stored, the token is not sent, and the mark is taken
   * back.
   */
  const mark = (stored: Stored, over: Option.Option<Stored>): Effect.Effect<Stored, TokenError.RequestError> =>
    Effect.suspend(() => {
      const marked: Stored = {
        ...stored,
        state: stored.state === "ready" ? "sent" : "sentTwice",
        mark: random.randomId()
      }
      unsaved = Option.some({ stored: unmarked(stored), over: Option.some(marked) })
      return Effect.map(store.save(marked, over), () => {
        unsaved = Option.none()
        known(marked)
        return marked
      })
    })

  return { load, mark, read, save, lastKnown: () => last }
}
