// The record of a refresh token in the form in which it is stored.
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../../../values/AccessToken.js"
import * as json from "../../../values/json.js"
import type { Stored } from "../contract.js"

/** Raised when the form of the record changes; a record of any other version is unreadable. */
const version = 1

/**
 * A refresh token in the form of an access token, because stores take only access tokens. The record is kept longer
 * than the refresh token lives: a process that found no record would begin with the configured refresh token, which was
 * spent long ago.
 */
export const encode = (stored: Stored, now: number, retention: number): AccessToken.AccessToken => {
  const until = Math.max(now, Option.getOrElse(stored.expiresAt, () => now)) + retention
  return AccessToken.make({
    value: json.toPrintable({
      version,
      token: Redacted.value(stored.token),
      expiresAt: Option.getOrNull(stored.expiresAt),
      until,
      rotates: stored.rotates,
      state: stored.state,
      mark: stored.mark,
      begun: stored.begun
    }),
    // RFC 8693 §2.2.1: no access token
    tokenType: "N_A",
    issuedAt: now,
    expiresAt: until
  })
}

/** `None` if the stored token is no record that this version can read. */
export const decode = (outer: AccessToken.AccessToken): Option.Option<Stored> =>
  Option.flatMap(
    json.fromPrintable(Redacted.value(outer.value)),
    (record) => {
      const { begun, expiresAt, mark, rotates, state, token, until } = record
      if (
        record.version !== version || typeof token !== "string" || token === "" || typeof rotates !== "boolean" ||
        !isState(state) || !(mark === undefined || typeof mark === "string") ||
        !(begun === undefined || isHistory(begun)) ||
        !(expiresAt === null || typeof expiresAt === "number") || typeof until !== "number"
      ) return Option.none()
      // a store may have moved the outer end to the clock of this machine: the inner end is moved by the same amount
      const shift = Option.getOrElse(outer.expiresAt, () => until) - until
      return Option.some({
        token: Redacted.make(token),
        expiresAt: Option.map(Option.fromNullable(expiresAt), (expiresAt) => expiresAt + shift),
        rotates,
        state,
        mark,
        begun
      })
    }
  )

const isHistory = (value: unknown): value is ReadonlyArray<string | number> =>
  Array.isArray(value) && value.every((item) => typeof item === "string" || typeof item === "number")

const states: Record<Stored["state"], true> = { ready: true, sent: true, sentTwice: true, dead: true }

const isState = (value: unknown): value is Stored["state"] => typeof value === "string" && Object.hasOwn(states, value)
