// Wakes those who wait for a change of one key.
import * as Effect from "effect/Effect"

/** A bell for each key that somebody waits at. */
export class Bells {
  private readonly bells = new Map<string, { latch: Effect.Latch; users: number }>()

  /**
   * Gives `use` an effect that makes another each time it is run: that one waits for the first ring after it was made.
   * So: make it, look at the world, and wait only if there is nothing to be seen yet.
   */
  at<A, E>(key: string, use: (next: Effect.Effect<Effect.Effect<void>>) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    const enter = Effect.sync(() => {
      const bell = this.bells.get(key) ?? { latch: Effect.unsafeMakeLatch(false), users: 0 }
      this.bells.set(key, bell)
      bell.users++
      return bell
    })
    return Effect.acquireUseRelease(
      enter,
      (bell) => use(Effect.sync(() => bell.latch.await)),
      (bell) =>
        Effect.sync(() => {
          if (--bell.users === 0) this.bells.delete(key)
        })
    )
  }

  ring(key: string): void {
    const bell = this.bells.get(key)
    if (bell === undefined) return
    const rung = bell.latch
    bell.latch = Effect.unsafeMakeLatch(false)
    rung.unsafeOpen()
  }
}
