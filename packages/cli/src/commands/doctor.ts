/** `doctor`: see `doctor/run.ts`. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { manner, maybe, wanted } from "./common.js"

export const command = Command.make(
  "doctor",
  {
    ...wanted,
    ...manner,
    try: Options.boolean("try").pipe(
      Options.withDescription(
        "Also try the other ways to send id and secret, with one token request each, and say which of them work."
      )
    ),
    api: maybe(
      Options.text("api").pipe(
        Options.withDescription("Also sends one GET request with the token to this URL, and says why it is refused.")
      )
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../doctor/run.js")), ({ run }) => run(options, process.env))
).pipe(
  Command.withDescription(
    "Finds out what is wrong, from the variables to the token and the API, and what to do first. It says beforehand what " +
      "it sends. Exit code 5 where it has found something."
  )
)
