// Reads JSON without exceptions.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/** The members of an object. A name that the object does not have may still reach its prototype. */
export type Members = Readonly<Record<string, unknown>>

export const parse: (text: string) => Option.Option<unknown> = Option.liftThrowable((text: string) => JSON.parse(text))

/** The object that a JSON text holds; `None` for any other text. */
export const object = (text: string): Option.Option<Members> => Option.filter(parse(text), Predicate.isRecord)

/** A text of printable characters only, so that it can be stored in place of a token. */
export const toPrintable = (value: object): string => encodeURIComponent(JSON.stringify(value))

const unescaped = Option.liftThrowable(decodeURIComponent)

/** The inverse of {@link toPrintable}. */
export const fromPrintable = (text: string): Option.Option<Members> => Option.flatMap(unescaped(text), object)
