/**
 * Where answers and notes go. An answer goes to standard output, and nothing else does; everything that is said to
 * whoever watches goes to standard error.
 *
 * A reader of the answer that has gone (`… | head -1`) is no failure; a full disk is one.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Environment } from "../settings/places.js"
import type { Failure } from "./failure.js"
import { failed } from "./failure.js"

const write = (stream: NodeJS.WriteStream, chunk: string | Uint8Array): Effect.Effect<void, NodeJS.ErrnoException> =>
  Effect.async((resume) => {
    stream.write(chunk, (error) => resume(error == null ? Effect.void : Effect.fail(error)))
  })

const codeOf = (error: unknown): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : "unknown"

/** The reader of the answer has gone: the rest of the answer is dropped. */
const isGone = (error: NodeJS.ErrnoException): boolean =>
  error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED"

/** Writes bytes of an answer; false if the reader has gone. */
export const bytes = (chunk: string | Uint8Array): Effect.Effect<boolean, Failure> =>
  write(process.stdout, chunk).pipe(
    Effect.as(true),
    Effect.catchAll((error) =>
      isGone(error)
        ? Effect.succeed(false)
        : Effect.fail(failed(`The answer could not be written to standard output (${codeOf(error)}).`))
    )
  )

/** Writes an answer, and a line break after it. */
export const answer = (text: string): Effect.Effect<void, Failure> => Effect.asVoid(bytes(`${text}\n`))

/** Writes a line to standard error; a closed standard error is no failure. */
export const note = (text: string): Effect.Effect<void> => Effect.ignore(write(process.stderr, `${text}\n`))

/** How a command says something, unless it is to be quiet. */
export const sayer = (quiet: boolean) => (text: string): Effect.Effect<void> => quiet ? Effect.void : note(text)

/** The same, when the program is about to end. */
export const lastNote = (text: string): void => {
  try {
    writeSync(2, `${text}\n`)
  } catch {
    // nobody reads it
  }
}

/** Without these an `EPIPE` that comes late would end the program with a stack. */
export const listenForErrors = (): void => {
  process.stdout.on("error", () => {})
  process.stderr.on("error", () => {})
}

/** How something may be drawn. */
export interface Style {
  readonly colour: boolean
  readonly columns: number
  /** Whether a person may be looking. */
  readonly isTerminal: boolean
}

/** Colour only on a terminal, and not if NO_COLOR is set (https://no-color.org). */
export const styleOf = (
  stream: { readonly isTTY?: boolean | undefined; readonly columns?: number | undefined },
  environment: Environment
): Style => {
  const isTerminal = stream.isTTY === true
  const forbidden = (environment["NO_COLOR"] ?? "") !== "" || environment["TERM"] === "dumb"
  return {
    isTerminal,
    colour: isTerminal && !forbidden,
    // a terminal whose size was never set has none
    columns: Math.max(40, Math.min(stream.columns || 80, 120))
  }
}

type Colour = "bold" | "dim" | "red" | "green" | "yellow" | "cyan"
const codes: Readonly<Record<Colour, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39]
}

/** The text in a colour, where there are colours. */
export const paint = (style: Pick<Style, "colour">, colour: Colour, text: string): string => {
  const [on, off] = codes[colour]
  return style.colour && text !== "" ? `\u001b[${on}m${text}\u001b[${off}m` : text
}
