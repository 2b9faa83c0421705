/**
 * Row 7: one hundred thousand cached keys.
 */
import type { PipelinePolicy } from "@azure/core-rest-pipeline"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as AccessToken from "effect-bearer/AccessToken"
import * as TokenRequest from "effect-bearer/TokenRequest"
import { OAuth2Client as GoogleClient } from "google-auth-library"
import { LRUCache } from "lru-cache"
import type { Token } from "./contenders.js"
import { azureGet, azurePolicy, cachedSource, effectCache } from "./contenders.js"
import type { Row } from "./harness.js"
import {
  allMet,
  atMost,
  inChild,
  interleave,
  median,
  progress,
  ratios,
  round,
  settledMemory,
  timed,
  timedAsync
} from "./harness.js"

const lifetime = 3_600_000

type Name =
  | "Map"
  | "effect-bearer"
  | "Map of AccessTokens"
  | "Effect Cache, string key"
  | "Effect Cache, TokenRequest key"
  | "lru-cache"
  | "Azure, a policy per key"
  | "google, a client per key"

type Measured = {
  /** Bytes per entry, strings and request objects not counted: they are there before. */
  readonly bytes: number
  /** Nanoseconds per get, keys in the order in which they were put in. */
  readonly inOrder: number
  /** The same with keys in random order: what memory adds. */
  readonly shuffled: number
  /** Both, in units of a Map in the same process and round. */
  readonly inOrderRatio: number
  readonly shuffledRatio: number
}

type Argument = { readonly name: Name; readonly keys: number; readonly rounds: number }

/** The callers' own: they exist before the first measurement. */
interface Corpus {
  readonly keys: ReadonlyArray<string>
  readonly requests: ReadonlyArray<TokenRequest.TokenRequest>
  readonly values: ReadonlyArray<string>
  readonly issuedAt: number
}

const corpusOf = (count: number): Corpus => {
  const tenant = (index: number) => `tenant-${index.toString().padStart(6, "0")}`
  const requests = Array.from({ length: count }, (_, index) => TokenRequest.make({ audience: tenant(index) }))
  return {
    requests,
    keys: requests.map(({ key }) => key),
    values: Array.from({ length: count }, (_, index) => Buffer.from(`token of ${tenant(index)}`).toString("hex")),
    issuedAt: Date.now()
  }
}

/** Fills; gives what runs the gets in the given order and says how many nanoseconds each took. */
type Fill = (corpus: Corpus) => Promise<(order: ReadonlyArray<number>) => number | Promise<number>>

/** Where results go, so that no loop is empty. */
export let sink: unknown

const fillMap: Fill = async ({ issuedAt, keys, values }) => {
  const map = new Map<string, { readonly value: string; readonly expiresAt: number }>()
  keys.forEach((key, index) => map.set(key, { value: values[index]!, expiresAt: issuedAt + lifetime }))
  return (order) =>
    timed(order.length, () => {
      for (const index of order) {
        const entry = map.get(keys[index]!)!
        sink = Date.now() < entry.expiresAt ? entry.value : undefined
      }
    })
}

const inFiber = (order: ReadonlyArray<number>, get: (index: number) => Effect.Effect<unknown>) => {
  const loop = Effect.gen(function*() {
    for (const index of order) sink = yield* get(index)
  })
  return timed(order.length, () => Effect.runSync(loop))
}

