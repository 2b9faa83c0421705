/**
 * What a token request says beyond who sends it: the grant type and its parameters (RFC 6749 §4).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as ClientAuthentication from "./ClientAuthentication.js"
import * as Scopes from "./Scopes.js"
import * as TokenError from "./TokenError.js"
import type * as TokenRequest from "./TokenRequest.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~effect-bearer/Grant"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~effect-bearer/Grant"

/**
 * Parameters of the form body.
 *
 * @since 0.1.0
 * @category models
 */
export type Parameters = ClientAuthentication.Parameters

/**
 * @since 0.1.0
 * @category models
 */
export interface Grant {
  readonly [TypeId]: TypeId
  /** The value of `grant_type`. */
  readonly type: string
  /** The form for one request, `grant_type` first; evaluated on every attempt. */
  readonly parameters: (
    request: TokenRequest.TokenRequest,
    context: ClientAuthentication.Context
  ) => Effect.Effect<Parameters, TokenError.RequestError>
}

/**
 * A grant from its type and what is particular to it. Scope, audience, resource and extra parameters of the request
 * follow by themselves.
 *
 * @example
 * ```ts
 * import { Grant } from "effect-bearer"
 * import { Effect, Redacted } from "effect"
 *
 * const exchange = (subjectToken: Redacted.Redacted) =>
 *   Grant.make({
 *     type: "urn:ietf:params:oauth:grant-type:token-exchange",
 *     parameters: () =>
 *       Effect.succeed([
 *         ["subject_token", subjectToken],
 *         ["subject_token_type", "urn:ietf:params:oauth:token-type:access_token"]
 *       ])
 *   })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly type: string
  readonly parameters?: Grant["parameters"] | undefined
}): Grant => ({
  [TypeId]: TypeId,
  type: options.type,
  parameters: (request, context) =>
    Effect.flatMap(
      options.parameters === undefined ? Effect.succeed<Parameters>([]) : options.parameters(request, context),
      (own) => withRequest([["grant_type", options.type], ...own], request)
    )
})

/**
 * The client asks on its own behalf (RFC 6749 §4.4).
 *
 * @since 0.1.0
 * @category constructors
 */
export const clientCredentials: Grant = make({ type: "client_credentials" })

/**
 * @since 0.1.0
 * @category guards
 */
export const isGrant = (u: unknown): u is Grant => Predicate.hasProperty(u, TypeId)

/** Names that an extra parameter may not take, because it would silently replace what the options say. */
const reserved: ReadonlySet<string> = new Set([
  "grant_type",
  "client_id",
  "client_secret",
  "client_assertion",
  "client_assertion_type",
  "scope",
  "audience",
  "resource"
])

const withRequest = (
  own: Parameters,
  request: TokenRequest.TokenRequest
): Effect.Effect<Parameters, TokenError.InvalidConfiguration> => {
  const taken = new Set(own.map(([name]) => name))
  const extra = Object.entries(request.parameters)
  const clashing = extra.map(([name]) => name).filter((name) =>
    reserved.has(name.trim().toLowerCase()) || taken.has(name) || name.trim() === ""
  )
  if (clashing.length > 0) {
    return Effect.fail(
      new TokenError.InvalidConfiguration({
        fields: clashing.map((name) => `parameters.${name}`),
        detail: "an extra parameter may not replace one that the library sends; " +
          "use the options scopes, audience, resource, clientId and authentication"
      })
    )
  }
  return Effect.succeed([
    ...own,
    // some servers refuse an empty `scope=`
    ...(request.scopes.length === 0 ? [] : [["scope", Scopes.format(request.scopes)] as const]),
    ...request.audience.map((value) => ["audience", value] as const),
    ...request.resource.map((value) => ["resource", value] as const),
    // an extra parameter may be a password or an assertion
    ...extra.map(([name, value]) => [name, Redacted.make(value)] as const)
  ])
}
