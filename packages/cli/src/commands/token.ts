/** `token`: see `token/print.ts`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Option from "effect/Option"
import * as formats from "../token/formats.js"
import * as print from "../token/print.js"
import { manner, maybe, request, wanted } from "./common.js"

export const command = Command.make(
  "token",
  {
    ...wanted,
    ...manner,
    format: maybe(
      Options.choice("format", formats.names).pipe(
        Options.withAlias("f"),
        Options.withDescription("The form of the answer. Default: raw, or json with --json.")
      )
    ),
    minTtl: maybe(
      Options.text("min-ttl").pipe(
        Options.withDescription("A token with less time left is renewed first: seconds, or 90s, 5m, 1h.")
      )
    ),
    ...request,
    operation: Args.text({ name: "operation" }).pipe(
      Args.withDescription("What git and Bazel add by themselves: get, store or erase."),
      Args.optional,
      Args.map(Option.getOrUndefined)
    )
  },
  (options) => print.run(options, process.env)
).pipe(
  Command.withDescription("Prints an access token. It is kept between runs, so that a loop makes one token request.")
)
