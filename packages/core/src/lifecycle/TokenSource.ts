/**
 * Where tokens come from. A source is built by pipeline, each step adding one behaviour and saying so in its type:
 *
 * ```
 * clientCredentials ─ retry ─ cached ─ backgroundRefresh
 *                       └ what is transient leaves the error type here
 * ```
 *
 * {@link layer} is this pipeline with sensible settings; {@link make} starts one from anything that yields a token.
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as AccessToken from "../values/AccessToken.js"
import type { CompileError, PlainSecret } from "../values/compileError.js"
import * as logs_ from "../values/logs.js"
import * as Settings from "../values/Settings.js"
import type * as TokenError from "../values/TokenError.js"
import type * as TokenRequest from "../values/TokenRequest.js"
import * as Grant from "../wire/Grant.js"
import * as source from "./source.js"
import type * as TokenCache from "./TokenCache.js"
import * as environment from "./tokenSource/environment.js"
import * as grants from "./tokenSource/grants.js"
import * as managed_ from "./tokenSource/managed.js"
import type * as options_ from "./tokenSource/options.js"
import * as own from "./tokenSource/own.js"

// ---------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------

/**
 * A source of tokens that fails with `E`: `get`, `renew`, `invalidate` and `events`. Any object of this shape is one.
 *
 * @since 0.1.0
 * @category models
 */
export interface With<out E> extends source.With<E> {}

/**
 * A source that holds tokens: what {@link cached} makes and {@link backgroundRefresh} needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cached<out E> extends TokenCache.Cached<E> {}

/**
 * What a source knows of a token without asking a server or a store: see {@link status}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status extends source.Status {}

export type { Given, LayerOptions, ManagedOptions, Options, Place } from "./tokenSource/options.js"

export type { Managed } from "./tokenSource/managed.js"

export type { GetOptions } from "./source.js"

// ---------------------------------------------------------------------------------------------------------------
// tags
// ---------------------------------------------------------------------------------------------------------------

/**
 * What {@link Tag} makes: a tag, with the layers that provide it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TagClass<Self, Id extends string, E = TokenError.TokenError>
  extends Context.TagClass<Self, Id, With<E>>
{
  /** The token of this source: `Billing.get()` is short for `Effect.flatMap(Billing, (tokens) => tokens.get())`. */
  readonly get: (
    request?: TokenRequest.TokenRequest,
    options?: source.GetOptions
  ) => Effect.Effect<AccessToken.AccessToken, E, Self>
  /** {@link layer} for this tag. Its logs and metrics carry the label `source` with the tag's name. */
  readonly layer: ForAnyTokenError<
    E,
    <R = never>(
      options: options_.Given<options_.LayerOptions, R>
    ) => Layer.Layer<Self, TokenError.InvalidConfiguration, HttpClient.HttpClient | R>
  >
  /**
   * {@link layerConfig} for this tag. With `{ prefix: true }` the prefix is the tag's own name: the tag `"Billing"` reads
   * `BILLING_CLIENT_ID`, and `"app/billingApi"` reads `APP_BILLING_API_CLIENT_ID`.
   */
  readonly layerConfig: ForAnyTokenError<E, {
    (
      options: { readonly prefix: string | true }
    ): Layer.Layer<Self, TokenError.InvalidConfiguration, HttpClient.HttpClient>
    (
      config?: Config.Config.Wrap<options_.LayerOptions>
    ): Layer.Layer<Self, TokenError.InvalidConfiguration | ConfigError, HttpClient.HttpClient>
  }>
  /**
   * A layer of a source of your own, with the same label in its logs and metrics. It is the way for a source with errors
   * of its own.
   */
  readonly layerFrom: <E1, R>(
    make: Effect.Effect<With<E>, E1, R>
  ) => Layer.Layer<Self, E1, Exclude<R, Scope.Scope>>
}

/** What the library builds may fail with any `TokenError`. */
type ForAnyTokenError<E, A> = [TokenError.TokenError] extends [E] ? A
  : CompileError<"The errors of this tag leave out some TokenError: give layerFrom the source that it stands for", E>

