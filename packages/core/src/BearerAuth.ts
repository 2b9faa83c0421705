/**
 * Puts the access token of a source on the requests of an `HttpClient`, and recovers from a 401: the token that was
 * refused is renewed, the request is sent once more, and whatever comes then is the answer.
 *
 * **Order of combinators**
 *
 * `withBearer` wraps the client it is given and looks at the URL *before* that client changes it:
 *
 * - `base |> withBearer |> mapRequest(prependUrl(...))`: right. The other way round the URL is still relative when it
 *   gets here, and the call fails with `InvalidConfiguration`. `HttpApiClient.makeWith({ httpClient, baseUrl })`
 *   adds its `baseUrl` outside, so its `httpClient` is simply a client with a bearer.
 * - `base |> withBearer |> followRedirects`: right. Every hop is judged by its own origin. Inside,
 *   `followRedirects` copies the header to wherever the server points: no middleware around it can prevent that. It
 *   is noticed afterwards, and the call fails with `InvalidConfiguration` if the last hop was at another origin.
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
import type * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as AccessToken from "./AccessToken.js"
import * as Challenge from "./Challenge.js"
import * as anyError from "./internal/anyError.js"
import * as Origins from "./internal/origins.js"
import { RenewalGuard } from "./internal/renewalGuard.js"
import * as source_ from "./internal/source.js"
import * as RetryAfter from "./RetryAfter.js"
import * as TokenError from "./TokenError.js"
import { TokenEvent } from "./TokenEvent.js"
import * as TokenRequest from "./TokenRequest.js"
import * as TokenSource from "./TokenSource.js"

// ---------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------

/**
 * How a client with a bearer behaves. Only `origins` is needed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Where the token may go: scheme, host and port, compared exactly. Plain `http:` is accepted for loopback only. A
   * list that cannot work (an entry with a path, a wildcard, user info) makes every call of the client fail with
   * `InvalidConfiguration`, and nothing is sent.
   */
  readonly origins: NonEmptyReadonlyArray<string | URL>
  /**
   * A request to any other origin is sent without a token (`"untouched"`, the default), or not at all: it fails with
   * `InvalidConfiguration` (`"fail"`).
   */
  readonly onOtherOrigin?: "untouched" | "fail" | undefined
  /** Which token this client asks the source for. {@link withRequest} overrides it per call. */
  readonly request?: TokenRequest.TokenRequest | undefined
  /**
   * Tells the responses that mean "this token is not accepted", for servers that say so with a 403 or in the body of
   * a 200. The default is status 401. Whatever it says, a Bearer challenge with `insufficient_scope` or
   * `invalid_request` never renews: a new token would be refused likewise. It may read `text` or `json`, which stay
   * readable for the caller; `stream` does not.
   */
  readonly isAuthFailure?:
    | ((response: HttpClientResponse.HttpClientResponse) => boolean | Effect.Effect<boolean>)
    | undefined
  /**
   * Whether a `Stream` body may be sent a second time after a 401. Right for streams that start anew whenever they
   * are run, such as `HttpBody.file`. Default `false`: such a call gets its 401, and the *next* one a new token.
   */
  readonly replayStreams?: boolean | undefined
  /** Waited before the replay, for servers that accept a token only some time after issuing it. Default 0. */
  readonly replayDelay?: Duration.DurationInput | undefined
  /**
   * When an API refuses a token that was just renewed, its age is not the fault: for this long that token is not
   * renewed again, and a 401 is handed to the caller at once. Default 5 seconds.
   */
  readonly renewInterval?: Duration.DurationInput | undefined
  /** Whether and how 429 and 503 of the API are tried again. Default: not at all. */
  readonly retryThrottled?: RetryThrottled | undefined
}

/**
 * How requests are repeated when the API answers 429 or 503. The wait is the server's `Retry-After` or half the
 * backoff, whichever is longer, plus up to the other half at random, so that those turned away together do not come
 * back together. The token is asked for anew.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryThrottled {
  /** Default 3. */
  readonly maxRetries?: number | undefined
  /** The backoff of the first retry; it doubles from there. Default 500 ms. */
  readonly base?: Duration.DurationInput | undefined
  /** Bounds the backoff, not the `Retry-After`. Default 30 seconds. */
  readonly cap?: Duration.DurationInput | undefined
  /** Asked to wait longer than this, the client returns the response instead. Default 1 minute. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** Default `GET`, `HEAD` and `OPTIONS`: a 503 does not say that nothing was done. */
  readonly methods?: ReadonlyArray<HttpMethod> | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// per call
// ---------------------------------------------------------------------------------------------------------------

