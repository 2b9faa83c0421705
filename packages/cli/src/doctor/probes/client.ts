/**
 * Who the client is. Each of its secrets is read once: what is sent afterwards is made of what was read, so that nothing is
 * sent again because a secret has changed meanwhile.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import type { BrokerConfig } from "@effect-bearer/broker"
import * as ProfileSource from "@effect-bearer/broker/ProfileSource"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import * as Grant from "effect-bearer/Grant"
import * as Secret from "effect-bearer/Secret"
import type * as TokenError from "effect-bearer/TokenError"
import type { Environment } from "../../settings/places.js"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Observer } from "../observing.js"
import type { Seen } from "../report.js"
import { found, ok } from "../report.js"
import * as wording from "../wording.js"
import * as variables from "./variables.js"

/** The ways to send an id and a secret. */
export const styles = ["basic", "basic-raw", "post"] as const

export type Style = typeof styles[number]

export const isStyle = (method: string): method is Style => (styles as ReadonlyArray<string>).includes(method)

export interface Client {
  readonly authentication: ClientAuthentication.ClientAuthentication
  readonly grant: Grant.Grant
  /** The same client in each of the styles; none of them if it has no secret to send. */
  readonly inStyle: ReadonlyMap<Style, ClientAuthentication.ClientAuthentication>
}

type Reference = BrokerConfig.SecretReference

const secretAt = (
  reference: Reference
): Effect.Effect<Redacted.Redacted, TokenError.RequestError, FileSystem.FileSystem | HttpClient.HttpClient> => {
  if ("env" in reference) return Secret.env(reference.env)
  if ("file" in reference) return Effect.flatten(Secret.file(reference.file))
  if ("plain" in reference) return Effect.succeed(reference.plain)
  const { token, ...vault } = reference.vault
  return Effect.flatMap(
    token === undefined ? Effect.succeed(undefined) : secretAt(token),
    (token) => Effect.flatten(Secret.vault({ ...vault, token }))
  )
}

const originOf = (reference: Reference): string =>
  "env" in reference
    ? wording.name(reference.env)
    : "file" in reference
    ? wording.name(reference.file, 300)
    : "vault" in reference
    ? `the field ${wording.name(reference.vault.field)} of ${wording.name(reference.vault.path)} in Vault`
    : "the configuration"

type Read = { readonly finding: Finding | undefined; readonly secret: Redacted.Redacted | undefined }

const read = (what: string, reference: Reference, environment: Environment) =>
  Effect.map(Effect.either(secretAt(reference)), (result): Read => {
    if (Either.isLeft(result)) {
      return {
        secret: undefined,
        // a variable that is not set is among the findings already
        finding: variables.isToldOf(result.left, [reference], environment) ? undefined : finding(
          "unreadable-secret",
          // messages of the library show where a secret is, and nothing of it
          `${what[0]!.toUpperCase()}${what.slice(1)}: ${wording.message(result.left)}`,
          "Check the place, and that this user may read it. Run this as the user that runs the program."
        )
      }
    }
    const value = Redacted.value(result.right)
    return {
      secret: result.right,
      // a variable is looked at with the others, and a key in PEM ends with a line break
      finding: value === value.trim() || "env" in reference || what === variables.privateKey ? undefined : finding(
        "untrimmed-variable",
        `${what[0]!.toUpperCase()}${what.slice(1)} in ${originOf(reference)} begins or ends with white space.`,
        "Remove it where the secret is kept. Of a file one line break at the end is no part of the secret; anything else is."
      )
    }
  })

/** The profile with secrets that are there, and no others. */
const settled = (
  profile: BrokerConfig.Profile,
  secrets: ReadonlyMap<Reference, Redacted.Redacted>
): BrokerConfig.Profile => {
  const at = (reference: Reference): Reference => ({ plain: secrets.get(reference) ?? Redacted.make("") })
  const { authentication, grant } = profile
  return {
    ...profile,
    authentication: "secret" in authentication
      ? { ...authentication, secret: at(authentication.secret) }
      : "key" in authentication
      ? { ...authentication, key: at(authentication.key) }
      : authentication,
    grant: grant.type === "jwt_bearer" ? { ...grant, assertion: at(grant.assertion) } : grant
  }
}

export const probe = (
  profile: BrokerConfig.Profile,
  observer: Observer,
  environment: Environment
): Effect.Effect<
  { readonly client: Client | undefined; readonly seen: Seen },
  never,
  FileSystem.FileSystem
> =>
  Effect.gen(function*() {
    // a refresh token is not used, so it is not read
    const references = variables.references(profile, undefined).filter(([, reference]) =>
      !("refreshToken" in profile.grant && profile.grant.refreshToken === reference)
    )
    const secrets = new Map<Reference, Redacted.Redacted>()
    const findings: Array<Finding> = []
    for (const [what, reference] of references) {
      const result = yield* read(what, reference, environment)
      if (result.finding !== undefined) findings.push(result.finding)
      if (result.secret !== undefined) {
        observer.hide(result.secret)
        secrets.set(reference, result.secret)
      }
    }
    const { method } = profile.authentication
    const origins = references.map(([what, reference]) => `${what} from ${originOf(reference)}`).join(", ")
    const seen = references.length === 0
      ? ok("secrets of the client", `it has none: ${method}`)
      : found("secrets of the client", findings, origins)
    if (secrets.size < references.length) {
      return { client: undefined, seen: { ...seen, checks: [{ ...seen.checks[0]!, outcome: "found" as const }] } }
    }
    const made = yield* Effect.either(make(settled(profile, secrets)))
    return Either.isRight(made)
      ? { client: made.right, seen }
      : {
        client: undefined,
        seen: found("secrets of the client", [
          ...findings,
          finding(
            "unusable-profile",
            wording.message(made.left),
            "Change that in the configuration, then run this again."
          )
        ])
      }
  }).pipe(Effect.provideService(HttpClient.HttpClient, observer.at("vault")))

const make = (profile: BrokerConfig.Profile) =>
  Effect.gen(function*() {
    const { authentication, grant } = profile
    const inStyle = new Map<Style, ClientAuthentication.ClientAuthentication>()
    if (authentication.method !== "none" && authentication.method !== "private-key-jwt") {
      for (const method of styles) {
        inStyle.set(
          method,
          yield* ProfileSource.authentication({ ...profile, authentication: { ...authentication, method } })
        )
      }
    }
    return {
      authentication: yield* ProfileSource.authentication(profile),
      inStyle,
      grant: grant.type === "jwt_bearer" && "plain" in grant.assertion
        ? Grant.jwtBearer({ assertion: grant.assertion.plain })
        : Grant.clientCredentials
    }
  })
