/**
 * Where a Genesys Cloud organization lives. A region has a login host, which issues tokens, and an API host, which
 * takes them; a client, and every token of it, is known in its own region only.
 *
 * {@link parse} reads a region however it was written down: `eu-central-1`, `mypurecloud.de`,
 * `https://api.mypurecloud.de/`.
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Disclosure from "effect-bearer/Disclosure"
import * as Loopback from "effect-bearer/Loopback"
import * as Spelling from "effect-bearer/Spelling"
import * as TokenError from "effect-bearer/TokenError"
import { parseUrl } from "./internal/runtime.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~@effect-bearer/genesys/Region"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~@effect-bearer/genesys/Region"

/**
 * The names of the regions, as AWS spells them with underscores.
 *
 * @since 0.1.0
 * @category models
 */
export type Name = keyof typeof environments

/**
 * A region. Two of the same hosts are `Equal.equals`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Region {
  readonly [TypeId]: TypeId
  readonly name: Name | "custom"
  /** The domain of the region, such as `mypurecloud.de`; of a custom one, the host of its API. */
  readonly environment: string
  /** An origin: no path, no slash at its end. */
  readonly loginUrl: string
  /** An origin: no path, no slash at its end. */
  readonly apiUrl: string
  readonly tokenEndpoint: string
}

/**
 * What stands for a region: one of them, or text for {@link parse}.
 *
 * @since 0.1.0
 * @category models
 */
export type Input = Region | string | URL

const environments = {
  us_east_1: "mypurecloud.com",
  us_east_2: "use2.us-gov-pure.cloud",
  us_west_2: "usw2.pure.cloud",
  ca_central_1: "cac1.pure.cloud",
  mx_central_1: "mxc1.pure.cloud",
  sa_east_1: "sae1.pure.cloud",
  eu_west_1: "mypurecloud.ie",
  eu_west_2: "euw2.pure.cloud",
  eu_central_1: "mypurecloud.de",
  eu_central_2: "euc2.pure.cloud",
  eusc_de_east_1: "edee1.eusc-pure.cloud",
  me_central_1: "mec1.pure.cloud",
  ap_south_1: "aps1.pure.cloud",
  ap_southeast_1: "apse1.pure.cloud",
  ap_southeast_2: "mypurecloud.com.au",
  ap_northeast_1: "mypurecloud.jp",
  ap_northeast_2: "apne2.pure.cloud",
  ap_northeast_3: "apne3.pure.cloud"
} as const

const make = (fields: Omit<Region, TypeId | "tokenEndpoint">): Region =>
  Data.struct({ [TypeId]: TypeId, ...fields, tokenEndpoint: `${fields.loginUrl}/oauth/token` })

/**
 * Every region there is.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<Region> = Object.entries(environments).map(([name, environment]) =>
  make({
    name: name as Name,
    environment,
    loginUrl: `https://login.${environment}`,
    apiUrl: `https://api.${environment}`
  })
)

const byName: ReadonlyMap<string, Region> = new Map(all.map((region) => [region.name, region]))
const byEnvironment: ReadonlyMap<string, Region> = new Map(all.map((region) => [region.environment, region]))

/**
 * @since 0.1.0
 * @category guards
 */
export const isRegion = (u: unknown): u is Region => Predicate.hasProperty(u, TypeId)

