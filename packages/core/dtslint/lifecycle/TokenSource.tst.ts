import type { HttpClient } from "@effect/platform"
import type { ConfigError, Layer, Scope, Stream } from "effect"
import { Context, Effect } from "effect"
import type {
  AccessToken,
  CircuitBreaker,
  RateLimit,
  ScopePolicy,
  TokenError,
  TokenEvent,
  TokenRequest
} from "effect-bearer"
import { RetryPolicy, TokenMetrics, TokenSource } from "effect-bearer"
import { describe, expect, it } from "tstyche"

declare const options: TokenSource.Options
declare const layerOptions: TokenSource.LayerOptions
declare const requestSource: TokenSource.With<TokenError.RequestError>
declare const tokenSource: TokenSource.With<TokenError.TokenError>
declare const cachedSource: TokenSource.Cached<TokenError.TokenError>
declare const token: AccessToken.AccessToken
declare const request: TokenRequest.TokenRequest

class Vault extends Context.Tag("Vault")<Vault, { readonly read: Effect.Effect<AccessToken.AccessToken, Error> }>() {}
class Billing extends TokenSource.Tag("Billing")<Billing>() {}

describe("TokenSource.With", () => {
  it("get, renew and invalidate need nothing; invalidate cannot fail", () => {
    expect(tokenSource.get()).type.toBe<Effect.Effect<AccessToken.AccessToken, TokenError.TokenError>>()
    expect(tokenSource.get(request)).type.toBe<Effect.Effect<AccessToken.AccessToken, TokenError.TokenError>>()
    expect(tokenSource.renew(token)).type.toBe<Effect.Effect<AccessToken.AccessToken, TokenError.TokenError>>()
    expect(tokenSource.invalidate(token)).type.toBe<Effect.Effect<void>>()
    expect(tokenSource.events).type.toBe<Stream.Stream<TokenEvent.TokenEvent>>()
  })

  it("is covariant in its error", () => {
    expect(requestSource).type.toBeAssignableTo<TokenSource.With<TokenError.TokenError>>()
    expect(tokenSource).type.not.toBeAssignableTo<TokenSource.With<TokenError.RequestError>>()
  })
})

describe("TokenSource.make", () => {
  it("keeps the error and takes the requirements", () => {
    expect(TokenSource.make(() => Effect.flatMap(Vault, (vault) => vault.read))).type.toBe<
      Effect.Effect<TokenSource.With<Error>, never, Vault>
    >()
  })
})

describe("TokenSource.clientCredentials", () => {
  it("can be misconfigured, needs an HttpClient, and fails as one request does", () => {
    expect(TokenSource.clientCredentials(options)).type.toBe<
      Effect.Effect<
        TokenSource.With<TokenError.RequestError>,
        TokenError.InvalidConfiguration,
        HttpClient.HttpClient
      >
    >()
  })
})

describe("TokenSource.retry", () => {
  it("what is transient leaves the type", () => {
    expect(TokenSource.retry(RetryPolicy.exponentialJitter())(requestSource)).type.toBe<
      TokenSource.With<TokenError.Fatal | TokenError.RetriesExhausted<TokenError.Transient>>
    >()
  })

  it("does not compile where there is nothing transient", () => {
    const retry = TokenSource.retry(RetryPolicy.exponentialJitter())
    expect(retry).type.not.toBeCallableWith({} as TokenSource.With<TokenError.Fatal>)
  })

  it("does not compile for a transient error the policy does not accept", () => {
    const retry = TokenSource.retry(RetryPolicy.exponentialJitter<TokenError.RateLimited>())
    expect(retry).type.not.toBeCallableWith(requestSource)
  })

  it("does not compile for an error that does not say whether it is transient", () => {
    const retry = TokenSource.retry(RetryPolicy.exponentialJitter())
    expect(retry).type.not.toBeCallableWith({} as TokenSource.With<TokenError.RateLimited | Error>)
  })
})

