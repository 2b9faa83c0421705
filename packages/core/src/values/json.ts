// Reads JSON without exceptions.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/** The members of an object. A name that the object does not have may still reach its prototype. */
export type Members = Readonly<Record<string, unknown>>

export const parse: (text: string) => Option.Option<unknown> = Option.liftThrowable((text: string) => JSON.parse(text))

/** The object that a JSON text holds; `None` for any other text. */
export const object = (text: string): Option.Option<Members> => Option.filter(parse(text), Predicate.isRecord)

/** No server nests so deep. Most programs that walk or write a value call themselves for each level of it. */
const deepest = 64

/** A copy of a value from a JSON text. What lies deeper than `deepest` levels is left out; a list has `null` there. */
export const bounded = (value: unknown): unknown => cut(value, deepest)

/** The same for each of these members. */
export const boundedMembers = (members: Iterable<readonly [string, unknown]>): Members =>
  Object.fromEntries(Array.from(members, ([name, value]) => [name, bounded(value)] as const))

const cut = (value: unknown, levels: number): unknown => {
  if (!Predicate.isObject(value)) return value
  if (levels === 0) return undefined
  if (Array.isArray(value)) return value.map((item) => cut(item, levels - 1) ?? null)
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => {
      const kept = cut(item, levels - 1)
      return kept === undefined ? [] : [[name, kept] as const]
    })
  )
}

/** The JSON text of a value; `None` for one that has none: a circle, a big integer, too many levels. */
export const write: (value: unknown) => Option.Option<string> = Option.liftThrowable((value: unknown) =>
  JSON.stringify(value)
)

/** A text of printable characters only, so that it can be stored in place of a token. */
export const toPrintable = (value: object): string => encodeURIComponent(JSON.stringify(value))

const unescaped = Option.liftThrowable(decodeURIComponent)

/** The inverse of {@link toPrintable}. */
export const fromPrintable = (text: string): Option.Option<Members> => Option.flatMap(unescaped(text), object)
