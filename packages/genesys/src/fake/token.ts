// The token endpoint of the fake cloud.
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import type { Answer, Incoming } from "./answer.js"
import { json, oauthError, tooMany } from "./answer.js"
import type { State } from "./state.js"
import { count, randomText } from "./state.js"

export const token = (state: State, incoming: Incoming): Answer => {
  if (incoming.method !== "POST") return oauthError(405, "invalid_request", "method not allowed")
  const limit = count(state, `token ${incoming.environment}`, state.tokenRateLimit, incoming.at)
  if (limit.exceeded) {
    return oauthError(429, "too.many.requests.retry.after", tooMany(String(limit.reset)), {
      "retry-after": String(limit.reset)
    })
  }
  if (!/^application\/x-www-form-urlencoded\b/i.test(incoming.headers["content-type"] ?? "")) {
    return oauthError(400, "invalid_request", "the parameters must be sent as application/x-www-form-urlencoded")
  }
  const form = new URLSearchParams(incoming.body)
  const credentials = basic(incoming.headers["authorization"]) ??
    { id: form.get("client_id") ?? "", secret: form.get("client_secret") ?? "" }
  const elsewhere = state.home !== undefined && incoming.role === "login" && incoming.environment !== state.home
  if (elsewhere || credentials.id !== state.clientId) {
    return oauthError(400, "invalid_client", "client not found: invalid_client")
  }
  if (credentials.secret !== state.clientSecret) return oauthError(401, "invalid_client", "authentication failed")
  const grant = form.get("grant_type")
  if (grant === null) return oauthError(400, "invalid_request", "grant_type is missing")
  if (grant !== "client_credentials") {
    return oauthError(400, "unsupported_grant_type", "the client may not use this grant type")
  }
  const scope = form.get("scope")
  const asked = scope === null ? [] : scope.split(" ")
  if (asked.some((name) => !/^[\w:.*-]+$/.test(name) || state.scopes?.includes(name) === false)) {
    return oauthError(400, "invalid_scope", "a scope is unknown, or not allowed for this client")
  }
  const value = randomText(64)
  const lifetime = Math.floor(Duration.toSeconds(state.lifetime))
  state.issued.push(value)
  state.tokens.set(value, { environment: incoming.environment, expiresAt: incoming.at + lifetime * 1000 })
  return json({
    access_token: value,
    token_type: "bearer",
    expires_in: lifetime,
    ...(scope === null ? {} : { scope })
  })
}

/** The bytes between the quotes, so to speak: nothing is form-decoded here. */
const basic = (header: string | undefined): { readonly id: string; readonly secret: string } | undefined => {
  const match = /^basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? "")
  const text = match === null
    ? undefined
    : Option.getOrUndefined(Either.getRight(Encoding.decodeBase64String(match[1]!)))
  const colon = text?.indexOf(":") ?? -1
  return text === undefined || colon < 0 ? undefined : { id: text.slice(0, colon), secret: text.slice(colon + 1) }
}
