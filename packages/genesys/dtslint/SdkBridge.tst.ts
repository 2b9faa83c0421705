import type { Effect, Option, Scope } from "effect"
import type { TokenError, TokenSource } from "effect-bearer"
import { RetryPolicy } from "effect-bearer"
import platformClient from "purecloud-platform-client-v2"
import { describe, expect, it } from "tstyche"
import type { GenesysCloud, GenesysError } from "../src/index.js"
import { SdkBridge } from "../src/index.js"

type Official = typeof platformClient.ApiClient

declare const tokens: TokenSource.With<TokenError.TokenError>
declare const bridge: SdkBridge.SdkBridge<Official>

describe("SdkBridge", () => {
  it("takes the official SDK", () => {
    expect<Official>().type.toBeAssignableTo<SdkBridge.ApiClient>()
    expect<Official["httpClient"]>().type.toBeAssignableTo<SdkBridge.SdkHttpClient>()
    expect<Parameters<Official["httpClient"]["request"]>[0]>().type.toBeAssignableTo<SdkBridge.SdkRequest>()
  })

  it("can fail for want of a token, and lives in a scope", () => {
    expect(SdkBridge.connect(platformClient.ApiClient.instance)).type.toBe<
      Effect.Effect<
        SdkBridge.SdkBridge<Official>,
        TokenError.TokenError,
        GenesysCloud.GenesysCloud | Scope.Scope
      >
    >()
    expect(SdkBridge.make(platformClient.ApiClient, { region: "mypurecloud.de", tokens })).type.toBe<
      Effect.Effect<SdkBridge.SdkBridge<Official>, TokenError.TokenError, Scope.Scope>
    >()
  })

  it("gives calls the client that was handed in, and the errors of this package", () => {
    expect(bridge.call((api) => {
      expect(api).type.toBe<Official>()
      return new platformClient.UsersApi(api).getUser("42").then(({ name }) => name)
    })).type.toBe<Effect.Effect<string | undefined, GenesysError.CallError>>()
    expect(SdkBridge.errorOf(null as unknown)).type.toBe<Option.Option<GenesysError.CallError>>()
  })

  it("errors can be read, and not made", () => {
    expect<SdkBridge.SdkError>().type.toBeAssignableTo<Error>()
    expect<SdkBridge.SdkError["reason"]>().type.toBe<GenesysError.CallError>()
    expect<SdkBridge.SdkError["status"]>().type.toBe<number | undefined>()
  })

  it("takes policies that know its errors", () => {
    const retry = RetryPolicy.exponentialJitter<GenesysError.Transient>()
    expect(SdkBridge.connect).type.toBeCallableWith(platformClient.ApiClient, { retry, timeout: "5 seconds" })
    const other = RetryPolicy.exponentialJitter<GenesysError.ApiRateLimited>()
    expect(SdkBridge.connect).type.not.toBeCallableWith(platformClient.ApiClient, { retry: other })
  })
})
