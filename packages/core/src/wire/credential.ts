// A secret in the options: a plain value, or an effect that is run at every attempt.
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as permission from "../values/permission.js"
import * as TokenError from "../values/TokenError.js"
import * as Disclosure from "./Disclosure.js"

/** A secret that is sent: a plain value, or read on every attempt. */
export interface Credential {
  readonly isPlain: boolean
  readonly read: Effect.Effect<Redacted.Redacted, TokenError.RequestError>
}

/** The option that holds a secret, and its name in errors. */
export interface Origin {
  readonly field: string
  readonly name: string
}

/**
 * Failures name the option and its kind; the contents of the original failure are not shown, because they may hold the
 * secret. Errors of the library's own pass: a vault that does not answer is a `TransportError`, and can be retried.
 */
export const guarded = <A>(
  effect: Effect.Effect<A, unknown>,
  origin: Origin
): Effect.Effect<A, TokenError.RequestError> =>
  Effect.catchAllCause(effect, (cause) =>
    // a caller who is interrupted does not come here
    Effect.fail(
      Option.match(Cause.failureOption(cause), {
        onNone: () =>
          invalid(
            origin,
            Cause.isInterruptedOnly(cause)
              ? "could not be read: reading it was interrupted from inside"
              : permission.unreadable(Cause.squash(cause))
          ),
        onSome: (error) => isRequestError(error) ? error : invalid(origin, `could not be read (${nameOf(error)})`)
      })
    ))

export const make = (
  secret: Redacted.Redacted | Effect.Effect<Redacted.Redacted, unknown>,
  origin: Origin
): Credential => {
  // a description read from a config provider or a vault; a Redacted is not an Effect
  const isPlain = !Effect.isEffect(secret)
  return {
    isPlain,
    read: Effect.flatMap(
      isPlain ? Effect.succeed(secret) : guarded(secret, origin),
      (value: unknown) =>
        !Redacted.isRedacted(value) || typeof Redacted.value(value) !== "string"
          ? Effect.fail(invalid(origin, "is not a Redacted string"))
          : (Redacted.value(value) as string).trim() === ""
          ? Effect.fail(invalid(origin, "is blank"))
          : Effect.succeed(value as Redacted.Redacted)
    )
  }
}

const invalid = ({ field, name }: Origin, detail: string): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({ fields: [field], detail: `${name} ${detail}` })

const isRequestError = (u: unknown): u is TokenError.RequestError =>
  TokenError.isTokenError(u) && u._tag !== "RetriesExhausted" && u._tag !== "CircuitOpen"

/** The kind of a failure, without its contents. */
const nameOf = (error: unknown): string => {
  if (ConfigError.isConfigError(error)) {
    return error._op === "MissingData" ? `${error.path.join("_")} is not set` : `ConfigError ${error._op}`
  }
  return Disclosure.errorName(error, "unknown failure")
}
