/**
 * The broker as a service: profiles that run, callers that may ask, and the app that answers them.
 *
 * **Example** (a broker on port 4180 of the loopback hosts)
 *
 * ```ts
 * import { NodeContext, NodeHttpClient, NodeRuntime } from "@effect/platform-node"
 * import { Broker, BrokerConfig, BrokerServer } from "@effect-bearer/broker"
 * import { Effect, Layer } from "effect"
 *
 * const Live = Layer.unwrapEffect(
 *   Effect.map(BrokerConfig.load("broker.yaml"), (config) =>
 *     BrokerServer.layer.pipe(Layer.provideMerge(Broker.layer(config))))
 * ).pipe(
 *   Layer.provide([NodeContext.layer, NodeHttpClient.layerUndici])
 * )
 *
 * NodeRuntime.runMain(Layer.launch(Live))
 * ```
 *
 * @since 0.1.0
 */

import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Clocks from "effect-bearer/Clocks"
import type * as TokenError from "effect-bearer/TokenError"
import type { Config } from "./BrokerConfig.js"
import * as BrokerConfig from "./BrokerConfig.js"
import * as secrets from "./config/secrets.js"
import * as watch from "./config/watch.js"
import * as guard from "./guard/guard.js"
import { Activity } from "./operations/activity.js"
import * as auditing from "./operations/audit.js"
import * as auditFile from "./operations/auditFile.js"
import * as journals from "./operations/journal.js"
import * as metrics from "./operations/metrics.js"
import { readiness } from "./operations/readiness.js"
import { snapshot } from "./operations/snapshot.js"
import * as assets from "./page/assets.js"
import * as callers from "./policy/callers.js"
import * as keeper from "./profile/keeper.js"
import type { Running } from "./profile/registry.js"
import * as registries from "./profile/registry.js"
import * as stores from "./profile/store.js"
import * as surfaces from "./surfaces/app.js"
import * as streams from "./surfaces/streams.js"
import * as tokenFile from "./surfaces/tokenFile.js"

/**
 * What answers one request, guard and all.
 *
 * @since 0.1.0
 * @category models
 */
export type App = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/**
 * A running broker.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Answers every path of the API, of the pages, and of operations. */
  readonly app: App
  /** Answers `GET /metrics` alone, without a key: for a listener of its own. */
  readonly metricsApp: App
  readonly config: Effect.Effect<Config>
  /**
   * Puts another configuration in place: whole, or not at all. Requests under way finish with the old one; profiles that
   * have not changed keep their tokens. Changes of `listen`, `metrics`, `store`, `audit`, `limits.headers` and
   * `limits.connections` take effect at the next start, and a warning says so.
   */
  readonly reload: (config: Config) => Effect.Effect<void, TokenError.InvalidConfiguration>
  /** Begins to stop: readiness goes false, and streams end. Requests are still answered. */
  readonly drain: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category tags
 */
export class Broker extends Context.Tag("@effect-bearer/broker/Broker")<Broker, Service>() {}

/**
 * Starts the profiles of a configuration. What cannot work of it is an `InvalidConfiguration`; a server that cannot be
 * reached is not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  initial: Config
): Effect.Effect<
  Service,
  TokenError.InvalidConfiguration,
  FileSystem.FileSystem | HttpClient.HttpClient | Path.Path | Scope.Scope
> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<FileSystem.FileSystem | HttpClient.HttpClient | Path.Path>()
    const startedAt = yield* Clock.currentTimeMillis
    const readSecret = (reference: Parameters<typeof secrets.read>[0]) =>
      Effect.provide(secrets.read(reference), context)

    const store = initial.store === undefined
      ? Context.empty()
      : yield* Layer.build(stores.layer(initial.store, readSecret))
    const registry = yield* Effect.provide(registries.make, store)
    const clock = yield* Effect.clock
    const now = () => Clocks.read(clock).steady
    const activity = new Activity(now)
    const journal = journals.make(activity)
    const audit = yield* openAudit(initial, now)
    const draining = yield* Deferred.make<void>()
    let isDraining = false

    /** What follows a profile from its start until another takes its place. */
    const follow = (running: Running) =>
      Effect.gen(function*() {
        yield* registries.during(running.inForce, journal.follow(running))
        const { file, required } = running.config
        if (file !== undefined) {
          yield* registries.during(running.inForce, Effect.provide(tokenFile.keep(running, file), context))
        }
        if (file !== undefined || required) yield* registries.during(running.inForce, keeper.keep(running))
      })

    const enforce = (config: Config) => {
      const known = callers.make(config)
      return { config, callers: known, policy: guard.policyOf(config, known) }
    }

    let inForce = enforce(initial)

    const serving = {
      registry,
      activity,
      audit,
      draining: Deferred.await(draining),
      streams: streams.make(() => inForce.config.limits.streamsPerCaller)
    }
    const served = yield* surfaces.make({
      serving,
      operations: {
        serving,
        readiness: readiness(registry, () => isDraining, audit.isBlocked),
        metrics: Effect.suspend(() => metrics.text(registry, activity, audit)),
        snapshot: snapshot({
          registry,
          activity,
          journal,
          startedAt,
          callers: () => inForce.callers.all,
          isDraining: () => isDraining,
          auditLinesLost: audit.lost
        })
      },
      limits: () => inForce.policy,
      assets: yield* assets.load
    })
    // after the slow steps: a store that is asked during them would seem not to answer in time
    yield* Effect.flatMap(registry.apply(initial, readSecret), Effect.forEach(follow, { discard: true }))
    const guarded = { policy: () => inForce.policy, rates: guard.makeRates(), audit, activity, now }
    const app = served as (ask: guard.Ask, request: HttpServerRequest.HttpServerRequest) => App

    return {
      app: guard.make(guarded)(app),
      metricsApp: guard.make({
        ...guarded,
        isOpen: ({ kind }) => kind === "metrics",
        isServed: ({ kind }) => kind === "metrics" || kind === "live" || kind === "ready"
      })(app),
      config: Effect.sync(() => inForce.config),
      reload: (config) =>
        Effect.gen(function*() {
          const before = inForce.config
          // what a caller may ask of a profile is always what goes with that profile
          const fresh = yield* registry.apply(config, readSecret, () => {
            inForce = enforce(config)
          })
          yield* Effect.forEach(fresh, follow, { discard: true })
          const late = [
            ...(["listen", "metrics", "store", "audit"] as const).filter((name) =>
              JSON.stringify(before[name]) !== JSON.stringify(config[name])
            ),
            ...(["headers", "connections"] as const).filter((name) => before.limits[name] !== config.limits[name])
              .map((name) => `limits.${name}`)
          ]
          if (late.length > 0) {
            yield* Effect.logWarning(`Changes of ${late.join(", ")} take effect when the broker is started again.`)
          }
        }),
      drain: Effect.suspend(() => {
        isDraining = true
        return Effect.asVoid(Deferred.succeed(draining, undefined))
      })
    } satisfies Service
  })

