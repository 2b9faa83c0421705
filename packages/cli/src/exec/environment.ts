/**
 * The environment of the command: what leads to the broker, and nothing that leads around it. The secrets of the profile
 * stay here; the command asks with a key that is good for this run alone.
 */
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Predicate from "effect/Predicate"
import type { Environment } from "../settings/places.js"
import type { Chosen } from "../settings/settings.js"
import { noFile } from "../settings/settings.js"

/** What the command is given. */
export interface Given {
  readonly tokenEndpoint: string
  readonly clientId: string
  readonly key: string
  readonly tokenFile: string
}

/** Variables that describe a client: a program that reads them would ask the server itself, without the secret. */
const descriptions: ReadonlySet<string> = new Set([
  "OAUTH_ISSUER",
  "OAUTH_CLIENT_SECRET_FILE",
  "OAUTH_SCOPES",
  "OAUTH_AUDIENCE",
  "OAUTH_RESOURCE",
  "OAUTH_INTROSPECTION_ENDPOINT",
  "OAUTH_REVOCATION_ENDPOINT",
  "OAUTH_ACCESS_TOKEN",
  "OAUTH_TOKEN_TYPE",
  "OAUTH_TOKEN_EXPIRES_AT",
  "GENESYS_CLIENT_ID",
  "GENESYS_CLIENT_SECRET",
  "GENESYS_CLIENT_SECRET_FILE",
  "GENESYS_SCOPES",
  "EFFECT_BEARER_PROFILE"
])

/** The variables that a profile and its store read secrets from, wherever in them a secret is named. */
export const secretVariables = (
  { profile, store }: { readonly profile: BrokerConfig.Profile; readonly store?: BrokerConfig.Store | undefined }
): ReadonlySet<string> => {
  const names = new Set<string>()
  const look = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(look)
    if (!Predicate.isRecord(value)) return
    if (typeof value["env"] === "string") names.add(value["env"])
    const { vault } = value
    if (Predicate.isRecord(vault) && vault["token"] === undefined) names.add("VAULT_TOKEN")
    Object.values(value).forEach(look)
  }
  // parameters have names that anybody may choose, and no secrets
  look([profile.authentication, profile.grant, store])
  return names
}

/** Loopback is not behind a proxy: it would see the key. */
const withoutProxy = (environment: Environment): Record<string, string> => {
  const isSet = (name: string) => (environment[name] ?? "") !== ""
  if (!["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].some(isSet)) return {}
  const present = [environment["NO_PROXY"], environment["no_proxy"]].find((list) => (list ?? "") !== "")
  if (present?.trim() === "*") return {}
  const list = present === undefined ? "127.0.0.1" : `${present},127.0.0.1`
  return { NO_PROXY: list, no_proxy: list }
}

export const make = (
  environment: Environment,
  chosen: Pick<Chosen, "profile" | "store">,
  given: Given
): Record<string, string | undefined> => {
  const secrets = secretVariables(chosen)
  const kept = Object.entries(environment).filter(([name]) => !descriptions.has(name) && !secrets.has(name))
  return {
    ...Object.fromEntries(kept),
    ...withoutProxy(environment),
    OAUTH_TOKEN_ENDPOINT: given.tokenEndpoint,
    OAUTH_CLIENT_ID: given.clientId,
    OAUTH_CLIENT_SECRET: given.key,
    OAUTH_CLIENT_AUTHENTICATION: "basic",
    OAUTH_TOKEN_FILE: given.tokenFile,
    // this program, run by the command, asks the broker as well, and not the file that lies here
    EFFECT_BEARER_CONFIG: noFile
  }
}
