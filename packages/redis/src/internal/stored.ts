// What Redis answers, and for how long it keeps a token.
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as AccessToken from "effect-bearer/AccessToken"
import * as Clocks from "effect-bearer/Clocks"
import * as TokenStore from "effect-bearer/TokenStore"

/** More than this is not asked of Redis, whatever a server says of its tokens. */
const longestLifetime = Duration.toMillis("3650 days")

export interface Found {
  readonly token: AccessToken.AccessToken
  /** As it is stored. */
  readonly text: string
  /** Milliseconds, or less than zero for ever. */
  readonly lifetime: number
}

/** On the left why it cannot be read. A token is stored behind the number of the lease that it was fetched under. */
export const decode = (reply: unknown): Either.Either<Found, string> => {
  const [text, lifetime]: ReadonlyArray<unknown> = Array.isArray(reply) ? reply : []
  if (typeof text !== "string" || typeof lifetime !== "number") return Either.left("it is no answer of the script")
  const stored = /^\d+ (.*)$/s.exec(text)?.[1]
  return stored === undefined
    ? Either.left("it does not begin with the number of a lease")
    : Either.map(TokenStore.decodeToken(stored), (token) => ({ token, text, lifetime }))
}

/** The token that was found at `now`, if it has not expired. */
export const current = ({ lifetime, token }: Found, now: number): Option.Option<AccessToken.AccessToken> =>
  Option.filter(
    Option.some(lifetime < 0 ? token : rebased(token, now + lifetime)),
    ({ expiresAt }) => !Option.exists(expiresAt, (expiresAt) => expiresAt <= now)
  )

/**
 * The same token by the clock of this machine, which may differ from that of the machine that has stored it: what counts
 * is how long Redis will keep it.
 */
const rebased = (token: AccessToken.AccessToken, expiresAt: number): AccessToken.AccessToken =>
  Option.match(token.expiresAt, {
    onNone: () => token,
    onSome: (before) =>
      new AccessToken.AccessToken({
        ...token,
        issuedAt: token.issuedAt + expiresAt - before,
        expiresAt: Option.some(expiresAt),
        refreshAt: Option.map(token.refreshAt, (at) => at + expiresAt - before)
      })
  })

/** For how many milliseconds Redis keeps a token that is stored at `now`. `unknown` is for one without an end. */
export const lifetime = (token: AccessToken.AccessToken, now: number, unknown: number): number =>
  Option.match(token.expiresAt, {
    onNone: () => unknown,
    onSome: (until) => Math.min(longestLifetime, Math.floor(Clocks.remaining({ from: token.issuedAt, until }, now)))
  })

/** The number of a lease in an answer; on the left if it is none. */
export const fence = (reply: unknown): Either.Either<number, string> => {
  const number = typeof reply === "string" ? Number(reply) : reply
  return typeof number === "number" && Number.isSafeInteger(number) ? Either.right(number) : Either.left(noNumber)
}

/** A proxy between this program and Redis has answered by itself. */
const noNumber = "its answer is not the number of a lease: check for a proxy between this program and the server"
