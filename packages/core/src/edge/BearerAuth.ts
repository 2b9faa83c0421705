/**
 * Puts the access token of a source on the requests of an `HttpClient`, and recovers from a 401: the token that was
 * refused is renewed, the request is sent once more, and the caller gets the second response, whatever it is.
 *
 * **Order of combinators**
 *
 * `withBearer` wraps the client it is given and looks at the URL *before* that client changes it:
 *
 * - `base |> withBearer |> mapRequest(prependUrl(...))`: right. The other way round the URL is still relative when it
 *   gets here, and the call fails with `InvalidConfiguration`. `HttpApiClient.makeWith(api, { httpClient, baseUrl })`
 *   adds its `baseUrl` outside, so its `httpClient` is simply a client with a bearer.
 * - `base |> withBearer |> followRedirects`: right. Every hop is judged by its own origin. Inside, `followRedirects`
 *   copies the header to wherever the server points: no middleware around it can prevent that. `BearerAuth` notices it
 *   afterwards, and the call fails with `InvalidConfiguration` if the last hop was at another origin.
 * - `filterStatusOk` may stand inside or outside; `retryTransient` belongs outside, so that every attempt gets a
 *   token of its own.
 * - The source's own client must be one without a bearer.
 *
 * **Cost**
 *
 * Next to nothing: the tracer of `HttpClient` is 9 to 23 % of a request, this module about 1 %.
 * `HttpClient.withTracerDisabledWhen` turns the tracer off where it is not wanted.
 *
 * @since 0.1.0
 */

import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TokenSource from "../lifecycle/TokenSource.js"
import * as TokenError from "../values/TokenError.js"
import type * as TokenRequest from "../values/TokenRequest.js"
import * as client from "./bearer/client.js"
import * as fetch_ from "./bearer/fetch.js"
import * as minTtl_ from "./bearer/minTtl.js"
import * as misuse from "./bearer/misuse.js"
import type * as options_ from "./bearer/options.js"
import * as overrides from "./bearer/overrides.js"
import * as refusal from "./bearer/refusal.js"
import * as replay from "./bearer/replay.js"

// ---------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------

/**
 * How a client with a bearer behaves. Only `origins` is needed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends options_.Options {}

/**
 * How requests are repeated when the API answers 429 or 503. The wait is the server's `Retry-After` or half the
 * backoff, whichever is longer, plus up to the other half at random, so that clients that were turned away together do
 * not come back together. Each repetition asks for the token again.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryThrottled extends options_.RetryThrottled {}

/**
 * Which calls {@link withRequest} and {@link skip} apply to, when an effect calls more than one API.
 *
 * @since 0.1.0
 * @category models
 */
export type Target = overrides.Target

// ---------------------------------------------------------------------------------------------------------------
// per call
// ---------------------------------------------------------------------------------------------------------------

