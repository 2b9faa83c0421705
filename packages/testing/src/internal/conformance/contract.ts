// The settings and the scenarios of the conformance suite; published by StoreConformance.
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as TokenStore from "effect-bearer/TokenStore"

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
  /** Succeeds if it is kept. Fails with `Broken`, or with an error of the store. */
  readonly run: Effect.Effect<void, unknown, Scope.Scope>
}
