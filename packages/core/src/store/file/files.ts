// The files of a directory: they appear whole or not at all.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as random from "../../values/random.js"
import * as names from "./fileNames.js"
import { has, isMissing, orNone } from "./systemError.js"
import * as trust from "./trust.js"

/** A directory whose files appear whole or not at all, and which other users cannot read. */
export interface Directory {
  /** The names of all files; none if the directory is gone. */
  readonly list: Effect.Effect<ReadonlyArray<string>, PlatformError>
  /** `None` for a missing file; empty for anything that is not a file, or is larger than any file of the store. */
  readonly read: (file: string) => Effect.Effect<Option.Option<string>, PlatformError>
  /** Why a file is not to be trusted: other users may have read or written it. `undefined` for a missing file. */
  readonly objection: (file: string) => Effect.Effect<string | undefined, PlatformError>
  /** Epoch milliseconds; `None` for a missing file. */
  readonly modifiedAt: (file: string) => Effect.Effect<Option.Option<number>, PlatformError>
  /** `false` if the file exists: if several processes create the same file, one succeeds. */
  readonly create: (file: string, content: string) => Effect.Effect<boolean, PlatformError>
  readonly replace: (file: string, content: string) => Effect.Effect<void, PlatformError>
  /** Does nothing if the file is gone. */
  readonly remove: (file: string) => Effect.Effect<void, PlatformError>
  /** The names of files that changed, for as long as the system reports them. Never fails. */
  readonly touched: Stream.Stream<string>
}

/** Where the directory is. */
export interface Place {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  readonly root: string
  /** Whether the bits of a mode mean anything: not on Windows. */
  readonly hasModes: boolean
}

/** The largest file that is read. A response of a token endpoint is at most a quarter of this. */
const mostBytes = BigInt(4 * 1024 * 1024)

const fileMode = 0o600

/** `make` makes the directory, in case somebody removes it. `me` is asked when a file is read. */
export const make = (
  { fs, hasModes, path, root }: Place,
  make: Effect.Effect<void, PlatformError>,
  me: () => trust.User
): Directory => {
  const pathOf = (file: string) => path.join(root, file)

  /**
   * The content is complete before the file has its name. It is not flushed to the disk: after a power failure no
   * process holds a lease, and an unreadable token counts as missing.
   */
  const written = <A>(
    content: string,
    use: (temporary: string) => Effect.Effect<A, PlatformError>
  ): Effect.Effect<A, PlatformError> =>
    Effect.suspend(() => {
      const temporary = pathOf(names.temporary(random.randomId()))
      const write = fs.writeFileString(temporary, content, { flag: "wx", mode: fileMode })
      return write.pipe(
        // the directory has been removed
        Effect.catchIf(isMissing, () => Effect.zipRight(make, write)),
        Effect.zipRight(use(temporary)),
        Effect.ensuring(Effect.ignore(fs.remove(temporary, { force: true })))
      )
    })

  return {
    list: Effect.catchIf(fs.readDirectory(root), isMissing, () => Effect.succeed([])),
    // reading a pipe would block a thread of the runtime for good; a device may have no end
    read: (file) =>
      orNone(
        Effect.flatMap(fs.stat(pathOf(file)), ({ size, type }) =>
          type === "File" && size <= mostBytes ? fs.readFileString(pathOf(file)) : Effect.succeed(""))
      ),
    objection: (file) =>
      hasModes
        ? Effect.zipWith(
          orNone(fs.stat(pathOf(file))),
          // `readLink` succeeds only for a link
          Effect.option(fs.readLink(pathOf(file))),
          (info, target) => Option.isNone(info) ? undefined : trust.ofFile(info.value, Option.isSome(target), me())
        )
        : Effect.succeed(undefined),
    modifiedAt: (file) =>
      Effect.map(
        orNone(fs.stat(pathOf(file))),
        // a file without a time of change counts as very old
        Option.map(({ mtime }) => Option.match(mtime, { onNone: () => 0, onSome: (time) => time.getTime() }))
      ),
    // a hard link instead of a rename, because a link fails if the name is taken
    create: (file, content) =>
      written(content, (temporary) =>
        Effect.as(fs.link(temporary, pathOf(file)), true).pipe(
          Effect.catchIf(has("AlreadyExists"), () => Effect.succeed(false))
        )),
    replace: (file, content) => written(content, (temporary) => fs.rename(temporary, pathOf(file))),
    remove: (file) => Effect.catchIf(fs.remove(pathOf(file)), isMissing, () => Effect.void),
    touched: fs.watch(root).pipe(
      Stream.map((event) => path.basename(event.path)),
      // a runtime without watching, no watch left (ENOSPC, as a defect), the directory removed
      Stream.catchAllCause(() => Stream.empty)
    )
  }
}
