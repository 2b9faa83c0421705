/**
 * Property-testing a retry schedule of your own.
 *
 * A schedule is easy to write and hard to check by looking: is every wait within its bounds? Does the server's
 * `Retry-After` win? Does it ever stop? `RetryPolicy.delays` answers by computing the waits a schedule *would* make for
 * a list of errors. Nothing sleeps, so FastCheck can try hundreds of lists and seeds in about a second.
 *
 * Run it with `npx tsx src/property-testing-schedules.ts`.
 */
import { Console, Duration, Effect, FastCheck, Option, Random, Schedule } from "effect"
import { RetryPolicy, TokenError } from "effect-bearer"

// ---------------------------------------------------------------------------------------------------------------
// The schedule under test
// ---------------------------------------------------------------------------------------------------------------

// Nothing of it comes from effect-bearer: Fibonacci waits, spread by 20 %, five retries at most, two minutes at most.
const longestWait = 10_000
const maxRetries = 5
const budget = 120_000

const schedule = Schedule.fibonacci("300 millis").pipe(
  Schedule.jittered, // ± 20 %
  // the cap comes after the jitter, or the jitter leads above it
  Schedule.modifyDelay((_, wait) => Duration.min(wait, longestWait)),
  Schedule.intersect(Schedule.recurs(maxRetries)),
  Schedule.upTo(budget)
)

// The schedule knows nothing of Retry-After. `fromSchedule` teaches it, so that it can be given to `Effect.retry`.
// (`RetryPolicy.retry` would do the same with the bare schedule.)
const policy = RetryPolicy.fromSchedule(schedule)

// ---------------------------------------------------------------------------------------------------------------
// What it may meet
// ---------------------------------------------------------------------------------------------------------------

// An error that may carry a Retry-After of up to a minute. `@effect-bearer/testing` has ready-made `Arbitraries` of
// every error of the library; this one shows that they are plain FastCheck.
const unavailable = FastCheck.record({
  status: FastCheck.constantFrom(429, 502, 503),
  retryAfter: FastCheck.option(FastCheck.integer({ min: 0, max: 60_000 }), { nil: undefined })
}).map(({ retryAfter, status }) =>
  new TokenError.EndpointUnavailable({
    endpoint: "https://login.example.com/oauth/token",
    status,
    retryAfter: Option.map(Option.fromNullable(retryAfter), Duration.millis),
    description: Option.none()
  })
)

// One run: what every attempt fails with, and the seed of the jitter.
const run = {
  errors: FastCheck.array(unavailable, { minLength: 1, maxLength: 12 }),
  seed: FastCheck.string()
}

/** The waits in milliseconds. The same seed gives the same jitter: a counterexample can be run again. */
const waitsOf = (errors: ReadonlyArray<TokenError.EndpointUnavailable>, seed: string): ReadonlyArray<number> =>
  RetryPolicy.delays(policy, errors).pipe(
    Effect.map((waits) => waits.map(Duration.toMillis)),
    Effect.withRandom(Random.make(seed)),
    Effect.runSync
  )

const retryAfterOf = (error: TokenError.EndpointUnavailable | undefined): number =>
  Option.match(error?.retryAfter ?? Option.none(), { onNone: () => 0, onSome: Duration.toMillis })

// ---------------------------------------------------------------------------------------------------------------
// What must hold
// ---------------------------------------------------------------------------------------------------------------

const properties: Record<
  string,
  (waits: ReadonlyArray<number>, errors: ReadonlyArray<TokenError.Transient>) => boolean
> = {
  "no wait is shorter than Retry-After": (waits, errors) =>
    waits.every((wait, n) => wait >= retryAfterOf(errors[n] as TokenError.EndpointUnavailable)),

  "no wait is longer than the cap, unless the server asked for it": (waits, errors) =>
    waits.every((wait, n) => wait <= Math.max(longestWait, retryAfterOf(errors[n] as TokenError.EndpointUnavailable))),

  "it gives up after five retries": (waits) => waits.length <= maxRetries,

  // `upTo` looks at the time *before* it waits, so the last wait may lead beyond the budget. Written as
  // `total <= budget` this property fails, and FastCheck finds out: exponentialJitter's `maxElapsed` is strict.
  "no wait begins after the budget is spent": (waits) => waits.slice(0, -1).reduce((a, b) => a + b, 0) <= budget
}

const check = (name: string, holds: (typeof properties)[string]): boolean => {
  const outcome = FastCheck.check(
    FastCheck.property(FastCheck.record(run), ({ errors, seed }) => holds(waitsOf(errors, seed), errors)),
    { numRuns: 300 }
  )
  const counterexample = outcome.counterexample?.[0]
  Effect.runSync(Console.log(
    counterexample === undefined
      ? `ok      ${name} (${outcome.numRuns} runs)`
      : `FAILED  ${name}: the waits are ${waitsOf(counterexample.errors, counterexample.seed).join(", ")} ms for ` +
        `Retry-After ${counterexample.errors.map(retryAfterOf).join(", ")} ms and seed "${counterexample.seed}"`
  ))
  return !outcome.failed
}

const results = Object.entries(properties).map(([name, holds]) => check(name, holds))
if (results.includes(false)) process.exitCode = 1
