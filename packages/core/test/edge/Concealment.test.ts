import * as util from "node:util"
import { HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Redacted } from "effect"
import { Concealment } from "../../src/index.js"

const secret = "k3y-of-the-partner/that-nobody+sees"
const key = { name: "x-api-key", value: Redacted.make(secret) }
const make = () =>
  HttpClientRequest.get("https://api.example.com", { headers: { "x-api-key": secret, "x-other": "a" } })

const shown = (value: unknown): string =>
  [JSON.stringify(value), util.inspect(value, { depth: 20 }), String(value)].join("\n")

class Failed extends Data.TaggedError("Failed")<{ readonly request: unknown }> {}

// FAULTS S5
describe("Concealment", () => {
  it("hides a header of any name in a request in which other clients hide theirs", () => {
    const request = HttpClientRequest.setHeader(make(), "authorization", "Bearer t0ken")
    assert.isFalse(Concealment.request(request, "x-missing"))
    assert.isTrue(Concealment.request(request, "x-api-key"))
    const render: unknown = request.toJSON
    assert.isTrue(Concealment.request(request, "x-api-key"))
    assert.strictEqual(request.toJSON as unknown, render)
    assert.include(shown(request), "Bearer t0ken")
    assert.isTrue(Concealment.request(request, "authorization"))
    assert.notInclude(shown(request), "t0ken")
    assert.notInclude(shown(request), secret)
    assert.include(shown(request), "\"x-other\":\"a\"")
    assert.strictEqual(request.headers["x-api-key"], secret)
  })

  it("returns a copy of a response whose request is frozen", () => {
    assert.isFalse(Concealment.request(Object.freeze(make()), "x-api-key"))
    const frozen = HttpClientResponse.fromWeb(Object.freeze(make()), new Response("a"))
    assert.include(shown(frozen), secret)
    const response = Concealment.response(frozen, key)
    assert.notInclude(shown(response), secret)
    assert.strictEqual(response.status, 200)
    const open = HttpClientResponse.fromWeb(make(), new Response("a"))
    assert.strictEqual(Concealment.response(open, key), open)
    assert.notInclude(shown(open), secret)
  })

  it("hides the header in failures and defects, and does not change other errors", () => {
    for (const end of [Cause.fail, Cause.die]) {
      const error = new Failed({ request: make() })
      const cause = Concealment.cause(end(error), key)
      assert.strictEqual(Cause.squash(cause), error)
      assert.notInclude(shown(cause), secret)
      const pretty = Cause.prettyErrors(Concealment.cause(end({ "x-copy": secret }), key))
      assert.notInclude(shown(pretty), secret)
    }
    const other = Cause.fail("of no interest")
    assert.strictEqual(Concealment.cause(other, key), other)
  })
})
