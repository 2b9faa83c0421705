/** Where the answer to a call goes: standard output, or a file that is there when it is whole. */
import { randomUUID } from "node:crypto"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as atAnyEnd from "../atAnyEnd.js"
import type { Failure } from "../output/failure.js"
import { failed } from "../output/failure.js"
import * as shown from "../output/shown.js"
import * as terminal from "../output/terminal.js"
import { reasonOf } from "./reason.js"

/** Takes bytes; false if the reader has gone. */
export type Sink = (chunk: Uint8Array) => Effect.Effect<boolean, Failure>

const binary = failed(
  "The answer is no text, and a terminal could be confused by it: write it to a file with -o FILE, or pass it on."
)

/** Standard output. What is no text does not go to a terminal. */
export const output: Effect.Effect<Sink> = Effect.sync(() => {
  let isFirst = process.stdout.isTTY === true
  return (chunk) => {
    if (isFirst && chunk.includes(0)) return Effect.fail(binary)
    isFirst = false
    return terminal.bytes(chunk)
  }
})

/**
 * A file. One that is there keeps its content until the answer is whole, and a new one is not there before. A device or a
 * pipe is written to as it is.
 */
export const file = <A, E, R>(
  path: string,
  use: (sink: Sink) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Failure, FileSystem.FileSystem | R> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const fail = (error: PlatformError.PlatformError) =>
      failed(`${shown.line(path)} could not be written (${reasonOf(error)}).`)
    const write = (name: string, options: FileSystem.OpenFileOptions) =>
      Effect.scoped(
        Effect.flatMap(
          Effect.mapError(fs.open(name, options), fail),
          (open) => use((chunk) => Effect.mapBoth(open.writeAll(chunk), { onFailure: fail, onSuccess: () => true }))
        )
      )
    const before = Option.getOrUndefined(yield* Effect.option(fs.stat(path)))
    if (before !== undefined && before.type !== "File") return yield* write(path, { flag: "w" })
    // what a link names is written, and the link stays
    const target = before === undefined ? path : yield* Effect.mapError(fs.realPath(path), fail)
    const temporary = `${target}.${randomUUID().slice(0, 8)}.part`
    const mode = before === undefined ? 0o666 : before.mode & 0o777
    return yield* Effect.scoped(Effect.zipRight(
      atAnyEnd.remove(temporary),
      Effect.tap(
        write(temporary, { flag: "wx", mode }),
        () => Effect.mapError(fs.rename(temporary, target), fail)
      )
    ))
  })
