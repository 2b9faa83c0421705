import { assert, describe, it } from "@effect/vitest"
import {
  Array as Arr,
  Cause,
  Clock,
  Context,
  Data,
  Deferred,
  Duration,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  HashMap,
  Logger,
  Option,
  Random,
  Schedule,
  TestClock
} from "effect"
import * as Arbitraries from "../../../testing/src/Arbitraries.js"
import * as RetryPolicy from "../../src/lifecycle/RetryPolicy.js"
import * as TokenError from "../../src/values/TokenError.js"

const seeded = (seed: string) => Effect.withRandom(Random.make(seed))
const millis = (waits: ReadonlyArray<Duration.Duration>) => waits.map(Duration.toMillis)
const sum = (waits: ReadonlyArray<number>) => waits.reduce((total, wait) => total + wait, 0)
const retryAfterOf = (error: TokenError.Transient) => Option.getOrElse(TokenError.retryAfterMillis(error), () => 0)

const unavailable = (options?: { readonly status?: number; readonly retryAfter?: Duration.DurationInput }) =>
  new TokenError.EndpointUnavailable({
    endpoint: "https://login.example.com/token",
    status: options?.status ?? 503,
    retryAfter: Option.map(Option.fromNullable(options?.retryAfter), Duration.decode),
    description: Option.some("s3cr3t-in-description")
  })

const refused = new TokenError.OAuthError({
  endpoint: "https://login.example.com/token",
  error: "invalid_client",
  description: Option.none(),
  uri: Option.none(),
  status: 401,
  advice: Option.none()
})

const waits = (
  policy: Schedule.Schedule<unknown, TokenError.Transient>,
  errors: Iterable<TokenError.Transient>,
  seed = "seed"
) => Effect.map(RetryPolicy.delays(policy, errors), millis).pipe(seeded(seed), Effect.runSync)

const long = Array.from({ length: 40 }, () => unavailable())

/** Fails with each of `errors`, then succeeds; remembers when it was called. */
const failing = <E>(errors: ReadonlyArray<E>) => {
  const calls: Array<number> = []
  const effect = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const error = errors[calls.push(now) - 1]
    return error === undefined ? Effect.succeed("token") : Effect.fail(error)
  })
  return { calls, effect }
}

const settings = { options: Arbitraries.policyOptions, errors: Arbitraries.transients, seed: Arbitraries.seed }
const runs = { fastCheck: { numRuns: 1000 } }

