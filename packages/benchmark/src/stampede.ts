/**
 * Row 4: ten thousand callers find an empty cache; the token endpoint takes 200 ms.
 */
import * as Effect from "effect/Effect"
import type { Contender } from "./contenders.js"
import { open } from "./contenders.js"
import type { Row } from "./harness.js"
import {
  allMet,
  atMost,
  collectGarbage,
  heapUsed,
  inChild,
  mebibytes,
  median,
  progress,
  round,
  spread
} from "./harness.js"
import { start, tokenEndpoint } from "./server.js"

const latency = 200

/** How the callers come: each on its own, or as one `Effect.forEach`, whose own cost is then the greater part. */
type Callers = "separate" | "forEach"

type Measured = {
  readonly elapsed: number
  readonly peak: number
}

type Argument = {
  readonly contender: Contender
  readonly callers: Callers
  readonly origin: string
  readonly run: string
  readonly count: number
}

/** Runs in a process of its own. */
export const measure = async ({ callers, contender, count, origin, run }: Argument): Promise<Measured> => {
  // Modules that load lazily, sockets and the first compilation are not what is measured.
  const warm = await open(contender, tokenEndpoint({ origin, run: `${run}-warm`, latency: 5, lifetime: 3600 }))
  await Promise.all(Array.from({ length: 50 }, () => warm.get()))
  const { effect, get } = await open(contender, tokenEndpoint({ origin, run, latency, lifetime: 3600 }))

  collectGarbage()
  const before = heapUsed()
  let peak = before
  const sample = () => {
    peak = Math.max(peak, heapUsed())
  }
  const sampler = setInterval(sample, 5)
  let released = 0
  let last = 0
  const release = () => {
    last = performance.now()
    if (++released % 128 === 0) sample()
  }
  const started = performance.now()
  if (callers === "separate") {
    await Promise.all(Array.from({ length: count }, () => get().then(release)))
  } else {
    const one = Effect.map(effect!, release)
    await Effect.runPromise(
      Effect.forEach(Array.from({ length: count }), () => one, { concurrency: "unbounded", discard: true })
    )
  }
  sample()
  clearInterval(sampler)
  if (released !== count) throw new Error(`${released} of ${count} were released`)
  return { elapsed: last - started, peak: peak - before }
}

export const stampede: Row = {
  id: "4",
  title: "Ten thousand callers, an empty cache, an endpoint that takes 200 ms",
  run: async ({ quick }) => {
    const count = 10_000
    const rounds = quick ? 1 : 5
    const server = await start()
    const columns = ["contender", "token requests", "x 200 ms", "spread", "peak heap, MiB", "target", "verdict"]

    const table = async (caption: string, callers: Callers, names: ReadonlyArray<Contender>) => {
      const results = new Map<Contender, { readonly requests: Array<number>; readonly measured: Array<Measured> }>(
        names.map((name) => [name, { requests: [], measured: [] }])
      )
      for (let index = 0; index < rounds; index++) {
        for (let turn = 0; turn < names.length; turn++) {
          const contender = names[(index + turn) % names.length]!
          const run = `${callers}-${index}-${turn}`
          progress(`  ${callers}, ${contender}, ${index + 1}/${rounds}`)
          const argument: Argument = { contender, callers, origin: server.origin, run, count }
          const measured = await inChild<Measured>("stampede", "measure", argument)
          const result = results.get(contender)!
          result.measured.push(measured)
          result.requests.push(await server.count(run))
        }
      }
      return {
        caption,
        columns,
        rows: Array.from(results, ([name, { measured, requests }]) => {
          const times = measured.map(({ elapsed }) => elapsed / latency)
          const peak = median(measured.map((each) => each.peak))
          const ours = name.startsWith("effect-bearer") && callers === "separate"
          return [
            name,
            round(median(requests), 0),
            round(median(times)),
            spread(times),
            mebibytes(peak),
            ours ? "1; <= 2.0; <= 40" : "",
            ours
              ? allMet({
                requests: atMost(median(requests), 1, 0),
                time: atMost(median(times), 2),
                heap: atMost(peak / 1048576, 40, 1)
              })
              : ""
          ]
        })
      }
    }

    try {
      return [
        await table(
          `${count} callers on their own (a fiber or a promise each), a fresh process per round, ${rounds} rounds.`,
          "separate",
          [
            "one promise",
            "effect-bearer",
            "effect-bearer, over fetch",
            "Effect Cache",
            "Azure",
            "badgateway",
            "google, UserRefreshClient",
            "google, refreshHandler"
          ]
        ),
        await table(
          `The same callers as one Effect.forEach with unbounded concurrency, whose own cost comes on top.`,
          "forEach",
          ["effect-bearer", "Effect Cache"]
        )
      ]
    } finally {
      server.close()
    }
  }
}
