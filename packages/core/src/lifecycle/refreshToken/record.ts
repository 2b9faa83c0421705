// The stored record of a refresh token: how it begins, what follows it, and when its token must not be sent.
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Digest from "../../values/Digest.js"
import type { Stored } from "./contract.js"

/** How many logins are remembered. */
const longestHistory = 32

/** The record of a configured refresh token that no process has used yet. */
export const begin = (token: Redacted.Redacted, before?: Stored): Stored => ({
  token,
  expiresAt: Option.none(),
  rotates: before?.rotates ?? false,
  state: "ready",
  begun: [...before?.begun ?? [], nameOf(token)].slice(-longestHistory)
})

const nameOf = (token: Redacted.Redacted): string => Digest.shortNameOf(Redacted.value(token))

/** Whether a process has begun with that configured refresh token before. */
export const hasBegun = (begun: ReadonlyArray<string | number>, token: Redacted.Redacted): boolean =>
  begun.includes(nameOf(token)) || begun.includes(Hash.string(Redacted.value(token)))

/** The configured refresh token, if no process has begun with it before: then it comes from a new login. */
export const newLogin = (stored: Stored, configured: Redacted.Redacted | undefined): Stored | undefined =>
  configured === undefined || stored.begun === undefined || hasBegun(stored.begun, configured)
    ? undefined
    : begin(configured, stored)

/**
 * The record to begin with while the store has none. A store may have lost it, for example because the wall clock was
 * put forward by more than the retention: this process then goes on with the record that it knows, unless its configured
 * refresh token is certain to be new.
 */
export const first = (
  configured: Redacted.Redacted | undefined,
  lastKnown: Option.Option<Stored>
): Option.Option<Stored> => {
  const known = Option.filter(
    lastKnown,
    ({ begun, state }) =>
      state !== "dead" && (begun === undefined || configured === undefined || hasBegun(begun, configured))
  )
  return Option.orElse(
    Option.map(known, unmarked),
    () => Option.map(Option.fromNullable(configured), (token) => begin(token))
  )
}

/**
 * The record of the refresh token that came, or stays, after `before` was sent; `before` is `undefined` after a new
 * login. `over` is the record in the store.
 */
export const successor = (
  token: Redacted.Redacted,
  expiresAt: Option.Option<number>,
  before: Stored | undefined,
  over: Option.Option<Stored>,
  lastKnown: Option.Option<Stored>
): Stored => {
  const isNew = before === undefined || !Equal.equals(token, before.token)
  return {
    token,
    expiresAt: isNew ? expiresAt : Option.orElse(expiresAt, () => before.expiresAt),
    // after a new login it is still the same server, so `rotates` stays
    rotates: (before !== undefined && isNew) || Option.exists(over, ({ rotates }) => rotates),
    state: "ready",
    begun: begunIn(Option.orElse(over, () => lastKnown))
  }
}

export const begunIn = Option.match({ onNone: () => [], onSome: ({ begun }: Stored) => begun })

/** A login that is saved by hand does not say which configured refresh tokens have been used: that list is kept. */
export const withHistoryOf = (before: Option.Option<Stored>, next: Stored): Stored => {
  const begun = next.begun ?? Option.getOrUndefined(before)?.begun
  return begun === undefined ? next : { ...next, begun }
}

export const unmarked = (stored: Stored): Stored => ({ ...stored, mark: undefined })

/** Why the token of a record must not be sent, if it must not. */
export const objection = (
  stored: Stored,
  hasExpired: boolean,
  rotation: "auto" | "always" | "never"
): string | undefined => {
  if (stored.state === "dead") return "the server no longer accepts the refresh token"
  if (hasExpired) return "the refresh token has expired"
  if (stored.state === "ready" || rotation === "never") return undefined
  // It is unknown whether the server took the token. It is sent a second time only if the server has never replaced
  // one.
  return stored.state === "sent" && rotation === "auto" && !stored.rotates
    ? undefined
    : "the answer to the last use of the refresh token was lost"
}
