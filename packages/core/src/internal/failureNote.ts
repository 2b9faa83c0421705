import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../AccessToken.js"
import * as TokenError from "../TokenError.js"

/**
 * What a process that could not get a token leaves for the others, so that a fleet does not knock one by one at a
 * server that is down. It is kept like a token, under a key beside that of the token, until the time to try again.
 */
export interface Note {
  /** Which source of which process wrote it. */
  readonly author: string
  readonly error: string
  readonly detail: string
  /** Consecutive failures, over all processes. */
  readonly failures: number
}

export const keyOf = (key: string): string => `${key}~failure`

/** A second after the first failure, five at most: a server that is back is found out about soon. */
const step = (failures: number): number => Math.min(5000, 1000 * 2 ** Math.min(failures - 1, 16))

/** A server may ask us to stay away; for longer than this it is not taken at its word. */
const longest = 5 * 60_000

/**
 * A note about an error that others would run into as well. Of a refusal there is none: a wrong secret is the trouble of
 * the process that has it.
 */
export const about = (error: unknown, author: string, before: Option.Option<Note>, now: number): Option.Option<
  AccessToken.AccessToken
> => {
  const isComposed = error instanceof TokenError.RetriesExhausted || error instanceof TokenError.CircuitOpen
  if (!isComposed && !(Predicate.hasProperty(error, "retryable") && error.retryable === true)) return Option.none()
  const mandated = Option.match(TokenError.retryAt(error, now), {
    onNone: () => 0,
    onSome: (retryAt) => Math.min(longest, retryAt - now)
  })
  return Option.some(make(
    {
      author,
      error: Predicate.hasProperty(error, "_tag") ? String(error._tag) : "Unexpected",
      // a message of somebody else's error may hold anything
      detail: TokenError.isTokenError(error) ? error.message : "its source failed with an error of its own",
      ...count(before)
    },
    now,
    mandated
  ))
}

/** A note that the server hands out nothing better than what everybody has. */
export const noProgress = (author: string, before: Option.Option<Note>, now: number): AccessToken.AccessToken =>
  make({ author, error: "NoProgress", detail: "the server handed out nothing better", ...count(before) }, now, 0)

const count = (before: Option.Option<Note>) => ({
  failures: 1 + Option.match(before, { onNone: () => 0, onSome: ({ failures }) => failures })
})

const make = (note: Note, now: number, atLeast: number): AccessToken.AccessToken =>
  AccessToken.make({
    // printable whatever the message holds
    value: encodeURIComponent(JSON.stringify(note)),
    issuedAt: now,
    expiresAt: now + Math.max(step(note.failures), atLeast)
  })

export const read = (token: AccessToken.AccessToken): Option.Option<Note> =>
  Option.filter(
    Option.liftThrowable((text: string): unknown => JSON.parse(decodeURIComponent(text)))(Redacted.value(token.value)),
    (value): value is Note =>
      Predicate.isRecord(value) && typeof value.author === "string" && typeof value.error === "string" &&
      typeof value.detail === "string" && typeof value.failures === "number"
  )
