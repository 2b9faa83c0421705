// After a response that refuses the token: a new token, and the request once more.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as source_ from "../../lifecycle/source.js"
import * as AccessToken from "../../values/AccessToken.js"
import * as Clocks from "../../values/Clocks.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import type { Call, Context, Outcome, Result } from "./context.js"
import { fromSource, keyOf } from "./context.js"
import { whileReading } from "./keptBody.js"
import * as Origins from "./origins.js"
import * as refusal from "./refusal.js"
import * as replay from "./replay.js"

export const recover = <E, R, E2, E3>(
  context: Context<E, R, E2, E3>,
  call: Call,
  token: AccessToken.AccessToken,
  response: HttpClientResponse.HttpClientResponse,
  outcome: Outcome<E>,
  /** Whether a rule of the user's has read the body of the response. */
  wasRead: boolean
): Result<E | E3, R> =>
  Effect.flatMap(Effect.zipRight(replay.settled(call.request.body), Clocks.now), (now) => {
    const { guard, hooks, options: { replayStreams }, source } = context
    if (refusal.isRedirected(response)) {
      const [url] = call.request.url.split(/[?#]/, 1) as [string]
      if (!call.replayed && guard.isBounce(url, now)) return outcome()
      if (call.replayed) guard.bounced(url, now)
    }
    if (guard.holds(token, now) || (call.replayed && guard.isWatched(token, now))) {
      return Effect.zipRight(reportFresh(context, call, token, now), outcome())
    }
    if (call.replayed) return outcome()
    if (!replay.isRepeatable(call.request, response, replayStreams === true)) {
      return guard.mayInvalidate(call.tokenRequest ?? hooks.defaults, now)
        ? Effect.zipRight(source.invalidate(token, call.tokenRequest), outcome())
        : outcome()
    }
    const renewal = Effect.tap(
      fromSource(context, source_.renewal(source, token, call.tokenRequest), call),
      // at once, for other calls may already be refused with the new token
      (next) =>
        AccessToken.isSame(next, token) ? Effect.void : Effect.map(Clocks.now, (now) => guard.renewed(next, now))
    )
    return wasRead
      ? Effect.flatMap(renewal, (next) => replayed(context, call, token, next, outcome))
      : whileReading(response, renewal, (next, kept) => replayed(context, call, token, next, () => outcome(kept())))
  })

/** Sends the request with the token `next`. `outcome` is for the case that this is the refused token again. */
const replayed = <E, R, E2, E3>(
  context: Context<E, R, E2, E3>,
  call: Call,
  token: AccessToken.AccessToken,
  next: AccessToken.AccessToken,
  outcome: () => Result<E, never>
): Result<E | E3, R> => {
  if (AccessToken.isSame(next, token)) {
    return Effect.flatMap(Clocks.now, (now) => Effect.zipRight(reportFresh(context, call, next, now), outcome()))
  }
  call.replayed = true
  const { replayDelay } = context.settings
  return replayDelay > 0
    ? Effect.zipRight(Effect.sleep(replayDelay), Effect.suspend(() => context.send(call, next)))
    : context.send(call, next)
}

const reportFresh = <E, R, E2, E3>(
  context: Context<E, R, E2, E3>,
  call: Call,
  token: AccessToken.AccessToken,
  now: Clocks.Now
): Effect.Effect<void> =>
  Effect.suspend(() =>
    context.guard.refused(token, now)
      ? context.hooks.publish(TokenEvent.FreshTokenRejected({
        key: keyOf(context, call.tokenRequest),
        at: now.wall,
        origin: Origins.originOf(call.request.url) ?? ""
      }))
      : Effect.void
  )
