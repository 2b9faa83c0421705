// One turn after another until there is a token: look into the store, try to get the lease, or wait for the others.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import * as SharedWork from "../../values/SharedWork.js"
import type * as TokenError from "../../values/TokenError.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import type { Admission, Tell } from "../source.js"
import type { FallibleStore } from "./fallibleStore.js"
import type { Hold } from "./hold.js"
import * as pollPace from "./pollPace.js"
import { rang, withRoom } from "./room.js"
import type { StoredTokens } from "./storedTokens.js"
import type { Want } from "./want.js"

/** What a turn needs of its process. Times are milliseconds. */
export interface Process {
  readonly admission: Admission | undefined
  readonly hold: Hold
  readonly lease: number
  readonly poll: number
  readonly store: FallibleStore
  readonly stored: StoredTokens
  readonly tell: Tell
}

/** What one process waits for. */
export interface Wait<E> {
  readonly want: Want<E>
  readonly key: string
  /** See `Bells.at`. */
  readonly next: Effect.Effect<Effect.Effect<void>>
  /** By the steady clock: from here on this process asks alone. */
  readonly deadline: number
}

type Token<E> = Effect.Effect<AccessToken, E | TokenError.FailedElsewhere>

/** Takes turns until there is a token; `turns` is how many it has waited for. */
export const take = <E>(process: Process, wait: Wait<E>, turns = 0): Token<E> =>
  Effect.gen(function*() {
    const { key, next, want } = wait
    const { store, stored } = process
    const rung = yield* next
    const seen = yield* store.look(key, want.request)
    if (Option.isNone(seen)) return yield* want.fetch
    const there = yield* stored.take(seen.value, want)
    if (Option.isSome(there)) return there.value

    const { steady, wall } = yield* clocks.now
    const back = Math.min(stored.stepsBack(seen.value, wall), wait.deadline - steady)
    if (back > 0) {
      yield* SharedWork.expect(back)
      yield* untilRung(rung, back)
      return yield* take(process, wait, turns)
    }

    const outcome = yield* underLease(process, wait, rung)
    if (outcome === rang) return yield* take(process, wait, turns)
    if (Option.isSome(outcome)) return outcome.value

    if (turns === 0) yield* tellOfOthers(process, want)
    if ((yield* clocks.now).steady >= wait.deadline) return yield* alone(process, want)
    yield* pause(process, wait, rung, turns)
    return yield* take(process, wait, turns + 1)
  })

/** A token got under the lease, or without it if the store fails; `None` if another process has the lease. */
const underLease = <E>(
  { admission, hold, lease, store }: Process,
  { key, want }: Wait<E>,
  rung: Effect.Effect<void>
) =>
  Effect.uninterruptibleMask((restore) =>
    withRoom(
      admission,
      want,
      rung,
      restore,
      (fetch) =>
        Effect.flatMap(store.acquire(key, lease, want.request), (answer) =>
          Option.isNone(answer)
            ? Effect.asSome(restore(fetch))
            : Option.isSome(answer.value)
            ? Effect.asSome(hold(answer.value.value, { ...want, fetch }, restore))
            : Effect.succeedNone)
    )
  )

const tellOfOthers = <E>({ stored, tell }: Process, { current, request }: Want<E>) =>
  Effect.flatMap(clocks.now, ({ wall }) => {
    const stillServing = current !== undefined && stored.isFresh(current, wall)
    return tell(request, (common) => TokenEvent.RefreshingElsewhere({ ...common, stillServing }))
  })

/** The other processes bring nothing: this process asks the server without the lease. */
const alone = <E>({ lease, tell }: Process, { fetch, request }: Want<E>): Effect.Effect<AccessToken, E> => {
  const detail = `others hold the lease for ${2 * lease} ms and bring nothing`
  return Effect.zipRight(
    tell(request, (common) => TokenEvent.StoreFailed({ ...common, operation: "acquire", reason: "timeout", detail })),
    fetch
  )
}

/** Waits until the bell rings, but not long: an announcement may get lost. */
const pause = <E>({ lease, poll }: Process, { deadline }: Wait<E>, rung: Effect.Effect<void>, turns: number) =>
  Effect.gen(function*() {
    const { steady } = yield* clocks.now
    const { pause, spread } = yield* pollPace.pace(poll, turns)
    // a process that held the lease when this wait began, and has died, does not hold the lease beyond this
    const leaseEnds = deadline - lease - steady
    const left = leaseEnds > 0 ? leaseEnds + poll * (1 - spread) : deadline - steady
    yield* SharedWork.expect(pause)
    yield* untilRung(rung, Math.min(pause, left))
  })

/** Waits until the bell rings, at most for so many milliseconds: a caller that cannot be interrupted needs that end. */
const untilRung = (rung: Effect.Effect<void>, most: number): Effect.Effect<void> =>
  Effect.raceFirst(Effect.interruptible(rung), Effect.sleep(Math.max(1, most)))
