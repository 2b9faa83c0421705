/** The published table: what a fleet costs the token endpoint, and how soon all of it is back after an outage. */
import type { Report } from "./Fleet.js"
import { simulate } from "./Fleet.js"
import type { World } from "./World.js"
import { hour, minute, quiet, second } from "./World.js"

/** A fleet as one would expect it: clocks that are off, and a network that loses something now and then. */
const usual = (replicas: number, seed: number, more: Partial<World>): World =>
  quiet({
    seed,
    replicas,
    skew: 30 * second,
    drift: 1e-4,
    lostAnnouncements: 0.01,
    ...more
  })

/** A day with tokens of an hour. */
export const day = (replicas: number, seed: number, store: boolean) =>
  simulate(usual(replicas, seed, { store, callEvery: hour }))

/** Tokens of four minutes end sooner than those of an hour: what happens to a fleet without tokens stays the same. */
const lifetime = 4 * minute

/**
 * Two and a half minutes without an endpoint: it goes before the first of them renews its token, and comes back when
 * all tokens have ended and the pauses between two attempts have reached their longest.
 */
const outage = { from: 105 * second, length: 150 * second, kind: "down", retryAfter: undefined } as const

export const afterOutage = async (replicas: number, seed: number, store: boolean): Promise<Outage> => {
  const back = outage.from + outage.length
  const hours = (back + 2 * minute) / hour
  const world = usual(replicas, seed, { store, lifetime, hours, callEvery: 5 * minute, endpoint: [outage] })
  const report = await simulate(world, { watchFrom: back })
  const waits = report.servedAt.map((at) => at - back).sort((a, b) => a - b)
  if (waits.length !== replicas) throw new Error(`${replicas - waits.length} of ${replicas} did not come back`)
  return {
    requests: report.askedAt.filter((at) => at >= outage.from && at < back).length,
    half: waits[Math.floor((waits.length - 1) / 2)]!,
    all: waits[waits.length - 1]!
  }
}

export interface Outage {
  readonly requests: number
  /** When half of them, and all of them, had a token again. */
  readonly half: number
  readonly all: number
}

const count = (value: number): string => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, "\u2009")

const perHour = ({ asked }: Report): string => {
  const rate = asked / 24
  return rate < 10 ? rate.toFixed(1) : count(rate)
}

const perLifecycle = ({ asked, lifecycles }: Report): string => (asked / lifecycles).toFixed(2)

const seconds = (millis: number): string => `${(millis / second).toFixed(1)} s`

/** One line of the table per size, as soon as it is known. */
export const table = async (
  sizes: ReadonlyArray<number>,
  seed: number,
  print: (line: string) => void
): Promise<void> => {
  const columns = [
    "replicas",
    "requests/h, store",
    "requests/h, no store",
    "requests/lifecycle, store",
    "requests in 150 s of outage, store",
    "no store",
    "all back after (half of them), store",
    "no store"
  ]
  // nobody looks at the traces of a million refused requests, and each takes time to make
  Error.stackTraceLimit = 0
  print(`| ${columns.join(" | ")} |`)
  print(`|${columns.map(() => "--:").join("|")}|`)
  for (const replicas of sizes) {
    const shared = await day(replicas, seed, true)
    const alone = await day(replicas, seed, false)
    const sharedOutage = await afterOutage(replicas, seed, true)
    const aloneOutage = await afterOutage(replicas, seed, false)
    const back = ({ all, half }: Outage) => `${seconds(all)} (${seconds(half)})`
    const cells = [
      count(replicas),
      perHour(shared),
      perHour(alone),
      perLifecycle(shared),
      count(sharedOutage.requests),
      count(aloneOutage.requests),
      back(sharedOutage),
      back(aloneOutage)
    ]
    print(`| ${cells.join(" | ")} |`)
  }
}
