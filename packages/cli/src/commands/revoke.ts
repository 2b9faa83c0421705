/** `revoke`: see `remote/revoke.ts`. */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { aboutToken } from "./aboutToken.js"

export const command = Command.make(
  "revoke",
  aboutToken("revocation"),
  (options) =>
    Effect.flatMap(Effect.promise(() => import("../remote/revoke.js")), ({ run }) => run(options, process.env))
).pipe(
  Command.withDescription(
    "Revokes the token on standard input (RFC 7009), or with --current the profile's own. The next `token` gets another."
  )
)
