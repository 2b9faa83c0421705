/**
 * Runs every check of the workspace, one after the other, whatever the ones before said, and ends with one line:
 *
 *     1234 passed, 0 failed
 *
 * It counts the tests of vitest, the type-level tests of tstyche, and each static check as one. The exit code is 0
 * only if something ran and nothing failed. With `CI=true` a skipped test is a failed one: there is nobody to ask why.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"

const root = new URL("..", import.meta.url)
const ci = process.env.CI === "true"
const total = { passed: 0, failed: 0, skipped: 0 }

/** A step that takes longer than this hangs. */
const patience = 20 * 60_000

/** Many tests wait for most of their time; vitest would leave one core of two alone. */
const workers = Math.max(2, availableParallelism() - 1)

const heading = (title) => console.log(`\n=== ${title}`)

/** Runs a tool of the workspace; `capture` keeps what it wrote as well as showing it. */
const run = (tool, args, { capture = false } = {}) => {
  const child = spawnSync(`node_modules/.bin/${tool}`, args, {
    cwd: root,
    stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"],
    env: capture ? { ...process.env, NO_COLOR: "1" } : process.env,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    timeout: patience,
    shell: process.platform === "win32"
  })
  if (child.error !== undefined) console.log(`${tool} could not be run: ${child.error.message}`)
  if (capture) process.stdout.write(child.stdout ?? "")
  return { ok: child.status === 0, output: child.stdout ?? "" }
}

const add = ({ failed = 0, passed = 0, skipped = 0 }) => {
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
}

/** A check without tests of its own to count. */
const staticCheck = (title, tool, args) => {
  heading(title)
  add(run(tool, args).ok ? { passed: 1 } : { failed: 1 })
}

/** A tool that failed without naming a failed test broke down before or after them: that is a failure too. */
const addTests = (counted, ok) => add(ok || counted.failed > 0 ? counted : { ...counted, failed: 1 })

const typeTests = () => {
  heading("type-level tests")
  const { ok, output } = run("tstyche", [], { capture: true })
  const summary = /^Tests: +(.+)$/m.exec(output)?.[1] ?? ""
  const number = (name) => Number(new RegExp(`(\\d+) ${name}`).exec(summary)?.[1] ?? 0)
  addTests(
    { passed: number("passed"), failed: number("failed"), skipped: number("skipped") + number("todo") },
    // no summary: nothing ran
    ok && summary !== ""
  )
}

const tests = () => {
  heading("tests")
  const folder = mkdtempSync(`${tmpdir()}/checks-`)
  try {
    const file = `${folder}/vitest.json`
    const report = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`]
    const { ok } = run("vitest", ["run", ...report, "--minWorkers=1", `--maxWorkers=${workers}`])
    addTests(...readResults(file, ok))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const readResults = (file, ok) => {
  try {
    const results = JSON.parse(readFileSync(file, "utf8"))
    // a file that could not be loaded has failed without having a test that could
    const broken = results.testResults.filter(({ assertionResults, status }) =>
      status === "failed" && assertionResults.every((test) => test.status !== "failed")
    )
    return [{
      passed: results.numPassedTests,
      failed: results.numFailedTests + broken.length,
      skipped: results.numPendingTests + results.numTodoTests
    }, ok && results.numTotalTests > 0]
  } catch (error) {
    console.log(`vitest left no result: ${error.message}`)
    return [{ passed: 0, failed: 0, skipped: 0 }, false]
  }
}

staticCheck("types of the workspace", "tsc", ["--noEmit", "-p", "tsconfig.json"])
for (const name of ["core", "testing", "jose", "redis", "genesys"]) {
  staticCheck(`types of ${name} as it is published`, "tsc", ["--noEmit", "-p", `packages/${name}/tsconfig.build.json`])
}
staticCheck("lint", "eslint", ["."])
typeTests()
tests()

console.log("")
if (ci && total.skipped > 0) {
  console.log(`CI: skipped tests count as failed (${total.skipped})`)
  total.failed += total.skipped
  total.skipped = 0
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ""
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`)
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
