// Sends a request again that the API has throttled, when the API allows it.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Call, Context, Outcome, Result } from "./context.js"
import type { Throttling } from "./options.js"
import * as replay from "./replay.js"

export const isThrottled = (
  throttling: Throttling | undefined,
  { status }: HttpClientResponse.HttpClientResponse
): boolean => throttling !== undefined && (status === 429 || status === 503)

export const retryLater = <E, R, E2, E3>(
  context: Context<E, R, E2, E3>,
  call: Call,
  response: HttpClientResponse.HttpClientResponse,
  outcome: Outcome<E>
): Result<E | E3, R> => {
  const { throttling } = context.settings
  if (
    throttling === undefined || call.retries >= throttling.maxRetries || !throttling.methods.has(call.request.method)
  ) {
    return outcome()
  }
  const time = Effect.zipRight(replay.settled(call.request.body), Clock.currentTimeMillis)
  return Effect.flatMap(Effect.zip(time, Random.next), ([wall, random]): Result<E | E3, R> => {
    if (!replay.isRepeatable(call.request, response, context.options.replayStreams === true)) return outcome()
    const wait = replay.waitOf(response, throttling, { random, retries: call.retries, wall })
    if (wait === undefined) return outcome()
    call.retries++
    return replay.drain(response).pipe(
      Effect.zipRight(Effect.sleep(wait)),
      Effect.zipRight(Effect.suspend(() => context.attempt(call)))
    )
  })
}
