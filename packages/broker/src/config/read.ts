/** From a text or a file to a value that a `Schema` and the checks across fields agree with, or to all mistakes. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import * as crossChecks from "./crossChecks.js"
import type { Format } from "./document.js"
import * as document from "./document.js"
import type { Mistake } from "./mistake.js"
import * as mistake from "./mistake.js"
import * as schemaMistakes from "./schemaMistakes.js"

/** Larger than this is no configuration. */
export const largest = 1_048_576

export const mistakesAt = (
  found: ReadonlyArray<schemaMistakes.Found>,
  place: document.Parsed["place"] = () => undefined
): ReadonlyArray<Mistake> =>
  found.map(({ path, ...rest }) => ({ path: mistake.render(path), ...rest, ...(path.length === 0 ? {} : place(path)) }))

export const parse = <A, I>(
  schema: Schema.Schema<A, I>,
  text: string,
  format: Format
): Either.Either<A, ReadonlyArray<Mistake>> => {
  if (text.length > largest) return Either.left([tooLarge])
  return Either.flatMap(document.parse(text, format), ({ mistakes, place, value }) => {
    // a part that cannot be read gets no further mistakes about what is missing in it
    if (value === undefined) return Either.left(mistakes)
    const decoded = ParseResult.decodeUnknownEither(schema)(value, { errors: "all", onExcessProperty: "error" })
    const all = [
      ...mistakes,
      ...mistakesAt([
        ...(Either.isLeft(decoded) ? schemaMistakes.of(decoded.left) : []),
        ...crossChecks.of(value)
      ], place)
    ]
    return Either.isRight(decoded) && all.length === 0 ? Either.right(decoded.right) : Either.left(inOrder(all))
  })
}

/** In the order of the file; each once. */
const inOrder = (all: ReadonlyArray<Mistake>): ReadonlyArray<Mistake> => {
  const each = new Map(all.map((one) => [mistake.line(one), one]))
  return Array.from(each.values()).sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
}

const tooLarge: Mistake = { path: "", expected: "at most 1 MiB", found: "more", hint: "Is it the right file?" }

/** The format of a file, by its extension. */
export const formatOf = (extension: string): Format | undefined => {
  switch (extension.toLowerCase()) {
    case ".json":
      return "json"
    case ".yaml":
    case ".yml":
      return "yaml"
    default:
      return undefined
  }
}

export interface File {
  readonly text: string
  readonly format: Format
  readonly folder: string
}

export const file = (
  path: string
): Effect.Effect<File, ReadonlyArray<Mistake>, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const absolute = paths.resolve(path)
    const format = formatOf(paths.extname(absolute))
    if (format === undefined) {
      return yield* Effect.fail([
        { path: "", expected: "a file that ends in .yaml, .yml or .json", found: "one that does not" }
      ])
    }
    const bytes = yield* readBounded(fs, absolute)
    if (bytes.length > largest) return yield* Effect.fail([tooLarge])
    const text = yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: (): ReadonlyArray<Mistake> => [{
        path: "",
        expected: "text in UTF-8",
        found: "other bytes",
        hint: "Is it the right file?"
      }]
    })
    return { text, format, folder: paths.dirname(absolute) }
  })

/** One byte more than the largest says that there is more; a device without end is not read to its end. */
const readBounded = (fs: FileSystem.FileSystem, path: string): Effect.Effect<Uint8Array, ReadonlyArray<Mistake>> =>
  Effect.scoped(Effect.gen(function*() {
    // before it is opened: opening a pipe would wait for a writer
    const info = yield* fs.stat(path)
    if (info.type !== "File") {
      return yield* Effect.fail<ReadonlyArray<Mistake>>([{ path: "", expected: "a file", found: "something else" }])
    }
    const handle = yield* fs.open(path, { flag: "r" })
    const bytes = new Uint8Array(largest + 1)
    let length = 0
    while (length < bytes.length) {
      const count = Number(yield* handle.read(bytes.subarray(length)))
      if (count === 0) break
      length += count
    }
    return bytes.subarray(0, length)
  })).pipe(
    Effect.mapError((error): ReadonlyArray<Mistake> =>
      "_tag" in error ? unreadable(error._tag === "SystemError" ? error.reason : error._tag) : error
    )
  )

const unreadable = (reason: string): ReadonlyArray<Mistake> => {
  const expected = "a file that can be read"
  switch (reason) {
    case "NotFound":
      return [{ path: "", expected, found: "none", hint: "Check its path." }]
    case "PermissionDenied":
      return [{
        path: "",
        expected,
        found: "one that may not be read by this process",
        hint: "Check its owner and mode."
      }]
    default:
      return [{ path: "", expected, found: `one that could not be read (${reason})` }]
  }
}
