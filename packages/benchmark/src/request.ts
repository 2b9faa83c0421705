/**
 * Row 3b: what a token adds to an authenticated request over loopback, in CPU time of the client's process, compared
 * with the same client that sends a constant header.
 */
import {
  createDefaultHttpClient,
  createEmptyPipeline,
  createPipelineRequest,
  type PipelinePolicy
} from "@azure/core-rest-pipeline"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as BearerAuth from "effect-bearer/BearerAuth"
import { gaxios, OAuth2Client as GoogleClient } from "google-auth-library"
import type { Token } from "./contenders.js"
import { azurePolicy, badgateway, cachedSource, effectCache, inProcess } from "./contenders.js"
import type { Row } from "./harness.js"
import { atMost, inChild, interleave, median, progress, quantile, ratios, round } from "./harness.js"
import { start } from "./server.js"

type Family = "effect" | "azure" | "fetch" | "google"

type Argument = {
  readonly family: Family
  readonly origin: string
  readonly concurrency: number
  readonly requests: number
  readonly rounds: number
}

/** Microseconds of CPU per request, by contender and round. */
type Measured = { readonly [contender: string]: ReadonlyArray<number> }

/** Sends so many requests, so many at a time. */
type Load = (concurrency: number, requests: number) => Promise<unknown>

const baseline = "constant header"

const again = "constant header again: what noise looks like"

const value = "token.1.1893456000000.of-a-usual-length-for-an-opaque-bearer-token"

const mint = async (): Promise<Token> => ({ value, issuedAt: Date.now(), lifetime: 3_600_000 })

const promises = (one: () => Promise<unknown>): Load => (concurrency, requests) =>
  Promise.all(Array.from({ length: concurrency }, async () => {
    for (let i = 0; i < requests / concurrency; i++) await one()
  }))

const ofEffect = async (origin: string): Promise<Readonly<Record<string, Load>>> => {
  const client = await inProcess(
    Effect.provide(HttpClient.HttpClient, NodeHttpClient.layerUndiciWithoutDispatcher).pipe(
      Effect.provideServiceEffect(NodeHttpClient.Dispatcher, NodeHttpClient.makeDispatcher)
    )
  )
  const request = HttpClientRequest.get(`${origin}/api`)
  const load = <E>(client: HttpClient.HttpClient.With<E>): Load => {
    const one = Effect.flatMap(client.execute(request), (response) => response.text)
    return (concurrency, requests) => {
      const some = Effect.gen(function*() {
        for (let i = 0; i < requests / concurrency; i++) yield* one
      })
      return Effect.runPromise(
        Effect.all(Array.from({ length: concurrency }, () => some), { concurrency: "unbounded", discard: true })
      )
    }
  }
  const source = await cachedSource(mint, {})
  const cache = await effectCache((_: string) => Effect.promise(mint))
  const constant = HttpClientRequest.setHeader("authorization", `Bearer ${value}`)
  return {
    [baseline]: load(HttpClient.mapRequest(client, constant)),
    [again]: load(HttpClient.mapRequest(client, constant)),
    "effect-bearer, withBearer": load(BearerAuth.withBearer(client, source, { origins: [origin] })),
    "mapRequestEffect over Effect Cache": load(
      HttpClient.mapRequestEffect(
        client,
        (request) => Effect.map(cache.get("token"), ({ value }) => HttpClientRequest.bearerToken(request, value))
      )
    )
  }
}

/** Azure's policy refuses plain http: it is shown https, and the last policy before the wire turns that into http. */
const ofAzure = async (origin: string): Promise<Readonly<Record<string, Load>>> => {
  const client = createDefaultHttpClient()
  const insecure: PipelinePolicy = {
    name: "insecure",
    sendRequest: (request, next) => {
      request.url = `${origin}/api`
      request.allowInsecureConnection = true
      return next(request)
    }
  }
  const load = (authorize: PipelinePolicy): Load => {
    const pipeline = createEmptyPipeline()
    pipeline.addPolicy(authorize)
    pipeline.addPolicy(insecure, { afterPolicies: [authorize.name] })
    return promises(() => pipeline.sendRequest(client, createPipelineRequest({ url: "https://loopback/api" })))
  }
  const constant: PipelinePolicy = {
    name: "constant",
    sendRequest: (request, next) => {
      request.headers.set("authorization", `Bearer ${value}`)
      return next(request)
    }
  }
  return { [baseline]: load(constant), "Azure, policy": load(azurePolicy(mint)) }
}

