// Wakes the fibers that wait for a change of one key.
import * as Effect from "effect/Effect"

/** A bell for each key that fibers wait for. */
export class Bells {
  private readonly bells = new Map<string, { latch: Effect.Latch; users: number }>()

  /**
   * Gives `use` an effect, `next`. Each run of `next` yields another effect, which waits for the first ring after that
   * run. So run `next`, then look for the change, and wait only if it has not come yet: no ring is missed.
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
