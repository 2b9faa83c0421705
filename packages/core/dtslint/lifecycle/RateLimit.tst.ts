import { Context, Effect } from "effect"
import { describe, expect, it } from "tstyche"
import type { TokenError, TokenSource } from "../../src/index.js"
import { RateLimit } from "../../src/index.js"

class Service extends Context.Tag("Service")<Service, {}>() {}

declare const tokens: TokenSource.With<TokenError.OAuthError>
declare const effect: Effect.Effect<"token", TokenError.OAuthError, Service>
declare const eitherMode: RateLimit.Options

describe("RateLimit", () => {
  it("limit adds no error when it waits, and RateLimited when it fails", () => {
    expect(tokens.pipe(RateLimit.limit())).type.toBe<Effect.Effect<TokenSource.With<TokenError.OAuthError>>>()
    expect(tokens.pipe(RateLimit.limit({ limit: 5, interval: "1 second", onExceeded: "wait" }))).type.toBe<
      Effect.Effect<TokenSource.With<TokenError.OAuthError>>
    >()
    expect(tokens.pipe(RateLimit.limit({ onExceeded: "fail" }))).type.toBe<
      Effect.Effect<TokenSource.With<TokenError.OAuthError | TokenError.RateLimited>>
    >()
    expect(tokens.pipe(RateLimit.limit(eitherMode))).type.toBe<
      Effect.Effect<TokenSource.With<TokenError.OAuthError | TokenError.RateLimited>>
    >()
    expect(RateLimit.limit).type.not.toBeCallableWith({ onExceeded: "drop" })
    expect(RateLimit.limit).type.not.toBeCallableWith({ max: 5 })
  })

  it("make gives one for any effect", () => {
    expect(Effect.flatMap(RateLimit.make(), ({ limit }) => limit(effect))).type.toBe<
      Effect.Effect<"token", TokenError.OAuthError, Service>
    >()
    expect(Effect.flatMap(RateLimit.make({ onExceeded: "fail" }), ({ limit }) => limit(effect))).type.toBe<
      Effect.Effect<"token", TokenError.OAuthError | TokenError.RateLimited, Service>
    >()
  })
})
