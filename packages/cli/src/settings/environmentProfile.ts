/**
 * A profile out of variables of the environment alone: `OAUTH_*` for any server, `GENESYS_*` for Genesys Cloud.
 *
 * It is made without the `Schema` of the configuration, whose loading would take longer than the rest of `token`; a test
 * says that both have the same defaults.
 */
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Region from "@effect-bearer/genesys/Region"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scopes from "effect-bearer/Scopes"
import * as TokenError from "effect-bearer/TokenError"
import type { Environment } from "./places.js"

/** A profile with a name. */
export interface Named {
  readonly name: string
  readonly profile: BrokerConfig.Profile
}

/** The defaults of a profile that names only the server and the client. */
export const defaults = {
  grant: { type: "client_credentials" },
  scopes: [],
  audience: [],
  resource: [],
  origins: [],
  parameters: {},
  assumeLifetime: Duration.minutes(5),
  ahead: Duration.minutes(5),
  clockSkew: Duration.seconds(30),
  capacity: 1000,
  timeout: Duration.seconds(10),
  wait: Duration.seconds(5),
  required: false,
  tokenExchange: false,
  allowInsecure: false
} as const satisfies Partial<BrokerConfig.Profile>

interface Fault {
  readonly name: string
  readonly what: string
}

const missing = "is missing or blank"

/** Reads variables, and collects their mistakes. */
const reader = (environment: Environment) => {
  const faults: Array<Fault> = []
  const optional = (name: string): string | undefined => {
    const value = environment[name]
    if (value === undefined || value.trim() === "") return undefined
    if (value !== value.trim()) {
      faults.push({ name, what: "begins or ends with white space: remove the space or the line break" })
    }
    return value.trim()
  }
  return {
    faults,
    optional,
    /** `instead` is another variable that will do. */
    required: (name: string, instead?: string): string => {
      const value = optional(name)
      if (value === undefined) {
        faults.push({
          name,
          what: instead === undefined ? missing : `${missing}, and so is ${instead}, which would do`
        })
      }
      return value ?? ""
    },
    /** A secret is taken as it is, and read when it is needed. */
    secret: (name: string, canAsk: boolean): BrokerConfig.SecretReference => {
      const file = optional(`${name}_FILE`)
      if (file !== undefined) return { file }
      const value = environment[name]
      if ((value === undefined || value.trim() === "") && !canAsk) faults.push({ name, what: missing })
      return { env: name }
    }
  }
}

type Reader = ReturnType<typeof reader>

const finish = (name: string, { faults }: Reader, profile: BrokerConfig.Profile) =>
  faults.length === 0
    ? Effect.succeed<Named>({ name, profile })
    : Effect.fail(
      new TokenError.InvalidConfiguration({
        fields: faults.map((fault) => fault.name),
        detail: `${faults.map((fault) => `${fault.name} ${fault.what}`).join("; ")}. Set ${
          faults.length === 1 ? "it" : "them"
        } in the environment, or name a file with --config.`
      })
    )

const list = (text: string | undefined): ReadonlyArray<string> =>
  text === undefined ? [] : text.split(/[\s,]+/).filter((one) => one !== "")

const optionally = <K extends string>(name: K, value: string | undefined): { readonly [_ in K]?: string } =>
  value === undefined ? {} : { [name]: value } as { readonly [_ in K]?: string }

