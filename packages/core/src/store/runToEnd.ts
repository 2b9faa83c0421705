// Runs steps that must not stop half-way, even when the caller is interrupted.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Runs several steps that belong together to their end, even if the caller is interrupted: an interruption (a timeout,
 * a closed request) returns to the caller at once, even if a step hangs, and no change is left half done. `undo` gets
 * the result if the caller was interrupted and cannot take it.
 */
export const finishing = <A, E, R, R2 = never>(
  steps: Effect.Effect<A, E, R>,
  undo: (result: A) => Effect.Effect<unknown, unknown, R2> = () => Effect.void
): Effect.Effect<A, E, R | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDaemon(steps), (fiber) =>
      Effect.onInterrupt(
        restore(Fiber.join(fiber)),
        () => Effect.forkDaemon(Effect.ignore(Effect.flatMap(Fiber.join(fiber), undo)))
      ))
  )
