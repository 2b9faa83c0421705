/**
 * What every row needs: interleaved rounds, medians and spread, tables with verdicts, and fresh child processes.
 */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as v8 from "node:v8"

/** How long to measure: `quick` proves that a row runs, its numbers are worth little. */
export interface Mode {
  readonly quick: boolean
}

export interface Row {
  readonly id: string
  readonly title: string
  readonly run: (mode: Mode) => Promise<ReadonlyArray<Table>>
}

export interface Table {
  readonly caption: string
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

// --- numbers -----------------------------------------------------------------------------------------------------

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export const round = (value: number, digits = 2): string => Number.isFinite(value) ? value.toFixed(digits) : "–"

/** The middle half of the rounds. */
export const spread = (values: ReadonlyArray<number>, digits = 2): string =>
  `${round(quantile(values, 0.25), digits)}–${round(quantile(values, 0.75), digits)}`

export const mebibytes = (bytes: number): string => round(bytes / 1048576, 1)

/** How a measured value stands to a target of "at most `limit`". */
export const atMost = (value: number, limit: number, digits = 2): string =>
  value <= limit ? "met" : `missed by ${round(value - limit, digits)}`

/** The verdicts of a row with several targets. */
export const allMet = (verdicts: Readonly<Record<string, string>>): string => {
  const missed = Object.entries(verdicts).filter(([, verdict]) => verdict !== "met")
  return missed.length === 0 ? "met" : missed.map(([what, verdict]) => `${what} ${verdict}`).join("; ")
}

// --- rounds ------------------------------------------------------------------------------------------------------

/**
 * Runs all contenders once per round, so that whatever slows the machine down slows all of them. Each round starts
 * with another one and every second round goes backwards, so that none always pays for the garbage of the same
 * neighbour. Warm-up rounds are dropped. No collection is forced in between: it would throw away compiled code.
 */
export const interleave = async (
  contenders: Readonly<Record<string, () => number | Promise<number>>>,
  options: { readonly rounds: number; readonly warmup: number }
): Promise<Map<string, Array<number>>> => {
  const names = Object.keys(contenders)
  const samples = new Map<string, Array<number>>(names.map((name) => [name, []]))
  for (let index = 0; index < options.warmup + options.rounds; index++) {
    for (let turn = 0; turn < names.length; turn++) {
      const place = (index + (index % 2 === 0 ? turn : names.length - turn)) % names.length
      const name = names[place]!
      const sample = await contenders[name]!()
      if (index >= options.warmup) samples.get(name)!.push(sample)
    }
  }
  return samples
}

/** Round by round, `name` in units of `baseline`. */
export const ratios = (samples: Map<string, ReadonlyArray<number>>, name: string, baseline: string): Array<number> => {
  const base = samples.get(baseline)!
  return samples.get(name)!.map((sample, index) => sample / base[index]!)
}

export const collectGarbage = (): void => {
  if (globalThis.gc === undefined) throw new Error("run with node --expose-gc")
  globalThis.gc()
}

/** Nanoseconds per operation. */
export const timed = (operations: number, body: () => unknown): number => {
  const before = process.hrtime.bigint()
  body()
  return Number(process.hrtime.bigint() - before) / operations
}

export const timedAsync = async (operations: number, body: () => Promise<unknown>): Promise<number> => {
  const before = process.hrtime.bigint()
  await body()
  return Number(process.hrtime.bigint() - before) / operations
}

// --- memory ------------------------------------------------------------------------------------------------------

export const heapUsed = (): number => v8.getHeapStatistics().used_heap_size

/** What is left after a thorough collection, with what lies outside the JavaScript heap (typed arrays). */
export const settledMemory = async (): Promise<number> => {
  for (let i = 0; i < 4; i++) {
    collectGarbage()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const { external, heapUsed: used } = process.memoryUsage()
  return used + external
}

// --- child processes ---------------------------------------------------------------------------------------------

/** What can be sent between processes. */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** Calls an exported function of a module beside this one in a fresh process, started with this one's Node flags. */
export const inChild = <A extends Json>(module: string, name: string, argument: Json): Promise<A> =>
  new Promise((resolve, reject) => {
    const child = fork(
      fileURLToPath(new URL("./child.ts", import.meta.url)),
      [module, name, JSON.stringify(argument)],
      // What a contender logs must not end up among the tables.
      { stdio: ["ignore", 2, 2, "ipc"] }
    )
    let answer: { readonly value: A } | undefined
    child.on("message", (message) => {
      answer = message as { readonly value: A }
    })
    child.on("error", reject)
    child.on("exit", (code) =>
      answer === undefined || code !== 0
        ? reject(new Error(`${module} ${name} ${JSON.stringify(argument)} ended with ${code}`))
        : resolve(answer.value))
  })

/** One line about what is going on, on standard error: tables alone go to standard output. */
export const progress = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

export const markdown = ({ caption, columns, rows }: Table): string => {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => (row[index] ?? "").length))
  )
  const line = (cells: ReadonlyArray<string>) =>
    `| ${widths.map((width, index) => (cells[index] ?? "").padEnd(width)).join(" | ")} |`
  return [
    caption,
    "",
    line(columns),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...rows.map(line)
  ].join("\n")
}
