import type { HttpClient, HttpClientError } from "@effect/platform"
import type { Config, Effect, Layer, Redacted } from "effect"
import { pipe } from "effect"
import type { AccessToken, ClientAuthentication, TokenError } from "effect-bearer"
import type * as jose from "jose"
import { describe, expect, it } from "tstyche"
import type { SigningKey } from "../src/index.js"
import { ClientAssertion, Dpop, Jwks } from "../src/index.js"

declare const pem: Redacted.Redacted
declare const jwk: Redacted.Redacted<jose.JWK>
declare const key: jose.CryptoKey
declare const fromVault: Effect.Effect<Redacted.Redacted, "down">
declare const fromElsewhere: Effect.Effect<Redacted.Redacted, never, "service">
declare const config: Config.Config<Redacted.Redacted>
declare const dpop: Dpop.Dpop
declare const client: HttpClient.HttpClient
declare const needy: HttpClient.HttpClient.With<"inner", "service">

describe("ClientAssertion", () => {
  it("makes a client authentication of core, from a key in any form", () => {
    for (const material of [pem, jwk, key, fromVault, config]) {
      expect(ClientAssertion.privateKeyJwt({ key: material })).type.toBe<ClientAuthentication.ClientAuthentication>()
    }
    expect(ClientAssertion.clientSecretJwt({ secret: config, alg: "HS512" })).type.toBe<
      ClientAuthentication.ClientAuthentication
    >()
  })

  it("takes no key that could be printed, and no effect that needs something", () => {
    expect(ClientAssertion.privateKeyJwt).type.not.toBeCallableWith({ key: "-----BEGIN PRIVATE KEY-----" })
    expect(ClientAssertion.privateKeyJwt).type.not.toBeCallableWith({ key: fromElsewhere })
    expect(ClientAssertion.clientSecretJwt).type.not.toBeCallableWith({ secret: "s3cr3t" })
  })

  it("keeps algorithms of key pairs and of secrets apart", () => {
    expect(ClientAssertion.privateKeyJwt).type.not.toBeCallableWith({ key: pem, alg: "HS256" })
    expect(ClientAssertion.clientSecretJwt).type.not.toBeCallableWith({ secret: pem, alg: "RS256" })
    expect<"none">().type.not.toBeAssignableTo<SigningKey.Algorithm>()
  })

  it("takes any text for an audience", () => {
    expect(ClientAssertion.privateKeyJwt).type.toBeCallableWith({ key: pem, audience: "https://a.example" })
    expect(ClientAssertion.privateKeyJwt).type.not.toBeCallableWith({ key: pem, audience: ["https://a.example"] })
  })
})

describe("Dpop", () => {
  it("can be set up wrongly, and needs nothing", () => {
    expect(Dpop.make()).type.toBe<Effect.Effect<Dpop.Dpop, TokenError.InvalidConfiguration>>()
    expect(Dpop.make).type.toBeCallableWith({ key: { privateKey: key, publicKey: key } })
    expect(Dpop.make).type.not.toBeCallableWith({ key: "-----BEGIN PRIVATE KEY-----" })
  })

  it("leaves an HttpClient an HttpClient", () => {
    expect(dpop.withDpop(client)).type.toBe<HttpClient.HttpClient.With<HttpClientError.HttpClientError>>()
    expect(dpop.withDpop(client)).type.toBeAssignableTo<HttpClient.HttpClient>()
  })

  it("keeps E and R, and adds that a request could not be made", () => {
    expect(pipe(needy, dpop.withDpop)).type.toBe<
      HttpClient.HttpClient.With<"inner" | HttpClientError.RequestError, "service">
    >()
  })

  it("provides what it needs", () => {
    expect(Dpop.layer()).type.toBe<
      Layer.Layer<HttpClient.HttpClient, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
    expect(Dpop.layer).type.toBeCallableWith()
    expect(Dpop.layer).type.toBeCallableWith(dpop)
    expect(Dpop.layer).type.toBeCallableWith({ alg: "EdDSA" })
  })
})

describe("Jwks", () => {
  const options = {
    issuer: "https://a.example",
    audience: "https://b.example",
    jwksUri: "https://a.example/jwks",
    algorithms: ["ES256"]
  } as const

  it("takes its client at the start, or from each call", () => {
    expect(Jwks.make(options)).type.toBe<
      Effect.Effect<Jwks.Verifier, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
    expect(Jwks.verify(options)).type.toBe<
      (token: AccessToken.AccessToken | Redacted.Redacted) => Effect.Effect<
        Jwks.Verified,
        Jwks.JwksError | TokenError.InvalidConfiguration,
        HttpClient.HttpClient
      >
    >()
  })

  it("only keys that could not be had are worth another try", () => {
    expect<Extract<Jwks.JwksError, { readonly retryable: true }>>().type.toBe<Jwks.KeysUnavailable>()
  })

  it("needs algorithms, of key pairs", () => {
    expect(Jwks.make).type.not.toBeCallableWith({ ...options, algorithms: [] })
    expect(Jwks.make).type.not.toBeCallableWith({ ...options, algorithms: ["HS256"] })
    expect(Jwks.make).type.not.toBeCallableWith({ ...options, algorithms: ["none"] })
  })
})
