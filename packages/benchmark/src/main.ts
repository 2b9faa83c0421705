/**
 * `pnpm bench -- [--quick] [row …]`: measures the rows named by number, or all of them, and prints Markdown.
 */
import * as Os from "node:os"
import { parseArgs } from "node:util"
import { broker } from "./broker.js"
import { cachedSequential } from "./cachedSequential.js"
import { coldStart } from "./coldStart.js"
import { commandLine } from "./commandLine.js"
import type { Row } from "./harness.js"
import { markdown, progress } from "./harness.js"
import { largestAnswer } from "./largestAnswer.js"
import { manyKeys } from "./manyKeys.js"
import { outage } from "./outage.js"
import { bearerAlone, refused } from "./refused.js"
import { request } from "./request.js"
import { rotation } from "./rotation.js"
import { runPromise } from "./runPromise.js"
import { stampede } from "./stampede.js"

const rows: ReadonlyArray<Row> = [
  cachedSequential,
  runPromise,
  bearerAlone,
  request,
  refused,
  stampede,
  rotation,
  outage,
  manyKeys,
  coldStart,
  largestAnswer,
  broker,
  commandLine
]

const { positionals, values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false } }
})

/** "3b" names one row, "3" all of 3a, 3b and 3c. */
const isNamed = (row: Row, name: string) => row.id === name || row.id.replace(/[a-z]$/, "") === name

const unknown = positionals.filter((name) => !rows.some((row) => isNamed(row, name)))
if (unknown.length > 0) {
  process.stderr.write(`No row ${unknown.join(", ")}; there are ${rows.map(({ id }) => id).join(", ")}.\n`)
  process.exit(2)
}

console.log(
  `Node ${process.version}, ${Os.cpus()[0]?.model ?? "unknown processor"} x ${Os.availableParallelism()}` +
    (values.quick ? ", quick: a smoke run, not a measurement" : "")
)
for (const row of rows) {
  if (positionals.length > 0 && !positionals.some((name) => isNamed(row, name))) continue
  progress(`row ${row.id}: ${row.title}`)
  console.log(`\n## ${row.id}. ${row.title}`)
  for (const table of await row.run({ quick: values.quick })) console.log(`\n${markdown(table)}`)
}
process.exit(0)
