/** Who the client is: its secret is read once, so that nothing is sent again because it has changed meanwhile. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import type { BrokerConfig } from "@effect-bearer/broker"
import * as ProfileSource from "@effect-bearer/broker/ProfileSource"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import * as Secret from "effect-bearer/Secret"
import type * as TokenError from "effect-bearer/TokenError"
import { finding } from "../findings.js"
import type { Observer } from "../observing.js"
import type { Seen } from "../report.js"
import { found, ok } from "../report.js"
import * as wording from "../wording.js"

/** The ways to send an id and a secret. */
export const styles = ["basic", "basic-raw", "post"] as const

export type Style = typeof styles[number]

export const isStyle = (method: string): method is Style => (styles as ReadonlyArray<string>).includes(method)

export interface Client {
  readonly authentication: ClientAuthentication.ClientAuthentication
  /** The same client in another style. */
  readonly as: (style: Style) => ClientAuthentication.ClientAuthentication | undefined
}

const inStyle = (style: Style, secret: Redacted.Redacted): ClientAuthentication.ClientAuthentication => {
  switch (style) {
    case "basic":
      return ClientAuthentication.basic(secret)
    case "basic-raw":
      return ClientAuthentication.basicRaw(secret)
    case "post":
      return ClientAuthentication.post(secret)
  }
}

/** One that is not sent again with another secret. */
const once = (
  authentication: ClientAuthentication.ClientAuthentication
): ClientAuthentication.ClientAuthentication => ({
  ...authentication,
  credentials: (context) =>
    Effect.map(authentication.credentials(context), (credentials) => ({ ...credentials, madeFrom: undefined }))
})

/** A secret that is read when it is needed. */
export const secret = (
  reference: BrokerConfig.SecretReference,
  observer: Observer
): Effect.Effect<
  Effect.Effect<Redacted.Redacted, TokenError.RequestError>,
  TokenError.InvalidConfiguration,
  FileSystem.FileSystem
> => {
  if ("env" in reference) return Effect.succeed(Secret.env(reference.env))
  if ("file" in reference) return Secret.file(reference.file)
  if ("plain" in reference) return Effect.succeed(Effect.succeed(reference.plain))
  const { token, ...vault } = reference.vault
  return Effect.provideService(
    Effect.flatMap(
      token === undefined ? Effect.succeed(undefined) : secret(token, observer),
      (token) => Secret.vault({ ...vault, token })
    ),
    HttpClient.HttpClient,
    observer.at("vault")
  )
}

const originOf = (reference: BrokerConfig.SecretReference): string =>
  "env" in reference
    ? wording.name(reference.env)
    : "file" in reference
    ? wording.name(reference.file, 300)
    : "vault" in reference
    ? `the field ${wording.name(reference.vault.field)} of ${wording.name(reference.vault.path)} in Vault`
    : "the configuration"

export const read = (
  profile: BrokerConfig.Profile,
  observer: Observer
): Effect.Effect<
  { readonly client: Client | undefined; readonly seen: Seen },
  never,
  FileSystem.FileSystem
> => {
  const { authentication: own } = profile
  const check = "secret of the client"
  return Effect.gen(function*() {
    const authentication = yield* ProfileSource.authentication(profile)
    if (!isStyle(own.method) || !("secret" in own)) {
      return {
        client: { authentication: once(authentication), as: () => undefined },
        seen: ok("way to authenticate", own.method)
      }
    }
    const secret = Option.getOrUndefined(yield* authentication.current) ?? Redacted.make("")
    const value = Redacted.value(secret)
    // a variable is looked at with the others
    const findings = value === value.trim() || "env" in own.secret ? [] : [
      finding(
        "untrimmed-variable",
        `The secret in ${originOf(own.secret)} begins or ends with white space.`,
        "Remove it where the secret is kept. Of a file one line break at the end is no part of the secret; anything else is."
      )
    ]
    return {
      client: { authentication: inStyle(own.method, secret), as: (style: Style) => inStyle(style, secret) },
      seen: found(check, findings, `read from ${originOf(own.secret)}`)
    }
  }).pipe(
    Effect.provideService(HttpClient.HttpClient, observer.at("vault")),
    Effect.either,
    Effect.map(Either.getOrElse((error: TokenError.RequestError) => ({
      client: undefined,
      seen: found(
        check,
        isMissingVariable(error, own) ? [] : [
          finding(
            "unreadable-secret",
            // messages of the library show where a secret is, and nothing of it
            wording.message(error),
            "Check the place, and that this user may read it. Run this as the user that runs the program."
          )
        ]
      )
    })))
  )
}

/** That is among the findings already. */
const isMissingVariable = (
  error: TokenError.RequestError,
  authentication: BrokerConfig.Profile["authentication"]
): boolean => {
  const reference = "secret" in authentication
    ? authentication.secret
    : "key" in authentication
    ? authentication.key
    : undefined
  return error._tag === "InvalidConfiguration" && reference !== undefined && "env" in reference &&
    error.fields.includes(reference.env)
}
