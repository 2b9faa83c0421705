import { assert, describe, it } from "@effect/vitest"
import { Duration, Option } from "effect"
import { TokenError } from "effect-bearer"
import { TokenErrors } from "../src/index.js"

describe("TokenErrors", () => {
  it("there is one for each code of the library", () => {
    assert.deepStrictEqual(TokenErrors.each.map(TokenError.codeOf), [...TokenError.codes])
    for (const error of TokenErrors.each) {
      assert.isTrue(TokenError.isTokenError(error))
      assert.isTrue(error.message.endsWith(`[${TokenError.codeOf(error)}]`))
    }
  })

  it("and one for each common code of OAuth, by the name of the code", () => {
    const named = {
      invalid_client: TokenErrors.invalidClient(),
      invalid_grant: TokenErrors.invalidGrant(),
      invalid_request: TokenErrors.invalidRequest(),
      invalid_scope: TokenErrors.invalidScope(),
      unauthorized_client: TokenErrors.unauthorizedClient(),
      unsupported_grant_type: TokenErrors.unsupportedGrantType(),
      invalid_target: TokenErrors.invalidTarget(),
      access_denied: TokenErrors.accessDenied()
    }
    for (const [code, error] of Object.entries(named)) {
      assert.isTrue(TokenError.hasCode(error, code), code)
      assert.isFalse(error.retryable)
    }
    assert.strictEqual(named.invalid_client.status, 401)
    assert.strictEqual(TokenErrors.oauthError("custom", { status: 422 }).status, 422)
  })

  it("they say what the test tells them", () => {
    const busy = TokenErrors.rateLimited({ retryAfter: "5 seconds", description: "slow down" })
    assert.deepStrictEqual(Option.map(busy.retryAfter, Duration.toMillis), Option.some(5000))
    assert.include(busy.message, "slow down")
    assert.deepStrictEqual(TokenErrors.scopeNotGranted({ requested: "a b", granted: "a" }).missing, ["b"])
    const last = TokenErrors.transportError({ code: "ENOTFOUND" })
    const exhausted = TokenErrors.retriesExhausted(last, { attempts: 2, retryAt: 10_000 })
    assert.strictEqual(exhausted.last, last)
    assert.deepStrictEqual(TokenError.retryAt(exhausted, 0), Option.some(10_000))
    assert.strictEqual(TokenErrors.failedElsewhere({ error: busy }).error, "RateLimited")
  })
})
