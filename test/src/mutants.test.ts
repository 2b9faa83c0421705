/** What `npm run mutants` chooses: the modules, their tests, and the texts that it leaves alone. */
import { assert, describe, it } from "@effect/vitest"
// @ts-expect-error a script without types
import { strykerPlugins } from "../mutants/ignoreTexts.mjs"
// @ts-expect-error a script without types
import { allModules, baseCommit, named, testsOf } from "../mutants/modules.mjs"

const modules = allModules() as ReadonlyArray<string>
const chosen = (word: string) => named(modules, word) as ReadonlyArray<string>
const tests = (file: string, width: string) => testsOf(`packages/core/src/${file}`, width) as ReadonlyArray<string>

describe("the modules with mutants", () => {
  it("are those with code: no index, no file of types", () => {
    assert.include(modules, "packages/core/src/values/Clocks.ts")
    assert.notInclude(modules, "packages/core/src/index.ts")
    assert.notInclude(modules, "packages/core/src/edge/schemas/encoded.ts")
  })

  it("are named by file or folder, from the root or from `src` on", () => {
    const clocks = ["packages/core/src/values/Clocks.ts"]
    assert.deepStrictEqual(chosen("values/Clocks"), clocks)
    assert.deepStrictEqual(chosen("./packages/core/src/values/Clocks.ts"), clocks)
    assert.isTrue(chosen("lifecycle/cache/").every((file) => file.startsWith("packages/core/src/lifecycle/cache/")))
    assert.isNotEmpty(chosen("lifecycle/cache/"))
    assert.deepStrictEqual(chosen("values/Clock"), [])
  })

  it("are compared with a commit that this clone has", () => {
    assert.isUndefined(baseCommit("no-such-commit"))
    assert.isUndefined(baseCommit("--all"))
    assert.match(baseCommit("HEAD") as string, /^[0-9a-f]{40}/)
  })
})

describe("the tests of a module", () => {
  it("are those named for it, and those that import it by its path", () => {
    assert.deepStrictEqual(tests("values/Spelling.ts", "own"), ["packages/core/test/values/Spelling.test.ts"])
    const ofSlot = tests("lifecycle/cache/slot.ts", "own")
    assert.include(ofSlot, "packages/core/test/lifecycle/cache/adopt.test.ts")
  })

  it("are those of its floor where it has none of its own, or where that is asked for", () => {
    const floor = tests("values/random.ts", "own")
    assert.include(floor, "packages/core/test/values/Digest.test.ts")
    assert.isTrue(floor.every((test) => test.startsWith("packages/core/test/values/")))
    assert.sameMembers([...tests("values/Clocks.ts", "floor")], [...floor])
    assert.isAbove(tests("values/Clocks.ts", "all").length, floor.length)
  })

  it("exist for each module", () => {
    assert.deepStrictEqual(modules.filter((file) => testsOf(file, "own").length === 0), [])
  })
})

describe("texts for people", () => {
  const [{ value: texts }] = strykerPlugins as [{ value: { shouldIgnore: (path: unknown) => string | undefined } }]
  const isText = (node: unknown) => texts.shouldIgnore({ node }) !== undefined
  const literal = (value: string) => ({ type: "StringLiteral", value })
  const template = (...parts: ReadonlyArray<string>) => ({
    type: "TemplateLiteral",
    quasis: parts.map((raw) => ({ value: { raw } }))
  })

  it("have words with spaces between them; names, keys and codes are mutated", () => {
    assert.isTrue(isText(literal("the token is old")))
    assert.isTrue(isText(literal(", at ")))
    assert.isTrue(isText(template("at ", " o'clock")))
    for (const code of ["expires_in", "", "a/b", " "]) assert.isFalse(isText(literal(code)), code)
    assert.isFalse(isText(template("", ":", "")))
    assert.isFalse(isText({ type: "NumericLiteral", value: 5 }))
  })
})
