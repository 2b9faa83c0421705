// A client that follows no redirect.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as OwnRequest from "effect-bearer/OwnRequest"

/**
 * `fetch` alone of the platform's clients follows redirects, to any host and with the body: somebody else's JSON would
 * pass for an answer of the API. With this it hands them on. What else is set for `fetch` stays, here or at the call.
 */
export const notFollowed = (client: HttpClient.HttpClient): Effect.Effect<HttpClient.HttpClient> =>
  Effect.map(
    requestInit,
    (outer) =>
      // what the client sets inside wins over what is said around it, except on redirects
      HttpClient.transformResponse(OwnRequest.clientWithoutRedirects(client), (effect) =>
        Effect.flatMap(
          requestInit,
          (inner) =>
            Effect.provideService(effect, FetchHttpClient.RequestInit, { ...outer, ...inner, redirect: "manual" })
        ))
  )

const requestInit = Effect.map(
  Effect.serviceOption(FetchHttpClient.RequestInit),
  Option.getOrElse((): RequestInit => ({}))
)
