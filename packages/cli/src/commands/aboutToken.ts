/** The options of commands that are about a token. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import { manner, maybe, request, wanted } from "./common.js"

/** Taken so that `@effect/cli` does not repeat it in its own words: see `input.noToken`. */
export const notTokens = Args.repeated(Args.text({ name: "none" })).pipe(
  Args.withDescription("None: a token is read from standard input.")
)

/** The options of a command that asks the server about a token. */
export const aboutToken = (what: "introspection" | "revocation") => ({
  ...wanted,
  ...manner,
  ...request,
  endpoint: maybe(
    Options.text("endpoint").pipe(
      Options.withDescription(`The URL of the ${what} endpoint. Default: the profile's, or what its issuer says.`)
    )
  ),
  hint: maybe(
    Options.choice("hint", ["access_token", "refresh_token"]).pipe(
      Options.withDescription("What the token is, so that the server knows where to look. Default: access_token.")
    )
  ),
  current: Options.boolean("current").pipe(
    Options.withDescription("The profile's current token, as `token` gives it, and not the one on standard input.")
  ),
  given: notTokens
})
