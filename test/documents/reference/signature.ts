/** What a reader needs of a declaration: its text without what it does. */
import ts from "typescript"

interface Cut {
  readonly from: number
  readonly to: number
  readonly put?: string
}

const without = (source: string, node: ts.Node, cuts: ReadonlyArray<Cut>): string => {
  let text = ""
  let at = node.getStart()
  for (const { from, put = "", to } of [...cuts].sort((a, b) => a.from - b.from)) {
    if (from < at) continue
    text += source.slice(at, from) + put
    at = to
  }
  return text + source.slice(at, node.end)
}

const isHidden = (member: ts.ClassElement): boolean =>
  (member.name !== undefined && ts.isPrivateIdentifier(member.name)) ||
  (ts.getCombinedModifierFlags(member) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0 ||
  ts.getJSDocTags(member).some(({ tagName }) => tagName.text === "internal")

/** The members of a class, without bodies and without what nobody but itself may use. */
const classCuts = (node: ts.ClassDeclaration): ReadonlyArray<Cut> =>
  node.members.flatMap((member): ReadonlyArray<Cut> => {
    if (isHidden(member)) return [{ from: member.pos, to: member.end }]
    if (ts.isPropertyDeclaration(member)) {
      const { initializer, type } = member
      return type !== undefined && initializer !== undefined ? [{ from: type.end, to: initializer.end }] : []
    }
    if (ts.isConstructorDeclaration(member) || ts.isMethodDeclaration(member) || ts.isAccessor(member)) {
      const { body } = member
      return body === undefined ? [] : [{ from: body.pos, to: body.end }]
    }
    return []
  })

/** Comments that say who may use a declaration, or when it came: the page says that in its own way. */
const withoutTags = (text: string): string =>
  text
    .replace(/^\s*\* @(?:since|category)\b.*\n/gm, "")
    .replace(/\{@link\s+([^}\s]+)[^}]*\}/g, "`$1`")
    .replace(/^(\s*\*\s*\n)+(?=\s*\*\/)/gm, "")
    .replace(/^\s*\/\*\*\s*\*\/\n/gm, "")
    .replace(/\n{2,}/g, "\n")

/** `(a: A) => B`, of a function and of a function that returns one. */
const arrowType = (source: ts.SourceFile, arrow: ts.ArrowFunction): string => {
  const generics = arrow.typeParameters === undefined
    ? ""
    : `<${arrow.typeParameters.map((parameter) => parameter.getText(source)).join(", ")}>`
  const parameters = arrow.parameters.map((parameter) => parameterText(source, parameter)).join(", ")
  return `${generics}(${parameters}) => ${resultOf(source, arrow)}`
}

/** A parameter with a default is one that may be left out. */
const parameterText = (
  source: ts.SourceFile,
  { dotDotDotToken, initializer, name, questionToken, type }: ts.ParameterDeclaration
): string => {
  const optional = questionToken !== undefined || initializer !== undefined ? "?" : ""
  const rest = dotDotDotToken === undefined ? "" : "..."
  const typeText = type?.getText(source) ?? (initializer === undefined ? "unknown" : kindOf(initializer))
  return `${rest}${ts.isIdentifier(name) ? name.text : "options"}${optional}: ${typeText}`
}

const kindOf = (initializer: ts.Expression): string =>
  ts.isStringLiteral(initializer)
    ? "string"
    : ts.isNumericLiteral(initializer)
    ? "number"
    : initializer.kind === ts.SyntaxKind.TrueKeyword || initializer.kind === ts.SyntaxKind.FalseKeyword
    ? "boolean"
    : "unknown"

const resultOf = (source: ts.SourceFile, { body, type }: ts.ArrowFunction): string => {
  if (type !== undefined) return type.getText(source)
  const inner = ts.isParenthesizedExpression(body) ? body.expression : body
  if (ts.isArrowFunction(inner)) return arrowType(source, inner)
  throw new Error(
    `${source.fileName}: a public function has no type for its result: ${source.text.slice(body.pos, body.pos + 60)}`
  )
}

/** `name` is what it is called from outside. */
export const signatureOf = (source: ts.SourceFile, node: ts.Node, name: string): string => {
  if (ts.isVariableDeclaration(node)) {
    const { initializer, type } = node
    if (type !== undefined) return withoutTags(`const ${name}: ${type.getText(source)}`)
    if (initializer === undefined) throw new Error(`${source.fileName}: ${name} has neither type nor value`)
    if (ts.isArrowFunction(initializer)) return withoutTags(`const ${name}: ${arrowType(source, initializer)}`)
    return withoutTags(`const ${name} = ${initializer.getText(source)}`)
  }
  const cuts = ts.isClassDeclaration(node)
    ? classCuts(node)
    : ts.isFunctionDeclaration(node) && node.body !== undefined
    ? [{ from: node.body.pos, to: node.body.end }]
    : []
  return withoutTags(without(source.text, node, cuts)).replace(/^export (?:declare )?/, "").trim()
}
