import type { HttpClient } from "@effect/platform"
import type { FileSystem } from "@effect/platform"
import type { Cause, ConfigError, Layer, Scope, Stream } from "effect"
import type { Redacted } from "effect"
import { Config, Context, Data, Effect } from "effect"
import type {
  AccessToken,
  CircuitBreaker,
  RateLimit,
  ScopePolicy,
  TokenError,
  TokenEvent,
  TokenRequest
} from "effect-bearer"
import { ClientAuthentication, RetryPolicy, Secret, TokenMetrics, TokenSource } from "effect-bearer"
import { describe, expect, it } from "tstyche"

declare const options: TokenSource.Options
declare const layerOptions: TokenSource.LayerOptions
declare const requestSource: TokenSource.With<TokenError.RequestError>
declare const tokenSource: TokenSource.With<TokenError.TokenError>
declare const cachedSource: TokenSource.Cached<TokenError.TokenError>
declare const grant: Effect.Effect<
  TokenSource.With<TokenError.RequestError>,
  TokenError.InvalidConfiguration,
  HttpClient.HttpClient
>
declare const secret: Redacted.Redacted
declare const token: AccessToken.AccessToken
declare const request: TokenRequest.TokenRequest

class Vault extends Context.Tag("Vault")<Vault, { readonly read: Effect.Effect<AccessToken.AccessToken, Error> }>() {}
class Sealed extends Data.TaggedError("Sealed")<{}> {
  readonly retryable = true as const
}
class Denied extends Data.TaggedError("Denied")<{}> {
  readonly retryable = false as const
}
class Unclassified extends Data.TaggedError("Unclassified")<{}> {}
declare const own: TokenSource.With<Sealed | Denied>
declare const denied: TokenSource.With<Denied>
declare const unclassified: TokenSource.With<Sealed | Unclassified>

class OwnVault extends TokenSource.Tag("OwnVault")<OwnVault, Sealed>() {}
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

describe("TokenSource.make with a timeout", () => {
  it("adds the error of the timeout", () => {
    expect(TokenSource.make(() => Effect.flatMap(Vault, (vault) => vault.read), { timeout: "10 seconds" })).type.toBe<
      Effect.Effect<TokenSource.With<Error | TokenError.EndpointTimeout>, never, Vault>
    >()
  })
})

describe("TokenSource.fixed", () => {
  it("cannot fail, and takes no plain string", () => {
    expect(TokenSource.fixed(secret)).type.toBe<TokenSource.With<never>>()
    expect(TokenSource.fixed(token)).type.toBe<TokenSource.With<never>>()
    // @ts-expect-error A secret is no plain string
    TokenSource.fixed("token")
  })
})

