// How a waiter tells that work is overdue, without the help of the work's owner.
import * as Context from "effect/Context"

/** An owner that gives signs of life is gone when it has given none for so long; in milliseconds. */
const stale = 1000

/** So it gives one so often; in milliseconds. */
export const beatEvery = 200

/** A timer counts in 31 bits, and none notices a suspended machine: look at the clock hourly. Milliseconds. */
export const longestSleep = 60 * 60_000

/** Work may wait for work that waits for work; neither a circle of them nor a thicket must hang whoever looks. */
const deepest = 16
const mostLooks = 1000

/**
 * The signs of life of work that others wait for: when it began, and by when something must have come of it. Whoever
 * looks can tell by its own steady clock whether the work is overdue, without the help of its owner. Milliseconds.
 */
export class Underway {
  private due: number
  private beat: number | undefined = undefined
  /** How often this work waits for which other, in fibers of its own. */
  private readonly waits = new Map<Underway, number>()

  constructor(began: number, private readonly limit: number) {
    this.due = began + limit
  }

  /** The work will be silent for so long, for example because it backs off; it is not overdue for that. */
  expect(silence: number, steady: number): void {
    this.due = Math.max(this.due, steady + silence + this.limit)
  }

  /** The owner is still there. Once it has said so it has to go on saying so. */
  alive(steady: number): void {
    this.beat = steady
  }

  /** The work waits for `other` in turn: while that is not overdue neither is this one. */
  waitFor(other: Underway): void {
    this.waits.set(other, (this.waits.get(other) ?? 0) + 1)
  }

  /** One such wait is over. */
  waited(other: Underway): void {
    const left = (this.waits.get(other) ?? 0) - 1
    if (left > 0) this.waits.set(other, left)
    else this.waits.delete(other)
  }

  /** When it is overdue unless something is heard of it before, by the steady clock. */
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
