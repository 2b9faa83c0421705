/**
 * What a `Schema` says of a value, as mistakes with their paths. The schema's own formatter quotes values, and of a
 * union tells what every member says; this tells what the member says that was meant.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type { Path } from "./mistake.js"
import { kindOf, oneOf } from "./mistake.js"
import { didYouMean } from "./nearest.js"

export interface Found {
  readonly path: Path
  readonly expected: string
  readonly found: string
  readonly hint?: string
}

export const of = (issue: ParseResult.ParseIssue, path: Path = []): ReadonlyArray<Found> => {
  switch (issue._tag) {
    case "Pointer":
      return of(issue.issue, path.concat(issue.path))
    case "Refinement":
      return issue.kind === "From" && AST.isTupleType(encoded(issue.ast))
        ? of(issue.issue, path)
        : [mistaken(issue.ast, issue.actual, path)]
    case "Transformation":
      return issue.kind === "Transformation" && issue.issue._tag !== "Composite"
        ? [mistaken(issue.ast, issue.actual, path)]
        : of(issue.issue, path)
    case "Missing":
      return [mistaken(issue.ast.type, undefined, path)]
    case "Type":
      return [mistaken(issue.ast, issue.actual, path)]
    case "Unexpected":
    case "Forbidden":
      return [{ path, expected: "nothing here", found: kindOf(issue.actual) }]
    case "Composite":
      return AST.isUnion(issue.ast) ? ofUnion(issue.ast, issue, path) : ofAll(issue.ast, issue, path)
  }
}

const issuesOf = ({ issues }: ParseResult.Composite): ReadonlyArray<ParseResult.ParseIssue> =>
  Array.isArray(issues) ? issues as ReadonlyArray<ParseResult.ParseIssue> : [issues as ParseResult.ParseIssue]

/** How many mistakes of one object or list are reported: a file may hold very many. */
const most = 200

/** The mistake of an unknown key lists the known keys. */
const ofAll = (ast: AST.AST, issue: ParseResult.Composite, path: Path): ReadonlyArray<Found> =>
  issuesOf(issue).slice(0, most).flatMap((inner) => {
    if (inner._tag === "Pointer" && inner.issue._tag === "Missing" && AST.isTupleType(encoded(ast))) {
      return [mistaken(ast, issue.actual, path)]
    }
    if (inner._tag !== "Pointer" || inner.issue._tag !== "Unexpected") return of(inner, path)
    return [unknownKey(path.concat(inner.path), encoded(ast))]
  })

const unknownKey = (path: Path, ast: AST.AST): Found => {
  const known = keysOf(ast)
  const hint = didYouMean(String(path[path.length - 1]), known)
  const [names] = AST.isTypeLiteral(ast) ? ast.indexSignatures : []
  return {
    path,
    expected: names !== undefined
      ? `as its name ${describe(names.parameter)}`
      : hint !== undefined
      ? "a key that is known here"
      : `one of the keys ${oneOf(known.map((key) => `"${key}"`))}`,
    found: anotherKey,
    ...(hint === undefined ? {} : { hint })
  }
}

const anotherKey = "another"

