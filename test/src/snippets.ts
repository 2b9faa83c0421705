/**
 * The code in the documentation: finds every example in Markdown and in JSDoc, and type-checks all of them in one run of
 * the compiler, as modules of a program that depends on the published packages.
 *
 * The snippets exist in the compiler's memory only, as files of `test/.snippets`: nothing to clean up, nothing for
 * other tools to stumble over.
 */
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = fileURLToPath(new URL("../..", import.meta.url))
const folder = fileURLToPath(new URL("../.snippets", import.meta.url))

/** An example, and where each line of it stands. */
export interface Snippet {
  /** The path of its document, from the root of the repository. */
  readonly file: string
  readonly lines: ReadonlyArray<Line>
}

interface Line {
  readonly text: string
  /** Where it stands in the document, counted from 1. */
  readonly line: number
  readonly column: number
}

/** Something wrong with the documentation, as `file:line:column - message`. */
export type Complaint = string

export interface Found {
  readonly snippets: ReadonlyArray<Snippet>
  /** What should have been an example and is none. */
  readonly complaints: ReadonlyArray<Complaint>
}

const complaint = (file: string, { column, line }: Omit<Line, "text">, message: string): Complaint =>
  `${file}:${line}:${column} - ${message}`

// ---------------------------------------------------------------------------------------------------------------
// finding them
// ---------------------------------------------------------------------------------------------------------------

const opening = /^(\s*)(`{3,}|~{3,})\s*([^`]*)$/

