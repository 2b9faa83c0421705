// The error codes of servers: which are final, and which could be about the credentials of the client.
import type * as TokenError from "../values/TokenError.js"
import * as laterCodes from "./laterCodes.js"
import * as statuses from "./statuses.js"

/** Codes that say "never", whatever the status. For all other codes the status decides. */
export const never: ReadonlySet<string> = new Set([
  "invalid_client",
  "invalid_grant",
  "invalid_request",
  "invalid_scope",
  "invalid_target",
  "invalid_token",
  "unauthorized_client",
  "unsupported_grant_type",
  "unsupported_response_type",
  "unsupported_token_type",
  "access_denied",
  "expired_token",
  "insufficient_scope",
  "consent_required",
  "interaction_required",
  "login_required",
  "account_selection_required",
  "invalid_dpop_proof",
  "use_dpop_nonce"
])

/** Codes for "wrong id or secret". Keycloak says it with `unauthorized_client`, Auth0 with `access_denied`. */
const aboutClient: ReadonlySet<string> = new Set([
  "invalid_client",
  "incorrect_client_credentials",
  "bad.credentials",
  "unauthorized_client",
  "access_denied",
  "invalid_request"
])

/** Codes for "this DPoP proof will not do" (RFC 9449). They say nothing about the credentials of the client. */
export const aboutProof: ReadonlySet<string> = new Set(["use_dpop_nonce", "invalid_dpop_proof"])

/** A code of these lists is shown as it came; any other code is text from outside. */
export const isKnown = (name: string): boolean => never.has(name) || laterCodes.isKnown(name) || aboutClient.has(name)

/**
 * Whether a refusal could be about the credentials of the client. **Rule: then the error names id, secret and the other
 * ways to send them, and the secret is read once more.** One rule for both: servers refuse a client with any 4xx, with a
 * code of their own, or with no body at all.
 */
export const concernsClient = (error: TokenError.RequestError, grantType: string | undefined): boolean => {
  if (error._tag === "RejectedByEndpoint") return statuses.mayConcernClient(error.status)
  if (error._tag !== "OAuthError") return false
  const name = error.error.trim().toLowerCase()
  if (aboutProof.has(name)) return false
  return error.status === 401 || aboutClient.has(name) ||
    (name === "invalid_grant" && grantType === "client_credentials") ||
    (!never.has(name) && (statuses.mayConcernClient(error.status) || statuses.isSuccess(error.status)))
}
