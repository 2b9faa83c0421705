import type { HttpClientRequest } from "@effect/platform"
import { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Schema, Stream } from "effect"
import { Analytics, GenesysApi, GenesysCloud, Users } from "../src/index.js"
import * as test from "./utils/cloud.js"

/** What a call comes to, with an API that always answers this, and what was sent for it. */
const outcome = <A, E>(call: Effect.Effect<A, E, GenesysCloud.GenesysCloud>, reply: unknown = {}) =>
  Effect.gen(function*() {
    const { calls, client } = test.memory(() => Response.json(reply))
    const cloud = yield* test.connectTo(client)
    const result = yield* Effect.either(Effect.provideService(call, GenesysCloud.GenesysCloud, cloud))
    return { calls, result }
  }).pipe(Effect.scoped)

const failure = <A, E>(call: Effect.Effect<A, E, GenesysCloud.GenesysCloud>, reply?: unknown) =>
  Effect.gen(function*() {
    const { calls, result } = yield* outcome(call, reply)
    assert.strictEqual(result._tag, "Left")
    return { calls, error: (result as { readonly left: E }).left }
  })

describe("what an error shows", () => {
  const failing = (of: (request: HttpClientRequest.HttpClientRequest) => HttpClientError.HttpClientError) =>
    Effect.gen(function*() {
      const { client } = test.memory(() => Response.json({}))
      const cloud = yield* test.connectTo(
        HttpClient.makeWith<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
          Effect.flatMap((request) =>
            request.url.endsWith("/oauth/token") ? client.execute(request) : Effect.fail(of(request))
          ),
          Effect.succeed
        ),
        { api: { retry: false } }
      )
      return yield* Effect.flip(
        Effect.provideService(GenesysApi.get("/api/v2/x", Schema.Unknown), GenesysCloud.GenesysCloud, cloud)
      )
    }).pipe(Effect.scoped)

  // FAULTS S: all words were hidden
  it.effect("the words of a network error are shown, as core shows them", () =>
    Effect.gen(function*() {
      for (
        const [message, code] of [
          ["getaddrinfo ENOTFOUND api.mypurecloud.de", "ENOTFOUND"],
          ["connect ECONNREFUSED 127.0.0.1:65003", "ECONNREFUSED"],
          ["socket hang up", "ECONNRESET"]
        ] as const
      ) {
        const cause = new TypeError("fetch failed", { cause: Object.assign(new Error(message), { code }) })
        const error = yield* failing((request) =>
          new HttpClientError.RequestError({ request, reason: "Transport", cause })
        )
        assert.include(error.message, `: ${message} (${code})`)
      }
    }))

  it.effect("what a client says of a response that came is hidden, for it may quote it", () =>
    Effect.gen(function*() {
      const error = yield* failing((request) =>
        new HttpClientError.ResponseError({
          request,
          response: HttpClientResponse.fromWeb(request, new Response("")),
          reason: "Decode",
          cause: new Error(`cannot read correcthorsebattery and ${test.token}`)
        })
      )
      assert.notMatch(test.renderings(error), /correcthorse|t0k3n/)
    }))

  // FAULTS S
  it.effect("a URL that does not parse is described and not quoted", () =>
    Effect.gen(function*() {
      for (const url of ["https://me:hunt3r2#x@h.test/y", "https://me:hunt3r2@h.test:99999/", "me:hunt3r2@h.test/x"]) {
        const { error } = yield* failure(
          Effect.flatMap(GenesysCloud.GenesysCloud, ({ client }) => client.get(url))
        )
        assert.notInclude(test.renderings(error), "hunt3r2")
      }
    }))

  // FAULTS S: it was hidden in part or in full
  it.effect("the content type of an unexpected reply is shown without its parameters", () =>
    Effect.gen(function*() {
      for (
        const [header, shown] of [
          ["text/html; charset=utf-8", "text/html"],
          ["text/html;charset=UTF-8", "text/html"],
          ["application/json;charset=UTF-8", "application/json"],
          ["application/vnd.api+json; version=1", "application/vnd.api+json"],
          ["multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", "multipart/form-data"],
          ["application/hunt3r2", "application/…"]
        ] as const
      ) {
        const { client } = test.memory(() => new Response("<html>", { headers: { "content-type": header } }))
        const cloud = yield* test.connectTo(client)
        const error = yield* Effect.flip(
          Effect.provideService(GenesysApi.get("/api/v2/x", Schema.Unknown), GenesysCloud.GenesysCloud, cloud)
        )
        assert.include(error.message, ` answered 200 with ${shown}: `)
      }
    }).pipe(Effect.scoped))
})

describe("calls that cannot be made", () => {
  it.effect("an id that is no well-formed text is an error, and nothing is sent", () =>
    Effect.gen(function*() {
      const { calls, error } = yield* failure(Users.get("\ud83d"))
      assert.deepInclude(error, { _tag: "InvalidCall", field: "id in users" })
      assert.lengthOf(calls, 0)
    }))

  it.effect("an interval that does not start or end with a date is an error", () =>
    Effect.gen(function*() {
      for (
        const [interval, end] of [
          [["2026-13-45", "2026-01-02"], "start"],
          [["2026-01-01", "x"], "end"],
          [[new Date(NaN), 0], "start"],
          [[0, Infinity], "end"]
        ] as const
      ) {
        for (
          const call of [
            Analytics.conversationDetails({ interval }),
            Stream.runDrain(Analytics.conversations({ interval }))
          ]
        ) {
          const { calls, error } = yield* failure<unknown, unknown>(call)
          assert.deepInclude(error, { _tag: "InvalidCall", field: "interval", detail: `its ${end} is no date` })
          assert.lengthOf(calls, 0)
        }
      }
    }))
})

describe("conversationDetails", () => {
  it.effect("sends moments as the API reads them, and text as it is", () =>
    Effect.gen(function*() {
      const day = "2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z"
      for (
        const interval of [
          day,
          ["2026-01-01T00:00:00Z", new Date("2026-01-02T00:00:00Z")],
          [DateTime.unsafeMake("2026-01-01"), Date.UTC(2026, 0, 2)]
        ] as const
      ) {
        const { calls } = yield* outcome(Analytics.conversationDetails({ interval }))
        assert.deepStrictEqual(JSON.parse(calls[0]!.body), { interval: day, paging: { pageNumber: 1, pageSize: 100 } })
      }
    }))
})

describe("an answer of another shape", () => {
  it.effect("the error names each place in the answer once", () =>
    Effect.gen(function*() {
      const Versioned = Schema.Struct({ version: Schema.Union(Schema.Number, Schema.Null, Schema.Boolean) })
      const Thing = Schema.Union(Versioned, Schema.Struct({ name: Schema.String }))
      const told = <A, I>(schema: Schema.Schema<A, I>, reply: unknown) =>
        Effect.map(failure(GenesysApi.get("/api/v2/things", schema), reply), ({ error }) => error.message)
      assert.match(yield* told(Versioned, { version: "x" }), / expected at version\.$/)
      assert.match(yield* told(Schema.Array(Thing), [{ version: "x" }]), / expected at 0\.version, 0\.name\.$/)
      assert.match(yield* told(Schema.String, {}), / expected\.$/)
    }))
})
