// Requests to origins that get no token.
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TokenEvent } from "../../values/TokenEvent.js"
import type { Context, Result } from "./context.js"
import { keyOf } from "./context.js"
import * as misuse from "./misuse.js"
import * as Origins from "./origins.js"
import * as refusal from "./refusal.js"

/** How many origins of one client are remembered. An origin that was pushed out counts as new. */
const mostOrigins = 100

/** Sends a request as it is. A 401 in answer to it may mean that an origin is missing from the list. */
export const makeWithoutToken = <E, R, E2, E3>(context: Context<E, R, E2, E3>) => {
  const told = new Set<string>()
  const isNew = (origin: string): boolean => {
    if (told.has(origin)) return false
    if (told.size >= mostOrigins) {
      const [oldest] = told
      if (oldest !== undefined) told.delete(oldest)
    }
    told.add(origin)
    return true
  }

  const missed = (
    request: HttpClientRequest.HttpClientRequest,
    response: HttpClientResponse.HttpClientResponse
  ): Effect.Effect<void> => {
    const origin = Origins.originOf(request.url)
    if (
      response.status !== 401 || origin === undefined ||
      "authorization" in response.request.headers ||
      (refusal.originOfAnswer(response) ?? Origins.originOf(response.request.url)) !== origin || !isNew(origin)
    ) {
      return Effect.void
    }
    return Effect.flatMap(Clock.currentTimeMillis, (at) =>
      context.hooks.publish(TokenEvent.SentWithoutToken({
        key: keyOf(context, context.options.request),
        at,
        origin,
        allowed: misuse.nearest(origin, context.settings.origins.list)
      })))
  }

  return (request: HttpClientRequest.HttpClientRequest): Result<E, R> =>
    Effect.tapBoth(context.self.execute(request), {
      onSuccess: (response) => missed(request, response),
      onFailure: (error) =>
        HttpClientError.isHttpClientError(error) && error._tag === "ResponseError"
          ? missed(request, error.response)
          : Effect.void
    })
}