describe("RetryPolicy.exponentialJitter", () => {
  // I6
  it.prop("never waits below Retry-After, nor above the cap without it", settings, ({ errors, options, seed }) => {
    for (const [index, wait] of waits(RetryPolicy.exponentialJitter(options), errors, seed).entries()) {
      const minimum = retryAfterOf(errors[index]!)
      assert.isTrue(Number.isInteger(wait))
      assert.isAtLeast(wait, minimum)
      assert.isAtMost(wait, 2 ** 31 - 1)
      // EDGES P10: after a Retry-After at most a tenth, or `base`, is added, and never more than the cap
      const added = Math.min(Math.max(minimum * 0.1, options.base), options.cap)
      assert.isAtMost(wait, Math.max(options.cap, minimum + added))
    }
  }, runs)

  // I6
  it.prop(
    "never makes more than maxRetries, nor waits longer than maxElapsed",
    settings,
    ({ errors, options, seed }) => {
      const made = waits(RetryPolicy.exponentialJitter(options), errors, seed)
      assert.isAtMost(made.length, options.maxRetries)
      assert.isAtMost(sum(made), options.maxElapsed)
    },
    runs
  )

  // I6
  it.prop("repeats exactly under a seed, and keeps no state between runs", settings, ({ errors, options, seed }) => {
    const policy = RetryPolicy.exponentialJitter(options)
    assert.deepStrictEqual(waits(policy, errors, seed), waits(policy, errors, seed))
  }, runs)

  // FAULTS D: the real time between two steps shortened what was left of maxElapsed
  it("delays do not depend on how long the machine takes for a step", () => {
    let moment = 0
    const clock: Clock.Clock = {
      ...Clock.make(),
      unsafeCurrentTimeMillis: () => moment += 400,
      unsafeCurrentTimeNanos: () => BigInt(moment += 400) * BigInt(1_000_000)
    }
    const policy = RetryPolicy.exponentialJitter({
      base: 100,
      factor: 1,
      jitter: "none",
      maxRetries: 9,
      maxElapsed: 1000
    })
    const delays = RetryPolicy.delays(policy, long).pipe(Effect.withClock(clock), Effect.runSync)
    assert.deepStrictEqual(millis(delays), Array.from({ length: 9 }, () => 100))
  })

  // I6
  it.prop("grows monotonically before jitter", { options: Arbitraries.policyOptions }, ({ options }) => {
    const made = waits(RetryPolicy.exponentialJitter({ ...options, jitter: "none", maxElapsed: Infinity }), long)
    assert.strictEqual(made.length, options.maxRetries)
    made.forEach((wait, n) => {
      assert.isAtLeast(wait, made[n - 1] ?? 0)
      assert.strictEqual(
        wait,
        options.base === 0 ? 0 : Math.floor(Math.min(options.cap, options.base * options.factor ** n))
      )
    })
  }, runs)

  // I6
  it.prop("keeps each form of jitter in its bounds", {
    base: FastCheck.integer({ min: 1, max: 5_000 }),
    cap: FastCheck.integer({ min: 1, max: 60_000 }),
    fraction: FastCheck.double({ min: 0, max: 1, noNaN: true }),
    seed: Arbitraries.seed
  }, ({ base, cap, fraction, seed }) => {
    const common = { base, cap, factor: 2, maxRetries: 12, maxElapsed: Infinity }
    const made = (jitter: RetryPolicy.Jitter) => waits(RetryPolicy.exponentialJitter({ ...common, jitter }), long, seed)
    const bare = made("none")
    const within = (jitter: RetryPolicy.Jitter, low: (d: number) => number, high: (d: number) => number) =>
      made(jitter).forEach((wait, n) => {
        assert.isAtLeast(wait, low(bare[n]!), String(jitter))
        assert.isAtMost(wait, Math.min(cap, high(bare[n]!)), String(jitter))
      })
    within("full", () => 0, (d) => d)
    within("equal", (d) => d / 2, (d) => d)
    within(fraction, (d) => Math.floor(d * (1 - fraction)), (d) => d * (1 + fraction))
    within("300 millis", (d) => d, (d) => d + 300)
    made("decorrelated").reduce((previous, wait) => {
      assert.isAtLeast(wait, Math.min(base, cap))
      assert.isAtMost(wait, Math.min(cap, Math.max(base, previous * 2)))
      return wait
    }, base)
  }, { fastCheck: { numRuns: 300 } })

  it("lets decorrelated waits grow from the previous one, up to the cap", () => {
    const policy = RetryPolicy.exponentialJitter({
      base: 100,
      cap: 2_000,
      factor: 3,
      jitter: "decorrelated",
      maxRetries: 20,
      maxElapsed: Infinity
    })
    const longest = Math.max(...Arr.makeBy(50, (n) => Math.max(...waits(policy, long, `${n}`))))
    assert.isAbove(longest, 1_500)
    assert.isAtMost(longest, 2_000)
  })

  // FAULTS B
  it("makes all its retries where neither the base nor the factor is usual", () => {
    for (const jitter of ["full", "equal", "decorrelated", "none"] as const) {
      for (const base of [0, 1]) {
        const options = { base, cap: 1_000, factor: Infinity, jitter, maxRetries: 5, maxElapsed: Infinity }
        const made = waits(RetryPolicy.exponentialJitter(options), long)
        assert.strictEqual(made.length, 5, `${jitter}, ${base} ms`)
        if (base === 0) assert.deepStrictEqual(made, [0, 0, 0, 0, 0], jitter)
      }
    }
  })

  it("spreads: the waits of many clients are not the same", () => {
    for (const jitter of ["full", "equal", "decorrelated", 0.1, "500 millis"] as const) {
      const policy = RetryPolicy.exponentialJitter({ base: "1 second", jitter })
      const first = Arr.makeBy(100, (n) => waits(policy, [unavailable()], `client ${n}`)[0]!)
      assert.isAbove(new Set(first).size, 50, jitter.toString())
    }
  })

  // EDGES P10, W3.36
  it("spreads the waits of many clients after a Retry-After", () => {
    for (const jitter of ["full", "equal", "decorrelated", 0.1, "500 millis"] as const) {
      const policy = RetryPolicy.exponentialJitter({ jitter })
      const first = Arr.makeBy(
        100,
        (n) => waits(policy, [unavailable({ retryAfter: "42 seconds" })], `client ${n}`)[0]!
      )
      assert.isTrue(first.every((wait) => wait >= 42_000 && wait <= 46_200))
      assert.isAbove(new Set(first).size, 50)
    }
    const exact = RetryPolicy.exponentialJitter({ jitter: "none" })
    assert.deepStrictEqual(waits(exact, [unavailable({ retryAfter: "42 seconds" })]), [42_000])
  })

  it("goes on growing while the server's Retry-After decides the waits", () => {
    const policy = RetryPolicy.exponentialJitter({ base: "1 second", jitter: "none", maxRetries: 5 })
    assert.deepStrictEqual(
      waits(policy, [unavailable(), unavailable({ retryAfter: "7 seconds" }), unavailable(), unavailable()]),
      [1_000, 7_000, 4_000, 8_000]
    )
  })

  // SPEC D4: never earlier than Retry-After; if that exceeds what is left, fail at once
  it("gives up at once when Retry-After exceeds the rest of maxElapsed", () => {
    const policy = RetryPolicy.exponentialJitter({ jitter: "none", base: "1 second", maxElapsed: "10 seconds" })
    assert.deepStrictEqual(waits(policy, [unavailable({ retryAfter: "11 seconds" })]), [])
    assert.deepStrictEqual(waits(policy, [unavailable({ retryAfter: "10 seconds" }), unavailable()]), [10_000])
    assert.deepStrictEqual(waits(policy, [unavailable(), unavailable({ retryAfter: "9500 millis" })]), [1_000])
  })

  it("does not give up because of the jitter after a Retry-After that fits", () => {
    const policy = RetryPolicy.exponentialJitter({ maxElapsed: "10 seconds" })
    for (let n = 0; n < 50; n++) {
      assert.deepStrictEqual(waits(policy, [unavailable({ retryAfter: "10 seconds" })], `${n}`), [10_000])
    }
  })

  // EDGES W3.38
  it("does not sleep for an absurd Retry-After, even without maxElapsed", () => {
    assert.deepStrictEqual(waits(RetryPolicy.exponentialJitter(), [unavailable({ retryAfter: "1 day" })]), [])
    const unlimited = RetryPolicy.exponentialJitter({ maxElapsed: Infinity, jitter: "none" })
    assert.deepStrictEqual(waits(unlimited, [unavailable({ retryAfter: "25 days" })]), [])
    assert.deepStrictEqual(waits(unlimited, [unavailable({ retryAfter: Infinity })]), [])
    assert.deepStrictEqual(waits(unlimited, [unavailable({ retryAfter: "1 hour" })]), [3_600_000])
  })

  it("stays finite for ever", () => {
    const policy = RetryPolicy.exponentialJitter({
      base: "1 second",
      cap: Infinity,
      factor: 10,
      jitter: "none",
      maxElapsed: Infinity,
      maxRetries: Infinity
    })
    const made = waits(policy, Array.from({ length: 2_000 }, () => unavailable()))
    assert.strictEqual(made.length, 2_000)
    assert.isTrue(made.every((wait) => wait <= 2 ** 31 - 1))
    assert.strictEqual(made.at(-1), 2 ** 31 - 1)
  })

  it("has the documented defaults", () => {
    const policy = RetryPolicy.exponentialJitter()
    for (let n = 0; n < 50; n++) {
      const made = waits(policy, long, `${n}`)
      assert.strictEqual(made.length, 3)
      made.forEach((wait, index) => assert.isAtMost(wait, 500 * 2 ** index))
    }
    assert.deepStrictEqual(waits(RetryPolicy.exponentialJitter({ jitter: "none" }), long), [500, 1_000, 2_000])
    assert.deepStrictEqual(
      waits(RetryPolicy.exponentialJitter({ jitter: "none", maxRetries: 100 }), long),
      [500, 1_000, 2_000, 4_000, 8_000, 16_000] // the next would be 30 s, beyond 60 s
    )
  })

  // SPEC A8: 0.5 s · 2^n plus up to 0.5 s
  it("can be the back-off of A8", () => {
    const policy = RetryPolicy.exponentialJitter({ base: "500 millis", jitter: "500 millis" })
    for (let seed = 0; seed < 100; seed++) {
      waits(policy, long, `${seed}`).forEach((wait, n) => {
        assert.isAtLeast(wait, 500 * 2 ** n)
        assert.isAtMost(wait, 500 * 2 ** n + 500)
      })
    }
  })

  // SPEC D4: 1 s, doubling, 10 % jitter, capped at 30 s
  it("can be the back-off of D4", () => {
    const policy = RetryPolicy.exponentialJitter({
      base: "1 second",
      jitter: 0.1,
      maxRetries: 8,
      maxElapsed: Infinity
    })
    for (let seed = 0; seed < 100; seed++) {
      waits(policy, long, `${seed}`).forEach((wait, n) => {
        const bare = Math.min(30_000, 1_000 * 2 ** n)
        assert.isAtLeast(wait, bare * 0.9)
        assert.isAtMost(wait, Math.min(30_000, bare * 1.1))
      })
    }
  })

  it("moves options into range and treats NaN as absent", () => {
    const made = (options: RetryPolicy.Options) =>
      waits(RetryPolicy.exponentialJitter({ jitter: "none", ...options }), long)
    assert.deepStrictEqual(made({ base: 0 }), [0, 0, 0])
    assert.deepStrictEqual(made({ base: -5 }), [0, 0, 0])
    assert.deepStrictEqual(made({ base: NaN, cap: NaN, factor: NaN, maxElapsed: NaN, maxRetries: NaN }), [
      500,
      1_000,
      2_000
    ])
    assert.deepStrictEqual(made({ factor: 0.5 }), [500, 500, 500])
    assert.deepStrictEqual(made({ factor: -2 }), [500, 500, 500])
    assert.deepStrictEqual(made({ cap: 0 }), [0, 0, 0])
    assert.deepStrictEqual(made({ cap: 100 }), [100, 100, 100])
    assert.deepStrictEqual(made({ maxRetries: -1 }), [])
    assert.deepStrictEqual(made({ maxRetries: 1.9 }), [500])
    assert.deepStrictEqual(made({ maxElapsed: 0 }), [])
    assert.deepStrictEqual(made({ jitter: NaN }), [500, 1_000, 2_000])
    assert.deepStrictEqual(made({ jitter: -1 }), [500, 1_000, 2_000])
    made({ jitter: 7 }).forEach((wait, n) => assert.isAtMost(wait, 1_000 * 2 ** n))
    // base 0 and a factor that overflows
    assert.deepStrictEqual(made({ base: 0, factor: 1e300 }), [0, 0, 0])
    const zero = waits(
      RetryPolicy.exponentialJitter({ base: 0, factor: 1e300, maxRetries: 40, jitter: "decorrelated" }),
      long
    )
    assert.isTrue(zero.every((wait) => wait === 0) && zero.length === 40)
  })

  it("is a schedule: combinators and Effect.retry work on it", () => {
    const policy = RetryPolicy.exponentialJitter({ jitter: "none" })
    assert.deepStrictEqual(waits(policy.pipe(Schedule.intersect(Schedule.recurs(1))), long), [500])
    assert.deepStrictEqual(waits(policy.pipe(Schedule.whileInput((error) => error._tag === "RateLimited")), long), [])
    const program = Effect.retry(
      Effect.fail(unavailable()),
      RetryPolicy.exponentialJitter({ base: 0, maxRetries: 2 })
    )
    assert.isTrue(Exit.isFailure(Effect.runSyncExit(program)))
  })

  it.effect("does not gain time from a clock that is set back", () =>
    Effect.gen(function*() {
      const policy = RetryPolicy.exponentialJitter({
        base: "4 seconds",
        factor: 1,
        jitter: "none",
        maxElapsed: "10 seconds"
      })
      let state: unknown = policy.initial
      const made: Array<number> = []
      for (const now of [100_000, 4_000, 0]) {
        const [next, wait] = yield* policy.step(now, unavailable(), state)
        made.push(Duration.toMillis(wait))
        state = next
      }
      assert.deepStrictEqual(made, [4_000, 4_000, 0])
    }))

  it.effect("counts the time that attempts take", () =>
    Effect.gen(function*() {
      let attempts = 0
      const slow = Effect.suspend(() => {
        attempts++
        return Effect.fail(unavailable())
      }).pipe(Effect.delay("8 seconds"))
      const policy = RetryPolicy.exponentialJitter({ jitter: "none", maxRetries: 10, maxElapsed: "10 seconds" })
      const fiber = yield* Effect.fork(Effect.flip(RetryPolicy.retry(slow, policy)))
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(fiber)
      // failures at 8 s, 16.5 s and 25.5 s: the last one, 17.5 s after the first, is beyond the 10 s
      assert.strictEqual(attempts, 3)
      assert.strictEqual(error.attempts, 3)
      assert.strictEqual(Duration.toMillis(error.elapsed), 25_500)
    }))
})

