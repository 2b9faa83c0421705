/** Text and data that somebody else has written, made fit to be shown: it moves no cursor and fills no screen. */
import * as Disclosure from "effect-bearer/Disclosure"

/** One line of at most so many characters; what is left out is counted. */
export const line = (text: string, most = 200): string => {
  const characters = Array.from(Disclosure.printable(text))
  const more = characters.length - most
  return more > 0
    ? `${characters.slice(0, most).join("")}… (${more} more ${more === 1 ? "character" : "characters"})`
    : characters.join("")
}

/** `\u009b` and its like, which JSON leaves as they are and a terminal obeys. */
const unseen = /[\u007f-\u009f\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2028\u2029]/gu

const escaped = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`
  ).join("")

/** JSON in which nothing is unseen; `undefined` for what is nested so deep that it cannot be written. */
export const json = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value).replace(unseen, escaped)
  } catch {
    return undefined
  }
}

/** A value in one line: text as it is, anything else as JSON. */
export const value = (value: unknown, most = 200): string =>
  line(typeof value === "string" ? value : json(value) ?? "(nested too deep to be shown)", most)

/** So many names are told. */
const mostNames = 10

/** Names in one line. */
export const names = (all: ReadonlyArray<string>): string =>
  all.length <= mostNames
    ? all.join(", ")
    : `${all.slice(0, mostNames).join(", ")} and ${all.length - mostNames} more`

/** Names and values below each other. */
export const table = (rows: ReadonlyArray<readonly [name: string, value: string]>): ReadonlyArray<string> => {
  const width = Math.min(24, Math.max(0, ...rows.map(([name]) => name.length)))
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)
}
