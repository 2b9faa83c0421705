/**
 * `Schema`s of the library's values: for the errors of your own `HttpApi` and RPC, for workflows, for stored values.
 *
 * **Secrets.** An encoded form holds a secret in the clear only if its name says `WithSecrets`. `…Info` is the part of
 * a value that may be shown, for status pages and logs. A name without either is the value itself, inside one process;
 * errors and events hold no secrets. No `ParseError` of these schemas quotes its input: it says where the error is, and
 * what was expected. (A `ParseError` of a schema that Effect's `encodedSchema` derives does quote it: the annotations
 * of this module are lost there.)
 *
 * **Encoded forms** are JSON. Times are epoch milliseconds, durations are milliseconds, as everywhere in the library. A
 * member without a value is left out; `null` is read as no value, too. Unknown members are ignored, so that a later
 * version may add some. Numbers are finite; a text has at most 1 048 576 characters (no more than that is read from any
 * server), a list at most 65 536 entries.
 *
 * Decoding makes the values of the library: `instanceof`, `isTokenError`, `isAccessToken` and `Equal.equals` hold.
 *
 * No other module loads this one, and it is not in the index: import it by its path.
 *
 * @example
 * ```ts
 * import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "@effect/platform"
 * import * as Schemas from "effect-bearer/Schemas"
 * import { Schema } from "effect"
 *
 * // the errors of your API: what the server refused is a 502, what may go away by itself a 503
 * export class Reports extends HttpApiGroup.make("reports").add(
 *   HttpApiEndpoint.get("latest", "/reports/latest")
 *     .addSuccess(Schema.String)
 *     .addError(Schemas.withAnnotations(Schemas.OAuthError, HttpApiSchema.annotations({ status: 502 })))
 *     .addError(Schemas.withAnnotations(Schemas.Transient, HttpApiSchema.annotations({ status: 503 })))
 * ) {}
 * ```
 *
 * @since 0.1.0
 */

import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type * as TokenSource from "../lifecycle/TokenSource.js"
import type * as Token from "../values/AccessToken.js"
import type * as ScopeSet from "../values/Scopes.js"
import * as Errors from "../values/TokenError.js"
import type * as Events from "../values/TokenEvent.js"
import * as Request from "../values/TokenRequest.js"
import { built } from "./schemas/built.js"
import type { Encoded } from "./schemas/encoded.js"
import { error, prettyError } from "./schemas/errors.js"
import { tokenEvent } from "./schemas/events.js"
import {
  duration,
  flag,
  info,
  longestList,
  named,
  namespace,
  number,
  optional,
  text,
  texts,
  time,
  unchecked
} from "./schemas/parts.js"
import * as quietIssue from "./schemas/quietIssue.js"
import { scopes } from "./schemas/scopes.js"
import { knownOfToken, request, token } from "./schemas/token.js"

export type {
  /**
   * The JSON form of an error or an event: its fields under their own names, with `_tag`. A duration is its
   * milliseconds, and an `Option` is left out where it is `None`.
   *
   * @since 0.1.0
   * @category models
   */
  Encoded
} from "./schemas/encoded.js"

// ---------------------------------------------------------------------------------------------------------------
// scopes
// ---------------------------------------------------------------------------------------------------------------

/**
 * A set of scopes, encoded as a list. Decoding sorts the scopes and removes duplicates.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Scopes: Schema.Schema<ScopeSet.Scopes, ReadonlyArray<string>> = scopes

// ---------------------------------------------------------------------------------------------------------------
// tokens
// ---------------------------------------------------------------------------------------------------------------

/**
 * A token inside one process: decoding and encoding return the value they are given. Its `JSON.stringify` form shows no
 * secret and cannot be read back.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AccessToken: Schema.Schema<Token.AccessToken> = token.self

/**
 * @since 0.1.0
 * @category models
 */
