/**
 * Row 2: a cached token from the world of promises, one `Effect.runPromise` per call.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Token } from "./contenders.js"
import { cachedSource, effectCache } from "./contenders.js"
import type { Row } from "./harness.js"
import { atMost, interleave, median, ratios, round, spread, timedAsync } from "./harness.js"

const baseline = "runPromise(Effect.succeed(token))"
const ours = "effect-bearer, runPromise(source.get())"
const target = 1.05

const mint = async (): Promise<Token> => ({ value: "token", issuedAt: Date.now(), lifetime: 3_600_000 })

export const runPromise: Row = {
  id: "2",
  title: "A cached token through Effect.runPromise, per call",
  run: async ({ quick }) => {
    const operations = quick ? 2_000 : 10_000
    const source = await cachedSource(mint, {})
    const cache = await effectCache((_: string) => Effect.promise(mint))
    const token = await Effect.runPromise(source.get())
    await Effect.runPromise(cache.get("token"))
    const stored = { exit: Exit.succeed(token), until: Date.now() + 3_600_000 }
    const limit = Clock.clockWith((clock) =>
      clock.unsafeCurrentTimeMillis() < stored.until ? stored.exit : Effect.never
    )

    const each = (get: () => Effect.Effect<unknown>) => () =>
      timedAsync(operations, async () => {
        for (let i = 0; i < operations; i++) await Effect.runPromise(get())
      })

    const samples = await interleave({
      [baseline]: each(() => Effect.succeed(token)),
      "the same again: what noise looks like": each(() => Effect.succeed(token)),
      "limit: the fiber's Clock and a stored Exit": each(() => limit),
      [ours]: each(() => source.get()),
      "Effect Cache": each(() => cache.get("token"))
    }, { rounds: quick ? 9 : 61, warmup: quick ? 2 : 5 })

    return [{
      caption: `${operations} calls per round, ${samples.get(baseline)!.length} rounds; spread is the middle half.`,
      columns: ["contender", "ns per call", "x succeed", "spread", "target", "verdict"],
      rows: Array.from(samples, ([name, nanos]) => {
        const ratio = ratios(samples, name, baseline)
        return [
          name,
          round(median(nanos), 0),
          round(median(ratio)),
          spread(ratio),
          name === ours ? `<= ${target}` : "",
          name === ours ? atMost(median(ratio), target) : ""
        ]
      })
    }]
  }
}
