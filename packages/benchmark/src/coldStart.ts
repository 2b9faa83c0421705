/**
 * Row 8: from the start of a process to its first token.
 */
import { spawn } from "node:child_process"
import { mkdir, realpath } from "node:fs/promises"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import type { Row } from "./harness.js"
import { atMost, interleave, median, progress, ratios, round, spread } from "./harness.js"
import { start, tokenEndpoint } from "./server.js"

const programs = {
  "fetch": "fetch by hand",
  "platform": "HttpClient by hand",
  "ours": "effect-bearer, TokenSource.layer"
} as const

const source = (name: string) => fileURLToPath(new URL(`./cold/${name}.mjs`, import.meta.url))

const bundled = (name: string) => fileURLToPath(new URL(`../dist/cold/${name}.mjs`, import.meta.url))

interface Bundler {
  readonly build: (options: Readonly<Record<string, unknown>>) => Promise<unknown>
}

/** The bundler that tsx brings. */
const bundler = async (): Promise<Bundler> =>
  createRequire(await realpath(createRequire(import.meta.url).resolve("tsx/package.json")))("esbuild")

const run = (file: string, endpoint: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const child = spawn(process.execPath, [file, endpoint], { stdio: ["ignore", "inherit", "inherit"] })
    child.on("error", reject)
    child.on("exit", (code) =>
      code === 0 ? resolve(performance.now() - started) : reject(new Error(`${file} ended with ${code}`)))
  })

export const coldStart: Row = {
  id: "8",
  title: "Cold start: from the start of a process to the first token",
  run: async ({ quick }) => {
    const { build } = await bundler()
    await mkdir(new URL("../dist/cold/", import.meta.url), { recursive: true })
    for (const name of Object.keys(programs)) {
      await build({
        entryPoints: [source(name)],
        outfile: bundled(name),
        bundle: true,
        minify: true,
        platform: "node",
        target: "node20",
        format: "esm"
      })
    }
    const server = await start()
    try {
      const endpoint = tokenEndpoint({ origin: server.origin, run: "cold", latency: 0, lifetime: 3600 })
      const tables = []
      for (const [kind, limit, locate] of [["unbundled", 3.4, source], ["bundled", 1.3, bundled]] as const) {
        progress(`  ${kind}`)
        const samples = await interleave(
          Object.fromEntries(
            Object.entries(programs).map(([name, label]) => [label, () => run(locate(name), endpoint)])
          ),
          { rounds: quick ? 5 : 25, warmup: 2 }
        )
        tables.push({
          caption: `Modules as they are installed, ${kind}.`,
          columns: ["program", "ms", "x fetch", "spread", "target", "verdict"],
          rows: Array.from(samples, ([label, times]) => {
            const ratio = ratios(samples, label, programs.fetch)
            const ours = label === programs.ours
            return [
              label,
              round(median(times), 0),
              round(median(ratio)),
              spread(ratio),
              ours ? `<= ${limit}` : "",
              ours ? atMost(median(ratio), limit) : ""
            ]
          })
        })
      }
      return tables
    } finally {
      server.close()
    }
  }
}
