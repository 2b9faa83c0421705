// Decides whether a request can be sent once more, and empties the response that is thrown away.
import type * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as backOff from "../../lifecycle/backOff.js"
import * as Disclosure from "../../wire/Disclosure.js"
import * as RetryAfter from "../../wire/RetryAfter.js"
import type { Throttling } from "./options.js"
import * as refusal from "./refusal.js"

/**
 * A body that is copied while it is sent. Only when that is done, it is known whether it can be sent again: see
 * {@link settled}.
 */
export class BodyBeingKept {
  constructor(readonly isWhole: () => boolean, readonly done: () => Promise<void>) {}
}

/** How long a body that is still coming is waited for when its request was refused. */
const patience = Duration.seconds(1)

/** Waits until {@link isReplayable} can judge a body. Almost every body can be judged at once. */
export const settled = (body: HttpBody.HttpBody): Effect.Effect<void> => {
  if (body._tag !== "Raw" || !(body.body instanceof BodyBeingKept) || body.body.isWhole()) return Effect.void
  const { done } = body.body
  return Effect.promise(done).pipe(Effect.interruptible, Effect.disconnect, Effect.timeout(patience), Effect.ignore)
}

/** See `BearerAuth.isReplayable`. */
export const isReplayable = (body: HttpBody.HttpBody, streams: boolean): boolean => {
  switch (body._tag) {
    case "Empty":
    case "Uint8Array":
    case "FormData":
      return true
    case "Stream":
      return streams
    case "Raw":
      if (body.body instanceof BodyBeingKept) return body.body.isWhole()
      // Anything else may be a stream, and some clients send an empty body when a stream is sent twice.
      return typeof body.body === "string" || ArrayBuffer.isView(body.body) || body.body instanceof ArrayBuffer
  }
}

/** Sending them twice has the effect of sending them once (RFC 9110 §9.2.2). */
const idempotent = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])

/**
 * Whether the request that was answered may be sent once more, from its first URL on. **The rule: what was accepted is
 * not sent again.** Where a client has followed a redirect, the first request may have been carried out: a `303` says
 * so. `fetch` does not tell which status a redirect had, so a request with another method is then not sent again.
 */
export const isRepeatable = (
  { body, method }: HttpClientRequest.HttpClientRequest,
  response: HttpClientResponse.HttpClientResponse,
  streams: boolean
): boolean => isReplayable(body, streams) && (idempotent.has(method) || !refusal.isRedirected(response))

const drainLimit = 8 * 1024 * 1024
const drainTimeout = Duration.seconds(2)

/**
 * Reads the rest of a response that no caller will see, because an unread body keeps its connection busy. A body that
 * is too long, or too slow, loses its connection instead: leaving the stream aborts the request. The caller waits no
 * longer than that, not even for a stream that cannot be interrupted.
 */
export const drain = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Effect.suspend(() =>
    response.stream.pipe(
      Stream.runFoldWhile(0, (size) => size < drainLimit, (size, chunk) => size + chunk.length)
    )
  ).pipe(
    Effect.disconnect,
    Effect.timeout(drainTimeout),
    // the body was read already, was empty, or broke off: that does not matter here
    Effect.catchAllCause(() => Effect.void),
    Disclosure.unlogged
  )

/**
 * How long to wait before repetition number `retries + 1` of a throttled request, in milliseconds: what the server
 * asked for or half the backoff, whichever is longer, plus up to the other half at random. `undefined` if the server
 * asks for too long a wait.
 */
export const waitOf = (
  response: HttpClientResponse.HttpClientResponse,
  { base, cap, maxRetryAfter }: Throttling,
  { random, retries, wall }: { readonly random: number; readonly retries: number; readonly wall: number }
): number | undefined => {
  const asked = Option.match(RetryAfter.fromHeaders(response.headers, wall), {
    onNone: () => 0,
    onSome: Duration.toMillis
  })
  if (asked > maxRetryAfter) return undefined
  const half = backOff.step(retries + 1, base, cap) / 2
  return Math.ceil(Math.max(asked, half) + random * half)
}
