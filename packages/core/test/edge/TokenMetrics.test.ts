import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Metric, TestClock } from "effect"
import { TokenMetrics, TokenRequest, TokenSource } from "../../src/index.js"
import { Scripted } from "../support/scripted.js"

class Billing extends TokenSource.Tag("Billing")<Billing>() {}

/** The source behind a tag, whose tokens live so many milliseconds. */
const living = (lifetime: number) => {
  const scripted = new Scripted()
  scripted.lifetime = lifetime
  return Effect.flatMap(scripted.source, TokenSource.cached({ ahead: 0 }))
}

/** The order of labels tells two metrics apart. */
const valueOf = (labels: Readonly<Record<string, string>>) =>
  Effect.map(
    Metric.value(
      Object.entries({ ...labels, request: TokenRequest.hash(TokenRequest.empty) })
        .reduce((metric, [name, value]) => Metric.tagged(metric, name, value), TokenMetrics.secondsToExpiry)
    ),
    ({ value }) => value
  )

describe("TokenMetrics.layer", () => {
  it.scoped("observes the source of the tag that it is given, and names it in a label", () =>
    Effect.gen(function*() {
      const sources = Layer.mergeAll(
        Layer.scoped(TokenSource.TokenSource, living(60_000)),
        Billing.layerFrom(living(600_000))
      )
      const context = yield* Layer.build(
        Layer.mergeAll(
          TokenMetrics.layer({ every: "1 second" }),
          TokenMetrics.layer({ source: Billing, every: "1 second" })
        ).pipe(Layer.provideMerge(sources))
      )
      yield* Context.get(context, TokenSource.TokenSource).get()
      yield* Context.get(context, Billing).get()
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* valueOf({ test: "two sources" }), 50)
      assert.strictEqual(yield* valueOf({ test: "two sources", source: "Billing" }), 590)
    }).pipe(Effect.tagMetrics("test", "two sources")))

  it.scoped("takes the default source under its own name as well, without a label", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(
        TokenMetrics.layer({ source: TokenSource.TokenSource, every: "1 second" }).pipe(
          Layer.provideMerge(Layer.scoped(TokenSource.TokenSource, living(60_000)))
        )
      )
      yield* Context.get(context, TokenSource.TokenSource).get()
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* valueOf({ test: "by name" }), 50)
    }).pipe(Effect.tagMetrics("test", "by name")))
})
