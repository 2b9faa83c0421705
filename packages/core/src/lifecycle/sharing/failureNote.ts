// What one process tells the others when it could not get a token.
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../../values/AccessToken.js"
import * as Digest from "../../values/Digest.js"
import * as json from "../../values/json.js"
import * as TokenError from "../../values/TokenError.js"
import * as Disclosure from "../../wire/Disclosure.js"
import { mandated, refusalStep } from "../backOff.js"
import * as foreignError from "../foreignError.js"

/**
 * A note that a process leaves for the others when it could not get a token, so that not every process asks a server
 * that is down. It is stored like a token, under a key beside the token's own, until the time to try again.
 */
export interface Note {
  /** Which source of which process wrote it. */
  readonly author: string
  readonly error: string
  readonly detail: string
  /** Consecutive failures, over all processes. */
  readonly failures: number
  /** If the server gave nothing better than the current token: the digest of that token. */
  readonly of?: string | undefined
}

export const keyOf = (key: string): string => `${key}~failure`

/**
 * A note about an error that other processes would get as well. There is no note about a refusal: a wrong secret
 * concerns only the process that has it.
 */
export const about = (error: unknown, author: string, before: Option.Option<Note>, now: number): Option.Option<
  AccessToken.AccessToken
> => {
  const isComposed = TokenError.isTokenError(error) &&
    (error._tag === "RetriesExhausted" || error._tag === "CircuitOpen")
  if (!isComposed && !foreignError.isRetryable(error)) return Option.none()
  return Option.some(make(
    {
      author,
      error: foreignError.nameOf(error),
      detail: foreignError.messageOf(error, "its source failed with an error of its own"),
      ...count(before)
    },
    now,
    mandated(error, now)
  ))
}

/**
 * A note that the server hands out nothing better than `current`. It is for processes that hold that token and can go
 * on serving it: the server may well have a token for any other process.
 */
export const noProgress = (
  author: string,
  current: AccessToken.AccessToken,
  before: Option.Option<Note>,
  now: number
): AccessToken.AccessToken =>
  make(
    {
      author,
      error: "NoProgress",
      detail: "the server handed out nothing better",
      of: digestOf(current),
      ...count(before)
    },
    now,
    0
  )

const digestOf = ({ value }: AccessToken.AccessToken): string => Digest.shortNameOf(Redacted.value(value))

/** Whether a note concerns a process that holds `serving`, a token that is still good, or no token. */
export const concerns = ({ of }: Note, serving: AccessToken.AccessToken | undefined): boolean =>
  of === undefined || (serving !== undefined && of === digestOf(serving))

/**
 * The longest life of a note in milliseconds: the longest wait a server may ask for, and a second because stores round
 * times.
 */
export const longest = 5 * 60_000 + 1000

const count = (before: Option.Option<Note>) => ({
  failures: 1 + Option.match(before, { onNone: () => 0, onSome: ({ failures }) => failures })
})

const make = (note: Note, now: number, atLeast: number): AccessToken.AccessToken =>
  AccessToken.make({
    value: json.toPrintable(note),
    issuedAt: now,
    expiresAt: now + Math.max(refusalStep(note.failures), atLeast)
  })

export const read = (token: AccessToken.AccessToken): Option.Option<Note> =>
  Option.map(
    Option.filter(
      json.fromPrintable(Redacted.value(token.value)),
      (value): value is json.Members & Note =>
        typeof value.author === "string" && typeof value.error === "string" && typeof value.detail === "string" &&
        typeof value.failures === "number" && (value.of === undefined || typeof value.of === "string")
    ),
    ({ author, detail, error, failures, of }) => ({
      author,
      failures,
      of,
      error: Disclosure.errorName({ _tag: error }),
      detail: stored.text(detail, 1000)
    })
  )

/** Text that was read from a store is not trusted, whichever process wrote it. */
const stored = Disclosure.make([], { keepsUuids: true })