type PerCallValue = TokenRequest.TokenRequest | "skip" | undefined

class PerCall extends Context.Reference<PerCall>()("effect-bearer/BearerAuth/PerCall", {
  defaultValue: (): PerCallValue => undefined
}) {}

/**
 * Calls made by the effect use a token for `request` instead of the one the client was configured for. Fields left
 * open are taken from the client's own request.
 *
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { BearerAuth, TokenRequest } from "effect-bearer"
 *
 * const writing = TokenRequest.make({ scopes: "users:write" })
 * const remove = HttpClient.del("https://api.example.com/users/1").pipe(BearerAuth.withRequest(writing))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRequest: {
  (request: TokenRequest.TokenRequest): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, request: TokenRequest.TokenRequest): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, request: TokenRequest.TokenRequest): Effect.Effect<A, E, R> =>
    Effect.provideService(self, PerCall, request)
)

/**
 * Calls made by the effect are sent without a token.
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
export const skip = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(self, PerCall, "skip")

// ---------------------------------------------------------------------------------------------------------------
// the client
// ---------------------------------------------------------------------------------------------------------------

/**
 * A client whose requests to the allowed origins carry the token of `source`.
 *
 * **Details**
 *
 * - A 401 is answered by `source.renew` with the very token that was sent, and one replay with the new one. A second
 *   401 is returned as it is; so is the first one if there is no other token, or if the body cannot be sent again.
 * - If no token can be had, at first or after a 401, the call fails with the error of the source. It is never sent
 *   without a token instead.
 * - A POST is replayed like any other request: a 401 means that it was not processed. Errors are never replayed.
 * - A request that already has an `Authorization` header is sent as it is: what the caller wrote wins, and no 401 of
 *   it is recovered.
 * - A URL that is not absolute fails with `InvalidConfiguration`, for nobody can tell where it leads.
 * - Interrupting a call interrupts its HTTP request. What becomes of a token request others wait for is the
 *   source's affair: `TokenSource.cached` lets it finish.
 * - Rendering a request, a response or an error of the client shows `<redacted>` for the header.
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
  ): HttpClient.HttpClient.With<E | E2 | TokenError.InvalidConfiguration, R> => make(self, source, options, undefined)
)

/**
 * Provides an `HttpClient` with a bearer to everything above it, from the plain one below and the source behind a tag
 * (the default one if none is named). See {@link withBearer}.
 *
 * The tag's type leaves no room for a token error, so it is folded into a `RequestError`: with reason `"Transport"`
 * if asking again may help, so that `HttpClient.retryTransient` does, otherwise with reason `"Encode"`.
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
      // Without a tag, the overload says that Id is the default one.
      options.source ?? TokenSource.TokenSource as unknown as Context.Tag<Id, TokenSource.With<E>>,
      (self, source) => make(self, source, options, fold)
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

/** A request error that names the call and holds nothing of it: neither headers nor body nor query. */
const fold = (error: unknown, request: HttpClientRequest.HttpClientRequest): HttpClientError.RequestError => {
  const known = TokenError.isTokenError(error)
  return new HttpClientError.RequestError({
    request: HttpClientRequest.make(request.method)(withoutQuery(request.url)),
    reason: anyError.isRetryable(error) ? "Transport" : "Encode",
    description: known
      ? error.message
      : `no token: ${anyError.nameOf(error, "the source failed")}`,
    // An HttpClientError holds headers and prints them.
    cause: HttpClientError.isHttpClientError(error) ? undefined : error
  })
}

