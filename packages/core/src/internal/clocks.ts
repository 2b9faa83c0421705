import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/**
 * Both clocks, in milliseconds. The wall clock sees that the machine slept; the steady one does not see that somebody
 * set the time. Waits and back-offs are measured by the steady one, what people are told by the wall clock.
 */
export interface Now {
  readonly wall: number
  readonly steady: number
}

export const read = (clock: Clock.Clock): Now => ({
  wall: clock.unsafeCurrentTimeMillis(),
  steady: Number(clock.unsafeCurrentTimeNanos() / BigInt(1000)) / 1000
})

export const now: Effect.Effect<Now> = Effect.map(Effect.clock, read)
