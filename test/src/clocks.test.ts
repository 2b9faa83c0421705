/**
 * Each component that remembers a moment, while the wall clock is put back and forward by an hour at random moments.
 * What it promises in time it keeps by true time, which only the simulation knows. Whole fleets with such clocks are in
 * `fleet/fleet.test.ts`.
 */
import { HttpClient, HttpClientResponse, KeyValueStore } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Duration, Effect, Exit, Layer, Logger, LogLevel, Option, Redacted, Runtime } from "effect"
import { AccessToken, BearerAuth, CircuitBreaker, RateLimit, RetryPolicy, TokenSource, TokenStore } from "effect-bearer"
import { unavailable } from "../../packages/core/test/support/scripted.js"
import { Dice, hour, minute, second } from "./fleet/World.js"
import { HostClock, VirtualTime } from "./VirtualTime.js"

const seeds = Array.from({ length: 20 }, (_, n) => n + 1)

/** Runs a program in virtual time. Within `span` somebody sets the clock a dozen times. */
const run = <A, E>(
  seed: number,
  span: number,
  program: (now: () => number) => Effect.Effect<A, E, Scope.Scope>
): A => {
  const time = new VirtualTime()
  const clock = new HostClock(time, 0, 0)
  const dice = new Dice(seed, 8)
  for (let step = 0; step < 12; step++) {
    const by = dice.oneOf(-hour, hour)
    time.at(dice.between(0, span), () => clock.step(by))
  }
  const quiet = Effect.scoped(program(() => time.now)).pipe(
    Effect.withClock(clock),
    Logger.withMinimumLogLevel(LogLevel.None)
  )
  const fiber = time.fork(Runtime.defaultRuntime, quiet)
  fiber.addObserver(() => time.stop())
  time.advance(30 * 24 * hour)
  const exit = fiber.unsafePoll() ?? Exit.die(new Error("the program waits for ever"))
  return Effect.runSync(exit)
}

/** One seed after the other, with time for others in between. */
const forAllSeeds = async (test: (seed: number) => void): Promise<void> => {
  for (const seed of seeds) {
    test(seed)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Runs an effect again and again, that far apart, for a time. */
const every = <A, E, R>(pause: number, span: number, effect: Effect.Effect<A, E, R>) =>
  Effect.repeatN(Effect.zipRight(effect, Effect.sleep(pause)), Math.floor(span / pause))

// FAULTS K1
describe("while the wall clock is put back and forward by an hour", () => {
  it("a rate limit admits no more than its limit in any interval, and all that it can", () =>
    forAllSeeds((seed) => {
      const starts: Array<number> = []
      run(seed, 10 * minute, (now) =>
        Effect.gen(function*() {
          const { limit } = yield* RateLimit.make({ limit: 3, interval: "1 minute" })
          const start = limit(Effect.sync(() => starts.push(now())))
          yield* Effect.all(Array.from({ length: 30 }, () => start), { concurrency: "unbounded" })
        }))
      assert.lengthOf(starts, 30)
      for (const [index, at] of starts.slice(3).entries()) {
        assert.isAtLeast(at - starts[index]!, minute, `seed ${seed}`)
      }
      assert.isAtMost(starts.at(-1)!, 9 * minute + second, `seed ${seed}`)
    }))

  it("an open circuit breaker lets a probe through when it is due, and not before", () =>
    forAllSeeds((seed) => {
      const asked: Array<number> = []
      run(seed, 20 * minute, (now) =>
        Effect.gen(function*() {
          const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, resetAfter: "30 seconds" })
          const call = breaker.protect(Effect.zipRight(Effect.sync(() => asked.push(now())), unavailable()))
          yield* every(second, 20 * minute, Effect.exit(call))
        }))
      const pauses = asked.slice(1).map((at, index) => at - asked[index]!)
      for (const [index, due] of [30, 60, 120, 240, 300].entries()) {
        assert.isAtLeast(pauses[index]!, due * second, `seed ${seed}`)
        assert.isAtMost(pauses[index]!, (due + 1) * second, `seed ${seed}`)
      }
    }))

  it("a retry waits as long as the server says, and ends in time", () =>
    forAllSeeds((seed) => {
      const attempts: Array<number> = []
      const ended = run(seed, minute, (now) =>
        Effect.gen(function*() {
          const policy = RetryPolicy.exponentialJitter({ maxRetries: 20, maxElapsed: "1 minute" })
          const attempt = Effect.zipRight(Effect.sync(() => attempts.push(now())), unavailable(Duration.seconds(10)))
          yield* Effect.exit(RetryPolicy.retry(policy)(attempt))
          return now()
        }))
      for (const [index, at] of attempts.slice(1).entries()) {
        assert.isAtLeast(at - attempts[index]!, 10 * second, `seed ${seed}`)
      }
      assert.isAbove(attempts.length, 3)
      assert.isAtMost(ended, minute, `seed ${seed}`)
    }))

  it("a refused token is replaced, each time, and the call that was refused succeeds", () =>
    forAllSeeds((seed) => {
      let issued = 0
      const revoked = new Set<string>()
      const statuses = run(seed, 5 * hour, () =>
        Effect.gen(function*() {
          const source = yield* TokenSource.make(() => Effect.sync(() => AccessToken.make({ value: `t${++issued}` })))
          const tokens = yield* TokenSource.managed()(source)
          const api = HttpClient.make((request) =>
            Effect.sync(() => {
              const sent = (request.headers.authorization ?? "").slice("Bearer ".length)
              const status = sent === "" || revoked.has(sent) ? 401 : 200
              return HttpClientResponse.fromWeb(request, new Response(null, { status }))
            })
          )
          const client = BearerAuth.withBearer(tokens, { origins: ["https://api.example"] })(api)
          const seen: Array<number> = []
          const call = Effect.map(client.get("https://api.example/"), ({ status }) => seen.push(status))
          yield* every(
            10 * minute,
            5 * hour,
            Effect.gen(function*() {
              yield* call
              revoked.add(Redacted.value((yield* tokens.get()).value))
              yield* call
            })
          )
          return seen
        }))
      assert.deepStrictEqual(new Set(statuses), new Set([200]), `seed ${seed}`)
      assert.isAtLeast(issued, 31)
    }))

  const stores = {
    "in memory": TokenStore.layerMemory,
    "in a key-value store": Layer.provide(TokenStore.layerKeyValueStore, KeyValueStore.layerMemory)
  }
  for (const [where, layer] of Object.entries(stores)) {
    it(`a lease ${where} that is not given back delays others by no more than its length (I11)`, () =>
      forAllSeeds((seed) => {
        run(seed, 10 * minute, (now) =>
          Effect.gen(function*() {
            const store = yield* TokenStore.TokenStore
            yield* Effect.repeatN(
              Effect.gen(function*() {
                const before = now()
                yield* Effect.repeat(Effect.delay(store.acquire("key", "10 seconds"), second), {
                  until: Option.isSome
                })
                assert.isAtMost(now() - before, 11 * second, `seed ${seed}`)
                if (where === "in memory" && before > 0) assert.isAtLeast(now() - before, 10 * second, `seed ${seed}`)
              }),
              50
            )
          }).pipe(Effect.provide(layer)))
      }))
  }
})
