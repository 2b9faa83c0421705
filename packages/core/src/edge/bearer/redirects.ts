// Follows redirects hop by hop, on runtimes whose `fetch` would carry the token along to another origin.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as urls from "../../values/urls.js"
import * as Disclosure from "../../wire/Disclosure.js"
import * as hopSecrecy from "./hopSecrecy.js"
import * as replay from "./replay.js"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/** As many as `fetch` follows. */
const mostHops = 20

/** Why `fetch` rejects where it can follow no further. */
export const unfollowed =
  `a redirect cannot be followed: there were ${mostHops} before it, its Location is no http(s) ` +
  "URL, or the body cannot be sent again"

export const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status)

class Hops extends Context.Reference<Hops>()("effect-bearer/BearerAuth/Hops", { defaultValue: () => 0 }) {}

/** How many redirects were followed by hand before the request that is sent in this context. */
export const hopsOf = (context: Context.Context<never>): number => context.unsafeMap.get(Hops.key) ?? 0

/** A redirect has a short body or none. */
const patience = "2 seconds"

/** What must not go to another origin (the Fetch standard, "HTTP-redirect fetch"). */
const ofOneOrigin = ["authorization", "cookie", "proxy-authorization"]

/** What describes a body that is not sent any more. */
const ofTheBody = ["content-encoding", "content-language", "content-location", "content-type", "content-length"]

/** What the program has said in `FetchHttpClient.RequestInit` of redirects, where the request is sent. */
const mode = (context: Context.Context<never>): RequestRedirect =>
  Option.match(Context.getOption(context, FetchHttpClient.RequestInit), {
    onNone: () => "follow" as const,
    onSome: ({ redirect }) => redirect ?? "follow"
  })

/**
 * Follows the redirects of a request as `fetch` does, unless the program has said that it wants them itself. **The rule:
 * each hop of a redirect is a request of its own, and its origin decides whether it gets the token.** Cloudflare Workers
 * with a compatibility date before 2025-09-01 send `Authorization` to the target of a redirect, whatever its origin.
 * `start` has to send without redirects.
 *
 * The target of a redirect may be a presigned URL: as where `fetch` follows by itself, no span, error or response shows
 * it (see `hopSecrecy`).
 *
 * **Limit.** A redirect that cannot be followed (too many of them, a `Location` that is no URL, a stream that would have
 * to be sent again) is an error of `fetch`, and here the answer, because a client may have errors of its own only.
 */
export const following =
  <E, R>(start: (request: Request) => Effect.Effect<Response, E, R>) =>
  (request: Request): Effect.Effect<Response, E, R> => {
    const hop = (at: Request, hops: number): Effect.Effect<Response, E, R> =>
      hops === 0
        ? hopSecrecy.hidingLocation(start(at))
        : hopSecrecy.hidingTarget(Effect.provideService(start(at), Hops, hops), request)
    const go = (at: Request, hops: number): Effect.Effect<Response, E, R> => {
      const follow = (response: Response, otherwise: Effect.Effect<Response, E>): Effect.Effect<Response, E, R> =>
        hops < mostHops && isRedirect(response.status)
          ? Effect.flatMap(replay.settled(at.body), () => {
            const next = nextHop(at, response)
            return next === undefined ? otherwise : Effect.zipRight(drain(response), go(next, hops + 1))
          })
          : otherwise
      return Effect.matchEffect(hop(at, hops), {
        // an inner `filterStatusOk` turns a redirect into an error
        onFailure: (error) =>
          HttpClientError.isHttpClientError(error) && error._tag === "ResponseError" && error.reason === "StatusCode"
            ? follow(error.response, Effect.fail(error))
            : Effect.fail(error),
        onSuccess: (response) => follow(response, Effect.succeed(response))
      })
    }
    return Effect.contextWithEffect((context: Context.Context<never>) =>
      mode(context) === "follow" ? go(request, 0) : start(request)
    )
  }

const drain = (response: Response): Effect.Effect<void> =>
  response.arrayBuffer.pipe(
    Effect.interruptible,
    Effect.disconnect,
    Effect.timeout(patience),
    Effect.ignore,
    Disclosure.unlogged
  )

/** The request for the target of a redirect; none if there is no target, or if the body cannot be sent twice. */
export const nextHop = (request: Request, response: Response): Request | undefined => {
  const { headers: { location }, status } = response
  if (location === undefined || !isRedirect(status)) return undefined
  const from = HttpClientRequest.toUrl(request)
  const base = Option.isSome(from) ? from.value : undefined
  const to = base === undefined ? undefined : urls.parse(location, base)
  if (base === undefined || to === undefined) return undefined
  if (to.protocol !== "https:" && to.protocol !== "http:") return undefined
  const becomesGet = status === 303
    ? request.method !== "GET" && request.method !== "HEAD"
    : status < 303 && request.method === "POST"
  if (!becomesGet && !replay.isReplayable(request.body, false)) return undefined
  const lost = [...(becomesGet ? ofTheBody : []), ...(to.origin === base.origin ? [] : ofOneOrigin)]
  const headers = lost.reduce<Headers.Headers>((headers, name) => Headers.remove(headers, name), request.headers)
  const next = HttpClientRequest.make(becomesGet ? "GET" : request.method)(to, { headers })
  return becomesGet ? next : HttpClientRequest.setBody(next, request.body)
}
