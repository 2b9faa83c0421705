// The same grant by hand with Effect's HttpClient.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"

const [tokenEndpoint] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  const request = HttpClientRequest.post(tokenEndpoint).pipe(
    HttpClientRequest.basicAuth("benchmark", "benchmark-secret"),
    HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials" })
  )
  const response = yield* client.execute(request)
  return yield* response.json
})

const body = await Effect.runPromise(Effect.provide(program, FetchHttpClient.layer))
process.exit(body.access_token.startsWith("token.") ? 0 : 1)