/**
 * Calls made by the effect use a token for `request` instead of the one the client was configured for. Fields left
 * open are taken from the client's own request.
 *
 * **Whose calls**
 *
 * An override applies to the `origins` or to the `client` that it names; it does not change other calls. An override
 * that names neither belongs to a single client with a bearer: the one that is called first while the effect runs. A
 * client does not take the override if it has nothing to do with the audience or the resource of `request`, and another
 * client of the same source is for them. Every other client ignores the override, with a warning in the log, because
 * the order of calls decides. So name the origins wherever an effect calls more than one API. Overrides may be nested:
 * for each call the innermost one that concerns it counts.
 *
 * Origins or a client that cannot work make the calls of the effect fail with `InvalidConfiguration`.
 *
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { BearerAuth, TokenRequest } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * const writing = TokenRequest.make({ scopes: "users:write" })
 * const remove = HttpClient.del("https://users.example.com/1").pipe(BearerAuth.withRequest(writing))
 *
 * // two APIs: the override is for the first
 * const removeAndBill = Effect.zip(remove, HttpClient.post("https://billing.example.com/final")).pipe(
 *   BearerAuth.withRequest(writing, { origins: ["https://users.example.com"] })
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRequest: {
  (
    request: TokenRequest.TokenRequest,
    target?: Target
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    request: TokenRequest.TokenRequest,
    target?: Target
  ): Effect.Effect<A, E, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    request: TokenRequest.TokenRequest,
    target?: Target
  ): Effect.Effect<A, E, R> => overrides.provide(self, request, target)
)

/**
 * Calls made by the effect are sent without a token. The target is chosen as for {@link withRequest}: calls to the
 * named `origins`, calls of the named `client`, or calls of the one client that is called first.
 *
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { BearerAuth } from "effect-bearer"
 *
 * const health = BearerAuth.skip(HttpClient.get("https://api.example.com/health"))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const skip = <A, E, R>(self: Effect.Effect<A, E, R>, target?: Target): Effect.Effect<A, E, R> =>
  overrides.provide(self, "skip", target)

/**
 * Calls made by the effect carry a token that lives at least so long, for uploads and streams that an API checks again
 * while they run: a token with less left is renewed first, and the call waits for that. Half of the token's lifetime is
 * the most that can be asked for; the rest of the rule stands at `TokenSource.GetOptions`. It holds for the calls of
 * every client with a bearer. The replay after a 401 has a new token anyway.
 *
 * @example
 * ```ts
 * import { HttpBody, HttpClient } from "@effect/platform"
 * import { BearerAuth } from "effect-bearer"
 *
 * const upload = HttpClient.put("https://files.example.com/film", { body: HttpBody.text("…") }).pipe(
 *   BearerAuth.withMinTtl("10 minutes")
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withMinTtl: {
  (minTtl: Duration.DurationInput): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, minTtl: Duration.DurationInput): Effect.Effect<A, E, R>
} = dual(2, minTtl_.provide)

// ---------------------------------------------------------------------------------------------------------------
// the client
// ---------------------------------------------------------------------------------------------------------------

/**
 * A client whose requests to the allowed origins carry the token of `source`.
 *
 * **Details**
 *
 * - A 401 makes the client call `source.renew` with the token that was sent, and replay the request once with the new
 *   token. A second 401 is returned as it is; so is the first one if there is no other token, or if the body cannot be
 *   sent again.
 * - If no token can be had, at first or after a 401, the call fails with the error of the source. It is never sent
 *   without a token instead.
 * - A POST is replayed like any other request: a 401 means that it was not processed. Errors are never replayed.
 * - Where the client inside has followed a redirect (`fetch` does so by itself), the first request may have been carried
 *   out before the 401 came. A request that is not idempotent (`POST`, `PATCH`) is then not sent again: the caller gets
 *   the 401, and the next call a new token. Nobody can tell a 303 from a 307 afterwards, so this holds for both.
 * - A request that already has an `Authorization` header is sent as it is: the caller's header stays, and the client
 *   does not recover from a 401 to such a request.
 * - A URL that is not absolute fails with `InvalidConfiguration`, because its origin is unknown.
 * - Interrupting a call interrupts its HTTP request. The source decides what becomes of a token request that other
 *   callers wait for: `TokenSource.cached` lets it finish.
 * - Rendering a request, a response or an error of the client shows `<redacted>` for the header.
 *
 * **Limits**
 *
 * - `fetch` drops the header on a redirect to another origin, also if that one redirects back to the API. It tells only
 *   the last URL, so the 401 of such a request looks like a refusal of the token, which is then renewed. If that gives a
 *   401 again, the 401 of redirects from this URL is handed on for 5 minutes. Ask for the last URL directly.
 * - In Cloudflare Workers redirects are followed by hand, so that the token goes to listed origins only. A redirect that
 *   cannot be followed (more than 20, a `Location` that is no URL) is the answer there, and an error elsewhere.
 *
 * @example
 * ```ts
 * import { HttpApiClient, HttpClient } from "@effect/platform"
 * import type { HttpApi } from "@effect/platform"
 * import { BearerAuth } from "effect-bearer"
 * import type { TokenError, TokenSource } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * const users = (api: HttpApi.HttpApi<"users">, tokens: TokenSource.With<TokenError.TokenError>) =>
 *   Effect.gen(function*() {
 *     const base = yield* HttpClient.HttpClient
 *     const httpClient = base.pipe(BearerAuth.withBearer(tokens, { origins: ["https://api.example.com"] }))
 *     return yield* HttpApiClient.makeWith(api, { httpClient, baseUrl: "https://api.example.com" })
 *   })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withBearer: {
  <E2>(
    source: TokenSource.With<E2>,
    options: Options
  ): <E, R>(
    self: HttpClient.HttpClient.With<E, R>
  ) => HttpClient.HttpClient.With<E | E2 | TokenError.InvalidConfiguration, R>
  <E, R, E2>(
    self: HttpClient.HttpClient.With<E, R>,
    source: TokenSource.With<E2>,
    options: Options
  ): HttpClient.HttpClient.With<E | E2 | TokenError.InvalidConfiguration, R>
} = dual(
  3,
  <E, R, E2>(
    self: HttpClient.HttpClient.With<E, R>,
    source: TokenSource.With<E2>,
    options: Options
  ): HttpClient.HttpClient.With<E | E2 | TokenError.InvalidConfiguration, R> =>
    client.make(self, source, options, undefined)
)

/**
 * A `fetch` that adds the token, for an SDK that takes one. Its rules are those of {@link withBearer}: the token goes to
 * the allowed origins only, a 401 is recovered from once, and no error shows the token.
 *
 * **Details**
 *
 * - The URL, the options and their bodies are read, and copied where they can be changed, while the program calls. What
 *   it does with them afterwards changes no request. The token is in the copy of the headers that goes to `fetch`.
 * - The response is the one that `fetch` gave, or, for a refusal that the caller gets, one with the same status, headers
 *   and body.
 * - The URL is absolute. A relative one, such as `"/users"`, is not completed, not even in a browser: the promise is
 *   rejected with `InvalidConfiguration`, and nothing is sent. Give the SDK its base URL, or call it with
 *   `new URL("/users", "https://api.example.com")`.
 * - A promise is rejected with the error of `fetch`, with the error of the source (a `TokenError`), or, once the signal of
 *   the request is aborted, with its reason.
 * - A body is sent again after a 401 unless it is a stream: such a call gets its 401, and the next one a new token. The
 *   body of a `Request` goes out as it comes, and up to 1 MiB of it is kept for that. If a 401 comes before the end of
 *   the body, the end is waited for, for 1 second.
 * - A `Request` has to be one of `globalThis.Request`. Another class (of undici, of node-fetch) is refused with
 *   `InvalidConfiguration`.
 * - Logs and the tracer are those of the runtime that made it. Each call is a span without a parent, for the span in which
 *   the `fetch` was made ends before. No trace headers are added: a program that wants them sets them, or gives a `fetch`
 *   that adds them.
 * - In Cloudflare Workers, where redirects are followed by hand, a hop has the `cf`, `cache`, `credentials` and other
 *   options of the call; of those of a `Request`, only these three and `integrity`.
 *
 * @example
 * ```ts
 * import { BearerAuth, TokenSource } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * declare const makeSdk: (options: { readonly fetch: typeof globalThis.fetch }) => { readonly users: () => Promise<string> }
 *
 * const users = Effect.gen(function*() {
 *   const tokens = yield* TokenSource.TokenSource
 *   const fetch = yield* BearerAuth.withFetch(tokens, { origins: ["https://api.example.com"] })
 *   return yield* Effect.tryPromise(() => makeSdk({ fetch }).users())
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const withFetch = <E>(
  source: TokenSource.With<E>,
  options: Options & {
    /** Sends the requests. Default: `globalThis.fetch`. */
    readonly fetch?: typeof globalThis.fetch | undefined
  }
): Effect.Effect<typeof globalThis.fetch> =>
  fetch_.make(source, options, options.fetch ?? ((input, init) => globalThis.fetch(input, init)))

