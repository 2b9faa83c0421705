import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { FailureReply, TokenError } from "../../src/index.js"

const none = Option.none()
const endpoint = "https://login.example.com/token"

const oauthError = (error: string, status: number) =>
  FailureReply.nameOf(
    new TokenError.OAuthError({ endpoint, error, status, description: none, uri: none, advice: none })
  )

const rejected = (status: number) =>
  FailureReply.nameOf(
    new TokenError.RejectedByEndpoint({ endpoint, status, contentType: "", excerpt: "", advice: none })
  )

describe("FailureReply: the name of a failure", () => {
  it("is Unauthorized for wrong credentials and Forbidden for a client that may not, whatever the status", () => {
    assert.strictEqual(oauthError(" Invalid_Client ", 400), "Unauthorized")
    assert.strictEqual(oauthError("bad.credentials", 403), "Unauthorized")
    assert.strictEqual(oauthError("access_denied", 400), "Forbidden")
    assert.strictEqual(oauthError("consent_required", 400), "Forbidden")
  })

  it("depends on the status for any other code, and for a refusal without a code", () => {
    assert.deepStrictEqual(
      [400, 401, 403, 422].map((status) => oauthError("invalid_scope", status)),
      ["BadRequest", "Unauthorized", "Forbidden", "BadRequest"]
    )
    assert.deepStrictEqual(
      [400, 401, 403, 404, 302].map(rejected),
      ["BadRequest", "Unauthorized", "Forbidden", "NetworkError", "NetworkError"]
    )
  })

  it("has a status for each name", () => {
    assert.strictEqual(FailureReply.statuses[oauthError("invalid_client", 400)], 401)
    assert.strictEqual(FailureReply.statuses[rejected(404)], 502)
  })

  it("says that trying later may help where it may", () => {
    assert.strictEqual(FailureReply.nameOf(new TokenError.CircuitOpen({ retryAt: none })), "RetryExhausted")
    const error = new TokenError.TransportError({ endpoint, code: none, detail: "refused" })
    assert.strictEqual(FailureReply.nameOf(error), "NetworkError")
  })
})
