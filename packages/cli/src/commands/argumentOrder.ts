/**
 * From the words of a command line to a form that `@effect/cli` reads in one way only: the command, its options, each name
 * followed by its value, then its arguments. The library looks for options among arguments and among the values of other
 * options, and a value that looks like an option, or like `yes`, would be taken for one.
 *
 * Options may stand anywhere; after `--` nothing is an option, and a command may have all of it as it is. A name that is
 * not known is refused here, with the name that it may be meant for. A value is never repeated: it may be a secret in the
 * wrong place.
 */
import type * as Usage from "@effect/cli/Usage"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Spelling from "effect-bearer/Spelling"
import type { Failure } from "../output/failure.js"
import { usage } from "../output/failure.js"

/** An option: what it is called first, whether a value follows, and whether it may stand several times. */
interface Known {
  readonly name: string
  readonly takes: boolean
  readonly repeats?: boolean
}

/** The options of a command, by each of their names. */
export type Table = ReadonlyMap<string, Known>

/** A command: its options, and the commands below it. */
export interface Shape {
  readonly options: Table
  /** How many arguments it takes at most. */
  readonly most: number
  /** Whether what follows `--` is a command line of its own, which nobody here reads. */
  readonly rest?: boolean
  readonly below: ReadonlyMap<string, Shape>
}

/** The options that a usage speaks of. */
export const tableOf = (usage: Usage.Usage): Table => {
  const found = new Map<string, Known>()
  const collect = (part: Usage.Usage, repeats: boolean): void => {
    switch (part._tag) {
      case "Named":
        for (const name of part.names) {
          if (name.startsWith("-")) {
            found.set(name, {
              name: part.names.find((one) => one.startsWith("--")) ?? name,
              takes: Option.isSome(part.acceptedValues),
              repeats
            })
          }
        }
        return
      case "Optional":
        return collect(part.usage, repeats)
      case "Repeated":
        return collect(part.usage, true)
      case "Alternation":
      case "Concat":
        collect(part.left, repeats)
        return collect(part.right, repeats)
      case "Empty":
      case "Mixed":
        return
    }
  }
  collect(usage, false)
  return found
}

/** How many arguments a usage speaks of, at most. */
export const mostArguments = (usage: Usage.Usage): number => {
  switch (usage._tag) {
    case "Named":
      // `<method>`; the others are options and the command itself
      return usage.names.some((name) => name.startsWith("<")) ? 1 : 0
    case "Optional":
      return mostArguments(usage.usage)
    case "Repeated":
      return mostArguments(usage.usage) > 0 ? Infinity : 0
    case "Alternation":
      return Math.max(mostArguments(usage.left), mostArguments(usage.right))
    case "Concat":
      return mostArguments(usage.left) + mostArguments(usage.right)
    case "Empty":
    case "Mixed":
      return 0
  }
}

/** What every command has from `@effect/cli`. */
const builtIn: Table = new Map([
  ["--help", { name: "--help", takes: false }],
  ["-h", { name: "--help", takes: false }],
  ["--version", { name: "--version", takes: false }],
  ["--completions", { name: "--completions", takes: true }],
  ["--log-level", { name: "--log-level", takes: true }]
])

/** A command line in order, and what follows `--`. */
export interface Ordered {
  readonly argv: ReadonlyArray<string>
  readonly rest: ReadonlyArray<string> | undefined
  readonly logLevel: string | undefined
  /** The options that were given, by their long names. */
  readonly flags: ReadonlySet<string>
}

/** The options of all commands, for those that stand before the command. */
const anywhere = ({ below, options }: Shape): Table =>
  new Map([...Array.from(below.values()).flatMap((one) => Array.from(anywhere(one))), ...options])

/** Longer names are not repeated. */
const shown = (name: string): string => /^-{1,2}[A-Za-z][\w-]{0,40}$/.test(name) ? ` ${name}` : " with this name"

const unknownOption = (name: string, table: Table, command: string): Failure => {
  if (command === "") return usage(`There is no option${shown(name)}. See effect-bearer --help.`)
  const meant = Spelling.meant(name.replace(/^-+/, ""), Array.from(table.keys(), (one) => one.replace(/^-+/, "")))
  return usage(
    `"${command}" has no option${shown(name)}.${meant === undefined ? "" : ` Did you mean --${meant}?`} ` +
      `See effect-bearer ${command} --help.`
  )
}

export const unknownCommand = (name: string, names: ReadonlyArray<string>): Failure => {
  const meant = Spelling.meant(name, names)
  const what = /^[a-z-]{1,40}$/.test(name) ? `There is no command "${name}".` : "There is no such command."
  return usage(
    `${what}${meant === undefined ? "" : ` Did you mean "${meant}"?`} The commands are ${names.join(", ")}.`
  )
}

