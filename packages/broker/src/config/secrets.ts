/** From a reference to the secret: nothing is read before it is needed, and it is read anew at each use (SPEC C11). */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Secret from "effect-bearer/Secret"
import * as TokenError from "effect-bearer/TokenError"
import type { SecretReference } from "./schemas.js"

/** An effect that yields the secret as it is now. */
type Read = Effect.Effect<Redacted.Redacted, TokenError.RequestError>

/**
 * How a reference is read. It fails only for a reference to Vault that cannot work, such as one without an address
 * anywhere. Paths are taken as they are: `BrokerConfig.load` has made them absolute.
 *
 * The variables of the environment are those of the `ConfigProvider` in whose scope the effect runs. What was read from
 * Vault counts for 5 seconds, so that retries do not hammer it.
 */
export const read = (
  reference: SecretReference
): Effect.Effect<Read, TokenError.InvalidConfiguration, FileSystem.FileSystem | HttpClient.HttpClient> => {
  if ("env" in reference) return Effect.succeed(Secret.env(reference.env))
  if ("file" in reference) return Secret.file(reference.file)
  if ("plain" in reference) return Effect.succeed(Effect.succeed(reference.plain))
  const { token, ...vault } = reference.vault
  return Effect.flatMap(
    token === undefined ? Effect.succeed(undefined) : read(token),
    (token) => Secret.vault({ ...vault, token })
  )
}

/**
 * A secret that is needed at the start, or when a configuration takes effect: a file system that does not answer keeps no
 * broker from starting, nor a later configuration from taking effect.
 */
export const now = (
  read: Read,
  { field, limit, what }: {
    readonly field: string
    readonly what: string
    readonly limit: Duration.DurationInput
  }
): Effect.Effect<Redacted.Redacted, TokenError.InvalidConfiguration> => {
  const unread = (why: string) =>
    new TokenError.InvalidConfiguration({ fields: [field], detail: `${what} could not be read: ${why}` })
  return read.pipe(
    Effect.mapError((error) => error._tag === "InvalidConfiguration" ? error : unread(error.message)),
    Effect.disconnect,
    Effect.interruptible,
    Effect.timeoutFail({ duration: limit, onTimeout: () => unread("there is no answer") })
  )
}
