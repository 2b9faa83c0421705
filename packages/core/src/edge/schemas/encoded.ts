// The JSON form of an error or an event, and the schemas of its fields, as types.
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import type * as Errors from "../../values/TokenError.js"

/** The names of the fields of an error or an event. */
type Names<A> = Exclude<
  Extract<keyof A, string>,
  A extends Error ? keyof Cause.YieldableError | "retryable" : never
>

type Optional<A> = { [K in Names<A>]: A[K] extends Option.Option<unknown> ? K : never }[Names<A>]

type Field<V> = [V] extends [Option.Option<infer A>] ? Field<A>
  : [V] extends [Duration.Duration] ? number
  : [V] extends [Errors.TokenError] ? Encoded<V>
  : V

/** See `Schemas.Encoded`. */
export type Encoded<A> = A extends unknown ? Types.Simplify<
    & { readonly [K in Exclude<Names<A>, Optional<A>>]: Field<A[K]> }
    & { readonly [K in Optional<A>]?: Field<A[K]> | null | undefined }
  >
  : never

/** The schema of each field, so that none is forgotten. */
export type Fields<A, Known extends string = "_tag"> = {
  readonly [K in Exclude<Names<A>, Known>]: [A[K]] extends [Option.Option<infer V>] ?
    Schema.optionalWith<Schema.Schema<V, Field<V>>, { as: "Option"; nullable: true }>
    : Schema.Schema<A[K], Field<A[K]>>
}
