/** One run of vitest in a random order that can be repeated, and what came of it. */
import { spawn, spawnSync } from "node:child_process"
import { randomInt } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"

const root = new URL("..", import.meta.url)

/** A step that takes longer than this hangs. */
const patience = 20 * 60_000

/** Many tests wait for servers, browsers and processes for most of their time. */
const workers = availableParallelism() + 1

/** What decides the order of files and tests: `TEST_SEED`, or a new one. */
export const seedOf = (text = process.env.TEST_SEED) => {
  if (text === undefined || text === "") return randomInt(2 ** 31)
  const seed = Number(text)
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`a seed is a whole number, not "${text}"`)
  return seed
}

const options = (limit) => ({
  cwd: root,
  timeout: limit,
  // what hangs may hang in a handler of the gentler signal
  killSignal: "SIGKILL",
  shell: process.platform === "win32"
})

const command = (tool) => `node_modules/.bin/${tool}`

/** Runs a tool of the workspace; what it writes is seen at once. */
const run = (tool, args, limit = patience) => {
  const child = spawnSync(command(tool), args, { ...options(limit), stdio: ["ignore", "inherit", "inherit"] })
  if (child.error?.code === "ETIMEDOUT") console.log(`${tool} was ended after ${limit / 60_000} minutes`)
  else if (child.error !== undefined) console.log(`${tool} could not be run: ${child.error.message}`)
  return child.status === 0
}

/** Runs a tool of the workspace, and keeps what it writes. */
const capture = (tool, args) =>
  new Promise((resolve) => {
    const child = spawn(command(tool), args, { ...options(patience), env: { ...process.env, NO_COLOR: "1" } })
    let output = ""
    const keep = (text) => output += text
    child.stdin.end()
    child.stdout.setEncoding("utf8").on("data", keep)
    child.stderr.setEncoding("utf8").on("data", keep)
    child.on("error", ({ message }) => resolve({ ok: false, output: `${tool} could not be run: ${message}\n` }))
    child.on("close", (code, signal) => {
      if (signal !== null) output += `${tool} was ended by ${signal}; it may take ${patience / 60_000} minutes\n`
      resolve({ ok: code === 0, output })
    })
  })

/** Runs several tools, as many at a time as there are cores; each is reported when it has ended. */
export const runAll = async (tools, report) => {
  const waiting = [...tools]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      report(next, await capture(next.tool, next.args))
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
}

/** Runs a script of the workspace. */
export const node = (args) =>
  spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], timeout: patience })
    .status === 0

/** Gives the counts, whether vitest itself went through, and what failed, by name. */
export const vitest = ({ args = [], limit, reporter = "default", seed }) => {
  const folder = mkdtempSync(`${tmpdir()}/checks-`)
  try {
    const file = `${folder}/vitest.json`
    const ok = run("vitest", [
      "run",
      `--reporter=${reporter}`,
      "--reporter=json",
      `--outputFile.json=${file}`,
      "--sequence.shuffle",
      `--sequence.seed=${seed}`,
      "--minWorkers=1",
      `--maxWorkers=${workers}`,
      ...args
    ], limit)
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
