/**
 * What an authorization server publishes about itself: RFC 8414, and OpenID Connect Discovery 1.0 if that is missing.
 * With it a source needs only the URL of its issuer:
 *
 * **Example** (A source from an issuer alone)
 *
 * ```ts
 * import { ClientAuthentication, TokenSource } from "effect-bearer"
 * import { Config } from "effect"
 *
 * const tokens = TokenSource.clientCredentials({
 *   issuer: "https://login.example.com",
 *   clientId: "reports",
 *   authentication: ClientAuthentication.basic(Config.redacted("CLIENT_SECRET"))
 * })
 * ```
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Loopback from "../values/Loopback.js"
import * as TokenError from "../values/TokenError.js"
import * as urls from "../values/urls.js"
import * as decode from "./decode.js"
import * as Disclosure from "./Disclosure.js"
import * as checks from "./endpointChecks.js"
import * as refusal from "./endpointRefusal.js"
import * as memo from "./memo.js"
import * as OwnRequest from "./OwnRequest.js"
import { traced } from "./requestSpan.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~effect-bearer/ServerMetadata"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~effect-bearer/ServerMetadata"

/**
 * The endpoints of a server, each checked: `https`, or `http` on a loopback host if the issuer is on one too.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoints {
  readonly token: Option.Option<URL>
  readonly introspection: Option.Option<URL>
  readonly revocation: Option.Option<URL>
}

/**
 * The metadata of a server, after the checks of RFC 8414 §3.3.
 *
 * @since 0.1.0
 * @category models
 */
export interface Metadata {
  /** The issuer, exactly as it was asked for. */
  readonly issuer: string
  readonly endpoints: Endpoints
  /** The endpoints for clients with certificates (RFC 8705 §5); `None` if they use the ordinary endpoint. */
  readonly mtlsEndpoints: Endpoints
  readonly jwksUri: Option.Option<URL>
  readonly scopesSupported: ReadonlyArray<string>
  readonly grantTypesSupported: ReadonlyArray<string>
  /** `client_secret_basic` when the server does not say (RFC 8414 §2). */
  readonly tokenEndpointAuthMethodsSupported: ReadonlyArray<string>
  /** The document as it was received. */
  readonly document: Readonly<Record<string, unknown>>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** One limit for each request, or several: see `TokenEndpoint.Timeouts`. Default 10 seconds in total. */
  readonly timeout?: checks.Given
  /** Permits `http` to hosts that are not loopback, for the issuer and its endpoints. Default `false`. */
  readonly allowInsecure?: boolean | undefined
}

/**
 * The metadata of one issuer, kept for as long as the server allows it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerMetadata {
  readonly [TypeId]: TypeId
  readonly issuer: string
  /**
   * The metadata: from memory, or from the server. `Cache-Control: max-age` decides how long it is kept, between one
   * minute and one day; an hour when the server does not say. A failure is not kept at all. If the time is over and the
   * server cannot be reached, the metadata in memory is still used.
   */
  readonly get: Effect.Effect<Metadata, TokenError.RequestError>
  /** Makes the next `get` ask the server. */
  readonly invalidate: Effect.Effect<void>
}

const LocationTypeId: unique symbol = Symbol.for("effect-bearer/ServerMetadata/EndpointLocation")

/**
 * An endpoint that is looked up in the metadata of an issuer. The options of an endpoint take it in place of a URL.
 *
 * **Details**
 *
 * It is looked up at the first request, not before, so that a program starts while its server is down; within the time
 * limits of that request, with the `HttpClient` and the options of the endpoint. It is looked up again when the
 * metadata has expired, and after a request that failed in a way that fits an endpoint that has moved: no connection,
 * no answer in time, or a refusal that is no OAuth error.
 *
 * @since 0.1.0
 * @category models
 */
