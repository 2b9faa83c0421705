// Runs steps that must not stop half-way, even when the caller is interrupted.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Several steps that belong together, run to their end whatever becomes of the caller: an interruption (a timeout,
 * a closed request) lets go of the caller at once, even if a step hangs, and leaves nothing done by halves. `undo` gets
 * the result nobody is there to take.
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
