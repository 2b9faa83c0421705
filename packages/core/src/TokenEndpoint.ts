/**
 * One HTTP exchange with a token endpoint (RFC 6749 §3.2): a grant goes out, a token or a typed error comes back. No
 * cache, no retry: those belong to a source.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as AccessToken from "./AccessToken.js"
import type * as ClientAuthentication from "./ClientAuthentication.js"
import type * as Grant from "./Grant.js"
import * as body from "./internal/body.js"
import * as options_ from "./internal/endpointOptions.js"
import * as refusal from "./internal/refusal.js"
import * as scrubber from "./internal/scrub.js"
import * as transport from "./internal/transport.js"
import { version } from "./internal/version.js"
import * as TokenError from "./TokenError.js"
import type * as TokenRequest from "./TokenRequest.js"
import * as TokenResponse from "./TokenResponse.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~effect-bearer/TokenEndpoint"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~effect-bearer/TokenEndpoint"

/**
 * Limits of one exchange, all by Effect's Clock.
 *
 * - `total`: from evaluating the secret to the last byte. Default 10 seconds.
 * - `connect`: until the head of the response is there. Name lookup, TCP, TLS, sending, and the server's own work all
 *   count, because an `HttpClient` does not tell them apart. Default none: `total` applies.
 * - `read`: the longest silence between two pieces of the body. Default 10 seconds.
 *
 * A limit on the TCP and TLS handshake alone belongs to the HTTP client. For 3.05 seconds on Node.js, give
 * `NodeHttpClient.layerUndiciWithoutDispatcher` a dispatcher `new Agent({ connect: { timeout: 3050 } })`; when it
 * runs out, the error is an `EndpointTimeout` of phase `"connect"` here too.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  readonly total?: Duration.DurationInput | undefined
  readonly connect?: Duration.DurationInput | undefined
  readonly read?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** `https`, or `http` on a loopback host; a query is kept, user info and a fragment are refused. */
  readonly tokenEndpoint: string | URL
  readonly clientId: string
  readonly authentication: ClientAuthentication.ClientAuthentication
  /** One limit for the whole exchange, or each by itself. Default 10 seconds in total. */
  readonly timeout?: Duration.DurationInput | Timeouts | undefined
  /** Permits `http` to hosts that are not loopback. The secret then travels readable. Default `false`. */
  readonly allowInsecure?: boolean | undefined
  /**
   * Some servers call a bearer token `"Application Access Token"` or `"urlencoded"`. `true`, the default, takes any
   * type but those with rules of their own (`DPoP`, `MAC`, `N_A`, `PoP`) for `Bearer` and logs a warning; `false`
   * keeps what the server wrote.
   */
  readonly lenientTokenType?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TokenEndpoint {
  readonly [TypeId]: TypeId
  /** Origin and path, as errors and spans show it. */
  readonly endpoint: string
  readonly clientId: string
  /** Sends one token request. At most 1 MiB of the answer is read; redirects are refused. */
  readonly request: (
    grant: Grant.Grant,
    request: TokenRequest.TokenRequest
  ) => Effect.Effect<AccessToken.AccessToken, TokenError.RequestError>
  /** The current secret, to find out with `Equal` whether the credentials have changed. */
  readonly credentials: Effect.Effect<Option.Option<Redacted.Redacted>, TokenError.RequestError>
}

/**
 * Checks the options, before any network call, and takes the `HttpClient` it is given as it is, decorations included.
 * Give it one that does not follow redirects: a decorator that does sends the credentials wherever it is told to.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Grant, TokenEndpoint, TokenRequest } from "effect-bearer"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Config, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const endpoint = yield* TokenEndpoint.make({
 *     tokenEndpoint: "https://login.example.com/oauth/token",
 *     clientId: "reporting",
 *     authentication: ClientAuthentication.basic(Config.redacted("CLIENT_SECRET"))
 *   })
 *   return yield* endpoint.request(Grant.clientCredentials, TokenRequest.make({ scopes: "reports:read" }))
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  options: Options
) => Effect.Effect<TokenEndpoint, TokenError.InvalidConfiguration, HttpClient.HttpClient> = Effect.fnUntraced(function*(
  options
) {
  const settled = yield* options_.settle(options)
  const client = HttpClient.withTracerPropagation(
    HttpClient.withTracerDisabledWhen(yield* HttpClient.HttpClient, () => true),
    false
  )
  const requestInit = yield* Effect.serviceOption(FetchHttpClient.RequestInit)
  return fromSettled(options, settled, client, Option.getOrElse(requestInit, () => ({})))
})

/**
 * @since 0.1.0
 * @category guards
 */
export const isTokenEndpoint = (u: unknown): u is TokenEndpoint => Predicate.hasProperty(u, TypeId)

