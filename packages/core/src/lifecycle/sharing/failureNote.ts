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
 * that is down. It is stored like a token, under a key beside the token's own. The store keeps it beyond the time to try
 * again, so that the next failure is counted with this one.
 */
export interface Note {
  /** Which source of which process wrote it. */
  readonly author: string
  readonly error: string
  readonly detail: string
  /** Consecutive failures, over all processes. */
  readonly failures: number
  /** How long the other processes do not ask the server, from the beginning of the note on; in milliseconds. */
  readonly others: number
  /**
   * How long its author does not ask: longer than the others, so that one of them has its turn first. It may be this
   * process alone that cannot reach the server.
   */
  readonly self: number
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
      ...times(before, mandated(error, now))
    },
    now
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
      ...times(before, 0),
      self: 0
    },
    now
  )

const digestOf = ({ value }: AccessToken.AccessToken): string => Digest.shortNameOf(Redacted.value(value))

/** Whether a note concerns a process that holds `serving`, a token that is still good, or no token. */
export const concerns = ({ of }: Note, serving: AccessToken.AccessToken | undefined): boolean =>
  of === undefined || (serving !== undefined && of === digestOf(serving))

/** The longest wait a server may ask for, in milliseconds. */
const longestMandate = 5 * 60_000

/** The others come back within half a second of their time: that is how much the default retries add at random. */
const turnOfOthers = 1000

/** The longest that an author steps back. Its retries and its cache keep to a longer wait that the server asked for. */
const longestSelf = refusalStep(Number.POSITIVE_INFINITY) + turnOfOthers

/** How long a note is remembered after its time: longer than a process waits before it asks again. */
const memory = 15_000

/** The longest life of a note in milliseconds; a second more, because stores round times. */
export const longest = longestMandate + memory + 1000

/** After a single failure the author asks again at once: such a failure is often over with the next request. */
const times = (before: Option.Option<Note>, mandate: number): Pick<Note, "failures" | "others" | "self"> => {
  const failures = 1 + Option.match(before, { onNone: () => 0, onSome: ({ failures }) => failures })
  const others = Math.max(refusalStep(failures), mandate)
  return { failures, others, self: failures === 1 ? 0 : others + turnOfOthers }
}

const make = (note: Note, now: number): AccessToken.AccessToken =>
  AccessToken.make({ value: json.toPrintable(note), issuedAt: now, expiresAt: now + note.others + memory })

/** For how long the author of a note steps back, in milliseconds, at `age` milliseconds after its beginning. */
export const stepsBack = ({ self }: Note, age: number): number => {
  const left = self - Math.max(0, age)
  return left > longestSelf ? 0 : Math.max(0, left)
}

export const read = (token: AccessToken.AccessToken): Option.Option<Note> =>
  Option.map(
    Option.filter(
      json.fromPrintable(Redacted.value(token.value)),
      (value): value is json.Members & Note =>
        typeof value.author === "string" && typeof value.error === "string" && typeof value.detail === "string" &&
        isTime(value.failures) && isTime(value.others) && isTime(value.self) &&
        (value.of === undefined || typeof value.of === "string")
    ),
    ({ author, detail, error, failures, of, others, self }) => ({
      author,
      failures,
      of,
      others: Math.min(others, longestMandate),
      self,
      error: Disclosure.errorName({ _tag: error }),
      detail: stored.text(detail, 1000)
    })
  )

const isTime = (value: unknown): value is number => typeof value === "number" && value >= 0

/** Text that was read from a store is not trusted, whichever process wrote it. */
const stored = Disclosure.make([], { keepsUuids: true })