/** Fenced blocks of TypeScript, whatever follows the name of the language. Others are left alone. */
const fences = (file: string, lines: ReadonlyArray<Line>): Found => {
  const snippets: Array<Snippet> = []
  const complaints: Array<Complaint> = []
  let open:
    | { readonly fence: string; readonly indent: number; readonly at: Line; readonly code?: Array<Line> }
    | undefined
  for (const line of lines) {
    if (open !== undefined) {
      const end = line.text.trim()
      if (end.startsWith(open.fence) && /^(`+|~+)$/.test(end)) {
        if (open.code !== undefined) snippets.push({ file, lines: open.code })
        open = undefined
      } else {
        const indent = Math.min(open.indent, line.text.length - line.text.trimStart().length)
        open.code?.push({ ...line, text: line.text.slice(indent), column: line.column + indent })
      }
      continue
    }
    const match = opening.exec(line.text)
    if (match === null) continue
    const [, indent = "", fence = "", info = ""] = match
    const isCode = /^(ts|tsx|mts|cts|typescript)\b/i.test(info)
    open = { fence, indent: indent.length, at: line, ...(isCode ? { code: [] } : {}) }
  }
  if (open !== undefined) complaints.push(complaint(file, open.at, "this block of code is never closed"))
  return { snippets, complaints }
}

const numbered = (text: string): ReadonlyArray<Line> =>
  text.split(/\r?\n/).map((text, index) => ({ text, line: index + 1, column: 1 }))

export const inMarkdown = (file: string, text: string): Found => fences(file, numbered(text))

/** Every comment of the form `/** … *\/`, wherever it stands. */
const docComments = (source: ts.SourceFile): ReadonlyArray<ts.TextRange> => {
  const found = new Map<number, ts.TextRange>()
  const visit = (node: ts.Node): void => {
    for (const range of ts.getLeadingCommentRanges(source.text, node.pos) ?? []) {
      if (source.text.startsWith("/**", range.pos)) found.set(range.pos, range)
    }
    node.getChildren(source).forEach(visit)
  }
  visit(source)
  return Array.from(found.values()).sort((a, b) => a.pos - b.pos)
}

export const inJSDoc = (file: string, text: string): Found => {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const all = docComments(source).map((range): Found => {
    const first = source.getLineAndCharacterOfPosition(range.pos)
    const lines = source.text.slice(range.pos, range.end).split(/\r?\n/).map((text, index): Line => {
      const margin = /^\s*(?:\/\*\*|\*\/|\*) ?/.exec(text)?.[0].length ?? 0
      return {
        text: text.slice(margin).replace(/\s*\*\/$/, ""),
        line: first.line + 1 + index,
        column: margin + 1 + (index === 0 ? first.character : 0)
      }
    })
    const { complaints, snippets } = fences(file, lines)
    // a fence comes after its @example, before the next tag
    const bare = lines.filter(({ line, text }) => {
      if (!/^\s*@example\b/.test(text)) return false
      const next = lines.find((other) => other.line > line && /^\s*@\w/.test(other.text))?.line ?? Infinity
      return !snippets.some(({ lines: [code] }) => code !== undefined && code.line > line && code.line <= next)
    })
    return {
      snippets,
      complaints: [...complaints, ...bare.map((line) => complaint(file, line, "this @example has no block of ```ts"))]
    }
  })
  return {
    snippets: all.flatMap(({ snippets }) => snippets),
    complaints: all.flatMap(({ complaints }) => complaints)
  }
}

// ---------------------------------------------------------------------------------------------------------------
// checking them
// ---------------------------------------------------------------------------------------------------------------

const options = (): ts.CompilerOptions => {
  const path = join(root, "tsconfig.json")
  const { config, error } = ts.readConfigFile(path, ts.sys.readFile)
  if (error !== undefined) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, "\n"))
  return {
    ...ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root, undefined, path).options,
    noEmit: true,
    moduleDetection: ts.ModuleDetectionKind.Force
  }
}

// "is declared but never used", in all its forms: an example may end with a const, but imports nothing for show
const unused: ReadonlySet<number> = new Set([6133, 6192, 6196, 6198, 6199])

const isInImport = (source: ts.SourceFile, position: number): boolean =>
  source.statements.some((statement) =>
    ts.isImportDeclaration(statement) && statement.pos <= position && position < statement.end
  )

/** Type-checks all of them in one run; says for each document what is wrong with its examples. */
export const check = (snippets: ReadonlyArray<Snippet>): ReadonlyArray<Complaint> => {
  const compilerOptions = options()
  const host = ts.createCompilerHost(compilerOptions)
  const files = new Map(snippets.map((snippet, index) => [join(folder, `${index + 1}.ts`), snippet]))
  const textOf = ({ lines }: Snippet) => lines.map(({ text }) => text).join("\n")
  const disk = { readFile: host.readFile, fileExists: host.fileExists, getSourceFile: host.getSourceFile }
  const virtual = (path: string) => files.get(join(path))
  host.getCurrentDirectory = () => dirname(folder)
  host.fileExists = (path) => virtual(path) !== undefined || disk.fileExists(path)
  host.readFile = (path) => {
    const snippet = virtual(path)
    return snippet === undefined ? disk.readFile(path) : textOf(snippet)
  }
  host.getSourceFile = (path, languageVersion, onError, shouldCreate) => {
    const snippet = virtual(path)
    return snippet === undefined
      ? disk.getSourceFile(path, languageVersion, onError, shouldCreate)
      : ts.createSourceFile(path, textOf(snippet), languageVersion, true)
  }

  const program = ts.createProgram(Array.from(files.keys()), compilerOptions, host)
  const general = [...program.getConfigFileParsingDiagnostics(), ...program.getOptionsDiagnostics()]
  const complaints = general.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"))
  for (const [path, snippet] of files) {
    const source = program.getSourceFile(path)
    if (source === undefined) throw new Error(`The compiler did not read ${path}`)
    const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    for (const { code, messageText, start = 0 } of diagnostics) {
      if (unused.has(code) && !isInImport(source, start)) continue
      const { character, line } = source.getLineAndCharacterOfPosition(start)
      const place = snippet.lines[line] ?? { line: 0, column: 0 }
      complaints.push(complaint(
        snippet.file,
        { line: place.line, column: place.column + character },
        `TS${code}: ${ts.flattenDiagnosticMessageText(messageText, "\n  ")}`
      ))
    }
  }
  return complaints
}
