/**
 * Work that several fibers wait for: a token request, a metadata document, a key set, a turn at a lock.
 *
 * **The rule.** A waiter does not rely on the owner of the work to say that the work is gone. Work carries the moment
 * by which it must have shown a sign of life. A fiber that looks at the work judges by its own steady clock: overdue
 * work is given up, a late result of its owner changes nothing, and the fiber that looked begins the work anew. Each
 * waiter has a timer: its own, or, where timers outlive the request that set them, the timer that watches the work.
 *
 * The library uses this for all its own waiting. It is public for sources, stores and providers built outside.
 *
 * @since 0.1.0
 */

import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as clocks from "./Clocks.js"
import { Flight, partOf } from "./flight.js"
import { isRequestBound } from "./runtime.js"
import * as Settings from "./Settings.js"
import { beatEvery, Current, longestSleep, Underway } from "./signsOfLife.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Work that has shown no sign of life for so long is given up; infinite if only an owner that vanished can be a
   * reason. It has to be longer than the work can take: give the operations inside it deadlines of their own, and
   * announce a longer silence with {@link expect}. At least 1 second; default 1 minute.
   */
  readonly overdueAfter?: Duration.DurationInput | undefined
  /** Called each time work was given up. An exception it throws is ignored. */
  readonly onOverdue?: (() => void) | undefined
}

const anySilence = Settings.duration(0)

// with next to nothing, work that is only slow would be begun again and again
const ranges = { overdueAfter: Settings.duration("1 minute", { least: "1 second", unlimited: true }) }

const limitOf = ({ overdueAfter }: Options): number => Settings.value(ranges.overdueAfter, overdueAfter)

/** Calls `onOverdue`. If it throws, the waiters go on all the same. */
const tell = ({ onOverdue }: Options): void => {
  try {
    onOverdue?.()
  } catch {
    // the exception can be reported to no caller
  }
}

/** A warning about wrong options, logged at the first use, because neither constructor is an effect. */
const complaint = (options: Options): Effect.Effect<void> | undefined => {
  const problems = Settings.problems(ranges, options, "SharedWork")
  if (problems.length === 0) return undefined
  let told = false
  return Effect.suspend(() => {
    if (told) return Effect.void
    told = true
    return Settings.warn(problems)
  })
}

/**
 * Announces that the shared work on this fiber will show no sign of life for `silence`, beyond its usual limit, because
 * it waits for a server or backs off. Outside of shared work it does nothing.
 *
 * @since 0.1.0
 * @category signs of life
 */
export const expect = (silence: Duration.DurationInput): Effect.Effect<void> =>
  Effect.flatMap(Current, (underway) =>
    underway === undefined ? Effect.void : Effect.map(clocks.now, ({ steady }) => {
      underway.expect(Settings.value(anySilence, silence), steady)
    }))