describe("options of a grant", () => {
  const client = { clientId: "reports", authentication: ClientAuthentication.basic(Config.redacted("SECRET")) }

  it("name a token endpoint or an issuer, and one of them", () => {
    expect(TokenSource.clientCredentials).type.toBeCallableWith({ ...client, issuer: "https://login.example.com" })
    expect(TokenSource.clientCredentials).type.toBeCallableWith({ ...client, tokenEndpoint: "https://a.example/token" })
    expect(TokenSource.layer).type.toBeCallableWith({ ...client, issuer: new URL("https://login.example.com") })
    expect(Billing.layer).type.toBeCallableWith({ ...client, issuer: "https://login.example.com" })
    expect(TokenSource.clientCredentials).type.not.toBeCallableWith(client)
    expect(TokenSource.clientCredentials).type.not.toBeCallableWith({
      ...client,
      issuer: "https://login.example.com",
      tokenEndpoint: "https://a.example/token"
    })
  })

  it("take an effect that makes the authentication, with what it needs", () => {
    const fromFile = Effect.map(Secret.file("/run/secrets/client-secret"), ClientAuthentication.basic)
    const given = { clientId: "reports", issuer: "https://login.example.com", authentication: fromFile }
    expect(TokenSource.clientCredentials(given)).type.toBe<
      Effect.Effect<
        TokenSource.With<TokenError.RequestError>,
        TokenError.InvalidConfiguration,
        HttpClient.HttpClient | FileSystem.FileSystem
      >
    >()
    expect(TokenSource.layer(given)).type.toBe<
      Layer.Layer<
        TokenSource.TokenSource,
        TokenError.InvalidConfiguration,
        HttpClient.HttpClient | FileSystem.FileSystem
      >
    >()
    const fromVault = Effect.map(Secret.vault({ path: "a", field: "b" }), ClientAuthentication.post)
    expect(TokenSource.layer({ ...given, authentication: fromVault })).type.toBe<
      Layer.Layer<TokenSource.TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
  })

  it("say where a secret goes, and what it is", () => {
    // @ts-expect-error The secret goes into authentication
    TokenSource.clientCredentials({ ...client, tokenEndpoint: "https://a.example/token", clientSecret: "secret" })
    // @ts-expect-error The secret goes into authentication
    TokenSource.layer({ ...client, tokenEndpoint: "https://a.example/token", clientSecret: secret })
    // @ts-expect-error A secret is no plain string
    ClientAuthentication.basic("secret")
    // @ts-expect-error A secret is no plain string
    ClientAuthentication.post("secret")
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

describe("steps of a pipeline", () => {
  type Retried = TokenError.Fatal | TokenError.RetriesExhausted<TokenError.Transient>
  type Tokens = Effect.Effect<
    TokenSource.Cached<Retried>,
    TokenError.InvalidConfiguration,
    HttpClient.HttpClient | Scope.Scope
  >
  const policy = RetryPolicy.exponentialJitter()

  it("take an effect that makes a source", () => {
    expect(grant.pipe(TokenSource.retry(policy), TokenSource.cached(), TokenSource.backgroundRefresh()))
      .type.toBe<Tokens>()
    expect(grant.pipe(
      TokenSource.rateLimit({ limit: 10 }),
      TokenSource.retry(policy),
      TokenSource.circuitBreaker(),
      TokenSource.enforceScopes({ missing: "fail" }),
      TokenSource.cached()
    )).type.toBe<
      Effect.Effect<
        TokenSource.Cached<Retried | TokenError.CircuitOpen>,
        TokenError.InvalidConfiguration,
        HttpClient.HttpClient | Scope.Scope
      >
    >()
    expect(grant.pipe(TokenSource.managed())).type.toBe<
      Effect.Effect<
        TokenSource.With<TokenError.TokenError>,
        TokenError.InvalidConfiguration,
        HttpClient.HttpClient | Scope.Scope
      >
    >()
  })

  it("take a source, through pipe, Effect.map and Effect.flatMap", () => {
    expect(requestSource.pipe(TokenSource.retry(policy), TokenSource.cached())).type.toBe<
      Effect.Effect<TokenSource.Cached<Retried>, never, Scope.Scope>
    >()
    expect(Effect.flatMap(Effect.succeed(tokenSource), TokenSource.cached())).type.toBe<
      Effect.Effect<TokenSource.Cached<TokenError.TokenError>, never, Scope.Scope>
    >()
    expect(grant.pipe(Effect.map(TokenSource.retry(policy)), TokenSource.cached(), TokenSource.backgroundRefresh()))
      .type.toBe<Tokens>()
    // a function that is generic in the errors
    const generic = <E>(source: TokenSource.With<E>): Effect.Effect<TokenSource.Cached<E>, never, Scope.Scope> =>
      TokenSource.cached()(source)
    expect(generic(own)).type.toBe<Effect.Effect<TokenSource.Cached<Sealed | Denied>, never, Scope.Scope>>()
  })

  it("a forgotten Effect.map is none", () => {
    expect(TokenSource.retry(policy)(grant)).type.toBe<
      Effect.Effect<TokenSource.With<Retried>, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
  })

  it("transform keeps the errors it is given", () => {
    expect(requestSource.pipe(TokenSource.transform((get) => Effect.timeout(get, "2 seconds")))).type.toBe<
      TokenSource.With<TokenError.RequestError | Cause.TimeoutException>
    >()
  })

  it("say what is wrong", () => {
    // @ts-expect-error This source holds no tokens
    grant.pipe(TokenSource.backgroundRefresh())
    // @ts-expect-error This source holds no tokens
    TokenSource.backgroundRefresh()(tokenSource)
    // @ts-expect-error This effect has no transient error
    grant.pipe(TokenSource.retry(policy), TokenSource.retry(policy))
    // @ts-expect-error These errors say neither
    unclassified.pipe(TokenSource.retry(policy))
  })
})

describe("errors of one's own", () => {
  it("retry and cached keep them", () => {
    expect(own.pipe(TokenSource.retry(RetryPolicy.exponentialJitter()), TokenSource.cached())).type.toBe<
      Effect.Effect<TokenSource.Cached<Denied | TokenError.RetriesExhausted<Sealed>>, never, Scope.Scope>
    >()
  })

  it("managed has them beside TokenError", () => {
    expect(TokenSource.managed()(own)).type.toBe<
      Effect.Effect<
        TokenSource.With<TokenError.TokenError | Denied | TokenError.RetriesExhausted<Sealed>>,
        TokenError.InvalidConfiguration,
        Scope.Scope
      >
    >()
    expect(TokenSource.managed()(denied)).type.toBe<
      Effect.Effect<TokenSource.With<TokenError.TokenError | Denied>, TokenError.InvalidConfiguration, Scope.Scope>
    >()
    expect(TokenSource.managed({ retry: RetryPolicy.exponentialJitter() })(own)).type.toBe<
      Effect.Effect<
        TokenSource.With<TokenError.TokenError | Denied | TokenError.RetriesExhausted<Sealed>>,
        TokenError.InvalidConfiguration,
        Scope.Scope
      >
    >()
    expect(TokenSource.managed()).type.not.toBeCallableWith(unclassified)
    expect(TokenSource.managed({ retry: RetryPolicy.exponentialJitter<TokenError.Transient>() })).type.not
      .toBeCallableWith(own)
  })

  it("a tag may have them", () => {
    expect(OwnVault.get()).type.toBe<Effect.Effect<AccessToken.AccessToken, Sealed, OwnVault>>()
    expect(OwnVault.layerFrom(TokenSource.cached()({} as TokenSource.With<Sealed>))).type.toBe<Layer.Layer<OwnVault>>()
    // @ts-expect-error This expression is not callable
    OwnVault.layer(layerOptions)
    expect(OwnVault.layerFrom).type.not.toBeCallableWith(Effect.succeed(requestSource))
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
    expect(TokenSource.layerConfig({ prefix: "REPORTS" })).type.toBe<
      Layer.Layer<TokenSource.TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
    expect(Billing.layerConfig({ prefix: true })).type.toBe<
      Layer.Layer<Billing, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    >()
    expect(TokenSource.layerConfig).type.not.toBeCallableWith({ prefix: true })
    expect(TokenMetrics.layer()).type.toBe<Layer.Layer<never, never, TokenSource.TokenSource>>()
    expect(TokenMetrics.layer({ every: "1 minute" })).type.toBe<Layer.Layer<never, never, TokenSource.TokenSource>>()
    expect(TokenMetrics.layer({ source: Billing })).type.toBe<Layer.Layer<never, never, Billing>>()
  })

  it("a tag yields a source of its own", () => {
    expect(Effect.flatMap(Billing, (tokens) => tokens.get())).type.toBe<
      Effect.Effect<AccessToken.AccessToken, TokenError.TokenError, Billing>
    >()
    expect(Billing.get(request, { minTtl: "10 minutes" })).type.toBe<
      Effect.Effect<AccessToken.AccessToken, TokenError.TokenError, Billing>
    >()
    expect(TokenSource.TokenSource.get()).type.toBe<
      Effect.Effect<AccessToken.AccessToken, TokenError.TokenError, TokenSource.TokenSource>
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
