import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as TokenError from "../TokenError.js"

/** Something secret that is sent: given as it is, or read on every attempt. */
export interface Credential {
  readonly isPlain: boolean
  readonly read: Effect.Effect<Redacted.Redacted, TokenError.RequestError>
}

/**
 * Failures name the option and what it is; nothing they hold is shown, because it may hold the secret. Errors of the
 * library's own pass: a vault that does not answer is a `TransportError`, and can be retried.
 */
export const make = (
  secret: Redacted.Redacted | Effect.Effect<Redacted.Redacted, unknown>,
  option: { readonly field: string; readonly name: string }
): Credential => {
  const invalid = (detail: string) =>
    new TokenError.InvalidConfiguration({ fields: [option.field], detail: `${option.name} ${detail}` })

  const validate = (value: unknown): Effect.Effect<Redacted.Redacted, TokenError.InvalidConfiguration> =>
    !Redacted.isRedacted(value) || typeof Redacted.value(value) !== "string"
      ? Effect.fail(invalid("is not a Redacted string"))
      : (Redacted.value(value) as string).trim() === ""
      ? Effect.fail(invalid("is blank"))
      : Effect.succeed(value as Redacted.Redacted)

  const guarded = (effect: Effect.Effect<Redacted.Redacted, unknown>) =>
    Effect.catchAllCause(
      effect,
      (cause): Effect.Effect<never, TokenError.RequestError> =>
        Cause.isInterruptedOnly(cause) ? Effect.interrupt : Effect.fail(
          Option.match(Cause.failureOption(cause), {
            onNone: () => invalid("could not be read: reading it died with an unexpected error"),
            onSome: (error) => isRequestError(error) ? error : invalid(`could not be read (${nameOf(error)})`)
          })
        )
    )

  // a description read from a config provider or a vault; a Redacted is not an Effect
  const isPlain = !Effect.isEffect(secret)
  return { isPlain, read: Effect.flatMap(isPlain ? Effect.succeed(secret) : guarded(secret), validate) }
}

const isRequestError = (u: unknown): u is TokenError.RequestError =>
  TokenError.isTokenError(u) && u._tag !== "RetriesExhausted" && u._tag !== "CircuitOpen"

/** The kind of a failure, without anything it carries. */
const nameOf = (error: unknown): string => {
  if (ConfigError.isConfigError(error)) {
    return error._op === "MissingData" ? `${error.path.join("_")} is not set` : `ConfigError ${error._op}`
  }
  const name = Predicate.hasProperty(error, "_tag")
    ? error._tag
    : error instanceof Error
    ? error.name
    : undefined
  return typeof name === "string" && /^[A-Za-z][\w./-]{0,60}$/.test(name) ? name : "unknown failure"
}
