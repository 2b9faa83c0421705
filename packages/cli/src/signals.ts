/**
 * Signals that a command deals with itself: one that serves ends in good order and has not failed by that, one that runs a
 * program leaves them to the program.
 */
import { constants } from "node:os"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

type Listener = (name: NodeJS.Signals) => void

let taken: { readonly names: ReadonlySet<NodeJS.Signals>; readonly listener: Listener } | undefined

/** `run.ts` listens for these anyway. */
const usual: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGTERM"])

/** While the scope is open these signals come to `listener`, and do nothing else. One command at a time. */
export const take = (
  names: ReadonlyArray<NodeJS.Signals>,
  listener: Listener
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      taken = { names: new Set(names), listener }
      for (const name of names) if (!usual.has(name)) process.on(name, listener)
    }),
    () =>
      Effect.sync(() => {
        taken = undefined
        for (const name of names) process.removeListener(name, listener)
      })
  )

/** Whether a part of the program has taken the signal over. */
export const isTaken = (name: NodeJS.Signals): boolean => taken?.names.has(name) === true

/** Gives the signal to the part of the program that has taken it over; false if there is none. */
export const passOn = (name: NodeJS.Signals): boolean => {
  if (!isTaken(name)) return false
  taken?.listener(name)
  return true
}

/** As a shell has it. */
export const exitCodeOf = (name: NodeJS.Signals): number => 128 + constants.signals[name]
