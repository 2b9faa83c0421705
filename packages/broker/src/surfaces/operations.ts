/** F7: health, metrics, and what the status page asks for. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Permission } from "../BrokerConfig.js"
import type { Ask } from "../guard/guard.js"
import { headers, refuse } from "../guard/refusal.js"
import type { Readiness } from "../operations/readiness.js"
import type { Snapshot } from "../operations/snapshot.js"
import type { Answer, Serving } from "./serving.js"
import { json, refusing } from "./serving.js"
import { tooManyStreams } from "./streams.js"

export interface Operations {
  readonly serving: Serving
  readonly readiness: Effect.Effect<Readiness>
  readonly metrics: Effect.Effect<string>
  readonly snapshot: Effect.Effect<Snapshot>
}

export const live: Effect.Effect<Answer> = Effect.sync(() => json({ status: "live" }))

export const ready = ({ readiness }: Operations): Effect.Effect<Answer> =>
  Effect.map(readiness, (body) => HttpServerResponse.unsafeJson(body, { status: body.ready ? 200 : 503, headers }))

export const metrics = ({ metrics }: Operations): Effect.Effect<Answer> =>
  Effect.map(
    metrics,
    (text) => HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8", headers })
  )

export const status = ({ snapshot }: Operations): Effect.Effect<Answer> => Effect.map(snapshot, (body) => json(body))

const encoder = new TextEncoder()

/** One snapshot a second, as long as the client is connected; the last one says that the broker stops. */
export const statusEvents = ({ serving, snapshot }: Operations, ask: Ask): Effect.Effect<Answer> =>
  !serving.streams.mayOpen(ask.caller?.id) ?
    refusing(serving, ask, tooManyStreams) :
    Effect.succeed(HttpServerResponse.stream(
      Stream.tick(Duration.seconds(1)).pipe(
        Stream.interruptWhen(serving.draining),
        Stream.concat(Stream.make(undefined)),
        // a reload may have taken the permission away
        Stream.takeWhile(() => ask.current()?.permissions.has("status") === true),
        Stream.mapEffect(() => snapshot),
        Stream.map((body) => encoder.encode(`event: status\ndata: ${JSON.stringify(body)}\n\n`)),
        serving.streams.counted(ask.caller?.id)
      ),
      { contentType: "text/event-stream", headers: { ...headers, "x-accel-buffering": "no" } }
    ))

/** What needs a permission of the caller. */
export const permitted = (
  { serving }: Operations,
  ask: Ask,
  permission: Permission,
  answer: Effect.Effect<Answer>
): Effect.Effect<Answer> =>
  // on a listener of their own metrics need none
  ask.isOpen || ask.current()?.permissions.has(permission) === true
    ? answer
    : refusing(serving, ask, refuse.permission)