const withoutQuery = (url: string): string => {
  try {
    const { origin, pathname } = new URL(url)
    return origin + pathname
  } catch {
    return url.replace(/[?#].*$/s, "")
  }
}

// ---------------------------------------------------------------------------------------------------------------
// one call
// ---------------------------------------------------------------------------------------------------------------

/** What one call knows about itself from one attempt to the next. */
interface Call {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly tokenRequest: TokenRequest.TokenRequest | undefined
  /** Whether the one replay after a 401 was spent. */
  replayed: boolean
  retries: number
}

const make = <E, R, E2, E3 = E2 | TokenError.InvalidConfiguration>(
  self: HttpClient.HttpClient.With<E, R>,
  source: TokenSource.With<E2>,
  options: Options,
  onTokenError:
    | ((error: E2 | TokenError.InvalidConfiguration, request: HttpClientRequest.HttpClientRequest) => E3)
    | undefined
): HttpClient.HttpClient.With<E | E3, R> => {
  type Result = Effect.Effect<HttpClientResponse.HttpClientResponse, E | E3, R>

  const failWith = (error: TokenError.InvalidConfiguration, request: HttpClientRequest.HttpClientRequest) =>
    Effect.fail(onTokenError === undefined ? error as E3 : onTokenError(error, request))

  const checked = Origins.make(options.origins)
  if (Either.isLeft(checked)) {
    return HttpClient.makeWith<never, never, E | E3, R>(
      Effect.flatMap((request) => failWith(checked.left, request)),
      Effect.succeed
    )
  }
  const origins = checked.right
  const { isAuthFailure, onOtherOrigin, replayStreams } = options
  const replayDelay = Duration.toMillis(options.replayDelay ?? 0)
  const throttling = options.retryThrottled === undefined ? undefined : throttlingOf(options.retryThrottled)
  const guard = new RenewalGuard(Duration.toMillis(options.renewInterval ?? "5 seconds"))
  const hooks = source_.hooks(source)
  const authorization = makeAuthorization()

  const fromSource = (token: Effect.Effect<AccessToken.AccessToken, E2>, call: Call) =>
    (onTokenError === undefined
      ? token
      : Effect.mapError(token, (error) => onTokenError(error, call.request))) as Effect.Effect<
        AccessToken.AccessToken,
        E3
      >

  const merged = new WeakMap<TokenRequest.TokenRequest, TokenRequest.TokenRequest>()
  const requestFor = (perCall: TokenRequest.TokenRequest | undefined): TokenRequest.TokenRequest | undefined => {
    if (perCall === undefined || options.request === undefined) return perCall ?? options.request
    let both = merged.get(perCall)
    if (both === undefined) merged.set(perCall, both = TokenRequest.withDefaults(perCall, options.request))
    return both
  }

  const start = (request: HttpClientRequest.HttpClientRequest): Result =>
    Effect.withFiberRuntime((fiber) => {
      // The default is undefined, so the map itself answers: Context.get would build the default for every call.
      const perCall: PerCallValue = fiber.currentContext.unsafeMap.get(PerCall.key)
      if (perCall === "skip") return self.execute(request)
      const verdict = origins.check(request.url)
      if (verdict === "relative") return failWith(relativeUrl(request), request)
      if (verdict === "other") {
        return onOtherOrigin === "fail" ? failWith(otherOrigin(request), request) : self.execute(request)
      }
      if ("authorization" in request.headers) return self.execute(request)
      const call: Call = { request, tokenRequest: requestFor(perCall), replayed: false, retries: 0 }
      const token = hooks.peek(Context.get(fiber.currentDefaultServices, Clock.Clock), call.tokenRequest)
      return token === undefined ? attempt(call) : send(call, token)
    })

  const attempt = (call: Call): Result =>
    Effect.flatMap(fromSource(source.get(call.tokenRequest), call), (token) => send(call, token))

  const send = (call: Call, token: AccessToken.AccessToken): Result => {
    const header = authorization(token)
    if (header === undefined) return failWith(illegalToken, call.request)
    // The replay comes this way too: from the caller's request, through all of `self`, with a header of its own.
    const request = HttpClientRequest.setHeader(call.request, "authorization", header)
    hide(request)
    return Effect.matchCauseEffect(self.execute(request), {
      onSuccess: (response) => {
        hide(response.request)
        if (response.request.url !== request.url && leaked(origins, response, header)) {
          return failWith(strayed(response), call.request)
        }
        // decided without another effect where nothing special happened
        if (isAuthFailure === undefined && response.status !== 401 && !isThrottled(response)) {
          if (response.status < 400) guard.accepted(token)
          return Effect.succeed(response)
        }
        return judge(call, token, response, Effect.succeed(response))
      },
      onFailure: (cause) => {
        const failure = Cause.failureOption(cause)
        if (Option.isNone(failure) || !HttpClientError.isHttpClientError(failure.value)) return Effect.failCause(cause)
        const error = failure.value
        hide(error.request)
        if (error._tag === "RequestError") return Effect.failCause(cause)
        hide(error.response.request)
        // an inner filterStatusOk makes an error of a 401
        return error.reason === "StatusCode"
          ? judge(call, token, error.response, Effect.failCause(cause))
          : Effect.failCause(cause)
      }
    })
  }

  /** `outcome` is what the caller would have seen: the response, or the error that was made of it. */
  const judge = (
    call: Call,
    token: AccessToken.AccessToken,
    response: HttpClientResponse.HttpClientResponse,
    outcome: Result
  ): Result =>
    Effect.flatMap(isRefusal(response, isAuthFailure), (refused) => {
      if (refused) return recover(call, token, response, outcome)
      if (response.status < 400) guard.accepted(token)
      return isThrottled(response) ? retryLater(call, response, outcome) : outcome
    })

  const recover = (
    call: Call,
    token: AccessToken.AccessToken,
    response: HttpClientResponse.HttpClientResponse,
    outcome: Result
  ): Result =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (guard.holds(token, now) || (call.replayed && guard.isWatched(token, now))) {
        return Effect.zipRight(reportFresh(call, token, now), outcome)
      }
      if (call.replayed) return outcome
      if (!isReplayable(call.request.body, replayStreams === true)) {
        return guard.mayInvalidate(call.tokenRequest ?? hooks.defaults, now)
          ? Effect.zipRight(source.invalidate(token, call.tokenRequest), outcome)
          : outcome
      }
      return Effect.flatMap(
        Effect.tapError(fromSource(source.renew(token, call.tokenRequest), call), () => drain(response)),
        (next) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            if (AccessToken.isSame(next, token)) return Effect.zipRight(reportFresh(call, next, now), outcome)
            guard.renewed(next, now)
            call.replayed = true
            return drain(response).pipe(
              Effect.zipRight(replayDelay > 0 ? Effect.sleep(replayDelay) : Effect.void),
              Effect.zipRight(Effect.suspend(() => send(call, next)))
            )
          })
      )
    })

  const reportFresh = (call: Call, token: AccessToken.AccessToken, now: number): Effect.Effect<void> =>
    Effect.suspend(() =>
      guard.refused(token, now)
        ? hooks.publish(TokenEvent.FreshTokenRejected({
          key: TokenRequest.hash(
            call.tokenRequest === undefined
              ? hooks.defaults
              : TokenRequest.withDefaults(call.tokenRequest, hooks.defaults)
          ),
          at: now,
          origin: Origins.originOf(call.request.url) ?? ""
        }))
        : Effect.void
    )

  const isThrottled = (response: HttpClientResponse.HttpClientResponse): boolean =>
    throttling !== undefined && (response.status === 429 || response.status === 503)

  const retryLater = (
    call: Call,
    response: HttpClientResponse.HttpClientResponse,
    outcome: Result
  ): Result => {
    if (
      throttling === undefined || call.retries >= throttling.maxRetries ||
      !throttling.methods.has(call.request.method) || !isReplayable(call.request.body, replayStreams === true)
    ) {
      return outcome
    }
    return Effect.flatMap(Effect.zip(Clock.currentTimeMillis, Random.next), ([now, random]) => {
      const asked = Option.match(RetryAfter.fromHeaders(response.headers, now), {
        onNone: () => 0,
        onSome: Duration.toMillis
      })
      if (asked > throttling.maxRetryAfter) return outcome
      const half = Math.min(throttling.cap, throttling.base * 2 ** call.retries) / 2
      call.retries++
      return drain(response).pipe(
        Effect.zipRight(Effect.sleep(Math.ceil(Math.max(asked, half) + random * half))),
        Effect.zipRight(Effect.suspend(() => attempt(call)))
      )
    })
  }

  return HttpClient.makeWith<never, never, E | E3, R>(Effect.flatMap(start), Effect.succeed)
}

