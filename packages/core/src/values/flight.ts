// One piece of work that many fibers wait for.
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as clocks from "./Clocks.js"
import { beatEvery, Current, longestSleep, Underway } from "./signsOfLife.js"

/** How often a waiter with a timer of its own looks, at first and later, in milliseconds. */
const firstLook = 4
const lastLook = 50

/**
 * One piece of work that any number of fibers wait for.
 *
 * A `Deferred` would do, but each of its waiters carries an interruption handler and a place in a list that is filtered
 * when one leaves: with ten thousand waiters that is most of the time and memory. Here a waiter is one callback. An
 * interrupted waiter stops listening, and its callback is dropped when the flight lands.
 *
 * An overdue flight is given up: all its waiters then run `again`, and a late result of its work is ignored.
 */
export class Flight<in out A, in out E> {
  readonly underway: Underway
  private readonly clock: Clock.Clock
  private readonly again: Effect.Effect<A, E>
  private readonly onGivenUp: () => void
  private landed: Effect.Effect<A, E> | undefined = undefined
  private waiting: Array<(result: Effect.Effect<A, E>) => void> = []

  constructor(options: {
    readonly clock: Clock.Clock
    /** A flight without a sign of life for so many milliseconds is overdue. */
    readonly limit: number
    readonly again: Effect.Effect<A, E>
    /** Called once, before the waiters run `again`. */
    readonly onGivenUp: () => void
  }) {
    this.clock = options.clock
    this.again = options.again
    this.onGivenUp = options.onGivenUp
    this.underway = new Underway(clocks.read(options.clock).steady, options.limit)
  }

  get isLanded(): boolean {
    return this.landed !== undefined
  }

  /** Waits for the landing. An interruption detaches this caller only. */
  private readonly landing: Effect.Effect<A, E> = Effect.async<A, E>((resume) => {
    if (this.landed !== undefined) return resume(this.landed)
    this.waiting.push(resume)
  })

  /**
   * The same with a timer of the caller's own, for a runtime where one request cannot wake another and the work may
   * vanish.
   */
  private look(turn = 0): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      this.judge()
      return this.landed ??
        Effect.zipRight(Effect.sleep(Math.min(lastLook, firstLook * 1.5 ** turn)), this.look(turn + 1))
    })
  }

  /** Waits for the flight. If it is overdue, this caller and all other waiters run `again`. */
  await(byOwnTimer: boolean): Effect.Effect<A, E> {
    this.judge()
    return byOwnTimer ? this.look() : this.landing
  }

  /** Gives the flight up if it is overdue. */
  judge(): void {
    if (this.landed === undefined && this.underway.isOverdue(clocks.read(this.clock).steady)) this.giveUp()
  }

  /** Set if the result is of use to no waiter: the fibers that still wait when the flight lands run `again`. */
  bringsNothing = false

  /** Ends the flight; only the first call counts. */
  land(result: Exit.Exit<A, E>): void {
    if (this.landed === undefined) this.end(this.bringsNothing ? this.again : result)
  }

  /** Ends the flight without a result, because it is overdue: all its waiters run `again`. */
  giveUp(): void {
    if (this.landed !== undefined) return
    this.onGivenUp()
    this.end(this.again)
  }

  private end(result: Effect.Effect<A, E>): void {
    this.landed = result
    const waiting = this.waiting
    this.waiting = []
    for (const resume of waiting) resume(result)
  }

  /**
   * Runs beside the work, on a fiber of the same owner, and gives the flight up when it is overdue. With `beats` it
   * also shows that the owner is still there.
   */
  watch(beats: boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.landed !== undefined) return Effect.void
      const { steady } = clocks.read(this.clock)
      if (beats) this.underway.alive(steady)
      const left = this.underway.dueAt() - steady
      return left <= 0
        ? Effect.sync(() => this.giveUp())
        : Effect.zipRight(
          Effect.sleep(Math.ceil(Math.min(left, beats ? beatEvery : longestSleep))),
          this.watch(beats)
        )
    })
  }
}

/**
 * Runs `wait`, a wait for `underway`, as part of the shared work of the current fiber: that work is not overdue as long
 * as `underway` is not.
 */
export const partOf = <A, E, R>(underway: Underway, wait: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Current, (outer) => {
    if (outer === undefined) return wait
    outer.waitFor(underway)
    return Effect.ensuring(
      wait,
      Effect.map(clocks.now, ({ steady }) => {
        outer.waited(underway)
        outer.expect(0, steady)
      })
    )
  })
