/**
 * One organization of Genesys Cloud: its region, its tokens, and a client for its API.
 *
 * | | |
 * |---|---|
 * | `GenesysCloud` | the tag; `yield* GenesysCloud.GenesysCloud` gives `{ region, tokens, client }` |
 * | {@link layer} | provides it, and `TokenSource.TokenSource`, from options |
 * | {@link layerConfig} | the same from `GENESYS_CLIENT_ID`, `GENESYS_CLIENT_SECRET` and `GENESYS_REGION` |
 * | {@link make} | the service itself, for programs with several organizations |
 *
 * All of them take the plain `HttpClient` of the platform. `client` is one that knows the API: a path is a path of it,
 * the token goes along and is renewed after a 401, errors are typed, 429 is waited for, and every exchange has its
 * time. The modules of endpoints (`Users`, `Analytics`, `Organizations`) and `GenesysApi` stand on it.
 *
 * @since 0.1.0
 */

import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import * as Grant from "effect-bearer/Grant"
import * as RetryPolicy from "effect-bearer/RetryPolicy"
import * as Scopes from "effect-bearer/Scopes"
import * as Settings from "effect-bearer/Settings"
import * as TokenError from "effect-bearer/TokenError"
import * as TokenSource from "effect-bearer/TokenSource"
import type * as GenesysError from "./GenesysError.js"
import type { ApiOptions } from "./internal/apiOptions.js"
import * as apiClient from "./internal/client.js"
import * as redirects from "./internal/redirects.js"
import * as rateGate from "./rate/gate.js"
import * as Region from "./Region.js"

// ---------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------

export type { ApiOptions } from "./internal/apiOptions.js"

/**
 * What {@link layer} needs, and every setting of `TokenSource.layer`: `scopes`, `timeout`, `retry`, `cache`, `refresh`,
 * `circuitBreaker`, `rateLimit`, `scopePolicy`… are those of the token requests.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<TokenSource.LayerOptions, "tokenEndpoint" | "authentication"> {
  /** A region, or its name, host or URL: see `Region.parse`. */
  readonly region: Region.Input
  readonly clientId: string
  /** The secret, or an effect that yields it and is run at every token request. */
  readonly clientSecret: ClientAuthentication.Secret
  /**
   * Limits token requests on this side. Off unless given: the source asks about once in the life of a token, far from
   * the 300 a minute that Genesys Cloud allows a client by default.
   */
  readonly rateLimit?: TokenSource.LayerOptions["rateLimit"]
  readonly api?: ApiOptions | undefined
}

/**
 * {@link Options} as the constructors take them: with a secret that has to be looked for first, if you like. `R` is what the
 * place of the secret needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Given<R = never> extends Omit<Options, "clientSecret"> {
  /** As in {@link Options}, or a place: `{ from: Secret.file(path) }`. */
  readonly clientSecret: ClientAuthentication.Secret | SecretPlace<R>
}

/**
 * Where a secret is that has to be looked for first, as `Secret.file` and `Secret.vault` do. `from` is run once, when the
 * service is made, and what it cannot work with fails there; the effect that it yields is run at every token request.
 *
 * @example
 * ```ts
 * import { GenesysCloud } from "@effect-bearer/genesys"
 * import { Secret } from "effect-bearer"
 *
 * // needs a FileSystem as well, which is NodeContext.layer on Node.js
 * const Genesys = GenesysCloud.layerConfig({ clientSecret: { from: Secret.file("/run/secrets/genesys") } })
 *
 * // VAULT_ADDR and VAULT_TOKEN come from the environment
 * const FromVault = GenesysCloud.layerConfig({
 *   clientSecret: { from: Secret.vault({ path: "genesys/production", field: "client_secret" }) }
 * })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface SecretPlace<R = never> {
  readonly from: Effect.Effect<ClientAuthentication.Secret, TokenError.InvalidConfiguration, R>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly region: Region.Region
  /** The source of tokens, in case something else needs one: an SDK, a web socket. */
  readonly tokens: TokenSource.With<TokenError.TokenError>
  /**
   * Takes paths such as `/api/v2/users/me`, and URLs of the region's API; any other URL fails with
   * `InvalidConfiguration`. Whatever is no success is an error: a response has a status of 2xx, or 304. Redirects are
   * not followed.
   */
  readonly client: HttpClient.HttpClient.With<GenesysError.RequestError>
}

// ---------------------------------------------------------------------------------------------------------------
// tags
// ---------------------------------------------------------------------------------------------------------------

/**
 * @since 0.1.0
 * @category tags
 */
export class GenesysCloud extends Context.Tag("@effect-bearer/genesys/GenesysCloud")<GenesysCloud, Service>() {}

// ---------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------

