import { describe, expect, it } from "tstyche"
import type { TokenError, TokenSource } from "../../src/index.js"
import { ScopePolicy } from "../../src/index.js"

declare const tokens: TokenSource.With<TokenError.OAuthError>
declare const anyPolicy: ScopePolicy.Options

describe("ScopePolicy.enforce", () => {
  it("adds the errors of what it is told to refuse, and no other", () => {
    expect(tokens.pipe(ScopePolicy.enforce())).type.toBe<TokenSource.With<TokenError.OAuthError>>()
    expect(tokens.pipe(ScopePolicy.enforce({ required: "a:*", missing: "report", overBroad: "allow" }))).type.toBe<
      TokenSource.With<TokenError.OAuthError>
    >()
    expect(tokens.pipe(ScopePolicy.enforce({ missing: "fail" }))).type.toBe<
      TokenSource.With<TokenError.OAuthError | TokenError.ScopeNotGranted>
    >()
    expect(tokens.pipe(ScopePolicy.enforce({ overBroad: "reject" }))).type.toBe<
      TokenSource.With<TokenError.OAuthError | TokenError.InvalidConfiguration>
    >()
    expect(tokens.pipe(ScopePolicy.enforce(anyPolicy))).type.toBe<
      TokenSource.With<TokenError.OAuthError | TokenError.ScopeNotGranted | TokenError.InvalidConfiguration>
    >()
  })

  it("knows its options", () => {
    expect(ScopePolicy.enforce).type.not.toBeCallableWith({ missing: "ignore" })
    expect(ScopePolicy.enforce).type.not.toBeCallableWith({ overbroad: "reject" })
  })
})