/** Lines go to a file, or to standard output; the last ones before the scope has closed. */
const openAudit = ({ audit }: Config, now: () => number): Effect.Effect<auditing.Audit, never, Scope.Scope> =>
  Effect.gen(function*() {
    const runtime = yield* Effect.runtime<never>()
    const clock = yield* Effect.clock
    const log = (message: string) => void Runtime.runFork(runtime)(Effect.logWarning(message))
    const file = audit.file === undefined ? undefined : auditFile.make(audit.file, now)
    const lines = auditing.make(file === undefined ? toStandardOutput : file.append, {
      required: audit.required,
      now: () => Clocks.read(clock).wall,
      onTrouble: (reason) =>
        log(
          `The audit cannot be written to ${audit.file ?? "standard output"} (${reason}): ${
            audit.required ? "no token is handed out until it can." : "its lines are lost, and counted, until it can."
          }`
        ),
      onRecovery: () => log("The audit is written again.")
    })
    // a disk that hangs does not hold up the end
    const close = Effect.timeoutOption(Effect.interruptible(Effect.promise(async () => file?.close())), "2 seconds")
    yield* Effect.addFinalizer(() => Effect.zipRight(lines.flush, close))
    return lines
  })

const toStandardOutput = (lines: string): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(lines, (error) => error == null ? resolve() : reject(error))
  })

/**
 * A broker of this configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  config: Config
): Layer.Layer<
  Broker,
  TokenError.InvalidConfiguration,
  FileSystem.FileSystem | HttpClient.HttpClient | Path.Path
> => Layer.scoped(Broker, make(config))

/**
 * A broker of the configuration in a file, which is read again when it changes and on `SIGHUP`: a new configuration takes
 * the place of the old one as a whole. One with mistakes is told in the log, and the old one stays.
 *
 * **Example** (the whole program)
 *
 * ```ts
 * import { NodeContext, NodeHttpClient, NodeRuntime } from "@effect/platform-node"
 * import { Broker, BrokerServer } from "@effect-bearer/broker"
 * import { Layer } from "effect"
 *
 * // SIGTERM drains: readiness goes false, running requests finish
 * BrokerServer.layer.pipe(
 *   Layer.provide(Broker.layerFile("broker.yaml")),
 *   Layer.provide([NodeContext.layer, NodeHttpClient.layerUndici]),
 *   Layer.launch,
 *   NodeRuntime.runMain
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (
  file: string,
  options: {
    /** What is made of each configuration before it takes effect, such as another port. Default: nothing. */
    readonly adjust?: ((config: Config) => Config) | undefined
  } = {}
): Layer.Layer<
  Broker,
  BrokerConfig.ConfigurationProblems | TokenError.InvalidConfiguration,
  FileSystem.FileSystem | HttpClient.HttpClient | Path.Path
> =>
  Layer.scoped(
    Broker,
    Effect.gen(function*() {
      const adjust = options.adjust ?? ((config) => config)
      const config = yield* BrokerConfig.load(file)
      const broker = yield* make(adjust(config))
      const changed = watch.changes(file, config)
      yield* Stream.runForEach(changed, (next) =>
        Either.isLeft(next)
          ? Effect.logError(`${next.left.message}\nThe configuration before it stays in force.`)
          : broker.reload(adjust(next.right)).pipe(
            Effect.zipRight(Effect.logInfo(`The configuration of ${file} is in force.`)),
            Effect.catchAll((error) => Effect.logError(`${error.message}\nThe configuration before it stays in force.`))
          )).pipe(Effect.interruptible, Effect.forkScoped)
      return broker
    })
  )
