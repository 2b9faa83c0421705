// Builds a resource at the first use, once for all requests, and anew if the build failed or its runtime is gone.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import * as SharedWork from "effect-bearer/SharedWork"

/** A build that shows no sign of life for this long is given up: the caller that began it is gone. */
const overdueAfter = "5 seconds"
const signOfLife = Effect.forever(Effect.zipRight(SharedWork.expect(0), Effect.sleep("1 second")))

/**
 * Builds something when it is first asked for, once for all who ask, and keeps it. A failure goes to those who wait
 * and is forgotten: the next caller starts another build.
 *
 * It is built in the scope, not on the fiber of a caller: what a caller has around it (a span, annotations of its log)
 * does not stay with what others use. The caller who began it may be gone without a word, and the build with it: so it
 * is `SharedWork`, which the next one takes over. What the build waits for has limits of its own.
 */
export const make = <A, E>(
  build: Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const run = yield* FiberSet.makeRuntime<never, A, E>()
    let built: Exit.Exit<A> | undefined

    const attempt = Effect.flatMap(Scope.fork(scope, scope.strategy), (own) =>
      Effect.onExit(Scope.extend(build, own), (exit) =>
        Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void))

    const shared = SharedWork.make(
      Effect.suspend(() => {
        const fiber = run(attempt)
        return Fiber.join(fiber).pipe(
          Effect.tap((value) => {
            built ??= Exit.succeed(value)
          }),
          Effect.raceFirst(signOfLife),
          Effect.onInterrupt(() =>
            Fiber.interrupt(fiber)
          )
        )
      }),
      { overdueAfter }
    )
    return Effect.suspend((): Effect.Effect<A, E> => built ?? shared)
  })
