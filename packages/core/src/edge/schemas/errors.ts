// The schema of an error of this library: one for its class and its fields.
import * as Schema from "effect/Schema"
import * as Errors from "../../values/TokenError.js"
import { built } from "./built.js"
import type { Encoded, Fields } from "./encoded.js"

const isError = <E extends Errors.TokenError>(tag: E["_tag"]) => (u: unknown): u is E =>
  Errors.isTokenError(u) && u._tag === tag

export const error = <E extends Errors.RequestError | Errors.CircuitOpen>(
  Class: new(fields: never) => E,
  tag: E["_tag"],
  description: string,
  fields: Fields<E>
): Schema.Schema<E, Encoded<E>> =>
  built(
    tag,
    description,
    // `fields` has one for each field of `E`
    Schema.Struct({ _tag: Schema.Literal(tag), ...fields }) as unknown as
      & Schema.Schema<unknown, Encoded<E>>
      & { readonly fields: Schema.Struct.Fields },
    isError<E>(tag),
    (fields) => new Class(fields as never),
    prettyError
  ).encoded

export const prettyError = ({ _tag, message }: { readonly _tag: string; readonly message: string }) =>
  `${_tag}: ${message}`
