// The small schemas that the parts of a configuration are made of.
import * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import { time } from "../time.js"

/** What a timer can wait for. */
export const Wait = time("1 ms", "1 hour")

/** As long as any token lives. */
export const Life = time("1 ms", "3650 days")

export const Interval = time("1 ms", "1 day")

/**
 * A time, as `"5 minutes"`, `"30 s"` or `"1h"`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Time = time("0 s", "3650 days")

export const text = (expected: string, pattern: RegExp, title = "text") =>
  Schema.String.pipe(
    Schema.filter((given) => pattern.test(given), {
      message: () => expected,
      jsonSchema: { title, pattern: pattern.source }
    })
  )

export const Text = text("a text that is not empty", /\S/)

export const Path = text("the path of a file", /\S/, "path")

/** A whole number within a range. */
export const count = (least: number, most: number, example: string) =>
  Schema.Number.pipe(
    Schema.filter((given) => Number.isInteger(given) && given >= least && given <= most, {
      message: () => `a whole number from ${least} to ${most}, for example ${example}`,
      jsonSchema: { type: "integer", title: `whole number from ${least} to ${most}`, minimum: least, maximum: most }
    })
  )

export const Names = Schema.Array(Text)

export const required = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.propertySignature(schema).annotations({ description })

export const optional = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.optional(schema).annotations({ description })

/** A default is given as it would stand in the file. */
export const withDefault = <A, I>(schema: Schema.Schema<A, I>, encoded: Types.NoInfer<I>, description: string) => {
  const value = Schema.decodeSync(schema)(encoded)
  return Schema.optionalWith(schema, { default: () => value }).annotations({
    description,
    jsonSchema: { default: encoded }
  })
}
