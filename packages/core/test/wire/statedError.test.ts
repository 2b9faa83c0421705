import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as statedError from "../../src/wire/statedError.js"

const read = (members: Record<string, unknown>) => {
  const { code, description, uri } = statedError.read({
    _tag: "Members",
    members: new Map(Object.entries(members)),
    form: ""
  })
  return [code, description, uri].map(Option.getOrNull)
}

describe("the error that a reply states in its body", () => {
  it("is in the members of RFC 6749 §5.2", () => {
    assert.deepStrictEqual(
      read({ error: "invalid_client", error_description: "no such client", error_uri: "https://example.com" }),
      ["invalid_client", "no such client", "https://example.com"]
    )
  })

  it("may be an object, as Facebook and Google send it", () => {
    assert.deepStrictEqual(
      read({ error: { type: "OAuthException", message: "try again", is_transient: true } }),
      ["temporarily_unavailable", "try again", null]
    )
    assert.deepStrictEqual(
      read({ error: { code: 403, status: "PERMISSION_DENIED", message: "no" } }),
      ["PERMISSION_DENIED", "no", null]
    )
    assert.deepStrictEqual(
      read({ error: { code: "quota", type: "other", status: "another" }, error_description: "too many" }),
      ["quota", "too many", null]
    )
    assert.deepStrictEqual(read({ error: { type: "OAuthException", status: "another" } }), [
      "OAuthException",
      null,
      null
    ])
  })

  it("may be the first of a list, but not in a reply that holds a token", () => {
    const errors = [{ errorType: "expired", message: "the secret is over" }, { errorType: "second" }]
    assert.deepStrictEqual(read({ errors }), ["expired", "the secret is over", null])
    assert.deepStrictEqual(read({ errors, access_token: "x" }), [null, null, null])
    assert.deepStrictEqual(read({ errors: [{ error: "expired" }], description: "since May" }), [
      "expired",
      "since May",
      null
    ])
    for (const empty of ["expired", [], [null], ["expired"], [{ message: "no code" }]]) {
      assert.deepStrictEqual(read({ errors: empty }), [null, null, null])
    }
  })

  it("may be a number or `true`; an empty text says nothing", () => {
    assert.deepStrictEqual(read({ error: 17 }), ["17", null, null])
    assert.deepStrictEqual(read({ error: true }), ["error", null, null])
    assert.deepStrictEqual(read({ error: " ", error_description: " ", message: "no" }), [null, "no", null])
    assert.deepStrictEqual(read({ error: ["quota"] }), [null, null, null])
  })

  it("has its text in one of three members, the one of the RFC first", () => {
    const all = { error: "no", error_description: "one", description: "two", message: "three" }
    assert.deepStrictEqual(read(all), ["no", "one", null])
    assert.deepStrictEqual(read({ ...all, error_description: 1 }), ["no", "two", null])
  })

  it("may be `ok: false`", () => {
    assert.deepStrictEqual(read({ ok: true }), [null, null, null])
    assert.deepStrictEqual(read({ ok: false, message: "no" }), ["not_ok", "no", null])
  })

  it("is absent where a member says that there is none", () => {
    const errors = [0, "0", "", false, null, [], {}, { code: 0, message: "" }, { errors: [] }, {
      code: 0,
      inner: { list: [] }
    }]
    for (const error of errors) {
      assert.deepStrictEqual(read({ error }), [null, null, null], JSON.stringify(error))
    }
  })

  it("is there when a list in its object has something in it", () => {
    assert.deepStrictEqual(read({ error: { code: 0, errors: ["quota"] } }), ["error", null, null])
    assert.deepStrictEqual(read({ error: { inner: { list: [{ reason: "quota" }] } } }), ["error", null, null])
  })

  it("is absent in a body without members", () => {
    assert.deepStrictEqual(statedError.read({ _tag: "Empty" }), {
      code: Option.none(),
      description: Option.none(),
      uri: Option.none()
    })
  })
})
