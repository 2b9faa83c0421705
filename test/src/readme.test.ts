/** The documentation compiles: every example of every README and of all JSDoc. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as broker from "@effect-bearer/broker"
import * as genesys from "@effect-bearer/genesys"
import * as jose from "@effect-bearer/jose"
import * as redis from "@effect-bearer/redis"
import * as testing from "@effect-bearer/testing"
import * as core from "effect-bearer"
import * as Snippets from "./snippets.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const read = (file: string) => readFileSync(join(root, file), "utf8")

const packages = readdirSync(join(root, "packages")).sort()
const readmes = [
  "README.md",
  ...packages.map((name) => `packages/${name}/README.md`),
  "packages/genesys/FROM-PYTHON.md",
  ...readdirSync(join(root, "docs")).filter((file) => file.endsWith(".md")).sort().map((file) => `docs/${file}`),
  ...readdirSync(join(root, "docs/errors")).sort().map((file) => `docs/errors/${file}`)
]
  .filter((file) => existsSync(join(root, file)))
const sources = packages.map((name) => `packages/${name}/src`)
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .sort()
      .map((file) => `${folder}/${file.replaceAll("\\", "/")}`)
  )

const documents = new Map([
  ...readmes.map((file) => [file, Snippets.inMarkdown(file, read(file))] as const),
  ...sources.map((file) => [file, Snippets.inJSDoc(file, read(file))] as const)
])

// --- what the checks themselves are checked with ------------------------------------------------------------------

const control = "control.md"
const controlText = [
  "```ts ignore", // line 1
  "import { TokenSource } from \"effect-bearer\"",
  "const source: number = TokenSource.TokenSource", // line 3
  "```",
  "- a list",
  "",
  "  ```typescript",
  "  import { Option, Effect } from \"effect\"", // line 8: Option is not used
  "  const program = Effect.succeed(1)",
  "  console.log(program.nope)", // line 10
  "  ```",
  "```sh",
  "npm install effect-bearer",
  "```",
  "```ts",
  "import { Effect } from \"effect\"",
  "const program = Effect.succeed(1)",
  "```"
].join("\n")

const controlSource = "control.ts"
const controlSourceText = [
  "/**",
  " * @example",
  " * ```ts",
  " * export * from \"effect-bearer/internal/source\"", // line 4
  " * ```",
  " */",
  "export const text = \"/** ```ts not a comment ``` */\"",
  "export {",
  "  /**",
  "   * @example",
  "   * text(1)", // line 10: no fence
  "   *",
  "   * @since 0.1.0",
  "   */",
  "  text as more",
  "}"
].join("\n")

const markdownControl = Snippets.inMarkdown(control, controlText)
const sourceControl = Snippets.inJSDoc(controlSource, controlSourceText)

// --- one run of the compiler for everything -----------------------------------------------------------------------

let complaints: ReadonlyArray<Snippets.Complaint> = []
beforeAll(() => {
  complaints = Snippets.check(
    [...documents.values(), markdownControl, sourceControl].flatMap(({ snippets }) => snippets)
  )
})

const about = (file: string) => complaints.filter((complaint) => complaint.startsWith(`${file}:`))

