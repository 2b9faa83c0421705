/**
 * FastCheck arbitraries of the values of `effect-bearer`, for property tests of your own policies and sources.
 *
 * @since 0.1.0
 */

import { Duration, FastCheck, Option } from "effect"
import type { RetryPolicy } from "effect-bearer"
import { Scopes, TokenError, TokenRequest } from "effect-bearer"

const option = <A>(value: FastCheck.Arbitrary<A>): FastCheck.Arbitrary<Option.Option<A>> =>
  FastCheck.option(value, { nil: undefined }).map(Option.fromNullable)

const endpoint = FastCheck.constantFrom(
  "https://login.example.com/oauth/token",
  "https://auth.example.org/token",
  "http://127.0.0.1:8080/token"
)

const description = option(FastCheck.constantFrom("try again later", "maintenance", "rate limit exceeded"))

/**
 * What a server may send as `Retry-After`: nothing, now, seconds, or far too much.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const retryAfter: FastCheck.Arbitrary<Option.Option<Duration.Duration>> = option(
  FastCheck.oneof(
    { arbitrary: FastCheck.constant(0), weight: 1 },
    { arbitrary: FastCheck.integer({ min: 1, max: 120_000 }), weight: 5 },
    { arbitrary: FastCheck.constantFrom(86_400_000, 2 ** 31, Number.MAX_SAFE_INTEGER), weight: 1 }
  ).map(Duration.millis)
)

/**
 * Any error that may be retried.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const transient: FastCheck.Arbitrary<TokenError.Transient> = FastCheck.oneof(
  FastCheck.record({
    endpoint,
    code: option(FastCheck.constantFrom("ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "UND_ERR_SOCKET")),
    detail: FastCheck.constantFrom("connection refused", "socket closed", "name not resolved")
  }).map((fields) => new TokenError.TransportError(fields)),
  FastCheck.record({
    endpoint,
    phase: FastCheck.constantFrom<"connect" | "read" | "total">("connect", "read", "total"),
    limit: FastCheck.integer({ min: 1, max: 30_000 }).map(Duration.millis)
  }).map((fields) => new TokenError.EndpointTimeout(fields)),
  FastCheck.record({ endpoint, status: FastCheck.constant(429), retryAfter, description })
    .map((fields) => new TokenError.RateLimited(fields)),
  FastCheck.record({ endpoint, status: FastCheck.constantFrom(408, 425, 500, 502, 503, 504), retryAfter, description })
    .map((fields) => new TokenError.EndpointUnavailable(fields))
)

const scope = FastCheck.constantFrom("users:read", "users:write", "analytics:read", "analytics:jobs:read", "billing")

/**
 * A set of scopes, which may be empty.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const scopes: FastCheck.Arbitrary<Scopes.Scopes> = FastCheck.array(scope, { maxLength: 5 }).map(Scopes.make)

/**
 * Any error that must not be retried.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const fatal: FastCheck.Arbitrary<TokenError.Fatal> = FastCheck.oneof(
  FastCheck.record({
    endpoint,
    error: FastCheck.constantFrom("invalid_client", "invalid_scope", "unauthorized_client", "invalid_grant"),
    description,
    uri: FastCheck.constant(Option.none<string>()),
    status: FastCheck.constantFrom(400, 401, 403),
    advice: FastCheck.constant(Option.none<string>())
  }).map((fields) => new TokenError.OAuthError(fields)),
  FastCheck.record({
    endpoint,
    status: FastCheck.constant(200),
    contentType: FastCheck.constantFrom("text/html", "application/json", ""),
    detail: FastCheck.constantFrom("not JSON", "no access_token"),
    excerpt: FastCheck.constantFrom("", "<html>")
  }).map((fields) => new TokenError.MalformedResponse(fields)),
  FastCheck.record({
    endpoint,
    status: FastCheck.constantFrom(302, 403, 404, 405),
    contentType: FastCheck.constant("text/html"),
    excerpt: FastCheck.constant("<html>"),
    advice: FastCheck.constant(Option.none<string>())
  }).map((fields) => new TokenError.RejectedByEndpoint(fields)),
  FastCheck.record({ requested: scopes, granted: scopes }).map(({ granted, requested }) =>
    new TokenError.ScopeNotGranted({ requested, granted, missing: Scopes.missing(requested, granted), renamed: [] })
  ),
  FastCheck.constantFrom("clientId", "tokenEndpoint").map((field) =>
    new TokenError.InvalidConfiguration({ fields: [field], detail: "is empty" })
  ),
  FastCheck.record({
    endpoint,
    code: FastCheck.constantFrom("CERT_HAS_EXPIRED", "SELF_SIGNED_CERT_IN_CHAIN"),
    advice: FastCheck.constant("Renew the certificate.")
  }).map((fields) => new TokenError.TlsError(fields))
)

/**
 * Any error of one token request, transient or fatal.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const requestError: FastCheck.Arbitrary<TokenError.RequestError> = FastCheck.oneof(transient, fatal)

/**
 * What attempts may fail with, one after the other. Longer than most policies last.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const transients: FastCheck.Arbitrary<ReadonlyArray<TokenError.Transient>> = FastCheck.array(transient, {
  minLength: 1,
  maxLength: 20
})

const millis = (max: number) => FastCheck.integer({ min: 0, max })

/**
 * Settings of `RetryPolicy.exponentialJitter`, all given, so that a property can refer to them: from no wait at all to
 * waits that are longer than the budget. Durations are milliseconds.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const policyOptions: FastCheck.Arbitrary<{
  readonly base: number
  readonly factor: number
  readonly cap: number
  readonly maxRetries: number
  readonly maxElapsed: number
  readonly jitter: RetryPolicy.Jitter
}> = FastCheck.record({
  base: millis(5_000),
  factor: FastCheck.double({ min: 1, max: 10, noNaN: true }),
  cap: millis(60_000),
  maxRetries: FastCheck.integer({ min: 0, max: 25 }),
  maxElapsed: FastCheck.oneof(millis(300_000), FastCheck.constant(Infinity)),
  jitter: FastCheck.oneof(
    FastCheck.constantFrom<RetryPolicy.Jitter>("full", "equal", "decorrelated", "none"),
    FastCheck.double({ min: 0, max: 1, noNaN: true }),
    millis(2_000).map(Duration.millis)
  )
})

/**
 * A seed for `Random.make`.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const seed: FastCheck.Arbitrary<string> = FastCheck.string()

/**
 * A normalised token request.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const tokenRequest: FastCheck.Arbitrary<TokenRequest.TokenRequest> = FastCheck.record({
  scopes,
  audience: FastCheck.array(FastCheck.constantFrom("https://api.example.com", "billing"), { maxLength: 2 }),
  resource: FastCheck.array(FastCheck.constantFrom("https://api.example.com/v1", "https://api.example.com/v2"), {
    maxLength: 2
  }),
  parameters: FastCheck.dictionary(FastCheck.constantFrom("tenant", "assertion"), FastCheck.string(), { maxKeys: 2 })
}).map(TokenRequest.make)