/**
 * Names a further source, for programs that talk to several APIs. Its errors are those of `TokenError`, or what the
 * second type argument says.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, TokenSource } from "effect-bearer"
 * import type { AccessToken } from "effect-bearer"
 * import { Data, Effect, Redacted } from "effect"
 *
 * class Billing extends TokenSource.Tag("Billing")<Billing>() {}
 *
 * const BillingLive = Billing.layer({
 *   tokenEndpoint: "https://login.billing.example/oauth/token",
 *   clientId: "reports",
 *   authentication: ClientAuthentication.basic(Redacted.make("secret"))
 * })
 *
 * const token = Billing.get().pipe(Effect.provide(BillingLive))
 *
 * // a source with errors of its own
 * class Sealed extends Data.TaggedError("Sealed") {
 *   readonly retryable = true as const
 * }
 * class Vault extends TokenSource.Tag("Vault")<Vault, Sealed>() {}
 *
 * declare const read: Effect.Effect<AccessToken.AccessToken, Sealed>
 *
 * const VaultLive = Vault.layerFrom(TokenSource.make(() => read).pipe(TokenSource.cached()))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Tag = <const Id extends string>(id: Id) => <Self, E = TokenError.TokenError>(): TagClass<Self, Id, E> => {
  const tag = Context.Tag(id)<Self, With<E>>()
  const layerFrom = <E2, E1, R>(make: Effect.Effect<With<E2>, E1, R>) =>
    // without the errors that the library needs, the layers of the library are not in the type of the tag
    Layer.scoped(
      tag,
      Effect.tagMetrics(Effect.annotateLogs(make, "source", id), "source", id) as unknown as Effect.Effect<
        With<E>,
        E1,
        R
      >
    )
  return Object.assign(tag, {
    get: (request?: TokenRequest.TokenRequest, options?: source.GetOptions) =>
      Effect.flatMap(tag, (tokens) => tokens.get(request, options)),
    layer: <R>(options: options_.Given<options_.LayerOptions, R>) => layerFrom(stack(options)),
    layerConfig: (config?: ConfigOptions) => layerFrom(configured(config, environment.prefixOf(id))),
    layerFrom
  }) as unknown as TagClass<Self, Id, E>
}

/**
 * The default source. `yield* TokenSource.TokenSource` gives it, and `TokenSource.TokenSource.get()` its token.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 *
 * const token = TokenSource.TokenSource.get()
 * // a token for an upload of ten minutes
 * const lasting = TokenSource.TokenSource.get(undefined, { minTtl: "10 minutes" })
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class TokenSource extends Context.Tag("effect-bearer/TokenSource")<TokenSource, With<TokenError.TokenError>>() {
  /** The token of the default source. */
  static readonly get = (
    request?: TokenRequest.TokenRequest,
    options?: source.GetOptions
  ): Effect.Effect<AccessToken.AccessToken, TokenError.TokenError, TokenSource> =>
    Effect.flatMap(TokenSource, (tokens) => tokens.get(request, options))
}

// ---------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------

/**
 * A source from anything that yields a token for a request: a metadata server, a vault, a subprocess. It asks at every
 * call; put {@link cached} behind it. What the effect needs is taken from the context now, once. If an error is not
 * effect-bearer's own, events and logs show only its tag, because its contents might be secret.
 *
 * With `timeout`, an effect that takes longer fails with `EndpointTimeout`, and is interrupted. Without it there is no
 * limit, for it may be a person that the effect waits for; a cache behind the source then gives the work up after two
 * minutes without a sign of life (`overdueAfter`), and lets its callers ask anew.
 *
 * @example
 * ```ts
 * import { AccessToken, TokenSource } from "effect-bearer"
 * import { Clock, Effect } from "effect"
 *
 * const tokens = TokenSource.make(() =>
 *   Effect.map(Clock.currentTimeMillis, (now) =>
 *     AccessToken.make({ value: "from-the-vault", issuedAt: now, expiresAt: now + 600_000 })), { timeout: "10 seconds" }
 * ).pipe(TokenSource.cached())
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: {
  <E, R>(
    fetch: (request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken.AccessToken, E, R>
  ): Effect.Effect<With<E>, never, R>
  <E, R>(
    fetch: (request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken.AccessToken, E, R>,
    options: { readonly timeout?: Duration.DurationInput | undefined }
  ): Effect.Effect<With<E | TokenError.EndpointTimeout>, never, R>
} = <E, R>(
  fetch: (request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken.AccessToken, E, R>,
  options: { readonly timeout?: Duration.DurationInput | undefined } = {}
): Effect.Effect<With<E>, never, R> => own.make(fetch, options.timeout) as Effect.Effect<With<E>, never, R>

/**
 * A source that always gives the same token, for tests, scripts, and tokens that somebody else renews. A 401 cannot be
 * recovered from with it: `renew` gives the same token again, and `BearerAuth` hands on the API's answer.
 *
 * @example
 * ```ts
 * import { BearerAuth, TokenSource } from "effect-bearer"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const Tokens = Layer.succeed(TokenSource.TokenSource, TokenSource.fixed(Redacted.make("from the test's setup")))
 *
 * const me = HttpClient.get("https://api.example.com/users/me").pipe(
 *   Effect.provide(BearerAuth.layer({ origins: ["https://api.example.com"] })),
 *   Effect.provide([Tokens, FetchHttpClient.layer])
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const fixed = (
  token: Redacted.Redacted | AccessToken.AccessToken | CompileError<PlainSecret>
): With<never> =>
  source.constant(
    AccessToken.isAccessToken(token) ? token : AccessToken.make({ value: token as Redacted.Redacted })
  )

export {
  /**
   * @since 0.1.0
   * @category constructors
   */
  clientCredentials,
  /**
   * @since 0.1.0
   * @category constructors
   */
  grant,
  /**
   * @since 0.1.0
   * @category constructors
   */
  jwtBearer,
  /**
   * @since 0.1.0
   * @category constructors
   */
  refreshToken,
  /**
   * @since 0.1.0
   * @category constructors
   */
  tokenExchange
} from "./tokenSource/grants.js"