/**
 * Provides an `HttpClient` with a bearer to everything above it, from the plain one below and the source behind a tag
 * (the default one if none is named). See {@link withBearer}.
 *
 * The tag's type leaves no room for a token error, so it is folded into a `RequestError`: with reason `"Transport"` if
 * another attempt may help, so that `HttpClient.retryTransient` makes one, otherwise with reason `"Encode"`.
 * {@link tokenErrorOf} reads it back.
 *
 * @example
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { BearerAuth } from "effect-bearer"
 * import { Layer } from "effect"
 *
 * // needs a TokenSource, itself provided with the plain client
 * const ApiClient = BearerAuth.layer({ origins: ["https://api.example.com"] }).pipe(
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: {
  <Id, E>(
    options: Options & { readonly source: Context.Tag<Id, TokenSource.With<E>> }
  ): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | Id>
  (options: Options & { readonly source?: undefined }): Layer.Layer<
    HttpClient.HttpClient,
    never,
    HttpClient.HttpClient | TokenSource.TokenSource
  >
} = <Id, E>(
  options: Options & { readonly source?: Context.Tag<Id, TokenSource.With<E>> | undefined }
): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | Id> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.zipWith(
      HttpClient.HttpClient,
      // without a tag, the overload says that `Id` is that of the default source
      options.source ?? TokenSource.TokenSource as unknown as Context.Tag<Id, TokenSource.With<E>>,
      (self, source) => client.make(self, source, options, misuse.fold)
    )
  )

/**
 * The token error inside an error of a client: of {@link layer}, where it is folded into a `RequestError`, or of
 * {@link withBearer}, where it is the error itself.
 *
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { BearerAuth } from "effect-bearer"
 * import { Effect, Option } from "effect"
 *
 * const call = HttpClient.get("https://api.example.com/users/me").pipe(
 *   Effect.tapError((error) =>
 *     Option.match(BearerAuth.tokenErrorOf(error), {
 *       onNone: () => Effect.logWarning("the API call failed"),
 *       onSome: (tokenError) => Effect.logWarning("no token could be had", tokenError._tag)
 *     })
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const tokenErrorOf = (error: unknown): Option.Option<TokenError.TokenError> => {
  const candidate = error instanceof HttpClientError.RequestError ? error.cause : error
  return TokenError.isTokenError(candidate) ? Option.some(candidate) : Option.none()
}

// ---------------------------------------------------------------------------------------------------------------
// for authors of client middleware
// ---------------------------------------------------------------------------------------------------------------

/**
 * Whether a response means "this token is not accepted, another one may be": status 401, unless its Bearer or DPoP
 * challenge names an error that another token of the same kind would meet again. Those are `invalid_request` and
 * `insufficient_scope` (RFC 6750 §3.1), `insufficient_user_authentication` (RFC 9470 §3) and every other
 * `insufficient_…`, `use_dpop_nonce` and `invalid_dpop_proof` (RFC 9449), and `login_required` and its like (OpenID
 * Connect Core §3.1.2.6). `insufficient_claims` counts as a refusal only where the claims ask for no more than a newer
 * token.
 *
 * This is the rule of a client without the option `isAuthFailure`. A rule of your own takes its place, so it is best
 * combined with this one:
 *
 * @example
 * ```ts
 * import { BearerAuth } from "effect-bearer"
 *
 * const options: BearerAuth.Options = {
 *   origins: ["https://api.example.com"],
 *   // this API answers 403 to an expired token
 *   isAuthFailure: (response) => BearerAuth.isAuthFailure(response) || response.status === 403
 * }
 * ```
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAuthFailure: (response: HttpClientResponse.HttpClientResponse) => boolean = refusal.isAuthFailure

/**
 * Whether a body can be sent a second time: no body, bytes, a string or `FormData` can, a stream only if `streams`
 * says that it starts anew whenever it is run. For authors of client middleware that repeats requests.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isReplayable: (body: HttpBody.HttpBody, streams: boolean) => boolean = replay.isReplayable
