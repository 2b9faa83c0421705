/**
 * Whether anything is left when a scope has closed: fibers, timers, sockets, servers.
 *
 * @example
 * ```ts
 * import { LeakCheck } from "@effect-bearer/testing"
 * import { Effect, Layer } from "effect"
 *
 * declare const MyLayer: Layer.Layer<never>
 *
 * // run it in real time: `it.live`, or `Effect.runPromise`
 * const test = LeakCheck.noLeaks(Effect.zipRight(Layer.build(MyLayer), Effect.sleep("10 millis")))
 * ```
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import * as Supervisor from "effect/Supervisor"
import * as resources from "./internal/resources.js"

/**
 * What is there after the scope has closed, and was not there before.
 *
 * @since 0.1.0
 * @category models
 */
export interface Left {
  /** The ids of fibers that still run, those of daemons included. */
  readonly fibers: ReadonlyArray<string>
  /**
   * What keeps the process alive, and how many of each: `timer`, `connection`, `server`, `pipe`, `process`, `watcher`,
   * `UDP socket`, `worker`. As Node.js tells of them; empty on runtimes that do not.
   */
  readonly resources: Readonly<Record<string, number>>
}

/**
 * Something is left.
 *
 * @since 0.1.0
 * @category errors
 */
export class Leaked extends Data.TaggedError("Leaked")<Left> {
  override get message(): string {
    const things = [
      ...(this.fibers.length === 0 ? [] : [`fibers ${this.fibers.join(", ")}`]),
      ...Object.entries(this.resources).map(([name, count]) => `${count} × ${name}`)
    ]
    return `The scope is closed, and this is left: ${things.join("; ")}`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How many milliseconds of real time things have to go: a socket takes a moment to close. Default 2000. The check ends
   * as soon as nothing is left.
   */
  readonly patience?: number | undefined
}

/**
 * Runs the effect in a scope of its own, closes the scope, and says what is left. The fibers are those that began in
 * the effect, and those without a parent that the whole process began meanwhile: daemons, and what runs in a
 * `ManagedRuntime` that was not disposed of. Timers and sockets are those that the whole process began meanwhile. So
 * nothing else should run beside it.
 *
 * A `ManagedRuntime` that is not disposed of, or a scope that is not closed, shows by what still runs or is open in it.
 * One with nothing of that kind, such as a source that does not renew in the background, is not found. Timers and
 * sockets that do not keep the process alive (`unref`) are not counted.
 *
 * A connection that the global `fetch` keeps open belongs to the process, not to a scope, and is left. With
 * `NodeHttpClient.layerUndici` the connections close with the layer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const left = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: Options = {}
): Effect.Effect<Left, E, Exclude<R, Scope.Scope>> =>
  Effect.flatMap(watch(effect, options), ([exit, left]) => Effect.as(exit, left))

/**
 * The same, failing with {@link Leaked} if anything is left. An error of the effect itself goes first.
 *
 * @since 0.1.0
 * @category constructors
 */
export const noLeaks = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: Options = {}
): Effect.Effect<A, E | Leaked, Exclude<R, Scope.Scope>> =>
  Effect.flatMap(
    watch(effect, options),
    ([exit, left]) => Effect.zipLeft(exit, isNothing(left) ? Effect.void : new Leaked(left))
  )

const isNothing = ({ fibers, resources }: Left): boolean => fibers.length === 0 && Object.keys(resources).length === 0

const watch = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { patience = 2000 }: Options
): Effect.Effect<readonly [Exit.Exit<A, E>, Left], never, Exclude<R, Scope.Scope>> =>
  Effect.gen(function*() {
    const supervisor = yield* Supervisor.track
    const begun = yield* resources.watch
    const before = new Set(yield* Fiber.roots)
    const exit = yield* Effect.exit(Effect.supervised(Effect.scoped(effect), supervisor))
    // a runtime of its own (`ManagedRuntime`, `Effect.runFork`) has another supervisor, or none
    const fibers = Effect.zipWith(supervisor.value, Fiber.roots, (own, roots) =>
      new Set([
        ...own,
        ...roots.filter((fiber) => !before.has(fiber))
      ]))
    const look = Effect.zipWith(fibers, begun, (fibers, resources): Left => ({
      fibers: Array.from(fibers, (fiber) => FiberId.threadName(fiber.id())),
      resources
    }))
    return [exit, yield* untilNothing(look, patience)] as const
  }).pipe(Effect.scoped) as Effect.Effect<readonly [Exit.Exit<A, E>, Left], never, Exclude<R, Scope.Scope>>

/** Looks again and again, in real time. */
const untilNothing = (look: Effect.Effect<Left>, patience: number): Effect.Effect<Left> =>
  Effect.flatMap(look, (left) =>
    isNothing(left) || patience <= 0
      ? Effect.succeed(left)
      : Effect.zipRight(resources.moment, untilNothing(look, patience - resources.step)))
