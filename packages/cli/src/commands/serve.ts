/** `serve`: see `serve/serve.ts` and `demo/demo.ts`. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { portOf } from "../serve/port.js"
import { config, manner, maybe } from "./common.js"

export const command = Command.make(
  "serve",
  {
    config,
    ...manner,
    port: maybe(
      Options.text("port").pipe(
        Options.withDescription("Instead of the port of the configuration (4180 by default); 0 for any free one.")
      )
    ),
    demo: Options.boolean("demo").pipe(
      Options.withDescription("Bring an authorization server and an API of its own, and show lines to paste.")
    )
  },
  ({ demo, port, ...rest }) =>
    Effect.gen(function*() {
      const options = { ...rest, port: yield* portOf(port) }
      const { run } = yield* Effect.promise(() => demo ? import("../demo/demo.js") : import("../serve/serve.js"))
      return yield* run(options, process.env)
    })
).pipe(
  Command.withDescription(
    "Runs the token broker. Its audit, a line of JSON for each token, goes to standard output unless the configuration " +
      "names a file; everything else that it says goes to standard error. Ctrl-C and SIGTERM end it when the requests " +
      "that run are answered; a second one ends it at once."
  )
)
