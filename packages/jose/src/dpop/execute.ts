// Sends a request that carries a proof, so that the proof goes nowhere else and is shown nowhere.
import * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as OwnRequest from "effect-bearer/OwnRequest"

/**
 * A proof is no secret, but it can be used for as long as the server takes it for fresh. So it is shown nowhere.
 */
export const header = "dpop"

/** A redirect that fetch followed by itself would carry the proof along, to where it proves nothing. */
export const execute = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
  Effect.locallyWith(
    OwnRequest.clientWithoutRedirects(client).execute(request),
    Headers.currentRedactedNames,
    (names) => names.includes(header) ? names : [...names, header]
  )
