// One request of the vendor's SDK, sent by an Effect `HttpClient`.
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { SdkHttpClient, SdkRequest } from "./contract.js"
import * as sdkError from "./error.js"

/**
 * The HTTP client of the SDK, made an `HttpClient`: what is known of the API (tokens, 401, 429, errors) is then known
 * for it, too. Only method, URL and `Authorization` take this way; everything else goes from the SDK to its HTTP client
 * and back as it is, past the `HttpClient`, in the exchange that belongs to the call.
 */
export interface Exchange {
  readonly options: SdkRequest
  /** Of the last attempt: what the HTTP client resolved with. */
  answer: unknown
  reply: sdkError.Reply | undefined
  /** Whether the last attempt was ended by the SDK's own timeout. */
  timedOut: boolean
  /** What must not come back in an error. */
  readonly secrets: Array<string>
}

export class Current extends Context.Reference<Current>()("@effect-bearer/genesys/SdkExchange", {
  defaultValue: (): Exchange | undefined => undefined
}) {}

export const start = (options: SdkRequest): Exchange => ({
  options,
  answer: undefined,
  reply: undefined,
  timedOut: false,
  secrets: []
})

/** What of the request an `HttpClient` has to know. */
export const requestOf = (
  options: SdkRequest,
  authorization: string | undefined
): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.make(options.method as HttpMethod)(options.url).pipe(
    authorization === undefined ? (self) => self : HttpClientRequest.setHeader("authorization", authorization),
    HttpClientRequest.setBody(isReplayable(options.data) ? HttpBody.empty : HttpBody.raw(options.data))
  )

export const makeClient = (inner: SdkHttpClient): HttpClient.HttpClient =>
  HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    Effect.flatMap((request) =>
      Effect.flatMap(Current, (exchange) =>
        exchange === undefined
          ? Effect.dieMessage("this client belongs to the SDK bridge")
          : send(inner, request, exchange))
    ),
    Effect.succeed
  )

const send = (inner: SdkHttpClient, request: HttpClientRequest.HttpClientRequest, exchange: Exchange) =>
  Effect.suspend(() => {
    const authorization = request.headers["authorization"]
    const credential = authorization?.replace(/^\S+ +/, "")
    if (credential !== undefined && credential.length > 4) exchange.secrets.push(credential)
    exchange.answer = exchange.reply = undefined
    exchange.timedOut = false
    return Effect.tryPromise({
      try: () => inner.request(authorized(exchange.options, authorization)),
      catch: (error) => error
    }).pipe(
      Effect.map((answer) => {
        exchange.answer = answer
        return replyOf(answer)
      }),
      Effect.catchAll((error) => {
        const status = statusIn(error)
        if (status !== undefined && !isSuccess(status)) {
          return Effect.succeed(replyOf((error as { readonly response: unknown }).response))
        }
        exchange.timedOut = isTimeout(error)
        const cause = status === undefined ? error : new Error(brokenOff(status, error), { cause: error })
        return Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause }))
      }),
      Effect.map((reply) => {
        exchange.reply = reply
        return HttpClientResponse.fromWeb(request, webResponse(reply))
      })
    )
  })

// ---------------------------------------------------------------------------------------------------------------

/** A copy of the same class, for the HTTP client insists on that; the SDK logs the original afterwards. */
const authorized = (options: SdkRequest, authorization: string | undefined): SdkRequest => {
  const headers = withoutAuthorization(options)
  return Object.assign(Object.create(Object.getPrototypeOf(options)), options, {
    headers: authorization === undefined ? headers : { ...headers, Authorization: authorization }
  })
}

export const withoutAuthorization = ({ headers = {} }: SdkRequest): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization"))

/** The header of a request, however it is spelled. */
export const headerOf = (options: SdkRequest, name: string): string | undefined => {
  const found = Object.entries(options.headers ?? {}).find(([key]) => key.toLowerCase() === name)
  return found === undefined ? undefined : String(found[1])
}

/** A body that is read while it is sent cannot be sent again: Node's streams, web streams, and `form-data`. */
const isReplayable = (data: unknown): boolean =>
  !Predicate.isObject(data) ||
  (!("pipe" in data) && !("getReader" in data) && !(Symbol.asyncIterator in data))

/** Of the answer that an error of the HTTP client holds, whole or in part. */
const statusIn = (error: unknown): number | undefined =>
  Predicate.hasProperty(error, "response") && Predicate.hasProperty(error.response, "status") &&
    typeof error.response.status === "number"
    ? error.response.status
    : undefined

/** A rejected success is no answer: its head came, and its body did not. */
const isSuccess = (status: number): boolean => status >= 200 && status <= 299

const brokenOff = (status: number, error: unknown): string =>
  `the answer with status ${status} broke off${
    Predicate.hasProperty(error, "message") && Predicate.isString(error.message) ? `: ${error.message}` : ""
  }`

const isTimeout = (error: unknown): boolean =>
  Predicate.hasProperty(error, "message") && typeof error.message === "string" &&
  /^timeout of \d+ ?ms exceeded/.test(error.message)

const replyOf = (response: unknown): sdkError.Reply => {
  const { data, headers, status, statusText } = (response ?? {}) as Partial<Record<string, unknown>>
  return {
    // one of your own making may leave it out: the SDK would take that for a success
    status: typeof status === "number" ? status : 200,
    statusText: typeof statusText === "string" ? statusText : "",
    headers: headersOf(headers),
    data
  }
}

const headersOf = (headers: unknown): Readonly<Record<string, string>> => {
  if (!Predicate.isObject(headers)) return {}
  const json = Predicate.hasProperty(headers, "toJSON") && Predicate.isFunction(headers.toJSON)
    ? headers.toJSON() as object
    : headers
  const entries = json instanceof Headers ? Array.from(json) : Object.entries(json)
  return Object.fromEntries(
    entries.flatMap(([name, value]) =>
      Predicate.isString(value) || Predicate.isNumber(value) || Array.isArray(value)
        ? [[name.toLowerCase(), String(value)]]
        : []
    )
  )
}

/** A success needs no body here, because no code reads it. */
const webResponse = ({ data, headers, status }: sdkError.Reply): Response => {
  const valid = status >= 200 && status <= 599 ? status : 500
  const body = valid < 400 ? null : sdkError.textOf(data)
  try {
    return new Response(body, { status: valid, headers })
  } catch {
    return new Response(body, { status: valid })
  }
}
