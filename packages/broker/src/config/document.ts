/**
 * The text of a configuration as a value, and where in the text each part of it stands. JSON is strict JSON; YAML is
 * version 1.2 with texts as keys. What would cost too much (deep nesting, aliases of aliases) is a mistake like others.
 */
import * as Either from "effect/Either"
import type { CST, Document, ErrorCode, Node } from "yaml"
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser } from "yaml"
import { jsonError } from "./jsonError.js"
import type { Mistake, Path } from "./mistake.js"
import * as mistake from "./mistake.js"

export type Format = "yaml" | "json"

export interface Parsed {
  readonly value: unknown
  /** The place of a path, or of the nearest thing around it. */
  readonly place: (path: Path) => Place | undefined
  /** Mistakes in a text that can be read all the same: a repeated key, `__proto__`. */
  readonly mistakes: ReadonlyArray<Mistake>
}

interface Place {
  readonly line: number
  readonly column: number
}

const mostValues = 50_000
/** Words, brackets, spaces and line ends. */
const mostLexemes = 250_000
const mostLevels = 64
const mostAliases = 100
const mostSyntaxErrors = 20

type Result = Either.Either<Parsed, ReadonlyArray<Mistake>>
type Locate = (offset: number) => Place

export const parse = (source: string, format: Format): Result => {
  const text = source.startsWith("\uFEFF") ? source.slice(1) : source
  if (text.trim() === "") {
    return Either.left([{ path: "", expected: "a configuration", found: "an empty file" }])
  }
  const locate = locator(text)
  try {
    return format === "json" ? parseJson(text, locate) : parseYaml(text, locate)
  } catch (error) {
    if (error instanceof TooMuch) {
      return Either.left([{
        path: "",
        expected: `at most ${error.most}`,
        found: "more",
        ...(error.offset === undefined ? {} : locate(error.offset))
      }])
    }
    throw error
  }
}

/** Lines and columns count from 1. */
const locator = (text: string): Locate => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    for (let high = starts.length; high - low > 1;) {
      const middle = (low + high) >> 1
      if (starts[middle]! <= offset) low = middle
      else high = middle
    }
    return { line: low + 1, column: offset - starts[low]! + 1 }
  }
}

const parseYaml = (text: string, locate: Locate): Result => {
  const { document, errors } = read(text)
  return errors.length > 0
    ? Either.left(
      errors.slice(0, mostSyntaxErrors).map(({ code, offset }) => ({
        path: "",
        expected: "valid YAML",
        ...words[code],
        ...locate(offset)
      }))
    )
    : Either.right(convert(document, locate))
}

/** The value is that of `JSON.parse`; the tree of the YAML parser tells which keys stand twice, and where all is. */
const parseJson = (text: string, locate: Locate): Result => {
  const error = jsonError(text)
  if (error !== undefined) {
    return Either.left([{ path: "", expected: error.expected, found: error.found, ...locate(error.offset) }])
  }
  const converted = convert(read(text).document, locate)
  return Either.right({ ...converted, value: JSON.parse(text) as unknown })
}

interface SyntaxError {
  readonly code: ErrorCode
  readonly offset: number
}

const read = (text: string): { readonly document: Document; readonly errors: ReadonlyArray<SyntaxError> } => {
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    resolveKnownTags: false,
    stringKeys: true,
    // compared here, because the composer compares each key of a map with each
    uniqueKeys: false
  })
  const [document, second] = Array.from(composer.compose(tokens(text), true, text.length))
  const errors = [...document!.errors, ...document!.warnings].map(({ code, pos }) => ({ code, offset: pos[0] }))
  return {
    document: document!,
    errors: second === undefined ? errors : [...errors, { code: "MULTIPLE_DOCS", offset: second.range[0] }]
  }
}

/** The composer calls itself for each level: what is nested too deep for it is cut before. */
const tokens = function*(text: string): Generator<CST.Token, void> {
  const parser = new Parser()
  let count = 0
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme)
    if (parser.stack.length > 2 * mostLevels) throw new TooMuch(`${mostLevels} levels`, parser.offset)
    if (++count > mostLexemes) throw new TooMuch(`${mostLexemes} words and signs`, parser.offset)
  }
  yield* parser.end()
}

class TooMuch {
  constructor(readonly most: string, readonly offset: number | undefined) {}
}