/**
 * The service for one organization. Options that cannot work fail here, before any network call.
 *
 * @example
 * ```ts
 * import { GenesysCloud, Users } from "@effect-bearer/genesys"
 * import { Effect, Redacted } from "effect"
 *
 * const secret = Redacted.make("from somewhere safe")
 *
 * // one program, two organizations
 * const program = Effect.gen(function*() {
 *   const de = yield* GenesysCloud.make({ region: "mypurecloud.de", clientId: "a", clientSecret: secret })
 *   const us = yield* GenesysCloud.make({ region: "us-east-1", clientId: "b", clientSecret: secret })
 *   const user = yield* Users.get("42").pipe(Effect.provideService(GenesysCloud.GenesysCloud, de))
 *   return [user, us.region.name]
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <R = never>(
  options: Given<R>
): Effect.Effect<Service, TokenError.InvalidConfiguration, HttpClient.HttpClient | Scope.Scope | R> =>
  Effect.gen(function*() {
    const base = yield* redirects.notFollowed(yield* HttpClient.HttpClient)
    const region = yield* Region.parse(options.region)
    const { api = {}, clientSecret, region: _, ...settings } = options
    yield* Settings.report(apiClient.problems(api, "api"))
    if (settings.clientId.includes(":")) {
      return yield* new TokenError.InvalidConfiguration({ fields: ["clientId"], detail: `it ${colon}` })
    }
    const tokens = yield* TokenSource.grant({
      ...settings,
      tokenEndpoint: region.tokenEndpoint,
      // Genesys Cloud takes id and secret as they are: form-encoded ones with special characters it would not know
      authentication: ClientAuthentication.basicRaw(yield* found(clientSecret)),
      grant: options.grant ?? Grant.clientCredentials
    }).pipe(
      Effect.flatMap(TokenSource.managed({ ...settings, retry: options.retry ?? retryTokens }))
    )
    return { region, tokens, client: apiClient.make(base, tokens, region, api, rateGate.of(tokens)) }
  })

const found = <R>(
  secret: Given<R>["clientSecret"]
): Effect.Effect<ClientAuthentication.Secret, TokenError.InvalidConfiguration, R> =>
  "from" in secret ? secret.from : Effect.succeed(secret)

const unstatedWait = Duration.seconds(10)

/** A 429 of the login host that does not say how long to wait means a while, not half a second. */
const retryTokens = Schedule.mapInput(
  RetryPolicy.exponentialJitter(),
  (error: TokenError.Transient): TokenError.Transient =>
    error._tag === "RateLimited" && Option.isNone(error.retryAfter)
      ? new TokenError.RateLimited({
        endpoint: error.endpoint,
        status: error.status,
        description: error.description,
        retryAfter: Option.some(unstatedWait)
      })
      : error
)

/**
 * The options that the environment gives, as {@link layerConfig} reads them; what `settings` state already is not
 * looked for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEnvironment = (
  settings: Partial<Options> = {}
): Effect.Effect<Options, TokenError.InvalidConfiguration> => complete(settings)

type With<Secret> = Omit<Options, "clientSecret"> & { readonly clientSecret: Secret }

const complete = <Secret>(
  settings: Partial<With<Secret>>
): Effect.Effect<With<Secret | ClientAuthentication.Secret>, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const faults: Array<Fault> = []
    const read = (name: string) =>
      Effect.map(Settings.readable(Effect.option(Config.string(name)), name), (value) => {
        const stated = Option.filter(value, (text) => text.trim() !== "")
        if (Option.exists(stated, (text) => text !== text.trim())) faults.push(fault(name, padded))
        return Option.getOrUndefined(Option.map(stated, (text) => text.trim()))
      })
    const required = (name: string) =>
      Effect.tap(
        read(name),
        (value) => value === undefined ? Effect.sync(() => faults.push(fault(name, absent))) : Effect.void
      )

    const clientId = settings.clientId ?? (yield* required("GENESYS_CLIENT_ID"))
    if (settings.clientId === undefined && clientId?.includes(":")) {
      faults.push(fault("GENESYS_CLIENT_ID", colon))
    }
    if (settings.clientSecret === undefined) {
      yield* required("GENESYS_CLIENT_SECRET")
    }
    const region = settings.region ?? (yield* readRegion(read, faults))
    const scopes = settings.scopes ?? (yield* readScopes(read, faults))
    if (faults.length > 0 || clientId === undefined || region === undefined) {
      const fields = new Set(faults.flatMap(({ names }) => names))
      return yield* new TokenError.InvalidConfiguration({
        fields: Array.from(fields),
        detail: faults.map(({ names, what }) => `${names.join(" and ")} ${what}`).join("; ")
      })
    }
    return {
      ...settings,
      clientId,
      // The variable is read again at every attempt, so that a secret rotated in it takes effect without a restart.
      clientSecret: settings.clientSecret ?? Config.redacted("GENESYS_CLIENT_SECRET"),
      region,
      scopes
    }
  })

interface Fault {
  readonly names: ReadonlyArray<string>
  readonly what: string
}

const fault = (name: string, what: string): Fault => ({ names: [name], what })

const absent = "is missing or blank: set it in the environment of the program"
const padded = "begins or ends with white space: look for a space or a line break at the end of the variable, and " +
  "remove it"

/** In a Basic header the id would end there. */
const colon = "has a colon, which no client id of Genesys Cloud has: was the secret copied along?"