/** A browser says who it is by itself, and asks permission across origins for anything else. */
const userAgent: ReadonlyArray<readonly [string, string]> = "document" in globalThis
  ? []
  : [["user-agent", `effect-bearer/${version}`]]

/** How long the body of an error is waited for when its status says enough. */
const grace = Duration.seconds(1)

const fromSettled = (
  { authentication, clientId, lenientTokenType = true }: Options,
  { endpoint, timeout, url }: options_.Settled,
  client: HttpClient.HttpClient,
  requestInit: RequestInit
): TokenEndpoint => {
  const context: ClientAuthentication.Context = { clientId, endpoint: url }

  const exchange = Effect.fnUntraced(function*(grant: Grant.Grant, request: TokenRequest.TokenRequest) {
    const parameters = yield* grant.parameters(request, context)
    const credentials = yield* authentication.credentials(context)
    const secrets = [
      ...credentials.secrets,
      ...[...credentials.headers, ...credentials.parameters, ...parameters].flatMap(([, value]) =>
        Redacted.isRedacted(value) ? [value] : []
      )
    ]
    const scrub = scrubber.make(secrets)
    const sentAt = yield* Clock.currentTimeMillis
    const fail = (cause: Cause.Cause<unknown>) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => Effect.fail(transport.toTokenError(cause, endpoint, Duration.millis(now - sentAt), scrub))
      )

    const outgoing = HttpClientRequest.post(url).pipe(
      HttpClientRequest.setHeaders([["accept", "application/json"], ...userAgent, ...credentials.headers.map(reveal)]),
      HttpClientRequest.bodyUrlParams([...parameters, ...credentials.parameters].map(reveal))
    )
    const response = yield* Effect.suspend(() => client.execute(outgoing)).pipe(
      Effect.provideService(FetchHttpClient.RequestInit, { ...requestInit, redirect: "manual" }),
      // a client decorated with filterStatus fails with the response inside
      Effect.catchAll((error) => error._tag === "ResponseError" ? Effect.succeed(error.response) : Effect.fail(error)),
      Effect.catchAllCause((cause) => Cause.isInterruptedOnly(cause) ? Effect.interrupt : fail(cause)),
      deadline("connect", timeout.connect, endpoint)
    )
    const receivedAt = yield* Clock.currentTimeMillis
    yield* Effect.annotateCurrentSpan("http.response.status_code", response.status)

    const { bytes, overflow } = yield* readBody(response).pipe(
      Effect.catchAll((broken) =>
        broken._tag === "Silence"
          ? Effect.fail(new TokenError.EndpointTimeout({ endpoint, phase: "read", limit: timeout.read }))
          : fail(Cause.fail(broken.cause))
      )
    )
    const { token, warnings } = yield* TokenResponse.parse(
      { status: response.status, headers: response.headers, body: bytes, overflow },
      {
        endpoint,
        grantType: grant.type,
        request,
        sentAt,
        receivedAt,
        secrets,
        hint: credentials.hint,
        authenticationAdvice: authentication.advice,
        lenientTokenType
      }
    )
    yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
    return token
  })

  const readBody = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<body.Body, body.Broken> =>
    refusal.speaksForItself(response.status)
      ? body.read(response, timeout.read).pipe(
        Effect.timeout(grace),
        Effect.orElseSucceed(() => ({ bytes: new Uint8Array(0), overflow: false }))
      )
      : body.read(response, timeout.read)

  return {
    [TypeId]: TypeId,
    endpoint,
    clientId,
    credentials: authentication.current,
    request: (grant, request) =>
      exchange(grant, request).pipe(
        deadline("total", timeout.total, endpoint),
        Effect.tapError((error) =>
          Effect.annotateCurrentSpan("oauth.error", error._tag === "OAuthError" ? error.error : error._tag)
        ),
        Effect.withSpan("TokenEndpoint.request", {
          kind: "client",
          captureStackTrace: false,
          attributes: { "oauth.grant_type": grant.type, "server.address": url.hostname }
        })
      )
  }
}

const reveal = ([name, value]: ClientAuthentication.Parameters[number]): readonly [string, string] => [
  name,
  Redacted.isRedacted(value) ? Redacted.value(value) : value
]

/**
 * The limit holds even where the caller cannot be interrupted and where the client is slow to give up: the exchange
 * is let go, not waited for.
 */
const deadline = (
  phase: TokenError.EndpointTimeout["phase"],
  limit: Option.Option<Duration.Duration>,
  endpoint: string
) =>
<A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E | TokenError.EndpointTimeout> =>
  Option.match(limit, {
    onNone: () => self,
    onSome: (limit) =>
      Effect.timeoutFail(Effect.interruptible(Effect.disconnect(self)), {
        duration: limit,
        onTimeout: () => new TokenError.EndpointTimeout({ endpoint, phase, limit })
      })
  })