const convert = (document: Document, locate: Locate): Parsed => {
  const offsets = new Map<string, number>()
  const mistakes: Array<Mistake> = []
  const left = { values: mostValues, aliases: mostAliases }

  const offsetOf = (node: Node | null | undefined): number | undefined => node?.range?.[0]
  const at = (node: Node | null | undefined): Place | undefined => {
    const offset = offsetOf(node)
    return offset === undefined ? undefined : locate(offset)
  }

  const value = (node: Node | null, path: ReadonlyArray<string | number>): unknown => {
    if (--left.values < 0) throw new TooMuch(`${mostValues} values`, offsetOf(node))
    if (path.length > mostLevels) throw new TooMuch(`${mostLevels} levels`, offsetOf(node))
    if (isAlias(node)) {
      if (--left.aliases < 0) throw new TooMuch(`${mostAliases} aliases`, offsetOf(node))
      const target = node.resolve(document)
      if (target === undefined) {
        mistakes.push({
          path: mistake.render(path),
          expected: "the name of an anchor that stands before",
          found: "an alias (*) of something else",
          ...at(node),
          hint: "Put a text that begins with * in quotes."
        })
        return undefined
      }
      return value(target, path)
    }
    if (isMap(node)) {
      const result: Record<string, unknown> = {}
      for (const pair of node.items) {
        const keyNode = pair.key as Node | null
        const key = isScalar(keyNode) ? String(keyNode.value) : ""
        const inner = [...path, key]
        const wrong = (expected: string, found: string) =>
          mistakes.push({ path: mistake.render(inner), expected, found, ...at(keyNode) })
        if (key === "__proto__") {
          wrong("a key of a configuration", "a name that is special to JavaScript")
        } else if (Object.hasOwn(result, key)) {
          wrong("each key once", "the key a second time")
        } else {
          const position = offsetOf(keyNode)
          if (position !== undefined) offsets.set(JSON.stringify(inner), position)
          result[key] = value(pair.value as Node | null, inner)
        }
      }
      return result
    }
    if (isSeq(node)) {
      return node.items.map((item, index) => {
        const inner = [...path, index]
        const position = offsetOf(item as Node | null)
        if (position !== undefined) offsets.set(JSON.stringify(inner), position)
        return value(item as Node | null, inner)
      })
    }
    return isScalar(node) ? node.value : null
  }

  const place = (path: Path): Place | undefined => {
    for (let length = path.length; length > 0; length--) {
      const offset = offsets.get(JSON.stringify(path.slice(0, length)))
      if (offset !== undefined) return locate(offset)
    }
    return undefined
  }

  return { value: value(document.contents as Node | null, []), place, mistakes }
}

/** **The rule.** The parser's own messages quote the text; these do not. */
const words: Readonly<Record<ErrorCode, { readonly found: string; readonly hint?: string }>> = {
  ALIAS_PROPS: { found: "an alias (*) with an anchor or a tag" },
  BAD_ALIAS: { found: "an alias (*) that is no name", hint: "Put a text that begins with * in quotes." },
  BAD_COLLECTION_TYPE: { found: "a tag that does not fit its value" },
  BAD_DIRECTIVE: { found: "a directive (%) that is not known", hint: "Put a text that begins with % in quotes." },
  BAD_DQ_ESCAPE: {
    found: "an escape that is not known in a text in double quotes",
    hint: "Double the backslash, or use single quotes."
  },
  BAD_INDENT: { found: "a wrong indentation, or a bracket that is not closed" },
  BAD_PROP_ORDER: { found: "an anchor or a tag at a wrong place" },
  BAD_SCALAR_START: {
    found: "a text that begins with a reserved character",
    hint: "Put it in quotes."
  },
  BLOCK_AS_IMPLICIT_KEY: {
    found: "a second \": \" in one line",
    hint: "Put a text that holds \": \" in quotes, or begin a new line."
  },
  BLOCK_IN_FLOW: { found: "lines of a block within brackets" },
  DUPLICATE_KEY: { found: "a key a second time" },
  IMPOSSIBLE: { found: "something that cannot be read" },
  KEY_OVER_1024_CHARS: { found: "a key of more than 1024 characters" },
  MISSING_CHAR: { found: "a quote, bracket, comma, colon or space that is missing" },
  MULTILINE_IMPLICIT_KEY: { found: "a key of more than one line, or a line without its colon" },
  MULTIPLE_ANCHORS: { found: "two anchors (&) of one value" },
  MULTIPLE_DOCS: { found: "a second document (---)" },
  MULTIPLE_TAGS: { found: "two tags (!) of one value" },
  NON_STRING_KEY: { found: "a key that is no text" },
  RESOURCE_EXHAUSTION: { found: "brackets that are nested too deep" },
  TAB_AS_INDENT: { found: "a tab as indentation", hint: "Indent with spaces." },
  TAG_RESOLVE_FAILED: {
    found: "a tag (!) that is not known",
    hint: "Put a text that begins with ! in quotes."
  },
  UNEXPECTED_TOKEN: { found: "something that does not belong here" }
}
