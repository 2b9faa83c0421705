/**
 * The JSON Schema (draft-07, which editors know best) of what stands in the file. Effect's own generator loses what is
 * said of a field beside one that has a default, and knows no defaults; both are what an editor shows.
 */
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

export type Json = { readonly [key: string]: unknown }

/** Each schema with an identifier becomes a definition. */
export const make = (schema: Schema.Schema.All, title: string): Json => {
  const definitions: Record<string, Json> = {}

  const of = (ast: AST.AST): Json => {
    const name = Option.getOrUndefined(AST.getIdentifierAnnotation(ast))
    if (name === undefined) return inline(ast)
    if (!Object.hasOwn(definitions, name)) {
      // before it is made: its place is that of its first mention
      definitions[name] = {}
      definitions[name] = described(inline(ast), ast)
    }
    return { $ref: `#/definitions/${name}` }
  }

  const inline = (ast: AST.AST): Json => {
    const given = Option.getOrElse(AST.getJSONSchemaAnnotation(ast), () => ({})) as Json
    switch (ast._tag) {
      case "StringKeyword":
        return { type: "string", ...given }
      case "NumberKeyword":
        return { type: "number", ...given }
      case "BooleanKeyword":
        return { type: "boolean", ...given }
      case "Literal":
        return { const: ast.literal, ...given }
      case "Refinement":
        return { ...of(ast.from), ...given }
      case "Transformation":
        return "type" in given ? given : AST.isTypeLiteral(ast.from) ? struct(ast.from, ast.to) : of(ast.from)
      case "TypeLiteral":
        return struct(ast, ast)
      case "TupleType":
        return {
          type: "array",
          items: of(ast.rest[0]!.type),
          ...(ast.elements.length === 0 ? {} : { minItems: ast.elements.length }),
          ...given
        }
      case "Union": {
        const members = ast.types.filter((member) => !AST.isUndefinedKeyword(member))
        return members.length === 1
          ? of(members[0]!)
          : members.every(AST.isLiteral)
          ? { enum: members.map(({ literal }) => literal) }
          : { anyOf: members.map(of) }
      }
      default:
        throw new Error(`no JSON Schema of ${ast._tag}`)
    }
  }

  /** The description of a field is in `to` if the struct has defaults. */
  const struct = (from: AST.TypeLiteral, to: AST.AST): Json => {
    const told = AST.isTypeLiteral(to) ? to.propertySignatures : []
    const properties = from.propertySignatures.map((property) => {
      const annotated = told.find(({ name }) => name === property.name) ?? property
      return [String(property.name), described(of(property.type), annotated)] as const
    })
    const [index] = from.indexSignatures
    const required = from.propertySignatures.filter(({ isOptional }) => !isOptional).map(({ name }) => String(name))
    return {
      type: "object",
      ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties) }),
      ...(required.length === 0 ? {} : { required }),
      ...(index === undefined
        ? { additionalProperties: false }
        : { propertyNames: of(index.parameter), additionalProperties: of(index.type) })
    }
  }

  const root = described(inline(schema.ast), schema.ast)
  return { $schema: "http://json-schema.org/draft-07/schema#", title, ...root, definitions }
}

/** A `$ref` has no neighbours in draft-07. */
const described = (json: Json, annotated: AST.Annotated): Json => {
  const description = Option.getOrUndefined(AST.getDescriptionAnnotation(annotated))
  const more = {
    ...(description === undefined || description === "" ? {} : { description }),
    ...("_tag" in annotated ? {} : Option.getOrElse(AST.getJSONSchemaAnnotation(annotated), () => ({})))
  }
  return Object.keys(more).length === 0 ? json : "$ref" in json ? { allOf: [json], ...more } : { ...json, ...more }
}
