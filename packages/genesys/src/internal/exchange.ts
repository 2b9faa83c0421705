// One exchange with the API: its span, its time limit, and its failures as errors of this package.
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Clocks from "effect-bearer/Clocks"
import * as Disclosure from "effect-bearer/Disclosure"
import * as TokenError from "effect-bearer/TokenError"
import type * as GenesysError from "../GenesysError.js"
import type { Region } from "../Region.js"
import * as body from "./body.js"
import * as deadline from "./deadline.js"
import * as disclosures from "./disclosure.js"
import * as refusal from "./refusal.js"
import * as transport from "./transport.js"

export const make = (plain: HttpClient.HttpClient, region: Region, limit: Duration.Duration) => {
  // The span of the platform shows every header of a response and the whole URL; ours shows what is known to be harmless.
  const base = HttpClient.withTracerPropagation(HttpClient.withTracerDisabledWhen(plain, () => true), false)

  const address = new URL(region.apiUrl).hostname

  /** One exchange over the network, within its time limit, with the errors of this package. */
  return (request: HttpClientRequest.HttpClientRequest) => {
    const target = transport.target(request)
    return Effect.flatMap(Clocks.now, (now) =>
      base.execute(request).pipe(
        // a client decorated with filterStatus fails with the response inside
        Effect.catchIf(isStatus, (error) => Effect.succeed(error.response)),
        // an interrupted caller does not come here: this is a client that interrupted itself
        Effect.catchAllCause((cause) => Effect.fail(failure(target, cause, request))),
        Effect.disconnect,
        Effect.interruptible,
        Effect.timeoutFail({ duration: limit, onTimeout: () => transport.timedOut(target, limit) }),
        Disclosure.unlogged,
        Effect.tap((response) => {
          deadline.remember(response, Clocks.period(now, Duration.toMillis(limit)))
          return Effect.annotateCurrentSpan({
            "http.response.status_code": response.status,
            ...idAttributes(refusal.correlationId(response.headers, disclosures.forRequest(request)))
          })
        }),
        Effect.withSpan(`http.client ${request.method}`, {
          kind: "client",
          captureStackTrace: false,
          attributes: {
            "http.request.method": request.method,
            "server.address": address,
            "url.path": target.url.slice(region.apiUrl.length)
          }
        })
      ))
  }
}

/** No more than this is read of an error: 1 MiB. */
const longestError = 1_048_576

/** The error for an answer that refuses a call; its body has the rest of the exchange's time. */
export const refused = (
  response: HttpClientResponse.HttpClientResponse,
  region: Region,
  limit: Duration.Duration
): Effect.Effect<GenesysError.Transient | GenesysError.ApiError> =>
  Effect.gen(function*() {
    const receivedAt = yield* Clock.currentTimeMillis
    const { bytes, overflow } = yield* body.read(response, longestError).pipe(
      Effect.timeout(yield* deadline.left(response, limit)),
      Disclosure.unlogged,
      Effect.orElseSucceed((): body.Body => ({ bytes: new Uint8Array(), overflow: false }))
    )
    return refusal.classify(
      {
        ...transport.target(response.request),
        status: response.status,
        headers: response.headers,
        body: body.text(bytes),
        overflow,
        receivedAt
      },
      region,
      disclosures.forRequest(response.request)
    )
  })

/** What a span says of an answer. */
export const idAttributes = (id: Option.Option<string>): Readonly<Record<string, string>> =>
  Option.isSome(id) ? { "genesys.correlation_id": id.value } : {}

const isStatus = (error: HttpClientError.HttpClientError): error is HttpClientError.ResponseError =>
  error._tag === "ResponseError" && error.reason === "StatusCode"

const failure = (
  target: transport.Target,
  cause: Cause.Cause<HttpClientError.HttpClientError>,
  request: HttpClientRequest.HttpClientRequest
): GenesysError.ApiUnreachable | TokenError.InvalidConfiguration => {
  const error = Cause.failureOption(cause)
  return Option.isSome(error) && transport.isInvalid(error.value)
    ? new TokenError.InvalidConfiguration({
      fields: ["url"],
      detail: `the HTTP client cannot send this request to ${target.url}`
    })
    : transport.unreachable(target, Cause.squash(cause), disclosures.forRequest(request))
}
