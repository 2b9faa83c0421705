/**
 * Row 10: requests per second and latency of the broker's surfaces beside a bare handler of the same HTTP stack, with
 * autocannon in this process and each server in one of its own.
 */
import type { ChildProcess } from "node:child_process"
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import autocannon from "autocannon"
import type { Ready } from "./brokerServers.js"
import type { Row } from "./harness.js"
import { allMet, median, round, spread } from "./harness.js"

interface Surface {
  readonly name: string
  readonly method: "GET" | "POST"
  readonly path: string
  readonly headers: (key: string) => Record<string, string>
  readonly body?: string
}

const surfaces: ReadonlyArray<Surface> = [
  {
    name: "`/oauth2/{profile}/token`",
    method: "POST",
    path: "/oauth2/main/token",
    headers: (key) => ({
      authorization: `Basic ${Buffer.from(`load:${key}`).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded"
    }),
    body: "grant_type=client_credentials"
  },
  {
    name: "`/auth/token/check`",
    method: "POST",
    path: "/auth/token/check",
    headers: (key) => ({ authorization: `Bearer ${key}`, "content-type": "application/json" }),
    body: "{\"client_id\":\"client\"}"
  },
  {
    name: "`/inject/{profile}`",
    method: "GET",
    path: "/inject/main",
    headers: (key) => ({ authorization: `Bearer ${key}`, "x-effect-bearer": "true" })
  }
]

interface Server {
  readonly origin: string
  readonly key: string
  readonly child: ChildProcess
}

const start = (kind: "broker" | "bare", argument: unknown): Promise<Server> =>
  new Promise((resolve, reject) => {
    const child = fork(
      fileURLToPath(new URL("brokerServers.ts", import.meta.url)),
      [kind, JSON.stringify(argument)],
      { execArgv: ["--import", "tsx", "--import", new URL("compiled.mjs", import.meta.url).href] }
    )
    child.once("message", (ready) => resolve({ ...(ready as Ready), child }))
    child.once("exit", (code) => reject(new Error(`the ${kind} server has ended (${code})`)))
  })

interface Load {
  readonly perSecond: number
  readonly p99: number
  readonly failures: number
}

const load = async (
  { origin, key }: Server,
  { body, headers, method, path }: Surface,
  connections: number,
  seconds: number
): Promise<Load> => {
  const result = await autocannon({
    url: origin + path,
    method,
    headers: headers(key),
    ...(body === undefined ? {} : { body }),
    connections,
    duration: seconds,
    timeout: 30
  })
  return {
    perSecond: result.requests.average,
    p99: result.latency.p99,
    failures: result.errors + result.timeouts + result.non2xx
  }
}

/** Milliseconds: autocannon counts whole ones, and below that a ratio says nothing. */
const finest = 1

export const broker: Row = {
  id: "10",
  title: "The broker under load",
  run: async ({ quick }) => {
    const rounds = quick ? 1 : 3
    const seconds = quick ? 1 : 4
    const rows: Array<ReadonlyArray<string>> = []
    for (const surface of surfaces) {
      const ours = await start("broker", {})
      const sample = await fetch(ours.origin + surface.path, {
        method: surface.method,
        headers: surface.headers(ours.key),
        ...(surface.body === undefined ? {} : { body: surface.body })
      })
      const headers = Object.fromEntries(
        [...sample.headers].filter(([name]) =>
          !["connection", "content-length", "content-type", "date", "keep-alive", "transfer-encoding"].includes(name)
        )
      )
      const bare = await start("bare", { body: await sample.text(), headers })
      for (const connections of [1, 64, 1000]) {
        const speed: Array<number> = []
        const latency: Array<number> = []
        const seen: Array<Load> = []
        let failures = 0
        await load(ours, surface, connections, 1)
        await load(bare, surface, connections, 1)
        for (let n = 0; n < rounds; n++) {
          const base = n % 2 === 0 ? await load(bare, surface, connections, seconds) : undefined
          const one = await load(ours, surface, connections, seconds)
          const other = base ?? await load(bare, surface, connections, seconds)
          speed.push(one.perSecond / other.perSecond)
          latency.push(Math.max(one.p99, finest) / Math.max(other.p99, finest))
          failures += one.failures
          seen.push(one)
        }
        rows.push([
          surface.name,
          String(connections),
          round(median(seen.map(({ perSecond }) => perSecond)), 0),
          `${round(median(speed))} × (${spread(speed)})`,
          round(median(seen.map(({ p99 }) => p99)), 1),
          `${round(median(latency))} × (${spread(latency)})`,
          String(failures),
          "≥ 0.8 ×; ≤ 1.5 ×; 0",
          allMet({
            "requests/s": median(speed) >= 0.8 ? "met" : `missed by ${round(0.8 - median(speed))}`,
            p99: median(latency) <= 1.5 ? "met" : `missed by ${round(median(latency) - 1.5)}`,
            failures: failures === 0 ? "met" : `${failures}`
          })
        ])
      }
      ours.child.removeAllListeners("exit").kill()
      bare.child.removeAllListeners("exit").kill()
    }
    return [{
      caption: "Against a bare handler of the same HTTP stack that returns a constant of the same size.",
      columns: [
        "surface",
        "connections",
        "requests/s",
        "× bare (spread)",
        "p99, ms",
        "× bare (spread)",
        "failures",
        "target",
        "verdict"
      ],
      rows
    }]
  }
}