describe("RetryPolicy.fromSchedule", () => {
  it("lengthens waits to Retry-After", () => {
    const policy = RetryPolicy.fromSchedule(Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(3)))
    assert.deepStrictEqual(
      waits(policy, [unavailable(), unavailable({ retryAfter: "7 seconds" }), unavailable(), unavailable()]),
      [1_000, 7_000, 1_000]
    )
  })

  it("ends before a sleep that is too long for a timer", () => {
    // uncapped: 100 ms · 2^25 is more than 24.8 days
    assert.strictEqual(waits(Schedule.exponential("100 millis"), long).length, 25)
    assert.deepStrictEqual(waits(Schedule.spaced(Duration.infinity), long), [])
  })

  it("fromSchedule does not change a policy otherwise", () => {
    const policy = RetryPolicy.exponentialJitter({ maxRetries: 10 })
    assert.deepStrictEqual(waits(RetryPolicy.fromSchedule(policy), long), waits(policy, long))
  })
})

describe("RetryPolicy.delays", () => {
  it.effect("lets time advance by the waits alone, and does not sleep", () =>
    Effect.gen(function*() {
      const made = yield* RetryPolicy.delays(Schedule.spaced("1 minute").pipe(Schedule.upTo("5 minutes")), long)
      assert.deepStrictEqual(millis(made), [60_000, 60_000, 60_000, 60_000, 60_000])
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    }))

  it("is dual, and never longer than the list", () => {
    const policy = RetryPolicy.exponentialJitter({ jitter: "none" })
    assert.deepStrictEqual(millis(Effect.runSync(policy.pipe(RetryPolicy.delays([unavailable()])))), [500])
    assert.deepStrictEqual(waits(policy, []), [])
  })

  it.effect.prop("gives the same waits as retry", settings, ({ errors, options, seed }) =>
    Effect.gen(function*() {
      const policy = RetryPolicy.exponentialJitter(options)
      const foretold = millis(yield* RetryPolicy.delays(policy, errors).pipe(seeded(seed)))
      const observed: Array<number> = []
      const { calls, effect } = failing(errors)
      const fiber = yield* effect.pipe(
        RetryPolicy.retry(policy, {
          onRetry: ({ delay }) => Effect.sync(() => observed.push(Duration.toMillis(delay)))
        }),
        Effect.exit,
        seeded(seed),
        Effect.fork
      )
      // an adjustment of the clock for each is slow, so only a few are made
      yield* TestClock.adjust(sum(foretold))
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(observed, foretold)
      assert.deepStrictEqual(calls.slice(1).map((at, n) => at - calls[n]!), foretold)
    }), { fastCheck: { numRuns: 30 } })
})

