/**
 * What a command works with: one profile, and the store for its tokens. From the file that `--config` names, from
 * `effect-bearer.yaml` here or in the user's configuration folder, or from the environment alone.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import type * as TokenError from "effect-bearer/TokenError"
import { Failure, usage } from "../output/failure.js"
import * as shown from "../output/shown.js"
import * as environmentProfile from "./environmentProfile.js"
import { locate, places } from "./locate.js"
import type { Environment } from "./places.js"

/** What the options of a command say about it. */
export interface Wanted {
  readonly config?: string | undefined
  readonly profile?: string | undefined
}

/** A profile, and where it comes from. */
export interface Chosen extends environmentProfile.Named {
  /** As a person would call it: the name of a file, or "the environment". */
  readonly from: string
  readonly store: BrokerConfig.Store | undefined
}

type Services = FileSystem.FileSystem | Path.Path

export type Problem = Failure | TokenError.InvalidConfiguration | BrokerConfig.ConfigurationProblems

const nowhere = usage(
  "There is no configuration. Set OAUTH_TOKEN_ENDPOINT, OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET, or GENESYS_CLIENT_ID, " +
    "GENESYS_CLIENT_SECRET and GENESYS_REGION; or write effect-bearer.yaml here; or name a file with --config."
)

/** `EFFECT_BEARER_CONFIG` with this value: no file, wherever one lies. */
export const noFile = "none"

/** The file that an option or the environment names, or one that lies where one is looked for. */
const fileOf = (wanted: Wanted, environment: Environment): string | undefined | Failure => {
  const variable = environment["EFFECT_BEARER_CONFIG"]
  if (wanted.config !== undefined) return wanted.config
  if (variable?.trim() === noFile) return undefined
  return variable !== undefined && variable.trim() !== "" ? variable : locate(environment)
}

/** Every file whose content, or whose absence, decides about the configuration. */
export const candidates = (wanted: Wanted, environment: Environment): ReadonlyArray<string> =>
  [...places(environment), wanted.config, environment["EFFECT_BEARER_CONFIG"]].filter((file) => file !== undefined)

/** The file with the configuration, as a name, or `undefined` where the environment alone has it. */
export const file = (
  wanted: Wanted,
  environment: Environment
): Effect.Effect<string | undefined, Failure> =>
  Effect.suspend(() => {
    const found = fileOf(wanted, environment)
    return found instanceof Failure ? Effect.fail(found) : Effect.succeed(found)
  })

/** The profile to work with. Nothing is read of its secrets. */
export const choose = (
  wanted: Wanted,
  environment: Environment,
  canAsk: boolean
): Effect.Effect<Chosen, Problem, Services> =>
  Effect.flatMap(file(wanted, environment), (name): Effect.Effect<Chosen, Problem, Services> => {
    if (name !== undefined) return fromFile(name, profileName(wanted, environment))
    const named = environmentProfile.read(environment, { name: profileName(wanted, environment), canAsk })
    if (named !== undefined) {
      return Effect.map(named, (named): Chosen => ({ ...named, from: "the environment", store: undefined }))
    }
    const asked = profileName(wanted, environment)
    return Effect.fail(
      asked === undefined ? nowhere : usage(`There is no profile${quoted(asked)}: ${nowhere.detail}`)
    )
  })

const profileName = (wanted: Wanted, environment: Environment): string | undefined => {
  const variable = environment["EFFECT_BEARER_PROFILE"]
  return wanted.profile ?? (variable !== undefined && variable.trim() !== "" ? variable.trim() : undefined)
}

/** Loaded where there is a file: the environment alone needs neither YAML nor the Schema. */
const fromFile = (name: string, profile: string | undefined) =>
  Effect.flatMap(
    Effect.promise(() => import("@effect-bearer/broker/BrokerConfig")),
    (module) => Effect.flatMap(module.load(name), (config) => pick(name, config, profile))
  )

const pick = (
  file: string,
  config: BrokerConfig.Config,
  wanted: string | undefined
): Effect.Effect<Chosen, Failure> => {
  const names = Object.keys(config.profiles)
  const chosen = wanted ?? (names.length === 1 ? names[0] : names.find((name) => name === "default"))
  if (chosen === undefined) {
    return Effect.fail(
      usage(
        names.length === 0
          ? `${file} has no profile.`
          : `${file} has several profiles: choose one with --profile: ${shown.names(names)}.`
      )
    )
  }
  const profile = Object.hasOwn(config.profiles, chosen) ? config.profiles[chosen] : undefined
  return profile === undefined
    ? Effect.fail(usage(`${file} has no profile${quoted(chosen)}. It has ${shown.names(names) || "none"}.`))
    : Effect.succeed({ name: chosen, profile, from: file, store: config.store })
}

/** What cannot be the name of a profile may be a secret in the wrong place. */
const quoted = (name: string): string => /^[a-z0-9-]{1,64}$/.test(name) ? ` "${name}"` : " of this name"
