/** F4: `GET /v1/profiles/{profile}/token`, JSON for people and scripts; `?min_ttl=` seconds of life that are needed. */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type { Ask } from "../guard/guard.js"
import type { Refusal } from "../guard/refusal.js"
import { badRequest } from "../guard/refusal.js"
import type { Found } from "../profile/look.js"
import type { Answer, Serving } from "./serving.js"
import { decide, expiresIn, failing, handOut, json, lookAt, refusing } from "./serving.js"

export const answer = (
  serving: Serving,
  ask: Ask
): Effect.Effect<Answer, never, HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => {
    const decided = Either.flatMap(
      decide(serving, ask),
      (decided) => Either.map(leastIn(url), (least) => ({ ...decided, least }))
    )
    if (Either.isLeft(decided)) return refusing(serving, ask, decided.left, ask.route.profile)
    const { granted, least, request } = decided.right
    return Effect.flatMap(lookAt(granted, request, { least }), (look) =>
      look._tag === "Found"
        ? Effect.flatMap(Clock.currentTimeMillis, (now) =>
          handOut(serving, ask, granted, look, (found) => json(describe(found, now))))
        : failing(serving, ask, granted, look))
  })

/** A day and more is what half of no token's life is. */
const longest = 30 * 86_400

const leastIn = (url: string): Either.Either<Duration.Duration | undefined, Refusal> => {
  const query = url.indexOf("?")
  const text = query === -1 ? null : new URLSearchParams(url.slice(query + 1)).get("min_ttl")
  if (text === null) return Either.right(undefined)
  return /^\d{1,7}$/.test(text) && Number(text) <= longest
    ? Either.right(Duration.seconds(Number(text)))
    : Either.left(badRequest(`min_ttl is a whole number of seconds, ${longest} at most.`))
}

/** By the clock of this machine; `remaining` is what counts. */
export const describe = ({ refreshing, remaining, token }: Found, now: number) => ({
  access_token: Redacted.value(token.value),
  token_type: token.tokenType,
  expires_at: new Date(now + remaining).toISOString(),
  remaining: expiresIn(remaining),
  scopes: token.scopes,
  refreshing
})
