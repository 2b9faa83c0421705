/**
 * Makes a folder and its parents, each by a call of its own. With `recursive` Node.js tries for ever if the system
 * makes no folder although its parent exists, as in `/proc`.
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"

const is = (reason: "NotFound" | "AlreadyExists") => (error: PlatformError) =>
  error._tag === "SystemError" && error.reason === reason

/** Succeeds if the folder exists already. */
export const makeFolder = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  folder: string,
  mode: number
): Effect.Effect<void, PlatformError> => {
  const make = fs.makeDirectory(folder, { mode }).pipe(
    Effect.catchIf(
      is("AlreadyExists"),
      (error) => Effect.flatMap(fs.stat(folder), ({ type }) => type === "Directory" ? Effect.void : Effect.fail(error))
    )
  )
  const above = path.dirname(folder)
  const isThere = above === folder ? Effect.succeed(true) : Effect.orElseSucceed(fs.exists(above), () => true)
  return Effect.catchIf(make, is("NotFound"), () =>
    Effect.zipRight(
      Effect.flatMap(isThere, (isThere) => isThere ? Effect.void : makeFolder(fs, path, above, mode)),
      // try once more, even if another process has made the parent meanwhile
      make
    ))
}
