// The HTTP client for one region: limits, retries, and errors in the terms of Genesys Cloud.
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as BearerAuth from "effect-bearer/BearerAuth"
import * as RetryPolicy from "effect-bearer/RetryPolicy"
import * as Settings from "effect-bearer/Settings"
import * as TokenError from "effect-bearer/TokenError"
import type * as TokenSource from "effect-bearer/TokenSource"
import type * as GenesysError from "../GenesysError.js"
import * as rateGate from "../rate/gate.js"
import type { Region } from "../Region.js"
import type { ApiOptions } from "./apiOptions.js"
import * as deadline from "./deadline.js"
import * as exchanges from "./exchange.js"
import * as refusal from "./refusal.js"
import * as transport from "./transport.js"

type Outcome = Either.Either<HttpClientResponse.HttpClientResponse, GenesysError.RequestError>

type Later = GenesysError.Transient

/** How one exchange can fail. */
type Failure = GenesysError.ResponseError | TokenError.InvalidConfiguration | rateGate.Held

/** Whether the call only reads, whatever its method: then it may be sent again after a 5xx. */
export class ReadOnly extends Context.Reference<ReadOnly>()("@effect-bearer/genesys/ReadOnly", {
  defaultValue: () => false
}) {}

/** What the attempts of one call know of each other. */
interface Call {
  /** How often it was sent. */
  sent: number
  /** Whether the caller brought a token along, which has limits of its own. */
  readonly ownToken: boolean
}

class CurrentCall extends Context.Reference<CurrentCall>()("@effect-bearer/genesys/CurrentCall", {
  defaultValue: (): Call => ({ sent: 0, ownToken: true })
}) {}

const readingMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"])

/** A timer of the runtime counts milliseconds in 31 bits; a longer sleep never wakes. */
const longestWait = Duration.days(7)

const ranges = {
  timeout: Settings.duration("5 seconds", { least: 1, unlimited: true }),
  maxRetryAfter: Settings.duration("3 minutes", { unlimited: true }),
  defaultRetryAfter: Settings.duration("10 seconds", { most: longestWait })
}

/** The mistakes in the options, each with its name after `prefix`. */
export const problems = (options: ApiOptions, prefix = ""): ReadonlyArray<Settings.Problem> =>
  Settings.problems(ranges, options, prefix)

