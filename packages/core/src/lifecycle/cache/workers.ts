/** Fibers that do work for others, in a scope. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"

/** A scope that closes waits so long for work that does not heed being interrupted. */
const patience = "5 seconds"

export interface Workers {
  readonly fork: (work: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  /** Interrupts a fiber, and lets it go: nobody waits for it any more, not even the scope. */
  readonly abandon: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => void
}

/**
 * Forks within the current scope. A `FiberSet` would do, but its scope waits for as long as a fiber hangs where it cannot
 * be interrupted.
 */
export const workers: Effect.Effect<Workers, never, Scope.Scope> = Effect.gen(function*() {
  const runFork = Runtime.runFork(yield* Effect.runtime<never>())
  const fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  const stop = (fiber: Fiber.RuntimeFiber<unknown, unknown>) => fiber.unsafeInterruptAsFork(FiberId.none)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      fibers.forEach(stop)
      return Effect.timeoutOption(Effect.interruptible(Fiber.awaitAll(fibers)), patience)
    })
  )
  return {
    fork: (work) => {
      const fiber = runFork(work)
      fibers.add(fiber)
      fiber.addObserver(() => fibers.delete(fiber))
      return fiber
    },
    abandon: (fiber) => {
      fibers.delete(fiber)
      stop(fiber)
    }
  }
})
