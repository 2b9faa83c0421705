import { HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as refusals from "../../src/dpop/refusals.js"

const answer = (status: number, headers: Record<string, string> = { "dpop-nonce": "n2" }) =>
  HttpClientResponse.fromWeb(HttpClientRequest.get("https://api.example.com"), new Response("", { status, headers }))

const challenge = (text: string, status = 401) => answer(status, { "dpop-nonce": "n2", "www-authenticate": text })

const wanted = `DPoP error="use_dpop_nonce"`

describe("a server that wants another nonce", () => {
  it("says so in its challenge, in any case of the letters and beside other challenges", () => {
    for (const text of [wanted, `dpop error="USE_DPOP_NONCE", algs="ES256"`, `Bearer realm="x", ${wanted}`]) {
      assert.strictEqual(refusals.kindOf(challenge(text), "n1", true), "challenge", text)
    }
  })

  it("says so at a token endpoint in the body, which has to be read", () => {
    for (const status of [400, 401]) assert.strictEqual(refusals.kindOf(answer(status), undefined, false), "perhaps")
    // a resource server says it in a challenge, so its body stays unread
    for (const status of [400, 401]) assert.strictEqual(refusals.kindOf(answer(status), undefined, true), "other")
  })

  it("does not say so with another code, another scheme or another status", () => {
    for (const text of [`DPoP error="invalid_token"`, "DPoP", `Bearer error="use_dpop_nonce"`]) {
      assert.strictEqual(refusals.kindOf(challenge(text), "n1", true), "other", text)
    }
    for (const status of [200, 403, 500]) {
      assert.strictEqual(refusals.kindOf(challenge(wanted, status), "n1", true), "other", `${status}`)
      assert.strictEqual(refusals.kindOf(answer(status), "n1", false), "other", `${status}`)
    }
  })

  it("has to send a nonce, and another one than was sent", () => {
    for (const headers of [{}, { "dpop-nonce": "with a space" }, { "dpop-nonce": "n1" }]) {
      assert.strictEqual(
        refusals.kindOf(answer(401, { ...headers, "www-authenticate": wanted }), "n1", true),
        "other"
      )
      assert.strictEqual(refusals.kindOf(answer(400, headers), "n1", false), "other")
    }
  })

  it("is known by the code in the body", () => {
    assert.isTrue(refusals.isNonceError(`{"error":"use_dpop_nonce"}`))
    assert.isTrue(refusals.isNonceError(`{"error":" Use_DPoP_Nonce "}`))
    for (const text of ["", "use_dpop_nonce", "null", "[]", `{"error":"invalid_grant"}`, `{"error":{}}`]) {
      assert.isFalse(refusals.isNonceError(text), text)
    }
  })
})
