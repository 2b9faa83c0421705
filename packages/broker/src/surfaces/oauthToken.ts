/** F1: `POST /oauth2/{profile}/token`, a token endpoint (RFC 6749 §4.4, RFC 8693), so that any OAuth client can ask. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scopes from "effect-bearer/Scopes"
import * as TokenRequest from "effect-bearer/TokenRequest"
import type { Form } from "../guard/credentials.js"
import type { Ask } from "../guard/guard.js"
import type { Refusal } from "../guard/refusal.js"
import { badRequest } from "../guard/refusal.js"
import type { Asked } from "../policy/access.js"
import { asOAuth } from "./failure.js"
import type { Answer, Decided, Granted, Serving } from "./serving.js"
import { failing, grantedTo, handOut, json, lookAt, refusing, requestOf, tokenBody } from "./serving.js"

const exchange = "urn:ietf:params:oauth:grant-type:token-exchange"

/** What may be requested: a refresh token would be one that others could not see in use (RFC 8693 §3). */
const accessTokens: ReadonlySet<string> = new Set([
  "urn:ietf:params:oauth:token-type:access_token",
  "urn:ietf:params:oauth:token-type:jwt"
])

/** Of an exchange: what the server is told of the tokens. Whatever else a form holds is left out (RFC 6749 §3.2). */
const exchanged = ["subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type"]

export const answer = (serving: Serving, ask: Ask): Effect.Effect<Answer> => {
  const decided = decide(serving, ask)
  if (Either.isLeft(decided)) return refusing(serving, ask, decided.left, ask.route.profile)
  const { granted, request, source } = decided.right
  return Effect.flatMap(lookAt(granted, request, { source }), (look) =>
    look._tag === "Found"
      ? handOut(serving, ask, granted, look, (found) =>
        json(
          source === granted.running.own ? tokenBody(found) : {
            ...tokenBody(found),
            // RFC 8693 §2.2.1 wants it
            issued_token_type: "urn:ietf:params:oauth:token-type:access_token"
          }
        ))
      : failing(serving, ask, granted, look, asOAuth))
}

interface Sourced extends Decided {
  readonly source: Granted["running"]["exchange"]
}

const decide = (serving: Serving, ask: Ask): Either.Either<Sourced, Refusal> => {
  const grantType = grantTypeOf(ask.form)
  if (Either.isLeft(grantType)) return Either.left(grantType.left)
  const granted = grantedTo(serving, ask)
  if (Either.isLeft(granted)) return Either.left(granted.left)
  const { running } = granted.right
  const request = requestOf(granted.right, askedIn(ask.form))
  return grantType.right === exchange
    ? Either.flatMap(request, (request) =>
      Either.map(
        exchanging(granted.right, request, ask.form),
        (request) => ({ granted: granted.right, request, source: running.exchange })
      ))
    : Either.map(request, (request) => ({ granted: granted.right, request, source: running.own }))
}

const grantTypeOf = (form: Form): Either.Either<string, Refusal> => {
  const type = form.get("grant_type")?.[0]
  if (type === undefined || type === "") return Either.left(badRequest("The parameter grant_type is missing."))
  return type === "client_credentials" || type === exchange ? Either.right(type) : Either.left({
    reason: "grantType",
    status: 400,
    code: "unsupported_grant_type",
    name: "BadRequest",
    message: "This token endpoint knows client_credentials and, where the profile allows it, token exchange."
  })
}

const askedIn = (form: Form): Asked => ({
  scopes: form.has("scope") ? Scopes.make(form.get("scope")?.[0] ?? "") : [],
  audience: named(form.get("audience")),
  resource: named(form.get("resource"))
})

const named = (values: ReadonlyArray<string> = []): ReadonlyArray<string> => values.filter((value) => value !== "")

const exchanging = (
  { grant }: Granted,
  request: TokenRequest.TokenRequest | undefined,
  form: Form
): Either.Either<TokenRequest.TokenRequest, Refusal> => {
  if (!grant.mayExchange) {
    return Either.left({
      reason: "grantType",
      status: 400,
      code: "unauthorized_client",
      name: "Forbidden",
      message: "The caller may not exchange tokens at this profile."
    })
  }
  const parameters = exchanged.flatMap((name) => {
    const value = form.get(name)?.[0]
    return value === undefined || value === "" ? [] : [[name, value] as const]
  })
  const wanted = form.get("requested_token_type")?.[0] ?? ""
  if (wanted !== "" && !accessTokens.has(wanted)) {
    return Either.left(badRequest("The broker hands out access tokens only: leave requested_token_type out."))
  }
  const isThere = (name: string) => parameters.some(([given]) => given === name)
  if (!isThere("subject_token") || !isThere("subject_token_type")) {
    return Either.left(badRequest("A token exchange needs subject_token and subject_token_type."))
  }
  if (isThere("actor_token") !== isThere("actor_token_type")) {
    return Either.left(badRequest("actor_token and actor_token_type come together."))
  }
  return Either.right(TokenRequest.make({
    scopes: request?.scopes,
    audience: request?.audience,
    resource: request?.resource,
    parameters: Object.fromEntries(parameters)
  }))
}
