// How a waiter finds out that work is overdue, without the help of the work's owner.
import * as Context from "effect/Context"

/** An owner that has begun to beat is taken to be gone after so many milliseconds without a beat. */
const stale = 1000

/** The time between two beats, in milliseconds. */
export const beatEvery = 200

/** A timer counts in 31 bits, and no timer notices a suspended machine, so the clock is read hourly. Milliseconds. */
export const longestSleep = 60 * 60_000

/**
 * Work may wait for other work, which waits in turn. A circle of waits, or very many of them, must not hang the fiber
 * that looks, so its search has a limit of depth, and a limit of looks in all.
 */
const deepest = 16
const mostLooks = 1000

/**
 * The signs of life of shared work: when it began, and by when it must show the next sign. A fiber that looks finds out
 * by its own steady clock whether the work is overdue, without the help of its owner. Milliseconds.
 */
export class Underway {
  private due: number
  private beat: number | undefined = undefined
  /** The work that this work waits for, with the number of its fibers that wait for it. */
  private readonly waits = new Map<Underway, number>()

  constructor(began: number, private readonly limit: number) {
    this.due = began + limit
  }

  /**
   * Announces that the work will be silent for `silence`, for example because it backs off; that silence does not make
   * it overdue.
   */
  expect(silence: number, steady: number): void {
    this.due = Math.max(this.due, steady + silence + this.limit)
  }

  /** Notes a beat: the owner is still there. After its first beat the owner has to go on beating. */
  alive(steady: number): void {
    this.beat = steady
  }

  /** Notes that the work waits for `other`: as long as `other` is not overdue, this work is not overdue either. */
  waitFor(other: Underway): void {
    this.waits.set(other, (this.waits.get(other) ?? 0) + 1)
  }

  /** Notes that one wait for `other` is over. */
  waited(other: Underway): void {
    const left = (this.waits.get(other) ?? 0) - 1
    if (left > 0) this.waits.set(other, left)
    else this.waits.delete(other)
  }

  /** When the work becomes overdue without a further sign of life, by the steady clock. */
  dueAt(depth = 0, looks = { left: mostLooks }): number {
    let { due } = this
    if (depth >= deepest) return due
    for (const other of this.waits.keys()) {
      if (looks.left-- <= 0) break
      due = Math.max(due, other.dueAt(depth + 1, looks) + this.limit)
    }
    return due
  }

  isOverdue(steady: number): boolean {
    return steady >= this.dueAt() || (this.beat !== undefined && steady - this.beat > stale)
  }
}

/** The work that the current fiber is part of. */
export class Current extends Context.Reference<Current>()("effect-bearer/SharedWork/Current", {
  defaultValue: (): Underway | undefined => undefined
}) {}
