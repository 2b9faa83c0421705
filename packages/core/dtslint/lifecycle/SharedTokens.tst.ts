import type { Scope } from "effect"
import { Effect } from "effect"
import type { TokenError, TokenStore } from "effect-bearer"
import { RetryPolicy, TokenSource } from "effect-bearer"
import { describe, expect, it } from "tstyche"

class VaultBusy extends Error {
  readonly _tag = "VaultBusy"
  readonly retryable = true as const
}

declare const own: TokenSource.With<VaultBusy>
declare const requests: TokenSource.With<TokenError.RequestError>

describe("TokenSource.shared", () => {
  it("adds one transient error, and needs a store and a scope", () => {
    expect(TokenSource.shared({ namespace: "vault" })(own)).type.toBe<
      Effect.Effect<
        TokenSource.With<VaultBusy | TokenError.FailedElsewhere>,
        TokenError.InvalidConfiguration,
        TokenStore.TokenStore | Scope.Scope
      >
    >()
  })

  it("says nothing new of a source that can fail with any request error", () => {
    expect(TokenSource.shared()(requests)).type.toBeAssignableTo<
      Effect.Effect<TokenSource.With<TokenError.RequestError>, unknown, unknown>
    >()
  })

  it("what it adds is retried by the default policy, and has to be accepted by one for errors of your own", () => {
    const retry = RetryPolicy.exponentialJitter<VaultBusy | TokenError.FailedElsewhere>()
    expect(Effect.map(TokenSource.shared()(own), TokenSource.retry(retry))).type.toBe<
      Effect.Effect<
        TokenSource.With<TokenError.RetriesExhausted<VaultBusy | TokenError.FailedElsewhere>>,
        TokenError.InvalidConfiguration,
        TokenStore.TokenStore | Scope.Scope
      >
    >()
    expect(TokenSource.retry(RetryPolicy.exponentialJitter<VaultBusy>())).type.not.toBeCallableWith(
      {} as TokenSource.With<VaultBusy | TokenError.FailedElsewhere>
    )
  })

  it("managed shares when it finds a store, and asks for none", () => {
    expect(TokenSource.managed()(requests)).type.toBe<
      Effect.Effect<TokenSource.With<TokenError.TokenError>, TokenError.InvalidConfiguration, Scope.Scope>
    >()
  })

  it("status needs nothing and cannot fail", () => {
    expect(TokenSource.status(own)).type.toBe<Effect.Effect<TokenSource.Status>>()
  })
})