/**
 * Shares `work`: while it is under way, all callers that run the result wait for the same run, and get its result. The
 * next caller after its end begins a new run; no result is remembered.
 *
 * **Details**
 *
 * - An interrupted caller does not affect the others. When the last caller has left, the work is interrupted.
 * - Overdue work is given up, and the callers that still wait share one new run.
 * - Work that is interrupted from inside is begun once more; if that is interrupted too, so are its callers.
 * - The work runs with the context of the caller that began it.
 *
 * **Example** (One fetch for all who ask at once)
 *
 * ```ts
 * import { SharedWork } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * declare const fetchKeys: Effect.Effect<ReadonlyArray<string>, Error>
 *
 * const keys = SharedWork.make(fetchKeys, { overdueAfter: "20 seconds" })
 * const program = Effect.all([keys, keys, keys], { concurrency: "unbounded" })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A, E, R>(work: Effect.Effect<A, E, R>, options: Options = {}): Effect.Effect<A, E, R> => {
  const limit = limitOf(options)
  const requestBound = isRequestBound()
  let current: Run<A, E> | undefined
  // how many runs in a row were interrupted, although nobody here stopped them
  let cutOff = 0

  const end = (run: Run<A, E>, exit: Exit.Exit<A, E>): void => {
    const isInterrupted = Exit.isInterrupted(exit)
    cutOff = isInterrupted && current === run ? cutOff + 1 : 0
    if (current === run) current = undefined
    // A run that was cut off has no result to share. But work that is interrupted from inside each time would be begun
    // again without end: its callers get what they would get from the work itself.
    if (isInterrupted && cutOff < mostCutOff) run.flight.giveUp()
    else run.flight.land(exit)
    run.stop()
  }

  const leave = (run: Run<A, E>): void => {
    run.waiting--
    if (run.waiting > 0 || run.flight.isLanded) return
    if (current === run) current = undefined
    run.stop()
  }

  const join = (run: Run<A, E>): Effect.Effect<A, E> => {
    run.waiting++
    return Effect.ensuring(
      partOf(run.flight.underway, run.flight.await(requestBound)),
      Effect.sync(() => leave(run))
    )
  }

  const begin = (clock: Clock.Clock, restore: Restore): Effect.Effect<A, E, R> => {
    const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
    const stop = () => fibers.forEach((fiber) => fiber.unsafeInterruptAsFork(FiberId.none))
    const flight = new Flight<A, E>({
      clock,
      limit,
      // the type leaves out `R`: shared work takes what it needs from the caller that began it
      again: shared as Effect.Effect<A, E>,
      onGivenUp: () => {
        if (current !== run) return
        current = undefined
        stop()
        tell(options)
      }
    })
    const run: Run<A, E> = current = { flight, waiting: 0, stop }
    const working = work.pipe(
      Effect.provideService(Current, flight.underway),
      Effect.interruptible,
      Effect.onExit((exit) => Effect.sync(() => end(run, exit))),
      Effect.forkDaemon
    )
    const watching = Effect.forkDaemon(Effect.interruptible(flight.watch(requestBound)))
    return Effect.flatMap(Effect.all([working, watching]), (forked) => {
      fibers.push(...forked)
      return restore(join(run))
    })
  }

  const shared: Effect.Effect<A, E, R> = Effect.uninterruptibleMask((restore) =>
    // a caller that joins an overdue run gives it up, and begins a new one
    Effect.clockWith((clock) => current === undefined ? begin(clock, restore) : restore(join(current)))
  )
  const told = complaint(options)
  return told === undefined ? shared : Effect.zipRight(told, shared)
}

/** So many runs in a row, each interrupted from inside, are no accident. */
const mostCutOff = 2

