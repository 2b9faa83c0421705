// Sends a request that carries a proof, so that the proof goes nowhere else and is shown nowhere.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * A proof is no secret, but it can be used for as long as the server takes it for fresh. So it is shown nowhere.
 */
export const header = "dpop"

/** A redirect that fetch followed by itself would carry the proof along, to where it proves nothing. */
export const execute = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
  Effect.contextWithEffect((context: Context.Context<R>) => {
    const given: RequestInit = Option.getOrElse(Context.getOption(context, FetchHttpClient.RequestInit), () => ({}))
    return Effect.locallyWith(
      Effect.mapInputContext(
        client.execute(request),
        (context: Context.Context<R>) =>
          Context.add(context, FetchHttpClient.RequestInit, {
            ...given,
            redirect: given.redirect === "error" ? "error" : "manual"
          })
      ),
      Headers.currentRedactedNames,
      (names) => names.includes(header) ? names : [...names, header]
    )
  })
