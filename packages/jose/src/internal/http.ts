// Reads the form of a request, and the rest of a response.
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Bytes from "effect-bearer/Bytes"
import * as Disclosure from "effect-bearer/Disclosure"

/** No more than this is read of a response: 1 MiB. */
export const maxBytes = 1_048_576

const formType = /^application\/x-www-form-urlencoded\b/i

/** The body of a request, if it is a form. */
export const formOf = (request: HttpClientRequest.HttpClientRequest): URLSearchParams | undefined => {
  const { body } = request
  return body._tag === "Uint8Array" && formType.test(body.contentType)
    ? new URLSearchParams(new TextDecoder().decode(body.body))
    : undefined
}

const drainTimeout = Duration.seconds(2)

/** Reads the rest of a response that no caller will get, within limits: an unread body keeps its connection busy. */
export const drain = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  response.stream.pipe(
    Stream.runFoldWhile(0, (size) => size < maxBytes, (size, piece) => size + piece.length),
    // let go of, and not waited for, where it cannot be interrupted
    Effect.disconnect,
    Effect.interruptible,
    Effect.timeout(drainTimeout),
    Effect.catchAllCause(() => Effect.void),
    Disclosure.unlogged
  )

/** What was read of a body. */
export interface Body {
  readonly text: string
  /** The same response with an unread body. */
  readonly response: HttpClientResponse.HttpClientResponse
}

/**
 * Reads a body that somebody else will read, too. A little more than {@link maxBytes} is kept at most, so that whoever
 * has the same limit sees it exceeded; a body that broke off breaks off again.
 */
export const peek = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<Body> =>
  Effect.suspend(() => {
    const pieces: Array<Uint8Array> = []
    let size = 0
    return response.stream.pipe(
      Stream.runForEachWhile((piece) =>
        Effect.sync(() => {
          const kept = piece.subarray(0, maxBytes + 1 - size)
          pieces.push(kept)
          size += kept.length
          return size <= maxBytes
        })
      ),
      Effect.exit,
      Effect.flatMap((exit) => {
        if (exit._tag === "Failure" && Cause.isInterrupted(exit.cause)) {
          return Effect.failCause(exit.cause as Cause.Cause<never>)
        }
        const bytes = Bytes.concat(pieces)
        const broken = exit._tag === "Failure" && size <= maxBytes && !isEmptyBody(exit.cause)
          ? Cause.squash(exit.cause)
          : undefined
        return Effect.succeed({ text: new TextDecoder().decode(bytes), response: rebuilt(response, bytes, broken) })
      })
    )
  })

const isEmptyBody = (cause: Cause.Cause<unknown>): boolean => {
  const error = Chunk.toReadonlyArray(Cause.failures(cause))[0]
  return typeof error === "object" && error !== null && "reason" in error && error.reason === "EmptyBody"
}

const rebuilt = (
  response: HttpClientResponse.HttpClientResponse,
  bytes: Uint8Array,
  broken: unknown
): HttpClientResponse.HttpClientResponse => {
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (bytes.length > 0 && !sent) {
        sent = true
        return controller.enqueue(bytes)
      }
      return broken === undefined ? controller.close() : controller.error(broken)
    }
  })
  let sent = false
  return HttpClientResponse.fromWeb(
    response.request,
    new Response(body, { status: response.status, headers: { ...response.headers } })
  )
}
