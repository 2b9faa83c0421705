/**
 * `npm run mutants`: Stryker over core, one module after another, each with its own tests. docs/mutants.md explains it.
 *
 *     npm run mutants                              all of core: a night's work
 *     npm run mutants -- values/Clocks wire        modules and folders, from packages/core/src on
 *     npm run mutants -- --changed [base]          modules that differ from a commit
 *
 *     --minutes 4          stops then, and says what it did not look at
 *     --tests own|floor|all   which tests are to find the mutants; own ones by default
 *     --concurrency 2      mutants at a time
 *     --force              also those whose outcome is known from the last time
 *     --list               only says which modules and how many files of tests
 */
import { spawn } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { allModules, baseCommit, changedSince, named, testsOf } from "./modules.mjs"

const root = fileURLToPath(new URL("../../", import.meta.url))
const kept = "node_modules/.cache/mutants"
/** Not below node_modules: Vite takes what lies there for packages, and does not translate it. One for each run. */
const sandbox = `.mutants/${process.pid}`

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    changed: { type: "boolean" },
    minutes: { type: "string" },
    tests: { type: "string", default: "own" },
    concurrency: { type: "string", default: "2" },
    force: { type: "boolean" },
    list: { type: "boolean" }
  }
})

const stop = (text) => {
  console.error(`mutants: ${text}`)
  process.exit(2)
}

const loud = (text) => console.log(`\n!!! ${"=".repeat(100)}\n!!! mutants: ${text}\n!!! ${"=".repeat(100)}`)

const positive = (name) => {
  const number = Number(flags[name] ?? "Infinity")
  return number > 0 ? number : stop(`--${name} takes a number above 0, not "${flags[name]}"`)
}

const chosen = () => {
  const all = allModules()
  if (flags.changed !== true) {
    return positionals.length === 0 ? all : [
      ...new Set(positionals.flatMap((word) => {
        const found = named(all, word)
        return found.length > 0
          ? found
          : stop(`there is nothing to mutate in "${word}"; paths are those below packages/core/src`)
      }))
    ]
  }
  if (positionals.length > 1) stop("--changed takes one commit")
  const base = baseCommit(positionals[0])
  return base === undefined
    ? stop(`this clone does not have ${positionals[0] ?? "a commit to compare with"}: fetch more of the history`)
    : changedSince(all, base)
}

/** Stryker's processes are a group, so that all of them end with it. */
const running = new Set()
const endAll = () => {
  for (const child of running) {
    try {
      process.kill(-child.pid, "SIGTERM")
    } catch {
      // it has just ended
    }
  }
}
/** Stryker tidies up after itself, unless it was cut off. */
process.once("exit", () => rmSync(root + sandbox, { recursive: true, force: true, maxRetries: 3 }))

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    endAll()
    process.exit(130)
  })
}

/** `passed`, `failed`, or `cut` where the time was over first. */
const mutate = (file, milliseconds) => {
  const args = [
    "node_modules/@stryker-mutator/core/bin/stryker.js",
    "run",
    ...["--mutate", file],
    ...["--testFiles", testsOf(file, flags.tests).join(",")],
    ...["--concurrency", flags.concurrency],
    ...["--tempDirName", sandbox],
    ...["--incrementalFile", `${kept}/${flags.tests}/${file.replaceAll("/", "-")}.json`],
    ...(flags.force === true ? ["--force"] : [])
  ]
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit", detached: true })
    running.add(child)
    let cut = false
    const timer = Number.isFinite(milliseconds)
      ? setTimeout(() => {
        cut = true
        endAll()
      }, milliseconds)
      : undefined
    child.once("close", (code) => {
      clearTimeout(timer)
      running.delete(child)
      resolve(cut ? "cut" : code === 0 ? "passed" : "failed")
    })
  })
}

if (!["own", "floor", "all"].includes(flags.tests)) stop(`--tests is own, floor or all, not "${flags.tests}"`)
const minutes = positive("minutes")
positive("concurrency")
const modules = chosen()
mkdirSync(`${root}${kept}/${flags.tests}`, { recursive: true })

const until = Date.now() + minutes * 60_000
const failed = []
let done = 0

for (const file of modules) {
  if (flags.list === true) {
    console.log(`${file}: ${testsOf(file, flags.tests).length}`)
    done++
    continue
  }
  console.log(`\n=== ${file}`)
  const outcome = Date.now() < until ? await mutate(file, until - Date.now()) : "cut"
  if (outcome === "cut") break
  if (outcome === "failed") failed.push(file)
  done++
}

if (done < modules.length) {
  loud(`CUT after ${minutes} minutes; not looked at: ${modules.slice(done).join(", ")}`)
}
if (failed.length > 0) console.log(`\nmutants: below the threshold, or not run at all: ${failed.join(", ")}`)
console.log(`\nmutants: ${done} of ${modules.length} modules, ${failed.length} below the threshold`)
process.exitCode = failed.length === 0 ? 0 : 1
