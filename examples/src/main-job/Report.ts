/** The closing table and the verdicts, as text. */
import { Duration } from "effect"

export interface Row {
  readonly what: string
  readonly number: string
  /** Who counted it. */
  readonly by: string
}

export interface Judgement {
  readonly name: string
  readonly held: boolean
  readonly because: string
}

export const count = (n: number): string => n.toLocaleString("en-US")

export const times = (n: number, what: string): string => `${count(n)} ${what}${n === 1 ? "" : "s"}`

export const seconds = (duration: Duration.DurationInput): string => `${Duration.toSeconds(duration).toFixed(1)} s`

export const millis = (duration: Duration.DurationInput): string => {
  const ms = Duration.toMillis(duration)
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`
}

const width = (texts: ReadonlyArray<string>): number => Math.max(0, ...texts.map((text) => text.length))

export const table = (rows: ReadonlyArray<Row>): string => {
  const what = width(rows.map((row) => row.what))
  const number = width(rows.map((row) => row.number))
  return rows.map((row) => `  ${row.what.padEnd(what)}  ${row.number.padStart(number)}  ${row.by}`.trimEnd()).join("\n")
}

export const verdicts = (promises: ReadonlyArray<Judgement>): string => {
  const name = width(promises.map((promise) => promise.name))
  return promises
    .map((promise) => `  ${promise.held ? "held  " : "BROKEN"}  ${promise.name.padEnd(name)}  ${promise.because}`)
    .join("\n")
}