// ---------------------------------------------------------------------------------------------------------------
// combinators
// ---------------------------------------------------------------------------------------------------------------

export {
  /**
   * @since 0.1.0
   * @category combinators
   */
  getWithRemaining,
  /**
   * @since 0.1.0
   * @category combinators
   */
  retry,
  /**
   * @since 0.1.0
   * @category combinators
   */
  status,
  /**
   * @since 0.1.0
   * @category combinators
   */
  subscribe,
  /**
   * @since 0.1.0
   * @category combinators
   */
  transform,
  /**
   * @since 0.1.0
   * @category combinators
   */
  withWaitUntil
} from "./tokenSource/steps.js"

export {
  /**
   * @since 0.1.0
   * @category combinators
   */
  backgroundRefresh
} from "./BackgroundRefresh.js"

export {
  /**
   * Shares tokens with other processes through the `TokenStore`. It is `SharedTokens.shared`.
   *
   * @since 0.1.0
   * @category combinators
   */
  shared
} from "./SharedTokens.js"

export {
  /**
   * Fails fast while the endpoint keeps failing. It is `CircuitBreaker.protect` under the name that it has in a
   * pipeline; that module has `make` beside it, a breaker for any effect.
   *
   * @since 0.1.0
   * @category combinators
   */
  protect as circuitBreaker
} from "./CircuitBreaker.js"

export {
  /**
   * Limits token requests on this side. It is `RateLimit.limit` under the name that it has in a pipeline; that module
   * has `make` beside it, a limit for any effect.
   *
   * @since 0.1.0
   * @category combinators
   */
  limit as rateLimit
} from "./RateLimit.js"

export {
  /**
   * Compares scopes granted with scopes requested. By default it only tells of a difference (`ScopeDrift`), and the token
   * is handed out; `{ missing: "fail" }` fails instead. It is `ScopePolicy.enforce` under the name that it has in a
   * pipeline; that module has `compare` beside it.
   *
   * @since 0.1.0
   * @category combinators
   */
  enforce as enforceScopes
} from "./ScopePolicy.js"

export {
  /**
   * @since 0.1.0
   * @category combinators
   */
  cached
} from "./TokenCache.js"

export {
  /**
   * @since 0.1.0
   * @category combinators
   */
  managed
} from "./tokenSource/managed.js"

// ---------------------------------------------------------------------------------------------------------------
// layers
// ---------------------------------------------------------------------------------------------------------------

/** The source that a layer provides. */
const stack = <R>(
  options: options_.Given<options_.LayerOptions, R>,
  naming: grants.Naming = (error) => error
): Effect.Effect<
  With<TokenError.TokenError>,
  TokenError.InvalidConfiguration,
  HttpClient.HttpClient | Scope.Scope | R
> =>
  Effect.mapError(
    managed_.managed(options)(grants.named({ ...options, grant: options.grant ?? Grant.clientCredentials }, naming)),
    naming
  )

