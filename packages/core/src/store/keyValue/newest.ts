// The newest token that was put from here, by key. The store may carry out an older write late, over a newer one.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import { isSame } from "../../values/AccessToken.js"
import type { Claimed, Entries, Stored } from "./entries.js"

/** How many keys are remembered. */
const keysKept = 1024

export interface Newest {
  readonly get: (key: string) => Stored | undefined
  readonly note: (key: string, stored: Stored) => void
  /** Forgets the token of a key, if it is this one. */
  readonly forget: (key: string, token: AccessToken) => void
  /** What counts as stored under a key, if `found` is there: an older token than was put from here is replaced again. */
  readonly mended: (key: string, found: Stored) => Effect.Effect<Stored, unknown>
}

export const make = (tokens: Entries<Stored>, leases: Entries<Claimed>): Newest => {
  const newest = new Map<string, Stored>()
  return {
    get: (key) => newest.get(key),
    note: (key, stored) => {
      newest.delete(key)
      newest.set(key, stored)
      if (newest.size > keysKept) newest.delete(newest.keys().next().value!)
    },
    forget: (key, token) => {
      const noted = newest.get(key)
      if (noted !== undefined && isSame(noted.token, token)) newest.delete(key)
    },
    mended: (key, found) =>
      Effect.gen(function*() {
        const newer = newest.get(key)
        if (newer === undefined || newer.fence <= found.fence) return found
        const claim = yield* leases.readable(key)
        if (!Option.exists(claim, ({ fence }) => fence >= newer.fence)) {
          // the entries were deleted, and the numbers begin anew
          newest.delete(key)
          return found
        }
        yield* Effect.ignore(tokens.write(key, newer))
        return newer
      })
  }
}
