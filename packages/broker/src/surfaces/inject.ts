/** F3: `GET /inject/{profile}`, for reverse proxies that ask before each call and copy a header from the answer. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Ask } from "../guard/guard.js"
import { headers } from "../guard/refusal.js"
import { nothing } from "../policy/access.js"
import { asLater } from "./failure.js"
import type { Answer, Serving } from "./serving.js"
import { authorization, failing, grantedTo, handOut, lookAt, refusing, requestOf } from "./serving.js"

export const answer = (serving: Serving, ask: Ask): Effect.Effect<Answer> => {
  const granted = grantedTo(serving, ask)
  if (Either.isLeft(granted)) return refusing(serving, ask, granted.left, ask.route.profile)
  const request = requestOf(granted.right, nothing)
  if (Either.isLeft(request)) return refusing(serving, ask, request.left, ask.route.profile)
  return Effect.flatMap(lookAt(granted.right, request.right), (look) =>
    look._tag === "Found"
      ? handOut(serving, ask, granted.right, look, ({ token }) =>
        HttpServerResponse.empty({
          status: 200,
          headers: { ...headers, "content-length": "0", authorization: authorization(token) }
        }))
      : failing(serving, ask, granted.right, look, asLater))
}
