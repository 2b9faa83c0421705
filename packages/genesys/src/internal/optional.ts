// A schema of a member that may be missing.
import * as Schema from "effect/Schema"

/** A member that may be missing, or `null`, which means the same here. */
export const optional = <A, I, R>(
  schema: Schema.Schema<A, I, R>
): Schema.optionalWith<Schema.Schema<A, I, R>, { nullable: true }> => Schema.optionalWith(schema, { nullable: true })
