import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Clocks from "effect-bearer/Clocks"

/**
 * The time of one exchange. The body of a response is read after the client has handed it out, and the limit is for
 * both together: so it is remembered as a period of the steady clock, which somebody who sets the time does not change.
 */
const deadlines = new WeakMap<HttpClientResponse.HttpClientResponse, Clocks.Period>()

export const remember = (response: HttpClientResponse.HttpClientResponse, limit: Clocks.Period): void =>
  void deadlines.set(response, limit)

/** What is left of the time for this response; `fallback` for one that did not come from the client here. */
export const left = (
  response: HttpClientResponse.HttpClientResponse,
  fallback: Duration.Duration
): Effect.Effect<Duration.Duration> =>
  Effect.map(Clocks.now, (now) => {
    const limit = deadlines.get(response)
    return limit === undefined ? fallback : Duration.millis(Math.max(1, Clocks.left(limit, now)))
  })
