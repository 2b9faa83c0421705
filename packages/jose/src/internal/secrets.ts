import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as TokenError from "effect-bearer/TokenError"

/** Runs an effect that yields a secret. Whatever it ends with, its value is not shown: it may hold the secret. */
export const guarded = <A>(
  effect: Effect.Effect<A, unknown>,
  field: string,
  what: string
): Effect.Effect<A, TokenError.RequestError> =>
  Effect.catchAllCause(effect, (cause) => {
    const invalid = (detail: string) => new TokenError.InvalidConfiguration({ fields: [field], detail })
    return Cause.isInterruptedOnly(cause) ? Effect.interrupt : Effect.fail(
      Option.match(Cause.failureOption(cause), {
        onNone: () => invalid(`reading the ${what} died with an unexpected error`),
        onSome: (error) => isRequestError(error) ? error : invalid(`the ${what} could not be read (${nameOf(error)})`)
      })
    )
  })

const isRequestError = (u: unknown): u is TokenError.RequestError =>
  TokenError.isTokenError(u) && u._tag !== "RetriesExhausted" && u._tag !== "CircuitOpen"

/** The kind of a failure, without anything it carries. */
const nameOf = (error: unknown): string => {
  if (ConfigError.isConfigError(error)) {
    return error._op === "MissingData" ? `${error.path.join("_")} is not set` : `ConfigError ${error._op}`
  }
  const name = Predicate.hasProperty(error, "_tag") ? error._tag : error instanceof Error ? error.name : undefined
  return typeof name === "string" && /^[A-Za-z][\w./-]{0,60}$/.test(name) ? name : "unknown failure"
}
