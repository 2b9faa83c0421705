import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** The body of a response is read after the client has handed it out; the limit is for both together. */
const deadlines = new WeakMap<HttpClientResponse.HttpClientResponse, number>()

export const remember = (response: HttpClientResponse.HttpClientResponse, until: number): void =>
  void deadlines.set(response, until)

/** What is left of the time for this response; `fallback` for one that did not come from the client here. */
export const left = (
  response: HttpClientResponse.HttpClientResponse,
  fallback: Duration.Duration
): Effect.Effect<Duration.Duration> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const until = deadlines.get(response)
    return until === undefined ? fallback : Duration.millis(Math.max(1, until - now))
  })
