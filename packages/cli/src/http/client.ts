/** The HTTP client, loaded when the first request is sent: a token that is in the store needs none. */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"

/** The client of `undici.ts`, which is loaded with the first request and ends with the layer. */
export const layer: Layer.Layer<HttpClient.HttpClient> = Layer.scoped(
  HttpClient.HttpClient,
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const client = yield* Effect.cached(
      Effect.flatMap(Effect.promise(() => import("./undici.js")), ({ make }) => Scope.extend(make, scope))
    )
    return HttpClient.makeWith<HttpClientError, never, HttpClientError, never>(
      (request) => Effect.flatMap(request, (request) => Effect.flatMap(client, (client) => client.execute(request))),
      Effect.succeed
    )
  })
)
