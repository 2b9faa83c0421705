// Takes a token from the store of a fleet, or gets one for all under a lease.
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

/** A token that somebody of this process needs. */
export interface Want<E> {
  readonly request: TokenRequest.TokenRequest
  /** What is to be replaced; it may still be good. */
  readonly current: AccessToken | undefined
  /** Whether a stored token that is not over yet will do. */
  readonly accepts: (token: AccessToken) => boolean
  readonly fetch: Effect.Effect<AccessToken, E>
  /** The same for somebody who has room for a request, where those are limited. */
  readonly fetchAtOnce: Effect.Effect<AccessToken, E>
}

/** What one process takes from the store of a fleet, and leaves there for the others. */
export interface Sharing {
  /** Whether it is early enough in a token's life to take it. */
  readonly isFresh: (token: AccessToken, wall: number) => boolean
  /** The stored token, if it will do; a failure, if another process has just had one. */
  readonly take: <E>(
    look: Look,
    want: Want<E>
  ) => Effect.Effect<Option.Option<AccessToken>, TokenError.FailedElsewhere>
  /**
   * What is done with the lease, and its end: another look, for somebody may have been faster; then the server. Of all
   * that only the request to the server, in `restore`, may be interrupted.
   */
  readonly hold: <E>(
    lease: Lease,
    want: Want<E>,
    restore: <A, E2>(effect: Effect.Effect<A, E2>) => Effect.Effect<A, E2>
  ) => Effect.Effect<AccessToken, E | TokenError.FailedElsewhere>
}

/** Another token, and one that lives longer as far as that is known. */
export const isBetter = (token: AccessToken, current: AccessToken): boolean =>
  !isSame(token, current) &&
  Option.getOrElse(
    Option.zipWith(token.expiresAt, current.expiresAt, (its, that) => its > that),
    () => true
  )

/** By how much the clock of another machine may be ahead, where the store has not made up for it. */
const mostSkew = 120_000

/** A token from the future would be served beyond its end: some clock has been put back since it was stored. */
const hasBegun = ({ issuedAt }: AccessToken, wall: number): boolean =>
  clocks.isRunning({ from: issuedAt, until: Number.POSITIVE_INFINITY }, wall, { skew: mostSkew })

export const make = ({ clockSkew, isPrivate, lease: leaseTime, store, tell }: {
  readonly store: FallibleStore
  readonly tell: Tell
  readonly clockSkew: number
  readonly lease: number
  /** Whether a token is of use to this process alone. */
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
      // whoever wrote it has a back-off of its own
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
      // a token that was just refused must not come back to the others
      const isOld = current !== undefined && isSame(token, current)
      if (isOld || isPrivate(token)) return yield* Effect.as(end, token)

      const stored = yield* store.ask("put", request, (store) => storeCall.put(store, token, lease))
      if (Option.contains(stored, false)) {
        yield* tell(request, TokenEvent.LeaseLost)
        const theirs = yield* store.look(lease.key, request)
        return Option.getOrElse(Option.flatMap(theirs, (look) => good(look, want, wall)), () => token)
      }
      // nobody waits for a store that has just failed
      yield* Option.isNone(stored) ? Effect.forkDaemon(end) : end
      return token
    })

  return { isFresh, take, hold }
}