export interface EndpointLocation {
  readonly [LocationTypeId]: {
    readonly from: string | URL | ServerMetadata
    readonly endpoint: keyof Endpoints
    readonly mtls: boolean
    /** The option that named the issuer, if it is not the one for the URL of the endpoint. */
    readonly field?: string | undefined
  }
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isEndpointLocation = (u: unknown): u is EndpointLocation => Predicate.hasProperty(u, LocationTypeId)

/**
 * Asks an issuer for its metadata, once and now: first at `/.well-known/oauth-authorization-server`, put between host
 * and path of the issuer (RFC 8414 §3), then at `/.well-known/openid-configuration` after it.
 *
 * **Details**
 *
 * The `issuer` in the document must be the one asked for, character by character. A document of another issuer, or one
 * with an endpoint that a secret must not be sent to, is a `MalformedResponse`. Redirects are refused, and at most 1
 * MiB is read.
 *
 * @example
 * ```ts
 * import { ServerMetadata } from "effect-bearer"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const grants = ServerMetadata.discover("https://login.example.com/tenant-1").pipe(
 *   Effect.map((metadata) => metadata.grantTypesSupported),
 *   Effect.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const discover = (
  issuer: string | URL,
  options: Options = {}
): Effect.Effect<Metadata, TokenError.RequestError, HttpClient.HttpClient> =>
  Effect.flatMap(prepare(issuer, options), (ask) => Effect.map(ask, ({ value }) => value))

/**
 * The metadata of an issuer, kept in memory. The server is not asked before the first `get`. Several endpoints
 * ({@link tokenEndpoint} and its siblings) can share it.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Introspection, ServerMetadata, TokenEndpoint } from "effect-bearer"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const metadata = yield* ServerMetadata.make("https://login.example.com")
 *   const client = { clientId: "reports", authentication: ClientAuthentication.basic(Redacted.make("secret")) }
 *   const tokens = yield* TokenEndpoint.make({ tokenEndpoint: ServerMetadata.tokenEndpoint(metadata), ...client })
 *   const introspection = yield* Introspection.make({
 *     endpoint: ServerMetadata.introspectionEndpoint(metadata),
 *     ...client
 *   })
 *   return { tokens, introspection }
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  issuer: string | URL,
  options: Options = {}
): Effect.Effect<ServerMetadata, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  Effect.map(prepare(issuer, options), (ask) => {
    const remembered = memo.make({ fetch: ask, orStale: (error) => error.retryable })
    return { [TypeId]: TypeId, issuer: identifier(issuer), get: remembered.get, invalidate: remembered.forget }
  })

/**
 * The token endpoint of an issuer, for `TokenEndpoint.make` and every source.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tokenEndpoint = (
  from: string | URL | ServerMetadata,
  options: {
    /** Whether to use the endpoint for clients with certificates, if the server has a separate one. Default `false`. */
    readonly mtls?: boolean | undefined
  } = {}
): EndpointLocation => location("token", from, options)

/**
 * The introspection endpoint of an issuer, for `Introspection.make`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const introspectionEndpoint = (
  from: string | URL | ServerMetadata,
  options: { readonly mtls?: boolean | undefined } = {}
): EndpointLocation => location("introspection", from, options)

/**
 * The revocation endpoint of an issuer, for `Revocation.make`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const revocationEndpoint = (
  from: string | URL | ServerMetadata,
  options: { readonly mtls?: boolean | undefined } = {}
): EndpointLocation => location("revocation", from, options)

const location = (
  endpoint: keyof Endpoints,
  from: string | URL | ServerMetadata,
  { mtls = false }: { readonly mtls?: boolean | undefined }
): EndpointLocation => ({ [LocationTypeId]: { endpoint, from, mtls } })

/**
 * The token endpoint for an option `issuer`.
 *
 * @internal
 */
export const ofIssuer = (from: string | URL | ServerMetadata, mtls: boolean): EndpointLocation => ({
  [LocationTypeId]: { endpoint: "token", from, mtls, field: "issuer" }
})

/**
 * @internal
 */
export const fieldOf = (u: unknown): string | undefined => isEndpointLocation(u) ? u[LocationTypeId].field : undefined

/**
 * @internal
 */
export const issuerOf = (self: EndpointLocation): string => {
  const { from } = self[LocationTypeId]
  return isServerMetadata(from) ? from.issuer : identifier(from)
}

/**
 * How an endpoint uses its location: looks it up, and looks it up again.
 *
 * @internal
 */
export const locate = (
  self: EndpointLocation,
  options: Options
): Effect.Effect<
  { readonly url: Effect.Effect<URL, TokenError.RequestError>; readonly forget: Effect.Effect<void> },
  TokenError.InvalidConfiguration,
  HttpClient.HttpClient
