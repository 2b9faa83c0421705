// A schema for a value that the library builds itself, from a struct of its fields.
import type * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import type * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"
import * as Struct from "effect/Struct"
import { named } from "./parts.js"
import * as quietIssue from "./quietIssue.js"

/** A schema for a value of the library that is built from the fields of `struct`, and has those fields. */
export const built = <A, F, I, R>(
  name: string,
  description: string,
  struct: Schema.Schema<F, I, R> & { readonly fields: Schema.Struct.Fields },
  is: Predicate.Refinement<unknown, A>,
  make: (fields: F) => A,
  pretty: (value: A) => string = () => name,
  /** schemas of several shapes have no common name */
  annotations: (name: string, description: string) => Schema.Annotations.GenericSchema<A> = named
): { readonly self: Schema.Schema<A>; readonly encoded: Schema.Schema<A, I, R> } => {
  const names = Object.keys(struct.fields)
  const pick = (value: A): F => Struct.pick(value as Record<string, unknown>, ...names) as F
  const check =
    <E>(parse: (u: unknown) => Effect.Effect<E, ParseResult.ParseIssue>) =>
    (u: unknown, _options: AST.ParseOptions, ast: AST.Declaration): Effect.Effect<A, ParseResult.ParseIssue> =>
      is(u)
        ? ParseResult.mapBoth(parse(pick(u)), {
          onFailure: (issue) => new ParseResult.Composite(ast, u, issue),
          onSuccess: () => u
        })
        : ParseResult.fail(new ParseResult.Type(ast, u))
  const self: Schema.Schema<A> = Schema.declare(
    [Schema.typeSchema(struct)],
    {
      decode: (fields) => check(ParseResult.decodeUnknown(fields)),
      encode: (fields) => check(ParseResult.encodeUnknown(fields))
    },
    {
      ...annotations(name, description) as {},
      pretty: () => pretty,
      arbitrary: (fields) => (fc) => fields(fc).map(make)
    }
  )
  return {
    self,
    encoded: Schema.transform(struct.annotations(quietIssue.message(name)), self, {
      strict: true,
      decode: make,
      encode: pick
    }).annotations(annotations(name, description))
  }
}
