// The errors for a request that must not get the token.
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as foreignError from "../../lifecycle/foreignError.js"
import { InvalidConfiguration, isTokenError } from "../../values/TokenError.js"
import * as Disclosure from "../../wire/Disclosure.js"
import * as Origins from "./origins.js"

export const relativeUrl = (request: HttpClientRequest.HttpClientRequest): InvalidConfiguration =>
  new InvalidConfiguration({
    fields: ["url"],
    detail: `${Disclosure.url(request.url)} is no absolute URL, so nobody can tell where the token would go. Apply ` +
      "withBearer before mapRequest(prependUrl(...)), and give HttpApiClient.makeWith its baseUrl."
  })

/** The same for a `fetch`, which a browser would complete by the address of the page. */
export const relativeFetch = (url: string): InvalidConfiguration =>
  new InvalidConfiguration({
    fields: ["url"],
    detail:
      `${Disclosure.url(url)} is no absolute URL, and the fetch of withFetch completes none, so nobody can tell ` +
      "where the token would go. Give the SDK its base URL, or call fetch with new URL(path, base)."
  })

export const otherOrigin = (request: HttpClientRequest.HttpClientRequest): InvalidConfiguration =>
  new InvalidConfiguration({
    fields: ["origins"],
    detail: `${Origins.originOf(request.url)} is not among them. Add it, or wrap the call in BearerAuth.skip.`
  })

export const strayed = (response: HttpClientResponse.HttpClientResponse): InvalidConfiguration =>
  new InvalidConfiguration({
    fields: ["origins"],
    detail: `the inner client took the token to ${Origins.originOf(response.request.url)}, which is not among them. ` +
      "Apply followRedirects after withBearer. If the client is meant to go there, add the origin."
  })

export const illegalToken = new InvalidConfiguration({
  fields: ["source"],
  detail: "its token, or the type of it, holds characters that cannot stand in a header."
})

export const declined = (request: HttpClientRequest.HttpClientRequest): string =>
  `${
    Origins.originOf(request.url)
  } answered 401, and the option isAuthFailure says that the token is not the reason, ` +
  "so the token is not renewed. If it should be, combine the option with BearerAuth.isAuthFailure."

/** The allowed origin that was most likely meant by `origin`: same host, then same host name in another scheme or port. */
export const nearest = (origin: string, list: ReadonlyArray<string>): string => {
  const { hostname } = new URL(origin)
  return list.find((allowed) => new URL(allowed).hostname === hostname) ?? list[0] ?? ""
}

/** A request error that names the call, without its headers, body and query. */
export const fold = (error: unknown, request: HttpClientRequest.HttpClientRequest): HttpClientError.RequestError => {
  const known = isTokenError(error)
  return new HttpClientError.RequestError({
    request: HttpClientRequest.make(request.method)(Disclosure.url(request.url)),
    reason: foreignError.isRetryable(error) ? "Transport" : "Encode",
    description: known
      ? error.message
      : `no token: ${foreignError.nameOf(error, "the source failed")}`,
    // An HttpClientError holds headers and prints them.
    cause: HttpClientError.isHttpClientError(error) ? undefined : error
  })
}
