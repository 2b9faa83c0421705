// The fields that the schemas of this library are made of, with their bounds, and the names that the schemas get.
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as quietIssue from "./quietIssue.js"

/** The most that core reads of a response, and so the longest text it can receive. */
const longestText = 1_048_576

export const longestList = 65_536

export const text = Schema.String.pipe(
  Schema.maxLength(longestText, { description: `a string of at most ${longestText} characters` })
)

export const isText = (u: unknown): u is string => Predicate.isString(u) && u.length <= longestText

export const nonEmptyText = text.pipe(Schema.minLength(1, { description: "a string that is not empty" }))

/** Without negative zero, which JSON has no form for. */
const finite = (description: string) =>
  Schema.Finite.annotations({
    description,
    arbitrary: () => (fc) => fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
  })

export const number = finite("a finite number")

export const time = finite("epoch milliseconds: a finite number")

export const flag = Schema.Boolean.annotations({ description: "true or false" })

export const texts = Schema.Array(text).pipe(
  Schema.maxItems(longestList, { description: `a list of at most ${longestList} strings` })
)

export const duration: Schema.Schema<Duration.Duration, number> = Schema.transform(
  Schema.Finite.pipe(Schema.nonNegative({ description: "a number of milliseconds, zero or more" })),
  Schema.DurationFromSelf.pipe(
    Schema.filter(Duration.isFinite, {
      description: "a finite duration",
      arbitrary: () => (fc) => fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }).map(Duration.millis)
    })
  ),
  { strict: true, decode: Duration.millis, encode: Duration.toMillis }
)

export const optional = <A, I>(value: Schema.Schema<A, I>): Schema.optionalWith<
  Schema.Schema<A, I>,
  { as: "Option"; nullable: true }
> => Schema.optionalWith(value, { as: "Option", nullable: true })

export const namespace = "effect-bearer."

/**
 * The name in OpenAPI and JSON Schema. It has a namespace, because a program may well have a `RateLimited` of its own.
 */
export const named = (name: string, description: string) => ({
  identifier: `${namespace}${name}`,
  description,
  ...quietIssue.message(name)
})

/** The same for a class of this module: for its decoded form, the transformation, and its encoded form. */
export const info = (name: string, description: string) =>
  [quietIssue.message(name), named(name, description), quietIssue.message(name)] as const

/** A wrong value is reported when it is encoded, because a constructor could only throw. */
export const unchecked = { disableValidation: true }

/** Taken as it is and not copied: with `__proto__` for a name, a copy would be another object. */
export const record = <A>(
  description: string,
  isValue: Predicate.Refinement<unknown, A>,
  jsonSchema: object
): Schema.Schema<Readonly<Record<string, A>>> =>
  Schema.declare(
    (u): u is Readonly<Record<string, A>> => {
      if (!Predicate.isRecord(u)) return false
      const values = Object.values(u)
      return values.length <= longestList && values.every(isValue)
    },
    { description, jsonSchema: { type: "object", ...jsonSchema }, pretty: () => () => description }
  )
