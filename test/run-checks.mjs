/**
 * Runs every check of the workspace, whatever the ones before said, and ends with one line:
 *
 *     1234 passed, 0 failed
 *
 * It counts the tests of vitest, the type-level tests of tstyche, and each static check as one. The exit code is 0
 * only if something ran and nothing failed. Files and tests run in a random order; the seed is printed, and
 * `TEST_SEED=<seed> npm test` runs them in the same order. With `CI=true` a skipped test is a failed one: there is
 * nobody to ask why.
 */
import { rmSync } from "node:fs"
import { published } from "./packages.mjs"
import { node, runAll, seedOf, vitest } from "./vitestRun.mjs"

const ci = process.env.CI === "true"
const total = { passed: 0, failed: 0, skipped: 0 }

const seed = seedOf()

const heading = (title) => console.log(`\n=== ${title}`)

const add = ({ failed = 0, passed = 0, skipped = 0 }) => {
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
}

/** A tool that failed without naming a failed test broke down before or after them: that is a failure too. */
const addTests = (counted, ok) => add(ok || counted.failed > 0 ? counted : { ...counted, failed: 1 })

/** What a check counts for, by whether it passed and what it wrote. */
const asOne = (ok) => add(ok ? { passed: 1 } : { failed: 1 })

const typeTests = (ok, output) => {
  const summary = /^Tests: +(.+)$/m.exec(output)?.[1] ?? ""
  const number = (name) => Number(new RegExp(`(\\d+) ${name}`).exec(summary)?.[1] ?? 0)
  addTests(
    { passed: number("passed"), failed: number("failed"), skipped: number("skipped") + number("todo") },
    // no summary: nothing ran
    ok && summary !== ""
  )
}

/** The checks of the sources, as many at a time as there are cores. */
const ofSources = [
  { title: "lint", tool: "eslint", args: ["."] },
  { title: "type-level tests", tool: "tstyche", args: [], count: typeTests },
  { title: "types of the workspace", tool: "tsc", args: ["--noEmit", "-p", "tsconfig.json"] },
  ...published.map((name) => ({
    title: `${name}, compiled as it is published`,
    tool: "tsc",
    args: ["-p", `packages/${name}/tsconfig.build.json`]
  })),
  { title: "no circles of imports", tool: "depcruise", args: ["--config", ".dependency-cruiser.mjs", "packages"] }
]

const checkSources = () => {
  for (const name of published) {
    rmSync(new URL(`../packages/${name}/dist`, import.meta.url), { recursive: true, force: true })
  }
  return runAll(ofSources, ({ count = asOne, title }, { ok, output }) => {
    heading(title)
    process.stdout.write(output)
    count(ok, output)
  })
}

/** What the compiler has made is packed, and looked at as npm and a user's program see it. */
const checkPackages = () => {
  heading("the packages as npm gets them")
  asOne(node(["test/packed/check.mjs", "--compiled"]))
}

/** The packages where users run them. It installs the runtimes from npm, so it runs in CI and by `SMOKE=on`. */
const runPackages = () => {
  if (!(process.env.SMOKE === "on" || (ci && process.env.SMOKE !== "off"))) return
  heading("the packages on Node.js 20, 22 and 24, Bun, Deno and Jest")
  asOne(node(["test/packed/smoke.mjs", "--compiled"]))
}

/** What only passes in one order depends on something that it does not say. */
const tests = () => {
  heading(`tests, in random order: seed ${seed}`)
  const { counts, ok } = vitest({ seed })
  addTests(counts, ok)
}

await checkSources()
checkPackages()
runPackages()
tests()

console.log("")
console.log(`The tests ran in the order of seed ${seed}; to repeat it: TEST_SEED=${seed} npm test`)
if (ci && total.skipped > 0) {
  console.log(`CI: skipped tests count as failed (${total.skipped})`)
  total.failed += total.skipped
  total.skipped = 0
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ""
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`)
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
