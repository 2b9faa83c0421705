/**
 * The two clocks of a machine, and how this library compares a remembered moment with them.
 *
 * **The rule.** A stretch of time that begins in this process is a {@link Period}: it is measured by the steady clock,
 * which nobody can set. A stretch of time from outside (a store, a server, another process) can only have moments of
 * the wall clock, and is a {@link Stored} one: it does not count if its beginning lies in the future, or if it is
 * longer than it can be. So a wall clock that is put back or forward makes nothing last longer than it was meant to.
 *
 * @since 0.1.0
 */

import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/**
 * Both clocks at one moment, in milliseconds. The wall clock goes on while the machine sleeps; the steady clock does
 * not change when somebody sets the time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Now {
  /** Epoch milliseconds: for times that people, servers and stores see. */
  readonly wall: number
  /** Milliseconds since an unknown beginning: for measuring waits and back-offs. */
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
 * Whether a stored stretch of time is running. A stretch that begins in the future by more than `skew` does not count:
 * the clock of this machine, or of the machine that wrote it, has been put back. A stretch that is longer than
 * `longest` does not count either.
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
    /** By how many milliseconds the clock of the machine that wrote it may be ahead. Default 0. */
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

/**
 * The moment `then` by the wall clock of `now`, which may have been put back in between. A wall clock that seems to have
 * been put forward changes nothing, because the machine may have slept. Epoch milliseconds.
 *
 * @since 0.1.0
 * @category stored
 */
export const wallOf = (then: Now, now: Now): number => {
  const seen = Math.floor(now.wall - (now.steady - then.steady))
  // the two clocks are read one after the other, so a difference of 1 ms means nothing
  return seen < then.wall - 1 ? seen : then.wall
}
