/** `inspect`: see `inspect/run.ts`. */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { notTokens } from "./aboutToken.js"
import { manner } from "./common.js"

export const command = Command.make(
  "inspect",
  { ...manner, given: notTokens },
  (options) => Effect.flatMap(Effect.promise(() => import("../inspect/run.js")), ({ run }) => run(options, process.env))
).pipe(
  Command.withDescription(
    "Shows what a token on standard input says of itself: claims, scopes and the life that is left. Nothing is verified, " +
      "and nobody is asked."
  )
)
