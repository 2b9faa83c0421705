/** F2: `POST /auth/token/check`, for flows that name a client and want its token or a "come back" (SPEC C2 to C4). */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { readJson } from "../guard/form.js"
import type { Ask } from "../guard/guard.js"
import type { Refusal } from "../guard/refusal.js"
import { badRequest, headers, refuse } from "../guard/refusal.js"
import type { Answer, Granted, Serving } from "./serving.js"
import { decideAt, failing, grantedTo, handOut, json, lookAt, refusing, tokenBody } from "./serving.js"

/** What a flow sends. */
export const Body = Schema.Struct({
  client_id: Schema.NonEmptyString,
  request_timestamp: Schema.optional(Schema.Union(Schema.String, Schema.Number))
})

const decode = Schema.decodeUnknownOption(Body)

/** A clock that is further away than this is worth a warning. */
const tolerated = 300_000

export interface Limits {
  readonly body: number
  readonly sending: Duration.Duration
}

export const answer = (
  serving: Serving,
  ask: Ask,
  request: HttpServerRequest.HttpServerRequest,
  limits: Limits
): Effect.Effect<Answer> =>
  Effect.matchEffect(readJson(request, limits.body, limits.sending), {
    onFailure: (refusal) => refusing(serving, ask, refusal),
    onSuccess: (body) => {
      const named = decode(body)
      return Option.isSome(named) ? check(serving, ask, named.value) : refusing(serving, ask, unknownBody)
    }
  })

const unknownBody = badRequest(
  "The body is {\"client_id\": text, \"request_timestamp\": text or number}; client_id is needed."
)

const check = (serving: Serving, ask: Ask, body: typeof Body.Type): Effect.Effect<Answer> => {
  const decided = Either.flatMap(profileOf(serving, ask, body.client_id), decideAt)
  if (Either.isLeft(decided)) return refusing(serving, ask, decided.left)
  const { granted, request } = decided.right
  return Effect.flatMap(lookAt(granted, request), (look) => {
    switch (look._tag) {
      case "Found":
        return Effect.flatMap(
          Clock.currentTimeMillis,
          (now) =>
            handOut(serving, ask, granted, look, (found) =>
              json(tokenBody(found), {
                ...(found.refreshing ? { "x-token-refreshing": "true" } : {}),
                ...clockWarning(body.request_timestamp, now)
              }))
        )
      case "Awaited":
        return Effect.as(
          refusing(serving, ask, accepted, granted.running.name),
          HttpServerResponse.unsafeJson({ status: "refreshing" }, {
            status: 202,
            headers: { ...headers, "retry-after": "1" }
          })
        )
      case "Failed":
        return failing(serving, ask, granted, look)
    }
  })
}

/** For counters and the audit: no token went out. */
const accepted: Refusal = {
  reason: "upstream",
  status: 202,
  code: "temporarily_unavailable",
  name: "RetryExhausted",
  message: "refreshing"
}

/** The profile with this client id that the caller may use. */
const profileOf = (serving: Serving, ask: Ask, clientId: string): Either.Either<Granted, Refusal> => {
  const usable: Array<Granted> = []
  let isKnown = false
  for (const name of ask.caller?.grants.keys() ?? []) {
    if (serving.registry.get(name)?.config.clientId !== clientId) continue
    isKnown = true
    const granted = grantedTo(serving, ask, name)
    if (Either.isRight(granted)) usable.push(granted.right)
  }
  const [only] = usable
  if (usable.length > 1) {
    return Either.left(badRequest(
      "The caller may use several profiles with this client_id. Give it one of them, or ask at the profile's own path."
    ))
  }
  return only === undefined ? Either.left(isKnown ? refuse.surface : refuse.profile) : Either.right(only)
}

/** RFC 9111 §5.5 form, for a caller whose clock is off: never a reason to refuse. */
const clockWarning = (given: string | number | undefined, now: number): Readonly<Record<string, string>> => {
  if (given === undefined) return {}
  const at = typeof given === "number"
    // seconds until the year 5138, milliseconds from 1973 on
    ? (given < 1e11 ? given * 1000 : given)
    : Date.parse(given)
  const off = Math.abs(at - now)
  return off <= tolerated ? {} : {
    warning: Number.isFinite(off)
      ? `299 - "request_timestamp is ${Math.round(off / 1000)} s away from the broker's clock"`
      : "299 - \"request_timestamp is no time that could be read\""
  }
}
