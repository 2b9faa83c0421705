import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/**
 * One piece of work that any number of fibers wait for.
 *
 * A `Deferred` would do, but each of its waiters carries an interruption handler and a place in a list that is
 * filtered when one leaves: with ten thousand waiters that is most of the time and memory. Here a waiter is one
 * callback. An interrupted waiter simply stops listening, and its callback is dropped when the flight lands.
 */
export class Flight<in out A, in out E> {
  private landed: Exit.Exit<A, E> | undefined = undefined
  private waiting: Array<(exit: Exit.Exit<A, E>) => void> = []

  /** Waits for the landing. Interruption detaches the caller and nobody else. */
  readonly await: Effect.Effect<A, E> = Effect.async<A, E>((resume) => {
    if (this.landed !== undefined) return resume(this.landed)
    this.waiting.push(resume)
  })

  /** Ends the flight; only the first call counts. */
  land(exit: Exit.Exit<A, E>): void {
    if (this.landed !== undefined) return
    this.landed = exit
    const waiting = this.waiting
    this.waiting = []
    for (const resume of waiting) resume(exit)
  }
}
