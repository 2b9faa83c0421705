// Waiting for the turn to use a shared refresh token: among the fibers of this process, and for the lease of the store.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type { Lease, Service } from "../../../store/contract.js"
import * as clocks from "../../../values/Clocks.js"
import type * as TokenError from "../../../values/TokenError.js"
import { Bells } from "../../sharing/bells.js"
import * as pollPace from "../../sharing/pollPace.js"
import * as storeCall from "../../sharing/storeCall.js"
import { unanswered } from "./errors.js"
import type { Settings } from "./options.js"
import type { Failing, RecordStore } from "./recordStore.js"

/** How often a waiting process tries to get the lock at first, in milliseconds. */
export const firstPause = 250

/** Makes an effect interruptible again within an uninterruptible region, if the caller was interruptible. */
export type Restore = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

export type Turns = ReturnType<typeof make>

export const make = (service: Service, { acquire }: RecordStore, { key, lease: leaseTime, patience }: Settings) => {
  const busy = unanswered(
    `others have held the lock of this refresh token for ${patience} ms; if each of them really takes that long, ` +
      "raise `patience`"
  )

  /** Waits for `sign`, at most for `pause`; true, without waiting, if the deadline has passed. */
  const isOver = (sign: Effect.Effect<void>, pause: number, deadline: number, restore: Restore) =>
    Effect.flatMap(clocks.now, ({ steady }) => {
      const left = deadline - steady
      return left <= 0 ? Effect.succeed(true) : Effect.as(
        // the time limit also holds for callers that cannot be interrupted
        restore(Effect.timeoutOption(Effect.interruptible(sign), Math.max(1, Math.min(pause, left)))),
        false
      )
    })

  const take = (deadline: number, restore: Restore): Failing<Lease> =>
    Effect.flatMap(
      acquire,
      Option.match({
        onNone: () => Effect.scoped(queueUp(deadline, restore)),
        onSome: Effect.succeed
      })
    )

  const queueUp = (deadline: number, restore: Restore) =>
    Effect.gen(function*() {
      const bell = yield* Queue.sliding<void>(1)
      yield* storeCall.hear(service, (changed) => changed === key ? Queue.offer(bell, undefined) : Effect.void)
      for (let turns = 0;; turns++) {
        const { pause } = yield* pollPace.pace(firstPause, turns)
        if (yield* isOver(Queue.take(bell), pause, deadline, restore)) return yield* Effect.fail(busy)
        const lease = yield* acquire
        if (Option.isSome(lease)) return lease.value
      }
    })

  // the fibers of this process queue up here, so that only one of them asks the store at a time
  const bells = new Bells()
  // a fiber that vanished with its runtime or its request must not keep its turn for ever: after so long the next
  // fiber that looks takes the turn
  const longestTurn = 2 * patience + leaseTime
  let holder: clocks.Period | undefined

  const inTurn = <A, E>(deadline: number, restore: Restore, use: Effect.Effect<A, E>) => {
    let mine: clocks.Period | undefined
    const leave = Effect.sync(() => {
      if (holder !== mine) return
      holder = undefined
      bells.ring(key)
    })
    return bells.at(key, (next) => {
      const turn: Effect.Effect<A, E | TokenError.RequestError> = Effect.flatMap(Effect.all([next, clocks.now]), ([
        rung,
        now
      ]) => {
        if (holder === undefined || clocks.isOver(holder, now)) {
          holder = mine = clocks.period(now, longestTurn)
          return Effect.ensuring(use, leave)
        }
        return Effect.flatMap(
          isOver(rung, clocks.left(holder, now), deadline, restore),
          (over) => over ? Effect.fail(busy) : turn
        )
      })
      return turn
    })
  }

  /** When a caller that begins to wait now gives up, by the steady clock. */
  const deadline = Effect.map(clocks.now, ({ steady }) => steady + patience)

  return { busy, deadline, inTurn, longestTurn, take }
}
