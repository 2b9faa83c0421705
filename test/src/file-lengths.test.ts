/** A file of a published package has 300 lines of code at most: it has one idea, and can be read in one go. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"
// @ts-expect-error a script without types
import { published } from "../packages.mjs"

const most = 300

/** Lines with code on them: neither blank, nor of a comment only. */
const codeLines = (text: string): number => {
  const file = ts.createSourceFile("file.ts", text, ts.ScriptTarget.Latest, true)
  const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line
  const lines = new Set<number>()
  const visit = (node: ts.Node): void => {
    if (ts.isJSDoc(node)) return
    const parts = node.getChildren(file)
    if (parts.length > 0) return parts.forEach(visit)
    const start = node.getStart(file)
    // a list without members has no text
    if (start >= node.end) return
    for (let line = lineOf(start); line <= lineOf(node.end); line++) lines.add(line)
  }
  visit(file)
  return lines.size
}

describe("lines of code", () => {
  it.each([
    ["", 0],
    ["\n// a comment\n\n/* another\n one */\n", 0],
    ["/**\n * Says what it is for.\n *\n * @since 0.1.0\n */\nexport const a = 1 // one\n", 1],
    ["const a = [\n  1,\n\n  // two\n  2\n]", 4],
    ["f()\n/** Of nothing. */", 1],
    ["interface A {\n  /** What it is. */\n  readonly a: string\n}", 3],
    // lines of a text are code, whatever they look like
    ["const a = `\n// no comment\n\n${b /* a comment\n of two lines */}\n`", 6],
    ["const pattern = /\\/\\*/\nconst a = 1\n// */", 2]
  ])("%j has %i", (text, count) => {
    assert.strictEqual(codeLines(text), count)
  })
})

describe.each(published as ReadonlyArray<string>)("%s: source files", (name) => {
  const source = fileURLToPath(new URL(`../../packages/${name}/src/`, import.meta.url))
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) =>
    /\.[cm]?[jt]sx?$/.test(file)
  )

  it(`have ${most} lines of code at most`, () => {
    assert.isAbove(files.length, 2)
    const longer = files
      .map((file) => [file, codeLines(readFileSync(`${source}/${file}`, "utf8"))] as const)
      .filter(([, count]) => count > most)
    assert.deepStrictEqual(longer, [])
  })
})
