import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { TestSource, TokenErrors } from "@effect-bearer/testing"
import { Context, Data, Effect, Layer } from "effect"
import { BearerAuth, TokenError, TokenSource } from "effect-bearer"

// --- the code under test: a service that calls an API with a token -------------------------------------------------

class NoReport extends Data.TaggedError("NoReport")<{ readonly why: "credentials" | "later" }> {}

class Reports extends Context.Tag("Reports")<Reports, { readonly latest: Effect.Effect<string, NoReport> }>() {
  static readonly layer = Layer.effect(
    Reports,
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(
        BearerAuth.withBearer(yield* TokenSource.TokenSource, { origins: ["https://api.example.com"] }),
        HttpClient.filterStatusOk
      )
      return {
        latest: client.execute(HttpClientRequest.get("https://api.example.com/reports/latest")).pipe(
          Effect.flatMap((response) => response.text),
          Effect.mapError((error) =>
            new NoReport({ why: TokenError.hasCode(error, "invalid_client") ? "credentials" : "later" })
          )
        )
      }
    })
  )
}

// --- the API, as the service sees it: it lets one token in ---------------------------------------------------------

const Api = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make((request) => {
    const allowed = request.headers.authorization === "Bearer token-2"
    const answer = allowed ? new Response("up by 3 %") : new Response("", { status: 401 })
    return Effect.succeed(HttpClientResponse.fromWeb(request, answer))
  })
)

const latestWith = (tokens: Layer.Layer<TokenSource.TokenSource>) =>
  Effect.flatMap(Reports, ({ latest }) => latest).pipe(
    Effect.provide(Reports.layer.pipe(Layer.provide([tokens, Api])))
  )

describe("Reports", () => {
  it.effect("the API refuses the first token: the call is made again with the next one", () =>
    Effect.gen(function*() {
      const tokens = TestSource.layerTest(TestSource.expiring()) // token-1, token-2, …
      assert.strictEqual(yield* latestWith(tokens), "up by 3 %")
    }))

  it.effect("a wrong secret is told apart from a server that is down", () =>
    Effect.gen(function*() {
      const wrong = TestSource.layerTest(TestSource.failing(TokenErrors.invalidClient()))
      assert.strictEqual((yield* Effect.flip(latestWith(wrong))).why, "credentials")

      const down = TestSource.layerTest(TestSource.failing(TokenErrors.retriesExhausted()))
      assert.strictEqual((yield* Effect.flip(latestWith(down))).why, "later")
    }))

  it.effect("it has an answer for every error there is", () =>
    Effect.forEach(
      TokenErrors.each,
      (error) =>
        Effect.map(Effect.flip(latestWith(TestSource.layerTest(TestSource.failing(error)))), ({ why }) =>
          assert.include(["credentials", "later"], why))
    ))
})
