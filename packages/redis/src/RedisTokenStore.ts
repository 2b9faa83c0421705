/**
 * The shared token store in Redis: one token request per lifecycle for all processes that reach it.
 *
 * It is a convenience, never a condition. Redis may be down when the store is made, go away and come back, fail over,
 * be full or be emptied: operations fail within their time limit, and heal by themselves. A source goes on without it.
 *
 * | operation | in Redis |
 * |---|---|
 * | `acquire` | a lease that expires, and the number of the latest one, which only grows |
 * | `put` | compare-and-set: only the holder of the latest lease stores |
 * | `release`, `remove` | compare-and-delete |
 * | `changes` | one channel, on a connection of its own |
 *
 * @since 0.1.0
 */

import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Settings from "effect-bearer/Settings"
import * as TokenError from "effect-bearer/TokenError"
import * as TokenStore from "effect-bearer/TokenStore"
import type { RedisClientOptions, RedisClusterOptions, RedisSentinelOptions } from "redis"
import * as clients from "./internal/clients.js"
import * as link from "./internal/link.js"
import * as store from "./internal/store.js"

/**
 * What does not depend on where Redis is.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommonOptions {
  /**
   * Begins the names of all keys and of the channel, and has no braces; at most 256 characters. Whoever uses the same one shares tokens, as far
   * as they are of the same namespace. Default `"effect-bearer:"`.
   */
  readonly prefix?: string | undefined
  /**
   * Limit of one operation. Default 1 second, at most 1 day. A source has a limit of its own, `shared.timeout`, which is 1 second too:
   * the shorter of the two counts, so raise both.
   */
  readonly timeout?: Duration.DurationInput | undefined
  /** How long a token is kept whose server did not say how long it lives. Default 24 hours. */
  readonly unknownLifetime?: Duration.DurationInput | undefined
}

/**
 * One server, by its URL.
 *
 * @since 0.1.0
 * @category models
 */
export interface UrlOptions extends CommonOptions {
  /**
   * `redis://user:password@host:6379/0`, or `rediss:` for TLS. What the URL does not say (a certificate authority, a
   * client certificate) goes into `options`.
   */
  readonly url: Redacted.Redacted | string
}

/**
 * Where Redis is: a URL or options or both for one server, sentinels, a cluster, or a client of yours. Connections are
 * the store's own, and so is reconnecting: a `reconnectStrategy` among the options of node-redis is not used, and
 * nothing is queued while there is no connection.
 *
 * @since 0.1.0
 * @category models
 */
export type Options =
  & CommonOptions
  & (
    | Place<{ readonly url: Redacted.Redacted | string; readonly options?: RedisClientOptions | undefined }>
    | Place<{ readonly options: RedisClientOptions }>
    | Place<{ readonly sentinel: RedisSentinelOptions }>
    | Place<{ readonly cluster: RedisClusterOptions }>
    | Place<{
      /**
       * A client of any of the three kinds: you connect it, you listen to its errors, you close it. The store opens one
       * more connection like it, to listen to announcements, and closes that.
       */
      readonly client: Client
    }>
  )

/** One way to say where Redis is, and none of the others. */
type Place<A> =
  & A
  & { readonly [K in Exclude<"url" | "options" | "sentinel" | "cluster" | "client", keyof A>]?: undefined }

/**
 * What a store needs of a client that `createClient` of node-redis makes.
 *
 * @since 0.1.0
 * @category models
 */
export interface SingleClient extends clients.Single {}

/**
 * What a store needs of a client that `createSentinel` of node-redis makes.
 *
 * @since 0.1.0
 * @category models
 */
export interface SentinelClient extends clients.Sentinel {}

/**
 * What a store needs of a client that `createCluster` of node-redis makes.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClusterClient extends clients.Cluster {}

/**
 * A client of node-redis, whatever modules, scripts and types it was made with.
 *
 * @since 0.1.0
 * @category models
 */
export type Client = SingleClient | SentinelClient | ClusterClient

