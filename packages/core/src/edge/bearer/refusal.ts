// Decides whether a response refuses the token.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Challenge from "../../wire/Challenge.js"
import * as redirects from "../../wire/request/redirects.js"
import type { Judge } from "./options.js"
import * as Origins from "./origins.js"

type Response = HttpClientResponse.HttpClientResponse

/**
 * The error codes of a challenge that another token of the same kind would get too: they never lead to a renewal. Every
 * other code (`invalid_token`, a code of the server's own) leads to a renewal, and so does a 401 without a code. Codes
 * are compared without regard to case.
 */
const final: ReadonlyMap<string, string> = new Map([
  ["invalid_request", "the request is malformed: RFC 6750 §3.1"],
  [
    "use_dpop_nonce",
    "the proof needs another nonce: RFC 9449 §9. Servers behind one balancer must accept each other's nonces"
  ],
  ["invalid_dpop_proof", "the proof is wrong, not the token: RFC 9449 §7.1"],
  ["interaction_required", "a person must do something first: OpenID Connect Core §3.1.2.6"],
  ["login_required", "a person must log in first: OpenID Connect Core §3.1.2.6"],
  ["consent_required", "a person must consent first: OpenID Connect Core §3.1.2.6"],
  ["account_selection_required", "a person must choose first: OpenID Connect Core §3.1.2.6"]
])

/**
 * `insufficient_scope` (RFC 6750 §3.1), `insufficient_user_authentication` (RFC 9470 §3),
 * `insufficient_authorization_details` and the like: the next token would lack the same.
 */
const insufficient = /^insufficient_/

/** Microsoft's continuous access evaluation: see {@link isForNewer}. */
const claimsWanted = "insufficient_claims"

/** The code in the form that is compared: some servers write additional quotes around it. */
const codeOf = (error: string): string => {
  const text = error.slice(0, longestCode).toLowerCase()
  return text.replace(/^[\s'"]+|[\s'"]+$/g, "")
}

/** Longer codes are not examined, because the time to examine one grows with the square of its length. */
const longestCode = 100

const isFinalCode = (challenge: Challenge.Bearer, error: string): boolean => {
  const code = codeOf(error)
  if (code === claimsWanted) return !Option.match(challenge.claims, { onNone: () => true, onSome: isForNewer })
  return final.has(code) || insufficient.test(code)
}

/**
 * Whether the claims that a server demands say no more than "a token issued after this moment" (`nbf`), which is true
 * of the next token. Anything else (`acrs`, `xms_cc`, …) must be asked for. Claims that cannot be read do not count as
 * such a demand.
 */
const isForNewer = (claims: string): boolean => {
  try {
    const bytes = Either.getOrThrow(
      Encoding.decodeBase64Url(claims.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""))
    )
    const wanted: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const ofToken: unknown = (wanted as { readonly access_token?: unknown } | null)?.access_token
    return typeof ofToken !== "object" || ofToken === null || Object.keys(ofToken).every((name) => name === "nbf")
  } catch {
    return true
  }
}

/** See `BearerAuth.isAuthFailure`. */
export const isAuthFailure = (response: Response): boolean => response.status === 401 && !saysFinal(response)

const saysFinal = ({ headers }: Response): boolean =>
  headers["www-authenticate"] !== undefined && (
    Option.exists(
      Challenge.bearer(headers),
      (challenge) => Option.exists(challenge.error, (error) => isFinalCode(challenge, error))
    ) || Challenge.parse(headers["www-authenticate"]).some(demandsMore)
  )

/** If a server gives several challenges, one that no newer token can satisfy decides, whatever its place. */
const demandsMore = ({ parameters: { error }, scheme }: Challenge.Challenge): boolean =>
  error !== undefined && /^(?:bearer|dpop)$/i.test(scheme) && codeOf(error) !== claimsWanted &&
  insufficient.test(codeOf(error))

/** What a response says about the token: `"declined"` if only the user's own rule lets a 401 pass. */
export type Verdict = "refused" | "declined" | "fine"

/** Judges a response by `rule`, or by {@link isAuthFailure}. */
export const judge = (response: Response, rule: Judge | undefined): Effect.Effect<Verdict> =>
  Effect.suspend(() => {
    if (saysFinal(response)) return Effect.succeed("fine")
    const unauthorized = response.status === 401
    const said = rule === undefined ? unauthorized : rule(response)
    const verdict = (refused: boolean): Verdict => refused ? "refused" : unauthorized ? "declined" : "fine"
    return typeof said === "boolean" ? Effect.succeed(verdict(said)) : Effect.map(said, verdict)
  })

/**
 * Whether the answer comes from an origin that `header` was sent to. **The rule**: only such an answer can speak
 * against a token. A client that follows redirects by itself (`fetch`, a dispatcher) drops the header when it goes to
 * another origin, and the answer of that origin to a request without a token says nothing about the token. A header that
 * was dropped at another origin does not come back on a redirect to the first one, so every stop counts.
 */
export const isFromRecipient = (response: Response, url: string, header: string): boolean => {
  const passed = redirects.followed(response).map(Origins.originOf)
  if (passed.length === 0 && response.request.url === url) return true
  const asked = Origins.originOf(response.request.url)
  const cameFrom = (origin: string | undefined): boolean => passed.every((one) => one === origin)
  return (passed.length > 0 || asked === Origins.originOf(url)) && cameFrom(Origins.originOf(url)) ||
    // the inner client sent the request elsewhere, and the header with it
    (cameFrom(asked) && response.request.headers["authorization"] === header)
}

/** The origin that answered, if the client followed redirects and says so. */
export const originOfAnswer = (response: Response): string | undefined => {
  const url = redirects.followed(response).at(-1)
  return url === undefined ? undefined : Origins.originOf(url)
}

/** Whether the client has followed redirects before it got this answer, and says so. */
export const isRedirected = (response: Response): boolean => redirects.followed(response).length > 0
