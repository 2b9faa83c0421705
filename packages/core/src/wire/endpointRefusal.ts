// Turns a response that refuses a request into an error that explains it.
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as TokenError from "../values/TokenError.js"
import type { Decoded, Kind } from "./decode.js"
import * as Disclosure from "./Disclosure.js"
import * as advice from "./endpointRefusal/advice.js"
import type { Context } from "./endpointRefusal/context.js"
import * as laterCodes from "./laterCodes.js"
import * as refusalCodes from "./refusalCodes.js"
import type { Reply } from "./reply.js"
import * as RetryAfter from "./RetryAfter.js"
import * as statedError from "./statedError.js"
import * as statuses from "./statuses.js"

export type { Context } from "./endpointRefusal/context.js"

/** What a reply says about its refusal. */
interface Said {
  readonly reply: Reply
  readonly context: Context
  readonly error: statedError.StatedError
  /** The code in lower case; "" if there is none. */
  readonly name: string
  /** Whether the code says "never", whatever the status. */
  readonly isFinal: boolean
  /** A text of the server as an error may show it. */
  readonly say: (text: string) => string
  readonly description: Option.Option<string>
  readonly retryAfter: Option.Option<Duration.Duration>
}

const read = (reply: Reply, decoded: Decoded, context: Context, disclosure: Disclosure.Disclosure): Said => {
  const error = statedError.read(decoded)
  const name = Option.getOrElse(Option.map(error.code, (value) => value.trim().toLowerCase()), () => "")
  // every text of a success may be a token, even if it states an error; and an anonymous request has no secrets by
  // which a repeated one could be found
  const say = statuses.isSuccess(reply.status) || context.isAnonymous === true ? disclosure.strict : disclosure.text
  return {
    reply,
    context,
    error,
    name,
    isFinal: refusalCodes.never.has(name) && !isAuth0Limit(name, reply.status),
    say,
    description: Option.map(error.description, (value) => say(value)),
    retryAfter: RetryAfter.fromHeaders(reply.headers, context.receivedAt)
  }
}

/** Auth0 answers 500 with `access_denied` and "Global limit has been reached". */
const isAuth0Limit = (name: string, status: number): boolean =>
  name === "access_denied" && statuses.isServerError(status)

/** The error for a reply; `None` for a 2xx without an error. */
export const classify = (
  reply: Reply,
  decoded: Decoded,
  context: Context,
  disclosure: Disclosure.Disclosure
): Option.Option<TokenError.RequestError> => {
  const said = read(reply, decoded, context, disclosure)
  const { status } = reply
  const later = comeLater(said, decoded)
  if (Option.isSome(later)) return later
  if (said.isFinal) return Option.some(refused(said))
  if (status === 408 || status === 425 || statuses.isServerError(status)) {
    return Option.some(unavailable(said, status === 511 ? Option.some(captivePortal) : said.description))
  }
  if (Option.isSome(said.error.code) && (statuses.isSuccess(status) || statuses.isClientError(status))) {
    return Option.some(refused(said))
  }
  return statuses.isSuccess(status) ? Option.none() : Option.some(rejected(reply, decoded, context, disclosure))
}

/** The error for a reply that says "too many", "later" or "with another nonce", whatever its status. */
const comeLater = (said: Said, decoded: Decoded): Option.Option<TokenError.RequestError> => {
  const { isFinal, name, reply: { headers, status }, retryAfter } = said
  const says = laterCodes.meaning(name, status) ??
    (isFinal || (statuses.isSuccess(status) && name === "")
      ? undefined
      : laterCodes.meaningElsewhere(decoded, headers, status))
  const isSpent = status === 403 && !isFinal && (Option.isSome(retryAfter) || laterCodes.isSpent(headers))
  if (status === 429 || says === "too many" || isSpent) return Option.some(rateLimited(said))
  if (says === "later") return Option.some(unavailable(said, said.description))
  return name === "use_dpop_nonce" && statuses.isClientError(status) && (headers["dpop-nonce"] ?? "").trim() !== ""
    ? Option.some(unavailable(said, Option.some(nonceWanted)))
    : Option.none()
}

const rateLimited = ({ context, description, error, reply, retryAfter }: Said) =>
  new TokenError.RateLimited({
    endpoint: context.endpoint,
    status: reply.status,
    retryAfter: Option.orElse(retryAfter, () => Option.flatMap(error.description, waitInWords)),
    description
  })

/** Genesys Cloud: "Rate limit exceeded the maximum. Retry the request in [42] seconds". */
const waitInWords = (description: string): Option.Option<Duration.Duration> =>
  Option.map(
    Option.fromNullable(/\bin \[?(\d{1,9})\]? seconds?\b/i.exec(description)),
    ([, seconds]) => Duration.seconds(Number(seconds))
  )

const unavailable = ({ context, reply, retryAfter }: Said, description: Option.Option<string>) =>
  new TokenError.EndpointUnavailable({ endpoint: context.endpoint, status: reply.status, retryAfter, description })

/** RFC 6585 §6: the server itself never sends this status. */
const captivePortal =
  "the network wants somebody to sign in before it lets requests through (a captive portal or a proxy)"

const refused = ({ context, description, error, name, reply: { status }, say }: Said) =>
  new TokenError.OAuthError({
    endpoint: context.endpoint,
    error: refusalCodes.isKnown(name)
      ? Option.getOrElse(error.code, () => name).trim()
      : say(Option.getOrElse(error.code, () => "")),
    description,
    uri: Option.map(error.uri, (value) => say(value)),
    status,
    advice: advice.forError(name, status, context)
  })

/** The error for a refusal that is no OAuth error. */
const rejected = (reply: Reply, decoded: Decoded, context: Context, disclosure: Disclosure.Disclosure) =>
  new TokenError.RejectedByEndpoint({
    endpoint: context.endpoint,
    status: reply.status,
    contentType: contentType(reply),
    excerpt: excerpt(reply, decoded, context, disclosure),
    advice: Option.some(advice.forStatus(reply, decoded, context, disclosure))
  })

/**
 * A server that sends a nonce takes the next request that has it (RFC 9449 §8). The client has answered one such refusal
 * already, so another server of a balancer has refused it.
 */
const nonceWanted =
  "use_dpop_nonce: it wants another DPoP nonce. Servers behind one balancer must accept each other's nonces. " +
  "If no DPoP proof was sent, apply `withDpop` of a `Dpop` to the client of this source"

/** Whether the server has refused the nonce alone: then it has used nothing else of the request. */
export const isAboutNonce = (error: TokenError.RequestError): boolean =>
  error._tag === "EndpointUnavailable" && Option.contains(error.description, nonceWanted)

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
