/** What npm shows and checks of each package: where it comes from, what it runs on, whose it is. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
// @ts-expect-error a script without types
import { bothKinds, published } from "../packages.mjs"

const home = "https://github.com/effect-bearer/effect-bearer"

const read = (name: string) => {
  const text = readFileSync(new URL(`../../packages/${name}/package.json`, import.meta.url), "utf8")
  return JSON.parse(text) as Readonly<Record<string, unknown>>
}

const version = read("core").version

describe.each(published as ReadonlyArray<string>)("%s: its package.json", (name) => {
  const manifest = read(name)

  it("leads to its folder in the repository, to its page and to the list of issues", () => {
    assert.deepStrictEqual(manifest.repository, {
      type: "git",
      url: `git+${home}.git`,
      directory: `packages/${name}`
    })
    assert.strictEqual(manifest.homepage, `${home}/tree/main/packages/${name}#readme`)
    assert.deepStrictEqual(manifest.bugs, { url: `${home}/issues` })
  })

  it("says what it is, whose it is, and what it needs", () => {
    assert.match(String(manifest.description), /\w{3}/)
    assert.isAbove((manifest.keywords as ReadonlyArray<string>).length, 2)
    assert.strictEqual(manifest.license, "MIT")
    assert.match(String(manifest.author), /^The effect-bearer authors/)
    assert.deepStrictEqual(manifest.engines, { node: ">=20" })
  })

  it("is built for require as well, if it is for both kinds of modules", () => {
    const build = (manifest.scripts as Readonly<Record<string, string>>).build!
    assert.strictEqual(build.includes("buildCommonJs.mjs"), (bothKinds as ReadonlyArray<string>).includes(name))
  })

  it("has the version of all the others: they are released together", () => {
    assert.strictEqual(manifest.version, version)
  })

  it("the licence goes with it", () => {
    const licence = (path: string) => readFileSync(new URL(`../../${path}LICENSE`, import.meta.url), "utf8")
    assert.strictEqual(licence(`packages/${name}/`), licence(""))
  })
})

describe("the scripts of the repository", () => {
  const { devDependencies, scripts } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8")
  ) as Readonly<Record<"devDependencies" | "scripts", Readonly<Record<string, string>>>>

  it("npm install quotes the name of a catalog, which says what to run", () => {
    assert.match(devDependencies.effect!, /^catalog:.*run: npm run setup$/)
  })

  it.each(Object.keys(scripts).filter((name) => name !== "setup"))("%s works in a fresh clone", (name) => {
    assert.match(scripts[name]!, /^(?:node test\/ready\.mjs|npm run --silent setup) && /)
    // nobody needs pnpm but npx
    assert.notMatch(scripts[name]!, /&& pnpm/)
  })
})