interface Run<in out A, in out E> {
  readonly flight: Flight<A, E>
  waiting: number
  readonly stop: () => void
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * A lock: one effect at a time runs under it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lock {
  /** How many callers hold the lock or wait for it. */
  readonly size: number
  /**
   * Runs the effect when its turn has come, first come, first served. Waiting for the turn can be interrupted, and so
   * can the effect.
   */
  readonly withLock: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * A lock whose holder loses its turn when it is overdue, because it may be gone. The holder is not told, so its effect
 * has to be safe beside that of the next holder, or notice that it is late.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeLock = (options: Options = {}): Lock => {
  const limit = limitOf(options)
  const requestBound = isRequestBound()
  let holder: Underway | undefined
  // in the order in which they came
  const queue = new Set<Turn>()

  const isFree = (steady: number): boolean => {
    if (holder === undefined) return true
    if (!holder.isOverdue(steady)) return false
    holder = undefined
    tell(options)
    return true
  }

  const first = (): Turn | undefined => queue.values().next().value

  /** Gives the turn to the first in the queue, unless a holder has it. */
  const next = (steady: number): void => {
    if (!isFree(steady)) return
    const turn = first()
    if (turn === undefined) return
    queue.delete(turn)
    holder = turn.underway = new Underway(steady, limit)
    turn.wake?.()
    first()?.wake?.()
  }

  const release = (underway: Underway, steady: number): void => {
    if (holder !== underway) return
    holder = undefined
    // on a runtime where one request cannot wake another, the waiters look by themselves
    if (!requestBound) next(steady)
  }

  const leave = (turn: Turn, steady: number): void => {
    const wasFirst = turn === first()
    queue.delete(turn)
    if (turn.underway !== undefined) release(turn.underway, steady)
    else if (wasFirst) first()?.wake?.()
  }

  const take = (restore: Restore): Effect.Effect<Underway> =>
    Effect.flatMap(clocks.now, ({ steady }) => {
      if (queue.size === 0 && isFree(steady)) return Effect.succeed(holder = new Underway(steady, limit))
      const turn: Turn = { underway: undefined, wake: undefined, seen: steady }
      queue.add(turn)
      return Effect.onError(
        restore(requestBound ? look(turn) : watched(turn)),
        () => Effect.map(clocks.now, ({ steady }) => leave(turn, steady))
      )
    })

  /** Waits to be woken. The first in the queue also looks when the holder is due, so one timer serves all waiters. */
  const watched = (turn: Turn): Effect.Effect<Underway> =>
    Effect.flatMap(clocks.now, ({ steady }) => {
      next(steady)
      if (turn.underway !== undefined) return Effect.succeed(turn.underway)
      const due = Math.max(1, Math.ceil((holder?.dueAt() ?? steady) - steady))
      const woken = Effect.async<void>((resume) => {
        if (turn.underway !== undefined) return resume(Effect.void)
        turn.wake = () => resume(Effect.void)
      })
      return expect(Number.isFinite(due) ? due : 0).pipe(
        Effect.zipRight(
          turn === first() && Number.isFinite(due)
            // in an uninterruptible region the race would wait for its loser
            ? Effect.raceFirst(
              Effect.interruptible(woken),
              Effect.interruptible(Effect.sleep(Math.min(due, longestSleep)))
            )
            : woken
        ),
        Effect.zipRight(watched(turn))
      )
    })

  /** Looks again and again with a timer of its own. Turns whose waiter no longer looks are skipped. */
  const look = (turn: Turn): Effect.Effect<Underway> =>
    Effect.flatMap(clocks.now, ({ steady }) => {
      turn.seen = steady
      for (const other of queue) {
        if (steady - other.seen > forgotten) queue.delete(other)
      }
      if (first() !== turn || !isFree(steady)) {
        return expect(0).pipe(Effect.zipRight(Effect.sleep(lookEvery)), Effect.zipRight(look(turn)))
      }
      queue.delete(turn)
      return Effect.succeed(holder = turn.underway = new Underway(steady, limit))
    })

  const hold = <A, E, R>(underway: Underway, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const held = partOf(underway, Effect.provideService(effect, Current, underway))
    return requestBound ? Effect.raceFirst(held, Effect.interruptible(beat(underway))) : held
  }

  const withLock: Lock["withLock"] = (effect) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(take(restore), (underway) =>
        Effect.ensuring(
          restore(hold(underway, effect)),
          Effect.map(clocks.now, ({ steady }) => release(underway, steady))
        ))
    )
  const told = complaint(options)
  return {
    get size() {
      return queue.size + (holder === undefined ? 0 : 1)
    },
    withLock: told === undefined ? withLock : (effect) => Effect.zipRight(told, withLock(effect))
  }
}

interface Turn {
  underway: Underway | undefined
  wake: (() => void) | undefined
  /** When the waiter last looked for this turn, by the steady clock. */
  seen: number
}

/** In milliseconds. */
const lookEvery = 20
const forgotten = 1000

/**
 * Signs of life, for work on a runtime where its owner may vanish.
 *
 * @internal
 */
export const beat = (underway: Underway): Effect.Effect<never> =>
  Effect.forever(Effect.flatMap(clocks.now, ({ steady }) => {
    underway.alive(steady)
    return Effect.sleep(beatEvery)
  }))
