/** A folder for this user alone, which is gone when the scope closes, or the process ends in another way but a kill. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Failure } from "./output/failure.js"
import { failed } from "./output/failure.js"
import * as signals from "./signals.js"

export const make: Effect.Effect<string, Failure, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        // mode 0700
        const path = mkdtempSync(join(tmpdir(), "effect-bearer-"))
        const remove = () => {
          try {
            rmSync(path, { recursive: true, force: true })
          } catch {
            // somebody has taken it away, or keeps a file in it open
          }
        }
        // a terminal that is closed would end the process without an "exit"
        const hangUp = () => {
          if (!signals.isTaken("SIGHUP")) process.exit(signals.exitCodeOf("SIGHUP"))
        }
        process.once("exit", remove)
        process.on("SIGHUP", hangUp)
        return { path, remove, hangUp }
      },
      catch: () => failed(`No folder for temporary files can be made in ${tmpdir()}.`)
    }),
    ({ hangUp, remove }) =>
      Effect.sync(() => {
        process.removeListener("exit", remove)
        process.removeListener("SIGHUP", hangUp)
        remove()
      })
  ),
  ({ path }) => path
)
