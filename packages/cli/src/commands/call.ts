/** `call`: see `call/run.ts`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { manner, maybe, wanted } from "./common.js"

export const command = Command.make(
  "call",
  {
    ...wanted,
    quiet: manner.quiet,
    json: Options.boolean("json").pipe(
      Options.withDescription("A failure as JSON; the answer is as it came.")
    ),
    header: Options.repeated(
      Options.text("header").pipe(
        Options.withAlias("H"),
        Options.withDescription("'Name: value'; may be given several times. Authorization is not for you to set.")
      )
    ),
    data: Options.repeated(
      Options.text("data").pipe(
        Options.withAlias("d"),
        Options.withDescription(
          "The body: text (several are joined by &), @FILE, or @- for standard input. Its type is application/json where it " +
            "begins with { or [, else that of a form, or of bytes if it is no text; -H 'Content-Type: …' says otherwise."
        )
      )
    ),
    output: maybe(
      Options.text("output").pipe(
        Options.withAlias("o"),
        Options.withDescription(
          "A file for the answer; it is there when the answer is whole. Default: standard output."
        )
      )
    ),
    include: Options.boolean("include").pipe(
      Options.withAlias("i"),
      Options.withDescription("Status and headers before the body.")
    ),
    fail: Options.boolean("fail").pipe(
      Options.withDescription("Exit code 3 for 401 and 403, and 1 for any other status from 400 on. Default: 0.")
    ),
    timeout: maybe(
      Options.text("timeout").pipe(
        Options.withDescription("For the whole call: seconds, or 90s, 5m, 1h. Default: none.")
      )
    ),
    origin: Options.repeated(
      Options.text("origin").pipe(
        Options.withDescription("An API that may have the token in this call, beside the profile's origins.")
      )
    ),
    method: Args.text({ name: "method" }).pipe(Args.withDescription("GET, POST, PUT, PATCH, DELETE, …")),
    url: Args.text({ name: "url" }).pipe(Args.withDescription("An absolute URL at one of the profile's origins."))
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../call/run.js")), ({ run }) => run(options, process.env))
).pipe(
  Command.withDescription(
    "Sends one request with the profile's token, as curl would. A token that the API refuses is renewed once. Redirects " +
      "are not followed."
  )
)
