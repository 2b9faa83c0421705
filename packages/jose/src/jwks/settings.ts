// Checks the options of a verifier.
import * as Effect from "effect/Effect"
import * as Disclosure from "effect-bearer/Disclosure"
import { isLoopback } from "effect-bearer/Loopback"
import * as Scopes from "effect-bearer/Scopes"
import * as Settings from "effect-bearer/Settings"
import * as TokenError from "effect-bearer/TokenError"
import type * as keyrings from "../internal/keyring.js"
import { parse } from "../internal/urls.js"
import type * as SigningKey from "../SigningKey.js"
import type { Options } from "./contract.js"

export interface Settled extends keyrings.Settings {
  readonly issuer: string
  readonly audience: ReadonlyArray<string>
  readonly algorithms: ReadonlyArray<string>
  readonly requiredScopes: Scopes.Scopes
  readonly typ: string | undefined
  /** Seconds. */
  readonly clockTolerance: number
}

export const settle = (options: Options): Effect.Effect<Settled, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const invalid = (field: string, detail: string) => new TokenError.InvalidConfiguration({ fields: [field], detail })
    const { algorithms, issuer } = options
    if (typeof issuer !== "string" || issuer.trim() === "") return yield* invalid("issuer", "the issuer is blank")
    const audience = typeof options.audience === "string" ? [options.audience] : [...options.audience ?? []]
    if (audience.length === 0 || audience.some((one) => typeof one !== "string" || one.trim() === "")) {
      return yield* invalid("audience", "the audience is blank: any token of the issuer would do")
    }
    if (!Array.isArray(algorithms) || algorithms.length === 0 || !algorithms.every((alg) => known.has(alg))) {
      return yield* invalid("algorithms", `name those the issuer signs with, of ${Array.from(known).join(", ")}`)
    }
    const text = String(options.jwksUri)
    const url = parse(text)
    if (url === undefined) return yield* invalid("jwksUri", `${Disclosure.url(text)} is no absolute URL`)
    if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))) {
      return yield* invalid("jwksUri", "the keys must come over https (http: is for loopback only)")
    }
    if (url.username !== "" || url.password !== "") {
      return yield* invalid("jwksUri", "a user name or password in the URL is not used")
    }
    yield* Settings.report(Settings.problems(ranges, options))
    const millis = (name: keyof typeof ranges) => Settings.value(ranges[name], options[name])
    return {
      issuer,
      audience,
      algorithms,
      requiredScopes: options.requiredScopes === undefined ? Scopes.empty : Scopes.make(options.requiredScopes),
      typ: options.typ,
      url,
      endpoint: url.origin + url.pathname,
      clockTolerance: Math.floor(millis("clockTolerance") / 1000),
      maxAge: millis("maxAge"),
      cooldown: millis("cooldown"),
      maxStale: millis("maxStale"),
      timeout: millis("timeout")
    }
  })

const ranges = {
  clockTolerance: Settings.duration("5 seconds", { most: "1 day" }),
  maxAge: Settings.duration("10 minutes", { unlimited: true }),
  maxStale: Settings.duration("1 hour", { unlimited: true }),
  cooldown: Settings.duration("30 seconds"),
  timeout: Settings.duration("5 seconds", { least: 1, most: "1 day" })
}

/** Key pairs only: with a shared secret, a program that verifies could also sign. */
const known: ReadonlySet<string> = new Set<SigningKey.Algorithm>([
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA"
])