const fills: Readonly<Record<Name, Fill>> = {
  "Map": fillMap,
  "effect-bearer": async ({ issuedAt, requests, values }) => {
    let next = 0
    const mint = async (): Promise<Token> => ({ value: values[next++]!, issuedAt, lifetime })
    const source = await cachedSource(mint, { capacity: 200_000 })
    await Effect.runPromise(Effect.forEach(requests, (request) => source.get(request), { discard: true }))
    return (order) => inFiber(order, (index) => source.get(requests[index]!))
  },
  "Map of AccessTokens": async ({ issuedAt, keys, values }) => {
    const map = new Map<string, AccessToken.AccessToken>()
    keys.forEach((key, index) =>
      map.set(key, AccessToken.make({ value: values[index]!, issuedAt, expiresAt: issuedAt + lifetime }))
    )
    return (order) =>
      timed(order.length, () => {
        for (const index of order) {
          const token = map.get(keys[index]!)!
          sink = Option.isSome(token.expiresAt) && Date.now() < token.expiresAt.value ? token : undefined
        }
      })
  },
  "Effect Cache, string key": async ({ issuedAt, keys, values }) => {
    let next = 0
    const cache = await effectCache((_: string) =>
      Effect.sync((): Token => ({ value: values[next++]!, issuedAt, lifetime }))
    )
    await Effect.runPromise(Effect.forEach(keys, (key) => cache.get(key), { discard: true }))
    return (order) => inFiber(order, (index) => cache.get(keys[index]!))
  },
  "Effect Cache, TokenRequest key": async ({ issuedAt, requests, values }) => {
    let next = 0
    const cache = await effectCache((_: TokenRequest.TokenRequest) =>
      Effect.sync((): Token => ({ value: values[next++]!, issuedAt, lifetime }))
    )
    await Effect.runPromise(Effect.forEach(requests, (request) => cache.get(request), { discard: true }))
    return (order) => inFiber(order, (index) => cache.get(requests[index]!))
  },
  "lru-cache": async ({ keys, values }) => {
    const cache = new LRUCache<string, string>({ max: 200_000, ttl: lifetime })
    keys.forEach((key, index) => cache.set(key, values[index]!))
    return (order) =>
      timed(order.length, () => {
        for (const index of order) sink = cache.get(keys[index]!)
      })
  },
  "Azure, a policy per key": async ({ issuedAt, keys, values }) => {
    const gets = new Map<string, () => Promise<string>>()
    for (const [index, key] of keys.entries()) {
      const policy: PipelinePolicy = azurePolicy(async () => ({
        value: values[index]!,
        issuedAt,
        lifetime
      }))
      const get = azureGet(policy)
      gets.set(key, get)
      await get()
    }
    return (order) =>
      timedAsync(order.length, async () => {
        for (const index of order) sink = await gets.get(keys[index]!)!()
      })
  },
  "google, a client per key": async ({ issuedAt, keys, values }) => {
    const clients = new Map<string, GoogleClient>()
    for (const [index, key] of keys.entries()) {
      const client = new GoogleClient()
      client.setCredentials({ access_token: values[index]!, expiry_date: issuedAt + lifetime })
      clients.set(key, client)
    }
    return (order) =>
      timedAsync(order.length, async () => {
        for (const index of order) sink = await clients.get(keys[index]!)!.getAccessToken()
      })
  }
}

/** The same order for everybody: a fixed linear congruential shuffle. */
const shuffled = (count: number): Array<number> => {
  const order = Array.from({ length: count }, (_, index) => index)
  let state = 1
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const j = state % (i + 1)
    const swap = order[i]!
    order[i] = order[j]!
    order[j] = swap
  }
  return order
}

/** Runs in a process of its own. */
export const measure = async ({ keys, name, rounds }: Argument): Promise<Measured> => {
  // What is loaded and compiled on first use is not part of an entry.
  await fills[name](corpusOf(100))
  const corpus = corpusOf(keys)
  const before = await settledMemory()
  const run = await fills[name](corpus)
  const after = await settledMemory()
  const mapRun = await fillMap(corpus)
  const inOrder = Array.from(corpus.keys.keys())
  const random = shuffled(keys)
  const samples = await interleave({
    mapInOrder: () => mapRun(inOrder),
    ownInOrder: () => run(inOrder),
    mapShuffled: () => mapRun(random),
    ownShuffled: () => run(random)
  }, { rounds, warmup: 3 })
  return {
    bytes: (after - before) / keys,
    inOrder: median(samples.get("ownInOrder")!),
    shuffled: median(samples.get("ownShuffled")!),
    inOrderRatio: median(ratios(samples, "ownInOrder", "mapInOrder")),
    shuffledRatio: median(ratios(samples, "ownShuffled", "mapShuffled"))
  }
}

export const manyKeys: Row = {
  id: "7",
  title: "One hundred thousand cached keys",
  run: async ({ quick }) => {
    const keys = 100_000
    const rounds = quick ? 1 : 3
    const names = Object.keys(fills) as Array<Name>
    const results = new Map<Name, Array<Measured>>(names.map((name) => [name, []]))
    for (let index = 0; index < rounds; index++) {
      for (const name of names) {
        progress(`  ${name}, ${index + 1}/${rounds}`)
        const argument: Argument = { name, keys, rounds: quick ? 3 : 9 }
        results.get(name)!.push(await inChild<Measured>("manyKeys", "measure", argument))
      }
    }
    const of = (name: Name, field: keyof Measured) => median(results.get(name)!.map((each) => each[field]))
    const perMap = (name: Name) => of(name, "bytes") / of("Map", "bytes")
    return [{
      caption:
        `${keys} keys, ${rounds} ${rounds === 1 ? "process" : "processes"} each. Bytes: heap and typed arrays, ` +
        "without the strings and the request objects, which exist before. The Map compares with Date.now() as well.",
      columns: [
        "contender",
        "bytes per entry",
        "x Map",
        "get, ns",
        "x Map get",
        "random order, ns",
        "x Map get",
        "target",
        "verdict"
      ],
      rows: names.map((name) => [
        name,
        round(of(name, "bytes"), 0),
        round(perMap(name), 1),
        round(of(name, "inOrder"), 0),
        round(of(name, "inOrderRatio"), 1),
        round(of(name, "shuffled"), 0),
        round(of(name, "shuffledRatio"), 1),
        name === "effect-bearer" ? "<= 4.5; <= 5" : "",
        name === "effect-bearer"
          ? allMet({ bytes: atMost(perMap(name), 4.5, 1), get: atMost(of(name, "inOrderRatio"), 5, 1) })
          : ""
      ])
    }]
  }
}
