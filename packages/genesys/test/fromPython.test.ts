/** The page for those who come from Python says where the proofs are: they are there. */
import { execSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const page = readFileSync(new URL("../FROM-PYTHON.md", import.meta.url), "utf8")
const root = fileURLToPath(new URL("../../..", import.meta.url))

const recipe = /^grep .*A7.*$/m.exec(page)![0]
const ids = new Set(
  page.split("\n").flatMap((line) => /^\|.*\| ((?:[A-E]\d+(?:, )?)+) \|$/.exec(line)?.[1]!.split(", ") ?? [])
)

const found = (id: string): ReadonlyArray<string> => {
  try {
    return execSync(recipe.replace("A7", id), { cwd: root, encoding: "utf8" }).trim().split("\n")
  } catch {
    return []
  }
}

describe.skipIf(process.platform === "win32")("FROM-PYTHON.md", () => {
  it("each row of the table has a test in the file that the page names", () => {
    assert.isAtLeast(ids.size, 50)
    for (const id of ids) {
      const lines = found(id)
      assert.isNotEmpty(lines, id)
      // A1 is not A10
      for (const line of lines) assert.match(line, new RegExp(`\\.ts:\\d+:.*\\b${id}\\b`))
    }
    assert.isEmpty(found("A99"))
  })

  it("every file that the page names exists, and no link leads out of the package", () => {
    for (const [, file] of page.matchAll(/`([\w/-]+\/[\w.-]+\.ts)` in the repository/g)) {
      assert.isNotEmpty(readFileSync(`${root}/${file}`, "utf8"))
    }
    assert.notMatch(page, /\]\(\.\.?\//)
  })
})
