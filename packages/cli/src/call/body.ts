/** The body of a call: text as it is, a file or standard input as a stream that is never whole in memory. */
import { createReadStream } from "node:fs"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Failure } from "../output/failure.js"
import { failed, usage } from "../output/failure.js"
import * as shown from "../output/shown.js"
import { reasonOf } from "./reason.js"
import type { Data } from "./request.js"
import { contentTypeOf } from "./request.js"

export interface Body {
  readonly body: HttpBody.HttpBody
  /** Whether it can be sent a second time. */
  readonly replays: boolean
  /** Why it could not be read to its end, if it could not. */
  readonly failure: () => Failure | undefined
}

const form = "application/x-www-form-urlencoded"
const bytes = "application/octet-stream"

/** So many bytes say whether it is JSON. */
const peeked = 64

const beginningOf = (chunk: Uint8Array | undefined): string =>
  chunk === undefined ? "" : new TextDecoder().decode(chunk.subarray(0, peeked))

/** A stream whose failure is remembered: the HTTP client tells of it as of a broken connection. */
const streamed = (
  stream: Stream.Stream<Uint8Array, unknown>,
  why: Failure,
  options: { readonly contentType: string; readonly length: number | undefined; readonly replays: boolean }
): Body => {
  let failure: Failure | undefined
  const noting = Stream.tapError(stream, () => Effect.sync(() => failure = why))
  return {
    body: HttpBody.stream(noting, options.contentType, options.length),
    replays: options.replays,
    failure: () => failure
  }
}

const whole = (body: HttpBody.HttpBody): Body => ({ body, replays: true, failure: () => undefined })

const file = (path: string): Effect.Effect<Body, Failure, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const named = shown.line(path, 200)
    const info = yield* Effect.mapError(
      fs.stat(path),
      (error) => usage(`${named} could not be read (${reasonOf(error)}).`)
    )
    if (info.type === "Directory") return yield* Effect.fail(usage(`${named} is a folder.`))
    const broken = failed(`${named} could not be read to its end.`)
    // a pipe or a device is read once, and its length is unknown
    if (info.type !== "File") {
      const once = Stream.suspend(() =>
        Stream.fromAsyncIterable<Uint8Array, Failure>(createReadStream(path), () => broken)
      )
      return streamed(once, broken, { contentType: bytes, length: undefined, replays: false })
    }
    const beginning = yield* Effect.scoped(
      Effect.flatMap(fs.open(path), (open) => Effect.map(open.readAlloc(peeked), Option.getOrUndefined))
    ).pipe(Effect.mapError((error) => usage(`${named} could not be read (${reasonOf(error)}).`)))
    const length = Number(info.size)
    return streamed(fs.stream(path, { bytesToRead: info.size }), broken, {
      contentType: contentTypeOf(beginningOf(beginning), bytes),
      length,
      replays: true
    })
  })

const unreadable = failed("Standard input could not be read to its end.")

const input: Effect.Effect<Body, Failure> = Effect.gen(function*() {
  const chunks = process.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  const first = yield* Effect.tryPromise({ try: () => chunks.next(), catch: () => unreadable })
  if (first.done === true) return whole(HttpBody.uint8Array(new Uint8Array(), bytes))
  const rest = Stream.fromAsyncIterable({ [Symbol.asyncIterator]: () => chunks }, () => unreadable)
  return streamed(Stream.concat(Stream.make(first.value), rest), unreadable, {
    contentType: contentTypeOf(beginningOf(first.value), bytes),
    length: undefined,
    replays: false
  })
})

/** Begins to read it. */
export const open = (data: Data): Effect.Effect<Body, Failure, FileSystem.FileSystem> => {
  switch (data._tag) {
    case "None":
      return Effect.succeed(whole(HttpBody.empty))
    case "Text":
      return Effect.succeed(whole(HttpBody.text(data.text, contentTypeOf(data.text, form))))
    case "File":
      return file(data.path)
    case "Input":
      return input
  }
}
