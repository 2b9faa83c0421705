// Keeps the target of a redirect, which may be a presigned URL, out of spans, errors and responses.
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Stream from "effect/Stream"
import { isTokenError } from "../../values/TokenError.js"
import * as keptBody from "./keptBody.js"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/** The request that may be redirected: its span shows all headers of the answer but the `Location`. */
export const hidingLocation = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    FiberRef.get(Headers.currentRedactedNames),
    (names) => Effect.locally(self, Headers.currentRedactedNames, [...names, "location"])
  )

/** The request for the target: it has no span of its own, and what comes of it is told of `first`. */
export const hidingTarget = <E, R>(
  self: Effect.Effect<Response, E, R>,
  first: Request
): Effect.Effect<Response, E, R> =>
  Effect.locally(self, HttpClient.currentTracerDisabledWhen, () => true).pipe(
    Effect.mapBoth({
      onFailure: (error) => errorOf(error, first),
      onSuccess: (response) => answerTo(first, response)
    })
  )

const errorOf = <E>(error: E, request: Request): E => {
  // the error of a source shows no query already
  if (!HttpClientError.isHttpClientError(error) || (error._tag === "RequestError" && isTokenError(error.cause))) {
    return error
  }
  const { cause, description, reason } = error
  const told = { request, cause, ...(description === undefined ? {} : { description }) }
  return (error._tag === "RequestError"
    ? new HttpClientError.RequestError({ ...told, reason: reason as HttpClientError.RequestError["reason"] })
    : new HttpClientError.ResponseError({
      ...told,
      reason: reason as HttpClientError.ResponseError["reason"],
      response: answerTo(request, error.response)
    })) as E
}

/** The response of another request, as an answer to this one. */
const answerTo = (request: Request, response: Response): Response => {
  const toJSON = () => ({ ...response.toJSON() as object, request: request.toJSON() })
  const told = <E>(error: E) => errorOf(error, request)
  return Object.create(response, {
    ...keptBody.getters(keptBody.bodies, (name) =>
      name === "stream"
        ? Stream.mapError(response.stream, told)
        : Effect.mapError(response[name] as Effect.Effect<unknown, HttpClientError.ResponseError>, told)),
    ...keptBody.getters(keptBody.others, (name) => name === "request" ? request : response[name]),
    // enumerable: who looks for the response of the runtime looks here
    original: { value: response, enumerable: true },
    toJSON: { value: toJSON },
    toString: { value: () => JSON.stringify(toJSON()) },
    [NodeInspectSymbol]: { value: toJSON }
  })
}
