/** From a reference in the configuration to the secret: an effect that reads it at each use, so that a rotation needs no reload. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Secret from "effect-bearer/Secret"
import type * as TokenError from "effect-bearer/TokenError"
import type { SecretReference } from "../BrokerConfig.js"

type Read = Effect.Effect<Redacted.Redacted, TokenError.RequestError>

type VaultReference = Extract<SecretReference, { readonly vault: unknown }>["vault"]

/** What the reference says is checked now; the secret is read when it is needed. */
export const read = (
  reference: SecretReference
): Effect.Effect<Read, TokenError.InvalidConfiguration, FileSystem.FileSystem | HttpClient.HttpClient> => {
  if ("env" in reference) return Effect.sync((): Read => Secret.env(reference.env))
  if ("file" in reference) return Effect.map(Secret.file(reference.file), (read): Read => read)
  if ("plain" in reference) return Effect.sync((): Read => Effect.succeed(reference.plain))
  return vault(reference.vault)
}

const vault = ({ token, ...options }: VaultReference) =>
  Effect.flatMap(
    token === undefined ? Effect.succeed(undefined) : read(token),
    (token) => Secret.vault({ ...options, token })
  )
