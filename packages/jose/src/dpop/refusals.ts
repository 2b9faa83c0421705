// Finds out whether a server has refused a proof because it wants another nonce.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Predicate from "effect/Predicate"
import * as Challenge from "effect-bearer/Challenge"
import { nonceIn } from "./nonces.js"

/**
 * What an answer to a request with the nonce `sent` says. `"challenge"`: the server wants the nonce that it has sent
 * along. `"perhaps"`: its body tells, see {@link isNonceError}. `"other"`: it does not.
 */
export const kindOf = (
  response: HttpClientResponse.HttpClientResponse,
  sent: string | undefined,
  hasToken: boolean
): "challenge" | "perhaps" | "other" => {
  const next = nonceIn(response)
  // the same nonce again would be refused again
  if (next === undefined || next === sent || (response.status !== 400 && response.status !== 401)) return "other"
  if (isChallenge(response)) return "challenge"
  return hasToken ? "other" : "perhaps"
}

/** What a resource server says that wants a nonce (RFC 9449 §9); its 401 says nothing against the token. */
const isChallenge = (response: HttpClientResponse.HttpClientResponse): boolean =>
  response.status === 401 &&
  Challenge.parse(response.headers["www-authenticate"] ?? "").some(({ parameters, scheme }) =>
    scheme.toLowerCase() === "dpop" && isNonceCode(parameters.error)
  )

/** Codes are compared without case, as everywhere. */
const isNonceCode = (code: unknown): boolean =>
  typeof code === "string" && code.trim().toLowerCase() === "use_dpop_nonce"

/** What an authorization server says (RFC 9449 §8). */
export const isNonceError = (text: string): boolean => {
  try {
    const body: unknown = JSON.parse(text)
    return Predicate.hasProperty(body, "error") && isNonceCode(body.error)
  } catch {
    return false
  }
}
