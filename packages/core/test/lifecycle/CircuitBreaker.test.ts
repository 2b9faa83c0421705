import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import {
  Cause,
  Chunk,
  Deferred,
  Duration,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  Option,
  Ref,
  Stream,
  TestClock
} from "effect"
import * as CircuitBreaker from "../../src/lifecycle/CircuitBreaker.js"
import * as source from "../../src/lifecycle/source.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import * as TokenError from "../../src/values/TokenError.js"
import type { TokenEvent } from "../../src/values/TokenEvent.js"
import * as TokenRequest from "../../src/values/TokenRequest.js"

const down = (retryAfter?: Duration.DurationInput) =>
  new TokenError.EndpointUnavailable({
    endpoint: "https://login.example.com/token",
    status: 503,
    retryAfter: Option.map(Option.fromNullable(retryAfter), Duration.decode),
    description: Option.none()
  })

const refused = new TokenError.OAuthError({
  endpoint: "https://login.example.com/token",
  error: "invalid_client",
  description: Option.none(),
  uri: Option.none(),
  status: 401,
  advice: Option.none()
})

const settings = { failureThreshold: 3, resetAfter: "10 seconds", maxResetAfter: "35 seconds" } as const

const make = (options: CircuitBreaker.Options = settings) => CircuitBreaker.make(options)

const fail = (breaker: CircuitBreaker.CircuitBreaker, times: number, error: TokenError.Transient = down()) =>
  Effect.replicateEffect(Effect.flip(breaker.protect(Effect.fail(error))), times)

const isOpen = (error: unknown): error is TokenError.CircuitOpen => error instanceof TokenError.CircuitOpen

