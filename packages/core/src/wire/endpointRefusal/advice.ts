// The advice in the error for a refusal: what to look at, and what to change.
import * as Option from "effect/Option"
import * as Scopes from "../../values/Scopes.js"
import * as urls from "../../values/urls.js"
import type { Decoded } from "../decode.js"
import type * as Disclosure from "../Disclosure.js"
import * as refusalCodes from "../refusalCodes.js"
import type { Reply } from "../reply.js"
import * as statuses from "../statuses.js"
import type { Context } from "./context.js"

const join = (...parts: ReadonlyArray<string>): string => parts.filter((part) => part !== "").join(" ")

/** The remark about the credentials, and other ways to authenticate. */
const waysToAuthenticate = (context: Context): string =>
  join(Option.getOrElse(context.hint, () => ""), context.authenticationAdvice)

const wrongClient = (context: Context): string =>
  context.isAnonymous === true
    ? "The server wants to know who asks."
    : join("The client id or the secret is wrong.", waysToAuthenticate(context))

/** Advice about the client, for a refusal that may as well have another reason. */
const maybeWrongClient = (context: Context): string =>
  context.isAnonymous === true
    ? ""
    : join("Servers say this of a wrong client id or secret as well.", waysToAuthenticate(context))

const scopesOf = ({ scopes = Scopes.empty }: Context): string =>
  scopes.length === 0 ? "" : ` Requested: ${Scopes.format(scopes).slice(0, 200)}.`

/** The advice for an OAuth error. A code that is not known here is one of the server's own. */
export const forError = (name: string, status: number, context: Context): Option.Option<string> =>
  Option.orElse(
    Option.map(
      forCode(name, context),
      (advice) => refusalCodes.aboutProof.has(name) ? advice : namingClient(advice, status, context)
    ),
    () => forOwnCode(status, context)
  )

const forCode = (name: string, context: Context): Option.Option<string> => {
  switch (name) {
    case "invalid_client":
    case "incorrect_client_credentials":
    case "bad.credentials":
      return Option.some(wrongClient(context))
    case "unauthorized_client":
      return Option.some(join(
        context.grantType === undefined
          ? `Allow this client to use ${context.place} at the server.`
          : `Enable the grant "${context.grantType}" for this client at the server.`,
        maybeWrongClient(context)
      ))
    case "unsupported_grant_type":
      return Option.some(
        `The server does not know the grant "${context.grantType}" at this URL: check that it is the token endpoint ` +
          "and that the grant is enabled. A server that reads JSON instead of a form says this too."
      )
    case "invalid_scope":
    case "scope_invalid":
    case "insufficient_scope":
      return Option.some(`Check the spelling of the scopes and allow them for this client.${scopesOf(context)}`)
    case "invalid_target":
      return Option.some("The audience or the resource is unknown, or not allowed for this client.")
    case "invalid_grant":
      return Option.some(
        // this grant depends on the client's credentials only
        context.grantType === "client_credentials"
          ? wrongClient(context)
          : "What the grant rests on is expired, revoked, already used, or was issued to another client."
      )
    case "invalid_request":
      return Option.some(join(
        "A parameter is missing, repeated or unknown: compare scopes, audience, resource and parameters with what " +
          "the server documents.",
        // a server that cannot read the Basic header says this too
        maybeWrongClient(context)
      ))
    case "unsupported_token_type":
      return Option.some("The server does not know this type of token here, or cannot revoke tokens of it.")
    case "access_denied":
      return Option.some(join(
        "A policy of the server refused: check the scopes, roles and permissions of this client.",
        maybeWrongClient(context)
      ))
    case "use_dpop_nonce":
      return Option.some(
        "The server wants a nonce in the DPoP proof, and its answer holds none: let the header DPoP-Nonce through every " +
          "gateway and balancer. If no proof was sent, apply `withDpop` of a `Dpop` to the client of this source."
      )
    case "invalid_dpop_proof":
      return Option.some(
        "The server does not accept the DPoP proof: compare the clock of this machine with the server's (`backdate` of " +
          "`Dpop`), the URL that the server has for itself behind a proxy, and the algorithms it takes. If no proof was " +
          "sent, apply `withDpop` of a `Dpop` to the client of this source."
      )
    case "consent_required":
    case "interaction_required":
    case "login_required":
    case "account_selection_required":
      return Option.some("A person has to sign in or to consent first: no retry can replace that.")
    default:
      return Option.none()
  }
}

/** With 401 a server speaks of the client, whatever the code (RFC 9110 §15.5.2). */
const namingClient = (advice: string, status: number, context: Context): string => {
  const ways = waysToAuthenticate(context)
  return status === 401 && !(ways !== "" && advice.includes(ways)) ? join(advice, maybeWrongClient(context)) : advice
}

/** The advice for a code of the server's own: the code is unknown, so the status decides. */
const forOwnCode = (status: number, context: Context): Option.Option<string> =>
  status === 401
    ? Option.some(wrongClient(context))
    : statuses.mayConcernClient(status) || statuses.isSuccess(status)
    ? Option.some(join(status === 404 || status === 410 ? nothingThere(context) : "", maybeWrongClient(context)))
    : Option.none()

const nothingThere = ({ place }: Context): string =>
  `If there is nothing at this URL, check that it is ${place}. Some servers say this of a client they do not know.`

/** The advice for a refusal that is no OAuth error. */
export const forStatus = (
  reply: Reply,
  decoded: Decoded,
  context: Context,
  disclosure: Disclosure.Disclosure
): string => {
  const checkUrl = `Check that the URL is ${context.place}.`
  const page = decoded._tag === "Other" && decoded.kind === "html"
    ? "The reply is an HTML page, so it came from a proxy, a firewall or a login page."
    : ""
  switch (reply.status) {
    case 400:
    case 415:
      return join(
        "The credentials were sent as a form, as OAuth 2.0 demands; a server that wants JSON instead of a form is not " +
          "an endpoint of OAuth.",
        checkUrl,
        reply.status === 400 ? maybeWrongClient(context) : "",
        page
      )
    case 401:
      return join(wrongClient(context), page)
    case 403:
      return join(
        "The client lacks a scope or a role, or a firewall refused the request.",
        maybeWrongClient(context),
        page
      )
    case 404:
    case 410:
      return join(
        "There is nothing at this URL.",
        checkUrl,
        "Some servers say this of a client they do not know.",
        maybeWrongClient(context),
        page
      )
    case 405:
      return join("This URL takes no POST.", checkUrl, page)
    default:
      if (statuses.leadsElsewhere(reply.status)) {
        return join(
          redirectTarget(reply, context, disclosure),
          "Redirects are not followed, because that would carry the client's secret along: configure the final URL."
        )
      }
      return join(
        statuses.isRedirect(reply.status)
          ? "That is no answer to a token request, and no redirect either: a cache or a proxy may have sent it."
          : statuses.isClientError(reply.status)
          ? ""
          : "This is no status of HTTP.",
        checkUrl,
        statuses.mayConcernClient(reply.status) ? maybeWrongClient(context) : "",
        page
      )
  }
}

/** Only the origin of the target: path and query of a redirect may hold a secret. */
const redirectTarget = (reply: Reply, context: Context, disclosure: Disclosure.Disclosure): string => {
  const location = reply.headers.location
  const target = location === undefined ? undefined : urls.parse(location, context.endpoint)
  if (target === undefined) return "It redirects."
  const { host, origin, protocol } = target
  return `It redirects to ${disclosure.name(origin === "null" ? `${protocol}${host}` : origin)}.`
}
