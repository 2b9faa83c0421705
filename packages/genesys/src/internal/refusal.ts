// Makes an error of a reply that is no success.
import type * as Headers from "@effect/platform/Headers"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { Disclosure } from "effect-bearer/Disclosure"
import * as RetryAfter from "effect-bearer/RetryAfter"
import * as GenesysError from "../GenesysError.js"
import type { Region } from "../Region.js"
import * as believed from "./believed.js"

export interface Reply {
  readonly method: string
  readonly url: string
  readonly status: number
  readonly headers: Headers.Headers
  /** Empty where it could not be read: the status says enough. */
  readonly body: string
  /** The body is longer than what was read of it. */
  readonly overflow: boolean
  /** Epoch milliseconds. */
  readonly receivedAt: number
}

/** The error that a reply other than a success amounts to. */
export const classify = (
  reply: Reply,
  region: Region,
  disclosure: Disclosure
): GenesysError.ApiError | GenesysError.ApiRateLimited | GenesysError.ApiUnavailable => {
  const json = parse(reply.body)
  const stated = json === undefined
    ? { ...nothing, description: unreadable(reply) }
    : statedIn(json, disclosure, 0)
  const call: GenesysError.Call = {
    method: reply.method,
    url: reply.url,
    contextId: Option.flatMap(Option.fromNullable(json?.["contextId"]), (id) => identifier(id, disclosure)),
    correlationId: correlationId(reply.headers, disclosure)
  }
  const own = RetryAfter.fromHeaders(reply.headers, reply.receivedAt)
  const at = (wait: Option.Option<Duration.Duration>) =>
    Option.map(wait, (duration) => reply.receivedAt + Duration.toMillis(believed.sensible(duration)))
  if (reply.status === 429) {
    const rateLimit = rateLimitIn(reply.headers, json === undefined ? Option.none() : limitIn(json, disclosure))
    const retryAfter = own.pipe(
      Option.orElse(() => rateLimit.reset),
      Option.orElse(() => Option.flatMap(stated.description, waitInWords))
    )
    return new GenesysError.ApiRateLimited({
      ...call,
      ...stated,
      status: 429,
      retryAfter,
      rateLimit,
      attempts: 1,
      retryAt: at(retryAfter)
    })
  }
  if (reply.status >= 500) {
    return new GenesysError.ApiUnavailable({
      ...call,
      ...stated,
      status: reply.status,
      retryAfter: own,
      attempts: 1,
      retryAt: at(own)
    })
  }
  return new GenesysError.ApiError({ ...call, ...stated, status: reply.status, advice: advise(reply, stated, region) })
}

export const correlationId = (headers: Headers.Headers, disclosure: Disclosure): Option.Option<string> =>
  Option.flatMap(Option.fromNullable(headers["inin-correlation-id"]), (id) => identifier(id, disclosure))

/** The `inin-ratelimit-*` headers, and the name of the limit where a body gave one. */
export const rateLimitIn = (
  headers: Headers.Headers,
  key: Option.Option<string> = Option.none()
): GenesysError.RateLimit => {
  const number = (name: string) =>
    Option.map(
      Option.filter(Option.fromNullable(headers[`inin-ratelimit-${name}`]), (text) => /^\s*\d{1,9}\s*$/.test(text)),
      Number
    )
  return {
    key,
    count: number("count"),
    allowed: number("allowed"),
    reset: Option.map(number("reset"), Duration.seconds)
  }
}

// ---------------------------------------------------------------------------------------------------------------

/** Of an answer that explains nothing, or that there was not. */
export const nothing: GenesysError.Stated = {
  code: Option.none(),
  description: Option.none(),
  messageParams: {},
  entityId: Option.none(),
  details: [],
  errors: []
}

type Json = Readonly<Record<string, unknown>>

const isJson = (u: unknown): u is Json => Predicate.isRecord(u)

