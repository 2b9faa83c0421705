// The stored record of a refresh token: how it begins, and when its token must not be sent.
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

export const begunIn = Option.match({ onNone: () => [], onSome: ({ begun }: Stored) => begun })

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
