// Reads the body of a response up to a limit.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Bytes from "effect-bearer/Bytes"
import * as deadline from "./deadline.js"

export interface Body {
  readonly bytes: Uint8Array
  /** There was more than the limit. */
  readonly overflow: boolean
}

/** Reads to the end or to `limit` bytes, and lets go of the connection either way. Fails if the body breaks off. */
export const read = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.Effect<Body, { readonly cause: unknown }> =>
  Effect.suspend(() => {
    const pieces: Array<Uint8Array> = []
    let size = 0
    // the caller sets a time limit for the whole body
    return deadline.unlimited(response).stream.pipe(
      Stream.runForEachWhile((piece) =>
        Effect.sync(() => {
          const kept = piece.subarray(0, Math.max(0, limit - size))
          pieces.push(kept)
          size += piece.length
          return size <= limit
        })
      ),
      // A web stream that failed fails once more when it is cancelled, as a defect; the bytes that were read are kept.
      Effect.catchAllCause((cause) => {
        const failure = Cause.failureOption(cause)
        if (size > limit || (Option.isSome(failure) && isEmptyBody(failure.value))) return Effect.void
        return Effect.fail({ cause: Cause.squash(cause) })
      }),
      Effect.map(() => ({ bytes: Bytes.concat(pieces), overflow: size > limit })),
      // a stream that ignores its interruption does not delay the caller
      Effect.interruptible,
      Effect.disconnect,
      Effect.interruptible
    )
  })

/** `@effect/platform` fails for a response that has no body at all, such as a 204. */
const isEmptyBody = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "reason" in error && error.reason === "EmptyBody"

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
