import type { HttpClientError } from "@effect/platform"
import { HttpApi, HttpApiClient, HttpApiEndpoint, HttpApiGroup, HttpClient } from "@effect/platform"
import type { Layer, Option } from "effect"
import { Context, Effect, pipe, Schema } from "effect"
import { describe, expect, it } from "tstyche"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import type * as TokenSource from "../../src/lifecycle/TokenSource.js"
import type * as TokenError from "../../src/values/TokenError.js"
import type * as TokenRequest from "../../src/values/TokenRequest.js"

declare const source: TokenSource.With<TokenError.TokenError>
declare const own: TokenSource.With<"mine">
declare const client: HttpClient.HttpClient
declare const needy: HttpClient.HttpClient.With<"inner", "service">
declare const request: TokenRequest.TokenRequest

const origins = ["https://api.example.com"] as const

class Billing extends Context.Tag("Billing")<Billing, TokenSource.With<"mine">>() {}

class Api extends HttpApi.make("api").add(
  HttpApiGroup.make("users").add(HttpApiEndpoint.get("me", "/me").addSuccess(Schema.String))
) {}

describe("withFetch and withMinTtl", () => {
  it("withFetch is an effect without needs, for a source with any errors", () => {
    expect(BearerAuth.withFetch(own, { origins })).type.toBe<Effect.Effect<typeof globalThis.fetch>>()
    expect(BearerAuth.withFetch(source, { origins, fetch })).type.toBe<Effect.Effect<typeof globalThis.fetch>>()
    expect(BearerAuth.withFetch).type.not.toBeCallableWith(source, {})
  })

  it("withMinTtl changes no type", () => {
    const call: Effect.Effect<"a", "e", "r"> = {} as never
    expect(BearerAuth.withMinTtl(call, "10 minutes")).type.toBe<Effect.Effect<"a", "e", "r">>()
    expect(call.pipe(BearerAuth.withMinTtl("10 minutes"))).type.toBe<Effect.Effect<"a", "e", "r">>()
  })
})

describe("withBearer", () => {
  it("adds the error of the source and keeps E and R, data-first", () => {
    expect(BearerAuth.withBearer(client, source, { origins })).type.toBe<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError | TokenError.TokenError>
    >()
    expect(BearerAuth.withBearer(needy, source, { origins })).type.toBe<
      HttpClient.HttpClient.With<"inner" | TokenError.TokenError, "service">
    >()
  })

  it("adds the error of the source and keeps E and R, data-last", () => {
    expect(client.pipe(BearerAuth.withBearer(source, { origins }))).type.toBe<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError | TokenError.TokenError>
    >()
    expect(pipe(needy, BearerAuth.withBearer(source, { origins }))).type.toBe<
      HttpClient.HttpClient.With<"inner" | TokenError.TokenError, "service">
    >()
  })

  it("says that it can be set up wrongly, even if the source cannot", () => {
    expect(BearerAuth.withBearer(client, own, { origins })).type.toBe<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError | "mine" | TokenError.InvalidConfiguration>
    >()
  })

  it("needs at least one origin", () => {
    expect(BearerAuth.withBearer(client, source, { origins: ["https://a.example", new URL("https://b.example")] })).type
      .toBe<HttpClient.HttpClient.With<HttpClientError.HttpClientError | TokenError.TokenError>>()
    expect(BearerAuth.withBearer<HttpClientError.HttpClientError, never, TokenError.TokenError>).type.not
      .toBeCallableWith(client, source, { origins: [] })
  })

  it("carries the token error into an HttpApiClient", () => {
    const httpClient = BearerAuth.withBearer(client, source, { origins })
    const _me = Effect.flatMap(
      HttpApiClient.makeWith(Api, { httpClient, baseUrl: "https://api.example.com" }),
      (api) => api.users.me()
    )
    expect<TokenError.TokenError>().type.toBeAssignableTo<Effect.Effect.Error<typeof _me>>()
  })
})

describe("layer", () => {
  it("needs the default source", () => {
    expect(BearerAuth.layer({ origins })).type.toBe<
      Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | TokenSource.TokenSource>
    >()
  })

  it("needs the source behind the tag it is given", () => {
    expect(BearerAuth.layer({ origins, source: Billing, onOtherOrigin: "fail" })).type.toBe<
      Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | Billing>
    >()
  })

  it("takes no tag of another service", () => {
    expect(BearerAuth.layer).type.not.toBeCallableWith({ origins, source: HttpClient.HttpClient })
  })
})

describe("tokenErrorOf", () => {
  it("reads a token error from anything", () => {
    expect(BearerAuth.tokenErrorOf("anything")).type.toBe<Option.Option<TokenError.TokenError>>()
  })
})

describe("per call", () => {
  const call = client.get("https://api.example.com")

  it("leaves the effect's type as it is", () => {
    expect(BearerAuth.skip(call)).type.toBe<typeof call>()
    expect(BearerAuth.withRequest(call, request)).type.toBe<typeof call>()
    expect(call.pipe(BearerAuth.withRequest(request))).type.toBe<typeof call>()
  })
})
