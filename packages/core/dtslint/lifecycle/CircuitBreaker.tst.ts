import { Context, Effect } from "effect"
import { describe, expect, it } from "tstyche"
import type { TokenError, TokenSource } from "../../src/index.js"
import { CircuitBreaker } from "../../src/index.js"

class Service extends Context.Tag("Service")<Service, {}>() {}

declare const tokens: TokenSource.With<TokenError.RequestError>
declare const effect: Effect.Effect<"token", TokenError.OAuthError, Service>

describe("CircuitBreaker", () => {
  it("protect adds CircuitOpen to a source", () => {
    expect(tokens.pipe(CircuitBreaker.protect())).type.toBe<
      Effect.Effect<TokenSource.With<TokenError.RequestError | TokenError.CircuitOpen>>
    >()
    expect(Effect.succeed(tokens).pipe(Effect.flatMap(CircuitBreaker.protect({ resetAfter: "10 seconds" })))).type.toBe<
      Effect.Effect<TokenSource.With<TokenError.RequestError | TokenError.CircuitOpen>>
    >()
    expect(CircuitBreaker.protect).type.not.toBeCallableWith({ threshold: 3 })
  })

  it("make gives one for any effect", () => {
    expect(CircuitBreaker.make()).type.toBe<Effect.Effect<CircuitBreaker.CircuitBreaker>>()
    expect(Effect.flatMap(CircuitBreaker.make(), (breaker) => breaker.protect(effect))).type.toBe<
      Effect.Effect<"token", TokenError.OAuthError | TokenError.CircuitOpen, Service>
    >()
  })
})
