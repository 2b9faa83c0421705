import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Option, Schema } from "effect"
import { UnexpectedReply } from "../src/GenesysError.js"
import { GenesysApi, GenesysCloud } from "../src/index.js"
import * as disclosures from "../src/internal/disclosure.js"
import { SdkError } from "../src/sdk/error.js"
import * as test from "./utils/cloud.js"

/** Every piece of the token of eight characters and more that stands in a text. */
const pieces = (text: string, token = test.token): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let at = 0; at + 8 <= token.length; at++) {
    const piece = token.slice(at, at + 8)
    if (text.includes(piece)) found.push(piece)
  }
  return found
}

const failureOf = (response: () => Response) =>
  Effect.gen(function*() {
    const { client } = test.memory(response)
    const cloud = yield* test.connectTo(client, { api: { retry: false } })
    const call = GenesysApi.get("/api/v2/x", Schema.Record({ key: Schema.String, value: Schema.Number }))
    return yield* Effect.flip(Effect.provideService(call, GenesysCloud.GenesysCloud, cloud))
  })

describe("a token that the API repeats", () => {
  // FAULTS S6
  it.scoped("no piece of the token is left where an error cuts a text of the API, wherever the token stands", () =>
    Effect.gen(function*() {
      for (const field of ["message", "code", "error_description", "entityId"]) {
        const limit = field === "code" || field === "entityId" ? 100 : 500
        for (let before = limit - test.token.length - 2; before <= limit + 2; before += 3) {
          const error = yield* failureOf(() =>
            Response.json({ [field]: `${"x ".repeat(before / 2)}${test.token}` }, { status: 400 })
          )
          assert.deepStrictEqual(pieces(test.renderings(error)), [], `${field} ${before}`)
        }
      }
    }))

  // FAULTS S6
  it.prop(
    "no piece of the token is left in any text around it",
    [
      fc.string({ maxLength: 700, unit: fc.constantFrom("a", " ", "\"", "é", "\n", "=") }),
      fc.string({ maxLength: 50 })
    ],
    ([before, after]) => {
      const { member, text, whole } = disclosures.make([test.token])
      const said = `${before}${test.token}${after}`
      const shown = [text(said), text(said, 500), member("message", said, 500), JSON.stringify(whole({ a: [said] }))]
      assert.deepStrictEqual(pieces(shown.join("\n")), [])
    },
    { fastCheck: { numRuns: 200 } }
  )

  // FAULTS S2
  it.scoped("the error for a success that cannot be read shows no text of the body", () =>
    Effect.gen(function*() {
      const numeric = "1234567890123456"
      const answers = [
        () => new Response(`{"access_token":${numeric}`, { headers: { "content-type": "application/json" } }),
        () => new Response(numeric),
        () => Response.json({ [numeric]: "no number" }),
        () => Response.json({ [`token=${test.token}`]: "no number" }),
        () => new Response("{}x", { headers: { "content-type": `application/json; token=${test.token}` } })
      ]
      for (const answer of answers) {
        const error = yield* failureOf(answer)
        assert.strictEqual(error._tag, "UnexpectedReply")
        assert.deepStrictEqual(pieces(test.renderings(error)), [])
        assert.notInclude(test.renderings(error), numeric)
      }
      const reason = new UnexpectedReply({
        method: "GET",
        url: "https://api.test/x",
        status: 200,
        contentType: "",
        detail: "its JSON breaks off, or is none",
        correlationId: Option.none()
      })
      const data = `{"access_token":${numeric},"name":"Ada`
      const sdk = new SdkError(reason, {
        reply: { status: 200, statusText: "OK", headers: { "x-debug": numeric, "content-type": "text/x" }, data },
        secrets: []
      })
      assert.notInclude(test.renderings(sdk), numeric)
      assert.notInclude(test.renderings(sdk), "Ada")
      assert.strictEqual(sdk.headers["content-type"], "text/x")
    }))

  // FAULTS W2
  it.scoped("codes of errors are recognised in any case", () =>
    Effect.gen(function*() {
      const { client } = test.memory(
        () => test.apiError(404, "Not.Found"),
        () => Response.json({ error: "INVALID_CLIENT" }, { status: 401 })
      )
      const cloud = yield* test.connectTo(client, { api: { retry: false } })
      const error = yield* Effect.flip(cloud.client.get("/api/v2/x"))
      assert.include(error.message, "known in the region of its organization only")
      const { client: ok } = test.memory(() => test.apiError(404, "Not.Found"))
      const other = yield* test.connectTo(ok, { api: { retry: false } })
      assert.include((yield* Effect.flip(other.client.get("/api/v2/x"))).message, "Check the id")
    }))
})
