/** Each file of a library begins with what it is for, and a public one says so in its `.d.ts` as well. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"
// @ts-expect-error a script without types
import { libraries, published } from "../packages.mjs"

describe.each(published as ReadonlyArray<string>)("%s: private files", (name) => {
  const source = fileURLToPath(new URL(`../../packages/${name}/src/`, import.meta.url))
  const files = readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((file) => /(?:^|[/\\])[a-z][A-Za-z]*\.ts$/.test(file) && file !== "index.ts")

  it("begin with a line that says what they are for", () => {
    assert.isAbove(files.length, 2)
    const without = files.filter((file) => !/^(?:\/\/ \S|\/\*\*)/.test(readFileSync(`${source}/${file}`, "utf8")))
    assert.deepStrictEqual(without, [])
  })
})

describe.each(libraries as ReadonlyArray<string>)("%s: public modules", (name) => {
  const source = fileURLToPath(new URL(`../../packages/${name}/src/`, import.meta.url))
  const files = readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((file) => /(?:^|[/\\])[A-Z][A-Za-z0-9]*\.ts$/.test(file))

  // tsc drops a comment together with the import that follows it; one with an empty line after it belongs to the file
  it("keep the comment at their head in the .d.ts", () => {
    assert.isNotEmpty(files)
    const without = files.filter((file) => {
      const text = readFileSync(`${source}/${file}`, "utf8")
      const head = /^\/\*\*[^]*?\*\//.exec(text)?.[0]
      const { outputText } = ts.transpileDeclaration(text, {
        fileName: file,
        compilerOptions: { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, stripInternal: true }
      })
      return head === undefined || !outputText.startsWith(head)
    })
    assert.deepStrictEqual(without, [])
  })
})