> => {
  const { endpoint, from, mtls } = self[LocationTypeId]
  return Effect.map(isServerMetadata(from) ? Effect.succeed(from) : make(from, options), (metadata) => ({
    forget: metadata.invalidate,
    url: Effect.flatMap(
      metadata.get,
      ({ endpoints, issuer, mtlsEndpoints }) =>
        Option.match(mtls ? Option.orElse(mtlsEndpoints[endpoint], () => endpoints[endpoint]) : endpoints[endpoint], {
          onSome: Effect.succeed,
          onNone: () =>
            Effect.fail(
              new TokenError.InvalidConfiguration({
                fields: ["issuer"],
                detail: `the metadata of ${issuer} names no ${endpoint} endpoint: if it has one, configure its URL`
              })
            )
        })
    )
  }))
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isServerMetadata = (u: unknown): u is ServerMetadata => Predicate.hasProperty(u, TypeId)

// ---------------------------------------------------------------------------------------------------------------
// one discovery
// ---------------------------------------------------------------------------------------------------------------

/** A URL object has a path even if the identifier has none. */
const identifier = (issuer: string | URL): string =>
  typeof issuer === "string" ? issuer.trim() : issuer.href === `${issuer.origin}/` ? issuer.origin : issuer.href

interface Found {
  readonly value: Metadata
  readonly timeToLive: Duration.Duration
}

/** Checks the options, and returns the effect to run whenever the metadata is needed. */
const prepare = (
  issuer: string | URL,
  options: Options
): Effect.Effect<
  Effect.Effect<Found, TokenError.RequestError>,
  TokenError.InvalidConfiguration,
  HttpClient.HttpClient
> =>
  Effect.gen(function*() {
    const problems: Array<checks.Problem> = []
    const url = checks.url(issuer, {
      field: "issuer",
      what: "an issuer",
      example: "https://login.example.com",
      allowInsecure: options.allowInsecure,
      harm: "let anyone on the way say where secrets go"
    }, problems)
    if (url.search !== "") problems.push({ field: "issuer", detail: "an issuer has no query (RFC 8414 §2)" })
    const timeout = checks.timeouts(options.timeout, problems)
    yield* checks.report(problems)
    const send = yield* OwnRequest.make
    const wanted: Wanted = {
      // a URL object cannot tell `https://host` and `https://host/` apart
      identifiers: typeof issuer === "string" ? [identifier(issuer)] : [identifier(issuer), issuer.href],
      url,
      allowInsecure: options.allowInsecure === true
    }

    const ask = (at: URL): Effect.Effect<Found, TokenError.RequestError> => {
      const endpoint = `${at.origin}${at.pathname}`
      return send({ request: HttpClientRequest.get(at), endpoint, field: "issuer", timeout }).pipe(
        Effect.flatMap((answer) => read(answer, endpoint, wanted))
      )
    }
    const [first, second] = wellKnown(url)
    return Effect.catchIf(
      ask(first),
      isNotThere,
      (missing) =>
        Effect.mapError(
          ask(second),
          // of two failures, the one that is not "not found" says more
          (error) => isNotFound(error) && !isNotFound(missing) ? missing : isNotFound(error) ? notFound(error) : error
        )
    ).pipe(traced("ServerMetadata.discover", url))
  })

/** No secret is sent in a request for metadata. */
const disclosure = Disclosure.make([])

const wellKnown = (issuer: URL): readonly [URL, URL] => {
  const path = issuer.pathname.replace(/\/$/, "")
  return [
    new URL(`${issuer.origin}/.well-known/oauth-authorization-server${path}`),
    new URL(`${issuer.origin}${path}/.well-known/openid-configuration`)
  ]
}

/**
 * Whether the other URL may have the document: after a refusal, a page for people, or the document of another issuer.
 */
const isNotThere = (error: TokenError.RequestError): boolean =>
  isNotFound(error) || error._tag === "MalformedResponse" || error._tag === "EndpointUnavailable"

const isNotFound = (error: TokenError.RequestError): error is TokenError.RejectedByEndpoint | TokenError.OAuthError =>
  error._tag === "RejectedByEndpoint" || error._tag === "OAuthError"

const notFound = (error: TokenError.RejectedByEndpoint | TokenError.OAuthError): TokenError.RequestError =>
  new TokenError.RejectedByEndpoint({
    endpoint: error.endpoint,
    status: error.status,
    contentType: error._tag === "RejectedByEndpoint" ? error.contentType : "",
    excerpt: error._tag === "RejectedByEndpoint" ? error.excerpt : "",
    advice: Option.some(
      "The issuer publishes no metadata, neither of OAuth (RFC 8414) nor of OpenID: check the issuer, its path " +
        "included, or configure the URL of the endpoint itself." +
        (error._tag === "RejectedByEndpoint" && error.status >= 300 && error.status <= 399
          ? ` ${Option.getOrElse(error.advice, () => "")}`
          : "")
    )
  })

// ---------------------------------------------------------------------------------------------------------------
// the document
// ---------------------------------------------------------------------------------------------------------------

interface Wanted {
  readonly identifiers: ReadonlyArray<string>
  readonly url: URL
  readonly allowInsecure: boolean
}

const read = (
  { receivedAt, reply }: OwnRequest.Answer,
  endpoint: string,
  wanted: Wanted
): Effect.Effect<Found, TokenError.RequestError> =>
  Effect.suspend(() => {
    const decoded = decode.decode(reply.body)
    const context: refusal.Context = {
      endpoint,
      place: "the issuer's metadata",
      receivedAt,
      hint: Option.none(),
      authenticationAdvice: "",
      isAnonymous: true
    }
    return Effect.flatMap(refusal.members(reply, decoded, context, disclosure), (members) => {
      const malformed = (detail: string) => Effect.fail(refusal.malformed(reply, decoded, context, detail))
      const issuer = members.get("issuer")
      if (typeof issuer !== "string") return malformed("the metadata names no issuer")
      if (!wanted.identifiers.includes(issuer)) {
        return malformed(
          `the metadata is about the issuer "${Disclosure.compared(issuer, wanted.identifiers[0]!)}", not about "${
            wanted.identifiers[0]
          }", and the two ` +
            "must be the same to the last slash"
        )
      }
      const faults: Array<string> = []
      const endpointsOf = (source: ReadonlyMap<string, unknown>, prefix: string): Endpoints => {
        const one = (name: string) => url(source.get(name), `${prefix}${name}`, wanted, faults)
        return {
          token: one("token_endpoint"),
          introspection: one("introspection_endpoint"),
          revocation: one("revocation_endpoint")
        }
      }
      const aliases = members.get("mtls_endpoint_aliases")
      const value: Metadata = {
        issuer,
        endpoints: endpointsOf(members, ""),
        mtlsEndpoints: endpointsOf(
          new Map(Predicate.isRecord(aliases) ? Object.entries(aliases) : []),
          "mtls_endpoint_aliases."
        ),
        jwksUri: url(members.get("jwks_uri"), "jwks_uri", wanted, faults),
        scopesSupported: strings(members.get("scopes_supported")),
        grantTypesSupported: strings(members.get("grant_types_supported")),
        tokenEndpointAuthMethodsSupported: members.has("token_endpoint_auth_methods_supported")
          ? strings(members.get("token_endpoint_auth_methods_supported"))
          : ["client_secret_basic"],
        document: Object.fromEntries(members)
      }
      return faults.length > 0
        ? malformed(`the metadata names what no secret may go to: ${faults.join(", ")}`)
        : Effect.succeed({ value, timeToLive: timeToLive(reply.headers["cache-control"]) })
    })
  })

/** A member that may be left out may also be `null`; any other value must be a URL that passes the checks. */
const url = (value: unknown, name: string, wanted: Wanted, faults: Array<string>): Option.Option<URL> => {
  if (value === undefined || value === null) return Option.none()
  const url = typeof value === "string" ? urls.parse(value) : undefined
  if (url === undefined) {
    faults.push(`${name} is no URL`)
    return Option.none()
  }
  const isProtected = url.protocol === "https:" || (url.protocol === "http:" &&
    // a server on another machine must not name ports of this machine
    (wanted.allowInsecure || (Loopback.isLoopback(url.hostname) && Loopback.isLoopback(wanted.url.hostname))))
  if (!isProtected) faults.push(`${name} is not https`)
  if (url.username !== "" || url.password !== "") faults.push(`${name} holds a user name or a password`)
  if (url.hash !== "") faults.push(`${name} has a fragment`)
  return Option.some(url)
}

const strings = (value: unknown): ReadonlyArray<string> =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : []

const shortest = Duration.minutes(1)
const longest = Duration.days(1)

const timeToLive = (cacheControl: string | undefined): Duration.Duration => {
  if (cacheControl === undefined) return Duration.hours(1)
  if (/(?:^|[\s,])no-(?:store|cache)\b/i.test(cacheControl)) return shortest
  const maxAge = /(?:^|[\s,])max-age="?(\d{1,10})\b/i.exec(cacheControl)
  return maxAge === null
    ? Duration.hours(1)
    : Duration.clamp(Duration.seconds(Number(maxAge[1])), { minimum: shortest, maximum: longest })
}
