import type { FileSystem, HttpClient } from "@effect/platform"
import type { Effect, Either, Option, Redacted, Scope } from "effect"
import type { AccessToken, Introspection as I, Revocation as R, TokenError } from "effect-bearer"
import {
  ClientAuthentication,
  Introspection,
  Jwt,
  Revocation,
  Secret,
  ServerMetadata,
  TokenEndpoint,
  TokenMonitor,
  TokenSource
} from "effect-bearer"
import { describe, expect, it } from "tstyche"

declare const token: AccessToken.AccessToken
declare const secret: Redacted.Redacted
declare const introspection: I.Introspection
declare const revocation: R.Revocation
declare const cached: TokenSource.Cached<TokenError.TokenError>
declare const tokens: TokenSource.With<TokenError.TokenError>
declare const result: I.Result

describe("Jwt", () => {
  it("decode never fails, checkScopes fails with what is missing", () => {
    expect(Jwt.decode(token)).type.toBe<Option.Option<Jwt.UnverifiedClaims>>()
    expect(Jwt.decode).type.toBeCallableWith(secret)
    expect(Jwt.decode).type.toBeCallableWith("text")
    expect(Jwt.checkScopes(token, "a b")).type.toBe<
      Either.Either<Option.Option<Jwt.UnverifiedClaims>, TokenError.ScopeNotGranted>
    >()
  })

  it("claims are not to be had without Redacted.value", () => {
    expect<Jwt.UnverifiedClaims["claims"]>().type.toBe<Redacted.Redacted<Readonly<Record<string, unknown>>>>()
  })
})

describe("Introspection and Revocation", () => {
  const client = { clientId: "svc", authentication: ClientAuthentication.basic(secret) }

  it("are made like a TokenEndpoint", () => {
    expect(Introspection.make({ endpoint: "https://a.test", ...client })).type.toBe<
      Effect.Effect<I.Introspection, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
    expect(Revocation.make({ endpoint: ServerMetadata.revocationEndpoint("https://a.test"), ...client })).type.toBe<
      Effect.Effect<R.Revocation, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
    expect(Introspection.make).type.not.toBeCallableWith(client)
  })

  it("a call fails as one token request does", () => {
    expect(introspection.check(token)).type.toBe<Effect.Effect<I.Result, TokenError.RequestError>>()
    expect(revocation.revoke(token, { hint: "refresh_token" })).type.toBe<
      Effect.Effect<void, TokenError.RequestError>
    >()
  })

  it("an inactive token has nothing more to say", () => {
    expect(result).type.not.toHaveProperty("scopes")
    expect<Extract<I.Result, { readonly active: true }>>().type.toHaveProperty("scopes")
  })
})

describe("ServerMetadata", () => {
  it("discover asks now, make asks when it is needed", () => {
    expect(ServerMetadata.discover("https://a.test")).type.toBe<
      Effect.Effect<ServerMetadata.Metadata, TokenError.RequestError, HttpClient.HttpClient>
    >()
    expect(ServerMetadata.make(new URL("https://a.test"))).type.toBe<
      Effect.Effect<ServerMetadata.ServerMetadata, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
  })

  it("an issuer is enough for a token endpoint and a source", () => {
    const options = {
      tokenEndpoint: ServerMetadata.tokenEndpoint("https://a.test", { mtls: true }),
      clientId: "svc",
      authentication: ClientAuthentication.none
    }
    expect(TokenEndpoint.make).type.toBeCallableWith(options)
    expect(TokenSource.clientCredentials).type.toBeCallableWith(options)
    expect(TokenSource.layer).type.toBeCallableWith(options)
  })
})

describe("Secret", () => {
  it("says what it needs, and is a secret for every method", () => {
    expect(Secret.env("A")).type.toBe<Effect.Effect<Redacted.Redacted, TokenError.InvalidConfiguration>>()
    expect(Secret.file("/a")).type.toBe<
      Effect.Effect<
        Effect.Effect<Redacted.Redacted, TokenError.InvalidConfiguration>,
        never,
        FileSystem.FileSystem
      >
    >()
    expect(Secret.vault({ path: "a", field: "b" })).type.toBe<
      Effect.Effect<
        Effect.Effect<Redacted.Redacted, TokenError.RequestError>,
        TokenError.InvalidConfiguration,
        HttpClient.HttpClient
      >
    >()
    expect(ClientAuthentication.basic).type.toBeCallableWith(Secret.env("A"))
    expect(ClientAuthentication.basic).type.not.toBeCallableWith(Secret.file("/a"))
  })
})

describe("TokenMonitor", () => {
  it("keeps the type of what it watches", () => {
    expect(TokenMonitor.watch({ introspection })(cached)).type.toBe<
      Effect.Effect<TokenSource.Cached<TokenError.TokenError>, never, Scope.Scope>
    >()
    expect(TokenMonitor.revokeOnClose({ revocation })(tokens)).type.toBe<
      Effect.Effect<TokenSource.With<TokenError.TokenError>, never, Scope.Scope>
    >()
  })

  it("enforce fails only as introspection does", () => {
    expect(TokenMonitor.enforce(tokens, introspection)(token)).type.toBe<
      Effect.Effect<I.Result, TokenError.RequestError>
    >()
  })
})
