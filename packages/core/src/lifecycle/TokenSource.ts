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
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { TokenStore } from "../store/contract.js"
import type { AccessToken } from "../values/AccessToken.js"
import * as Digest from "../values/Digest.js"
import type * as Scopes from "../values/Scopes.js"
import * as ranges from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"
import * as TokenError from "../values/TokenError.js"
import { TokenEvent } from "../values/TokenEvent.js"
import * as TokenRequest from "../values/TokenRequest.js"
import * as ClientAuthentication from "../wire/ClientAuthentication.js"
import * as clientIdentity from "../wire/clientIdentity.js"
import * as checks from "../wire/endpointChecks.js"
import * as Grant from "../wire/Grant.js"
import * as ServerMetadata from "../wire/ServerMetadata.js"
import * as TokenEndpoint from "../wire/TokenEndpoint.js"
import * as BackgroundRefresh from "./BackgroundRefresh.js"
import * as boundToken from "./boundToken.js"
import * as CircuitBreaker from "./CircuitBreaker.js"
import * as foreignError from "./foreignError.js"
import * as RateLimit from "./RateLimit.js"
import * as RefreshToken from "./RefreshToken.js"
import * as RetryPolicy from "./RetryPolicy.js"
import * as ScopePolicy from "./ScopePolicy.js"
import * as SharedTokens from "./SharedTokens.js"
import * as source from "./source.js"
import * as TokenCache from "./TokenCache.js"
import { WaitUntil } from "./waitUntil.js"

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

/**
 * How to ask a token endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends TokenEndpoint.Options {
  /** Scopes to ask for, as a list or as one string. */
  readonly scopes?: Scopes.Input | undefined
  /** Audiences to ask for (RFC 8693 §2.1; several servers take it with other grants too). */
  readonly audience?: string | Iterable<string> | undefined
  /** Resource indicators (RFC 8707 §2). */
  readonly resource?: string | URL | Iterable<string | URL> | undefined
  /** Further parameters of the token request, by name. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

/**
 * How each step of {@link managed} behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface ManagedOptions {
  /** Which transient errors are retried, and when. Default `RetryPolicy.exponentialJitter()`. */
  readonly retry?: Schedule.Schedule<unknown, TokenError.Transient> | undefined
  /** When a token is renewed ahead of its end is a setting of `refresh`. */
  readonly cache?: Omit<TokenCache.Options, "ahead" | "jitter"> | undefined
  /** `false` for no renewal ahead of need: the caller who finds the token at its end waits for the next one. */
  readonly refresh?: BackgroundRefresh.Options | false | undefined
  /** Suspends token requests after repeated failures. Off unless given. */
  readonly circuitBreaker?: CircuitBreaker.Options | undefined
  /** Limits token requests on this side. Off unless given. */
  readonly rateLimit?: Pick<RateLimit.Options<"wait">, "limit" | "interval"> | undefined
  /** Compares scopes granted with scopes requested. By default a difference is an event. */
  readonly scopePolicy?: ScopePolicy.Options | undefined
  /**
   * How tokens are shared with other processes when a `TokenStore` is provided. `false` for not sharing them.
   * {@link layer} makes the lease longer than the token request's own deadline.
   */
  readonly shared?: SharedTokens.Options | false | undefined
}

/**
 * The settings of {@link layer}: a token endpoint, the grant, and how each step of {@link managed} behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface LayerOptions extends Options, ManagedOptions {
  /** Default `Grant.clientCredentials`. */
  readonly grant?: Grant.Grant | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// tags
// ---------------------------------------------------------------------------------------------------------------

