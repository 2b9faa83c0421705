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
import type { Scenario, Settings } from "./internal/conformance/contract.js"
import * as leases from "./internal/conformance/leases.js"
import * as model from "./internal/conformance/model.js"
import * as stage from "./internal/conformance/stage.js"
import * as tokens from "./internal/conformance/tokens.js"

export type { Scenario, Settings } from "./internal/conformance/contract.js"

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
 * A `pair` of {@link Settings}: two services of one layer that is built twice, as two processes would.
 *
 * @since 0.1.0
 * @category constructors
 */
export const twice = <E, R>(
  layer: Layer.Layer<TokenStore.TokenStore, E, R>
): Effect.Effect<readonly [TokenStore.Service, TokenStore.Service], E, R | Scope.Scope> =>
  Effect.all([service(Layer.fresh(layer)), service(Layer.fresh(layer))])

/**
 * A `pair` of {@link Settings}: one service for both, for a store of one process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const once = <E, R>(
  layer: Layer.Layer<TokenStore.TokenStore, E, R>
): Effect.Effect<readonly [TokenStore.Service, TokenStore.Service], E, R | Scope.Scope> =>
  Effect.map(service(Layer.fresh(layer)), (store) => [store, store] as const)
