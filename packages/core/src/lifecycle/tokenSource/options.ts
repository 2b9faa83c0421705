// The settings of a source: of its grant, of each step behind it, and of both.
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { CompileError } from "../../values/compileError.js"
import type * as Scopes from "../../values/Scopes.js"
import type * as TokenError from "../../values/TokenError.js"
import type * as ClientAuthentication from "../../wire/ClientAuthentication.js"
import type * as Grant from "../../wire/Grant.js"
import type * as ServerMetadata from "../../wire/ServerMetadata.js"
import type * as TokenEndpoint from "../../wire/TokenEndpoint.js"
import type * as BackgroundRefresh from "../BackgroundRefresh.js"
import type * as CircuitBreaker from "../CircuitBreaker.js"
import type * as RateLimit from "../RateLimit.js"
import type { Retryable } from "../RetryPolicy.js"
import type * as ScopePolicy from "../ScopePolicy.js"
import type * as SharedTokens from "../SharedTokens.js"
import type * as TokenCache from "../TokenCache.js"

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
 * Where the server is: the URL of its token endpoint, or its issuer, whose metadata names the endpoint (RFC 8414, or
 * OpenID Connect Discovery). One of the two.
 *
 * @since 0.1.0
 * @category models
 */
export type Place =
  | { readonly tokenEndpoint: TokenEndpoint.Options["tokenEndpoint"]; readonly issuer?: undefined }
  | {
    /**
     * The issuer's identifier, as its metadata has it, or `ServerMetadata.make(issuer)` to share what was looked up. It
     * is looked up at the first token request; see `ServerMetadata.EndpointLocation`. A client that authenticates by
     * `ClientAuthentication.mtls` gets the endpoint for certificates, if the server has one (RFC 8705 §5).
     */
    readonly issuer: string | URL | ServerMetadata.ServerMetadata
    readonly tokenEndpoint?: undefined
  }

/**
 * {@link Options} as the constructors take them: with an `issuer` in place of `tokenEndpoint`, if you like, and with an
 * effect that makes the `authentication`, for a secret that has to be set up first. The effect runs once, when the source
 * is made; the secret in it is read at every attempt.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Secret, TokenSource } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * // needs a FileSystem as well, which is NodeContext.layer on Node.js
 * const Tokens = TokenSource.layer({
 *   issuer: "https://login.example.com",
 *   clientId: "reports",
 *   authentication: Effect.map(Secret.file("/run/secrets/client-secret"), ClientAuthentication.basic)
 * })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type Given<O extends Options, R = never> =
  & Omit<O, "authentication" | "tokenEndpoint">
  & Place
  & {
    readonly authentication:
      | ClientAuthentication.ClientAuthentication
      | Effect.Effect<ClientAuthentication.ClientAuthentication, TokenError.InvalidConfiguration, R>
    /** Takes no value: the compiler says where the secret goes. */
    readonly clientSecret?:
      | CompileError<
        "The secret goes into authentication: ClientAuthentication.basic(Config.redacted(\"CLIENT_SECRET\"))"
      >
      | undefined
  }

/**
 * How each step of `managed` behaves. `Transient` is what `retry` may retry.
 *
 * @since 0.1.0
 * @category models
 */
export interface ManagedOptions<Transient extends Retryable = TokenError.Transient> {
  /** Which transient errors are retried, and when. Default `RetryPolicy.exponentialJitter()`. */
  readonly retry?: Schedule.Schedule<unknown, Transient> | undefined
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
   * `layer` makes the lease longer than the token request's own deadline.
   */
  readonly shared?: SharedTokens.Options | false | undefined
}

/**
 * The settings of `layer`: a token endpoint, the grant, and how each step of `managed` behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface LayerOptions extends Options, ManagedOptions {
  /** Default `Grant.clientCredentials`. */
  readonly grant?: Grant.Grant | undefined
}
