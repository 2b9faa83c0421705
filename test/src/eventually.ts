/** Waits for what will come true, and not for a time. */
import type { Duration } from "effect"
import { Cause, Effect } from "effect"

/** Runs the effect again and again until its result is good, and gives that; dies with the last one after `limit`. */
export const eventually = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  isGood: (value: A) => boolean,
  limit: Duration.DurationInput = "2 minutes"
): Effect.Effect<A, never, R> => {
  let last: unknown = "nothing yet"
  const attempt: Effect.Effect<A, never, R> = Effect.flatMap(Effect.either(effect), (result) => {
    last = result._tag === "Right" ? result.right : result.left
    return result._tag === "Right" && isGood(result.right)
      ? Effect.succeed(result.right)
      : Effect.zipRight(Effect.sleep("25 millis"), attempt)
  })
  return Effect.timeoutFailCause(attempt, {
    duration: limit,
    onTimeout: () => Cause.die(new Error(`It did not come true: ${String(last)}`))
  })
}
