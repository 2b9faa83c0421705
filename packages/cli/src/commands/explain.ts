/** `explain`: see `explain/run.ts`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { manner } from "./common.js"

export const command = Command.make(
  "explain",
  {
    ...manner,
    given: Args.repeated(Args.text({ name: "code" })).pipe(
      Args.withDescription(
        "A code such as tls-error, the name of an error, or a code of OAuth. Without one: all codes."
      )
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../explain/run.js")), ({ run }) => run(options, process.env))
).pipe(
  Command.withDescription(
    "The page about an error or a finding, without network access: what it means, and what to do."
  )
)