// ---------------------------------------------------------------------------------------------------------------
// responses
// ---------------------------------------------------------------------------------------------------------------

const isRefusal = (
  response: HttpClientResponse.HttpClientResponse,
  isAuthFailure: Options["isAuthFailure"]
): Effect.Effect<boolean> => {
  const said = isAuthFailure === undefined ? response.status === 401 : isAuthFailure(response)
  return typeof said === "boolean"
    ? Effect.succeed(said && !isHopeless(response))
    : Effect.map(said, (said) => said && !isHopeless(response))
}

/**
 * Errors that a token of the same kind would meet again (RFC 6750 §3.1), or that are about the proof and not about the
 * token (RFC 9449 §7, §9).
 */
const hopeless: ReadonlySet<string> = new Set([
  "insufficient_scope",
  "invalid_request",
  "use_dpop_nonce",
  "invalid_dpop_proof"
])

const isHopeless = (response: HttpClientResponse.HttpClientResponse): boolean =>
  Option.exists(
    Challenge.bearer(response.headers),
    (challenge) => Option.exists(challenge.error, (error) => hopeless.has(error))
  )

/**
 * Whether a body can be sent a second time: no body, bytes, a string or `FormData` can, a stream only if `streams`
 * says that it starts anew whenever it is run. For authors of client middleware that repeats requests.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isReplayable = (body: HttpBody.HttpBody, streams: boolean): boolean => {
  switch (body._tag) {
    case "Empty":
    case "Uint8Array":
    case "FormData":
      return true
    case "Stream":
      return streams
    case "Raw":
      // Anything else may be a stream in disguise, and some clients send an empty body when it is sent twice.
      return typeof body.body === "string" || ArrayBuffer.isView(body.body) || body.body instanceof ArrayBuffer
  }
}

const drainLimit = 8 * 1024 * 1024
const drainTimeout = Duration.seconds(2)

/**
 * Reads what is left of a response that nobody will see, because an unread body keeps its connection busy. One that
 * is too long, or too slow, loses its connection instead: leaving the stream aborts the request.
 */