// SPEC A17
describe("CircuitBreaker", () => {
  it.effect("opens after `failureThreshold` failures in a row, and not before", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* TestClock.setTime(5_000)
      yield* fail(breaker, 2)
      yield* breaker.protect(Effect.void) // a success starts the count again
      yield* fail(breaker, 2)
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Closed({ failures: 2 }))
      yield* fail(breaker, 1)
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Open({ failures: 3, retryAt: 15_000 }))

      let asked = false
      const error = yield* Effect.flip(breaker.protect(Effect.sync(() => asked = true)))
      assert.isTrue(isOpen(error))
      assert.deepStrictEqual(error.retryAt, Option.some(15_000))
      assert.isFalse(asked)
    }))

  it.effect("has the documented defaults", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make()
      yield* fail(breaker, 4)
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
      yield* fail(breaker, 1)
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Open({ failures: 5, retryAt: 30_000 }))
    }))

  it.effect("lets exactly one probe through when the time is up, and closes when it succeeds", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* fail(breaker, 3)
      yield* TestClock.adjust("9999 millis")
      assert.isTrue(isOpen(yield* Effect.flip(breaker.protect(Effect.void))))
      yield* TestClock.adjust("1 millis")

      const gate = yield* Deferred.make<void>()
      const asked = yield* Ref.make(0)
      const attempt = breaker.protect(Effect.zipRight(Ref.update(asked, (n) => n + 1), Deferred.await(gate)))
      const fibers = yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.fork(Effect.either(attempt)))
      yield* Effect.yieldNow()
      assert.strictEqual((yield* breaker.state)._tag, "HalfOpen")
      yield* Deferred.succeed(gate, void 0)
      const results = yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual(yield* Ref.get(asked), 1)
      assert.strictEqual(results.filter((result) => result._tag === "Left" && isOpen(result.left)).length, 99)
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Closed({ failures: 0 }))
    }))

  // FAULTS B
  it.effect("that does not stay open at all says so, however often its probes fail", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, resetAfter: 0 })
      yield* fail(breaker, 1100)
      const now = yield* TestClock.currentTimeMillis
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Open({ failures: 1100, retryAt: now }))
    }))

  it.effect("stays open twice as long after each failed probe, up to the limit, and forgets it when closed", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* fail(breaker, 3)
      for (const seconds of [10, 20, 35, 35]) {
        const state = yield* breaker.state
        const now = yield* TestClock.currentTimeMillis
        assert.isTrue(state._tag === "Open" && state.retryAt === now + seconds * 1_000, `${seconds}`)
        yield* TestClock.adjust(Duration.seconds(seconds))
        assert.isFalse(isOpen((yield* fail(breaker, 1))[0]))
      }
      yield* TestClock.adjust("35 seconds")
      yield* breaker.protect(Effect.void)
      yield* fail(breaker, 3)
      const state = yield* breaker.state
      assert.isTrue(state._tag === "Open" && state.retryAt === (yield* TestClock.currentTimeMillis) + 10_000)
    }))

  it.effect("stays open as long as the server asks, up to a limit", () =>
    Effect.gen(function*() {
      const retryAt = (error: TokenError.Transient) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          yield* fail(breaker, 3, error)
          const state = yield* breaker.state
          return state._tag === "Open" ? state.retryAt : NaN
        })
      assert.strictEqual(yield* retryAt(down("2 minutes")), 120_000)
      assert.strictEqual(yield* retryAt(down("1 second")), 10_000)
      assert.strictEqual(yield* retryAt(down("10 days")), 3_600_000)
      assert.strictEqual(yield* retryAt(down(Duration.infinity)), 3_600_000)
    }))

  it.effect("counts exhausted retries, and takes their retryAt", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ ...settings, failureThreshold: 1 })
      const exhausted = new TokenError.RetriesExhausted({
        attempts: 4,
        elapsed: Duration.seconds(7),
        last: down(),
        retryAt: Option.some(77_000)
      })
      yield* Effect.flip(breaker.protect(Effect.fail(exhausted)))
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Open({ failures: 1, retryAt: 77_000 }))
    }))

  it.effect("treats a fatal error as an answer of a working server", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* fail(breaker, 2)
      yield* Effect.flip(breaker.protect(Effect.fail(refused)))
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Closed({ failures: 0 }))
      yield* fail(breaker, 3)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Effect.flip(breaker.protect(Effect.fail(refused))), refused)
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
    }))

  it.effect("counts defects", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* Effect.replicateEffect(Effect.exit(breaker.protect(Effect.die("bug"))), 3)
      assert.strictEqual((yield* breaker.state)._tag, "Open")
    }))

  it.effect("counts the errors that `isFailure` names", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ ...settings, isFailure: (error) => error === refused })
      yield* fail(breaker, 10)
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
      yield* Effect.replicateEffect(Effect.flip(breaker.protect(Effect.fail(refused))), 3)
      assert.strictEqual((yield* breaker.state)._tag, "Open")
    }))

  it.effect("is not stuck half-open when the probe is interrupted", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* fail(breaker, 3)
      yield* TestClock.adjust("10 seconds")
      const probe = yield* Effect.fork(breaker.protect(Effect.never))
      yield* Effect.yieldNow()
      assert.strictEqual((yield* breaker.state)._tag, "HalfOpen")
      yield* Fiber.interrupt(probe)
      // an interruption proves nothing: the breaker does not close, and the next attempt is the probe
      assert.strictEqual((yield* breaker.state)._tag, "Open")
      yield* breaker.protect(Effect.void)
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
    }))

  it.effect("is not stuck half-open when the predicate throws", () =>
    Effect.gen(function*() {
      let broken = false
      const breaker = yield* make({
        ...settings,
        isFailure: () => {
          if (broken) throw new Error("bug in the predicate")
          return true
        }
      })
      yield* fail(breaker, 3)
      broken = true
      yield* TestClock.adjust("10 seconds")
      const exit = yield* Effect.exit(breaker.protect(Effect.fail(down())))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.strictEqual((yield* breaker.state)._tag, "Open")
    }))

  it.effect("does not count interruption", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      for (let n = 0; n < 5; n++) {
        const fiber = yield* Effect.fork(breaker.protect(Effect.never))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
      }
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Closed({ failures: 0 }))
    }))

  it.effect("ignores an attempt that started before it opened and ended later", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const gate = yield* Deferred.make<void>()
      const late = yield* Effect.fork(breaker.protect(Deferred.await(gate)))
      yield* Effect.yieldNow()
      yield* fail(breaker, 3)
      yield* Deferred.succeed(gate, void 0)
      yield* Fiber.join(late)
      assert.strictEqual((yield* breaker.state)._tag, "Open")
    }))

  // simulation: whatever the outcomes and the times between attempts
  it.effect.prop("never asks while open, and is never stuck", {
    steps: FastCheck.array(
      FastCheck.record({
        pause: FastCheck.constantFrom(0, 0, 0, 5_000, 40_000),
        outcome: FastCheck.constantFrom("ok", "down", "down", "down", "refused", "bug", "interrupted")
      }),
      { maxLength: 25 }
    )
  }, ({ steps }) =>
    Effect.gen(function*() {
      const breaker = yield* make()
      let failures = 0
      let openUntil = 0
      let openings = 0
      let now = 0
      for (const { outcome, pause } of steps) {
        if (pause > 0) {
          yield* TestClock.adjust(pause)
          now += pause
        }
        let asked = false
        const effect = Effect.suspend((): Effect.Effect<void, TokenError.RequestError> => {
          asked = true
          switch (outcome) {
            case "ok":
              return Effect.void
            case "down":
              return Effect.fail(down())
            case "refused":
              return Effect.fail(refused)
            case "bug":
              return Effect.die("bug")
            default:
              return Effect.interrupt
          }
        })
        yield* Effect.exit(breaker.protect(effect))
        assert.strictEqual(asked, now >= openUntil)
        if (!asked || outcome === "interrupted") continue
        if (outcome === "ok" || outcome === "refused") {
          failures = 0
          openings = 0
        } else if (++failures >= 3) {
          openUntil = now + Math.min(35_000, 10_000 * 2 ** openings++)
        }
      }
      yield* TestClock.adjust("35 seconds")
      yield* breaker.protect(Effect.void)
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
    }), { fastCheck: { numRuns: 60 } })
})

