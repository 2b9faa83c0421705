/** Why a token request got no token: what the server said of the client, the grant, the scopes. */
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Option from "effect/Option"
import type * as ServerMetadata from "effect-bearer/ServerMetadata"
import type * as TokenError from "effect-bearer/TokenError"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import * as wording from "../wording.js"
import type { Context } from "./failures.js"
import * as failures from "./failures.js"

export interface Refused extends Context {
  readonly profile: BrokerConfig.Profile
  readonly metadata: ServerMetadata.Metadata | undefined
}

/** Codes that are shown as they came; any other is text from outside. */
const known: ReadonlySet<string> = new Set([
  "invalid_client",
  "invalid_grant",
  "invalid_request",
  "invalid_scope",
  "invalid_target",
  "unauthorized_client",
  "unsupported_grant_type",
  "access_denied",
  "consent_required",
  "incorrect_client_credentials",
  "bad.credentials"
])

const codeOf = (error: TokenError.OAuthError): string => error.error.trim().toLowerCase()

const shown = (error: TokenError.OAuthError): string =>
  known.has(codeOf(error)) ? `"${codeOf(error)}"` : "a code of the server's own"

/** What the server explains is not quoted; that it speaks of something is. */
const speaksOf = (error: TokenError.OAuthError | TokenError.RejectedByEndpoint, pattern: RegExp): boolean =>
  pattern.test(
    error._tag === "OAuthError"
      ? `${error.error} ${Option.getOrElse(error.description, () => "")}`
      // the shape comes first, and says of most bodies that they are JSON
      : error.excerpt.split("; ").slice(1).join("; ")
  )

const json = /json/i

export const explain = (error: TokenError.RequestError, context: Refused): Finding => {
  const { answer, url } = context
  const where = `the token endpoint ${wording.place(url)}`
  const way = failures.ofWay(error, context)
  if (way !== undefined) return way
  switch (error._tag) {
    case "OAuthError":
      return ofCode(error, where, context)
    case "RejectedByEndpoint":
      return ofStatus(error, where, context)
    case "MalformedResponse":
      if (error.detail.startsWith("the reply is compressed")) {
        return finding(
          "compressed-answer",
          `${where} ${
            failures.answered(error)
          }, compressed in a way that cannot be undone here, although "accept-encoding: ` +
            "identity\" was sent.",
          "Switch compression off for the token endpoint, at the server or at the proxy that does it."
        )
      }
      return /^(?:HTML|XML)/.test(error.excerpt)
        ? wrongPath(`${where} ${failures.answered(error)}: a page for people, not a token.`)
        : finding(
          "no-token-in-answer",
          `${where} ${failures.answered(error)}: ${wording.name(error.detail, 200)}.`,
          "Check that the URL is the token endpoint. If it is, ask whoever runs the server: it does not answer as RFC 6749 §5.1 has it."
        )
    case "InvalidConfiguration":
      return finding(
        "unusable-profile",
        wording.message(error),
        "Change that in the configuration, then run this again."
      )
    default:
      return finding(
        "request-refused",
        `${where} gave no token: ${error._tag}${answer === undefined ? "" : `, ${answer.status}`}.`,
        "Ask whoever runs the server what it has against the request."
      )
  }
}

const wrongPath = (evidence: string): Finding =>
  finding(
    "wrong-path",
    evidence,
    "Look the URL of the token endpoint up in the documentation of the server, or name its `issuer` in the profile. It often ends " +
      "with /token or /oauth/token, and a tenant or a realm belongs to it."
  )

const wrongCredentials = (evidence: string, { metadata, profile }: Refused): Finding => {
  const supported = metadata?.document["token_endpoint_auth_methods_supported"] === undefined
    ? undefined
    : metadata.tokenEndpointAuthMethodsSupported
  const { method } = profile.authentication
  return finding(
    "wrong-credentials",
    `${evidence} The client was shown as "${method}"${
      supported === undefined ? "" : `; by its metadata the server takes ${wording.names(supported)}`
    }.`,
    "Compare the client id and the secret with those at the server: has the secret been rotated, is it of another environment, was " +
      "it cut when it was pasted? If both are right they are sent in the wrong way: `effect-bearer doctor --try` finds out which way " +
      "the server takes."
  )
}

const jsonWanted = (evidence: string): Finding =>
  finding(
    "json-wanted",
    evidence,
    "OAuth 2.0 sends a form (RFC 6749 §4.4.2). Look for another URL of this server, which takes forms; one that takes JSON only is no " +
      "token endpoint, and needs a source of your own."
  )

