/** Variables of the environment: those that are missing or blank, and those with white space at their ends. */
import type { BrokerConfig } from "@effect-bearer/broker"
import type * as TokenError from "effect-bearer/TokenError"
import type { Environment } from "../../settings/places.js"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Seen } from "../report.js"
import { found } from "../report.js"
import * as wording from "../wording.js"

/** What `settings` reads by itself. */
const own =
  /^(?:OAUTH|GENESYS)_(?:TOKEN_ENDPOINT|ISSUER|CLIENT_ID|CLIENT_SECRET|CLIENT_SECRET_FILE|CLIENT_AUTHENTICATION|SCOPES|AUDIENCE|RESOURCE|API_URL|INTROSPECTION_ENDPOINT|REVOCATION_ENDPOINT|ENV_URL|REGION)$|^EFFECT_BEARER_(?:CONFIG|PROFILE|CACHE)$/

/** What {@link references} calls a key. */
export const privateKey = "the private key"

/** The references of a profile and of the store, with what each is for. */
export const references = (
  { authentication, grant }: BrokerConfig.Profile,
  store: BrokerConfig.Store | undefined
): ReadonlyArray<readonly [what: string, reference: BrokerConfig.SecretReference]> => {
  const all: Array<readonly [string, BrokerConfig.SecretReference | undefined]> = [
    ["the client secret", "secret" in authentication ? authentication.secret : undefined],
    [privateKey, "key" in authentication ? authentication.key : undefined],
    ["the refresh token", "refreshToken" in grant ? grant.refreshToken : undefined],
    ["the assertion", "assertion" in grant ? grant.assertion : undefined],
    ["the URL of Redis", store !== undefined && "redis" in store ? store.redis.url : undefined],
    ...(store?.sealWith ?? []).map((key) => ["a key of the store", key] as const)
  ]
  return all.flatMap(([what, reference]) => reference === undefined ? [] : [[what, reference] as const])
}

export const blank = (name: string, environment: Environment): Finding =>
  finding(
    "blank-variable",
    `${wording.name(name)} is ${
      environment[name] === undefined ? "not set" : "set to nothing but white space, or to nothing"
    }.`,
    `Set ${wording.name(name)} in the environment of the program that runs this, and export it.`
  )

const untrimmed = (name: string): Finding =>
  finding(
    "untrimmed-variable",
    `${wording.name(name)} begins or ends with white space: a space, a tab or a line break.`,
    "Remove it where the variable is set. Files that are read with `cat`, and secrets that were made with `echo`, end with " +
      "a line break: use `echo -n` or `printf %s`."
  )

const isBlank = (value: string | undefined): boolean => value === undefined || value.trim() === ""

/** Only values that cannot be meant: a variable that is set to nothing counts as not set. */
const oddities = (names: Iterable<string>, environment: Environment): ReadonlyArray<Finding> =>
  Array.from(new Set(names)).flatMap((name) => {
    const value = environment[name]
    return value === undefined || value === "" || value === value.trim()
      ? []
      : isBlank(value)
      ? [blank(name, environment)]
      : [untrimmed(name)]
  })

/** Whether an error says no more than that a variable which one of these names is not set: that is found here. */
export const isToldOf = (
  error: TokenError.RequestError,
  references: ReadonlyArray<BrokerConfig.SecretReference>,
  environment: Environment
): boolean =>
  error._tag === "InvalidConfiguration" && error.fields.length > 0 &&
  error.fields.every((field) =>
    isBlank(environment[field]) && references.some((reference) => "env" in reference && reference.env === field)
  )

const check = "variables of the environment"

/** With a profile: what it reads from the environment. */
export const probe = (
  profile: BrokerConfig.Profile,
  store: BrokerConfig.Store | undefined,
  fromEnvironment: boolean,
  environment: Environment
): Seen => {
  const read = references(profile, store).flatMap(([, reference]) => "env" in reference ? [reference.env] : [])
  const missing = Array.from(new Set(read)).filter((name) => isBlank(environment[name]))
  // a key in PEM ends with a line break, and nothing is wrong with that
  const trimmed = references(profile, store).flatMap(([what, reference]) =>
    "env" in reference && what !== privateKey ? [reference.env] : []
  )
  const others = [...trimmed, ...fromEnvironment ? Object.keys(environment).filter((name) => own.test(name)) : []]
    .filter((name) => !missing.includes(name))
  const findings = [...missing.map((name) => blank(name, environment)), ...oddities(others, environment)]
  return found(check, findings)
}

/** Without one: why the environment describes none, as far as it is the fault of blank and missing variables. */
export const explain = (fields: ReadonlyArray<string>, environment: Environment): Seen | undefined => {
  const names = Array.from(new Set(fields))
  const missing = names.filter((name) => isBlank(environment[name]))
  const odd = oddities(names.filter((name) => !missing.includes(name)), environment)
  return names.length === 0 || missing.length + odd.length < names.length
    ? undefined
    : found(check, [...missing.map((name) => blank(name, environment)), ...odd])
}
