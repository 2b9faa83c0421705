import { readdirSync, readFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { ESLint } from "eslint"

const root = fileURLToPath(new URL("../..", import.meta.url))
const core = join(root, "packages/core/src")

/** What the rules about imports say of `code` as the text of a module of core. */
const complaints = async (module: string, code: string): Promise<ReadonlyArray<string>> => {
  const eslint = new ESLint({ cwd: root })
  const [result] = await eslint.lintText(code, { filePath: join(core, module) })
  return (result?.messages ?? [])
    .filter(({ fatal, ruleId }) => fatal === true || ruleId?.startsWith("no-restricted-imports") === true)
    .map(({ message }) => message)
}

const imports = (path: string) => `import * as It from "${path}"\n\nexport const it = It\n`

describe("the lint rules about imports", () => {
  it("imports run downhill only", async () => {
    assert.lengthOf(await complaints("values/AccessToken.ts", imports("../wire/TokenEndpoint.js")), 1)
    assert.lengthOf(await complaints("wire/TokenEndpoint.ts", imports("../store/TokenStore.js")), 1)
    assert.lengthOf(await complaints("wire/decode/pageTitle.ts", imports("../../lifecycle/cache/slot.js")), 1)
    assert.lengthOf(await complaints("store/TokenStore.ts", imports("../lifecycle/TokenCache.js")), 1)
    assert.lengthOf(await complaints("lifecycle/TokenSource.ts", imports("../edge/BearerAuth.js")), 1)
  })

  it("imports of the same floor and of those below are fine", async () => {
    assert.deepStrictEqual(await complaints("values/AccessToken.ts", imports("./Scopes.js")), [])
    assert.deepStrictEqual(await complaints("wire/TokenEndpoint.ts", imports("../values/AccessToken.js")), [])
    assert.deepStrictEqual(await complaints("lifecycle/cache/slot.ts", imports("../../store/contract.js")), [])
    assert.deepStrictEqual(await complaints("edge/BearerAuth.ts", imports("../lifecycle/TokenSource.js")), [])
  })

  it("values know nothing of HTTP, and nobody takes the barrel", async () => {
    assert.lengthOf(await complaints("values/AccessToken.ts", imports("@effect/platform/HttpClient")), 1)
    assert.deepStrictEqual(await complaints("wire/TokenEndpoint.ts", imports("@effect/platform/HttpClient")), [])
    assert.lengthOf(await complaints("edge/BearerAuth.ts", imports("effect")), 1)
  })

  it("Schema is for one module only, and that module for nobody", async () => {
    assert.lengthOf(await complaints("values/TokenError.ts", imports("effect/Schema")), 1)
    assert.lengthOf(await complaints("edge/BearerAuth.ts", imports("effect/Schema")), 1)
    assert.lengthOf(await complaints("edge/BearerAuth.ts", imports("./Schemas.js")), 1)
    assert.deepStrictEqual(await complaints("edge/Schemas.ts", imports("effect/Schema")), [])
    assert.deepStrictEqual(await complaints("edge/Schemas.ts", imports("./schemas/quietIssue.js")), [])
  })

  it("core is refused Node's built-in modules", async () => {
    assert.lengthOf(await complaints("lifecycle/TokenSource.ts", imports("node:crypto")), 1)
    assert.lengthOf(await complaints("edge/BearerAuth.ts", imports("node:crypto")), 1)
  })
})

describe("the source of core", () => {
  it("imports no built-in module of Node, by either name", () => {
    const builtin = new Set(builtinModules)
    const sources = readdirSync(core, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
    assert.isNotEmpty(sources)
    const offenders = sources.flatMap((file) =>
      Array.from(readFileSync(join(core, file), "utf8").matchAll(/(?:from|import\(?|require\()\s*["']([^"']+)["']/g))
        .map(([, name]) => name!)
        .filter((name) => name.startsWith("node:") || builtin.has(name))
        .map((name) => `${file}: ${name}`)
    )
    assert.deepStrictEqual(offenders, [])
  })
})
