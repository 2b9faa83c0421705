/** What is not to stay behind, in whatever way the process ends but a kill. */
import { rmSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as signals from "./signals.js"

/** Removes a file or a folder: when the scope closes, or when the process ends before that. */
export const remove = (path: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(
    Effect.sync(() => {
      const finish = () => {
        try {
          rmSync(path, { recursive: true, force: true })
        } catch {
          // another program has removed the folder, or keeps a file in it open
        }
      }
      // a terminal that is closed would end the process without an "exit"
      const hangUp = () => {
        if (!signals.isTaken("SIGHUP")) process.exit(signals.exitCodeOf("SIGHUP"))
      }
      process.once("exit", finish)
      process.on("SIGHUP", hangUp)
      return { finish, hangUp }
    }),
    ({ finish, hangUp }) =>
      Effect.sync(() => {
        process.removeListener("exit", finish)
        process.removeListener("SIGHUP", hangUp)
        finish()
      })
  ))
