// What a process does under the lease: it fetches one token for all processes.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Lease } from "../../store/contract.js"
import type { AccessToken } from "../../values/AccessToken.js"
import { isSame } from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import type * as TokenError from "../../values/TokenError.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import type * as TokenRequest from "../../values/TokenRequest.js"
import type { Tell } from "../source.js"
import * as failureNote from "./failureNote.js"
import type { FallibleStore } from "./fallibleStore.js"
import * as storeCall from "./storeCall.js"
import type { StoredTokens } from "./storedTokens.js"
import type { Want } from "./want.js"
import { isBetter } from "./want.js"

/**
 * What a process does under the lease, up to its release: it looks into the store again, because another process may
 * have been faster; then it asks the server. Only the request to the server, in `restore`, may be interrupted.
 */
export type Hold = <E>(
  lease: Lease,
  want: Want<E>,
  restore: <A, E2>(effect: Effect.Effect<A, E2>) => Effect.Effect<A, E2>
) => Effect.Effect<AccessToken, E | TokenError.FailedElsewhere>

export const make = ({ isPrivate, lease: leaseTime, me, store, stored: tokens, tell }: {
  /** Whether only this process can use the token. */
  readonly isPrivate: (token: AccessToken) => boolean
  /** Milliseconds. */
  readonly lease: number
  /** The name of this process in its notes of failures. */
  readonly me: string
  readonly store: FallibleStore
  readonly stored: StoredTokens
  readonly tell: Tell
}): Hold => {
  const release = (lease: Lease, request: TokenRequest.TokenRequest) =>
    store.ask("release", request, (store) => store.release(lease))

  const leave = (note: AccessToken, key: string, request: TokenRequest.TokenRequest): Effect.Effect<void> =>
    Effect.gen(function*() {
      const lease = Option.flatten(yield* store.acquire(key, leaseTime, request))
      if (Option.isNone(lease)) return
      yield* store.ask("put", request, (store) => store.put(note, lease.value))
      yield* release(lease.value, request)
    })

  return (lease, want, restore) =>
    Effect.gen(function*() {
      const { current, request } = want
      const end = release(lease, request)

      const seen = yield* store.look(lease.key, request)
      if (Option.isSome(seen)) {
        const there = yield* Effect.onError(tokens.take(seen.value, want), () => end)
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
        return Option.getOrElse(Option.flatMap(theirs, (look) => tokens.good(look, want, wall)), () => token)
      }
      // if the store has just failed, the caller does not wait for the release
      yield* Option.isNone(stored) ? Effect.forkDaemon(end) : end
      return token
    })
}