/** Collects the events of a source while `use` runs. */
const withEvents = <E, A, E2, R>(
  self: source.With<E>,
  use: (events: Effect.Effect<ReadonlyArray<TokenEvent>>) => Effect.Effect<A, E2, R>
): Effect.Effect<A, E2, R | Scope.Scope> =>
  Effect.gen(function*() {
    const seen: Array<TokenEvent> = []
    yield* Effect.forkScoped(
      Stream.runForEachChunk(self.events, (chunk) => Effect.sync(() => seen.push(...Chunk.toReadonlyArray(chunk))))
    )
    yield* TestClock.adjust(0) // lets the subscription happen
    return yield* use(Effect.as(TestClock.adjust(0), seen))
  })

describe("CircuitBreaker.protect", () => {
  it.scoped("protects get and renew of a source with one breaker, and publishes when it opens and closes", () =>
    Effect.gen(function*() {
      const token = AccessToken.make({ value: "t" })
      let working = false
      let requests = 0
      const request = TokenRequest.make({ scopes: "users:read" })
      const plain = yield* source.make({
        fetch: (): Effect.Effect<AccessToken.AccessToken, TokenError.RequestError> =>
          Effect.suspend(() => {
            requests++
            return working ? Effect.succeed(token) : Effect.fail(down())
          }),
        defaults: request
      })
      const tokens = yield* plain.pipe(CircuitBreaker.protect(settings))
      yield* withEvents(tokens, (events) =>
        Effect.gen(function*() {
          yield* Effect.flip(tokens.get())
          yield* Effect.flip(tokens.renew(token))
          yield* Effect.flip(tokens.get(TokenRequest.make({ scopes: "users:read" })))
          assert.isTrue(isOpen(yield* Effect.flip(tokens.get())))
          assert.isTrue(isOpen(yield* Effect.flip(tokens.renew(token))))
          assert.strictEqual(requests, 3)
          working = true
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(yield* tokens.get(), token)
          const key = TokenRequest.hash(request)
          assert.deepStrictEqual((yield* events).map((event) => ({ ...event })), [
            { _tag: "CircuitOpened", key, at: 0, failures: 3, retryAt: 10_000 },
            { _tag: "CircuitClosed", key, at: 10_000 }
          ])
        }))
    }))
})
