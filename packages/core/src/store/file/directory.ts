// A directory whose files appear whole or not at all.
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as random from "../../values/random.js"
import * as TokenError from "../../values/TokenError.js"
import * as names from "./fileNames.js"
import { makeFolder } from "./makeFolder.js"

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

const has = (reason: "NotFound" | "AlreadyExists") => (error: PlatformError) =>
  error._tag === "SystemError" && error.reason === reason
const isMissing = has("NotFound")

const orNone = <A>(effect: Effect.Effect<A, PlatformError>): Effect.Effect<Option.Option<A>, PlatformError> =>
  Effect.catchIf(Effect.asSome(effect), isMissing, () => Effect.succeedNone)

/**
 * The rule: a file that other users could have written is not read, even by root. A directory, and each file in it,
 * must belong to the user of this process or to root (who can do anything anyway), and only its owner may write to it.
 * That a process of root may read and write every file does not make a file trustworthy.
 */
const isOurs = ({ uid }: FileSystem.File.Info, me: Option.Option<number>): boolean =>
  Option.getOrElse(Option.zipWith(uid, me, (uid, me) => uid === me || uid === 0), () => true)

/** The user id that a container sees for users it has no id for, such as root of the machine. */
const unknownUser = 65_534

/** The reason of an error in a few words: the code of the system, such as ENOSPC, and no content of a file. */
export const trouble = (error: PlatformError): string => {
  const reason = error._tag === "SystemError"
    ? /^E[A-Z0-9]+(?=:)/.exec(error.description ?? "")?.[0] ?? error.reason
    : error._tag
  return `${reason} in ${error.method}`
}

/** The largest file that is read. A response of a token endpoint is at most a quarter of this. */
const mostBytes = BigInt(4 * 1024 * 1024)

const directoryMode = 0o700
const fileMode = 0o600

export const open = (
  given: string
): Effect.Effect<Directory, TokenError.InvalidConfiguration, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const invalid = (detail: string) =>
      Effect.fail(new TokenError.InvalidConfiguration({ fields: ["directory"], detail }))

    if (given.trim() === "") return yield* invalid("the directory is blank")
    // the working directory may change
    const root = path.resolve(given)
    // on Windows the bits of a mode mean nothing
    const hasModes = path.sep === "/"
    const pathOf = (file: string) => path.join(root, file)

    const make = makeFolder(fs, path, root, directoryMode)

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

    /** The user id of this process, if the system tells it: the owner of a new file. */
    let me = Option.none<number>()

    const directory: Directory = {
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
            (info, target) =>
              Option.isNone(info)
                ? undefined
                : Option.isSome(target)
                ? "it is a link to a file elsewhere"
                : !isOurs(info.value, me)
                ? "the file belongs to another user"
                : (info.value.mode & 0o077) !== 0
                ? "others may have read or changed the file: its mode is not 600"
                : undefined
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

    const looked = orNone(fs.stat(root)).pipe(
      Effect.catchAll((error) => invalid(`${root} can't be looked at (${trouble(error)})`))
    )
    if (Option.isNone(yield* looked)) {
      yield* Effect.catchAll(make, (error) => invalid(`${root} can't be created (${trouble(error)})`))
    }
    // check the directory, whichever process made it
    const info = Option.getOrUndefined(yield* looked)
    if (info === undefined) return yield* invalid(`${root} is gone as soon as it was created`)
    if (info.type !== "Directory") return yield* invalid(`${root} is no directory`)
    if (hasModes && (info.mode & 0o022) !== 0) {
      return yield* invalid(`others may write to ${root}, and so could plant tokens: set its mode to 700`)
    }
    // find out now, not at the first token, whether files can be created
    const probe = names.temporary(random.randomId())
    const works = yield* directory.create(probe, "").pipe(
      Effect.tap(() =>
        Effect.map(orNone(fs.stat(pathOf(probe))), (info) => {
          me = Option.flatMap(info, ({ uid }) => uid)
        })
      ),
      Effect.ensuring(Effect.ignore(directory.remove(probe))),
      Effect.catchAll((error) =>
        invalid(
          error.method === "link"
            ? `the file system of ${root} offers no hard links (${trouble(error)}), and the store needs them`
            : `${root} can't be written to (${trouble(error)})`
        )
      )
    )
    if (hasModes && !isOurs(info, me)) {
      return yield* invalid(
        `${root} belongs to another user, who could plant tokens: give it to the user of this process, or take another`
      )
    }
    if (hasModes) {
      // a user who may rename entries of a directory above can put another directory in this one's place: the owner of
      // that directory always can, other users can if they may write to it and no sticky bit forbids it
      const real = yield* Effect.orElseSucceed(fs.realPath(root), () => root)
      for (let at = path.dirname(real), last = real; at !== last; last = at, at = path.dirname(at)) {
        const above = Option.getOrUndefined(yield* Effect.option(fs.stat(at)))
        if (above === undefined) continue
        if ((above.mode & 0o002) !== 0 && (above.mode & 0o1000) === 0) {
          return yield* invalid(`everybody may write to ${at}, and so could replace ${root}: take that right away`)
        }
        if (!isOurs(above, me) && !Option.contains(above.uid, unknownUser)) {
          return yield* invalid(
            `${at} belongs to another user, who could replace ${root}: take a directory below one that is of the user of ` +
              "this process or of root"
          )
        }
      }
    }
    return works ? directory : yield* invalid(`${root} can't be written to`)
  })
