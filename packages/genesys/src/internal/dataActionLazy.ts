import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"

/**
 * Builds something when it is first asked for, once for all who ask, and keeps it. A failure goes to those who wait
 * and is forgotten: who asks next makes it try again.
 *
 * It is built in the scope, not on the fiber of a caller: what a caller has around it (a span, annotations of its log,
 * an interruption) does not stay with what others use.
 */
export const make = <A, E>(
  build: Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const run = yield* FiberSet.makeRuntime<never, A, E>()
    let current: Fiber.RuntimeFiber<A, E> | undefined

    const attempt = Effect.flatMap(Scope.fork(scope, scope.strategy), (own) =>
      Effect.onExit(Scope.extend(build, own), (exit) =>
        Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void))

    const start = (): Fiber.RuntimeFiber<A, E> => {
      const fiber = run(attempt)
      current = fiber
      fiber.addObserver((exit) => {
        if (Exit.isFailure(exit) && current === fiber) {
          current = undefined
        }
      })
      return fiber
    }
    return Effect.suspend(() =>
      Fiber.await(current ?? start())
    ).pipe(Effect.flatten)
  })
