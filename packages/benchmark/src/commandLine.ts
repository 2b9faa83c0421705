/**
 * Row 11: `effect-bearer token` with a token in the file store, from the start of the process to its end.
 */
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Row } from "./harness.js"
import { atMost, interleave, median, ratios, round, spread } from "./harness.js"
import { start, tokenEndpoint } from "./server.js"

const script = fileURLToPath(new URL("../../cli/scripts/bundle.mjs", import.meta.url))

const run = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv): Promise<number> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"], env })
    child.on("error", reject)
    child.on("exit", (code) =>
      code === 0 ? resolve(performance.now() - started) : reject(new Error(`${args.join(" ")} ended with ${code}`)))
  })

const baseline = "node -e 0"
const again = "the same again: what noise looks like"

export const commandLine: Row = {
  id: "11",
  title: "The command line: a token from the cache",
  run: async ({ quick }) => {
    const folder = mkdtempSync(join(tmpdir(), "effect-bearer-benchmark-"))
    const server = await start()
    try {
      const { status } = spawnSync(process.execPath, [script, "--outdir", folder], { stdio: "ignore" })
      if (status !== 0) throw new Error("the bundle could not be built")
      const program = join(folder, "effect-bearer.cjs")
      const endpoint = tokenEndpoint({ origin: server.origin, run: "command-line", latency: 0, lifetime: 86_400 })
      const home = { PATH: process.env["PATH"], HOME: folder, CLIENT_SECRET: "secret" }
      const env = {
        ...home,
        OAUTH_TOKEN_ENDPOINT: endpoint,
        OAUTH_CLIENT_ID: "client",
        OAUTH_CLIENT_SECRET: "secret"
      }
      const config = join(folder, "effect-bearer.yaml")
      writeFileSync(
        config,
        JSON.stringify({
          profiles: {
            calls: {
              tokenEndpoint: endpoint,
              clientId: "client",
              authentication: { method: "basic", secret: { env: "CLIENT_SECRET" } }
            }
          }
        })
      )
      const samples = await interleave(
        {
          [baseline]: () => run(["-e", "0"], home),
          [again]: () => run(["-e", "0"], home),
          "token, configured by the environment": () => run([program, "token"], env),
          "token, configured by a file": () => run([program, "token", "--config", config], home),
          "token --min-ttl 1: asks the store": () => run([program, "token", "--min-ttl", "1"], env),
          "--help": () => run([program, "--help"], home)
        },
        { rounds: quick ? 5 : 25, warmup: 2 }
      )
      return [{
        caption: "A token that the file store has: nothing is sent.",
        columns: ["program", "ms", "x node -e 0", "spread", "target", "verdict"],
        rows: Array.from(samples, ([label, times]) => {
          const ratio = ratios(samples, label, baseline)
          const isTarget = label === "token, configured by the environment" || label === "token, configured by a file"
          return [
            label,
            round(median(times), 0),
            round(median(ratio)),
            spread(ratio),
            isTarget ? "<= 3" : "",
            isTarget ? atMost(median(ratio), 3) : ""
          ]
        })
      }]
    } finally {
      server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
