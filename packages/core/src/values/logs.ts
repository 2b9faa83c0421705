// From which level on the library writes to the log of the program.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"

/** See `TokenSource.logs`. */
export class Least extends Context.Reference<Least>()("effect-bearer/TokenSource/Logs", {
  defaultValue: () => LogLevel.All
}) {}

/** Writes a line, or nothing. It is made where a source is made: what happens later runs on many fibers. */
export type Write = (level: LogLevel.LogLevel, line: Effect.Effect<void>) => Effect.Effect<void>

export const all: Write = (_level, line) => line

export const writer: Effect.Effect<Write> = Effect.map(
  Least,
  (least): Write => (level, line) => LogLevel.greaterThanEqual(level, least) ? line : Effect.void
)
