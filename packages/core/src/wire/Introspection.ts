/**
 * Asks the authorization server whether a token is active (RFC 7662).
 *
 * A token is inactive only if the server says so: a call that fails gives an error, never "inactive".
 * {@link TokenMonitor} acts on tokens that are not active.
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as json from "../values/json.js"
import * as scopeNames from "../values/scopeNames.js"
import * as Scopes from "../values/Scopes.js"
import type * as TokenError from "../values/TokenError.js"
import * as decode from "./decode.js"
import * as Disclosure from "./Disclosure.js"
import * as endpointOptions from "./endpointOptions.js"
import * as refusal from "./endpointRefusal.js"
import * as formEndpoint from "./formEndpoint.js"
import * as numericDate from "./numericDate.js"
import type * as ServerMetadata from "./ServerMetadata.js"
import type { TokenLike } from "./tokenLike.js"
import * as tokenLike from "./tokenLike.js"
import type { Reply } from "./TokenResponse.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~effect-bearer/Introspection"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~effect-bearer/Introspection"

/**
 * The endpoint to ask, and the client that asks. Many servers let only registered resource servers ask, not the client
 * the token was issued to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends endpointOptions.Options {
  /** The introspection endpoint, or `ServerMetadata.introspectionEndpoint(issuer)`. */
  readonly endpoint: string | URL | ServerMetadata.EndpointLocation
}

/**
 * The server knows the token and would accept it. Times are epoch milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Active {
  readonly active: true
  /** Empty when the server did not name any. */
  readonly scopes: Scopes.Scopes
  /** The client the token was issued to. */
  readonly clientId: Option.Option<string>
  readonly tokenType: Option.Option<string>
  readonly issuer: Option.Option<string>
  readonly audience: ReadonlyArray<string>
  readonly expiresAt: Option.Option<number>
  readonly issuedAt: Option.Option<number>
  readonly notBefore: Option.Option<number>
  /** Every other member, for example `sub`, `username` and `jti`: they may name people. */
  readonly extra: Redacted.Redacted<Readonly<Record<string, unknown>>>
}

/**
 * The server would not accept the token: it is expired, revoked, or not from this server. The server does not say
 * which.
 *
 * @since 0.1.0
 * @category models
 */
export interface Inactive {
  readonly active: false
}

/**
 * @since 0.1.0
 * @category models
 */
export type Result = Active | Inactive

/**
 * @since 0.1.0
 * @category models
 */
export interface Introspection {
  readonly [TypeId]: TypeId
  /** Origin and path; for an endpoint that has not been looked up yet, the issuer. */
  readonly endpoint: string
  /** Asks the server about one token, at every call. */
  readonly check: (
    token: TokenLike,
    options?: {
      /** `token_type_hint`: where the server should look first. Default `"access_token"`. */
      readonly hint?: "access_token" | "refresh_token" | (string & {}) | undefined
    }
  ) => Effect.Effect<Result, TokenError.RequestError>
}

/**
 * Checks the options, before any network call. Limits, redirects, errors and secrets are treated as those of a
 * `TokenEndpoint`.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Introspection } from "effect-bearer"
 * import type { AccessToken } from "effect-bearer"
 * import { Config, Effect } from "effect"
 *
 * declare const token: AccessToken.AccessToken
 *
 * const program = Effect.gen(function*() {
 *   const introspection = yield* Introspection.make({
 *     endpoint: "https://login.example.com/oauth/introspect",
 *     clientId: "reports-api",
 *     authentication: ClientAuthentication.basic(Config.redacted("API_SECRET"))
 *   })
 *   const result = yield* introspection.check(token)
 *   return result.active ? result.scopes : []
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  options: Options
) => Effect.Effect<Introspection, TokenError.InvalidConfiguration, HttpClient.HttpClient> = Effect.fnUntraced(function*(
  options
) {
  const settled = yield* endpointOptions.settle(options, {
    field: "endpoint",
    what: "an introspection endpoint",
    example: "https://login.example.com/oauth/introspect",
    value: options.endpoint
  })
  const form = yield* formEndpoint.make(options, settled)
  return {
    [TypeId]: TypeId,
    endpoint: form.endpoint,
    check: (token, { hint = "access_token" } = {}) =>
      form.post({
        span: "Introspection.check",
        parameters: () => Effect.succeed([["token", tokenLike.redacted(token)], ["token_type_hint", hint]]),
        read
      })
  }
})

/**
 * @since 0.1.0
 * @category guards
 */
export const isIntrospection = (u: unknown): u is Introspection => Predicate.hasProperty(u, TypeId)

const inactive: Inactive = { active: false }

const understood: ReadonlySet<string> = new Set([
  "active",
  "scope",
  "client_id",
  "token_type",
  "iss",
  "aud",
  "exp",
  "iat",
  "nbf",
  "__proto__"
])

const read = (reply: Reply, answered: formEndpoint.Answered): Either.Either<Result, TokenError.RequestError> => {
  const decoded = decode.decode(reply.body)
  const disclosure = Disclosure.make(answered.secrets)
  const context: refusal.Context = { ...answered, place: "the introspection endpoint" }
  return Either.flatMap(refusal.members(reply, decoded, context, disclosure), (members) => {
    const active = members.get("active")
    return typeof active === "boolean" ?
      Either.right(active ? describe(members, disclosure.value) : inactive) :
      Either.left(
        refusal.malformed(reply, decoded, context, "the reply does not say whether the token is active")
      )
  })
}

/**
 * The server's answer about the token is data for the program, not text for people. It is kept in full, even with a
 * hundred scopes; the only limit is that of the body.
 */
const describe = (members: ReadonlyMap<string, unknown>, hidden: (value: string) => string): Active => {
  const text = (name: string): Option.Option<string> => {
    const value = members.get(name)
    return typeof value === "string" && value !== "" ? Option.some(hidden(value)) : Option.none()
  }
  const list = (name: string): ReadonlyArray<string> => {
    const value = members.get(name)
    return (Array.isArray(value) ? value : [value]).filter((item) => typeof item === "string")
  }
  return {
    active: true,
    scopes: scopeNames.hidden(Scopes.make(list("scope")), hidden),
    clientId: text("client_id"),
    tokenType: text("token_type"),
    issuer: text("iss"),
    audience: list("aud").map(hidden),
    expiresAt: numericDate.parse(members.get("exp")),
    issuedAt: numericDate.parse(members.get("iat")),
    notBefore: numericDate.parse(members.get("nbf")),
    extra: Redacted.make(json.boundedMembers(Array.from(members).filter(([name]) => !understood.has(name))))
  }
}
