/**
 * The two clocks of a machine, and the one way in which this library compares a remembered moment with them.
 *
 * **The rule.** What this process remembers by itself is a {@link Period}: it is measured by the steady clock, which
 * nobody can set. What comes from outside (a store, a server, another process) can only be a moment of the wall clock,
 * a {@link Stored} one: a beginning that lies in the future, or an end further away than it can be, is not believed.
 * So a wall clock that is put back or forward makes nothing last longer than it was meant to.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/**
 * Both clocks at one moment, in milliseconds. The wall clock sees that the machine slept; the steady one does not see
 * that somebody set the time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Now {
  /** Epoch milliseconds: what people are told, and what servers and stores speak of. */
  readonly wall: number
  /** Milliseconds since an unknown beginning: what waits and back-offs are measured by. */
  readonly steady: number
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const read = (clock: Clock.Clock): Now => ({
  wall: clock.unsafeCurrentTimeMillis(),
  steady: Number(clock.unsafeCurrentTimeNanos() / BigInt(1000)) / 1000
})

/**
 * @since 0.1.0
 * @category constructors
 */
export const now: Effect.Effect<Now> = Effect.map(Effect.clock, read)

/**
 * A stretch of time that began in this process. All numbers are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Period {
  /** By the steady clock. */
  readonly began: number
  /** May be infinite. */
  readonly length: number
}

/**
 * A period of `length` milliseconds that begins now.
 *
 * @since 0.1.0
 * @category periods
 */
export const period = (now: Now, length: number): Period => ({ began: now.steady, length })

/**
 * The milliseconds left of a period; zero once it is over.
 *
 * @since 0.1.0
 * @category periods
 */
export const left = ({ began, length }: Period, now: Now): number => Math.max(0, began + length - now.steady)

/**
 * @since 0.1.0
 * @category periods
 */
export const isOver = (period: Period, now: Now): boolean => left(period, now) <= 0

/**
 * A stretch of time that was read from outside, by the wall clock. Epoch milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stored {
  readonly from: number
  readonly until: number
}

/**
 * Whether a stored stretch of time is running. One that begins in the future is not believed, beyond `skew`: the clock
 * of this machine, or the one it was written by, has been put back. Nor is one whose length is more than `longest`.
 *
 * @since 0.1.0
 * @category stored
 */
export const isRunning = (
  { from, until }: Stored,
  wall: number,
  { longest = Number.POSITIVE_INFINITY, skew = 0 }: {
    /** The longest such a stretch can be, in milliseconds. Default: any length. */
    readonly longest?: number | undefined
    /** By how much the clock it was written by may be ahead, in milliseconds. Default 0. */
    readonly skew?: number | undefined
  } = {}
): boolean => wall < until && from <= wall + skew && until - from <= longest

/**
 * The milliseconds left of a stored stretch of time; zero once it is over, and never more than all of it: a wall clock
 * that was put back since it began adds nothing.
 *
 * @since 0.1.0
 * @category stored
 */
export const remaining = ({ from, until }: Stored, wall: number): number =>
  Math.max(0, Math.min(until - wall, until - from))