describe("the examples in the documentation compile", () => {
  for (const [file, { complaints, snippets }] of documents) {
    if (snippets.length + complaints.length === 0) continue
    it(`${file} (${snippets.length})`, () => assert.deepStrictEqual([...complaints, ...about(file)], []))
  }

  it("and nothing is wrong beside them", () => {
    const known = [...documents.keys(), control, controlSource]
    assert.deepStrictEqual(
      complaints.filter((complaint) => !known.some((file) => complaint.startsWith(`${file}:`))),
      []
    )
  })

  it("the nginx of the broker's is the one that is tested", () => {
    const [, shown] = /```nginx\n([^]*?)```/.exec(read("packages/broker/README.md")) ?? []
    assert.strictEqual(shown, read("test/src/broker/nginx.conf"))
  })

  it("the tests in docs/testing.md are tests that run", () => {
    const shown = Array.from(read("docs/testing.md").matchAll(/^<!-- (\S+) -->\n```ts\n([^]*?)```$/gm))
    assert.sameMembers(
      shown.map(([, file]) => file!),
      readdirSync(join(root, "test/src/guide")).map((file) => `test/src/guide/${file}`)
    )
    for (const [, file, text] of shown) assert.strictEqual(text, read(file!), file)
  })

  it("the tests that docs/promises.md names are there, and name the promise", () => {
    const [, ...promises] = read("docs/promises.md").split(/^## /m)
    assert.lengthOf(promises, 14)
    for (const promise of promises) {
      const [id] = promise.split(":")
      const [, shown] = promise.split("**Shown by**")
      const tests = Array.from(shown!.matchAll(/\]\(\.\.\/([^)]+\.test\.ts)\)/g), ([, file]) => file!)
      assert.isNotEmpty(tests, id)
      for (const file of tests) assert.match(read(file), new RegExp(`\\b${id}\\b`), `${file} does not name ${id}`)
    }
  })

  it("every link between the documents leads somewhere", () => {
    const anchors = (file: string) =>
      Array.from(
        read(file).matchAll(/^#+ (.+)$/gm),
        ([, title]) => title!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
      )
    const lost: Array<string> = []
    for (const file of ["README.md", ...readmes.filter((file) => /^docs\/\w+\.md$/.test(file))]) {
      for (const [, target, anchor] of read(file).matchAll(/\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)/g)) {
        const path = target === "" ? file : join(file, "..", target!)
        const found = existsSync(join(root, path)) &&
          (anchor === "" || !path.endsWith(".md") || anchors(path).includes(anchor!))
        // a README is shown with its package
        if (!found && anchor !== "readme") lost.push(`${file}: ${target}#${anchor}`)
      }
    }
    assert.deepStrictEqual(lost, [])
  })

  it("every reply of the server for tests is in its README", () => {
    const [, list] = read("packages/testing/README.md").split("## Replies")
    const made = read("packages/testing/src/Reply.ts").matchAll(/^export const (\w+)/gm)
    for (const [, name] of made) assert.include(list, `\`Reply.${name}`)
  })

  it("core has some", () => {
    const ofCore = Array.from(documents).filter(([file]) => file.startsWith("packages/core/src/"))
    assert.isAbove(ofCore.flatMap(([, { snippets }]) => snippets).length, 20)
  })
})

// --- code in the sentences ---------------------------------------------------------------------------------------------

/** What the packages publish, by the name that a sentence uses. `Schemas` and its like have a path of their own. */
const published = new Map<string, object>(
  [broker, core, genesys, jose, redis, testing].flatMap((names) => Object.entries(names))
)

/** Names in code between backticks, such as `TokenSource.cached`, that nobody publishes. */
const unpublished = (file: string, text: string): ReadonlyArray<string> =>
  text.split("\n").flatMap((line, index) =>
    Array.from(line.matchAll(/`[^`]+`/g)).flatMap(([code]) =>
      Array.from(code.matchAll(/(?<![\w.@/-])([A-Z]\w+)\.([a-z]\w*)\b(?!\.\w)/g)).flatMap(
        ([all, module = "", name = ""]) => {
          const names = published.get(module)
          return names === undefined || name in names || others.test(all) ? [] : [`${file}:${index + 1} - ${all}`]
        }
      )
    )
  )

/** `TokenSource.ts` and `TokenEndpoint.socket` are files, and `GenesysCloud.wait` is the name of a span. */
const others = /\.(?:ts|test|md|json|socket|fuzz)$|^(?:GenesysCloud\.wait|TokenSource\.acquire|TokenEndpoint\.request)$/

describe("the names in the sentences exist", () => {
  for (const file of readmes) {
    it(file, () => assert.deepStrictEqual(unpublished(file, read(file)), []))
  }

  it("and one that does not is found", () => {
    assert.deepStrictEqual(unpublished("a.md", "see\n`TokenSource.cache({})`, `TokenSource.cached`"), [
      "a.md:2 - TokenSource.cache"
    ])
  })
})

describe("what that rests on", () => {
  it("every block of TypeScript counts, whatever else its fence says", () => {
    assert.lengthOf(markdownControl.snippets, 3)
    assert.deepStrictEqual(markdownControl.complaints, [])
  })

  it("a mistake is found, with its place in the document", () => {
    const places = about(control).map((complaint) => /^(\S+) - (TS\d+)/.exec(complaint)?.slice(1).join(" "))
    assert.deepStrictEqual(places, [`${control}:3:7 TS2322`, `${control}:8:12 TS6133`, `${control}:10:23 TS2339`])
  })

  it("JSDoc is read, strings are not, and what a reader can't import doesn't compile", () => {
    assert.lengthOf(sourceControl.snippets, 1)
    assert.lengthOf(about(controlSource), 1)
    assert.match(about(controlSource)[0]!, /^control\.ts:4:18 - TS2307/)
  })

  it("an @example without a block of code, and a block without an end, are mistakes", () => {
    assert.deepStrictEqual(sourceControl.complaints, [`${controlSource}:10:6 - this @example has no block of \`\`\`ts`])
    assert.lengthOf(Snippets.inMarkdown("open.md", "text\n```ts\nconst a = 1").complaints, 1)
  })
})
