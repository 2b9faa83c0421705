/** `introspect`: see `remote/introspect.ts`. */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { aboutToken } from "./aboutToken.js"

export const command = Command.make(
  "introspect",
  aboutToken("introspection"),
  (options) =>
    Effect.flatMap(Effect.promise(() => import("../remote/introspect.js")), ({ run }) => run(options, process.env))
).pipe(
  Command.withDescription(
    "Asks the server about the token on standard input (RFC 7662). At a terminal, or with --current, about the profile's " +
      "own. Exit code: 0 active, 1 not active."
  )
)