const oauth = (environment: Environment, canAsk: boolean) => {
  const read = reader(environment)
  const issuer = read.optional("OAUTH_ISSUER")
  const tokenEndpoint = issuer === undefined ? read.required("OAUTH_TOKEN_ENDPOINT", "OAUTH_ISSUER") : undefined
  const clientId = read.required("OAUTH_CLIENT_ID")
  const method = read.optional("OAUTH_CLIENT_AUTHENTICATION") ?? "basic"
  const scopes = Scopes.make(read.optional("OAUTH_SCOPES") ?? "")
  const authentication = ((): BrokerConfig.Profile["authentication"] => {
    switch (method) {
      case "none":
        return { method }
      case "basic":
      case "basic-raw":
      case "post":
        return { method, secret: read.secret("OAUTH_CLIENT_SECRET", canAsk) }
      default:
        read.faults.push({
          name: "OAUTH_CLIENT_AUTHENTICATION",
          what: "must be one of basic, basic-raw, post and none"
        })
        return { method: "none" }
    }
  })()
  const api = read.optional("OAUTH_API_URL")
  if (api !== undefined && !URL.canParse(api)) {
    read.faults.push({ name: "OAUTH_API_URL", what: "is no absolute URL such as https://api.example.com" })
  }
  const audience = read.optional("OAUTH_AUDIENCE")
  return finish("oauth", read, {
    ...defaults,
    ...optionally("issuer", issuer),
    ...optionally("tokenEndpoint", tokenEndpoint),
    ...optionally("introspectionEndpoint", read.optional("OAUTH_INTROSPECTION_ENDPOINT")),
    ...optionally("revocationEndpoint", read.optional("OAUTH_REVOCATION_ENDPOINT")),
    clientId,
    authentication,
    scopes,
    audience: audience === undefined ? [] : [audience],
    resource: list(read.optional("OAUTH_RESOURCE")),
    origins: api === undefined || !URL.canParse(api) ? [] : [new URL(api).origin]
  })
}

const genesys = (environment: Environment, canAsk: boolean) => {
  const read = reader(environment)
  const clientId = read.required("GENESYS_CLIENT_ID")
  const secret = read.secret("GENESYS_CLIENT_SECRET", canAsk)
  const place = read.optional("GENESYS_ENV_URL")
  const name = read.optional("GENESYS_REGION")
  const regions = ([["GENESYS_ENV_URL", place], ["GENESYS_REGION", name]] as const).flatMap(([variable, text]) => {
    if (text === undefined) return []
    return Either.match(Region.parse(text), {
      onLeft: ({ detail }) => {
        read.faults.push({ name: variable, what: `is wrong: ${detail}` })
        return []
      },
      onRight: (region) => [region]
    })
  })
  const [region, other] = regions
  if (place === undefined && name === undefined) {
    read.faults.push({ name: "GENESYS_REGION", what: `${missing}, and so is GENESYS_ENV_URL` })
  } else if (region !== undefined && other !== undefined && region.apiUrl !== other.apiUrl) {
    read.faults.push({ name: "GENESYS_REGION", what: "names another region than GENESYS_ENV_URL" })
  }
  return finish("genesys", read, {
    ...defaults,
    tokenEndpoint: region?.tokenEndpoint ?? "",
    clientId,
    authentication: { method: "basic", secret },
    scopes: Scopes.make(read.optional("GENESYS_SCOPES") ?? ""),
    origins: region === undefined ? [] : [region.apiUrl]
  })
}

/** Which of these are set says what is meant; what `token --format env` exports says nothing. */
const families = {
  oauth: {
    names: [
      "OAUTH_TOKEN_ENDPOINT",
      "OAUTH_ISSUER",
      "OAUTH_CLIENT_ID",
      "OAUTH_CLIENT_SECRET",
      "OAUTH_CLIENT_SECRET_FILE"
    ],
    read: oauth
  },
  genesys: {
    names: ["GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_CLIENT_SECRET_FILE"],
    read: genesys
  }
} as const

/**
 * The profile that the environment describes: `oauth` where `OAUTH_TOKEN_ENDPOINT` and its like are set, else `genesys`;
 * `name` chooses where both are there. `undefined` where there is neither.
 *
 * With `canAsk` a missing secret is no mistake: somebody at the terminal is asked for it.
 */
export const read = (
  environment: Environment,
  options: { readonly name?: string | undefined; readonly canAsk: boolean }
): Effect.Effect<Named, TokenError.InvalidConfiguration> | undefined => {
  const names = (["oauth", "genesys"] as const).filter((family) =>
    families[family].names.some((name) => (environment[name] ?? "").trim() !== "")
  )
  const chosen = options.name === undefined ? names[0] : names.find((name) => name === options.name)
  return chosen === undefined ? undefined : families[chosen].read(environment, options.canAsk)
}