/**
 * The store, for as long as the scope is open. It is there at once: connections are made in the background.
 *
 * @example
 * ```ts
 * import { RedisTokenStore } from "@effect-bearer/redis"
 * import { Config, Effect } from "effect"
 *
 * const store = Effect.flatMap(
 *   Config.redacted("REDIS_URL"),
 *   (url) => RedisTokenStore.make({ url, prefix: "billing:tokens:" })
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<TokenStore.Service, TokenError.InvalidConfiguration, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = yield* settle(options)
    if (options.client === undefined) {
      return yield* store.make(yield* link.supervise((yield* kind(options)).open), settings)
    }
    if (!isClient(options.client)) return yield* invalid("client", "this is no client of node-redis")
    return yield* store.make(link.steady(clients.connection(options.client)), settings)
  })

/**
 * The store of a program: `TokenSource.layer` uses it when it is provided.
 *
 * @example
 * ```ts
 * import { RedisTokenStore } from "@effect-bearer/redis"
 *
 * export const Store = RedisTokenStore.layer({
 *   sentinel: {
 *     name: "main",
 *     sentinelRootNodes: [
 *       { host: "sentinel-1.internal", port: 26379 },
 *       { host: "sentinel-2.internal", port: 26379 },
 *       { host: "sentinel-3.internal", port: 26379 }
 *     ]
 *   }
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration> =>
  Layer.scoped(TokenStore.TokenStore, make(options))

/**
 * {@link layer} from configuration. Without an argument it reads `REDIS_URL` from the environment.
 *
 * @example
 * ```ts
 * import { RedisTokenStore } from "@effect-bearer/redis"
 * import { Config } from "effect"
 *
 * export const Store = RedisTokenStore.layerConfig({
 *   url: Config.redacted("TOKEN_STORE_URL"),
 *   prefix: Config.string("TOKEN_STORE_PREFIX")
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: {
  (): Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration>
  (
    config: Config.Config.Wrap<UrlOptions>
  ): Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration | ConfigError>
} = (config?: Config.Config.Wrap<UrlOptions>) =>
  Layer.scoped(
    TokenStore.TokenStore,
    config === undefined ? environment : Effect.flatMap(Settings.readable(Config.unwrap(config), "options"), make)
  ) as Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration>

const variable = "REDIS_URL"

const environment = Effect.flatMap(
  Settings.readable(Effect.option(Config.redacted(variable)), variable),
  (url) =>
    Option.exists(url, (url) => Redacted.value(url).trim() !== "")
      ? Effect.mapError(
        make({ url: Option.getOrThrow(url) }),
        () => invalid(variable, `${variable} is no URL such as ${example}`)
      )
      : invalid(variable, `${variable} is missing or blank. Set it in the environment of the program, to ${example}.`)
)

const example = "redis://user:password@host:6379/0"

const invalid = (field: string, detail: string) => new TokenError.InvalidConfiguration({ fields: [field], detail })

const settle = (options: CommonOptions): Effect.Effect<store.Settings, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    yield* Settings.report(Settings.problems(ranges, options))
    const milliseconds = (name: keyof typeof ranges) => Math.ceil(Settings.value(ranges[name], options[name]))
    const prefix: unknown = options.prefix === undefined ? "effect-bearer:" : options.prefix
    // braces come in pairs: they say what part of a name decides about the slot in a cluster
    if (typeof prefix !== "string" || prefix === "" || /[{}]/.test(prefix)) {
      return yield* invalid("prefix", "a prefix is a text, is not empty and has no braces")
    }
    // half of a surrogate pair is written as another character: two prefixes would become one
    if (prefix.length > longestPrefix || /\p{Cs}/u.test(prefix)) {
      return yield* invalid("prefix", `a prefix is Unicode text of at most ${longestPrefix} characters`)
    }
    return { prefix, timeout: milliseconds("timeout"), unknownLifetime: milliseconds("unknownLifetime") }
  })

const ranges = {
  timeout: Settings.duration("1 second", { least: 1, most: "1 day" }),
  unknownLifetime: Settings.duration("24 hours", { least: 1 })
}

/** It goes along with every command. */
const longestPrefix = 256

/** Whatever is wrong with the options shows when a client is made of them, which connects to nothing. */
const kind = (
  options: Exclude<Options, { readonly client: Client }>
): Effect.Effect<clients.Kind, TokenError.InvalidConfiguration> => {
  const [field, kind] = options.sentinel !== undefined
    ? ["sentinel", clients.sentinel(options.sentinel)] as const
    : options.cluster !== undefined
    ? ["cluster", clients.cluster(options.cluster)] as const
    : options.url === undefined && options.options !== undefined
    ? ["options", clients.single(options.options)] as const
    : ["url", clients.single({ ...options.options, url: textOf(options.url) })] as const
  // what is thrown is not shown: it may hold the URL, and with it the password
  const detail = field === "url"
    ? `this is no text with a URL such as ${example}`
    : "node-redis does not take these options"
  return Effect.mapBoth(kind.check, {
    onFailure: () => invalid(field, detail),
    onSuccess: () => kind
  })
}

/** Without a URL, or with a blank one, a client would go to a server on this machine. JavaScript may give anything. */
const textOf = (url: unknown): string => {
  const text = Redacted.isRedacted(url) ? Redacted.value(url) : url
  return (typeof text === "string" ? text : "").trim() || "none"
}

const isClient = (client: unknown): boolean =>
  Predicate.isObject(client) && "sendCommand" in client && Predicate.isFunction(client.sendCommand)
