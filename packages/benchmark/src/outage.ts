/**
 * Row 6: the token endpoint answers 503 for two seconds.
 */
import type { Contender } from "./contenders.js"
import { open } from "./contenders.js"
import type { Row } from "./harness.js"
import { allMet, atMost, inChild, median, progress, round } from "./harness.js"
import { outage as makeOutage, start, tokenEndpoint } from "./server.js"

const down = 2000

/** With a token held: it lives this long, the outage begins a second into its life and is over before its end. */
const lifetime = 5

const perMillisecond = 0.5

type Measured = { readonly failed: number }

type Argument = { readonly contender: Contender; readonly origin: string; readonly run: string }

const openHere = ({ contender, origin, run }: Argument) =>
  open(contender, tokenEndpoint({ origin, run, latency: 20, lifetime }))

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs in a process of its own. */
export const held = async (argument: Argument): Promise<Measured> => {
  const { get } = await openHere(argument)
  await get()
  let failed = 0
  const calls: Array<Promise<void>> = []
  const started = performance.now()
  const timer = setInterval(() => {
    const due = (performance.now() - started) * perMillisecond
    while (calls.length < due) {
      calls.push(
        get().then(() => {}, () => {
          failed++
        })
      )
    }
  }, 1)
  await sleep(1000)
  await makeOutage(argument.origin, argument.run, down)
  await sleep(3000)
  clearInterval(timer)
  await Promise.all(calls)
  return { failed }
}

/** Runs in a process of its own. */
export const empty = async (argument: Argument): Promise<Measured> => {
  const { get } = await openHere(argument)
  await makeOutage(argument.origin, argument.run, down)
  let failed = 0
  await Promise.all(Array.from({ length: 1000 }, () =>
    get().then(() => {}, () => {
      failed++
    })))
  return { failed }
}

const names: ReadonlyArray<Contender> = [
  "effect-bearer, with retry",
  "effect-bearer",
  "Effect Cache, with retry",
  "Effect Cache",
  "Azure",
  "badgateway",
  "google, UserRefreshClient",
  "google, refreshHandler"
]

export const outage: Row = {
  id: "6",
  title: "The token endpoint answers 503 for two seconds",
  run: async ({ quick }) => {
    const rounds = quick ? 1 : 5
    const server = await start()
    const table = async (
      caption: string,
      measure: "held" | "empty",
      ours: ReadonlyArray<Contender>,
      most: number
    ) => {
      const results = new Map(names.map((name) => [name, { failed: Array<number>(), requests: Array<number>() }]))
      for (let index = 0; index < rounds; index++) {
        for (const contender of names) {
          progress(`  ${measure}, ${contender}, ${index + 1}/${rounds}`)
          const run = `${measure}-${index}-${names.indexOf(contender)}`
          const argument: Argument = { contender, origin: server.origin, run }
          const { failed } = await inChild<Measured>("outage", measure, argument)
          const result = results.get(contender)!
          result.failed.push(failed)
          result.requests.push(await server.count(run))
        }
      }
      return {
        caption,
        columns: ["contender", "callers failed", "token requests", "target", "verdict"],
        rows: Array.from(results, ([name, { failed, requests }]) => {
          const judged = ours.includes(name)
          return [
            name,
            round(median(failed), 0),
            round(median(requests), 0),
            judged ? `0; <= ${most}` : "",
            judged
              ? allMet({ failed: atMost(median(failed), 0, 0), requests: atMost(median(requests), most, 0) })
              : ""
          ]
        })
      }
    }
    try {
      return [
        await table(
          `A token of ${lifetime} s is held, ${
            perMillisecond * 1000
          } callers a second for 4 s, the outage from 1 s to 3 s.`,
          "held",
          ["effect-bearer, with retry", "effect-bearer"],
          6
        ),
        await table(
          "Nothing is held, 1000 callers at once when the outage begins.",
          "empty",
          ["effect-bearer, with retry"],
          8
        )
      ]
    } finally {
      server.close()
    }
  }
}
