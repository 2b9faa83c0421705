/**
 * Row 3a: what the bearer layer costs alone, above a transport that answers from memory. Row 3c: what 500 requests cost
 * that the API refuses at once with a 401 and that are recovered with one new token.
 */
import { setTimeout } from "node:timers/promises"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as BearerAuth from "effect-bearer/BearerAuth"
import type { Token } from "./contenders.js"
import { cachedSource, inProcess } from "./contenders.js"
import type { Row, Table } from "./harness.js"
import { atMost, inChild, interleave, median, progress, ratios, round, spread } from "./harness.js"
import { start } from "./server.js"

type Samples = { readonly [contender: string]: ReadonlyArray<number> }

const hour = 3_600_000

const cpuOf = async (work: () => Promise<unknown>): Promise<number> => {
  const before = process.cpuUsage()
  await work()
  const { system, user } = process.cpuUsage(before)
  return user + system
}

const atATime = <E>(client: HttpClient.HttpClient.With<E>, url: string, concurrency: number, requests: number) => {
  const one = Effect.flatMap(client.get(url), (response) => response.text)
  const some = Effect.gen(function*() {
    for (let i = 0; i < requests / concurrency; i++) yield* one
  })
  return Effect.runPromise(
    Effect.all(Array.from({ length: concurrency }, () => some), { concurrency: "unbounded", discard: true })
  )
}

// --- refused and recovered -----------------------------------------------------------------------------------------

const served = "answered 200 twice"
const servedAgain = "answered 200 twice again: what noise looks like"
const recovered = "effect-bearer, refused and recovered"

const refusedAtOnce = 500

/** A token is renewed half a second after the last one at the earliest. */
const betweenRenewals = 700

/** Runs in a process of its own. */
export const measureRefused = async (
  { origin, rounds }: { readonly origin: string; readonly rounds: number }
): Promise<Samples> => {
  const dispatched = await inProcess(
    Effect.provide(HttpClient.HttpClient, NodeHttpClient.layerUndiciWithoutDispatcher).pipe(
      Effect.provideServiceEffect(NodeHttpClient.Dispatcher, NodeHttpClient.makeDispatcher)
    )
  )
  let generation = 0
  const source = await cachedSource(async (): Promise<Token> => {
    await setTimeout(20)
    return { value: `token.${generation}.of-a-usual-length-for-an-opaque-token`, issuedAt: Date.now(), lifetime: hour }
  }, {})
  const client = BearerAuth.withBearer(dispatched, source, { origins: [origin] })
  const all = () => atATime(client, `${origin}/guarded?generation=${generation}`, refusedAtOnce, refusedAtOnce)
  const twice = () =>
    cpuOf(async () => {
      await all()
      await all()
    })
  const samples = await interleave({
    [served]: twice,
    [servedAgain]: twice,
    [recovered]: async () => {
      await setTimeout(betweenRenewals)
      generation++
      return cpuOf(all)
    }
  }, { rounds, warmup: 4 })
  return Object.fromEntries(samples)
}

// --- the bearer layer alone ----------------------------------------------------------------------------------------

const constant = "constant header"
const constantAgain = "constant header again: what noise looks like"
const bearer = "effect-bearer, withBearer"

/** Runs in a process of its own. Microseconds of CPU per request. */
export const measureAlone = async (
  { concurrency, requests, rounds }: {
    readonly concurrency: number
    readonly requests: number
    readonly rounds: number
  }
): Promise<Samples> => {
  const origin = "https://api.example.com"
  const transport = HttpClient.withTracerDisabledWhen(
    HttpClient.make((request) => Effect.sync(() => HttpClientResponse.fromWeb(request, new Response("ok")))),
    () => true
  )
  const value = "token.1.1893456000000.of-a-usual-length-for-an-opaque-bearer-token"
  const source = await cachedSource(async () => ({ value, issuedAt: Date.now(), lifetime: hour }), {})
  const withConstant = HttpClient.mapRequest(
    transport,
    HttpClientRequest.setHeader("authorization", `Bearer ${value}`)
  )
  const cpu = <E>(client: HttpClient.HttpClient.With<E>) => async () =>
    await cpuOf(() => atATime(client, `${origin}/api`, concurrency, requests)) / requests
  const samples = await interleave({
    [constant]: cpu(withConstant),
    [constantAgain]: cpu(withConstant),
    [bearer]: cpu(BearerAuth.withBearer(transport, source, { origins: [origin] }))
  }, { rounds, warmup: 4 })
  return Object.fromEntries(samples)
}

// --- tables --------------------------------------------------------------------------------------------------------

const refusedTable = async (quick: boolean): Promise<Table> => {
  progress("  refused with a 401, and recovered")
  const server = await start()
  try {
    const argument = { origin: server.origin, rounds: quick ? 5 : 21 }
    const samples = new Map(Object.entries(await inChild<Samples>("refused", "measureRefused", argument)))
    return {
      caption: `${refusedAtOnce} requests at once, refused with a 401 and sent again with one new token; x the same ` +
        "requests answered 200 twice.",
      columns: ["contender", "CPU, ms", "x served", "spread", "target", "verdict"],
      rows: Array.from(samples, ([name, micros]) => {
        const times = ratios(samples, name, served)
        return [
          name,
          round(median(micros) / 1000, 0),
          round(median(times)),
          spread(times),
          ...(name === recovered ? ["<= 1.1", atMost(median(times), 1.1)] : ["", ""])
        ]
      })
    }
  } finally {
    server.close()
  }
}

const aloneTable = async (quick: boolean): Promise<Table> => {
  const rows: Array<ReadonlyArray<string>> = []
  for (const [concurrency, limit] of [[1, 1], [64, 2]] as const) {
    progress(`  the bearer layer alone, ${concurrency} at a time`)
    const requests = quick ? 3_200 : 16_000
    const argument = { concurrency, requests, rounds: quick ? 5 : 21 }
    const samples = await inChild<Samples>("refused", "measureAlone", argument)
    for (const [name, micros] of Object.entries(samples)) {
      const above = micros.map((sample, index) => sample - samples[constant]![index]!)
      rows.push([
        String(concurrency),
        name,
        round(median(micros)),
        name === constant ? "" : round(median(above)),
        name === constant ? "" : spread(above),
        ...(name === bearer ? [`<= ${limit}`, atMost(median(above), limit)] : ["", ""])
      ])
    }
  }
  return {
    caption: "The bearer layer alone: the transport answers from memory, tracing is off. CPU per request.",
    columns: ["at a time", "contender", "µs", "above, µs", "spread", "target", "verdict"],
    rows
  }
}

export const bearerAlone: Row = {
  id: "3a",
  title: "The bearer layer alone",
  run: async ({ quick }) => [await aloneTable(quick)]
}

export const refused: Row = {
  id: "3c",
  title: "Requests refused with a 401 and recovered",
  run: async ({ quick }) => [await refusedTable(quick)]
}