describe("TokenSource.cached and backgroundRefresh", () => {
  it("keep the error and need a Scope", () => {
    expect(TokenSource.cached()(tokenSource)).type.toBe<
      Effect.Effect<TokenSource.Cached<TokenError.TokenError>, never, Scope.Scope>
    >()
    expect(TokenSource.backgroundRefresh()(cachedSource)).type.toBe<
      Effect.Effect<TokenSource.Cached<TokenError.TokenError>, never, Scope.Scope>
    >()
  })

  it("a source without a cache has nothing to refresh", () => {
    expect(TokenSource.backgroundRefresh()).type.not.toBeCallableWith(tokenSource)
  })

  it("the pipeline of the documentation", () => {
    const tokens = TokenSource.clientCredentials(options).pipe(
      Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter({ base: "500 millis", maxRetries: 3 }))),
      Effect.flatMap(TokenSource.cached({ clockSkew: "45 seconds" })),
      Effect.flatMap(TokenSource.backgroundRefresh({ ahead: "5 minutes" }))
    )
    expect(tokens).type.toBe<
      Effect.Effect<
        TokenSource.Cached<TokenError.Fatal | TokenError.RetriesExhausted<TokenError.Transient>>,
        TokenError.InvalidConfiguration,
        HttpClient.HttpClient | Scope.Scope
      >
    >()
  })
})

describe("combinators by their names on TokenSource", () => {
  it("are those of their modules", () => {
    expect(TokenSource.circuitBreaker).type.toBe<typeof CircuitBreaker.protect>()
    expect(TokenSource.rateLimit).type.toBe<typeof RateLimit.limit>()
    expect(TokenSource.enforceScopes).type.toBe<typeof ScopePolicy.enforce>()
    expect(TokenSource.circuitBreaker()(tokenSource)).type.toBe<
      Effect.Effect<TokenSource.With<TokenError.TokenError>>
    >()
  })
})

describe("layers", () => {
  it("provide the tag and say how they fail", () => {
    expect(TokenSource.layer(layerOptions)).type.toBe<
      Layer.Layer<TokenSource.TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
    expect(TokenSource.layerConfig()).type.toBe<
      Layer.Layer<TokenSource.TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
    expect(Billing.layer(layerOptions)).type.toBe<
      Layer.Layer<Billing, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
    expect(Billing.layerConfig()).type.toBe<
      Layer.Layer<Billing, TokenError.InvalidConfiguration | ConfigError.ConfigError, HttpClient.HttpClient>
    >()
    expect(TokenMetrics.layer()).type.toBe<Layer.Layer<never, never, TokenSource.TokenSource>>()
  })

  it("a tag yields a source of its own", () => {
    expect(Effect.flatMap(Billing, (tokens) => tokens.get())).type.toBe<
      Effect.Effect<AccessToken.AccessToken, TokenError.TokenError, Billing>
    >()
    expect(Effect.flatMap(TokenSource.TokenSource, (tokens) => tokens.get())).type.toBe<
      Effect.Effect<AccessToken.AccessToken, TokenError.TokenError, TokenSource.TokenSource>
    >()
  })
})

describe("TokenError", () => {
  it("retryable is a literal that tells the unions apart", () => {
    expect<TokenError.Transient["retryable"]>().type.toBe<true>()
    expect<TokenError.Fatal["retryable"]>().type.toBe<false>()
    expect<Extract<TokenError.TokenError, { readonly retryable: true }>>().type.toBe<TokenError.Transient>()
  })
})

describe("settings of when a token is renewed", () => {
  // FAULTS W12
  it("stand in `refresh`: `cache` of the whole stack does not take what would have no effect", () => {
    expect<{ readonly cache: { readonly clockSkew: "45 seconds" } }>().type.toBeAssignableTo<
      TokenSource.ManagedOptions
    >()
    expect(TokenSource.managed).type.not.toBeCallableWith({ cache: { ahead: "10 minutes" } })
    expect(TokenSource.managed).type.not.toBeCallableWith({ cache: { jitter: "1 second" } })
    expect(TokenSource.layer).type.not.toBeCallableWith({ ...layerOptions, cache: { ahead: "10 minutes" } })
    expect(TokenSource.managed).type.toBeCallableWith({ refresh: { ahead: "10 minutes" } })
    expect(TokenSource.cached).type.toBeCallableWith({ ahead: "10 minutes" })
  })
})