describe("RetryPolicy.retry", () => {
  const policy = RetryPolicy.exponentialJitter({
    base: "1 second",
    jitter: "none",
    maxRetries: 3,
    maxElapsed: "1 minute"
  })

  it.effect("retries until it succeeds", () =>
    Effect.gen(function*() {
      const { calls, effect } = failing([unavailable(), unavailable()])
      const fiber = yield* Effect.fork(RetryPolicy.retry(effect, policy))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "token")
      assert.deepStrictEqual(calls, [0, 1_000, 3_000])
    }))

  // SPEC A6, D4
  it.effect("ends with one error that carries the last error", () =>
    Effect.gen(function*() {
      const errors = [unavailable(), unavailable({ status: 500 }), unavailable(), unavailable({ status: 502 })]
      const { calls, effect } = failing(errors)
      const fiber = yield* effect.pipe(RetryPolicy.retry(policy), Effect.flip, Effect.fork)
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(calls.length, 4)
      assert.strictEqual(error._tag, "RetriesExhausted")
      assert.strictEqual(error.attempts, 4)
      assert.strictEqual(error.last, errors[3])
      assert.strictEqual(Duration.toMillis(error.elapsed), 7_000)
      assert.isTrue(Option.isNone(error.retryAt))
    }))

  // SPEC D4
  it.effect("fails at once and says when to come back", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000_000)
      const { calls, effect } = failing([unavailable({ retryAfter: "2 minutes" })])
      const error = yield* Effect.flip(RetryPolicy.retry(effect, policy))
      assert.strictEqual(calls.length, 1)
      assert.strictEqual(error.attempts, 1)
      assert.deepStrictEqual(error.retryAt, Option.some(1_120_000))
      assert.include(error.message, "come back at 1970-01-01T00:18:40.000Z")
    }))

  it.effect("names no time to come back if Retry-After is infinite", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(RetryPolicy.retry(Effect.fail(unavailable({ retryAfter: Infinity })), policy))
      assert.isTrue(Option.isNone(error.retryAt))
    }))

  // I7
  it.effect.prop(
    "never retries a fatal error, at whatever attempt it comes",
    { before: FastCheck.array(Arbitraries.transient, { maxLength: 3 }), fatal: Arbitraries.fatal },
    ({ before, fatal }) =>
      Effect.gen(function*() {
        let seen = 0
        const eager = Schedule.forever.pipe(
          Schedule.tapInput((error: TokenError.Transient) =>
            Effect.sync(() => {
              seen++
              assert.isTrue(error.retryable)
            })
          )
        )
        // with a Retry-After the retry would sleep
        const quick = before.map((error) => retryAfterOf(error) > 0 ? unavailable() : error)
        const { calls, effect } = failing<TokenError.Transient | TokenError.Fatal>([...quick, fatal])
        const error = yield* Effect.flip(RetryPolicy.retry(effect, eager))
        assert.strictEqual(error, fatal)
        assert.strictEqual(calls.length, before.length + 1)
        assert.strictEqual(seen, before.length)
      }),
    { fastCheck: { numRuns: 300 } }
  )

  // I7
  it.effect("does not retry defects", () =>
    Effect.gen(function*() {
      let attempts = 0
      const buggy: Effect.Effect<string, TokenError.Transient> = Effect.suspend(() => {
        attempts++
        return Effect.die("bug")
      })
      const exit = yield* Effect.exit(RetryPolicy.retry(buggy, policy))
      assert.deepStrictEqual(exit, Exit.die("bug"))
      assert.strictEqual(attempts, 1)
    }))

  it.effect("can be interrupted while it waits, and while it tries", () =>
    Effect.gen(function*() {
      const { calls, effect } = failing([unavailable(), unavailable()])
      const waiting = yield* Effect.fork(RetryPolicy.retry(effect, policy))
      yield* TestClock.adjust("500 millis")
      const exit = yield* Fiber.interrupt(waiting)
      assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(calls.length, 1)

      const started = yield* Deferred.make<void>()
      const never: Effect.Effect<string, TokenError.Transient> = Effect.zipRight(
        Deferred.succeed(started, void 0),
        Effect.never
      )
      const trying = yield* Effect.fork(RetryPolicy.retry(never, policy))
      yield* Deferred.await(started)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(trying)))
    }))

  it.effect("gives every run a state of its own", () =>
    Effect.gen(function*() {
      const { calls, effect } = failing(long)
      const retried = Effect.flip(RetryPolicy.retry(effect, RetryPolicy.exponentialJitter({ base: 0, maxRetries: 2 })))
      yield* retried
      yield* retried
      assert.strictEqual(calls.length, 6)
    }))

  it.effect("lengthens the waits of a plain schedule to Retry-After, too", () =>
    Effect.gen(function*() {
      const { calls, effect } = failing([unavailable({ retryAfter: "5 seconds" })])
      const fiber = yield* Effect.fork(RetryPolicy.retry(effect, Schedule.recurs(3)))
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "token")
    }))

  it.effect("needs the services that the schedule needs", () =>
    Effect.gen(function*() {
      class Limit extends Context.Tag("Limit")<Limit, number>() {}
      const limited = Schedule.recurs(10).pipe(
        Schedule.whileOutputEffect((n) => Effect.map(Limit, (limit) => n < limit))
      )
      const { calls, effect } = failing(long)
      yield* effect.pipe(RetryPolicy.retry(limited), Effect.flip, Effect.provideService(Limit, 4))
      assert.strictEqual(calls.length, 5)
    }))

  it.effect("works with the user's own errors", () =>
    Effect.gen(function*() {
      class Busy extends Data.TaggedError("Busy") {
        readonly retryable = true as const
      }
      const { calls, effect } = failing([new Busy(), new Busy()])
      yield* RetryPolicy.retry(effect, RetryPolicy.exponentialJitter<Busy>({ base: 0 }))
      assert.strictEqual(calls.length, 3)
    }))

  it.effect("calls onRetry before each wait", () =>
    Effect.gen(function*() {
      const told: Array<unknown> = []
      const errors = [unavailable(), unavailable({ status: 500 })]
      const { effect } = failing(errors)
      const fiber = yield* effect.pipe(
        RetryPolicy.retry(policy, {
          onRetry: ({ attempt, delay, error }) =>
            Effect.sync(() => told.push([attempt, Duration.toMillis(delay), error]))
        }),
        Effect.fork
      )
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(told, [[1, 1_000, errors[0]]])
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(told, [[1, 1_000, errors[0]], [2, 2_000, errors[1]]])
    }))

  // SPEC A8, I9
  it.effect("logs each wait with status, wait and attempt, and without the message", () =>
    Effect.gen(function*() {
      const lines: Array<{ readonly message: string; readonly annotations: Record<string, unknown> }> = []
      const logger = Logger.make(({ annotations, message }) => {
        lines.push({ message: String(message), annotations: Object.fromEntries(HashMap.toEntries(annotations)) })
      })
      const timeout = new TokenError.EndpointTimeout({
        endpoint: "https://login.example.com/token",
        phase: "total",
        limit: Duration.seconds(10)
      })
      const { effect } = failing([unavailable(), timeout, refused])
      const fiber = yield* effect.pipe(
        RetryPolicy.retry(policy),
        Effect.exit,
        Effect.provide(Logger.add(logger)),
        Effect.fork
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(lines, [
        {
          message: "Attempt 1 failed with EndpointUnavailable; the next one follows in 1000 ms",
          annotations: { attempt: 1, delay: 1_000, error: "EndpointUnavailable", status: 503 }
        },
        {
          message: "Attempt 2 failed with EndpointTimeout; the next one follows in 2000 ms",
          annotations: { attempt: 2, delay: 2_000, error: "EndpointTimeout" }
        }
      ])
      assert.notInclude(JSON.stringify(lines), "s3cr3t")
    }))
})
