import { spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { createInterface } from "node:readline"
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bundle } from "../../../../test/bundle.js"
import type { Line } from "../support/storeWorker.js"

// The file store under processes that are connected only by it, and die. I11, SPEC C6, C7.

const program = bundle(new URL("../support", import.meta.url), ["storeWorker.ts"])

interface Options {
  readonly directory: string
  readonly ttl: number
  readonly time: number
  /** How many times the process has to get the lease before it ends. None by default. */
  readonly turns?: number
  /** Milliseconds from its first line on; never by default. */
  readonly killAfter?: number
}

const run = ({ directory, killAfter, time, ttl, turns = 0 }: Options) =>
  Effect.async<ReadonlyArray<Line>, Error>((resume) => {
    const numbers = [ttl, time, turns].map(String)
    const child = spawn(process.execPath, [program("storeWorker.ts"), directory, "key", ...numbers], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const lines: Array<Line> = []
    createInterface({ input: child.stdout }).on("line", (text) => {
      try {
        lines.push(JSON.parse(text))
      } catch {
        return // the last line of a process that was killed
      }
      if (lines.length === 1 && killAfter !== undefined) setTimeout(() => child.kill("SIGKILL"), killAfter)
    })
    child.on("close", (code, signal) =>
      resume(
        signal === "SIGKILL" || code === 0
          ? Effect.succeed(lines)
          : Effect.fail(new Error(`a worker ended with ${code ?? signal}`))
      ))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Checks the rules that always hold. Returns how much happened. */
const check = (processes: ReadonlyArray<ReadonlyArray<Line>>, ttl: number) => {
  const lines = processes.flat()
  assert.deepStrictEqual(lines.filter(({ kind }) => kind === "error"), [])

  // one holder at a time: from when it knows of its lease until it gives the lease back, is killed, or the lease is
  // over
  const holdings = processes.flatMap((lines) =>
    lines.flatMap((line, i) => {
      if (line.kind !== "held") return []
      const end = lines.slice(i).find(({ kind }) => kind === "ending")?.at ?? lines.at(-1)!.at
      return [{ fence: line.fence, from: line.at, to: Math.min(end, line.called + ttl * 1000) }]
    })
  ).sort((a, b) => a.from - b.from)
  assert.strictEqual(new Set(holdings.map(({ fence }) => fence)).size, holdings.length, "a number was given out twice")
  for (const [i, holding] of holdings.entries()) {
    const next = holdings[i + 1]
    if (next === undefined) continue
    assert.isAtMost(holding.to, next.from, "two holders at once")
    assert.isAbove(next.fence, holding.fence, "a later lease has a higher number")
  }

  // after any process has read a token, no process reads an older one, or none
  const seen = lines.filter(({ kind }) => kind === "got" || kind === "none").sort((a, b) => a.at - b.at)
  const newest: Array<number> = []
  for (const { fence } of seen) newest.push(Math.max(fence, newest.at(-1) ?? 0))
  for (const line of seen) {
    // all reads that had ended before this one began
    let low = 0
    let high = seen.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (seen[middle]!.at < line.called) low = middle + 1
      else high = middle
    }
    if (low > 0) assert.isAtLeast(line.fence, newest[low - 1]!, "an older token came back")
  }
  return { holdings: holdings.length, reads: seen.length }
}

const inFolder = <A, E>(use: (folder: string) => Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    return yield* use(`${yield* fs.makeTempDirectoryScoped()}/tokens`)
  }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

describe.sequential("processes on one file store", () => {
  it.live(
    "eight processes: one holder at a time, no torn read, no older token after a newer one",
    () =>
      inFolder((directory) =>
        Effect.gen(function*() {
          const options = { directory, ttl: 10_000, time: 2000, turns: 3 }
          const processes = yield* Effect.all(Array.from({ length: 8 }, () => run(options)), {
            concurrency: "unbounded"
          })
          const { holdings, reads } = check(processes, options.ttl)
          assert.isAtLeast(holdings, 8 * options.turns)
          assert.isAtLeast(reads, 40 * options.turns)
          // all processes gave their leases back, and left few files behind
          const files = readdirSync(directory)
          assert.deepStrictEqual(files.filter((file) => file.startsWith("tmp.")), [])
          assert.isAtMost(files.length, 16)
        })
      )
  )

  it.live(
    "processes killed at any moment: the others go on when the lease is over, by the same rules",
    () =>
      inFolder((directory) =>
        Effect.gen(function*() {
          const options = { directory, ttl: 100, time: 60_000 }
          const kills = Array.from({ length: 12 }, (_, i) => run({ ...options, killAfter: 20 + ((i * 67) % 400) }))
          const killed = yield* Effect.all(kills, { concurrency: 6 })
          // a dead holder delays a process by its lease only: the process ends when it has had its turns
          const survivor = yield* run({ ...options, time: 500, turns: 2 })
          check([...killed, survivor], options.ttl)
          // some processes died as holders, otherwise this has tested nothing
          const died = killed.filter((lines) => ["held", "put", "ending"].includes(lines.at(-1)!.kind))
          assert.isAbove(died.length, 0)
        })
      )
  )
})
