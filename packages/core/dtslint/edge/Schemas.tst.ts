import { HttpApiEndpoint, HttpApiSchema } from "@effect/platform"
import type { Effect, Option, ParseResult } from "effect"
import { Schema } from "effect"
import { describe, expect, it } from "tstyche"
import * as Schemas from "../../src/edge/Schemas.js"
import type { AccessToken, TokenError, TokenEvent, TokenRequest, TokenSource } from "../../src/index.js"

class Own extends Schema.TaggedError<Own>()("Own", { why: Schema.NumberFromString }) {}

describe("Schemas", () => {
  it("decode to the values of the library, and need nothing", () => {
    expect(Schema.decodeUnknown(Schemas.TokenError)({})).type.toBe<
      Effect.Effect<TokenError.TokenError, ParseResult.ParseError>
    >()
    expect<typeof Schemas.TokenEvent.Type>().type.toBe<TokenEvent.TokenEvent>()
    expect<typeof Schemas.Transient.Type>().type.toBe<TokenError.Transient>()
    expect<typeof Schemas.Fatal.Type>().type.toBe<TokenError.Fatal>()
    expect<typeof Schemas.RequestError.Type>().type.toBe<TokenError.RequestError>()
    expect<typeof Schemas.AccessTokenWithSecrets.Type>().type.toBe<AccessToken.AccessToken>()
    expect<typeof Schemas.TokenRequestWithSecrets.Type>().type.toBe<TokenRequest.TokenRequest>()
    expect<typeof Schemas.StatusWithSecrets.Type>().type.toBe<TokenSource.Status>()
    expect<typeof Schemas.StatusInfo.Type>().type.toBe<Schemas.StatusInfo>()
    expect<Schemas.StatusInfo["token"]>().type.toBe<Option.Option<Schemas.AccessTokenInfo>>()
  })

  it("the JSON form of an error has its fields: milliseconds, and no member for None", () => {
    expect<typeof Schemas.RateLimited.Encoded>().type.toBe<{
      readonly _tag: "RateLimited"
      readonly endpoint: string
      readonly status: number
      readonly retryAfter?: number | null | undefined
      readonly description?: string | null | undefined
    }>()
    expect<typeof Schemas.EndpointTimeout.Encoded>().type.toBe<{
      readonly _tag: "EndpointTimeout"
      readonly endpoint: string
      readonly phase: "connect" | "read" | "total"
      readonly limit: number
    }>()
    expect<typeof Schemas.ScopeNotGranted.Encoded>().type.toBe<{
      readonly _tag: "ScopeNotGranted"
      readonly requested: ReadonlyArray<string>
      readonly granted: ReadonlyArray<string>
      readonly missing: ReadonlyArray<string>
      readonly renamed: ReadonlyArray<{ readonly requested: string; readonly granted: string }>
    }>()
    expect<Extract<typeof Schemas.TokenError.Encoded, { readonly _tag: "RetriesExhausted" }>>().type.toBeAssignableTo<
      Schemas.RetriesExhaustedEncoded<typeof Schemas.Transient.Encoded>
    >()
  })

  it("so has that of an event", () => {
    expect<Extract<typeof Schemas.TokenEvent.Encoded, { readonly _tag: "RefreshFailed" }>>().type.toBe<{
      readonly _tag: "RefreshFailed"
      readonly key: string
      readonly at: number
      readonly reason: TokenEvent.Reason
      readonly error: string
      readonly message: string
      readonly elapsed: number
      readonly failures: number
      readonly stillServing: boolean
      readonly retryAt: number
    }>()
    expect<Extract<typeof Schemas.TokenEvent.Encoded, { readonly _tag: "RevokedEarly" }>>().type.toBe<{
      readonly _tag: "RevokedEarly"
      readonly key: string
      readonly at: number
      readonly age: number
      readonly remaining?: number | null | undefined
    }>()
  })

  it("a form without secrets is not made from one with them by accident", () => {
    expect(Schema.encode(Schemas.AccessTokenWithSecrets)).type.not.toBeCallableWith("token")
    expect(Schema.decode(Schemas.AccessTokenInfo)).type.not.toBeCallableWith({ value: "t" })
    expect<keyof Schemas.AccessTokenInfo & ("value" | "refreshToken" | "extra")>().type.toBe<never>()
  })

  it("giving up has the error of one's own", () => {
    expect(Schemas.RetriesExhausted(Own)).type.toBe<
      Schema.Schema<
        TokenError.RetriesExhausted<Own>,
        Schemas.RetriesExhaustedEncoded<{ readonly _tag: "Own"; readonly why: string }>
      >
    >()
  })

  it("errors of an endpoint keep their types, with and without a status", () => {
    const status = HttpApiSchema.annotations({ status: 503 })
    expect(Schemas.withAnnotations(Schemas.Transient, status)).type.toBe<typeof Schemas.Transient>()
    expect(Schemas.Transient.pipe(Schemas.withAnnotations(status))).type.toBe<typeof Schemas.Transient>()
    const _endpoint = HttpApiEndpoint.get("a", "/a").addError(Schemas.withAnnotations(Schemas.Transient, status))
      .addError(Schemas.OAuthError)
    expect<HttpApiEndpoint.HttpApiEndpoint.Error<typeof _endpoint>>().type.toBeAssignableFrom<
      TokenError.Transient | TokenError.OAuthError
    >()
  })
})
