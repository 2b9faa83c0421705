/**
 * The promises of a `TokenStore`, as a suite for stores of your own. The stores of effect-bearer pass it: memory, files,
 * `KeyValueStore`, sealed, Redis.
 *
 * Each scenario is an effect with a name. It fails with {@link Broken} if the store breaks a promise, so any test
 * framework can run it.
 *
 * @example
 * ```ts
 * import { describe, it } from "@effect/vitest"
 * import { StoreConformance } from "@effect-bearer/testing"
 * import { TokenStore } from "effect-bearer"
 *
 * describe("the store in memory", () => {
 *   for (const { name, run } of StoreConformance.scenarios({ pair: StoreConformance.once(TokenStore.layerMemory) })) {
 *     it.scoped(name, () => run)
 *   }
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TokenStore from "effect-bearer/TokenStore"
import * as changes from "./internal/conformance/changes.js"
import type * as checks from "./internal/conformance/checks.js"
import * as leases from "./internal/conformance/leases.js"
import * as model from "./internal/conformance/model.js"
import * as stage from "./internal/conformance/stage.js"
import * as tokens from "./internal/conformance/tokens.js"

/**
 * How the suite gets at the store.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  /**
   * Two services on the same empty store, as two processes have. They may be the same service if a store promises
   * nothing between processes. It is run anew for each scenario, and closed with the scope of that.
   */
  readonly pair: Effect.Effect<readonly [TokenStore.Service, TokenStore.Service], unknown, Scope.Scope>
  /** Lets so many milliseconds pass for the store. Default: `TestClock.adjust`. */
  readonly advance?: ((by: number) => Effect.Effect<void>) | undefined
  /**
   * The length of a lease in milliseconds; other times are multiples of it. Give it for a store with a clock of its
   * own: what such a store says of times may be off by less than this. Default 10 seconds, exact.
   */
  readonly unit?: number | undefined
  /**
   * How many random sequences of operations are compared with a model; zero for none, where time is not the
   * TestClock's. Default 25.
   */
  readonly runs?: number | undefined
}

/**
 * One promise, and how to find out whether it is kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Scenario {
  /** The promise in words, for the name of a test. The names are unique. */
  readonly name: string
  /** Succeeds if it is kept. Fails with {@link Broken}, or with an error of the store. */
  readonly run: Effect.Effect<void, unknown, Scope.Scope>
}

/**
 * The store has broken a promise.
 *
 * @since 0.1.0
 * @category errors
 */
export type Broken = checks.Broken

/**
 * All scenarios, in the order: tokens, leases, changes, the model.
 *
 * @since 0.1.0
 * @category constructors
 */
export const scenarios = (settings: Settings): ReadonlyArray<Scenario> => {
  const { pair, runs = 25 } = settings
  const setting = stage.make(settings)
  const plays = [...tokens.scenarios(setting), ...leases.scenarios(setting), ...changes.scenarios(setting)]
  return [
    ...plays.map(({ name, play }) => ({ name, run: Effect.flatMap(pair, ([one, other]) => play(one, other)) })),
    ...(runs > 0 ? [model.scenario(setting, pair, runs)] : [])
  ]
}

const service = <E, R>(layer: Layer.Layer<TokenStore.TokenStore, E, R>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, TokenStore.TokenStore))

/**
 * A {@link Settings.pair}: two services of one layer that is built twice, as two processes would.
 *
 * @since 0.1.0
 * @category constructors
 */
export const twice = <E, R>(
  layer: Layer.Layer<TokenStore.TokenStore, E, R>
): Effect.Effect<readonly [TokenStore.Service, TokenStore.Service], E, R | Scope.Scope> =>
  Effect.all([service(Layer.fresh(layer)), service(Layer.fresh(layer))])

/**
 * A {@link Settings.pair}: one service for both, for a store of one process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const once = <E, R>(
  layer: Layer.Layer<TokenStore.TokenStore, E, R>
): Effect.Effect<readonly [TokenStore.Service, TokenStore.Service], E, R | Scope.Scope> =>
  Effect.map(service(Layer.fresh(layer)), (store) => [store, store] as const)
