/**
 * Row 5: tokens that live two seconds, two thousand callers a second, an endpoint that takes 200 ms.
 */
import type { Contender } from "./contenders.js"
import { open } from "./contenders.js"
import type { Row } from "./harness.js"
import { allMet, atMost, inChild, median, progress, quantile, round } from "./harness.js"
import { expiryOf, start, tokenEndpoint } from "./server.js"

const lifetime = 2
const latency = 200
const perMillisecond = 2

type Measured = {
  readonly gets: number
  /** Callers who waited longer than 10 ms. */
  readonly waited: number
  /** Callers handed a token the server would refuse. */
  readonly refused: number
  readonly p999: number
}

type Argument = {
  readonly contender: Contender
  readonly origin: string
  readonly run: string
  readonly seconds: number
}

/** Runs in a process of its own. */
export const measure = async ({ contender, origin, run, seconds }: Argument): Promise<Measured> => {
  const { get } = await open(contender, tokenEndpoint({ origin, run, latency, lifetime }))
  // The very first token has to be waited for; everything after it need not be.
  await get()
  const total = seconds * 1000 * perMillisecond
  const waits = new Float64Array(total)
  let refused = 0
  let finished = 0
  const one = async (index: number) => {
    const started = performance.now()
    const token = await get()
    waits[index] = performance.now() - started
    if (expiryOf(token) <= Date.now()) refused++
    finished++
  }
  const started = performance.now()
  await new Promise<void>((resolve, reject) => {
    let issued = 0
    const timer = setInterval(() => {
      // A late tick makes up for those it missed, so the rate holds.
      const due = Math.min(total, Math.floor((performance.now() - started) * perMillisecond))
      for (; issued < due; issued++) one(issued).catch(reject)
      if (finished === total) {
        clearInterval(timer)
        resolve()
      }
    }, 1)
  })
  return {
    gets: total,
    waited: waits.filter((wait) => wait > 10).length,
    refused,
    p999: quantile(Array.from(waits), 0.999)
  }
}

export const rotation: Row = {
  id: "5",
  title: "Two-second tokens, two thousand callers a second",
  run: async ({ quick }) => {
    const seconds = quick ? 5 : 20
    const ours: Contender = "effect-bearer, renewed 300 ms ahead"
    const azure: Contender = "Azure"
    const names: ReadonlyArray<Contender> = [
      ours,
      azure,
      "effect-bearer",
      "Effect Cache",
      "badgateway",
      "google, UserRefreshClient",
      "google, UserRefreshClient, 300 ms ahead",
      "google, refreshHandler"
    ]
    const server = await start()
    const results = new Map<Contender, Array<Measured & { readonly requests: number }>>(names.map((name) => [name, []]))
    try {
      // The tail is compared with Azure's, so those two are run more than once.
      const schedule = quick ? names : [...names, ours, azure, ours, azure]
      for (const [index, contender] of schedule.entries()) {
        const run = `rotation-${index}`
        progress(`  ${contender}, ${index + 1}/${schedule.length}`)
        const argument: Argument = { contender, origin: server.origin, run, seconds }
        const measured = await inChild<Measured>("rotation", "measure", argument)
        results.get(contender)!.push({ ...measured, requests: await server.count(run) })
      }
    } finally {
      server.close()
    }
    const lifecycles = seconds / lifetime
    const of = (name: Contender, field: "requests" | "waited" | "refused" | "p999") =>
      median(results.get(name)!.map((each) => each[field]))
    const mostRequests = lifecycles * 1.2
    const slowest = 1.1 * of(azure, "p999")
    return [{
      caption: `${seconds} s, ${seconds * 1000 * perMillisecond} gets, ${lifecycles} lifetimes; ` +
        `a token is issued half-way through the ${latency} ms.`,
      columns: ["contender", "token requests", "waited > 10 ms", "401s", "p99.9 of get, ms", "target", "verdict"],
      rows: names.map((name) => [
        name,
        round(of(name, "requests"), 0),
        round(of(name, "waited"), 0),
        round(of(name, "refused"), 0),
        round(of(name, "p999")),
        name === ours ? `<= ${round(mostRequests, 0)}; 0; 0; <= ${round(slowest)}` : "",
        name === ours
          ? allMet({
            requests: atMost(of(name, "requests"), mostRequests, 0),
            waits: atMost(of(name, "waited"), 0, 0),
            "401s": atMost(of(name, "refused"), 0, 0),
            "p99.9": atMost(of(name, "p999"), slowest)
          })
          : ""
      ])
    }]
  }
}