/**
 * The default source, with everything on: client credentials, retry, cache, renewal in the background.
 *
 * Provide the plain `HttpClient` of the platform, not one that already adds a bearer token.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, TokenSource } from "effect-bearer"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer, Redacted } from "effect"
 *
 * const Tokens = TokenSource.layer({
 *   tokenEndpoint: "https://login.example/oauth/token",
 *   clientId: "reports",
 *   authentication: ClientAuthentication.basic(Redacted.make("secret")),
 *   scopes: "users:read"
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <R = never>(
  options: options_.Given<options_.LayerOptions, R>
): Layer.Layer<TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient | R> =>
  Layer.scoped(TokenSource, stack(options)) as Layer.Layer<
    TokenSource,
    TokenError.InvalidConfiguration,
    HttpClient.HttpClient | R
  >

/**
 * From which level on the sources that it is provided to write to the log; `LogLevel.None` for nothing. Each event is at
 * most one line, with the fields of the event as annotations: `Error` for a failure that callers get, `Warning` for an
 * anomaly and for a renewal that failed while the held token is served, `Info` for a retry and a refused token, `Debug`
 * and `Trace` for what is normal. Default: all that the program's own minimum lets pass. Events, metrics and spans do not
 * depend on it, and neither does the warning about a setting that is out of range.
 *
 * The lines go to the program's loggers. The one that Effect has by default writes to standard output: where that is for
 * the program's results, `Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))` moves the
 * log of the whole program to standard error.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import { Layer, LogLevel } from "effect"
 *
 * // a program that logs the errors it gets needs no second line about them
 * const Quiet = TokenSource.layerConfig().pipe(Layer.provide(TokenSource.logs(LogLevel.None)))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const logs = (least: LogLevel.LogLevel): Layer.Layer<never> => Layer.succeed(logs_.Least, least)

/**
 * {@link layer} from configuration. Without an argument it reads the environment:
 *
 * | variable | meaning |
 * |---|---|
 * | `OAUTH_TOKEN_ENDPOINT` | URL of the token endpoint |
 * | `OAUTH_ISSUER` | or the issuer, whose metadata names the endpoint (RFC 8414); not read if there is a token endpoint |
 * | `OAUTH_CLIENT_ID` | client id |
 * | `OAUTH_CLIENT_SECRET` | client secret; read again at every token request |
 * | `OAUTH_CLIENT_AUTHENTICATION` | `basic` (default), `basic-raw`, `post` or `none` |
 * | `OAUTH_SCOPES` | scopes, separated by spaces or commas (optional) |
 * | `OAUTH_AUDIENCE` | audience (optional) |
 *
 * Whatever is missing, blank or wrong is named in one error, by the name that it was looked up by: where the
 * `ConfigProvider` is nested in `APP`, that is `APP_OAUTH_CLIENT_ID`. With `{ prefix: "BILLING" }` the variables are
 * `BILLING_CLIENT_ID` and so on, for a program with several sources.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 *
 * class Billing extends TokenSource.Tag("Billing")<Billing>() {}
 *
 * const Tokens = TokenSource.layerConfig() // OAUTH_CLIENT_ID, …
 * const Others = TokenSource.layerConfig({ prefix: "REPORTS" }) // REPORTS_CLIENT_ID, …
 * const BillingTokens = Billing.layerConfig({ prefix: true }) // BILLING_CLIENT_ID, …
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: {
  (
    options?: { readonly prefix: string }
  ): Layer.Layer<TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient>
  (
    config: Config.Config.Wrap<options_.LayerOptions>
  ): Layer.Layer<TokenSource, TokenError.InvalidConfiguration | ConfigError, HttpClient.HttpClient>
} = (config?: ConfigOptions) =>
  Layer.scoped(TokenSource, configured(config, undefined)) as Layer.Layer<
    TokenSource,
    TokenError.InvalidConfiguration,
    HttpClient.HttpClient
  >

type ConfigOptions = { readonly prefix: string | true } | Config.Config.Wrap<options_.LayerOptions>

/** `name`: the prefix of the variables for `{ prefix: true }`. */
const configured = (config: ConfigOptions | undefined, name: string | undefined) =>
  config !== undefined && !("prefix" in config)
    ? Effect.flatMap(Settings.readable(Config.unwrap(config), "options"), (options) => stack(options))
    : Effect.flatMap(
      environment.read(
        config === undefined
          ? environment.defaultPrefix
          : config.prefix === true
          ? name ?? environment.defaultPrefix
          : config.prefix
      ),
      ({ naming, options }) => stack(options, naming)
    )
