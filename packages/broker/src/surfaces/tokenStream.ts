/**
 * F5: `GET /v1/profiles/{profile}/tokens`, server-sent events: the current token first, then one event per rotation.
 *
 * An `id` is the moment when the token was issued, so that it grows from rotation to rotation, also when another broker
 * answers after a lost connection. A client that names the last id it has seen gets the next token, or waits for it.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { AccessToken } from "effect-bearer/AccessToken"
import * as TokenSource from "effect-bearer/TokenSource"
import type { Ask } from "../guard/guard.js"
import { headers } from "../guard/refusal.js"
import type { Found } from "../profile/look.js"
import { describe } from "./profileToken.js"
import type { Answer, Granted, Serving } from "./serving.js"
import { decide, failing, lookAt, mayHandOut, refusing } from "./serving.js"
import { tooManyStreams } from "./streams.js"

/** A proxy cuts connections that say nothing. */
const heartbeat = Duration.seconds(15)

/** A comment: clients skip it. */
const beat = ": still here\n\n"

const encoder = new TextEncoder()

export const answer = (
  serving: Serving,
  ask: Ask
): Effect.Effect<Answer, never, HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (httpRequest) => {
    const decided = decide(serving, ask)
    if (Either.isLeft(decided)) return refusing(serving, ask, decided.left, ask.route.profile)
    const { granted, request } = decided.right
    if (!serving.streams.mayOpen(ask.caller?.id)) {
      return refusing(serving, ask, tooManyStreams, ask.route.profile)
    }
    return Effect.flatMap(
      lookAt(granted, request),
      (look) =>
        look._tag !== "Found" ? failing(serving, ask, granted, look) : Effect.succeed(HttpServerResponse.stream(
          serving.streams.counted(ask.caller?.id)(events(serving, ask, granted, lastIdOf(httpRequest))),
          { contentType: "text/event-stream", headers: { ...headers, "x-accel-buffering": "no" } }
        ))
    )
  })

/** The id that the client saw last. An id in the future is not one of this broker. */
const lastIdOf = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const text = request.headers["last-event-id"] ?? ""
    return /^\d{1,15}$/.test(text) && Number(text) <= now ? Number(text) : 0
  })

const events = (
  serving: Serving,
  ask: Ask,
  granted: Granted,
  lastId: Effect.Effect<number>
): Stream.Stream<Uint8Array> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const after = yield* lastId
    const sent = yield* Ref.make<Sent>({ id: after, token: undefined, text: "" })
    const happened = yield* TokenSource.subscribe(granted.running.own)
    const rotations = Stream.filter(happened, ({ _tag }) => _tag === "TokenAcquired" || _tag === "TokenShared")
    // where no event tells of a rotation, the next beat does
    const looks = Stream.merge(Stream.as(rotations, ""), Stream.map(Stream.tick(heartbeat), () => beat))
    return looks.pipe(
      Stream.mapEffect((otherwise) =>
        Effect.flatMap(Ref.get(sent), (last) =>
          Effect.map(next(serving, ask, last, after), (step) => [step, otherwise] as const))
      ),
      Stream.takeWhile(([step]) =>
        step !== "end"
      ),
      Stream.mapEffect(([step, otherwise]) =>
        step === "nothing" || step === "end"
          ? Effect.succeed(otherwise)
          : Effect.as(Ref.set(sent, step), step.text || otherwise)
      ),
      Stream.filter((text) => text !== ""),
      Stream.interruptWhen(serving.draining),
      Stream.map((text) => encoder.encode(text))
    )
  }))

/** What was sent last, and the text of it; empty where the client has it already. */
interface Sent {
  readonly id: number
  readonly token: AccessToken | undefined
  readonly text: string
}

type Step = Sent | "nothing" | "end"

const next = (
  serving: Serving,
  ask: Ask,
  last: Sent,
  after: number
): Effect.Effect<Step> => {
  // a reload may have taken the profile away, the caller's key, or its access to the profile or a part of it
  const decided = decide(serving, ask)
  if (Either.isLeft(decided)) return Effect.succeed("end")
  const { granted, request } = decided.right
  return Effect.flatMap(lookAt(granted, request), (look): Effect.Effect<Step> => {
    if (look._tag !== "Found" || look.token === last.token) return Effect.succeed("nothing")
    const { token } = look
    // not "or before it": of a clock that was put back, a new token has the smaller number
    if (last.token === undefined && token.issuedAt === after) return Effect.succeed({ id: after, token, text: "" })
    const id = Math.max(token.issuedAt, last.id + 1)
    return Effect.flatMap(mayHandOut(serving, ask, granted, look), (mayGo): Effect.Effect<Step> =>
      mayGo
        ? Effect.map(Clock.currentTimeMillis, (now) => ({ id, token, text: event(id, look, now) }))
        : Effect.succeed("nothing"))
  })
}

const event = (id: number, found: Found, now: number): string =>
  `id: ${id}\nevent: token\ndata: ${JSON.stringify(describe(found, now))}\n\n`
