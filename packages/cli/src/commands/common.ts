/** Options that every command takes, and how a command becomes one of `@effect/cli`. */
import * as Options from "@effect/cli/Options"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import type { Wanted } from "../settings/settings.js"

/** Text, or nothing. */
export const maybe = <A>(options: Options.Options<A>): Options.Options<A | undefined> =>
  Options.map(Options.optional(options), Option.getOrUndefined)

export const json = Options.boolean("json").pipe(
  Options.withDescription("The answer, and a failure, as JSON.")
)

export const quiet = Options.boolean("quiet").pipe(
  Options.withAlias("q"),
  Options.withDescription("Say nothing but the answer, and why there is none.")
)

/** How the program talks. */
export const manner = { json, quiet }

export const config = maybe(
  Options.file("config").pipe(
    Options.withAlias("c"),
    Options.withDescription(
      "The configuration (YAML or JSON). Default: EFFECT_BEARER_CONFIG, effect-bearer.yaml here, config.yaml in the " +
        "user's configuration folder, or OAUTH_* or GENESYS_* alone."
    )
  )
)

/** Which profile of which configuration. */
export const wanted = {
  config,
  profile: maybe(
    Options.text("profile").pipe(
      Options.withAlias("p"),
      Options.withDescription(
        "The profile. Default: EFFECT_BEARER_PROFILE, the only one there is, or the one named \"default\"."
      )
    )
  )
}

const many = (name: string, description: string) =>
  Options.repeated(Options.withDescription(Options.text(name), description))

/** What the token is for, in place of what the profile says. */
export const request = {
  scope: many("scope", "Scopes other than the profile's; may be given several times."),
  audience: many("audience", "Audiences other than the profile's."),
  resource: many("resource", "Resources other than the profile's (RFC 8707).")
}

/** What {@link wanted} and {@link manner} give. */
export interface Common extends Wanted {
  readonly json: boolean
  readonly quiet: boolean
}

/** What follows `--` on the command line, untouched; `undefined` where there is no `--`. */
export class Rest extends Context.Tag("@effect-bearer/cli/Rest")<Rest, ReadonlyArray<string> | undefined>() {}
