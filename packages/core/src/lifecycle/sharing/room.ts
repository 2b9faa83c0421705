// Room under the rate limit for the request of one lease.
import * as Effect from "effect/Effect"
import type { AccessToken } from "../../values/AccessToken.js"
import type { Admission } from "../source.js"
import type { Want } from "./want.js"

/** The result for a process that waits for room when another process has stored a token: it has to look again. */
export const rang = Symbol()

/**
 * Runs `use` with room for one request, if there is a rate limit. A process that waited for room under the lease would
 * keep the others from asking, and would outlast the lease. Room that was not used is given back.
 */
export const withRoom = <A, E, E2>(
  admission: Admission | undefined,
  { fetch, fetchAtOnce, request }: Want<E>,
  rung: Effect.Effect<void>,
  restore: <B, E3>(effect: Effect.Effect<B, E3>) => Effect.Effect<B, E3>,
  use: (fetch: Effect.Effect<AccessToken, E>) => Effect.Effect<A, E2>
): Effect.Effect<A | typeof rang, E | E2> =>
  admission === undefined ? use(fetch) : Effect.flatMap(
    restore(Effect.raceFirst(
      Effect.as(Effect.interruptible(rung), rang),
      Effect.interruptible(admission.admit(request)) as Effect.Effect<Effect.Effect<void>, E>
    )),
    (room): Effect.Effect<A | typeof rang, E2> => {
      if (room === rang) return Effect.succeed(room)
      let used = false
      const once = Effect.suspend(() => {
        used = true
        return fetchAtOnce
      })
      return Effect.ensuring(use(once), Effect.suspend(() => used ? Effect.void : room))
    }
  )
