// A queue of calls that wait for their turn.
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Clocks from "effect-bearer/Clocks"
import * as runtime from "../internal/runtime.js"

/**
 * Fibers that stand in line. The first one decides for itself; each of the others waits for the one before it.
 *
 * **The rule.** A runtime may drop a fiber without a word (Cloudflare Workers, when its request is answered), so nobody
 * waits for another alone: each waiter has a timer of its own, says until when it will look, and is taken for gone by
 * the one behind it when it did not. Where one request cannot wake another, each looks again and again by itself. All
 * times are milliseconds of the steady clock.
 */
export interface Line {
  first: Waiter | undefined
  last: Waiter | undefined
  length: number
  /** Those who have come, ever. */
  arrivals: number
}

interface Waiter {
  readonly arrival: number
  ahead: Waiter | undefined
  behind: Waiter | undefined
  isIn: boolean
  /** It looks by then, or is gone. */
  due: number
  wake: () => void
}

/** A waiter may be late by this much: timers are, where the runtime is busy. */
const grace = 1000

/** What the first of the line has decided. */
export type Decision<E> =
  | { readonly _tag: "Done" }
  | { readonly _tag: "Ended"; readonly effect: Effect.Effect<void, E> }
  | { readonly _tag: "Again"; readonly at: number; readonly before: Effect.Effect<void> }

/** It has left. */
export const done: Decision<never> = { _tag: "Done" }

/** It leaves the line with this. */
export const ended = <E>(effect: Effect.Effect<void, E>): Decision<E> => ({ _tag: "Ended", effect })

/** It looks again at this time, or when the line is rung. */
export const again = (at: number, before: Effect.Effect<void> = Effect.void): Decision<never> => ({
  _tag: "Again",
  at,
  before
})

export const make = (): Line => ({ first: undefined, last: undefined, length: 0, arrivals: 0 })

/** Has the first of the line look at once. */
export const ring = ({ first }: Line): void => {
  if (!isRequestBound) first?.wake()
}

const isRequestBound = runtime.isRequestBound()

/** How often a waiting call looks again, in case that nothing wakes it. */
const lookEvery = 20

/** Forgets those at the end of the line who are gone without a word; those before them are forgotten by who is behind. */
export const tidy = (line: Line, now: number): void => {
  while (line.last !== undefined && isGone(line.last, now)) remove(line, line.last)
}

const isGone = ({ due }: Waiter, now: number): boolean => due + grace < now

/** Waits for its turn until `ends`, and does then what it has decided. */
export const stand = <E>(line: Line, ends: number, on: {
  /** It is the first. `random` is its own, and the same each time. */
  readonly first: (now: Clocks.Now, random: number) => Decision<E>
  /** Its time is over. */
  readonly impatient: (now: Clocks.Now) => Effect.Effect<void, E>
}): Effect.Effect<void, E> =>
  Effect.flatMap(Random.next, (random) => {
    const look = (waiter: Waiter): Effect.Effect<void, E> =>
      Effect.flatMap(Clocks.now, (now) => {
        const { steady } = now
        // it was late, and taken for gone
        if (!waiter.isIn) insert(line, waiter)
        while (waiter.ahead !== undefined && isGone(waiter.ahead, steady)) remove(line, waiter.ahead)
        if (steady >= ends) return on.impatient(now)
        if (waiter.ahead !== undefined) {
          return Effect.zipRight(wait(waiter, steady, Math.min(ends, waiter.ahead.due + grace)), look(waiter))
        }
        const decision = on.first(now, random)
        switch (decision._tag) {
          case "Done":
            return Effect.void
          case "Ended":
            return decision.effect
          case "Again": {
            const until = Math.min(ends, decision.at)
            const waiting = until > steady ? wait(waiter, steady, until) : Effect.void
            return Effect.zipRight(Effect.zipRight(decision.before, waiting), look(waiter))
          }
        }
      })
    return Effect.acquireUseRelease(Effect.map(Clocks.now, ({ steady }) => join(line, steady)), look, (waiter) =>
      Effect.sync(() => {
        const wasFirst = line.first === waiter
        remove(line, waiter)
        if (wasFirst) {
          ring(line)
        }
      }))
  })

/** Until it is woken, from this moment on, or until a time. */
const wait = (waiter: Waiter, now: number, until: number): Effect.Effect<unknown> => {
  waiter.due = isRequestBound ? Math.min(until, now + lookEvery) : until
  const woken = new Promise<void>((resolve) => {
    waiter.wake = resolve
  })
  return Effect.timeoutOption(
    Effect.async<void>((resume) => void woken.then(() => resume(Effect.void))),
    Math.ceil(waiter.due - now)
  )
}

// ---------------------------------------------------------------------------------------------------------------

const join = (line: Line, now: number): Waiter => {
  const waiter: Waiter = {
    arrival: line.arrivals++,
    ahead: undefined,
    behind: undefined,
    isIn: false,
    due: now,
    wake: () => {}
  }
  insert(line, waiter)
  return waiter
}

/** In the order in which they came. */
const insert = (line: Line, waiter: Waiter): void => {
  let ahead = line.last
  while (ahead !== undefined && ahead.arrival > waiter.arrival) ahead = ahead.ahead
  const behind = ahead === undefined ? line.first : ahead.behind
  waiter.ahead = ahead
  waiter.behind = behind
  if (ahead === undefined) line.first = waiter
  else ahead.behind = waiter
  if (behind === undefined) line.last = waiter
  else behind.ahead = waiter
  waiter.isIn = true
  line.length++
}

const remove = (line: Line, waiter: Waiter): void => {
  if (!waiter.isIn) return
  const { ahead, behind } = waiter
  if (ahead === undefined) line.first = behind
  else ahead.behind = behind
  if (behind === undefined) line.last = ahead
  else behind.ahead = ahead
  waiter.ahead = waiter.behind = undefined
  waiter.isIn = false
  line.length--
}
