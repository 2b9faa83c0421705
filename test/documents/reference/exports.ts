/** What a public module exports: names, texts and documentation, wherever they are written. */
import { readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import ts from "typescript"
import { signatureOf } from "./signature.js"

export interface Documentation {
  readonly text: string
  readonly category: string
  readonly internal: boolean
}

export interface Exported {
  readonly name: string
  readonly documentation: Documentation
  readonly signature: string
}

const parse = (file: string): ts.SourceFile =>
  ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true)

/** The comment directly before a node, as Markdown. */
export const documentationOf = (source: ts.SourceFile, position: number): Documentation => {
  const comments = (ts.getLeadingCommentRanges(source.text, position) ?? [])
    .map(({ end, pos }) => source.text.slice(pos, end))
    .filter((comment) => comment.startsWith("/**"))
  const comment = comments.at(-1) ?? ""
  const lines = comment.replace(/^\/\*\*/, "").replace(/\*\/$/, "").split("\n").map((line) =>
    line.replace(/^\s*\* ?/, "").trimEnd()
  )
  const kept = lines.filter((line) => !/^@(?:since|category|internal)\b/.test(line.trim()))
  return {
    text: kept.join("\n")
      .replace(/^@example\s*/gm, "")
      .replace(/\{@link\s+([^}\s]+)[^}]*\}/g, "`$1`")
      .replace(/\n{3,}/g, "\n\n")
      .trim(),
    category: /^\s*\* @category (.+)$/m.exec(comment)?.[1]?.trim() ?? "",
    internal: /^\s*\* @internal\b/m.exec(comment) !== null
  }
}

const isExported = (node: ts.Statement): boolean =>
  ts.canHaveModifiers(node) &&
  (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)

interface Declaration {
  readonly name: string
  readonly node: ts.Node
  readonly statement: ts.Statement
}

/** The declarations of a file by name, public or not: some are exported by another file. */
const declarationsOf = (source: ts.SourceFile): ReadonlyArray<Declaration> =>
  source.statements.flatMap((statement): ReadonlyArray<Declaration> => {
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.flatMap((node) =>
        ts.isIdentifier(node.name) ? [{ name: node.name.text, node, statement }] : []
      )
    }
    const named = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement) ||
      ts.isClassDeclaration(statement) || ts.isFunctionDeclaration(statement) || ts.isModuleDeclaration(statement)
    return named && statement.name !== undefined ? [{ name: statement.name.text, node: statement, statement }] : []
  })

const exportedAs = (source: ts.SourceFile, { node, statement }: Declaration, as: string): ReadonlyArray<Exported> => {
  const documentation = documentationOf(source, statement.pos)
  if (documentation.internal) return []
  const [from, what] = meant(source, node)
  return [{ name: as, documentation, signature: signatureOf(from, what, as) }]
}

/**
 * A type that is written in a private module, and that only has a public name here: a reader wants to see its members.
 */
const meant = (source: ts.SourceFile, node: ts.Node): readonly [ts.SourceFile, ts.Node] => {
  const other = standsFor(node)
  if (other === undefined) return [source, node]
  const specifier = source.statements.filter(ts.isImportDeclaration).find(({ importClause }) => {
    const bindings = importClause?.namedBindings
    return bindings !== undefined && ts.isNamespaceImport(bindings) && bindings.name.text === other.module
  })?.moduleSpecifier
  if (specifier === undefined || !(specifier as ts.StringLiteral).text.startsWith(".")) return [source, node]
  const file = target(source, specifier)
  if (isPublic(file)) return [source, node]
  const from = parse(file)
  const found = declarationsOf(from).find(({ name }) => name === other.name)
  return found === undefined ? [source, node] : meant(from, found.node)
}

const isPublic = (file: string): boolean => /^[A-Z]/.test(basename(file))

/** `interface A extends module.B {}` and `type A = module.B`. */
const standsFor = (node: ts.Node): { readonly module: string; readonly name: string } | undefined => {
  if (ts.isInterfaceDeclaration(node)) {
    const types = node.heritageClauses?.flatMap(({ types }) => types) ?? []
    const [only] = types
    if (node.members.length > 0 || types.length !== 1 || !ts.isPropertyAccessExpression(only!.expression)) {
      return undefined
    }
    return { module: only!.expression.expression.getText(), name: only!.expression.name.text }
  }
  if (!ts.isTypeAliasDeclaration(node) || !ts.isTypeReferenceNode(node.type)) return undefined
  const { typeName } = node.type
  return ts.isQualifiedName(typeName) ? { module: typeName.left.getText(), name: typeName.right.text } : undefined
}

const target = (source: ts.SourceFile, specifier: ts.Expression): string =>
  join(dirname(source.fileName), (specifier as ts.StringLiteral).text.replace(/\.js$/, ".ts"))

/** The exports of one name, which may come from another file under another one. */
const named = (file: string, wanted: string, as: string): ReadonlyArray<Exported> => {
  const source = parse(file)
  return [
    ...declarationsOf(source)
      .filter(({ name, statement }) => name === wanted && isExported(statement))
      .flatMap((declaration) => exportedAs(source, declaration, as)),
    ...source.statements.filter(ts.isExportDeclaration).flatMap((statement) =>
      reexported(source, statement).filter(({ name }) => name === wanted).map((found) => ({ ...found, name: as }))
    )
  ]
}

const reexported = (source: ts.SourceFile, statement: ts.ExportDeclaration): ReadonlyArray<Exported> => {
  const { exportClause, moduleSpecifier } = statement
  if (moduleSpecifier === undefined) return []
  const file = target(source, moduleSpecifier)
  if (exportClause === undefined) return exportsOf(file)
  if (!ts.isNamedExports(exportClause)) return []
  return exportClause.elements.flatMap((element) => {
    // what is written at this place counts more than what is written at the other
    const own = documentationOf(source, element.pos)
    return named(file, (element.propertyName ?? element.name).text, element.name.text).map((found) =>
      own.text === "" && own.category === "" ? found : {
        ...found,
        documentation: { ...found.documentation, ...own, text: own.text || found.documentation.text }
      }
    )
  })
}

/** All of them, in the order in which they are written. */
export const exportsOf = (file: string): ReadonlyArray<Exported> => {
  const source = parse(file)
  const declarations = declarationsOf(source)
  return source.statements.flatMap((statement) =>
    ts.isExportDeclaration(statement)
      ? reexported(source, statement)
      : isExported(statement)
      ? declarations.filter((found) => found.statement === statement)
        .flatMap((declaration) => exportedAs(source, declaration, declaration.name))
      : []
  )
}

/** What the comment at the head of a module says. */
export const headOf = (file: string): string => documentationOf(parse(file), 0).text
