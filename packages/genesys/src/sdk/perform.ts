// One request of the SDK: sent, judged, and answered as the SDK expects.
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import * as BearerAuth from "effect-bearer/BearerAuth"
import * as Disclosure from "effect-bearer/Disclosure"
import * as TokenError from "effect-bearer/TokenError"
import * as GenesysError from "../GenesysError.js"
import type * as client from "../internal/client.js"
import * as disclosures from "../internal/disclosure.js"
import * as refusal from "../internal/refusal.js"
import * as transport from "../internal/transport.js"
import type { SdkHttpClient, SdkRequest } from "./contract.js"
import { SdkError } from "./error.js"
import * as sdkExchange from "./exchange.js"

export const makePerform = ({ api, apiUrl, inner, isShown, logger }: {
  readonly api: ReturnType<typeof client.make>
  /** The origin that may see the token. */
  readonly apiUrl: string
  readonly inner: SdkHttpClient
  readonly isShown: (authorization: string | undefined) => boolean
  readonly logger: object
}) =>
(options: SdkRequest): Effect.Effect<unknown, SdkError> =>
  Effect.suspend(() => {
    const exchange = sdkExchange.start(options)
    const authorization = sdkExchange.headerOf(options, "authorization")
    const ours = isShown(authorization)
    const request = sdkExchange.requestOf(options, ours ? undefined : authorization)
    const call = Effect.provideService(api.execute(request), sdkExchange.Current, exchange)
    return (ours ? call : BearerAuth.skip(call)).pipe(
      Effect.zipRight(Effect.suspend(() => judge(exchange, request))),
      Effect.mapError((error) => {
        const reason = explain(error, { apiUrl, exchange, inner, ours })
        return new SdkError(reason, exchange)
      }),
      Effect.tapError((error) => Effect.sync(() => log(logger, options, error)))
    )
  })

/** The span around `connect` has ended long before most calls. */
export const withoutParent = Effect.mapInputContext(Context.omit(Tracer.ParentSpan)) as <A, E>(
  self: Effect.Effect<A, E>
) => Effect.Effect<A, E>

/** What was known of the API, said for the SDK. */
const explain = (error: GenesysError.CallError, { apiUrl, exchange, inner, ours }: {
  readonly apiUrl: string
  readonly exchange: sdkExchange.Exchange
  readonly inner: SdkHttpClient
  readonly ours: boolean
}): GenesysError.CallError => {
  switch (error._tag) {
    case "ApiUnreachable":
      return exchange.timedOut ? transport.timedOut(error, Duration.millis(inner.timeout)) : error
    case "ApiError":
      // advice on a token that was not involved
      return ours ? error : new GenesysError.ApiError({ ...error, advice: Option.none() })
    case "InvalidConfiguration":
      return exchange.secrets.length > 0 || error.fields[0] !== "url" ? error : new TokenError.InvalidConfiguration({
        fields: ["environment"],
        detail:
          `the SDK calls another host now than ${apiUrl}, which the token is for. Was setEnvironment or setGateway ` +
          "called after connecting, or has the configuration file of the SDK changed?"
      })
    default:
      return error
  }
}

/** By itself the SDK writes only errors that look like one of Axios to its log. Its types do not tell of `log`. */
const log = (logger: object, options: SdkRequest, { body, headers, status }: SdkError): void => {
  if (status === undefined || !Predicate.hasProperty(logger, "log") || !Predicate.isFunction(logger.log)) return
  const requestHeaders = sdkExchange.withoutAuthorization(options)
  try {
    logger.log("error", status, options.method, options.url, requestHeaders, headers, options.data, body)
  } catch {
    // there are bodies that it cannot write
  }
}

/** What the SDK would take for a success, and its caller would stumble over. */
const judge = (
  { answer, options, reply, secrets }: sdkExchange.Exchange,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<unknown, GenesysError.UnexpectedReply> => {
  const contentType = reply?.headers["content-type"] ?? ""
  const isPage = typeof reply?.data === "string" && /html/i.test(contentType) &&
    !/html/i.test(sdkExchange.headerOf(options, "accept") ?? "")
  const detail = isPage
    ? "an HTML page, so it came from a proxy, a firewall or a login page"
    : reply?.status === 304
    ? "it has not been modified, and holds nothing"
    : isJson.test(contentType) && isBrokenJson(reply?.data)
    ? "its JSON breaks off, or is none"
    : undefined
  if (reply === undefined || detail === undefined) return Effect.succeed(answer)
  const disclosure = disclosures.make(secrets)
  return Effect.fail(
    new GenesysError.UnexpectedReply({
      ...transport.target(request),
      status: reply.status,
      contentType: Disclosure.contentType(contentType),
      detail,
      correlationId: refusal.correlationId(Headers.fromInput(reply.headers), disclosure)
    })
  )
}

/** Not what has a JSON on each line. */
const isJson = /^\s*application\/([\w.-]+\+)?json\s*(;|$)/i

/**
 * What an HTTP client of the SDK cannot parse it hands on as text. So it does with JSON that is a string, which is not
 * mistaken for an object or a list that is broken unless it begins like one.
 */
const isBrokenJson = (data: unknown): boolean =>
  typeof data === "string" && /^\s*[{[]/.test(data) && Option.isNone(parse(data))

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** The SDK waits for a promise: one that is rejected with nothing but an {@link SdkError}. */
export const promiseOf = (fiber: Fiber.RuntimeFiber<unknown, SdkError>, request: SdkRequest): Promise<unknown> =>
  new Promise((resolve, reject) =>
    fiber.addObserver(Exit.match({
      onSuccess: resolve,
      onFailure: (cause) => reject(Option.getOrElse(Cause.failureOption(cause), () => ended(cause, request)))
    }))
  )

const ended = (cause: Cause.Cause<SdkError>, request: SdkRequest): SdkError => {
  const target = transport.target(request)
  const secrets = [sdkExchange.headerOf(request, "authorization")?.replace(/^\S+ +/, "") ?? ""]
  return new SdkError(
    Cause.isInterruptedOnly(cause)
      ? new GenesysError.ApiUnreachable({
        ...target,
        code: Option.none(),
        detail: "the bridge was closed, or the call was interrupted"
      })
      : transport.unreachable(target, Cause.squash(cause), disclosures.make(secrets)),
    { secrets: [] }
  )
}