/** The member that was meant has the most of the keys; where none has any, what all of them expect is told. */
const ofUnion = (ast: AST.Union, issue: ParseResult.Composite, path: Path): ReadonlyArray<Found> => {
  const { actual } = issue
  const members = ast.types.filter((member) => !AST.isUndefinedKeyword(member))
  const issues = issuesOf(issue).filter((inner) => !("ast" in inner) || !AST.isUndefinedKeyword(inner.ast as AST.AST))
  if (members.length === 1) return issues.flatMap((inner) => of(inner, path))
  if (!Predicate.isRecord(actual)) return [mistaken(ast, actual, path)]
  const keys = Object.keys(actual)
  const tag = tagOf(members.map(encoded))
  if (tag !== undefined) {
    const given = Object.hasOwn(actual, tag.name) ? actual[tag.name] : undefined
    if (!tag.type.types.some((literal) => AST.isLiteral(literal) && literal.literal === given)) {
      return [mistaken(tag.type, given, path.concat(tag.name)), ...ofMeant(members, tag, actual, path)]
    }
  }
  const ranked = issues.filter((inner) => tag === undefined || !refuses(inner, tag.name)).map((inner) => {
    const known = "ast" in inner ? keysOf(inner.ast as AST.AST) : []
    return { inner, known, fits: keys.filter((key) => known.includes(key)).length }
  }).sort((a, b) => b.fits - a.fits)
  const [best] = ranked
  if (best === undefined || best.fits === 0) return [mistaken(ast, actual, path)]
  // a key of another member is known, but not beside these
  const others = Array.from(new Set(ranked.flatMap(({ known }) => known)))
  return of(best.inner, path).map((found) =>
    found.path.length === path.length + 1 && found.found === anotherKey &&
      others.includes(String(found.path[path.length]))
      ? {
        path: found.path,
        expected: tag === undefined ? describe(ast) : `no such key where "${tag.name}" is this`,
        found: tag === undefined
          ? `this key beside ${keys.filter((key) => best.known.includes(key)).map((key) => `"${key}"`).join(", ")}`
          : "it"
      }
      : found
  )
}

/** What else is wrong, by the member that has the most of the keys. */
const ofMeant = (
  members: ReadonlyArray<AST.AST>,
  tag: Tag,
  actual: Readonly<Record<string, unknown>>,
  path: Path
): ReadonlyArray<Found> => {
  const keys = Object.keys(actual).filter((key) => key !== tag.name)
  const [best] = members
    .map((member) => ({ member, fits: keys.filter((key) => keysOf(member).includes(key)).length }))
    .sort((a, b) => b.fits - a.fits)
  if (best === undefined || best.fits === 0) return []
  const inner = encoded(best.member)
  const type = AST.isTypeLiteral(inner) && inner.propertySignatures.find(({ name }) => name === tag.name)?.type
  const assumed = { ...actual, [tag.name]: type ? literals(type)?.[0] : undefined }
  const decoded = ParseResult.decodeUnknownEither(Schema.make<unknown>(best.member))(assumed, {
    errors: "all",
    onExcessProperty: "error"
  })
  return Either.isLeft(decoded) ? of(decoded.left, path) : []
}

/** Whether a member says that the key which tells the members apart is wrong: it is not the one that was meant. */
const refuses = (issue: ParseResult.ParseIssue, tag: string): boolean =>
  of(issue).some(({ found, path }) => path.length === 1 && path[0] === tag && found !== anotherKey)

interface Tag {
  readonly name: string
  readonly type: AST.Union
}

/** The key that all members have and that tells them apart, with all the values that it may have. */
const tagOf = (members: ReadonlyArray<AST.AST>): Tag | undefined => {
  if (members.length < 2 || !members.every(AST.isTypeLiteral)) return undefined
  const texts = (member: AST.TypeLiteral, name: PropertyKey) => {
    const property = member.propertySignatures.find((one) => one.name === name)
    return property === undefined ? undefined : literals(property.type)
  }
  const property = members[0]!.propertySignatures.find(({ name }) =>
    members.every((member) => texts(member, name) !== undefined)
  )
  if (property === undefined) return undefined
  const type = AST.Union.make(
    members.flatMap((member) => texts(member, property.name)!.map((text) => new AST.Literal(text)))
  )
  return AST.isUnion(type) ? { name: String(property.name), type } : undefined
}

const mistaken = (ast: AST.AST, actual: unknown, path: Path): Found => {
  const choices = literals(ast)
  const hint = typeof actual === "string" && choices !== undefined ? didYouMean(actual, choices) : undefined
  return {
    path,
    expected: describe(ast),
    found: found(ast, actual),
    ...(hint === undefined
      ? isPlainText(ast) && (typeof actual === "number" || typeof actual === "boolean")
        ? { hint: "Put it in quotes." }
        : actual === null
        ? { hint: "Is the value missing behind its key, or its indentation?" }
        : {}
      : { hint })
  }
}