const drain = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  response.stream.pipe(
    Stream.runFoldWhile(0, (size) => size < drainLimit, (size, chunk) => size + chunk.length),
    Effect.timeout(drainTimeout),
    // It was read already, was empty, or broke off: all the same here.
    Effect.catchAllCause(() => Effect.void)
  )

interface Throttling {
  readonly maxRetries: number
  readonly base: number
  readonly cap: number
  readonly maxRetryAfter: number
  readonly methods: ReadonlySet<HttpMethod>
}

const throttlingOf = (options: RetryThrottled): Throttling => ({
  maxRetries: options.maxRetries ?? 3,
  base: Duration.toMillis(options.base ?? 500),
  cap: Duration.toMillis(options.cap ?? "30 seconds"),
  // The clock cannot sleep longer than 24.8 days.
  maxRetryAfter: Math.min(Duration.toMillis(options.maxRetryAfter ?? "1 minute"), Duration.toMillis("7 days")),
  methods: new Set(options.methods ?? ["GET", "HEAD", "OPTIONS"])
})

// ---------------------------------------------------------------------------------------------------------------
// the header
// ---------------------------------------------------------------------------------------------------------------

const legal = /^[!-~]+ [!-~]+$/

/**
 * Gives the header for a token, or nothing for one that cannot stand in a header: HTTP clients quote such a value in
 * their errors. A token is long, so the one in use is looked at once.
 */
const makeAuthorization = () => {
  let last: AccessToken.AccessToken | undefined
  return (token: AccessToken.AccessToken): string | undefined => {
    const type = token.tokenType
    const scheme = type === "Bearer" || type.toLowerCase() === "bearer" ? "Bearer" : type
    const header = `${scheme} ${Redacted.value(token.value)}`
    if (token !== last) {
      if (!legal.test(header)) return undefined
      last = token
    }
    return header
  }
}

/**
 * Effect redacts the header in logs and spans, but `JSON.stringify`, `console.log` and a crash report print a response
 * or an error together with the request it belongs to, and that with its headers. So the request gets a rendering of
 * its own. Nothing else about it changes, and a property is all that a hot path can afford.
 */
const hide = (request: HttpClientRequest.HttpClientRequest): void => {
  const self = request as { toJSON: () => unknown }
  if (self.toJSON !== rendered && "authorization" in request.headers) self.toJSON = rendered
}

const renderRequest: (this: HttpClientRequest.HttpClientRequest) => { readonly headers: Headers.Headers } = Object
  .getPrototypeOf(HttpClientRequest.get("")).toJSON

function rendered(this: HttpClientRequest.HttpClientRequest): unknown {
  const json = renderRequest.call(this)
  return { ...json, headers: { ...json.headers, authorization: "<redacted>" } }
}

/** Whether the inner client took the header to an origin that is not allowed. */
const leaked = (
  origins: Origins.Origins,
  response: HttpClientResponse.HttpClientResponse,
  header: string
): boolean => origins.check(response.request.url) === "other" && response.request.headers["authorization"] === header

// ---------------------------------------------------------------------------------------------------------------
// misuse
// ---------------------------------------------------------------------------------------------------------------

const relativeUrl = (request: HttpClientRequest.HttpClientRequest): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({
    fields: ["url"],
    detail: `"${withoutQuery(request.url)}" is no absolute URL, so nobody can tell where the token would go. Apply ` +
      "withBearer before mapRequest(prependUrl(...)), and give HttpApiClient.makeWith its baseUrl."
  })

const otherOrigin = (request: HttpClientRequest.HttpClientRequest): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({
    fields: ["origins"],
    detail: `${Origins.originOf(request.url)} is not among them. Add it, or wrap the call in BearerAuth.skip.`
  })

const strayed = (response: HttpClientResponse.HttpClientResponse): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({
    fields: ["origins"],
    detail: `the inner client took the token to ${Origins.originOf(response.request.url)}, which is not among them. ` +
      "Apply followRedirects after withBearer. If the client is meant to go there, add the origin."
  })

const illegalToken = new TokenError.InvalidConfiguration({
  fields: ["source"],
  detail: "its token, or the type of it, holds characters that cannot stand in a header."
})
