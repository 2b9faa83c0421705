/** From a reference in the configuration to the secret: an effect that reads it at each use, so that a rotation needs no reload. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Secret from "effect-bearer/Secret"
import type * as TokenError from "effect-bearer/TokenError"
import type { SecretReference } from "../BrokerConfig.js"

type Read = Effect.Effect<Redacted.Redacted, TokenError.RequestError>

/** What the reference says is checked now; the secret is read when it is needed. */
export const read = (
  reference: SecretReference
): Effect.Effect<Read, TokenError.InvalidConfiguration, FileSystem.FileSystem | HttpClient.HttpClient> =>
  Effect.flatMap(
    Effect.context<FileSystem.FileSystem>(),
    (context): Effect.Effect<Read, TokenError.InvalidConfiguration, HttpClient.HttpClient> => {
      const file = (path: string): Read => Effect.provide(Secret.file(path), context)
      if ("vault" in reference) return vault(reference.vault, file)
      return Effect.sync((): Read =>
        "env" in reference
          ? Secret.env(reference.env)
          : "file" in reference
          ? file(reference.file)
          : Effect.succeed(reference.plain)
      )
    }
  )

const vault = (
  { token, ...options }: Extract<SecretReference, { readonly vault: unknown }>["vault"],
  file: (path: string) => Read
) =>
  Secret.vault({
    ...options,
    token: token === undefined ? undefined : "env" in token ? Secret.env(token.env) : file(token.file)
  })