/**
 * What {@link Tag} makes: a tag, with the layers that provide it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TagClass<Self, Id extends string> extends Context.TagClass<Self, Id, With<TokenError.TokenError>> {
  /** {@link layer} for this tag. Its logs and metrics carry the label `source` with the tag's name. */
  readonly layer: (
    options: LayerOptions
  ) => Layer.Layer<Self, TokenError.InvalidConfiguration, HttpClient.HttpClient>
  /** {@link layerConfig} for this tag. */
  readonly layerConfig: (
    config?: Config.Config.Wrap<LayerOptions>
  ) => Layer.Layer<Self, TokenError.InvalidConfiguration | ConfigError, HttpClient.HttpClient>
}

/**
 * Names a further source, for programs that talk to several APIs.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, TokenSource } from "effect-bearer"
 * import { Effect, Redacted } from "effect"
 *
 * class Billing extends TokenSource.Tag("Billing")<Billing>() {}
 *
 * const BillingLive = Billing.layer({
 *   tokenEndpoint: "https://login.billing.example/oauth/token",
 *   clientId: "reports",
 *   authentication: ClientAuthentication.basic(Redacted.make("secret"))
 * })
 *
 * const token = Effect.flatMap(Billing, (tokens) => tokens.get())
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Tag = <const Id extends string>(id: Id) => <Self>(): TagClass<Self, Id> => {
  const tag = Context.Tag(id)<Self, With<TokenError.TokenError>>()
  const labelled = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.tagMetrics(Effect.annotateLogs(effect, "source", id), "source", id)
  return Object.assign(tag, {
    layer: (options: LayerOptions) => Layer.scoped(tag, labelled(stack(options))),
    layerConfig: (config?: Config.Config.Wrap<LayerOptions>) =>
      Layer.scoped(tag, labelled(Effect.flatMap(readConfig(config), stack)))
  })
}

/**
 * The default source. `yield* TokenSource.TokenSource` gives it.
 *
 * @since 0.1.0
 * @category tags
 */
export class TokenSource extends Context.Tag("effect-bearer/TokenSource")<TokenSource, With<TokenError.TokenError>>() {}

// ---------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------

/**
 * A source from anything that yields a token for a request: a metadata server, a vault, a subprocess. It asks at every
 * call; put {@link cached} behind it. What the effect needs is taken from the context now, once. If an error is not
 * effect-bearer's own, events and logs show only its tag, because its contents might be secret.
 *
 * @example
 * ```ts
 * import { AccessToken, TokenSource } from "effect-bearer"
 * import { Clock, Effect } from "effect"
 *
 * const tokens = TokenSource.make(() =>
 *   Effect.map(Clock.currentTimeMillis, (now) =>
 *     AccessToken.make({ value: "from-the-vault", issuedAt: now, expiresAt: now + 600_000 }))
 * ).pipe(Effect.flatMap(TokenSource.cached()))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <E, R>(
  fetch: (request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E, R>
): Effect.Effect<With<E>, never, R> =>
  Effect.flatMap(Effect.context<R>(), (context) => {
    // the span of this moment will have ended long before the source is used
    const services = Context.omit(Tracer.ParentSpan)(context as Context.Context<R | Tracer.ParentSpan>)
    return source.make({
      fetch: (request) =>
        Effect.mapInputContext(fetch(request), (caller: Context.Context<never>) =>
          Context.merge(caller, services) as Context.Context<R>)
    })
  })

/**
 * A source that asks a token endpoint with any grant. One `get` is one request: no retry, no cache. Options that
 * cannot work fail here, before any network call.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Grant, TokenSource } from "effect-bearer"
 * import { Effect, Redacted } from "effect"
 *
 * const tokens = TokenSource.grant({
 *   tokenEndpoint: "https://login.example.com/oauth/token",
 *   clientId: "device-42",
 *   authentication: ClientAuthentication.none,
 *   grant: Grant.make({
 *     type: "urn:example:grant-type:device-key",
 *     parameters: () => Effect.succeed([["device_key", Redacted.make("key")]])
 *   })
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const grant = (
  options: Options & { readonly grant: Grant.Grant }
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  fromEndpoint(
    options,
    (endpoint) => Effect.succeed((request) => endpoint.request(options.grant, request)),
    // the tokens of other grants depend on an assertion or a subject token
    options.grant === Grant.clientCredentials ? clientNamespace(options) : undefined
  )

/**
 * The namespace for the tokens of this client at this server. It has only characters that any store takes in a key, and
 * no other client or server has the same one (the rule is in `Digest`). A query may hold an API key, and many people
 * can read the keys of a store, so only a digest of the query is in it. `undefined` for a client whose authentication is
 * not the library's own and does not say what it adds.
 */
