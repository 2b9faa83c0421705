/**
 * Row 1: a token that is cached, asked for again and again by one fiber (or one async function, for the peers).
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TokenRequest from "effect-bearer/TokenRequest"
import { OAuth2Client as GoogleClient } from "google-auth-library"
import type { Token } from "./contenders.js"
import { azureGet, azurePolicy, badgateway, cachedSource, effectCache } from "./contenders.js"
import type { Row } from "./harness.js"
import { atMost, interleave, median, ratios, round, spread, timed, timedAsync } from "./harness.js"

const baseline = "plain variable and Date.now()"

const lifetime = 3_600_000

const mint = async (): Promise<Token> => ({ value: "token", issuedAt: Date.now(), lifetime })

/** Where results go, so that no loop is empty. */
export let sink: unknown

/** A caller that asks for other than the default writes its request once, as a constant. */
const options = { scopes: ["users:read", "analytics:read"], audience: "https://api.example.com" }
const given = TokenRequest.make(options)

/** Requests with parameters are normalised at each call. */
const others = { ...options, parameters: { tenant: "north" } }

const targets: Readonly<Record<string, number>> = {
  "effect-bearer, default request": 8,
  "effect-bearer, a given TokenRequest": 10,
  "effect-bearer, a TokenRequest made per call": 40,
  "effect-bearer, the same with a parameter": 80
}

export const cachedSequential: Row = {
  id: "1",
  title: "A cached token, sequential, in one fiber",
  run: async ({ quick }) => {
    const operations = quick ? 20_000 : 100_000
    const source = await cachedSource(mint, {})
    const cache = await effectCache((_: string) => Effect.promise(mint))
    const stored = { token: "token", exit: Exit.succeed("token"), until: Date.now() + lifetime }
    const limit = Clock.clockWith((clock) =>
      clock.unsafeCurrentTimeMillis() < stored.until ? stored.exit : Effect.never
    )
    const google = new GoogleClient()
    google.setCredentials({ access_token: "token", expiry_date: Date.now() + lifetime })
    const azure = azureGet(azurePolicy(mint))
    const fetcher = badgateway("http://127.0.0.1/token", await mint())
    await Effect.runPromise(
      Effect.all([source.get(), source.get(given), source.get(TokenRequest.make(others)), cache.get("token")])
    )

    const inFiber = (get: () => Effect.Effect<unknown>) => {
      const loop = Effect.gen(function*() {
        for (let i = 0; i < operations; i++) sink = yield* get()
      })
      return () => timed(operations, () => Effect.runSync(loop))
    }
    const awaited = (get: () => Promise<unknown>) => () =>
      timedAsync(operations, async () => {
        for (let i = 0; i < operations; i++) sink = await get()
      })

    const samples = await interleave({
      [baseline]: () =>
        timed(operations, () => {
          for (let i = 0; i < operations; i++) sink = Date.now() < stored.until ? stored.token : undefined
        }),
      "limit: the fiber's Clock and a stored Exit": inFiber(() => limit),
      "effect-bearer, default request": inFiber(() => source.get()),
      "effect-bearer, a given TokenRequest": inFiber(() => source.get(given)),
      "effect-bearer, a TokenRequest made per call": inFiber(() => source.get(TokenRequest.make(options))),
      "effect-bearer, the same with a parameter": inFiber(() => source.get(TokenRequest.make(others))),
      "Effect Cache": inFiber(() => cache.get("token")),
      "google, getAccessToken": awaited(() => google.getAccessToken()),
      "Azure, policy": awaited(azure),
      "badgateway, getAccessToken": awaited(() => fetcher.getAccessToken())
    }, { rounds: quick ? 5 : 21, warmup: quick ? 2 : 4 })
    return [{
      caption: `${operations} gets per round, ${samples.get(baseline)!.length} rounds; spread is the middle half.`,
      columns: ["contender", "ns per get", "x plain", "spread", "target", "verdict"],
      rows: Array.from(samples, ([name, nanos]) => {
        const ratio = ratios(samples, name, baseline)
        const target = targets[name]
        return [
          name,
          round(median(nanos), 0),
          round(median(ratio), 1),
          spread(ratio, 1),
          target === undefined ? "" : `<= ${target}`,
          target === undefined ? "" : atMost(median(ratio), target, 1)
        ]
      })
    }]
  }
}
