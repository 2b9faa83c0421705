import type { Fiber } from "effect"
import { Effect, Scheduler } from "effect"

/**
 * Forks an effect whose fiber can vanish as it does in a runtime that drops the work of a request (Cloudflare Workers, a
 * frozen function): from then on nothing of it runs any more, not even its finalizers, and nobody is told.
 */
export const forkVanishing = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<{ readonly fiber: Fiber.RuntimeFiber<A, E>; readonly vanish: () => void }, never, R> =>
  Effect.suspend(() => {
    let isGone = false
    const scheduler: Scheduler.Scheduler = {
      shouldYield: (fiber) => Scheduler.defaultScheduler.shouldYield(fiber),
      scheduleTask: (task, priority) =>
        Scheduler.defaultScheduler.scheduleTask(() => {
          if (!isGone) task()
        }, priority)
    }
    return Effect.map(Effect.forkDaemon(Effect.withScheduler(effect, scheduler)), (fiber) => ({
      fiber,
      vanish: () => {
        isGone = true
      }
    }))
  })
