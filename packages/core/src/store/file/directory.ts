// Opens the directory of a store: makes it, and finds out before the first token whether it can be used and trusted.
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as random from "../../values/random.js"
import * as TokenError from "../../values/TokenError.js"
import * as names from "./fileNames.js"
import * as files from "./files.js"
import { makeFolder } from "./makeFolder.js"
import { orNone, trouble } from "./systemError.js"
import * as trust from "./trust.js"

const directoryMode = 0o700

const invalid = (detail: string): Effect.Effect<never, TokenError.InvalidConfiguration> =>
  Effect.fail(new TokenError.InvalidConfiguration({ fields: ["directory"], detail }))

const rejectIf = (objection: string | undefined): Effect.Effect<void, TokenError.InvalidConfiguration> =>
  objection === undefined ? Effect.void : invalid(objection)

/** What the system says of the directory, which is made if it is missing. */
const existing = (
  { fs, root }: files.Place,
  make: Effect.Effect<void, PlatformError>
): Effect.Effect<FileSystem.File.Info, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const looked = Effect.catchAll(
      orNone(fs.stat(root)),
      (error) => invalid(`${root} can't be looked at (${trouble(error)})`)
    )
    if (Option.isNone(yield* looked)) {
      yield* Effect.catchAll(make, (error) => invalid(`${root} can't be created (${trouble(error)})`))
    }
    // check the directory, whichever process made it
    const info = Option.getOrUndefined(yield* looked)
    if (info === undefined) return yield* invalid(`${root} is gone as soon as it was created`)
    if (info.type !== "Directory") return yield* invalid(`${root} is no directory`)
    return info
  })

/** Whether a file can be created, and the owner of a new file: the user of this process. */
const probe = (
  { fs, path, root }: files.Place,
  directory: files.Directory
): Effect.Effect<{ readonly works: boolean; readonly me: trust.User }, TokenError.InvalidConfiguration> =>
  Effect.suspend(() => {
    const file = names.temporary(random.randomId())
    return Effect.zipWith(
      directory.create(file, ""),
      orNone(fs.stat(path.join(root, file))),
      (works, info) => ({ works, me: Option.flatMap(info, ({ uid }) => uid) })
    ).pipe(
      Effect.ensuring(Effect.ignore(directory.remove(file))),
      Effect.catchAll((error) =>
        invalid(
          error.method === "link"
            ? `the file system of ${root} offers no hard links (${trouble(error)}), and the store needs them`
            : `${root} can't be written to (${trouble(error)})`
        )
      )
    )
  })

/** Looks at all directories above: who could replace the directory could plant tokens, too. */
const checkAbove = (
  { fs, path, root }: files.Place,
  me: trust.User
): Effect.Effect<void, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const real = yield* Effect.orElseSucceed(fs.realPath(root), () => root)
    for (let at = path.dirname(real), last = real; at !== last; last = at, at = path.dirname(at)) {
      const above = Option.getOrUndefined(yield* Effect.option(fs.stat(at)))
      if (above !== undefined) yield* rejectIf(trust.ofDirectoryAbove(root, at, above, me))
    }
  })

export const open = (
  given: string
): Effect.Effect<files.Directory, TokenError.InvalidConfiguration, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (given.trim() === "") return yield* invalid("the directory is blank")
    // the working directory may change
    const root = path.resolve(given)
    const place: files.Place = { fs, path, root, hasModes: path.sep === "/" }
    const make = makeFolder(fs, path, root, directoryMode)
    let me: trust.User = Option.none()
    const directory = files.make(place, make, () => me)

    const info = yield* existing(place, make)
    if (place.hasModes) yield* rejectIf(trust.ofMode(root, info))
    // find out now, not at the first token, whether files can be created
    const probed = yield* probe(place, directory)
    me = probed.me
    if (place.hasModes) {
      yield* rejectIf(trust.ofOwner(root, info, me))
      yield* checkAbove(place, me)
    }
    return probed.works ? directory : yield* invalid(`${root} can't be written to`)
  })
