/** Each private file of a library begins with a line that says what it is for. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
// @ts-expect-error a script without types
import { published } from "../packages.mjs"

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