const parse = (body: string): Json | undefined => {
  try {
    const value: unknown = JSON.parse(body)
    return isJson(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** No text of it: a page of a proxy can hold anything. */
const unreadable = ({ body, headers, overflow }: Reply): Option.Option<string> =>
  body.trim() === ""
    ? Option.none()
    : Option.some(
      /^\s*<(!doctype|html)/i.test(body) || /html/i.test(headers["content-type"] ?? "")
        ? "an HTML page, so it came from a proxy, a firewall or a login page"
        : overflow
        ? "the reply is too long to be read"
        : "the reply is no JSON object"
    )

/** Items kept of a list, and how deep errors may hold errors: a reply can be as long as it likes. */
const most = 20

/** Characters of an explanation that are told. */
const longestText = 500
const deepest = 2

const text = (u: unknown): Option.Option<string> =>
  typeof u === "string" && u.trim() !== "" ? Option.some(u) : Option.none()

const statedIn = (json: Json, disclosure: Disclosure, depth: number): GenesysError.Stated => {
  const read = (name: string, limit = longestText) =>
    Option.map(text(json[name]), (value) => disclosure.text(value, limit))
  const list = (name: string): ReadonlyArray<Json> => {
    const value = json[name]
    return Array.isArray(value) ? value.slice(0, most).filter(isJson) : []
  }
  const params = isJson(json["messageParams"]) ? json["messageParams"] : {}
  const messageParams = Object.fromEntries(
    Object.entries(params).slice(0, most).flatMap(([name, value]) =>
      Predicate.isString(value) || Predicate.isNumber(value)
        ? [[disclosure.text(name, 60), disclosure.member(name, String(value), 200)]]
        : []
    )
  )
  return {
    code: Option.orElse(read("code", 100), () => read("error", 100)),
    description: read("message").pipe(
      Option.orElse(() =>
        Option.map(read("messageWithParams"), (words) => disclosure.text(filled(words, messageParams), longestText))
      ),
      Option.orElse(() => read("error_description")),
      Option.orElse(() => read("description"))
    ),
    messageParams,
    entityId: read("entityId", 100),
    details: list("details").map((detail) => ({
      ...member(detail, "errorCode", disclosure),
      ...member(detail, "fieldName", disclosure),
      ...member(detail, "entityId", disclosure),
      ...member(detail, "entityName", disclosure)
    })),
    errors: depth >= deepest ? [] : list("errors").map((error) => statedIn(error, disclosure, depth + 1))
  }
}

/** "The value {value} is not valid" */
const filled = (words: string, params: Readonly<Record<string, string>>): string =>
  words.replace(/\{([^{}]{1,60})\}/g, (all, name: string) => Object.hasOwn(params, name) ? params[name]! : all)

const member = (json: Json, name: string, disclosure: Disclosure): Readonly<Record<string, string>> => {
  const value = json[name]
  return Predicate.isString(value) ? { [name]: disclosure.text(value, 200) } : {}
}

const identifier = (u: unknown, disclosure: Disclosure): Option.Option<string> =>
  Option.map(Option.filter(text(u), (id) => /^[\w.:-]{1,64}$/.test(id)), (id) => disclosure.text(id))

/** `{ limit: { key: "token.rate.per.minute", … } }` */
const limitIn = (json: Json, disclosure: Disclosure): Option.Option<string> =>
  isJson(json["limit"]) ? Option.map(text(json["limit"]["key"]), (key) => disclosure.text(key, 100)) : Option.none()

/** "Retry the request in [42] seconds" */
const waitInWords = (words: string): Option.Option<Duration.Duration> =>
  Option.map(
    Option.fromNullable(/\bin \[?(\d{1,9})\]? ?(seconds?|minutes?)\b/i.exec(words)),
    ([, amount, unit]) =>
      unit!.toLowerCase().startsWith("m") ? Duration.minutes(Number(amount)) : Duration.seconds(Number(amount))
  )

const advise = (reply: Reply, { code, messageParams }: GenesysError.Stated, region: Region): Option.Option<string> => {
  switch (reply.status) {
    case 400:
    case 409:
    case 422:
      return Option.none()
    case 401:
      return Option.some(
        `A token just issued was not accepted either: check that it is for this region (${region.environment}), and ` +
          "that the OAuth client is active."
      )
    case 403: {
      const missing = messageParams["permissions"] ?? messageParams["permission"] ?? messageParams["scopes"]
      return Option.some(
        `Give the OAuth client a role with the permission${missing === undefined ? " it needs" : ` ${missing}`}, in ` +
          "the division of what is asked for, and the scope if its scopes are limited."
      )
    }
    case 404:
      return Option.exists(code, (code) => code.toLowerCase() === "not.found")
        ? Option.some("Check the id: it may have been deleted, or belong to another organization.")
        : Option.some(`Check the path, and that ${region.apiUrl} is the API of the right region.`)
    case 413:
      return Option.some("Ask for less, or send less, at a time.")
    default:
      return reply.status < 400
        ? Option.some(`A redirect, which the API does not use: check that ${region.apiUrl} is reached directly.`)
        : Option.none()
  }
}
