/** `exec`: see `exec/exec.ts`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { manner, Rest, wanted } from "./common.js"

export const command = Command.make(
  "exec",
  {
    ...wanted,
    ...manner,
    // these are never right here: they are known so that the error can say where they belong
    misplaced: Args.repeated(Args.text({ name: "command" })).pipe(
      Args.withDescription("The command and its arguments, after two hyphens.")
    )
  },
  ({ misplaced, ...options }) =>
    Effect.flatMap(
      Rest,
      (command) =>
        Effect.flatMap(Effect.promise(() => import("../exec/exec.js")), ({ run }) =>
          run(options, misplaced.length > 0 ? [] : command ?? [], process.env))
    )
).pipe(
  Command.withDescription(
    "Runs a command that gets its tokens from a broker of its own: exec -- COMMAND ARGUMENTS. The command finds " +
      "OAUTH_TOKEN_ENDPOINT, OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET in its environment, which are good for this run " +
      "alone, and a current token in the file OAUTH_TOKEN_FILE. The secrets of the profile it does not get. Ends with the " +
      "exit code of the command."
  )
)
