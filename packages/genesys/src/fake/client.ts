// A client whose requests to Genesys Cloud go to the fake cloud.
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { parseUrl } from "../internal/runtime.js"
import * as Region from "../Region.js"

export const hosts: ReadonlySet<string> = new Set(
  Region.all.flatMap(({ environment }) => [`login.${environment}`, `api.${environment}`])
)

/** Clients on top of `fetch` may not set `Host`; this one the fake looks at first. */
export const forwardedHost = "x-forwarded-host"

export const redirected = <E, R>(
  plain: HttpClient.HttpClient.With<E, R>,
  url: string
): HttpClient.HttpClient.With<E, R> =>
  HttpClient.makeWith<never, never, E, R>(
    Effect.flatMap((request) => {
      const meant = parseUrl(request.url)
      if (meant === undefined || !hosts.has(meant.hostname)) return plain.execute(request)
      const sent = request.pipe(
        HttpClientRequest.setUrl(url + request.url.slice(meant.origin.length)),
        HttpClientRequest.setHeaders({ host: meant.host, [forwardedHost]: meant.host })
      )
      return plain.execute(sent).pipe(
        Effect.map((response) => asAskedFor(response, request)),
        Effect.mapError((error) =>
          error instanceof HttpClientError.RequestError
            ? new HttpClientError.RequestError({ ...error, request }) as E
            : error
        )
      )
    }),
    Effect.succeed
  )

/** A client is judged by where its responses come from: they say where the request was meant to go. */
const asAskedFor = (
  response: HttpClientResponse.HttpClientResponse,
  request: HttpClientRequest.HttpClientRequest
): HttpClientResponse.HttpClientResponse => Object.defineProperty(response, "request", { value: request })
