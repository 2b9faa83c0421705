/** The documents: those that are made of others are up to date, and their links lead somewhere. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"
import { documents } from "../documents/documents.js"
import { absolute, deadLinks, relativeLinks, root } from "../documents/links.js"
import { signatureOf } from "../documents/reference/signature.js"
// @ts-expect-error a script without types
import { published } from "../packages.mjs"

const read = (file: string) => readFileSync(join(root, file), "utf8")

const markdown = [
  ...readdirSync(root).filter((file) => file.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file.replaceAll("\\", "/")}`),
  ...["README.md", "FROM-PYTHON.md"].flatMap((file) =>
    readdirSync(join(root, "packages")).map((name) => `packages/${name}/${file}`)
  ),
  "examples/README.md"
].filter((file) => existsSync(join(root, file)))

describe("the documents that are made of others", () => {
  it("are up to date: `npm run documents` writes them", () => {
    const stale = Array.from(documents())
      .filter(([file, text]) => !existsSync(join(root, file)) || read(file) !== text)
      .map(([file]) => file)
    assert.deepStrictEqual(stale, [])
  })
})

describe("links", () => {
  it("lead to files and headings that exist", () => {
    const dead = markdown.flatMap((file) => deadLinks(file, read(file)).map((target) => `${file}: ${target}`))
    assert.deepStrictEqual(dead, [])
  })

  it.each(published as ReadonlyArray<string>)("lead somewhere from the page of %s on npm", (name) => {
    assert.deepStrictEqual(relativeLinks(read(`packages/${name}/README.md`)), [])
  })

  it("are found where they are, and made absolute", () => {
    const text = "[a](docs) [b](docs/modules.md#x) [c](https://a.example) [d](#here) `[e](f)`\n```\n[g](h)\n```\n# Here"
    assert.deepStrictEqual(relativeLinks(text), ["docs", "docs/modules.md#x"])
    assert.deepStrictEqual(deadLinks("README.md", text), ["docs/modules.md#x"])
    assert.deepStrictEqual(deadLinks("README.md", absolute(text, ".")), [
      "https://github.com/effect-bearer/effect-bearer/blob/main/docs/modules.md#x"
    ])
  })
})

describe("the README of each package that programs import", () => {
  it.each((published as ReadonlyArray<string>).filter((name) => name !== "cli"))("%s", (name) => {
    const readme = read(`packages/${name}/README.md`)
    const manifest = JSON.parse(read(`packages/${name}/package.json`)) as { readonly name: string }
    assert.match(readme, /\*\*Effect 3\*\* \(`effect@3`/)
    assert.include(readme, "Effect 4")
    // one line installs the package and its peers
    const [line = ""] = readme.split("\n").filter((text) =>
      text.startsWith("npm install") && text.split(" ").includes(manifest.name)
    )
    for (const needed of ["effect-bearer", "effect@3", "@effect/platform@0.97"]) assert.include(line.split(" "), needed)
  })
})

describe("the signatures in the reference", () => {
  const shown = (text: string): ReadonlyArray<string> => {
    const source = ts.createSourceFile("it.ts", text, ts.ScriptTarget.Latest, true)
    return source.statements.flatMap((statement) =>
      ts.isVariableStatement(statement)
        ? statement.declarationList.declarations.map((node) => signatureOf(source, node, "it"))
        : [signatureOf(source, statement, "it")]
    )
  }

  it("are types, without what a function does", () => {
    assert.deepStrictEqual(shown("export const f = <A>(a: A, n = 1) => (b: string): A => a"), [
      "const it: <A>(a: A, n?: number) => (b: string) => A"
    ])
    assert.deepStrictEqual(shown("export const f: (n: number) => string = (n) => `${n}`"), [
      "const it: (n: number) => string"
    ])
    assert.deepStrictEqual(shown("export function f(n: number): string {\n  return `${n}`\n}"), [
      "function f(n: number): string"
    ])
  })

  it("of classes have the members that others may use, and their comments", () => {
    const text = [
      "export class C extends B<{",
      "  /** How many. */",
      "  readonly n: number",
      "}> {",
      "  readonly retryable = true as const",
      "  #hidden = 1",
      "  /**",
      "   * @internal",
      "   */",
      "  own(): void {}",
      "  get message(): string {",
      "    return \"\"",
      "  }",
      "}"
    ].join("\n")
    assert.deepStrictEqual(shown(text), [[
      "class C extends B<{",
      "  /** How many. */",
      "  readonly n: number",
      "}> {",
      "  readonly retryable = true as const",
      "  get message(): string",
      "}"
    ].join("\n")])
  })

  it("need a type for the result of a function", () => {
    assert.throws(() => shown("export const f = (n: number) => `${n}`"), /no type for its result/)
  })
})