const ofFetch = async (origin: string): Promise<Readonly<Record<string, Load>>> => {
  const url = `${origin}/api`
  const authorized = badgateway(`${origin}/token`, await mint())
  return {
    [baseline]: promises(async () => (await fetch(url, { headers: { authorization: `Bearer ${value}` } })).text()),
    "badgateway, OAuth2Fetch": promises(async () => (await authorized.fetch(url)).text())
  }
}

const ofGoogle = async (origin: string): Promise<Readonly<Record<string, Load>>> => {
  const url = `${origin}/api`
  const plain = new gaxios.Gaxios()
  const authorized = new GoogleClient()
  authorized.setCredentials({ access_token: value, expiry_date: Date.now() + 3_600_000 })
  return {
    [baseline]: promises(() => plain.request({ url, headers: { authorization: `Bearer ${value}` } })),
    "google, OAuth2Client.request": promises(() => authorized.request({ url }))
  }
}

const families: Readonly<Record<Family, (origin: string) => Promise<Readonly<Record<string, Load>>>>> = {
  effect: ofEffect,
  azure: ofAzure,
  fetch: ofFetch,
  google: ofGoogle
}

/** Runs in a process of its own. */
export const measure = async (
  { concurrency, family, origin, requests, rounds }: Argument
): Promise<Measured> => {
  const loads = await families[family](origin)
  const cpu = (load: Load) => async () => {
    const before = process.cpuUsage()
    await load(concurrency, requests)
    const { system, user } = process.cpuUsage(before)
    return (user + system) / requests
  }
  const samples = await interleave(
    Object.fromEntries(Object.entries(loads).map(([name, load]) => [name, cpu(load)])),
    { rounds, warmup: 3 }
  )
  return Object.fromEntries(samples)
}

export const request: Row = {
  id: "3b",
  title: "An authenticated request over loopback: CPU above a constant header",
  run: async ({ quick }) => {
    const server = await start()
    const clients: ReadonlyArray<readonly [Family, string]> = [
      ["effect", "HttpClient, layerUndici"],
      ["azure", "Azure core-rest-pipeline"],
      ["fetch", "fetch"],
      ["google", "gaxios"]
    ]
    try {
      const tables = []
      for (const [concurrency, limit] of [[1, 1.5], [64, 2]] as const) {
        const rows: Array<ReadonlyArray<string>> = []
        for (const [family, client] of clients) {
          progress(`  ${client}, ${concurrency} at a time`)
          // A batch spans a good many collections: with one or two in it, the median would tell how many there were.
          const requests = (quick ? 320 : 3_200) * (concurrency === 1 ? 1 : 2)
          const argument: Argument = {
            family,
            origin: server.origin,
            concurrency,
            requests,
            rounds: quick ? 7 : family === "effect" ? 31 : 11
          }
          const samples = new Map(Object.entries(await inChild<Measured>("request", "measure", argument)))
          for (const [name, micros] of samples) {
            const above = ratios(samples, name, baseline).map((ratio) => (ratio - 1) * 100)
            const ours = name.startsWith("effect-bearer")
            rows.push([
              client,
              name,
              round(median(micros), 1),
              name === baseline ? "" : `${round(median(above), 1)} %`,
              name === baseline ? "" : `${round(quantile(above, 0.25), 1)}–${round(quantile(above, 0.75), 1)} %`,
              ours ? `<= +${limit} %` : "",
              ours ? atMost(median(above), limit, 1) : ""
            ])
          }
        }
        tables.push({
          caption: `${concurrency} at a time; above: the median over rounds of the ratio within a round.`,
          columns: ["client", "contender", "CPU per request, µs", "above", "spread", "target", "verdict"],
          rows
        })
      }
      return tables
    } finally {
      server.close()
    }
  }
}
