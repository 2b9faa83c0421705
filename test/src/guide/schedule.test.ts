import { assert, it } from "@effect/vitest"
import { Arbitraries } from "@effect-bearer/testing"
import { Duration, Effect, Option, Random } from "effect"
import type { TokenError } from "effect-bearer"
import { RetryPolicy } from "effect-bearer"

const policy = RetryPolicy.exponentialJitter({
  base: "200 millis",
  cap: "5 seconds",
  maxRetries: 6,
  maxElapsed: "1 minute"
})

/** The waits between attempts that fail with these errors, in milliseconds. Nothing sleeps. */
const waitsOf = (errors: ReadonlyArray<TokenError.Transient>, seed: string): ReadonlyArray<number> =>
  RetryPolicy.delays(policy, errors).pipe(
    Effect.map((waits) => waits.map(Duration.toMillis)),
    Effect.withRandom(Random.make(seed)), // the same seed, the same jitter
    Effect.runSync
  )

const retryAfterOf = (error: TokenError.Transient | undefined): number =>
  error !== undefined && "retryAfter" in error
    ? Option.match(error.retryAfter, { onNone: () => 0, onSome: Duration.toMillis })
    : 0

// `it.prop` and `runSync`, not `it.effect.prop`: that makes a TestClock for each run, and there is no time here
it.prop(
  "the waits are within their bounds, whatever the attempts fail with",
  { errors: Arbitraries.transients, seed: Arbitraries.seed },
  ({ errors, seed }) => {
    const waits = waitsOf(errors, seed)
    assert.isAtMost(waits.length, 6)
    assert.isAtMost(waits.reduce((total, wait) => total + wait, 0), 60_000)
    for (const [index, wait] of waits.entries()) {
      const asked = retryAfterOf(errors[index])
      assert.isAtLeast(wait, asked)
      if (asked === 0) assert.isAtMost(wait, 5_000)
    }
    assert.deepStrictEqual(waits, waitsOf(errors, seed))
  },
  { fastCheck: { numRuns: 500 } }
)
