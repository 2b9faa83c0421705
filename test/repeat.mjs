/**
 * Runs the unit tests many times, each time in another order, and says which runs failed, and where:
 *
 *     npm run repeat -- --times 20
 *     npm run repeat -- --times 5 --busy 2              # beside two processes that take all the time they get
 *     npm run repeat -- --times 1 --seed 4711           # an order that failed
 *     npm run repeat -- --times 20 --project core RateLimit
 *
 * The exit code is 0 only if no run failed.
 */
import { spawn } from "node:child_process"
import { parseArgs } from "node:util"
import { units } from "./packages.mjs"
import { seedOf, vitest } from "./vitestRun.mjs"

const { positionals: files, values } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: "string", default: "20" },
    busy: { type: "string", default: "0" },
    seed: { type: "string" },
    project: { type: "string", multiple: true, default: units }
  }
})

const wholeNumber = (name, least) => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= least) return number
  throw new Error(`--${name} is a whole number from ${least} on, not "${values[name]}"`)
}
const times = wholeNumber("times", 1)
const busy = wholeNumber("busy", 0)
const first = seedOf(values.seed)

/** What hangs is cut; what has to share the machine takes its time. */
const limit = (busy + 1) * 30 * 60_000

// ends by itself soon after whoever started it, however that ended
const loop = `
  const parent = process.ppid
  const work = () => {
    const until = Date.now() + 500
    while (Date.now() < until);
    if (process.ppid === parent) setImmediate(work)
  }
  work()
`
const beside = Array.from({ length: busy }, () => spawn(process.execPath, ["-e", loop], { stdio: "ignore" }))

// the order of the tests is what is looked for here; their many cases are looked at by `npm test`
process.env.SECRET_CASES ??= "5000"

const failed = []
for (let n = 0; n < times; n++) {
  const seed = first + n
  console.log(`\n=== run ${n + 1} of ${times}, seed ${seed}${busy > 0 ? `, beside ${busy} busy processes` : ""}`)
  const started = Date.now()
  const args = [...values.project.flatMap((name) => ["--project", name]), ...files]
  const { counts, failures, ok } = vitest({ args, limit, reporter: "dot", seed })
  const took = `${Math.round((Date.now() - started) / 1000)} s`
  console.log(`seed ${seed}: ${counts.passed} passed, ${failures.length} failed, ${took}`)
  if (!ok || failures.length > 0) failed.push({ seed, failures })
}
for (const child of beside) child.kill("SIGKILL")

console.log("")
for (const { failures, seed } of failed) {
  console.log(`seed ${seed}:`)
  for (const name of failures.length > 0 ? failures : ["vitest failed without a failed test"]) console.log(`  ${name}`)
}
console.log(`${times - failed.length} of ${times} runs passed`)
process.exitCode = failed.length === 0 ? 0 : 1
