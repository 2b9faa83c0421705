/** `POST /oauth2/{profile}/token` is a token endpoint for clients that know of no broker. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { describeWith } from "../programs.js"
import type { Client } from "./clients.js"
import { clients } from "./clients.js"
import * as TestBroker from "./TestBroker.js"

const bothScopes = "calls:read calls:write"

const scopesIn = (scope: string | undefined) => (scope ?? "").split(" ").sort()

/** Asks the broker, with the client's usual settings and those given. */
const ask = (
  client: Client,
  { key, tokenEndpoint }: Effect.Effect.Success<ReturnType<typeof TestBroker.start>>,
  settings: { readonly key?: string; readonly scope?: string } = {}
) =>
  client.get({
    tokenEndpoint,
    id: TestBroker.caller,
    key,
    ...client.needsScope === true ? { scope: bothScopes } : {},
    ...settings
  })

const callApi = (url: string, token: string) =>
  Effect.promise(async () => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    await response.body?.cancel()
    return response.status
  })

for (const client of clients) {
  describeWith(client.needs === undefined ? [] : [client.needs], client.name, () => {
    // SPEC F1
    it.scopedLive("gets a token that the API takes", () =>
      Effect.gen(function*() {
        const broker = yield* TestBroker.start()
        const got = yield* ask(client, broker)
        assert(got._tag === "Token", JSON.stringify(got))
        assert.isAtLeast(got.lifetime, 1)
        assert.isAtMost(got.lifetime, 7200)
        assert.deepStrictEqual(scopesIn(got.scope), scopesIn(bothScopes))
        assert.strictEqual(yield* callApi(broker.api.callsUrl, got.token), 200)
      }))

    it.scopedLive("takes a wrong key for what it is", () =>
      Effect.gen(function*() {
        const broker = yield* TestBroker.start()
        assert.deepStrictEqual(yield* ask(client, broker, { key: `${broker.key}x` }), {
          _tag: "Refused",
          as: client.refuses.key,
          code: "invalid_client"
        })
        assert.strictEqual((yield* broker.issuer.seen).tokenRequests, 0)
      }))

    it.scopedLive("narrows its scope, and learns which it may not have", () =>
      Effect.gen(function*() {
        const broker = yield* TestBroker.start()
        const narrow = yield* ask(client, broker, { scope: "calls:read" })
        assert(narrow._tag === "Token", JSON.stringify(narrow))
        assert.deepStrictEqual(scopesIn(narrow.scope), ["calls:read"])
        assert.strictEqual(yield* callApi(broker.api.callsUrl, narrow.token), 200)
        assert.deepStrictEqual(yield* ask(client, broker, { scope: "calls:read calls:admin" }), {
          _tag: "Refused",
          as: client.refuses.scope,
          code: "invalid_scope"
        })
        assert.strictEqual((yield* broker.issuer.seen).tokenRequests, 1)
      }))
  })
}

describe("all of them", () => {
  const present = clients.filter(({ needs }) => needs === undefined || needs.command !== undefined)

  // SPEC F1, A1
  it.scopedLive("they have one token, of one token request", () =>
    Effect.gen(function*() {
      const broker = yield* TestBroker.start()
      const got = yield* Effect.forEach(present, (client) => ask(client, broker), { concurrency: "unbounded" })
      const tokens = got.map((outcome) => outcome._tag === "Token" ? outcome.token : JSON.stringify(outcome))
      assert.strictEqual(new Set(tokens).size, 1, tokens.join("\n"))
      assert.strictEqual(tokens.length, present.length)
      const { tokenRequests, tokensIssued } = yield* broker.issuer.seen
      assert.deepStrictEqual({ tokenRequests, tokensIssued }, { tokenRequests: 1, tokensIssued: 1 })
    }))
})
