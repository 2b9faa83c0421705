/**
 * The message of a `ParseError` of this library's schemas: where the error is, and what was expected there; never the
 * input.
 */
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as AST from "effect/SchemaAST"

interface Finding {
  readonly path: ReadonlyArray<PropertyKey>
  readonly text: string
}

/** How many issues are named; more would only repeat the same. */
const most = 5

/**
 * An annotation for every schema whose input may hold a secret. Effect's own message quotes the input; this message
 * replaces it and all messages inside it, at any depth of the user's own schema.
 */
export const message = (name: string): { readonly message: AST.MessageAnnotation } => ({
  message: (issue) => ({ message: `${name}: ${explain(issue)}`, override: true })
})

const explain = (issue: ParseResult.ParseIssue): string =>
  `${
    findings(issue, []).slice(0, most).map(({ path, text }) => path.length === 0 ? text : `${where(path)} ${text}`)
      .join("; ")
  } (what is there is not shown)`

const findings = (issue: ParseResult.ParseIssue, path: Finding["path"]): ReadonlyArray<Finding> => {
  switch (issue._tag) {
    case "Pointer":
      return findings(issue.issue, path.concat(issue.path))
    case "Refinement":
    case "Transformation":
      return findings(issue.issue, path)
    case "Composite": {
      const all = ("_tag" in issue.issues ? [issue.issues] : issue.issues).map((issue) => findings(issue, path))
      // of the members of a union, the one that decoding got furthest in is taken to be the one that was meant
      return AST.isUnion(issue.ast)
        ? all.reduce((best, next) => depth(next) > depth(best) ? next : best, all[0] ?? [])
        : all.flat()
    }
    case "Missing":
      return [{ path, text: "is missing" }]
    case "Unexpected":
      // the name of an unexpected member may be a secret as well as its value
      return [{ path: path.slice(0, -1), text: "has a member that is not expected" }]
    case "Forbidden":
      return [{ path, text: "cannot be read synchronously" }]
    case "Type":
      return [{ path, text: `must be ${expected(issue.ast)}` }]
  }
}

const depth = (findings: ReadonlyArray<Finding>): number =>
  findings.reduce((deepest, { path }) => Math.max(deepest, path.length), 0)

const where = (path: Finding["path"]): string =>
  path.map((key, index) => Predicate.isNumber(key) ? `[${key}]` : index === 0 ? String(key) : `.${String(key)}`)
    .join("")

const expected = (ast: AST.AST): string =>
  Option.getOrElse(AST.getDescriptionAnnotation(ast), () => {
    if (AST.isTypeLiteral(ast)) return "an object"
    if (AST.isTupleType(ast)) return "a list"
    return AST.isTransformation(ast) ? expected(ast.from) : String(ast)
  })
