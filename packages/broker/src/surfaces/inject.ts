/** F3: `GET /inject/{profile}`, for reverse proxies that ask before each call and copy a header from the answer. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Ask } from "../guard/guard.js"
import { headers } from "../guard/refusal.js"
import { asLater } from "./failure.js"
import type { Answer, Serving } from "./serving.js"
import { authorization, decide, failing, handOut, lookAt, refusing } from "./serving.js"

export const answer = (serving: Serving, ask: Ask): Effect.Effect<Answer> => {
  const decided = decide(serving, ask)
  if (Either.isLeft(decided)) return refusing(serving, ask, decided.left, ask.route.profile)
  const { granted, request } = decided.right
  return Effect.flatMap(lookAt(granted, request), (look) =>
    look._tag === "Found"
      ? handOut(serving, ask, granted, look, ({ token }) =>
        HttpServerResponse.empty({
          status: 200,
          headers: { ...headers, "content-length": "0", authorization: authorization(token) }
        }))
      : failing(serving, ask, granted, look, asLater))
}
