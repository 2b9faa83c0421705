// How often a waiting process looks into the store.
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** A waiting process looks at least this often, in milliseconds. */
const longest = 2000

/** How long to wait before the next look; in milliseconds. */
export interface Pace {
  readonly pause: number
  /** How much of the full pause that is: from half of it to all, so that a fleet does not look all at once. */
  readonly spread: number
}

/** The pauses grow from `first` up to `longest`. */
export const pace = (first: number, turns: number): Effect.Effect<Pace> =>
  Effect.map(Random.next, (random) => {
    const spread = 0.5 + random / 2
    return { spread, pause: Math.min(longest, first * 1.5 ** Math.min(turns, 32)) * spread }
  })
