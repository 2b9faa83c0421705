/** One mistake in a configuration, and how the place of one is written. */
import * as Disclosure from "effect-bearer/Disclosure"

export interface Mistake {
  /** Where, as `profiles.genesys.clientId` or `callers[0].keys[1]`; empty for the file as a whole. */
  readonly path: string
  /** What was expected there. */
  readonly expected: string
  /** What was found instead, by its kind: no value is ever quoted, because any of them may be a secret. */
  readonly found: string
  /** What to do, where the rest does not say so. */
  readonly hint?: string
  /** Where in the text that is, counted from 1. */
  readonly line?: number
  readonly column?: number
}

export type Path = ReadonlyArray<PropertyKey>

const disclosure = Disclosure.make([])

/** A key is a name and may be shown, unless it looks like a credential that got into the wrong column. */
export const shownKey = (key: PropertyKey): string => disclosure.text(String(key), 64)

export const render = (path: Path): string =>
  path.reduce<string>((before, key) => {
    if (typeof key === "number") return `${before}[${key}]`
    const name = shownKey(key)
    return /^[\w-]+$/.test(name) ? `${before}${before === "" ? "" : "."}${name}` : `${before}[${JSON.stringify(name)}]`
  }, "")

/** **The rule.** The kind of a value, and nothing of its content: any text of a configuration may be a secret. */
export const kindOf = (value: unknown): string => {
  switch (typeof value) {
    case "undefined":
      return "nothing"
    case "string":
      return value === "" ? "an empty text" : value.trim() === "" ? "a blank text" : "another text"
    case "number":
    case "bigint":
      return "a number"
    case "boolean":
      return value ? "true" : "false"
    default:
      return value === null
        ? "no value"
        : Array.isArray(value)
        ? value.length === 0 ? "an empty list" : "a list"
        : "an object"
  }
}

/** `a, b or c` */
export const oneOf = (choices: ReadonlyArray<string>): string =>
  choices.length < 2 ? choices.join("") : `${choices.slice(0, -1).join(", ")} or ${choices[choices.length - 1]}`

export const line = ({ column, expected, found, hint, line, path }: Mistake): string => {
  const place = line === undefined ? "" : `line ${line}${column === undefined ? "" : `, column ${column}`}`
  const where = path === "" ? place : place === "" ? path : `${path} (${place})`
  return `${where === "" ? "" : `${where}: `}expected ${expected}, found ${found}.${
    hint === undefined ? "" : ` ${hint}`
  }`
}