/** Where a text was expected, and is one: it is another than that. */
const found = (ast: AST.AST, actual: unknown): string =>
  typeof actual === "string" && actual.trim() !== "" && !takesText(ast)
    ? "a text"
    : typeof actual === "number" && AST.isNumberKeyword(encoded(ast))
    ? "another number"
    : kindOf(actual)

const takesText = (ast: AST.AST): boolean => isPlainText(ast) || literals(ast) !== undefined

const isPlainText = (ast: AST.AST): boolean => {
  const inner = encoded(ast)
  return AST.isStringKeyword(inner) || (AST.isUnion(inner) && present(inner).every(isPlainText))
}

/** Without refinements and transformations. */
const encoded = (ast: AST.AST): AST.AST =>
  AST.isRefinement(ast) || AST.isTransformation(ast) ? encoded(ast.from) : AST.isSuspend(ast) ? encoded(ast.f()) : ast

const present = (ast: AST.Union): ReadonlyArray<AST.AST> =>
  ast.types.filter((member) => !AST.isUndefinedKeyword(member))

const keysOf = (ast: AST.AST): ReadonlyArray<string> => {
  const inner = encoded(ast)
  return AST.isTypeLiteral(inner) ? inner.propertySignatures.map(({ name }) => String(name)) : []
}

/** The texts that are possible, where they are a few. */
const literals = (ast: AST.AST): ReadonlyArray<string> | undefined => {
  const inner = encoded(ast)
  if (AST.isLiteral(inner)) return typeof inner.literal === "string" ? [inner.literal] : undefined
  if (!AST.isUnion(inner)) return undefined
  const all = present(inner).map(literals)
  return all.every((one) => one !== undefined) ? all.flat() : undefined
}

/** What is expected, in words. */
const describe = (ast: AST.AST): string => {
  switch (ast._tag) {
    case "Refinement": {
      const message = AST.getMessageAnnotation(ast)
      return message._tag === "Some"
        ? String(message.value({} as ParseResult.ParseIssue))
        : ast.from._tag === "StringKeyword"
        ? "a text that is not empty"
        : AST.isTupleType(encoded(ast))
        ? `${describe(ast.from)} with at least one element`
        : describe(ast.from)
    }
    case "Transformation":
      return describe(ast.from)
    case "Suspend":
      return describe(ast.f())
    case "StringKeyword":
      return "a text"
    case "NumberKeyword":
      return "a number"
    case "BooleanKeyword":
      return "true or false"
    case "Literal":
      return JSON.stringify(ast.literal)
    case "TupleType": {
      const [item] = ast.rest
      return `${ast.elements.length > 0 ? "a list with at least one element" : "a list"}${
        item === undefined ? "" : `, each ${describe(item.type)}`
      }`
    }
    case "TypeLiteral": {
      const required = ast.propertySignatures.filter(({ isOptional }) => !isOptional)
      return required.length === 0
        ? "an object"
        : `an object with ${and(required.map(({ name }) => `"${String(name)}"`))}`
    }
    case "Union": {
      const choices = literals(ast)
      if (choices !== undefined) return oneOf(choices.map((choice) => JSON.stringify(choice)))
      const members = present(ast)
      const structs = members.map(encoded)
      return structs.length > 1 && structs.every(AST.isTypeLiteral)
        ? describeStructs(structs)
        : oneOf(members.map(describe))
    }
    default:
      return "something else"
  }
}

/** By the key that tells them apart, or by the first that each of them needs. */
const describeStructs = (members: ReadonlyArray<AST.TypeLiteral>): string => {
  const tag = tagOf(members)
  return tag === undefined
    ? `an object with either ${
      oneOf(
        members.map((member) => `"${String(member.propertySignatures.find(({ isOptional }) => !isOptional)?.name)}"`)
      )
    }`
    : `an object with "${tag.name}": ${describe(tag.type)}`
}

const and = (names: ReadonlyArray<string>): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`
