// Which token, and which failure, of the store of a fleet this process takes.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import * as TokenError from "../../values/TokenError.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import { moments } from "../lifetime.js"
import type { Tell } from "../source.js"
import * as failureNote from "./failureNote.js"
import type { Look } from "./fallibleStore.js"
import type { Want } from "./want.js"

/** What this process takes of what it sees in the store. */
export interface StoredTokens {
  /** Whether a token has enough of its life left to be taken. */
  readonly isFresh: (token: AccessToken, wall: number) => boolean
  /** The stored token, if it is acceptable. */
  readonly good: <E>(look: Look, want: Want<E>, wall: number) => Option.Option<AccessToken>
  /**
   * The same, and tells of it; fails if another process has just failed. For a token that an API refused, the answer
   * that another process got is an answer too: the server has no other token.
   */
  readonly take: <E>(
    look: Look,
    want: Want<E>
  ) => Effect.Effect<Option.Option<AccessToken>, TokenError.FailedElsewhere>
  /** For how many milliseconds this process lets the others have their turn, because it has just failed itself. */
  readonly stepsBack: (look: Look, wall: number) => number
}

/** By how many milliseconds the clock of another machine may be ahead, if the store has not corrected for it. */
const mostSkew = 120_000

/**
 * Whether the token was issued in the past. A token from the future would be served beyond its end: some clock has been
 * put back since it was stored.
 */
const hasBegun = ({ issuedAt }: AccessToken, wall: number): boolean =>
  clocks.isRunning({ from: issuedAt, until: Number.POSITIVE_INFINITY }, wall, { skew: mostSkew })

type Noted = Option.Option.Value<Look["failure"]>

/** When the other processes may ask again. */
const endOf = ({ from, note, until }: Noted): number => Math.min(until, from + note.others)

/** A note from the future, or one that lasts longer than any note, tells of a clock that was set. */
const isBelieved = (noted: Noted, wall: number): boolean =>
  clocks.isRunning(noted, wall, { skew: mostSkew, longest: failureNote.longest })

export const make = ({ clockSkew, isPrivate, me, tell }: {
  readonly clockSkew: number
  /** Whether only this process can use the token. */
  readonly isPrivate: (token: AccessToken) => boolean
  /** The name of this process in its notes of failures. */
  readonly me: string
  readonly tell: Tell
}): StoredTokens => {
  const isFresh = (token: AccessToken, wall: number): boolean =>
    wall < moments(token, { ahead: 0, jitter: 0, clockSkew, assumedLifetime: Number.POSITIVE_INFINITY }, 0).mustAt

  const good: StoredTokens["good"] = ({ token }, { accepts }, wall) =>
    Option.filter(
      token,
      (token) => hasBegun(token, wall) && isFresh(token, wall) && accepts(token) && !isPrivate(token)
    )

  const take: StoredTokens["take"] = (look, want) =>
    Effect.flatMap(clocks.now, ({ wall }): ReturnType<StoredTokens["take"]> => {
      const token = good(look, want, wall)
      if (Option.isSome(token)) {
        const { expiresAt, issuedAt } = token.value
        const age = Math.max(0, wall - issuedAt)
        return Effect.as(
          tell(want.request, (common) => TokenEvent.TokenShared({ ...common, age, expiresAt })),
          token
        )
      }
      const { current, isRefused } = want
      const serving = current !== undefined && isFresh(current, wall) ? current : undefined
      const failure = Option.filter(
        look.failure,
        (noted) =>
          noted.note.author !== me && failureNote.concerns(noted.note, serving) && isBelieved(noted, wall) &&
          wall < endOf(noted)
      )
      if (Option.isNone(failure)) return Effect.succeedNone
      const { detail, error, of } = failure.value.note
      // a process that could serve its token gets nothing by that answer
      if (of !== undefined && isRefused) return Effect.succeed(Option.fromNullable(serving))
      const retryAfter = Option.some(Duration.millis(endOf(failure.value) - wall))
      return Effect.fail(new TokenError.FailedElsewhere({ error, detail, retryAfter }))
    })

  const stepsBack: StoredTokens["stepsBack"] = ({ failure }, wall) =>
    Option.match(
      Option.filter(failure, (noted) => noted.note.author === me && isBelieved(noted, wall)),
      { onNone: () => 0, onSome: ({ from, note }) => failureNote.stepsBack(note, wall - from) }
    )

  return { isFresh, good, stepsBack, take }
}
