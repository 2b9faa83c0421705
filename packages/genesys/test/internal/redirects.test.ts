import { FetchHttpClient, HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { notFollowed } from "../../src/internal/redirects.js"

describe("redirects", () => {
  // FAULTS T
  it.effect("a client that sets the settings of fetch itself follows none, and what else it says stays", () =>
    Effect.gen(function*() {
      const seen: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = (_, init) => {
        seen.push(init)
        return Promise.resolve(new Response(null, { status: 302, headers: { location: "https://other.example" } }))
      }
      const inside: RequestInit = { redirect: "follow", keepalive: true }
      const client = yield* notFollowed(HttpClient.transformResponse(
        yield* HttpClient.HttpClient,
        Effect.provideService(FetchHttpClient.RequestInit, inside)
      ))
      const { status } = yield* Effect.provideService(client.get("https://api.example"), FetchHttpClient.Fetch, fetch)
      assert.deepStrictEqual([status, seen[0]?.redirect, seen[0]?.keepalive], [302, "manual", true])
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
