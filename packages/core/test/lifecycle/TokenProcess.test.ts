import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

/**
 * Runs a program to its end and returns its output. A program that does not end by itself is killed, and the test
 * fails.
 */
const run = (fixture: string, ...flags: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const file = fileURLToPath(new URL(`../fixtures/${fixture}.ts`, import.meta.url))
    execFile(
      process.execPath,
      [...flags, "--import", "tsx", file],
      { timeout: 90_000 },
      (error, stdout, stderr) => error === null ? resolve(stdout) : reject(new Error(`${error.message}\n${stderr}`))
    )
  })

describe("a process with a token source", () => {
  // FAULTS L6
  it("a process with a token source ends although its runtime was not disposed of", async () => {
    assert.strictEqual(await run("undisposed"), "done")
  }, 100_000)

  // FAULTS B1
  it("a process keeps no more tokens than its cache has places, also in the refresher's queue (I14)", async () => {
    const alive = Number(await run("manyKeys", "--expose-gc"))
    assert.isAtMost(alive, 300, "capacity 100, 5000 keys")
    assert.isAtLeast(alive, 100)
  }, 100_000)
})