export interface AccessTokenWithSecretsEncoded {
  /** The token itself, in the clear. */
  readonly value: string
  readonly tokenType: string
  readonly scopes: ReadonlyArray<string>
  /** Epoch milliseconds, as are those below. */
  readonly issuedAt: number
  readonly expiresAt?: number | null | undefined
  readonly refreshAt?: number | null | undefined
  /** In the clear. */
  readonly refreshToken?: string | null | undefined
  /** Every other member of the server's response, in the clear: an `id_token` stands here. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/**
 * A token with all its secrets **in the clear**, the refresh token included: for a connection or a store that is
 * protected. A token that a header cannot carry (with characters other than printable ASCII) is refused, as by
 * `TokenStore`.
 *
 * @example
 * ```ts
 * import { AccessToken } from "effect-bearer"
 * import * as Schemas from "effect-bearer/Schemas"
 * import { Schema } from "effect"
 *
 * const token = AccessToken.make({ value: "s3cr3t", scopes: "users:read", issuedAt: 0, expiresAt: 3_600_000 })
 * Schema.encodeSync(Schemas.AccessTokenWithSecrets)(token)
 * // { value: "s3cr3t", tokenType: "Bearer", scopes: ["users:read"], issuedAt: 0, expiresAt: 3600000, extra: {} }
 * ```
 *
 * @since 0.1.0
 * @category with secrets
 */
export const AccessTokenWithSecrets: Schema.Schema<Token.AccessToken, AccessTokenWithSecretsEncoded> = token.encoded
  .annotations(named("AccessTokenWithSecrets", "an access token, with its secrets in the clear"))

/**
 * The part of a token that may be shown: not its value, not the refresh token, and no other member of the server's
 * response.
 *
 * @example
 * ```ts
 * import { AccessToken } from "effect-bearer"
 * import * as Schemas from "effect-bearer/Schemas"
 * import { Schema } from "effect"
 *
 * const token = AccessToken.make({ value: "s3cr3t", issuedAt: 0, expiresAt: 3_600_000 })
 * Schema.encodeSync(Schemas.AccessTokenInfo)(Schemas.AccessTokenInfo.from(token))
 * // { tokenType: "Bearer", scopes: [], issuedAt: 0, expiresAt: 3600000 }
 * ```
 *
 * @since 0.1.0
 * @category info
 */
export class AccessTokenInfo extends Schema.Class<AccessTokenInfo>(`${namespace}AccessTokenInfo`)(
  knownOfToken,
  info("AccessTokenInfo", "what may be told of an access token")
) {
  /**
   * @since 0.1.0
   */
  static from({ expiresAt, issuedAt, refreshAt, scopes, tokenType }: Token.AccessToken): AccessTokenInfo {
    return new AccessTokenInfo({ tokenType, scopes, issuedAt, expiresAt, refreshAt }, unchecked)
  }
}

// ---------------------------------------------------------------------------------------------------------------
// requests
// ---------------------------------------------------------------------------------------------------------------

/**
 * A token request inside one process: decoding and encoding return the value they are given. Its `JSON.stringify` form
 * shows no value of a parameter and cannot be read back.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TokenRequest: Schema.Schema<Request.TokenRequest> = request.self

/**
 * Every member may be left out, as in `TokenRequest.make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenRequestWithSecretsEncoded {
  readonly scopes?: ReadonlyArray<string> | undefined
  readonly audience?: ReadonlyArray<string> | undefined
  readonly resource?: ReadonlyArray<string> | undefined
  /** In the clear: a value may be an assertion or a password. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

/**
 * A token request with the values of its parameters **in the clear**. Decoding normalises it as `TokenRequest.make`
 * does, so it finds the same cached token.
 *
 * @since 0.1.0
 * @category with secrets
 */
export const TokenRequestWithSecrets: Schema.Schema<Request.TokenRequest, TokenRequestWithSecretsEncoded> = request
  .encoded.annotations(named("TokenRequestWithSecrets", "a token request, with its parameters in the clear"))

/**
 * The part of a token request that may be shown: of its parameters only the names.
 *
 * @since 0.1.0
 * @category info
 */
export class TokenRequestInfo extends Schema.Class<TokenRequestInfo>(`${namespace}TokenRequestInfo`)(
  {
    /** As in the events, logs and metrics: `TokenRequest.hash`. */
    hash: text,
    scopes: Scopes,
    audience: texts,
    resource: texts,
    /** The names of the parameters. */
    parameters: texts
  },
  info("TokenRequestInfo", "what may be told of a token request")
) {
  /**
   * @since 0.1.0
   */
  static from(request: Request.TokenRequest): TokenRequestInfo {
    return new TokenRequestInfo({
      hash: Request.hash(request),
      scopes: request.scopes,
      audience: request.audience,
      resource: request.resource,
      parameters: Object.keys(request.parameters)
    }, unchecked)
  }
}

// ---------------------------------------------------------------------------------------------------------------
// errors
// ---------------------------------------------------------------------------------------------------------------

/**
 * @since 0.1.0
 * @category errors
 */
export const TransportError: Schema.Schema<Errors.TransportError, Encoded<Errors.TransportError>> = error(
  Errors.TransportError,
  "TransportError",
  "no answer from the token endpoint",
  { endpoint: text, code: optional(text), detail: text }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const EndpointTimeout: Schema.Schema<Errors.EndpointTimeout, Encoded<Errors.EndpointTimeout>> = error(
  Errors.EndpointTimeout,
  "EndpointTimeout",
  "the token endpoint took longer than allowed",
  { endpoint: text, phase: Schema.Literal("connect", "read", "total"), limit: duration }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const RateLimited: Schema.Schema<Errors.RateLimited, Encoded<Errors.RateLimited>> = error(
  Errors.RateLimited,
  "RateLimited",
  "the token endpoint answered 429",
  { endpoint: text, status: number, retryAfter: optional(duration), description: optional(text) }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const EndpointUnavailable: Schema.Schema<Errors.EndpointUnavailable, Encoded<Errors.EndpointUnavailable>> =
  error(
    Errors.EndpointUnavailable,
    "EndpointUnavailable",
    "the token endpoint cannot serve now",
    { endpoint: text, status: number, retryAfter: optional(duration), description: optional(text) }
  )

/**
 * @since 0.1.0
 * @category errors
 */
export const FailedElsewhere: Schema.Schema<Errors.FailedElsewhere, Encoded<Errors.FailedElsewhere>> = error(
  Errors.FailedElsewhere,
  "FailedElsewhere",
  "another process has just failed to get the token",
  { error: text, detail: text, retryAfter: optional(duration) }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const OAuthError: Schema.Schema<Errors.OAuthError, Encoded<Errors.OAuthError>> = error(
  Errors.OAuthError,
  "OAuthError",
  "the authorization server refused",
  {
    endpoint: text,
    error: text,
    description: optional(text),
    uri: optional(text),
    status: number,
    advice: optional(text)
  }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const MalformedResponse: Schema.Schema<Errors.MalformedResponse, Encoded<Errors.MalformedResponse>> = error(
  Errors.MalformedResponse,
  "MalformedResponse",
  "the token endpoint answered 2xx without a token that can be used",
  { endpoint: text, status: number, contentType: text, detail: text, excerpt: text }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const RejectedByEndpoint: Schema.Schema<Errors.RejectedByEndpoint, Encoded<Errors.RejectedByEndpoint>> = error(
  Errors.RejectedByEndpoint,
  "RejectedByEndpoint",
  "a refusal that is no OAuth error",
  { endpoint: text, status: number, contentType: text, excerpt: text, advice: optional(text) }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const ScopeNotGranted: Schema.Schema<Errors.ScopeNotGranted, Encoded<Errors.ScopeNotGranted>> = error(
  Errors.ScopeNotGranted,
  "ScopeNotGranted",
  "a token came, but not for all the scopes that the policy demands",
  {
    requested: Scopes,
    granted: Scopes,
    missing: Scopes,
    renamed: Schema.Array(Schema.Struct({ requested: text, granted: text })).pipe(
      Schema.maxItems(longestList, { description: `a list of at most ${longestList} names` })
    )
  }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const InvalidConfiguration: Schema.Schema<Errors.InvalidConfiguration, Encoded<Errors.InvalidConfiguration>> =
  error(
    Errors.InvalidConfiguration,
    "InvalidConfiguration",
    "the program was set up in a way that cannot work",
    { fields: texts, detail: text }
  )

/**
 * @since 0.1.0
 * @category errors
 */
export const TlsError: Schema.Schema<Errors.TlsError, Encoded<Errors.TlsError>> = error(
  Errors.TlsError,
  "TlsError",
  "the TLS handshake with the token endpoint failed",
  { endpoint: text, code: text, advice: text }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const AuthenticationRequired: Schema.Schema<
  Errors.AuthenticationRequired,
  Encoded<Errors.AuthenticationRequired>
> = error(
  Errors.AuthenticationRequired,
  "AuthenticationRequired",
  "somebody has to log in, or a new refresh token is needed",
  { reason: text }
)

/**
 * @since 0.1.0
 * @category errors
 */
export const CircuitOpen: Schema.Schema<Errors.CircuitOpen, Encoded<Errors.CircuitOpen>> = error(
  Errors.CircuitOpen,
  "CircuitOpen",
  "the circuit breaker is open",
  { retryAt: optional(time) }
)

/**
 * Annotates a schema and every member of a union: an `HttpApi` looks for the status of an error there, and answers with
 * 500 if it finds none. (An `HttpApi` has one status for each error, the same at all of its endpoints.) Unlike with
 * `annotations`, the schema keeps its name in OpenAPI.
 *
 * @example
 * ```ts
 * import { HttpApiSchema } from "@effect/platform"
 * import * as Schemas from "effect-bearer/Schemas"
 *
 * // for `addError`
 * const Unavailable = Schemas.withAnnotations(Schemas.Transient, HttpApiSchema.annotations({ status: 503 }))
 * // one error alone has `annotations`, too
 * const BadGateway = Schemas.OAuthError.annotations(HttpApiSchema.annotations({ status: 502 }))
 * ```
 *
 * @since 0.1.0
 * @category annotations
 */
export const withAnnotations: {
  <X>(
    annotations: Schema.Annotations.GenericSchema<X>
  ): <A, I, R>(self: Schema.Schema<A, I, R>) => Schema.Schema<A, I, R>
  <A, I, R, X>(
    self: Schema.Schema<A, I, R>,
    annotations: Schema.Annotations.GenericSchema<X>
  ): Schema.Schema<A, I, R>
} = dual(
  2,
  <A, I, R>(self: Schema.Schema<A, I, R>, annotations: Schema.Annotations.GenericSchema<A>): Schema.Schema<A, I, R> => {
    const { ast } = self
    if (AST.isUnion(ast)) {
      const members = ast.types.map((member) => withAnnotations(Schema.make<A>(member), annotations).ast)
      return Schema.make(AST.Union.make(members, ast.annotations))
    }
    const identifier = AST.getIdentifierAnnotation(ast)
    return self.annotations(
      Option.isSome(identifier) ? { identifier: identifier.value, ...annotations } : annotations
    )
  }
)

/**
 * Errors that may go away by themselves.
 *
 * @since 0.1.0
 * @category unions
 */
export const Transient: Schema.Schema<Errors.Transient, Encoded<Errors.Transient>> = Schema.Union(
  TransportError,
  EndpointTimeout,
  RateLimited,
  EndpointUnavailable,
  FailedElsewhere
).annotations(named("Transient", "an error that may go away by itself"))

/**
 * Errors that another attempt will not remove.
 *
 * @since 0.1.0
 * @category unions
 */
export const Fatal: Schema.Schema<Errors.Fatal, Encoded<Errors.Fatal>> = Schema.Union(
  OAuthError,
  MalformedResponse,
  RejectedByEndpoint,
  ScopeNotGranted,
  InvalidConfiguration,
  TlsError,
  AuthenticationRequired
).annotations(named("Fatal", "an error that does not go away by asking again"))

/**
 * What one token request can fail with.
 *
 * @since 0.1.0
 * @category unions
 */
export const RequestError: Schema.Schema<Errors.RequestError, Encoded<Errors.RequestError>> = Schema.Union(
  Transient,
  Fatal
).annotations(named("RequestError", "what a token request can fail with"))

/**
 * @since 0.1.0
 * @category models
 */
export interface RetriesExhaustedEncoded<I> {
  readonly _tag: "RetriesExhausted"
  readonly attempts: number
  /** Milliseconds. */
  readonly elapsed: number
  readonly last: I
  /** Epoch milliseconds. */
  readonly retryAt?: number | null | undefined
}

/**
 * The error after the last retry, with the error of the last attempt: one of the library's ({@link Transient}), or one
 * of your own if your effect was retried.
 *
 * @example
 * ```ts
 * import * as Schemas from "effect-bearer/Schemas"
 * import { Schema } from "effect"
 *
 * class VaultSealed extends Schema.TaggedError<VaultSealed>()("VaultSealed", {}) {}
 *
 * const GaveUp = Schemas.RetriesExhausted(Schema.Union(Schemas.Transient, VaultSealed))
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export const RetriesExhausted = <E, I, R>(
  last: Schema.Schema<E, I, R>
): Schema.Schema<Errors.RetriesExhausted<E>, RetriesExhaustedEncoded<I>, R> =>
  built(
    "RetriesExhausted",
    "every attempt that the policy allows was made",
    Schema.Struct({
      _tag: Schema.Literal("RetriesExhausted"),
      attempts: number,
      elapsed: duration,
      last,
      retryAt: optional(time)
    }) as unknown as
      & Schema.Schema<ConstructorParameters<typeof Errors.RetriesExhausted<E>>[0], RetriesExhaustedEncoded<I>, R>
      & { readonly fields: Schema.Struct.Fields },
    (u): u is Errors.RetriesExhausted<E> => Errors.isTokenError(u) && u._tag === "RetriesExhausted",
    (fields) => new Errors.RetriesExhausted<E>(fields),
    prettyError,
    (name, description) => ({ description, ...quietIssue.message(name) })
  ).encoded

/**
 * Every error of the library.
 *
 * @since 0.1.0
 * @category unions
 */
export const TokenError: Schema.Schema<Errors.TokenError, Encoded<Errors.TokenError>> = Schema.Union(
  RequestError,
  RetriesExhausted(Transient),
  CircuitOpen
).annotations(named("TokenError", "an error of effect-bearer"))

// ---------------------------------------------------------------------------------------------------------------
// events
// ---------------------------------------------------------------------------------------------------------------

/**
 * All events of a source.
 *
 * @example
 * ```ts
 * import { TokenEvent } from "effect-bearer"
 * import * as Schemas from "effect-bearer/Schemas"
 * import { Schema } from "effect"
 *
 * Schema.encodeSync(Schemas.TokenEvent)(TokenEvent.TokenEvent.LeaseLost({ key: "5df6e0e27613", at: 0 }))
 * // { _tag: "LeaseLost", key: "5df6e0e27613", at: 0 }
 * ```
 *
 * @since 0.1.0
 * @category unions
 */
export const TokenEvent: Schema.Schema<Events.TokenEvent, Encoded<Events.TokenEvent>> = tokenEvent

// ---------------------------------------------------------------------------------------------------------------
// status
// ---------------------------------------------------------------------------------------------------------------

const knownOfStatus = {
  /** How long the token still lives. */
  remaining: optional(duration),
  /** Whether the time to renew the token has come. */
  stale: flag,
  /** Whether a new token is on its way. */
  refreshing: flag
}

const status = built(
  "Status",
  "the status of a token",
  Schema.Struct({ token: optional(AccessTokenWithSecrets), ...knownOfStatus }),
  (u): u is TokenSource.Status => Predicate.isRecord(u),
  (status) => status
)

/**
 * The status of a token inside one process.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status: Schema.Schema<TokenSource.Status> = status.self

/**
 * @since 0.1.0
 * @category models
 */
export interface StatusWithSecretsEncoded {
  /** With its secrets in the clear. */
  readonly token?: AccessTokenWithSecretsEncoded | null | undefined
  /** Milliseconds. */
  readonly remaining?: number | null | undefined
  readonly stale: boolean
  readonly refreshing: boolean
}

/**
 * The status of a token, with its secrets **in the clear**.
 *
 * @since 0.1.0
 * @category with secrets
 */
export const StatusWithSecrets: Schema.Schema<TokenSource.Status, StatusWithSecretsEncoded> = status.encoded
  .annotations(named("StatusWithSecrets", "the status of a token, with its secrets in the clear"))

/**
 * The part of the status of a token that may be shown.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import * as Schemas from "effect-bearer/Schemas"
 * import { Effect, Schema } from "effect"
 *
 * // { token: { tokenType: "Bearer", issuedAt: 0, … }, remaining: 3600000, stale: false, refreshing: false }
 * const forThePage = Effect.gen(function*() {
 *   const source = yield* TokenSource.TokenSource
 *   const status = yield* TokenSource.status(source)
 *   return yield* Schema.encode(Schemas.StatusInfo)(Schemas.StatusInfo.from(status))
 * })
 * ```
 *
 * @since 0.1.0
 * @category info
 */
export class StatusInfo extends Schema.Class<StatusInfo>(`${namespace}StatusInfo`)(
  { token: optional(AccessTokenInfo), ...knownOfStatus },
  info("StatusInfo", "what may be told of the status of a token")
) {
  /**
   * @since 0.1.0
   */
  static from({ refreshing, remaining, stale, token }: TokenSource.Status): StatusInfo {
    return new StatusInfo({ token: Option.map(token, AccessTokenInfo.from), remaining, stale, refreshing }, unchecked)
  }
}
