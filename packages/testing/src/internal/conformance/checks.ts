// What a scenario demands, as effects that fail with the promise that is broken.
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** See `StoreConformance.Broken`. */
export class Broken extends Data.TaggedError("Broken")<{
  /** What was expected, and what was found. */
  readonly detail: string
}> {
  override get message(): string {
    return `The store breaks a promise: ${this.detail}`
  }
}

export const broken = (detail: string): Effect.Effect<never, Broken> => Effect.fail(new Broken({ detail }))

export const holds = (condition: boolean, detail: string): Effect.Effect<void, Broken> =>
  condition ? Effect.void : broken(detail)

/** Compares plain values, whatever they hold. */
export const same = (found: unknown, expected: unknown, what: string): Effect.Effect<void, Broken> => {
  const [is, should] = [text(found), text(expected)]
  return holds(is === should, `${what} is ${is}, and should be ${should}`)
}

export const above = (found: number, least: number, what: string): Effect.Effect<void, Broken> =>
  holds(found > least, `${what} is ${found}, and should be more than ${least}`)

const text = (value: unknown): string => JSON.stringify(value) ?? String(value)
