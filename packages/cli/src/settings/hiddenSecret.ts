/** A secret that the environment should have and has not: whoever sits at the terminal is asked for it. */
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Secret from "effect-bearer/Secret"
import * as input from "../input/input.js"
import type { Chosen } from "./settings.js"

/** The variables that a profile reads secrets from. */
const variables = ({ authentication, grant }: BrokerConfig.Profile): ReadonlyArray<string> =>
  [
    "secret" in authentication ? authentication.secret : undefined,
    "key" in authentication ? authentication.key : undefined,
    "refreshToken" in grant ? grant.refreshToken : undefined,
    "assertion" in grant ? grant.assertion : undefined
  ].flatMap((reference) => reference !== undefined && "env" in reference ? [reference.env] : [])

/** The variable whose absence is the error, if a person can be asked for it. */
const missing = (error: unknown, { profile }: Chosen): string | undefined => {
  if (!input.canAsk() || !Predicate.isTagged(error, "InvalidConfiguration")) return undefined
  if (!Predicate.hasProperty(error, "fields") || !Array.isArray(error.fields)) return undefined
  const { fields } = error
  return variables(profile).find((name) => fields.includes(name) && (process.env[name] ?? "").trim() === "")
}

/**
 * Runs `effect`; where it fails for want of a secret of the environment, asks for that, without showing it, and runs
 * `effect` once more. The answer is kept in this process alone.
 */
export const orAsk = <A, E, R>(chosen: Chosen, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.catchAll(effect, (error) => {
    const name = missing(error, chosen)
    return name === undefined
      ? Effect.fail(error)
      : Effect.flatMap(input.hidden(`${name} (not shown): `), (answer) => {
        if (answer === undefined || answer === "") return Effect.fail(error)
        process.env[name] = answer
        return effect
      })
  })

/** Asks at once for what is missing, where somebody can be asked; what is missing after that, the broker tells. */
export const askForMissing = (chosen: Chosen): Effect.Effect<void> =>
  Effect.ignore(orAsk(chosen, Effect.forEach(variables(chosen.profile), Secret.env, { discard: true })))
