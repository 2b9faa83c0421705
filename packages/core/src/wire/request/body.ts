// Reads the body of a response, up to a limit of bytes and of time.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Bytes from "../../values/Bytes.js"

/** The most that is read of a response: 1 MiB. */
export const maxBytes = 1_048_576

export interface Body {
  readonly bytes: Uint8Array
  /** The body was longer than {@link maxBytes}. */
  readonly overflow: boolean
}

/** The body is incomplete; `Silence` when the next piece did not come within the limit. */
export type Broken = { readonly _tag: "Silence" } | { readonly _tag: "Cut"; readonly cause: unknown }

export const empty: Body = { bytes: new Uint8Array(0), overflow: false }

const silence: Broken = { _tag: "Silence" }

/**
 * Reads to the end or to the limit, and releases the connection either way. `limit` is the longest silence allowed.
 */
export const read = (
  response: HttpClientResponse.HttpClientResponse,
  limit: Duration.Duration
): Effect.Effect<Body, Broken> =>
  Effect.suspend(() => {
    const pieces: Array<Uint8Array> = []
    let size = 0
    let overflow = false
    return response.stream.pipe(
      Stream.mapError((error): Broken => ({ _tag: "Cut", cause: error })),
      Stream.timeoutFail(() => silence, limit),
      Stream.runForEachWhile((piece) =>
        Effect.sync(() => {
          overflow = size + piece.length > maxBytes
          pieces.push(overflow ? piece.subarray(0, maxBytes - size) : piece)
          size += piece.length
          return !overflow
        })
      ),
      // A web stream that failed fails again when it is cancelled, as a defect; the bytes that were read are kept.
      Effect.catchAllCause((cause): Effect.Effect<void, Broken> => {
        const failure = Cause.failureOption(cause)
        if (Option.isSome(failure)) return isEmptyBody(failure.value) ? Effect.void : Effect.fail(failure.value)
        return overflow ? Effect.void : Effect.fail({ _tag: "Cut", cause: Cause.squash(cause) })
      }),
      Effect.map(() => ({ bytes: Bytes.concat(pieces), overflow }))
    )
  })

/** `@effect/platform` fails for a response that has no body at all, such as a 204. */
const isEmptyBody = (broken: Broken): boolean =>
  broken._tag === "Cut" && typeof broken.cause === "object" && broken.cause !== null &&
  "reason" in broken.cause && broken.cause.reason === "EmptyBody"
