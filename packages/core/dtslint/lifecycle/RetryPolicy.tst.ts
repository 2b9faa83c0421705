import type { Duration } from "effect"
import { Context, Data, Effect, Schedule } from "effect"
import { describe, expect, it } from "tstyche"
import type { TokenError } from "../../src/index.js"
import { RetryPolicy } from "../../src/index.js"

class Busy extends Data.TaggedError("Busy")<{}> {
  readonly retryable = true as const
}
class Refused extends Data.TaggedError("Refused")<{}> {
  readonly retryable = false as const
}
class Unclassified extends Data.TaggedError("Unclassified")<{}> {}
class Undecided extends Data.TaggedError("Undecided")<{ readonly retryable: boolean }> {}
class Service extends Context.Tag("Service")<Service, {}>() {}

declare const fetchToken: Effect.Effect<"token", TokenError.RequestError, Service>
declare const busy: Effect.Effect<"token", Busy | Refused>
declare const refused: Effect.Effect<"token", Refused>
declare const unclassified: Effect.Effect<"token", Busy | Unclassified>
declare const undecided: Effect.Effect<"token", Busy | Undecided>
declare const strange: Effect.Effect<"token", unknown>
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- effects from untyped code
declare const loose: Effect.Effect<"token", any>

const policy = RetryPolicy.exponentialJitter()
const forToken = RetryPolicy.exponentialJitter<TokenError.Transient>()
const forBusy = RetryPolicy.exponentialJitter<Busy>({ jitter: 0.1 })

describe("RetryPolicy", () => {
  it("is a schedule whose input is what it may retry", () => {
    expect(policy).type.toBe<RetryPolicy.RetryPolicy<RetryPolicy.Retryable>>()
    expect(policy).type.toBeAssignableTo<RetryPolicy.RetryPolicy<TokenError.Transient>>()
    expect(policy).type.toBeAssignableTo<Schedule.Schedule<Duration.Duration, TokenError.Transient>>()
    expect(policy).type.not.toBeAssignableTo<Schedule.Schedule<Duration.Duration, TokenError.RequestError>>()
    expect(policy).type.toBeAssignableTo<RetryPolicy.RetryPolicy<TokenError.RateLimited>>()
    expect(Schedule.exponential("1 second")).type.toBeAssignableTo<RetryPolicy.RetryPolicy<Busy>>()
    expect(RetryPolicy.fromSchedule(Schedule.recurs(3))).type.toBe<RetryPolicy.RetryPolicy<unknown>>()
    // @ts-expect-error does not satisfy the constraint
    RetryPolicy.exponentialJitter<Refused>()
  })

  it("takes its input from the context", () => {
    const inferred: RetryPolicy.RetryPolicy<Busy> = RetryPolicy.exponentialJitter()
    expect(inferred).type.toBeAssignableTo<Schedule.Schedule<Duration.Duration, Busy>>()
  })

  it("keeps fatal errors out of Effect.retry", () => {
    expect(Effect.retry(busy.pipe(Effect.catchTag("Refused", Effect.die)), forBusy))
      .type.toBe<Effect.Effect<"token", Busy>>()
    expect(Effect.retry).type.not.toBeCallableWith(busy, forBusy)
  })

  it("options", () => {
    expect(RetryPolicy.exponentialJitter).type.toBeCallableWith({ jitter: "500 millis" as const })
    expect(RetryPolicy.exponentialJitter).type.not.toBeCallableWith({ jitter: "half" as const })
    expect(RetryPolicy.exponentialJitter).type.not.toBeCallableWith({ retries: 3 })
  })
})

