// Turns a response that refuses a request into an error that explains it.
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Scopes from "../values/Scopes.js"
import * as TokenError from "../values/TokenError.js"
import type { Decoded, Kind } from "./decode.js"
import * as Disclosure from "./Disclosure.js"
import * as laterCodes from "./laterCodes.js"
import type { Reply } from "./reply.js"
import * as RetryAfter from "./RetryAfter.js"

/** The parts of the request that are needed to explain its refusal. */
export interface Context {
  /** Origin and path. */
  readonly endpoint: string
  /** The kind of endpoint that the URL should be: "the token endpoint". */
  readonly place: string
  readonly receivedAt: number
  readonly hint: Option.Option<string>
  readonly authenticationAdvice: string
  readonly grantType?: string | undefined
  readonly scopes?: Scopes.Scopes | undefined
  /** The request names no client, so a refusal cannot be about the client. */
  readonly isAnonymous?: boolean | undefined
}

/** An error as stated in the body. */
export interface Stated {
  /** As the server wrote it; `None` when the body has an explanation but no code. */
  readonly code: Option.Option<string>
  readonly description: Option.Option<string>
  readonly uri: Option.Option<string>
}

const text = (value: unknown): Option.Option<string> =>
  typeof value === "string" && value.trim() !== "" ? Option.some(value) : Option.none()

const code = (value: unknown): Option.Option<string> =>
  says(value)
    ? typeof value === "number" ? Option.some(String(value)) : value === true ? Option.some("error") : text(value)
    : Option.none()

/** Some servers add to each success that there is no error: `"error": 0`, or an object with nothing else in it. */
const says = (value: unknown): boolean =>
  Predicate.isRecord(value)
    ? Object.values(value).some((inner) => says(inner) || (Array.isArray(inner) && inner.length > 0))
    : value !== undefined && value !== null && value !== false && value !== 0 && value !== "0" && value !== ""

/** The members in which servers state errors, RFC 6749 §5.2 first. */
export const stated = (decoded: Decoded): Stated => {
  if (decoded._tag !== "Members") return { code: Option.none(), description: Option.none(), uri: Option.none() }
  const { members } = decoded
  const first = (...names: ReadonlyArray<string>) =>
    names.reduce((found, name) => Option.orElse(found, () => text(members.get(name))), Option.none<string>())
  const error = members.get("error")
  const description = first("error_description", "description", "message")
  const uri = first("error_uri")
  if (Predicate.isRecord(error) && says(error)) {
    // Facebook: {type, message, is_transient}; Google: {status, message, code}
    return {
      code: error.is_transient === true ? Option.some("temporarily_unavailable") : Option.orElse(
        text(error.code),
        () => Option.orElse(text(error.type), () => Option.orElse(text(error.status), () => Option.some("error")))
      ),
      description: Option.orElse(text(error.message), () => description),
      uri
    }
  }
  const named = code(error)
  if (Option.isSome(named)) return { code: named, description, uri }
  const listed = members.get("errors")
  const head: unknown = Array.isArray(listed) ? listed[0] : undefined
  if (Predicate.isRecord(head) && !members.has("access_token")) {
    const type = Option.orElse(text(head.errorType), () => text(head.error))
    if (Option.isSome(type)) {
      return {
        code: type,
        description: Option.orElse(text(head.message), () => description),
        uri
      }
    }
  }
  return { code: members.get("ok") === false ? Option.some("not_ok") : Option.none(), description, uri }
}