const ofCode = (error: TokenError.OAuthError, where: string, context: Refused): Finding => {
  const { profile } = context
  const evidence = `${where} answered ${error.status} with ${shown(error)}.`
  const scopes = profile.scopes.length === 0 ? "no scopes" : wording.names(profile.scopes)
  switch (codeOf(error)) {
    case "invalid_client":
    case "incorrect_client_credentials":
    case "bad.credentials":
      return wrongCredentials(evidence, context)
    case "unauthorized_client":
    case "unsupported_grant_type": {
      if (speaksOf(error, json)) return jsonWanted(`${evidence} Its explanation speaks of JSON.`)
      const supported = context.metadata?.document["grant_types_supported"] === undefined
        ? undefined
        : context.metadata.grantTypesSupported
      return finding(
        "grant-not-allowed",
        `${evidence} The grant was ${profile.grant.type}${
          supported === undefined ? "" : `; by its metadata the server knows ${wording.names(supported)}`
        }.`,
        `Switch the grant ${profile.grant.type} on for this client at the server. Some servers say the same of a wrong secret, and of ` +
          "a client that is sent in the wrong way."
      )
    }
    case "invalid_scope":
    case "scope_invalid":
    case "insufficient_scope":
      return finding(
        "scope-refused",
        `${evidence} Asked for: ${scopes}.`,
        "Compare the spelling of each scope with the documentation of the server, and allow them for this client there."
      )
    case "invalid_target":
      return audience(evidence, profile)
    case "invalid_grant":
      return profile.grant.type === "client_credentials" ? wrongCredentials(evidence, context) : finding(
        "grant-spent",
        `${evidence} The grant was ${profile.grant.type}.`,
        "Get a new assertion: this one is over, was used already, or was made for another client or another server. Check the clock of " +
          "the machine that makes it."
      )
    case "invalid_request":
      if (speaksOf(error, json)) return jsonWanted(`${evidence} Its explanation speaks of JSON.`)
      if (speaksOf(error, /audience|resource/i)) {
        return audience(`${evidence} It speaks of the audience or the resource.`, profile)
      }
      break
  }
  if (error.status === 401) return wrongCredentials(evidence, context)
  return finding(
    "request-refused",
    evidence,
    "Compare scopes, audience, resource and parameters of the profile with what the server documents. Roles and policies of the client " +
      "at the server are another cause, and with some servers a wrong secret is."
  )
}

const audience = (evidence: string, { audience, resource }: BrokerConfig.Profile): Finding => {
  const sent = [
    audience.length === 0 ? "no audience" : `the audience ${wording.names(audience)}`,
    resource.length === 0 ? "no resource" : `the resource ${wording.names(resource)}`
  ].join(" and ")
  return finding(
    "audience-or-resource",
    `${evidence} Sent: ${sent}.`,
    "Name the API in the profile as the server knows it: `audience` (Auth0 and others) or `resource` (RFC 8707). It is an identifier " +
      "and has to be the same to the last slash; allow it for this client."
  )
}

const ofStatus = (error: TokenError.RejectedByEndpoint, where: string, context: Refused): Finding => {
  const evidence = `${where} ${failures.answered(error)}, and no error of OAuth.`
  const isPage = failures.isHtml(error)
  switch (error.status) {
    case 404:
    case 405:
    case 410:
      return wrongPath(evidence)
    case 415:
      return jsonWanted(`${evidence} 415 means that it does not take a form.`)
    case 401:
      return wrongCredentials(evidence, context)
  }
  if (speaksOf(error, json)) return jsonWanted(`${evidence} Its explanation speaks of JSON.`)
  if (isPage && error.status !== 403) return wrongPath(evidence)
  return finding(
    "request-refused",
    `${evidence}${
      failures.marks(context.answer).length === 0
        ? ""
        : ` It has the headers ${failures.marks(context.answer).join(", ")}.`
    }`,
    error.status === 403
      ? "A firewall or a gateway may refuse this machine's address: ask whoever runs the server. Otherwise the client lacks a role or a scope."
      : "Check that the URL is the token endpoint, and compare what the profile sends with the documentation of the server. Some servers " +
        "answer a wrong client so: try `effect-bearer doctor --try`."
  )
}

/** Whether another way to send id and secret could have made a difference. */
export const mayBeTheStyle = (error: TokenError.RequestError): boolean =>
  (error._tag === "OAuthError" && !["invalid_scope", "invalid_target"].includes(codeOf(error))) ||
  (error._tag === "RejectedByEndpoint" && [400, 401, 403].includes(error.status))
