// Which record of a refresh token may replace which other one.
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type { Stored } from "../contract.js"

/** Whether the record says that the token is about to be sent. */
export const isMark = ({ mark }: Stored): boolean => mark !== undefined

const isSameRecord = (self: Stored, that: Stored): boolean =>
  Equal.equals(self.token, that.token) && self.state === that.state && self.mark === that.mark

/**
 * Whether a process that expects `over` in the store may replace the record `there` with `next`. A new refresh token
 * that came in exchange for the one in `over` may also replace that one under another state or mark, or fill an empty
 * store: it is the only usable token left of its family.
 */
export const isInPlace = (there: Option.Option<Stored>, over: Option.Option<Stored>, next: Stored): boolean => {
  if (Option.isNone(over)) return Option.isNone(there)
  const before = over.value
  if (Option.exists(there, (there) => isSameRecord(there, before))) return true
  return !Equal.equals(next.token, before.token) &&
    Option.match(there, { onNone: () => true, onSome: ({ token }) => Equal.equals(token, before.token) })
}

/** A record, and the record that it is to replace. */
export interface Replacement {
  readonly next: Stored
  readonly over: Option.Option<Stored>
}

/**
 * The record to store later. A mark that could not be stored may still have reached the store: it is taken back,
 * because the refresh token was not sent.
 */
export const owed = (next: Stored, over: Option.Option<Stored>): Replacement =>
  isMark(next)
    ? {
      next: { ...Option.getOrElse(over, (): Stored => ({ ...next, state: "ready" })), mark: undefined },
      over: Option.some(next)
    }
    : { next, over }
