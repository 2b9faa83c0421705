/** What the callers saw: the other side of the servers' counters. */
import { Context, Duration, Effect, Layer } from "effect"

/** What goes on outside while a caller waits for a token. */
export type Situation =
  /** Nobody has had a token yet. */
  | "first"
  /** There is a token, or the server is down and there still is one. Nobody should wait. */
  | "steady"
  /** The token was revoked: whoever calls now has to wait for another. */
  | "revoked"

export interface Seen {
  readonly succeeded: number
  readonly failed: number
  /** Failures by what they said. */
  readonly failures: ReadonlyMap<string, number>
  /** The longest a caller waited for a token in each situation. */
  readonly longestWait: Readonly<Record<Situation, Duration.Duration>>
}

export class Tally extends Context.Tag("@effect-bearer/examples/main-job/Tally")<Tally, {
  readonly seen: Effect.Effect<Seen>
  readonly succeeded: Effect.Effect<void>
  readonly failed: (why: string) => Effect.Effect<void>
  /** From here on waits count as waits in this situation. */
  readonly enter: (situation: Situation) => Effect.Effect<void>
  /** Runs `effect`, which obtains a token, and notes how long it took. */
  readonly waiting: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}>() {}

export const layer: Layer.Layer<Tally> = Layer.sync(Tally, () => {
  let succeeded = 0
  let failed = 0
  let situation: Situation = "first"
  const failures = new Map<string, number>()
  const longest: Record<Situation, number> = { first: 0, steady: 0, revoked: 0 }

  return {
    seen: Effect.sync((): Seen => ({
      succeeded,
      failed,
      failures: new Map(failures),
      longestWait: {
        first: Duration.millis(longest.first),
        steady: Duration.millis(longest.steady),
        revoked: Duration.millis(longest.revoked)
      }
    })),
    succeeded: Effect.sync(() => void succeeded++),
    failed: (why) =>
      Effect.sync(() => {
        failed++
        failures.set(why, (failures.get(why) ?? 0) + 1)
      }),
    enter: (next) => Effect.sync(() => void (situation = next)),
    waiting: (effect) =>
      Effect.suspend(() => {
        const asked = situation
        return Effect.map(Effect.timed(effect), ([elapsed, token]) => {
          // who asked before the situation changed may have waited because of the change
          const felt = asked === "steady" ? situation : asked
          longest[felt] = Math.max(longest[felt], Duration.toMillis(elapsed))
          return token
        })
      })
  }
})
