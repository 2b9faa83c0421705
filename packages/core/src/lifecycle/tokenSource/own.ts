// A source from an effect of the user's.
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import type { AccessToken } from "../../values/AccessToken.js"
import * as ranges from "../../values/settingRanges.js"
import * as Settings from "../../values/Settings.js"
import * as TokenError from "../../values/TokenError.js"
import type * as TokenRequest from "../../values/TokenRequest.js"
import type { With } from "../source.js"
import * as source from "../source.js"

/** See `TokenSource.make`. */
export const make = <E, R>(
  fetch: (request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E, R>,
  timeout: Duration.DurationInput | undefined
): Effect.Effect<With<E | TokenError.EndpointTimeout>, never, R> =>
  Effect.flatMap(Effect.context<R>(), (context) => {
    // the span of this moment will have ended long before the source is used
    const services = Context.omit(Tracer.ParentSpan)(context as Context.Context<R | Tracer.ParentSpan>)
    const limit = timeout === undefined ? Number.POSITIVE_INFINITY : Settings.value(ranges.source.timeout, timeout)
    return Effect.zipRight(
      Settings.warn(Settings.problems(ranges.source, { timeout })),
      source.make<E | TokenError.EndpointTimeout>({
        fetch: (request) =>
          within(
            Effect.mapInputContext(
              fetch(request),
              (caller: Context.Context<never>) => Context.merge(caller, services) as Context.Context<R>
            ),
            limit
          ),
        deadline: Number.isFinite(limit) ? limit : undefined
      })
    )
  })

const within = <E>(token: Effect.Effect<AccessToken, E>, limit: number) =>
  Number.isFinite(limit)
    ? Effect.timeoutFail(token, {
      duration: Duration.millis(limit),
      onTimeout: () =>
        new TokenError.EndpointTimeout({ endpoint: "The token source", phase: "total", limit: Duration.millis(limit) })
    })
    : token