/** The client. The options must have no problems. */
export const make = (
  plain: HttpClient.HttpClient,
  tokens: TokenSource.With<TokenError.TokenError>,
  region: Region,
  options: ApiOptions,
  gates: rateGate.Gates
): HttpClient.HttpClient.With<GenesysError.RequestError> => {
  const millis = (name: keyof typeof ranges) => Duration.millis(Settings.value(ranges[name], options[name]))
  const limit = millis("timeout")
  const maxRetryAfter = Duration.min(millis("maxRetryAfter"), longestWait)
  const assumed = millis("defaultRetryAfter")

  const policy = options.retry === undefined
    ? RetryPolicy.exponentialJitter<Later>({ base: "500 millis", maxRetries: 3, maxElapsed: Infinity })
    : options.retry
  /** A client that sends nothing again does not wait, either. */
  const maxWait = policy === false ? Duration.zero : maxRetryAfter
  const schedule = policy === false ?
    undefined :
    Schedule.mapInput(
      policy,
      (error: Later): Later =>
        error._tag === "ApiRateLimited" && Option.isNone(error.retryAfter)
          ? changed(error, { retryAfter: Option.some(assumed) })
          : error
    )

  const exchange = exchanges.make(plain, region, limit)

  const refused = (response: HttpClientResponse.HttpClientResponse) => exchanges.refused(response, region, limit)

  /** The same at the pace of the rate limit, with a 429 as an error. The request has its token already. */
  const paced = (
    request: HttpClientRequest.HttpClientRequest
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, Failure> =>
    Effect.flatMap(CurrentCall, (call) => {
      const send = (report: rateGate.Report): Effect.Effect<HttpClientResponse.HttpClientResponse, Failure> => {
        call.sent++
        return Effect.flatMap(exchange(request), (response) =>
          response.status === 429
            ? Effect.flatMap(refused(response), (error) =>
              Effect.zipRight(
                error._tag === "ApiRateLimited" ? report.refused(error, waitOf(error)) : Effect.void,
                Effect.fail(error)
              ))
            : Effect.as(report.answered(refusal.rateLimitIn(response.headers)), response))
      }
      return call.ownToken
        ? send(rateGate.unguarded)
        : rateGate.pass(gates, { ...transport.target(request), sent: call.sent, maxWait }, send)
    })

  const waitOf = ({ retryAfter }: GenesysError.ApiRateLimited) => Option.getOrElse(retryAfter, () => assumed)

  const authenticated = HttpClient.makeWith<never, never, Failure, never>(Effect.flatMap(paced), Effect.succeed).pipe(
    BearerAuth.withBearer(tokens, { origins: [region.apiUrl], onOtherOrigin: "fail" })
  )

  /** Fails only with an error after which the call may be sent again: every other outcome is a value, which no policy sees. */
  const attempt = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<Outcome, Later> =>
    Effect.flatMap(Effect.either(authenticated.execute(request)), (result): Effect.Effect<Outcome, Later> => {
      if (Either.isRight(result)) {
        return isSuccess(result.right.status)
          ? Effect.succeed(Either.right(deadline.limited(result.right, limit)))
          : Effect.flatMap(refused(result.right), (error) => again(error, request))
      }
      const error = result.left
      switch (error._tag) {
        case "Held":
          return Effect.succeed(Either.left(error.error))
        case "ApiRateLimited":
        case "ApiUnavailable":
        case "ApiError":
          return again(error, request)
        default:
          return Effect.succeed(Either.left(explain(error, region)))
      }
    })

  const again = (
    error: Later | GenesysError.ApiError,
    request: HttpClientRequest.HttpClientRequest
  ): Effect.Effect<Outcome, Later> =>
    Effect.flatMap(ReadOnly, (readOnly) =>
      error.retryable && mayRepeat(error, request, readOnly)
        ? Effect.fail(error)
        : Effect.succeed(Either.left(error)))

  const mayRepeat = (error: Later, request: HttpClientRequest.HttpClientRequest, readOnly: boolean): boolean =>
    BearerAuth.isReplayable(request.body, false) &&
    (error._tag === "ApiRateLimited" || readOnly || readingMethods.has(request.method)) &&
    !Option.exists(error.retryAfter, (wait) => Duration.greaterThan(wait, maxRetryAfter))

  const execute = (request: HttpClientRequest.HttpClientRequest) => {
    const prepared = prepare(request, region)
    const once = attempt(prepared)
    const retried = schedule === undefined ? once : RetryPolicy.retry(once, schedule).pipe(
      Effect.catchTag("RetriesExhausted", ({ attempts, last }) => Effect.fail(changed(last, { attempts })))
    )
    return Effect.suspend(() =>
      Effect.provideService(Effect.flatten(retried), CurrentCall, {
        sent: 0,
        ownToken: "authorization" in prepared.headers
      })
    )
  }

  return HttpClient.makeWith<never, never, GenesysError.RequestError, never>(Effect.flatMap(execute), Effect.succeed)
}

// ---------------------------------------------------------------------------------------------------------------

const isSuccess = (status: number): boolean => (status >= 200 && status <= 299) || status === 304

/** A path is put under the URL of the API; an absolute URL is left as it is. */
const prepare = (
  request: HttpClientRequest.HttpClientRequest,
  region: Region
): HttpClientRequest.HttpClientRequest => {
  const absolute = /^[a-z][a-z0-9+.-]*:/i.test(request.url)
    ? request
    : HttpClientRequest.setUrl(request, `${region.apiUrl}/${request.url.replace(/^\/+/, "")}`)
  return "accept" in absolute.headers ? absolute : HttpClientRequest.acceptJson(absolute)
}

/** Adds to an error of core what is particular to this client. */
const explain = (error: GenesysError.RequestError, region: Region): GenesysError.RequestError => {
  if (error._tag === "InvalidConfiguration" && error.fields[0] === "origins") {
    return new TokenError.InvalidConfiguration({
      fields: ["url"],
      detail: `this client calls ${region.apiUrl} and nothing else. Use the HttpClient of the platform for other hosts.`
    })
  }
  if (!TokenError.hasCode(error, "invalid_client")) return error
  // a wrong region looks like a wrong client id
  const hint = `An OAuth client is known in the region of its organization only: is that ${region.environment}?`
  return new TokenError.OAuthError({
    ...fieldsOf(error),
    advice: Option.some(Option.match(error.advice, { onNone: () => hint, onSome: (advice) => `${advice} ${hint}` }))
  })
}

const fieldsOf = ({ description, endpoint, error, status, uri }: TokenError.OAuthError) => ({
  description,
  endpoint,
  error,
  status,
  uri
})

const changed = <E extends Later>(error: E, fields: Partial<Pick<Later, "attempts" | "retryAfter">>): E =>
  new (error.constructor as new(fields: object) => E)({ ...error, ...fields })
