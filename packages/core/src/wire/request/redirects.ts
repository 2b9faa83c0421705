// Redirects: how they are kept from a client that would follow them, and how an answer shows that one was followed.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as urls from "../../values/urls.js"

type Request = HttpClientRequest.HttpClientRequest

/**
 * Changes a request, and the settings that `fetch` gets with it, as the last one to do so. A client may set
 * `FetchHttpClient.RequestInit` inside, for a dispatcher or a cache mode: that wins over what is said around it. So this is
 * said from inside, where the request is made: after all `HttpClient.transformResponse` of the client, and after the
 * services that were given to the layer of the client.
 *
 * What a client adds inside an `HttpClient.transform`, or inside a client of its own around another, comes later still.
 */
export const lastSaid = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  change: (request: Request, given: RequestInit) => readonly [Request, RequestInit]
): HttpClient.HttpClient.With<E, R> =>
  HttpClient.mapRequestInputEffect(
    client,
    (request) =>
      FiberRef.modify(FiberRef.currentContext, (context: Context.Context<never>) => {
        const [next, init] = change(
          request,
          Option.getOrElse(Context.getOption(context, FetchHttpClient.RequestInit), (): RequestInit => ({}))
        )
        return [next, Context.add(context, FetchHttpClient.RequestInit, init)]
      })
  ).pipe(
    // the services are those of before when the request is over
    HttpClient.transformResponse(Effect.mapInputContext((context: Context.Context<R>) => context))
  )

/**
 * Where a client went that followed redirects by itself, if its response says so. A response of `@effect/platform` names
 * only the request. The runtime's own response inside it knows more: the `Response` of `fetch` has the last `url`, the
 * response of undici a `history` of all URLs, both only after a redirect.
 */
export const followed = (response: object, depth = 0): ReadonlyArray<string> => {
  for (const value of Object.values(response)) {
    if (typeof value !== "object" || value === null) continue
    if (value.redirected === true && typeof value.url === "string" && value.url !== "") return [value.url]
    const history: unknown = value.context?.history
    if (Array.isArray(history) && history.length > 0) return history.map(String)
    if (HttpClientResponse.TypeId in value && depth < 8) {
      const passed = followed(value, depth + 1)
      if (passed.length > 0) return passed
    }
  }
  return []
}

/** Where an answer comes from that is not that of the server that was asked. */
export const elsewhere = (response: HttpClientResponse.HttpClientResponse): string | undefined =>
  followed(response).at(-1) ?? silently(response, response.request, 0)

/** A `fetch` of another make may not know `redirected`; it still says in `url` where the answer comes from. */
const silently = (response: object, request: Request, depth: number): string | undefined => {
  for (const value of Object.values(response)) {
    if (typeof value !== "object" || value === null) continue
    if (HttpClientResponse.TypeId in value) {
      const found = depth < 8 ? silently(value, request, depth + 1) : undefined
      if (found !== undefined) return found
    } else if (value.redirected === undefined && typeof value.url === "string" && typeof value.status === "number") {
      const url = urls.parse(value.url)
      if (url !== undefined && url.origin !== "null" && withoutHash(url) !== hrefOf(request)) return value.url
    }
  }
  return undefined
}

const hrefOf = (request: Request): string | undefined =>
  Option.getOrUndefined(Option.map(HttpClientRequest.toUrl(request), withoutHash))

const withoutHash = (url: URL): string => url.href.slice(0, url.href.length - url.hash.length)