/**
 * The region of a name that the compiler knows.
 *
 * @example
 * ```ts
 * import { Region } from "@effect-bearer/genesys"
 *
 * Region.of("eu_central_1").apiUrl // "https://api.mypurecloud.de"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (name: Name): Region => byName.get(name)!

/**
 * Reads a region.
 *
 * **Details**
 *
 * - a name: `us_east_1` or `us-east-1`
 * - a host: `mypurecloud.com`, with `api.`, `login.` or `apps.` before it
 * - a URL with such a host, whatever its path, without user and port; its scheme may be missing
 * - the URL of a loopback address: a fake such as `FakeCloud` that plays both hosts
 *
 * Case, slashes at the end and white space around it do not matter. Anything else fails with an error that lists the
 * regions there are, and names the one that was probably meant.
 *
 * @example
 * ```ts
 * import { Region } from "@effect-bearer/genesys"
 *
 * Region.parse("https://api.mypurecloud.com/") // Either.right(Region.of("us_east_1"))
 * Region.parse("mypurecluod.com") // Either.left: … Did you mean mypurecloud.com?
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (input: Input): Either.Either<Region, TokenError.InvalidConfiguration> => {
  if (isRegion(input)) return Either.right(input)
  const text = String(input).trim().toLowerCase()
  const named = byName.get(text.replaceAll("-", "_"))
  if (named !== undefined) return Either.right(named)
  const url = urlOf(text)
  if (Option.isNone(url)) return Either.left(unknown(text, false))
  if (url.value.username !== "" || url.value.password !== "") {
    return Either.left(refused("its URL has a user name or a password, which are not used: remove them"))
  }
  if (Loopback.isLoopback(url.value.hostname) && /^https?:/.test(text)) {
    return custom({ apiUrl: url.value.origin, loginUrl: url.value.origin })
  }
  const { port } = url.value
  const region = byEnvironment.get(environmentOf(url.value))
  if (region === undefined) return Either.left(unknown(environmentOf(url.value), /^https?:\/\//.test(text)))
  return port === ""
    ? Either.right(region)
    : Either.left(
      refused(`${region.environment} has no port ${port}: remove it, or use Region.custom for another environment`)
    )
}

/**
 * An environment that is none of {@link all}: a private one, or a fake. `https`, or `http` on a loopback address.
 *
 * @example
 * ```ts
 * import { Region } from "@effect-bearer/genesys"
 *
 * const region = Region.custom({ loginUrl: "https://login.cloud.example", apiUrl: "https://api.cloud.example" })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const custom = (options: {
  readonly loginUrl: string | URL
  readonly apiUrl: string | URL
}): Either.Either<Region, TokenError.InvalidConfiguration> => {
  const problems: Array<readonly [field: string, detail: string]> = []
  const origin = (field: "loginUrl" | "apiUrl"): string => {
    const text = String(options[field]).trim()
    const url = parseUrl(text)
    if (url === undefined) {
      problems.push([field, `is ${Disclosure.url(text)}, and no absolute URL`])
      return ""
    }
    if (url.protocol !== "https:" && !(url.protocol === "http:" && Loopback.isLoopback(url.hostname))) {
      problems.push([field, "must be https, or http on a loopback address"])
    } else if (url.username !== "" || url.password !== "" || url.pathname !== "/" || url.search + url.hash !== "") {
      problems.push([field, "must be scheme and host only, such as https://api.cloud.example"])
    }
    return url.origin
  }
  const loginUrl = origin("loginUrl")
  const apiUrl = origin("apiUrl")
  return problems.length === 0
    ? Either.right(make({ name: "custom", environment: new URL(apiUrl).host, loginUrl, apiUrl }))
    : Either.left(
      new TokenError.InvalidConfiguration({
        fields: problems.map(([field]) => field),
        detail: problems.map(([field, detail]) => `${field} ${detail}`).join("; ")
      })
    )
}

// ---------------------------------------------------------------------------------------------------------------

const urlOf = (text: string): Option.Option<URL> => {
  if (text === "") return Option.none()
  const absolute = /^[a-z][a-z0-9+.-]*:\/\//.test(text) ? text : `https://${text.replace(/^\/+/, "")}`
  return Option.filter(
    Option.liftThrowable((href: string) => new URL(href))(absolute),
    (url) => url.protocol === "https:" || url.protocol === "http:"
  )
}

/** Only the hosts that are known: a further label, as in `api.eu.mypurecloud.com`, would be another environment. */
const environmentOf = ({ hostname }: URL): string => hostname.replace(/\.$/, "").replace(/^(api|login|apps)\./, "")

const spellings: ReadonlyArray<string> = [...byEnvironment.keys(), ...byName.keys()]

/** The form of a host and of a region's name. */
const harmless = /^(?=.{1,60}$)[\w-]{1,20}(\.[\w-]{1,20})*$/

/**
 * A text is quoted only if it was the host of a URL or is nearly the name of a region: any other may be a secret that
 * got into the wrong variable.
 */
const unknown = (text: string, isHost: boolean): TokenError.InvalidConfiguration => {
  // names are spelled with underscores here, hosts never are
  const nearest = Spelling.nearest(text.includes(".") ? text : text.replaceAll("-", "_"), spellings, 2)
  const what = text === ""
    ? "it is blank"
    : `${
      harmless.test(text) && (isHost || nearest.length > 0) ? `"${text}"` : `a text of ${text.length} characters`
    } is no region of Genesys Cloud`
  return refused(
    `${what}.${nearest.length === 1 ? ` Did you mean ${nearest[0]}?` : ""} The regions are ${
      all.map(({ environment, name }) => `${name} (${environment})`).join(", ")
    }. For any other environment use Region.custom.`
  )
}

const refused = (detail: string): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({ fields: ["region"], detail })
