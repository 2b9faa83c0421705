// Takes a token from the store of a fleet, or fetches one for all processes under a lease.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Lease } from "../../store/contract.js"
import type { AccessToken } from "../../values/AccessToken.js"
import { isSame } from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import * as random from "../../values/random.js"
import * as TokenError from "../../values/TokenError.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import type * as TokenRequest from "../../values/TokenRequest.js"
import { moments } from "../lifetime.js"
import type { Tell } from "../source.js"
import * as failureNote from "./failureNote.js"
import type { FallibleStore, Look } from "./fallibleStore.js"
import * as storeCall from "./storeCall.js"

/** A token that a caller in this process needs. */
export interface Want<E> {
  readonly request: TokenRequest.TokenRequest
  /** The token to replace; it may still be good. */
  readonly current: AccessToken | undefined
  /** Whether a stored token that is still valid is acceptable. */
  readonly accepts: (token: AccessToken) => boolean
  readonly fetch: Effect.Effect<AccessToken, E>
  /** `fetch` without the rate limit, for a caller that has already taken room for one request. */
  readonly fetchAtOnce: Effect.Effect<AccessToken, E>
}

/** How one process takes tokens from the store of a fleet, and stores tokens for the others. */
export interface Sharing {
  /** Whether a token has enough of its life left to be taken. */
  readonly isFresh: (token: AccessToken, wall: number) => boolean
  /** The stored token, if it is acceptable; fails if another process has just failed. */
  readonly take: <E>(
    look: Look,
    want: Want<E>
  ) => Effect.Effect<Option.Option<AccessToken>, TokenError.FailedElsewhere>
  /**
   * What a process does under the lease, up to its release: it looks into the store again, because another process may
   * have been faster; then it asks the server. Only the request to the server, in `restore`, may be interrupted.
   */
  readonly hold: <E>(
    lease: Lease,
    want: Want<E>,
    restore: <A, E2>(effect: Effect.Effect<A, E2>) => Effect.Effect<A, E2>
  ) => Effect.Effect<AccessToken, E | TokenError.FailedElsewhere>
}

/** Whether `token` is another token than `current`, and lives longer if both ends are known. */
export const isBetter = (token: AccessToken, current: AccessToken): boolean =>
  !isSame(token, current) &&
  Option.getOrElse(
    Option.zipWith(token.expiresAt, current.expiresAt, (its, that) => its > that),
    () => true
  )

/** By how many milliseconds the clock of another machine may be ahead, if the store has not corrected for it. */
const mostSkew = 120_000

/**
 * Whether the token was issued in the past. A token from the future would be served beyond its end: some clock has been
 * put back since it was stored.
 */
const hasBegun = ({ issuedAt }: AccessToken, wall: number): boolean =>
  clocks.isRunning({ from: issuedAt, until: Number.POSITIVE_INFINITY }, wall, { skew: mostSkew })

export const make = ({ clockSkew, isPrivate, lease: leaseTime, store, tell }: {
  readonly store: FallibleStore
  readonly tell: Tell
  readonly clockSkew: number
  readonly lease: number
  /** Whether only this process can use the token. */
  readonly isPrivate: (token: AccessToken) => boolean
}): Sharing => {
  const me = random.randomId()

  const isFresh = (token: AccessToken, wall: number): boolean =>
    wall < moments(token, { ahead: 0, jitter: 0, clockSkew, assumedLifetime: Number.POSITIVE_INFINITY }, 0).mustAt

  const good = <E>({ token }: Look, { accepts }: Want<E>, wall: number): Option.Option<AccessToken> =>
    Option.filter(
      token,
      (token) => hasBegun(token, wall) && isFresh(token, wall) && accepts(token) && !isPrivate(token)
    )

  const take: Sharing["take"] = (look, want) =>
    Effect.flatMap(clocks.now, ({ wall }): ReturnType<Sharing["take"]> => {
      const token = good(look, want, wall)
      if (Option.isSome(token)) {
        const { expiresAt, issuedAt } = token.value
        const age = Math.max(0, wall - issuedAt)
        return Effect.as(
          tell(want.request, (common) => TokenEvent.TokenShared({ ...common, age, expiresAt })),
          token
        )
      }
      const { current } = want
      const serving = current !== undefined && isFresh(current, wall) ? current : undefined
      // a note that this process wrote itself is ignored: it has a back-off of its own
      const failure = Option.filter(
        look.failure,
        ({ from, note, until }) =>
          note.author !== me && failureNote.concerns(note, serving) &&
          clocks.isRunning({ from, until }, wall, { skew: mostSkew, longest: failureNote.longest })
      )
      if (Option.isNone(failure)) return Effect.succeedNone
      const { note: { detail, error }, until } = failure.value
      const retryAfter = Option.some(Duration.millis(until - wall))
      return Effect.fail(new TokenError.FailedElsewhere({ error, detail, retryAfter }))
    })

  const release = (lease: Lease, request: TokenRequest.TokenRequest) =>
    store.ask("release", request, (store) => store.release(lease))

  const leave = (note: AccessToken, key: string, request: TokenRequest.TokenRequest): Effect.Effect<void> =>
    Effect.gen(function*() {
      const lease = Option.flatten(yield* store.acquire(key, leaseTime, request))
      if (Option.isNone(lease)) return
      yield* store.ask("put", request, (store) => store.put(note, lease.value))
      yield* release(lease.value, request)
    })

  const hold: Sharing["hold"] = (lease, want, restore) =>
    Effect.gen(function*() {
      const { current, request } = want
      const end = release(lease, request)

      const seen = yield* store.look(lease.key, request)
      if (Option.isSome(seen)) {
        const there = yield* Effect.onError(take(seen.value, want), () => end)
        if (Option.isSome(there)) return yield* Effect.as(end, there.value)
      }
      const before = Option.map(Option.flatMap(seen, ({ failure }) => failure), ({ note }) => note)

      const exit = yield* Effect.exit(restore(want.fetch))
      const { wall } = yield* clocks.now
      const note = Exit.isFailure(exit)
        ? Option.flatMap(Cause.failureOption(exit.cause), (error) => failureNote.about(error, me, before, wall))
        : current !== undefined && !isBetter(exit.value, current)
        ? Option.some(failureNote.noProgress(me, current, before, wall))
        : Option.none()
      if (Option.isSome(note)) yield* leave(note.value, failureNote.keyOf(lease.key), request)
      if (Exit.isFailure(exit)) return yield* Effect.zipRight(end, exit)

      const token = exit.value
      // a token that is to be replaced, because it was refused for example, must not be stored for the others again
      const isOld = current !== undefined && isSame(token, current)
      if (isOld || isPrivate(token)) return yield* Effect.as(end, token)

      const stored = yield* store.ask("put", request, (store) => storeCall.put(store, token, lease))
      if (Option.contains(stored, false)) {
        yield* tell(request, TokenEvent.LeaseLost)
        const theirs = yield* store.look(lease.key, request)
        return Option.getOrElse(Option.flatMap(theirs, (look) => good(look, want, wall)), () => token)
      }
      // if the store has just failed, the caller does not wait for the release
      yield* Option.isNone(stored) ? Effect.forkDaemon(end) : end
      return token
    })

  return { isFresh, take, hold }
}
