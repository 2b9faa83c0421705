// Sends the request of a call with a token, and decides by the response what comes next.
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as AccessToken from "../../values/AccessToken.js"
import * as conceal from "./conceal.js"
import type { Call, Context, Outcome, Result } from "./context.js"
import { failWith, fromSource } from "./context.js"
import * as hiding from "./hiding.js"
import { watched } from "./keptBody.js"
import * as misuse from "./misuse.js"
import type * as Origins from "./origins.js"
import { recover } from "./recover.js"
import * as refusal from "./refusal.js"
import { isThrottled, retryLater } from "./throttled.js"

type Response = HttpClientResponse.HttpClientResponse

/** Gets a token and sends the request of a call with it. */
export const attempt = <E, R, E2, E3>(context: Context<E, R, E2, E3>, call: Call): Result<E | E3, R> =>
  Effect.flatMap(
    fromSource(context, context.source.get(call.tokenRequest, call.demand), call),
    (token) => send(context, call, token)
  )

export const send = <E, R, E2, E3>(
  context: Context<E, R, E2, E3>,
  call: Call,
  token: AccessToken.AccessToken
): Result<E | E3, R> => {
  const { guard, options: { isAuthFailure }, settings: { origins, throttling } } = context
  const header = context.authorization(token)
  if (header === undefined) return failWith(context, misuse.illegalToken, call.request)
  // The replay takes this path too: from the caller's request, through the whole client inside, with a header of its own.
  const request = hiding.withAuthorization(call.request, header)
  return Effect.matchCauseEffect(execute(context, request), {
    onSuccess: (answer) => {
      const response = hiding.hide(answer.request) && !echoes(answer, header)
        ? answer
        : conceal.concealResponse(answer, header)
      if (response.request.url !== request.url && leaked(origins, response, header)) {
        return failWith(context, misuse.strayed(response), call.request)
      }
      // the common case is decided without another effect
      if (isAuthFailure === undefined && response.status !== 401 && !isThrottled(throttling, response)) {
        if (response.status < 400) guard.accepted(token)
        return Effect.succeed(response)
      }
      return judge(context, call, token, header, response, (kept = response) => Effect.succeed(kept))
    },
    onFailure: (shown) => {
      const cause = conceal.concealCause(shown, header)
      const failure = Cause.failureOption(cause)
      if (Option.isNone(failure) || !HttpClientError.isHttpClientError(failure.value)) return Effect.failCause(cause)
      const error = failure.value
      // an inner `filterStatusOk` turns a 401 into an error
      return error._tag === "ResponseError" && error.reason === "StatusCode"
        ? judge(context, call, token, header, error.response, (kept) =>
          Effect.failCause(
            kept === undefined || kept === error.response
              ? cause
              : Cause.map(cause, (error) => answeredBy(error, kept))
          ))
        : Effect.failCause(cause)
    }
  })
}

/** Whether the API has written the token that it refuses into a header of its answer. */
const echoes = ({ headers, status }: Response, header: string): boolean => {
  if (status < 400) return false
  const value = header.slice(header.indexOf(" ") + 1)
  return Object.values(headers).some((text) => text.includes(value))
}

/** A client may throw before there is an effect. */
const execute = <E, R, E2, E3>(
  { bearing }: Context<E, R, E2, E3>,
  request: HttpClientRequest.HttpClientRequest
): Result<E, R> => {
  try {
    return bearing.execute(request)
  } catch (defect) {
    return Effect.die(defect)
  }
}

/** Whether the inner client took the header to an origin that is not allowed. */
const leaked = (origins: Origins.Origins, response: Response, header: string): boolean =>
  origins.check(response.request.url) === "other" && response.request.headers["authorization"] === header

/** The same error with another response. */
const answeredBy = <E>(error: E, response: Response): E =>
  HttpClientError.isHttpClientError(error) && error._tag === "ResponseError"
    ? new HttpClientError.ResponseError({
      request: error.request,
      response,
      reason: error.reason,
      cause: error.cause,
      ...(error.description === undefined ? {} : { description: error.description })
    }) as E
    : error

/** The clients whose users have been told that their own rule lets a 401 pass. */
const told = new WeakSet<object>()

const judge = <E, R, E2, E3>(
  context: Context<E, R, E2, E3>,
  call: Call,
  token: AccessToken.AccessToken,
  header: string,
  response: Response,
  outcome: Outcome<E>
): Result<E | E3, R> => {
  const { isAuthFailure } = context.options
  const seen = isAuthFailure === undefined ? undefined : watched(response)
  return Effect.flatMap(
    refusal.isFromRecipient(response, call.request.url, header)
      ? refusal.judge(seen?.response ?? response, isAuthFailure)
      : Effect.succeed<refusal.Verdict>("fine"),
    (verdict) => {
      if (verdict === "refused") {
        return recover(context, call, token, response, outcome, seen?.wasRead() === true)
      }
      if (response.status < 400) context.guard.accepted(token)
      const next = isThrottled(context.settings.throttling, response)
        ? retryLater(context, call, response, outcome)
        : outcome()
      if (verdict === "fine" || told.has(context)) return next
      told.add(context)
      return Effect.zipRight(Effect.logInfo(misuse.declined(call.request)), next)
    }
  )
}