describe("retry", () => {
  it("exchanges the transient errors for RetriesExhausted and keeps A and R", () => {
    expect(fetchToken.pipe(RetryPolicy.retry(policy))).type.toBe<
      Effect.Effect<"token", TokenError.Fatal | TokenError.RetriesExhausted<TokenError.Transient>, Service>
    >()
    expect(RetryPolicy.retry(busy, forBusy)).type.toBe<
      Effect.Effect<"token", Refused | TokenError.RetriesExhausted<Busy>>
    >()
    expect(fetchToken.pipe(RetryPolicy.retry(RetryPolicy.exponentialJitter({ maxRetries: 2 })))).type.toBe<
      Effect.Effect<"token", TokenError.Fatal | TokenError.RetriesExhausted<TokenError.Transient>, Service>
    >()
  })

  it("takes any schedule that accepts the error, and needs what the schedule needs", () => {
    expect(busy.pipe(RetryPolicy.retry(Schedule.recurs(3)))).type.toBe<
      Effect.Effect<"token", Refused | TokenError.RetriesExhausted<Busy>>
    >()
    expect(busy.pipe(RetryPolicy.retry(forBusy.pipe(Schedule.intersect(Schedule.recurs(1)))))).type.toBe<
      Effect.Effect<"token", Refused | TokenError.RetriesExhausted<Busy>>
    >()
    expect(busy.pipe(RetryPolicy.retry(forBusy.pipe(Schedule.tapInput(() => Service))))).type.toBe<
      Effect.Effect<"token", Refused | TokenError.RetriesExhausted<Busy>, Service>
    >()
  })

  // no type argument
  it("a policy fits every transient error, those of the program too, and no fatal one", () => {
    expect(busy.pipe(RetryPolicy.retry(RetryPolicy.exponentialJitter({ maxRetries: 2 })))).type.toBe<
      Effect.Effect<"token", Refused | TokenError.RetriesExhausted<Busy>>
    >()
    expect(RetryPolicy.retry(busy, policy)).type.toBe<
      Effect.Effect<"token", Refused | TokenError.RetriesExhausted<Busy>>
    >()
    expect(Effect.retry).type.not.toBeCallableWith(busy, policy)
    expect(RetryPolicy.retry(policy)).type.not.toBeCallableWith(refused)
    expect(RetryPolicy.retry(policy)).type.not.toBeCallableWith(unclassified)
  })

  it("gives the hook the policy's errors", () => {
    RetryPolicy.retry(busy, policy, {
      onRetry: (retry) => {
        expect(retry).type.toBe<RetryPolicy.Retry<Busy>>()
        return Effect.void
      }
    })
    busy.pipe(RetryPolicy.retry(policy, { onRetry: ({ error }) => Effect.log(error._tag, error.message) }))
    busy.pipe(RetryPolicy.retry(forBusy, {
      onRetry: (retry) => {
        expect(retry).type.toBe<RetryPolicy.Retry<Busy>>()
        return Effect.void
      }
    }))
  })

  it("does not compile without a transient error", () => {
    expect(RetryPolicy.retry(forBusy)).type.not.toBeCallableWith(refused)
    expect(RetryPolicy.retry(forBusy)).type.not.toBeCallableWith(Effect.succeed(1))
    expect(refused.pipe).type.not.toBeCallableWith(RetryPolicy.retry(forBusy))
    // a retried effect has none left
    expect(RetryPolicy.retry(forBusy)).type.not.toBeCallableWith(RetryPolicy.retry(busy, forBusy))
    // @ts-expect-error This effect has no transient error (`readonly retryable: true`), so there is nothing to retry
    refused.pipe(RetryPolicy.retry(forBusy))
  })

  it("does not compile when the policy does not accept a transient error", () => {
    expect(RetryPolicy.retry(forToken)).type.not.toBeCallableWith(busy)
    expect(RetryPolicy.retry(forBusy)).type.not.toBeCallableWith(fetchToken)
    expect(RetryPolicy.retry).type.not.toBeCallableWith(busy, forToken)
    // @ts-expect-error The policy does not accept these transient errors
    busy.pipe(RetryPolicy.retry(forToken))
  })

  it("does not compile with an unclassified error", () => {
    expect(RetryPolicy.retry(forBusy)).type.not.toBeCallableWith(unclassified)
    expect(RetryPolicy.retry(forBusy)).type.not.toBeCallableWith(undecided)
    expect(RetryPolicy.retry(forBusy)).type.not.toBeCallableWith(strange)
    expect(RetryPolicy.retry).type.not.toBeCallableWith(unclassified, forBusy)
    // @ts-expect-error These errors say neither `readonly retryable: true` nor `readonly retryable: false`
    unclassified.pipe(RetryPolicy.retry(forBusy))
  })

  it("leaves `any` alone", () => {
    expect(RetryPolicy.retry(forBusy)).type.toBeCallableWith(loose)
  })
})

describe("delays", () => {
  it("needs errors the policy accepts", () => {
    expect(RetryPolicy.delays(forBusy, [new Busy()])).type.toBe<Effect.Effect<Array<Duration.Duration>>>()
    expect(forBusy.pipe(RetryPolicy.delays([new Busy()]))).type.toBe<Effect.Effect<Array<Duration.Duration>>>()
    expect(RetryPolicy.delays).type.not.toBeCallableWith(forBusy, [new Refused()])
  })
})

describe("Retried", () => {
  it("splits", () => {
    expect<RetryPolicy.Retried<Busy | Refused>>().type.toBe<Refused | TokenError.RetriesExhausted<Busy>>()
    expect<RetryPolicy.Exhausted<Busy | Refused>>().type.toBe<TokenError.RetriesExhausted<Busy>>()
  })
})