const readScopes = (
  read: (name: string) => Effect.Effect<string | undefined, TokenError.InvalidConfiguration>,
  faults: Array<Fault>
): Effect.Effect<string | undefined, TokenError.InvalidConfiguration> =>
  Effect.tap(read("GENESYS_SCOPES"), (text) => {
    if (text !== undefined && Scopes.make(text).length === 0) {
      faults.push(fault("GENESYS_SCOPES", "has separators and no scope: name scopes, or remove the variable"))
    }
    return Effect.void
  })

const readRegion = (
  read: (name: string) => Effect.Effect<string | undefined, TokenError.InvalidConfiguration>,
  faults: Array<Fault>
): Effect.Effect<Region.Region | undefined, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const parsed: Array<Region.Region> = []
    const names = ["GENESYS_ENV_URL", "GENESYS_REGION"] as const
    let given = 0
    for (const name of names) {
      const text = yield* read(name)
      if (text === undefined) continue
      given++
      Either.match(Region.parse(text), {
        onLeft: ({ detail }) => void faults.push(fault(name, `is wrong: ${detail}`)),
        onRight: (region) => void parsed.push(region)
      })
    }
    if (given === 0) faults.push(fault("GENESYS_REGION", `${absent} (or GENESYS_ENV_URL)`))
    const [first, second] = parsed
    if (first !== undefined && second !== undefined && !Equal.equals(first, second)) {
      faults.push({
        names,
        what: `contradict each other (${first.environment}, ${second.environment}): set one of them only`
      })
    }
    return first
  })

// ---------------------------------------------------------------------------------------------------------------
// layers
// ---------------------------------------------------------------------------------------------------------------

/**
 * Provides {@link GenesysCloud}, and its source of tokens as the default one.
 *
 * Provide the plain `HttpClient` of the platform, not one that already adds a bearer token.
 *
 * @example
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { GenesysCloud } from "@effect-bearer/genesys"
 * import { Config, Layer } from "effect"
 *
 * const Genesys = GenesysCloud.layer({
 *   region: "eu_central_1",
 *   clientId: "6f3a5c9e-2f43-4bb5-9f04-2f4c1d9a7b10",
 *   clientSecret: Config.redacted("GENESYS_CLIENT_SECRET"), // read at every token request
 *   api: { timeout: "10 seconds" }
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <R = never>(
  options: Given<R>
): Layer.Layer<GenesysCloud | TokenSource.TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient | R> =>
  provide<R>(make(options))

/**
 * {@link layer} from the environment, or whatever `ConfigProvider` is in place:
 *
 * | variable | meaning |
 * |---|---|
 * | `GENESYS_CLIENT_ID` | client id |
 * | `GENESYS_CLIENT_SECRET` | client secret; read again at every token request. Not read where `settings` have one, see {@link SecretPlace} |
 * | `GENESYS_REGION` | region, in any spelling of `Region.parse` |
 * | `GENESYS_ENV_URL` | the same, for those who have it as `https://api.mypurecloud.com`; one of the two is needed |
 * | `GENESYS_SCOPES` | scopes, separated by spaces or commas (optional) |
 *
 * Whatever is missing, blank, wrong, or has white space at its ends is named in one error. `settings` are the options
 * the environment does not know; what they state of the rest wins.
 *
 * @example
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { GenesysCloud, Users } from "@effect-bearer/genesys"
 * import { Effect, Layer } from "effect"
 *
 * const program = Users.get("6f3a5c9e-2f43-4bb5-9f04-2f4c1d9a7b10").pipe(
 *   Effect.provide(GenesysCloud.layerConfig().pipe(Layer.provide(FetchHttpClient.layer)))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = <R = never>(
  settings: Partial<Given<R>> = {}
): Layer.Layer<GenesysCloud | TokenSource.TokenSource, TokenError.InvalidConfiguration, HttpClient.HttpClient | R> =>
  provide<R>(Effect.flatMap(complete<Given<R>["clientSecret"]>(settings), (options) => make<R>(options)))

/** A service that needs a `Scope` gets that of the layer; what else its secret may need is `R`. */
const provide = <R>(
  service: Effect.Effect<Service, TokenError.InvalidConfiguration, HttpClient.HttpClient | Scope.Scope | R>
) =>
  Layer.scopedContext(
    Effect.map(service, (service) =>
      Context.make(GenesysCloud, service).pipe(Context.add(TokenSource.TokenSource, service.tokens)))
  ) as Layer.Layer<
    GenesysCloud | TokenSource.TokenSource,
    TokenError.InvalidConfiguration,
    HttpClient.HttpClient | R
  >
