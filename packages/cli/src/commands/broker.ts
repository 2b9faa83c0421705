/** `broker`: what is to be done for a broker besides running it. See `broker/key.ts`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { manner } from "./common.js"

const key = Command.make(
  "key",
  {
    ...manner,
    digest: Options.boolean("digest").pipe(
      Options.withDescription("Print the digest of a key that is read from standard input, and make none.")
    ),
    id: Args.text({ name: "id" }).pipe(
      Args.withDescription("The id of the caller, for the lines of the configuration."),
      Args.optional,
      Args.map(Option.getOrUndefined)
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../broker/key.js")), ({ run }) => run(options))
).pipe(
  Command.withDescription(
    "Makes a key for a caller: the key on standard output, its digest and how to configure it on standard error."
  )
)

export const command = Command.make("broker").pipe(
  Command.withDescription("Makes keys for the callers of a broker."),
  Command.withSubcommands([key])
)
