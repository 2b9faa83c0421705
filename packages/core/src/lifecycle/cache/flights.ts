// Work that callers of one key wait for: its start and its end.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { AccessToken } from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import { Flight } from "../../values/flight.js"
import { Current } from "../../values/signsOfLife.js"
import type { Reason } from "../../values/TokenEvent.js"
import * as Disclosure from "../../wire/Disclosure.js"
import type { Context, Token } from "./context.js"
import { failing, limitOf } from "./context.js"
import * as errors from "./errors.js"
import { giveUp } from "./failures.js"
import { nameOf } from "./keys.js"
import type { Slot } from "./slot.js"

/** Starts work that any number of callers wait for. Synchronous: nothing comes between a check and the start. */
export const start = <E>(
  context: Context<E>,
  slot: Slot<E>,
  reason: Reason,
  work: (flight: Flight<AccessToken, E>) => Token<E>
): Token<E> => {
  if (context.closed) return context.usedAfterClose
  const { clock, keys, onSettled, publish, requestBound, workers } = context
  const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
  const began = clocks.read(clock)
  const flight: Flight<AccessToken, E> = new Flight({
    clock,
    limit: limitOf(context, slot, reason, began),
    again: Effect.clockWith((clock) => context.obtain(slot, clock, reason)),
    onGivenUp: () => {
      if (slot.flight !== flight) return
      keys.end(slot)
      const now = clocks.read(clock)
      const elapsed = Math.round(now.steady - began.steady)
      workers.fork(publish(giveUp(slot, { key: nameOf(slot.key), reason, elapsed, random: 0, now })))
      fibers.forEach(workers.abandon)
      onSettled(slot)
    }
  })
  const land = (exit: Exit.Exit<AccessToken, E>) => {
    if (slot.flight !== flight) return
    keys.end(slot)
    flight.land(exit)
    fibers[1]?.unsafeInterruptAsFork(FiberId.none)
    onSettled(slot)
  }
  slot.flight = flight
  keys.begin(slot)
  fibers.push(workers.fork(
    work(flight).pipe(
      Effect.provideService(Current, flight.underway),
      Effect.exit,
      Effect.flatMap((exit) => Effect.sync(() => land(exit))),
      Disclosure.unlogged,
      Effect.interruptible
    )
  ))
  // This gives up the flight if the fiber was interrupted before, or while, it did its work.
  fibers[0]?.addObserver(() => context.closed ? land(failing(context, errors.closedMeanwhile)) : flight.giveUp())
  if (!flight.isLanded) fibers.push(workers.fork(Effect.interruptible(flight.watch(requestBound))))
  // The caller that starts the flight waits in the same way: another request that finds the flight overdue must not
  // resume this caller.
  return flight.await(requestBound)
}
