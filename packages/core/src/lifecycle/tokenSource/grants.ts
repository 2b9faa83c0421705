// The sources that ask a token endpoint: one for each grant.
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import type { CompileError, PlainSecret } from "../../values/compileError.js"
import * as TokenError from "../../values/TokenError.js"
import * as TokenRequest from "../../values/TokenRequest.js"
import * as ClientAuthentication from "../../wire/ClientAuthentication.js"
import * as checks from "../../wire/endpointChecks.js"
import * as Grant from "../../wire/Grant.js"
import * as ServerMetadata from "../../wire/ServerMetadata.js"
import * as TokenEndpoint from "../../wire/TokenEndpoint.js"
import * as boundToken from "../boundToken.js"
import * as RefreshToken from "../RefreshToken.js"
import type { With } from "../source.js"
import * as source from "../source.js"
import { clientNamespace } from "./clientNamespace.js"
import type { Given, Options } from "./options.js"

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
export const grant = <R = never>(
  given: Given<Options & { readonly grant: Grant.Grant }, R>
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient | R> =>
  named(given, (error) => error)

/** Says of an error what the options were read from: the variables of an environment, for example. */
export type Naming = (error: TokenError.InvalidConfiguration) => TokenError.InvalidConfiguration

/** {@link grant}, with errors that name what the options were read from. */
export const named = <R = never>(
  given: Given<Options & { readonly grant: Grant.Grant }, R>,
  naming: Naming
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient | R> =>
  Effect.flatMap(settle(given), (options) =>
    fromEndpoint(
      options,
      (endpoint) =>
        Effect.succeed((request) =>
          Effect.mapError(
            endpoint.request(given.grant, request),
            (error) => error._tag === "InvalidConfiguration" ? naming(error) : error
          )
        ),
      // the tokens of other grants depend on an assertion or a subject token
      given.grant === Grant.clientCredentials ? clientNamespace(options) : undefined
    ))

/** The options with the endpoint and the authentication that they stand for. */
const settle = <R>(given: Given<Options, R>): Effect.Effect<Options, TokenError.InvalidConfiguration, R> =>
  Effect.gen(function*() {
    const { authentication: how, issuer, tokenEndpoint, ...others } = given
    const authentication = Effect.isEffect(how) ? yield* how : how
    if (issuer === undefined) return { ...others, authentication, tokenEndpoint }
    if (tokenEndpoint !== undefined) {
      return yield* new TokenError.InvalidConfiguration({
        fields: ["tokenEndpoint", "issuer"],
        detail: "give tokenEndpoint or issuer, not both: the metadata of the issuer names an endpoint of its own"
      })
    }
    // a program without types can leave the method out: the endpoint says so
    const wantsCertificate = ClientAuthentication.isClientAuthentication(authentication) &&
      boundToken.showsCertificate(authentication.method)
    return { ...others, authentication, tokenEndpoint: ServerMetadata.ofIssuer(issuer, wantsCertificate) }
  })

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
 * @example
 * ```ts
 * import { ClientAuthentication, RetryPolicy, TokenSource } from "effect-bearer"
 * import { Config } from "effect"
 *
 * const tokens = TokenSource.clientCredentials({
 *   issuer: "https://login.example.com", // or tokenEndpoint
 *   clientId: "reports",
 *   authentication: ClientAuthentication.basic(Config.redacted("CLIENT_SECRET"))
 * }).pipe(
 *   TokenSource.retry(RetryPolicy.exponentialJitter()),
 *   TokenSource.cached(),
 *   TokenSource.backgroundRefresh()
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const clientCredentials = <R = never>(
  options: Given<Options, R>
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient | R> =>
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
export const tokenExchange = <R = never>(
  options: Given<Options, R> & Grant.TokenExchange
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient | R> =>
  grant({ ...options, grant: Grant.tokenExchange(options) })

/**
 * {@link grant} with a signed assertion (RFC 7523 §2.1).
 *
 * @since 0.1.0
 * @category constructors
 */
export const jwtBearer = <R = never>(
  options: Given<Options, R> & { readonly assertion: ClientAuthentication.Secret | CompileError<PlainSecret> }
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient | R> =>
  grant({ ...options, grant: Grant.jwtBearer({ assertion: options.assertion as ClientAuthentication.Secret }) })

/**
 * A source that spends a refresh token (RFC 6749 §6): a new one that comes back is stored before the access token is
 * handed out, an old one stays when none comes, and a request that was sent is not interrupted. See `RefreshToken`.
 *
 * Without a refresh token that can be spent it fails with `AuthenticationRequired`, or uses the `fallback` grant and
 * keeps the refresh token that may come with its answer.
 *
 * **Details**
 *
 * The total limit of a request is 12 seconds here, unless `timeout` says otherwise. `fetch` of Node.js takes up to 11
 * seconds to give up a connection that does not come about, and only its own error proves that the refresh token was
 * not sent. After the limit of the source nobody knows, and a refresh token that rotates is not sent again. So keep
 * `timeout` longer than the HTTP client needs to give up connecting, or make the client give up sooner: see
 * `TokenEndpoint.Timeouts`. `NodeHttpClient.layer` has no such limit of its own; `layerUndici` has.
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
export const refreshToken = <R = never>(
  given: Given<Options, R> & RefreshToken.Options & { readonly fallback?: Grant.Grant | undefined }
): Effect.Effect<With<TokenError.RequestError>, TokenError.InvalidConfiguration, HttpClient.HttpClient | R> => {
  const { fallback } = given
  return Effect.flatMap(
    settle(given),
    (options) =>
      fromEndpoint(
        { ...options, timeout: checks.withTotal(options.timeout, limit) },
        (endpoint) =>
          RefreshToken.make(given, {
            refresh: (token, request) => endpoint.request(Grant.refreshToken({ refreshToken: token }), request),
            fallback: fallback === undefined ? undefined : (request) => endpoint.request(fallback, request),
            // the endpoint has a timeout of its own
            timeout: Duration.infinity
          })
      )
  )
}

/** Long enough to hear that the HTTP client could not connect: undici takes 10 seconds and a tick of its clock. */
const limit = "12 seconds"
