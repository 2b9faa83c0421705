/** Fibers that do work for callers, in a scope. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"

/** How long a closing scope waits for work that does not react to its interruption. */
const patience = "5 seconds"

export interface Workers {
  readonly fork: (work: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  /** Interrupts a fiber without waiting for its end; the scope does not wait for it either. */
  readonly abandon: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => void
}

/**
 * Forks within the current scope. This is not a `FiberSet`, because its scope waits for as long as a fiber hangs in an
 * uninterruptible region.
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
