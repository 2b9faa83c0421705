import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { TokenError } from "../../src/index.js"
import { concernsClient, isKnown } from "../../src/wire/refusalCodes.js"

const none = Option.none()
const endpoint = "https://login.example.com/token"

const oauthError = (error: string, status: number) =>
  new TokenError.OAuthError({ endpoint, error, status, description: none, uri: none, advice: none })

const rejected = (status: number) =>
  new TokenError.RejectedByEndpoint({ endpoint, status, contentType: "", excerpt: "", advice: none })

describe("whether a refusal could be about the credentials of the client", () => {
  it("is so for the codes that servers use for a wrong id or secret, in any case", () => {
    for (
      const code of ["invalid_client", "INVALID_CLIENT", "unauthorized_client", "access_denied", "invalid_request"]
    ) {
      assert.isTrue(concernsClient(oauthError(code, 400), "refresh_token"), code)
    }
  })

  it("is so for 401 with any code, and for a code of the server's own with most 4xx", () => {
    assert.isTrue(concernsClient(oauthError("invalid_scope", 401), undefined))
    assert.isTrue(concernsClient(oauthError("no_entry", 404), undefined))
    assert.isFalse(concernsClient(oauthError("no_entry", 413), undefined))
    assert.isFalse(concernsClient(oauthError("invalid_scope", 400), undefined))
    assert.isFalse(concernsClient(oauthError(" invalid_scope ", 400), undefined))
    // some servers refuse with 200
    assert.isTrue(concernsClient(oauthError("no_entry", 200), undefined))
    assert.isFalse(concernsClient(oauthError("invalid_scope", 200), undefined))
  })

  it("is not so for a code that is about something else", () => {
    assert.isFalse(concernsClient(oauthError("expired_token", 400), "client_credentials"))
  })

  it("depends on the grant for `invalid_grant`: client credentials are a grant of their own", () => {
    assert.isTrue(concernsClient(oauthError("invalid_grant", 400), "client_credentials"))
    assert.isFalse(concernsClient(oauthError("invalid_grant", 400), "refresh_token"))
  })

  it("is never so for a refused DPoP proof, even with 401", () => {
    for (const code of ["use_dpop_nonce", "invalid_dpop_proof"]) {
      assert.isFalse(concernsClient(oauthError(code, 401), undefined), code)
    }
  })

  it("depends on the status for a refusal without a code", () => {
    for (const status of [400, 401, 403, 404, 410, 422]) assert.isTrue(concernsClient(rejected(status), undefined))
    for (const status of [302, 405, 407, 413, 451]) assert.isFalse(concernsClient(rejected(status), undefined))
  })

  it("is not so for an error that may go away by itself", () => {
    const error = new TokenError.EndpointUnavailable({ endpoint, status: 503, retryAfter: none, description: none })
    assert.isFalse(concernsClient(error, "client_credentials"))
  })
})

describe("whether an error shows a code as it came", () => {
  it("is so for codes of all lists, and not for text from outside", () => {
    for (const code of ["invalid_scope", "temporarily_unavailable", "bad.credentials"]) {
      assert.isTrue(isKnown(code), code)
    }
    assert.isFalse(isKnown("s3cr3t"))
  })
})