/** Codes that say "never", whatever the status. For all other codes the status decides. */
const never: ReadonlySet<string> = new Set([
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
const aboutProof: ReadonlySet<string> = new Set(["use_dpop_nonce", "invalid_dpop_proof"])

/** A code of these lists is shown as it came; any other code is text from outside. */
const isKnown = (name: string): boolean => never.has(name) || laterCodes.isKnown(name) || aboutClient.has(name)

/** 4xx statuses that say what is wrong, and that it is not about the client. */
const elsewhere: ReadonlySet<number> = new Set([
  402,
  405,
  407,
  408,
  411,
  413,
  414,
  415,
  417,
  421,
  425,
  426,
  429,
  431,
  451
])

const mayConcernClient = (status: number): boolean => isClientError(status) && !elsewhere.has(status)

/**
 * Whether a refusal could be about the credentials of the client. **Rule: then the error names id, secret and the other
 * ways to send them, and the secret is read once more.** One rule for both: servers refuse a client with any 4xx, with a
 * code of their own, or with no body at all.
 */
export const concernsClient = (error: TokenError.RequestError, grantType: string | undefined): boolean => {
  if (error._tag === "RejectedByEndpoint") return mayConcernClient(error.status)
  if (error._tag !== "OAuthError") return false
  const name = error.error.trim().toLowerCase()
  if (aboutProof.has(name)) return false
  return error.status === 401 || aboutClient.has(name) ||
    (name === "invalid_grant" && grantType === "client_credentials") ||
    (!never.has(name) && (mayConcernClient(error.status) || isSuccess(error.status)))
}

/** Whether the status alone says what to do, so that the body need not be waited for. */
export const speaksForItself = (status: number): boolean =>
  status === 429 || status === 408 || status === 425 || isRedirect(status) || isServerError(status)

const isRedirect = (status: number): boolean => status >= 300 && status <= 399
/** The other statuses from 300 on lead nowhere: 304 speaks of a copy in a cache, 305 of a proxy, 300 lets one choose. */
const leadsElsewhere = (status: number): boolean => status === 0 || [301, 302, 303, 307, 308].includes(status)
const isServerError = (status: number): boolean => status >= 500 && status <= 599
export const isSuccess = (status: number): boolean => status >= 200 && status <= 299

/** RFC 6585 §6: the server itself never sends this status. */
const captivePortal =
  "the network wants somebody to sign in before it lets requests through (a captive portal or a proxy)"

/** The error for a reply; `None` for a 2xx without an error. */
export const classify = (
  reply: Reply,
  decoded: Decoded,
  context: Context,
  disclosure: Disclosure.Disclosure
): Option.Option<TokenError.RequestError> => {
  const { endpoint } = context
  const { status } = reply
  const error = stated(decoded)
  const name = Option.getOrElse(Option.map(error.code, (value) => value.trim().toLowerCase()), () => "")
  // every text of a success may be a token, even if it states an error; and an anonymous request has no secrets by
  // which a repeated one could be found
  const say = isSuccess(status) || context.isAnonymous === true ? disclosure.strict : disclosure.text
  const description = Option.map(error.description, (value) => say(value))
  const retryAfter = RetryAfter.fromHeaders(reply.headers, context.receivedAt)

  const codeSays = laterCodes.meaning(name, status)
  const isFinal = never.has(name) && !isAuth0Limit(name, status)
  const says = codeSays ??
    (isFinal || (isSuccess(status) && name === "")
      ? undefined
      : laterCodes.meaningElsewhere(decoded, reply.headers, status))
  const isSpent = status === 403 && !isFinal && (Option.isSome(retryAfter) || laterCodes.isSpent(reply.headers))
  if (status === 429 || says === "too many" || isSpent) {
    return Option.some(
      new TokenError.RateLimited({
        endpoint,
        status,
        retryAfter: Option.orElse(retryAfter, () => Option.flatMap(error.description, waitInWords)),
        description
      })
    )
  }
  if (says === "later") {
    return Option.some(new TokenError.EndpointUnavailable({ endpoint, status, retryAfter, description }))
  }
  if (name === "use_dpop_nonce" && isClientError(status) && (reply.headers["dpop-nonce"] ?? "").trim() !== "") {
    return Option.some(nonceRefused(endpoint, status, retryAfter))
  }
  const refused = () =>
    new TokenError.OAuthError({
      endpoint,
      error: isKnown(name)
        ? Option.getOrElse(error.code, () => name).trim()
        : say(Option.getOrElse(error.code, () => "")),
      description,
      uri: Option.map(error.uri, (value) => say(value)),
      status,
      advice: Option.orElse(
        Option.map(
          adviceForCode(name, context),
          (advice) => aboutProof.has(name) ? advice : namingClient(advice, status, context)
        ),
        () => adviceForOwnCode(status, context)
      )
    })
  if (isFinal) return Option.some(refused())
  if (status === 408 || status === 425 || isServerError(status)) {
    return Option.some(
      new TokenError.EndpointUnavailable({
        endpoint,
        status,
        retryAfter,
        description: status === 511 ? Option.some(captivePortal) : description
      })
    )
  }
  if (Option.isSome(error.code) && (isSuccess(status) || (status >= 400 && status <= 499))) {
    return Option.some(refused())
  }
  return isSuccess(status) ? Option.none() : Option.some(
    new TokenError.RejectedByEndpoint({
      endpoint,
      status,
      contentType: contentType(reply),
      excerpt: excerpt(reply, decoded, context, disclosure),
      advice: Option.some(adviceForStatus(reply, decoded, context, disclosure))
    })
  )
}

const nonceWanted =
  "use_dpop_nonce: it wants another DPoP nonce. Servers behind one balancer must accept each other's nonces. " +
  "If no DPoP proof was sent, apply `withDpop` of a `Dpop` to the client of this source"

/**
 * A server that sends a nonce takes the next request that has it (RFC 9449 §8). The client has answered one such refusal
 * already, so another server of a balancer has refused it.
 */
const nonceRefused = (endpoint: string, status: number, retryAfter: Option.Option<Duration.Duration>) =>
  new TokenError.EndpointUnavailable({ endpoint, status, retryAfter, description: Option.some(nonceWanted) })

/** Whether the server has refused the nonce alone: then it has used nothing else of the request. */
export const isAboutNonce = (error: TokenError.RequestError): boolean =>
  error._tag === "EndpointUnavailable" && Option.contains(error.description, nonceWanted)

/** Auth0 answers 500 with `access_denied` and "Global limit has been reached". */
const isAuth0Limit = (name: string, status: number): boolean => name === "access_denied" && isServerError(status)

/** The members of a success, or the error for the reply. */
export const members = (
  reply: Reply,
  decoded: Decoded,
  context: Context,
  disclosure: Disclosure.Disclosure
): Either.Either<ReadonlyMap<string, unknown>, TokenError.RequestError> => {
  const refused = classify(reply, decoded, context, disclosure)
  if (Option.isSome(refused)) return Either.left(refused.value)
  if (reply.overflow) return Either.left(malformed(reply, decoded, context, "the reply is larger than 1 MiB"))
  if (decoded._tag === "Empty") {
    return Either.left(
      reply.status === 204 || reply.status === 205
        ? malformed(reply, decoded, context, "the reply has no body")
        : new TokenError.EndpointUnavailable({
          endpoint: context.endpoint,
          status: reply.status,
          retryAfter: Option.none(),
          description: Option.some("the body is empty")
        })
    )
  }
  return decoded._tag === "Members"
    ? Either.right(decoded.members)
    : Either.left(malformed(reply, decoded, context, unreadable[decoded.kind]))
}

export const malformed = (
  reply: Reply,
  decoded: Decoded,
  { endpoint }: Pick<Context, "endpoint">,
  detail: string
): TokenError.MalformedResponse =>
  new TokenError.MalformedResponse({
    endpoint,
    status: reply.status,
    contentType: contentType(reply),
    detail,
    excerpt: shape(reply, decoded)
  })

const shape = ({ body, compressed, headers, overflow }: Reply, decoded: Decoded): string =>
  Disclosure.shapeOf(decoded, { body, overflow, compressed, contentEncoding: headers["content-encoding"] })

/** Describes a refusal: its shape, and its explaining members. */
const excerpt = (
  reply: Reply,
  decoded: Decoded,
  { isAnonymous }: Context,
  disclosure: Disclosure.Disclosure
): string => {
  if (decoded._tag === "Empty") return reply.compressed === undefined ? "" : shape(reply, decoded)
  const said = decoded._tag === "Members" && isAnonymous !== true ? disclosure.refusal(decoded.members) : ""
  return said === "" ? shape(reply, decoded) : `${shape(reply, decoded)}; ${said}`
}

const unreadable: Record<Kind, string> = {
  html: "the reply is HTML",
  xml: "the reply is XML",
  compressed: "the reply is compressed",
  "broken json": "the reply is JSON that is broken or cut short",
  json: "the reply is JSON but no object",
  text: "the reply is neither JSON nor a form"
}

export const contentType = (reply: Reply): string => Disclosure.contentType(reply.headers["content-type"])

/** Genesys Cloud: "Rate limit exceeded the maximum. Retry the request in [42] seconds". */
const waitInWords = (description: string): Option.Option<Duration.Duration> =>
  Option.map(
    Option.fromNullable(/\bin \[?(\d{1,9})\]? seconds?\b/i.exec(description)),
    ([, seconds]) => Duration.seconds(Number(seconds))
  )

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

const adviceForCode = (name: string, context: Context): Option.Option<string> => {
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
const adviceForOwnCode = (status: number, context: Context): Option.Option<string> =>
  status === 401
    ? Option.some(wrongClient(context))
    : mayConcernClient(status) || isSuccess(status)
    ? Option.some(join(status === 404 || status === 410 ? nothingThere(context) : "", maybeWrongClient(context)))
    : Option.none()

const nothingThere = ({ place }: Context): string =>
  `If there is nothing at this URL, check that it is ${place}. Some servers say this of a client they do not know.`

const adviceForStatus = (
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
      if (leadsElsewhere(reply.status)) {
        return join(
          redirectTarget(reply, context, disclosure),
          "Redirects are not followed, because that would carry the client's secret along: configure the final URL."
        )
      }
      return join(
        isRedirect(reply.status)
          ? "That is no answer to a token request, and no redirect either: a cache or a proxy may have sent it."
          : isClientError(reply.status)
          ? ""
          : "This is no status of HTTP.",
        checkUrl,
        mayConcernClient(reply.status) ? maybeWrongClient(context) : "",
        page
      )
  }
}

const isClientError = (status: number): boolean => status >= 400 && status <= 499

/** Only the origin of the target: path and query of a redirect may hold a secret. */
const redirectTarget = (reply: Reply, context: Context, disclosure: Disclosure.Disclosure): string => {
  const location = reply.headers.location
  if (location === undefined || !URL.canParse(location, context.endpoint)) return "It redirects."
  const { host, origin, protocol } = new URL(location, context.endpoint)
  return `It redirects to ${disclosure.name(origin === "null" ? `${protocol}${host}` : origin)}.`
}
