import type { FileSystem, HttpClient } from "@effect/platform"
import type { Effect, Either, Layer, Redacted, Scope, Stream } from "effect"
import { Schema } from "effect"
import type { TokenError, TokenSource } from "effect-bearer"
import { RetryPolicy, Secret } from "effect-bearer"
import { describe, expect, it } from "tstyche"
import type { GenesysError } from "../src/index.js"
import { Analytics, GenesysApi, GenesysCloud, Limits, Organizations, Paging, Region, Users } from "../src/index.js"

declare const secret: Redacted.Redacted
declare const client: HttpClient.HttpClient.With<"inner", "service">

const options = { region: "mypurecloud.de", clientId: "a", clientSecret: secret }

describe("GenesysCloud", () => {
  it("is provided together with its source of tokens, and can only be set up wrongly", () => {
    type Provided = Layer.Layer<
      GenesysCloud.GenesysCloud | TokenSource.TokenSource,
      TokenError.InvalidConfiguration,
      HttpClient.HttpClient
    >
    expect(GenesysCloud.layer(options)).type.toBe<Provided>()
    expect(GenesysCloud.layerConfig()).type.toBe<Provided>()
    expect(GenesysCloud.layerConfig({ region: Region.of("us_east_1") })).type.toBe<Provided>()
    expect(GenesysCloud.make(options)).type.toBe<
      Effect.Effect<GenesysCloud.Service, TokenError.InvalidConfiguration, HttpClient.HttpClient | Scope.Scope>
    >()
  })

  it("takes no secret that could be printed", () => {
    expect(GenesysCloud.layer).type.not.toBeCallableWith({ ...options, clientSecret: "s3cr3t" })
  })

  it("takes a place where the secret is, and needs what the place needs", () => {
    const clientSecret = { from: Secret.file("/run/secrets/genesys") }
    type FromFile = Layer.Layer<
      GenesysCloud.GenesysCloud | TokenSource.TokenSource,
      TokenError.InvalidConfiguration,
      HttpClient.HttpClient | FileSystem.FileSystem
    >
    expect(GenesysCloud.layer({ ...options, clientSecret })).type.toBe<FromFile>()
    expect(GenesysCloud.layerConfig({ clientSecret })).type.toBe<FromFile>()
    expect(GenesysCloud.layerConfig({ clientSecret: { from: Secret.vault({ path: "a", field: "b" }) } })).type.toBe<
      Layer.Layer<
        GenesysCloud.GenesysCloud | TokenSource.TokenSource,
        TokenError.InvalidConfiguration,
        HttpClient.HttpClient
      >
    >()
    expect(GenesysCloud.layer).type.not.toBeCallableWith({ ...options, clientSecret: clientSecret.from })
  })

  it("takes the settings of TokenSource.layer, and policies that know its errors", () => {
    expect(GenesysCloud.layer).type.toBeCallableWith({ ...options, refresh: false, cache: {}, rateLimit: {} })
    const retry = RetryPolicy.exponentialJitter<GenesysError.Transient>()
    expect(GenesysCloud.layer).type.toBeCallableWith({ ...options, api: { retry } })
    const other = RetryPolicy.exponentialJitter<GenesysError.ApiRateLimited>()
    expect(GenesysCloud.layer).type.not.toBeCallableWith({ ...options, api: { retry: other } })
  })

  it("its client has no error of the platform", () => {
    expect<GenesysCloud.Service["client"]>().type.toBe<HttpClient.HttpClient.With<GenesysError.RequestError>>()
  })
})

describe("calls", () => {
  it("name their errors", () => {
    expect(Users.get("42")).type.toBe<Effect.Effect<Users.User, GenesysError.CallError, GenesysCloud.GenesysCloud>>()
    expect(Organizations.me).type.toBe<
      Effect.Effect<
        Organizations.Organization,
        GenesysError.RequestError | GenesysError.UnexpectedReply,
        GenesysCloud.GenesysCloud
      >
    >()
    expect(Users.list()).type.toBe<
      Stream.Stream<Users.User, GenesysError.CallError | GenesysError.PagingStuck, GenesysCloud.GenesysCloud>
    >()
    expect(GenesysApi.path`/a/${"b"}`).type.toBe<Either.Either<string, GenesysError.InvalidCall>>()
  })

  it("only what the API put off is worth another try", () => {
    expect<Extract<GenesysError.ResponseError, RetryPolicy.Retryable>>().type.toBe<GenesysError.Transient>()
    expect<Extract<GenesysError.CallError, { readonly retryable: boolean }>>().type.toBe<GenesysError.CallError>()
  })

  it("a query is typed", () => {
    expect(Analytics.conversationDetails).type.toBeCallableWith({ interval: "a/b", order: "desc" })
    expect(Analytics.conversationDetails).type.not.toBeCallableWith({ interval: "a/b", order: "down" })
    expect(Analytics.conversationDetails).type.not.toBeCallableWith({})
  })

  it("need what the schema needs", () => {
    const schema = Schema.String as Schema.Schema<string, string, "service">
    expect(GenesysApi.get("/a", schema)).type.toBe<
      Effect.Effect<
        string,
        GenesysError.RequestError | GenesysError.UnexpectedReply,
        GenesysCloud.GenesysCloud | "service"
      >
    >()
  })
})

describe("Limits and Paging", () => {
  it("add their errors to those there are", () => {
    expect(Limits.withTimeout()(client)).type.toBe<
      HttpClient.HttpClient.With<"inner" | GenesysError.ApiTimeout, "service">
    >()
    const fetch = (null as unknown) as () => Effect.Effect<Paging.OffsetPage<number>, "inner", "service">
    expect(Paging.byOffset({ fetch })).type.toBe<Stream.Stream<number, "inner" | GenesysError.PagingStuck, "service">>()
  })
})