const clientNamespace = ({ authentication, clientId, tokenEndpoint }: Options): string | undefined => {
  const identity = clientIdentity.of(authentication)
  if (identity === undefined) return undefined
  const [place = "", ...query] = String(
    ServerMetadata.isEndpointLocation(tokenEndpoint) ? ServerMetadata.issuerOf(tokenEndpoint) : tokenEndpoint
  ).split("?")
  const client = [
    place.trim().replace(/^https:\/\//, ""),
    ...(query.length === 0 ? [] : [Digest.nameOf(query.join("?")).slice(0, 16)]),
    clientId
  ].map(keyPart).join(":")
  // no part holds a plus sign
  return identity === "" ? client : `${client}+${Digest.shortNameOf(identity)}`
}

/** Half a surrogate pair has no URL form; nothing else begins with `%u`, for `%` itself is written as `%25`. */
const keyPart = (part: string): string =>
  part.replace(
    /[^\w./~-]/gu,
    (char) => /\p{Cs}/u.test(char) ? `%u${char.charCodeAt(0).toString(16)}` : encodeURIComponent(char)
  )

type Fetch = (request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, TokenError.RequestError>

const fromEndpoint = (
  options: Options,
  makeFetch: (endpoint: TokenEndpoint.TokenEndpoint) => Effect.Effect<Fetch>,
  namespace?: string | undefined
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const fetch = yield* makeFetch(yield* TokenEndpoint.make(options))
    return yield* source.make({
      fetch,
      defaults: TokenRequest.make(options),
      credentials: options.authentication.current,
      certificate: boundToken.showsCertificate(options.authentication.method),
      namespace,
      deadline: Option.match(checks.timeouts(options.timeout, []).total, {
        onNone: () => Number.POSITIVE_INFINITY,
        onSome: Duration.toMillis
      })
    })
  })

/**
 * {@link grant} with client credentials: the client asks on its own behalf (RFC 6749 §4.4).
 *
 * @since 0.1.0
 * @category constructors
 */
export const clientCredentials = (
  options: Options
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  grant({ ...options, grant: Grant.clientCredentials })

/**
 * {@link grant} with token exchange (RFC 8693): a subject token, and an actor token for delegation, become a token
 * for the audience, resource and scopes asked for.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, TokenSource } from "effect-bearer"
 * import { Redacted } from "effect"
 *
 * const onBehalfOf = (subjectToken: Redacted.Redacted) =>
 *   TokenSource.tokenExchange({
 *     tokenEndpoint: "https://login.example.com/oauth/token",
 *     clientId: "gateway",
 *     authentication: ClientAuthentication.basic(Redacted.make("secret")),
 *     subjectToken,
 *     audience: "https://billing.example.com"
 *   })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const tokenExchange = (
  options: Options & Grant.TokenExchange
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  grant({ ...options, grant: Grant.tokenExchange(options) })

/**
 * {@link grant} with a signed assertion (RFC 7523 §2.1).
 *
 * @since 0.1.0
 * @category constructors
 */
export const jwtBearer = (
  options: Options & { readonly assertion: ClientAuthentication.Secret }
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  grant({ ...options, grant: Grant.jwtBearer(options) })

/**
 * A source that spends a refresh token (RFC 6749 §6): a new one that comes back is stored before the access token is
 * handed out, an old one stays when none comes, and a request that was sent is not interrupted. See `RefreshToken`.
 *
 * Without a refresh token that can be spent it fails with `AuthenticationRequired`, or uses the `fallback` grant and
 * keeps the refresh token that may come with its answer.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Grant, TokenSource } from "effect-bearer"
 * import { Redacted } from "effect"
 *
 * const tokens = TokenSource.refreshToken({
 *   tokenEndpoint: "https://login.example.com/oauth/token",
 *   clientId: "reports",
 *   authentication: ClientAuthentication.basic(Redacted.make("secret")),
 *   refreshToken: Redacted.make("from the last login"),
 *   fallback: Grant.clientCredentials
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const refreshToken = (
  options: Options & RefreshToken.Options & { readonly fallback?: Grant.Grant | undefined }
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient> => {
  const { fallback } = options
  return fromEndpoint(options, (endpoint) =>
    RefreshToken.make(options, {
      refresh: (token, request) => endpoint.request(Grant.refreshToken({ refreshToken: token }), request),
      fallback: fallback === undefined ? undefined : (request) => endpoint.request(fallback, request),
      // the endpoint has a timeout of its own
      timeout: Duration.infinity
    }))
}

// ---------------------------------------------------------------------------------------------------------------
// combinators
// ---------------------------------------------------------------------------------------------------------------

/**
 * Subscribes to the events of a source, until the scope closes. `source.events` begins when the stream is run, which
 * in a forked fiber is some time later; here nothing that happens after this effect is missed.
 *
 * @example
 * ```ts
 * import type { TokenError } from "effect-bearer"
 * import { TokenSource } from "effect-bearer"
 * import { Effect, Stream } from "effect"
 *
 * declare const tokens: TokenSource.With<TokenError.TokenError>
 *
 * const program = Effect.gen(function*() {
 *   const events = yield* TokenSource.subscribe(tokens)
 *   yield* Effect.forkScoped(Stream.runForEach(events, (event) => Effect.log(event._tag)))
 *   yield* tokens.get() // its events are seen
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const subscribe = (
  self: With<unknown>
): Effect.Effect<Stream.Stream<TokenEvent>, never, Scope.Scope> => source.subscribe(self)

/**
 * Puts something of your own around every effect of a source that gives a token: a timeout, a measurement, a mapped
 * error. Unlike a source written by hand, the result keeps the events of `self`.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * const impatient = TokenSource.transform((token) => Effect.timeout(token, "2 seconds"))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const transform = <E, E2>(
  f: (token: Effect.Effect<AccessToken, E>, request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E2>
) =>
(self: With<E>): With<E2> => source.mapRequests(self, f)

/**
 * What a source knows of the token for a request, without asking a server or a store and without counting as a use: the
 * token that would be served now, and whether its successor is on its way. A source without a cache knows nothing.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import { Effect, Option } from "effect"
 *
 * const headers = Effect.gen(function*() {
 *   const tokens = yield* TokenSource.TokenSource
 *   const { refreshing, token } = yield* TokenSource.status(tokens)
 *   return refreshing && Option.isSome(token) ? { "x-token-refreshing": "true" } : {}
 * })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const status = (self: With<unknown>, request?: TokenRequest.TokenRequest): Effect.Effect<Status> =>
  source.hooks(self).status(request)

/**
 * `get`, for a caller who needs the token for some time: a token with less than `remaining` left is renewed first, and
 * the caller waits for that. Half of the token's lifetime is the most that can be asked for. While a renewal is not
 * possible (it fails, the server is being left alone after a failure, or the last token has just arrived) the held token is
 * given. A source without a cache gives what `get` gives. Default of `request`: what the source was configured with.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * // an upload that takes ten minutes
 * const token = Effect.flatMap(TokenSource.TokenSource, TokenSource.getWithRemaining("10 minutes"))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const getWithRemaining =
  (remaining: Duration.DurationInput, request?: TokenRequest.TokenRequest) =>
  <E>(self: With<E>): Effect.Effect<AccessToken, E> =>
    Effect.zipRight(source.hooks(self).renewBelow(Duration.toMillis(remaining), request), self.get(request))

/**
 * Retries the transient errors of a source, which thereby leave its type: see `RetryPolicy.retry`, whose compile
 * errors it shares. Each retry is an event. A policy for transient errors of your own names them:
 * `RetryPolicy.exponentialJitter<MetadataServerBusy>()`.
 *
 * @example
 * ```ts
 * import { RetryPolicy, TokenSource } from "effect-bearer"
 * import type { TokenError } from "effect-bearer"
 *
 * declare const tokens: TokenSource.With<TokenError.RequestError>
 *
 * //      ┌─── TokenSource.With<TokenError.Fatal | TokenError.RetriesExhausted<TokenError.Transient>>
 * //      ▼
 * const retried = TokenSource.retry(RetryPolicy.exponentialJitter({ base: "500 millis", maxRetries: 3 }))(tokens)
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const retry =
  <In>(policy: Schedule.Schedule<unknown, In>) =>
  <E>(self: With<E> & RetryPolicy.Check<E, In>): With<RetryPolicy.Retried<E>> => {
    const tell = source.telling(self)
    return source.mapRequests(
      self as With<E>,
      (effect, request) =>
        RetryPolicy.retryReporting(
          effect,
          policy,
          ({ attempt, delay, error }) =>
            tell(request, (common) =>
              TokenEvent.RetryScheduled({
                ...common,
                error: foreignError.nameOf(error),
                message: foreignError.messageOf(error),
                status: Predicate.hasProperty(error, "status") && Predicate.isNumber(error.status)
                  ? Option.some(error.status)
                  : Option.none(),
                attempt,
                delay: Duration.toMillis(delay)
              }))
        )
    )
  }

/**
 * For runtimes in which work ends with the request that began it (Cloudflare Workers and its like): lets `effect`,
 * which serves a request, renew tokens ahead of their end in the background, even after the answer was sent. Without it
 * nothing is renewed ahead there, and the request that finds the token at its end waits for the next one. Elsewhere it
 * changes nothing.
 *
 * **Example** (A Worker)
 *
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import type { Effect, ManagedRuntime } from "effect"
 *
 * declare const runtime: ManagedRuntime.ManagedRuntime<TokenSource.TokenSource, never>
 * declare const handle: (request: Request) => Effect.Effect<Response, never, TokenSource.TokenSource>
 *
 * export default {
 *   fetch: (request: Request, _env: unknown, ctx: { waitUntil(promise: Promise<unknown>): void }) =>
 *     runtime.runPromise(TokenSource.withWaitUntil(handle(request), (promise) => ctx.waitUntil(promise)))
 * }
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withWaitUntil: {
  (waitUntil: (promise: Promise<unknown>) => void): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, waitUntil: (promise: Promise<unknown>) => void): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    waitUntil: (promise: Promise<unknown>) => void
  ): Effect.Effect<A, E, R> => Effect.provideService(effect, WaitUntil, waitUntil)
)

export {
  /**
   * @since 0.1.0
   * @category combinators
   */
  backgroundRefresh
} from "./BackgroundRefresh.js"

export {
  /**
   * Shares tokens with other processes through the `TokenStore`: see `SharedTokens.shared`.
   *
   * @since 0.1.0
   * @category combinators
   */
  shared
} from "./SharedTokens.js"

export {
  /**
   * Fails fast while the endpoint keeps failing: see `CircuitBreaker.protect`.
   *
   * @since 0.1.0
   * @category combinators
   */
  protect as circuitBreaker
} from "./CircuitBreaker.js"

export {
  /**
   * Limits token requests on this side: see `RateLimit.limit`.
   *
   * @since 0.1.0
   * @category combinators
   */
  limit as rateLimit
} from "./RateLimit.js"

export {
  /**
   * Compares scopes granted with scopes requested: see `ScopePolicy.enforce`.
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

/**
 * The recommended order of all of them, around a source that makes one request per `get`: rate limit, shared store,
 * retry, circuit breaker, scope policy, cache, renewal in the background. {@link layer} is this around a grant.
 *
 * Tokens are shared if a `TokenStore` is in the context: provide its layer to this one, not beside it. A source other
 * than `clientCredentials` then has to be told whose tokens it yields: `shared: { namespace }`. Options for `shared`
 * without a store are an `InvalidConfiguration`.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, TokenSource } from "effect-bearer"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const Tokens = Layer.scoped(
 *   TokenSource.TokenSource,
 *   TokenSource.refreshToken({
 *     tokenEndpoint: "https://login.example.com/oauth/token",
 *     clientId: "reports",
 *     authentication: ClientAuthentication.basic(Redacted.make("secret")),
 *     refreshToken: Redacted.make("from the last login")
 *   }).pipe(Effect.flatMap(TokenSource.managed({ refresh: { ahead: "2 minutes" } })))
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const managed = (options: ManagedOptions = {}) =>
(
  self: With<TokenError.RequestError>
): Effect.Effect<With<TokenError.TokenError>, TokenError.InvalidConfiguration, Scope.Scope> =>
  Effect.gen(function*() {
    yield* Settings.report(settingProblems(options))
    const limited = options.rateLimit === undefined ? self : yield* RateLimit.limit(options.rateLimit)(self)
    const store = yield* Effect.serviceOption(TokenStore)
    if (Option.isNone(store) && Predicate.isObject(options.shared)) {
      return yield* new TokenError.InvalidConfiguration({
        fields: ["shared"],
        detail: "there are options for sharing tokens, and no TokenStore to share them through: provide the layer of " +
          "a store to this one (Layer.provide), or drop the options"
      })
    }
    const shared = Option.isNone(store) || options.shared === false ? limited : yield* SharedTokens.shared({
      clockSkew: options.cache?.clockSkew,
      ...options.shared
    })(limited).pipe(Effect.provideService(TokenStore, store.value))
    const retried = retry(options.retry ?? RetryPolicy.exponentialJitter())(shared)
    const guarded: With<TokenError.TokenError> = options.circuitBreaker === undefined
      ? retried
      : yield* CircuitBreaker.protect(options.circuitBreaker)(retried)
    const checked = ScopePolicy.enforce(options.scopePolicy)(guarded)
    if (options.refresh === false) return yield* TokenCache.cachedFailing({ ...options.cache, ahead: 0 })(checked)
    return yield* Effect.flatMap(
      TokenCache.cachedFailing(options.cache)(checked),
      BackgroundRefresh.backgroundRefresh(options.refresh)
    )
  })

/** The problems of all settings at once, before the first request. */
const settingProblems = (
  { cache, circuitBreaker, rateLimit, refresh }: ManagedOptions
): ReadonlyArray<Settings.Problem> => [
  ...Settings.problems(ranges.cache, cache, "cache"),
  ...Settings.problems(
    ranges.onMissingExpiry,
    cache?.onMissingExpiry === "never" ? undefined : cache?.onMissingExpiry,
    "cache.onMissingExpiry"
  ),
  ...Settings.problems(ranges.refresh, refresh === false ? undefined : refresh, "refresh"),
  ...Settings.problems(ranges.rateLimit, rateLimit, "rateLimit"),
  ...Settings.problems(ranges.circuitBreaker, circuitBreaker, "circuitBreaker")
]

// ---------------------------------------------------------------------------------------------------------------
// layers
// ---------------------------------------------------------------------------------------------------------------

/** The source that a layer provides. */
const stack = (
  options: LayerOptions
): Effect.Effect<With<TokenError.TokenError>, TokenError.InvalidConfiguration, HttpClient.HttpClient | Scope.Scope> =>
  Effect.flatMap(
    grant({ ...options, grant: options.grant ?? Grant.clientCredentials }),
    managed(options)
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
export const layer = (
  options: LayerOptions
): Layer.Layer<TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  Layer.scoped(TokenSource, stack(options))

/**
 * {@link layer} from configuration. Without an argument it reads the environment:
 *
 * | variable | meaning |
 * |---|---|
 * | `OAUTH_TOKEN_ENDPOINT` | URL of the token endpoint |
 * | `OAUTH_CLIENT_ID` | client id |
 * | `OAUTH_CLIENT_SECRET` | client secret; read again at every token request |
 * | `OAUTH_CLIENT_AUTHENTICATION` | `basic` (default), `basic-raw`, `post` or `none` |
 * | `OAUTH_SCOPES` | scopes, separated by spaces or commas (optional) |
 * | `OAUTH_AUDIENCE` | audience (optional) |
 *
 * Whatever is missing or blank is named in one error.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: {
  (): Layer.Layer<TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient>
  (
    config: Config.Config.Wrap<LayerOptions>
  ): Layer.Layer<TokenSource, TokenError.InvalidConfiguration | ConfigError, HttpClient.HttpClient>
} = (config?: Config.Config.Wrap<LayerOptions>) =>
  Layer.scoped(TokenSource, Effect.flatMap(readConfig(config), stack)) as Layer.Layer<
    TokenSource,
    TokenError.InvalidConfiguration,
    HttpClient.HttpClient
  >

const readConfig = (
  config: Config.Config.Wrap<LayerOptions> | undefined
): Effect.Effect<LayerOptions, TokenError.InvalidConfiguration | ConfigError> =>
  config === undefined ? environment : Config.unwrap(config)

type Method = "basic" | "basic-raw" | "post" | "none"

const authentications: Record<
  Method,
  (secret: Config.Config<Redacted.Redacted>) => ClientAuthentication.ClientAuthentication
> = {
  basic: ClientAuthentication.basic,
  "basic-raw": ClientAuthentication.basicRaw,
  post: ClientAuthentication.post,
  none: () => ClientAuthentication.none
}

const environment: Effect.Effect<LayerOptions, TokenError.InvalidConfiguration> = Effect.gen(function*() {
  const faults: Array<readonly [name: string, fault: string]> = []
  const optional = (name: string) =>
    Effect.map(
      Effect.either(Config.string(name)),
      (value) => Either.isRight(value) && value.right.trim() !== "" ? value.right : undefined
    )
  const required = (name: string) =>
    Effect.map(optional(name), (value) => {
      if (value === undefined) faults.push([name, "is missing or blank"])
      return value ?? ""
    })

  const tokenEndpoint = yield* required("OAUTH_TOKEN_ENDPOINT")
  const clientId = yield* required("OAUTH_CLIENT_ID")
  const method = (yield* optional("OAUTH_CLIENT_AUTHENTICATION")) ?? "basic"
  const known = Object.hasOwn(authentications, method)
  if (!known) {
    faults.push(["OAUTH_CLIENT_AUTHENTICATION", `must be one of ${Object.keys(authentications).join(", ")}`])
  }
  if (method !== "none") yield* required("OAUTH_CLIENT_SECRET")
  if (faults.length > 0) {
    return yield* new TokenError.InvalidConfiguration({
      fields: faults.map(([name]) => name),
      detail: `${faults.map(([name, fault]) => `${name} ${fault}`).join("; ")}. Set ${
        faults.length === 1 ? "it" : "them"
      } in the environment of the program.`
    })
  }
  const scopes = yield* optional("OAUTH_SCOPES")
  const audience = yield* optional("OAUTH_AUDIENCE")
  return {
    tokenEndpoint,
    clientId,
    // The variable is read again at every attempt, so that a secret rotated in it takes effect without a restart.
    authentication: authentications[method as Method](Config.redacted("OAUTH_CLIENT_SECRET")),
    scopes,
    audience
  }
})