const tooMany = (command: string, { most }: Shape): Failure =>
  usage(
    `"${command}" takes ${
      most === 0 ? "no argument" : `${most} argument${most === 1 ? "" : "s"} at most`
    }, and there are more. See effect-bearer ${command} --help.`
  )

export const inOrder = (root: Shape, argv: ReadonlyArray<string>): Either.Either<Ordered, Failure> => {
  const end = argv.indexOf("--")
  // short flags in one word are taken apart in here
  const words = Array.from(end < 0 ? argv : argv.slice(0, end))
  const rest = end < 0 ? undefined : argv.slice(end + 1)
  const path: Array<string> = []
  const plain: Array<string> = []
  /** In the order of their first mention; the values of one that may be given several times stand together. */
  const given = new Map<string, Array<string>>()
  let shape = root
  let help = false
  const wordAt = (index: number): Either.Either<number, Failure> => {
    const word = words[index]!
    const command = path.join(" ")
    if (!word.startsWith("-") || word === "-") {
      const below = plain.length === 0 ? shape.below.get(word) : undefined
      if (below !== undefined) {
        shape = below
        path.push(word)
      } else if (shape.below.size > 0) {
        return Either.left(unknownCommand([...path, word].join(" "), namesBelow(shape, path)))
      } else if (plain.length >= shape.most) return Either.left(tooMany(command, shape))
      else plain.push(word)
      return Either.right(index + 1)
    }
    // before the command: what one of them takes; whether this one does is looked at when it is known
    const table = new Map([...builtIn, ...(path.length === 0 ? anywhere(root) : []), ...shape.options])
    const [name, inline] = split(word, table)
    const known = table.get(name)
    if (known === undefined) return Either.left(unknownOption(name, table, command))
    if (known.name === "--help") help = true
    const values = given.get(known.name) ?? []
    given.set(known.name, values)
    if (!known.takes) {
      // short flags in one word
      if (inline !== undefined && !name.startsWith("--")) {
        words.splice(index + 1, 0, `-${inline}`)
        return Either.right(index + 1)
      }
      return inline === undefined
        ? Either.right(index + 1)
        : Either.left(usage(`${known.name} takes no value.`))
    }
    const value = inline ?? words[index + 1]
    if (value === undefined) return Either.left(usage(`${known.name} needs a value after it.`))
    if (values.length > 0 && known.repeats !== true) return Either.left(usage(`${known.name} is given more than once.`))
    values.push(value)
    return Either.right(inline === undefined ? index + 2 : index + 1)
  }
  for (let index = 0; index < words.length;) {
    const next = wordAt(index)
    if (Either.isLeft(next)) return Either.left(next.left)
    index = next.right
  }
  if (path.length > 0 && shape.below.size === 0) {
    const names = new Set(Array.from([...builtIn, ...shape.options], ([, { name }]) => name))
    const foreign = Array.from(given.keys()).find((name) => !names.has(name))
    if (foreign !== undefined) return Either.left(unknownOption(foreign, shape.options, path.join(" ")))
  }
  for (const word of shape.rest === true || help ? [] : rest ?? []) {
    const command = path.join(" ")
    if (shape.below.size > 0) return Either.left(usage("The command stands before --."))
    if (plain.length >= shape.most) return Either.left(tooMany(command, shape))
    // the library would take it for an option
    if (word.startsWith("-")) return Either.left(usage(`"${command}" takes no argument that begins with a hyphen.`))
    plain.push(word)
  }
  if (shape.below.size > 0 && !help && !["--version", "--completions"].some((name) => given.has(name))) {
    return path.length === 0
      ? Either.right({ argv: ["--help"], rest, logLevel: undefined, flags: new Set(given.keys()) })
      : Either.left(usage(`"${path.join(" ")}" needs one of: ${Array.from(shape.below.keys()).join(", ")}.`))
  }
  const flags = new Set(given.keys())
  const logLevel = given.get("--log-level")?.at(-1)
  given.delete("--log-level")
  const options = Array.from(given).flatMap(([name, values]) =>
    values.length > 0 ? values.flatMap((value) => [name, value]) : builtIn.has(name) ? [name] : [name, "true"]
  )
  return Either.right({ argv: help ? [...path, "--help"] : [...path, ...options, ...plain], rest, logLevel, flags })
}

const namesBelow = ({ below }: Shape, path: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.from(below.keys(), (name) => [...path, name].join(" "))

/** `--name=value`, `-nvalue`, or a name alone. */
const split = (word: string, table: Table): readonly [name: string, value: string | undefined] => {
  if (word.startsWith("--")) {
    const equals = word.indexOf("=")
    return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)]
  }
  return word.length === 2 || !table.has(word.slice(0, 2)) ? [word, undefined] : [word.slice(0, 2), word.slice(2)]
}
