/** One run of vitest in a random order that can be repeated, and what came of it. */
import { spawnSync } from "node:child_process"
import { randomInt } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"

const root = new URL("..", import.meta.url)

/** A step that takes longer than this hangs. */
const patience = 20 * 60_000

/** Many tests wait for most of their time; vitest would leave one core of two alone. */
const workers = Math.max(2, availableParallelism() - 1)

/** What decides the order of files and tests: `TEST_SEED`, or a new one. */
export const seedOf = (text = process.env.TEST_SEED) => {
  if (text === undefined || text === "") return randomInt(2 ** 31)
  const seed = Number(text)
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`a seed is a whole number, not "${text}"`)
  return seed
}

/** Runs a tool of the workspace; `capture` keeps what it wrote as well as showing it. */
export const run = (tool, args, { capture = false, limit = patience } = {}) => {
  const child = spawnSync(`node_modules/.bin/${tool}`, args, {
    cwd: root,
    stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"],
    env: capture ? { ...process.env, NO_COLOR: "1" } : process.env,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    timeout: limit,
    // what hangs may hang in a handler of the gentler signal
    killSignal: "SIGKILL",
    shell: process.platform === "win32"
  })
  if (child.error?.code === "ETIMEDOUT") console.log(`${tool} was ended after ${limit / 60_000} minutes`)
  else if (child.error !== undefined) console.log(`${tool} could not be run: ${child.error.message}`)
  if (capture) process.stdout.write(child.stdout ?? "")
  return { ok: child.status === 0, output: child.stdout ?? "" }
}

/** Gives the counts, whether vitest itself went through, and what failed, by name. */
export const vitest = ({ args = [], limit, reporter = "default", seed }) => {
  const folder = mkdtempSync(`${tmpdir()}/checks-`)
  try {
    const file = `${folder}/vitest.json`
    const { ok } = run("vitest", [
      "run",
      `--reporter=${reporter}`,
      "--reporter=json",
      `--outputFile.json=${file}`,
      "--sequence.shuffle",
      `--sequence.seed=${seed}`,
      "--minWorkers=1",
      `--maxWorkers=${workers}`,
      ...args
    ], { limit })
    return readResults(file, ok)
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
    const failed = results.testResults.flatMap(({ assertionResults, name }) =>
      assertionResults.filter((test) => test.status === "failed").map((test) => `${name}: ${test.fullName}`)
    )
    return {
      counts: {
        passed: results.numPassedTests,
        failed: results.numFailedTests + broken.length,
        skipped: results.numPendingTests + results.numTodoTests
      },
      ok: ok && results.numTotalTests > 0,
      failures: [...failed, ...broken.map(({ name }) => `${name}: could not be loaded`)]
    }
  } catch (error) {
    console.log(`vitest left no result: ${error.message}`)
    return { counts: { passed: 0, failed: 0, skipped: 0 }, ok: false, failures: ["vitest left no result"] }
  }
}
