// Runs one exchange of a refresh token: to its end, and with a limit, for all others wait for the lock meanwhile.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import * as SharedWork from "../../values/SharedWork.js"
import * as TokenError from "../../values/TokenError.js"
import * as Disclosure from "../../wire/Disclosure.js"

/**
 * Runs `effect` on a fiber of its own. An interruption reaches the children of a fiber even while the fiber itself
 * cannot be interrupted, so an exchange with a deadline would be cut off. Only deadlines inside `effect` interrupt the
 * new fiber, and they must be able to.
 */
export const toTheEnd = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Disclosure.unlogged(
    Effect.uninterruptible(Effect.flatMap(Effect.forkDaemon(Effect.interruptible(effect)), Fiber.join))
  )

/** How long after its limit the answer of an exchange is still accepted, in milliseconds. */
const longestLate = 60_000

/**
 * An exchange that hangs keeps the lock from all others, so after `timeout` it is no longer waited for. Its late answer
 * may bring the refresh token that replaces a spent one, so `late` gets it.
 */
export const within = (
  timeout: number,
  effect: Effect.Effect<AccessToken, TokenError.RequestError>,
  late: (token: AccessToken) => Effect.Effect<unknown, TokenError.RequestError>
): Effect.Effect<AccessToken, TokenError.RequestError> => {
  if (!Number.isFinite(timeout)) return effect
  const limit = Duration.millis(timeout)
  const waitLater = (fiber: Fiber.Fiber<AccessToken, TokenError.RequestError>) =>
    Fiber.join(fiber).pipe(
      Effect.timeoutOption(longestLate),
      Effect.flatMap(Option.match({ onNone: () => Fiber.interruptFork(fiber), onSome: late })),
      Effect.ignore
    )
  // the lock is not overdue before that limit
  return Effect.zipRight(
    SharedWork.expect(limit),
    Effect.flatMap(Effect.forkDaemon(Effect.interruptible(effect)), (fiber) =>
      Effect.flatMap(
        Effect.timeoutOption(Effect.exit(Fiber.join(fiber)), limit),
        Option.match({
          onNone: () =>
            Effect.zipRight(
              Effect.forkDaemon(waitLater(fiber)),
              Effect.fail(
                new TokenError.EndpointTimeout({ endpoint: "the exchange of the refresh token", phase: "total", limit })
              )
            ),
          onSome: (exit) => exit
        })
      ))
  )
}
