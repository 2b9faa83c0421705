// The settings of a source from variables of the environment, with one prefix for each source.
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as TokenError from "../../values/TokenError.js"
import * as ClientAuthentication from "../../wire/ClientAuthentication.js"
import * as neverSent from "../../wire/neverSent.js"
import * as Secret from "../../wire/Secret.js"
import * as variable from "../../wire/variable.js"
import type { Naming } from "./grants.js"
import type { Given, LayerOptions } from "./options.js"

type Method = "basic" | "basic-raw" | "post" | "none"

const authentications: Record<
  Method,
  (secret: Effect.Effect<Redacted.Redacted, unknown>) => ClientAuthentication.ClientAuthentication
> = {
  basic: ClientAuthentication.basic,
  "basic-raw": ClientAuthentication.basicRaw,
  post: ClientAuthentication.post,
  none: () => ClientAuthentication.none
}

/** What the variables of a source begin with if nothing else is asked for. */
export const defaultPrefix = "OAUTH"

/** `Billing` is `BILLING`, and `app/billingApi` is `APP_BILLING_API`. */
export const prefixOf = (name: string): string =>
  name.replace(/([\p{Ll}\d])(\p{Lu})/gu, "$1_$2").replace(/[^\p{L}\d]+/gu, "_").replace(/^_+|_+$/g, "").toUpperCase()

/** The variable behind each option that an error may name. */
const settings: Readonly<Record<string, string>> = {
  tokenEndpoint: "TOKEN_ENDPOINT",
  issuer: "ISSUER",
  clientId: "CLIENT_ID",
  "authentication.secret": "CLIENT_SECRET",
  scopes: "SCOPES",
  audience: "AUDIENCE"
}

/** The options that were read, and how an error about them names the variables. */
export interface Found {
  readonly options: Given<LayerOptions>
  readonly naming: Naming
}

const namingBy = (names: Readonly<Record<string, string>>): Naming => (error) => {
  const fields = error.fields.map((field) => Object.hasOwn(names, field) ? names[field]! : field)
  return fields.every((field, index) => field === error.fields[index])
    ? error
    : neverSent.sameAs(error, new TokenError.InvalidConfiguration({ fields, detail: error.detail }))
}

/** Reads the variables. What is missing or wrong is named in one error, by the names that were really looked up. */
export const read = (given: string): Effect.Effect<Found, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const prefix = given.trim().replace(/_+$/, "")
    if (prefix === "") {
      return yield* new TokenError.InvalidConfiguration({
        fields: ["prefix"],
        detail: "the prefix of the variables is blank: give \"BILLING\" for BILLING_CLIENT_ID and the others"
      })
    }
    const faults: Array<readonly [name: string, fault: string]> = []
    const look = (setting: string) => variable.read(`${prefix}_${setting}`)
    const nameOf = (setting: string) => variable.nameOf(`${prefix}_${setting}`)
    const wrong = (setting: string, fault: string) =>
      Effect.map(nameOf(setting), (name) => void faults.push([name, fault]))
    const required = (setting: string) =>
      Effect.flatMap(
        look(setting),
        (value) => value === undefined ? Effect.as(wrong(setting, "is missing or blank"), "") : Effect.succeed(value)
      )

    const tokenEndpoint = yield* look("TOKEN_ENDPOINT")
    const issuer = yield* look("ISSUER")
    if (tokenEndpoint === undefined && issuer === undefined) {
      yield* wrong("TOKEN_ENDPOINT", `is missing or blank, and so is ${yield* nameOf("ISSUER")} in its place`)
    }
    const clientId = yield* required("CLIENT_ID")
    const method = (yield* look("CLIENT_AUTHENTICATION")) ?? "basic"
    if (!Object.hasOwn(authentications, method)) {
      yield* wrong("CLIENT_AUTHENTICATION", `must be one of ${Object.keys(authentications).join(", ")}`)
    }
    if (method !== "none") yield* required("CLIENT_SECRET")
    if (faults.length > 0) {
      return yield* new TokenError.InvalidConfiguration({
        fields: faults.map(([name]) => name),
        detail: `${faults.map(([name, fault]) => `${name} ${fault}`).join("; ")}. Set ${
          faults.length === 1 ? "it" : "them"
        } in the environment of the program.`
      })
    }
    const names: Record<string, string> = {}
    for (const [option, setting] of Object.entries(settings)) names[option] = yield* nameOf(setting)
    return {
      options: {
        ...(tokenEndpoint === undefined ? { issuer: issuer ?? "" } : { tokenEndpoint }),
        clientId,
        // The variable is read again at every attempt, so that a secret rotated in it takes effect without a restart.
        authentication: authentications[method as Method](Secret.env(`${prefix}_CLIENT_SECRET`)),
        scopes: yield* look("SCOPES"),
        audience: yield* look("AUDIENCE")
      },
      naming: namingBy(names)
    }
  })
