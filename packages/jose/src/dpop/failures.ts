// The errors of a client that adds proofs.
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Disclosure from "effect-bearer/Disclosure"

/** An error that names the call and holds nothing of it: neither headers nor body nor query. */
export const failure = (
  request: HttpClientRequest.HttpClientRequest,
  reason: "Encode" | "InvalidUrl",
  description: string
): HttpClientError.RequestError =>
  new HttpClientError.RequestError({
    request: HttpClientRequest.make(request.method)(Disclosure.url(request.url)),
    reason,
    description
  })

export const relativeUrl = (request: HttpClientRequest.HttpClientRequest): HttpClientError.RequestError =>
  failure(
    request,
    "InvalidUrl",
    "a proof needs an absolute URL. Apply withDpop before mapRequest(prependUrl(...))."
  )

export const strayed = (request: HttpClientRequest.HttpClientRequest, origin: string): HttpClientError.RequestError =>
  failure(
    request,
    "Encode",
    `the inner client took the DPoP proof to ${origin}. Apply followRedirects after withDpop.`
  )

export const withResponse = (
  error: HttpClientError.ResponseError,
  response: HttpClientResponse.HttpClientResponse
): HttpClientError.ResponseError =>
  new HttpClientError.ResponseError({
    request: error.request,
    response,
    reason: error.reason,
    cause: error.cause,
    ...error.description === undefined ? {} : { description: error.description }
  })
