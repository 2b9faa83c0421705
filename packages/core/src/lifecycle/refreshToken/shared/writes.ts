// Writes the record of a shared refresh token under the lease, and keeps what could not be written until it can be.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Lease } from "../../../store/contract.js"
import * as clocks from "../../../values/Clocks.js"
import * as pollPace from "../../sharing/pollPace.js"
import type { Stored } from "../contract.js"
import { withHistoryOf } from "../record.js"
import { overtaken } from "./errors.js"
import type { Failing, RecordStore } from "./recordStore.js"
import type { Replacement } from "./replacing.js"
import { isInPlace, isMark, owed } from "./replacing.js"
import type { Restore, Turns } from "./turns.js"
import { firstPause } from "./turns.js"

/** A lease that is lost so many times while one record is written is too short for this store. */
const longestFight = 5

/** What is known while the lock is held. */
export interface Session {
  lease: Lease
  /** The record in the store, if it has been read or written under this lease. */
  known: Option.Option<Stored> | undefined
  /**
   * Whether a record could not be stored. The lease is then kept, so that no other process uses the outdated record.
   */
  owes: boolean
}

/** A replacement that could not be stored, and the lease that was held then. */
interface Debt extends Replacement {
  readonly lease: Lease
}

export const make = (
  { put, read, release }: RecordStore,
  { busy, deadline, inTurn, longestTurn, take }: Turns
) => {
  let debt: Debt | undefined

  /** A new login may replace a record that cannot be read. */
  const readable = Effect.catchTag(read, "InvalidConfiguration", () => Effect.succeedNone)

  /**
   * Stores `next` in place of `over`. If the lease is lost, it is taken again, and `next` is written only if no other
   * process has written in between: otherwise the refresh token of all others would be lost.
   */
  const write = (
    session: Session,
    next: Stored,
    over: Option.Option<Stored> | undefined,
    deadline: number,
    restore: Restore
  ): Failing<void> =>
    Effect.gen(function*() {
      for (let losses = 0; losses < longestFight; losses++) {
        let record = next
        if (over === undefined) {
          record = withHistoryOf(session.known ?? (yield* readable), next)
        } else {
          session.known ??= yield* read
          if (!isInPlace(session.known, over, next)) return false
        }
        if (yield* put(record, session.lease)) {
          session.known = Option.some(record)
          return true
        }
        session.known = undefined
        session.lease = yield* take(deadline, restore)
      }
      return yield* Effect.fail(busy)
    }).pipe(
      Effect.tapErrorCause(() =>
        Effect.sync(() => {
          session.known = undefined
          if (over === undefined) return
          session.owes = true
          debt = { ...owed(next, over), lease: session.lease }
        })
      ),
      Effect.flatMap((written) => written || !isMark(next) ? Effect.void : Effect.fail(overtaken))
    )

  /** Stores the record that could not be stored the last time, before anything else is done. */
  const payDebt = (deadline: number, restore: Restore): Failing<void> =>
    Effect.suspend(() => {
      if (debt === undefined) return Effect.void
      const { lease, next, over } = debt
      debt = undefined
      const session: Session = { lease, known: undefined, owes: false }
      return Effect.zipRight(write(session, next, over, deadline, restore), release(session))
    })

  let catching: clocks.Period | undefined

  /**
   * Stores in the background what could not be stored. The next use may be far away, and by then other processes would
   * have gone on without this record.
   */
  const catchUp: Effect.Effect<void> = Effect.flatMap(clocks.now, (now) => {
    if (catching !== undefined && !clocks.isOver(catching, now)) return Effect.void
    const mine = catching = clocks.period(now, longestTurn)
    return Effect.flatMap(deadline, tryUntil).pipe(
      Effect.ensuring(Effect.sync(() => {
        if (catching === mine) catching = undefined
      }))
    )
  })

  const tryUntil = (end: number): Effect.Effect<void> =>
    Effect.gen(function*() {
      for (let turns = 0; debt !== undefined; turns++) {
        const { pause } = yield* pollPace.pace(firstPause, turns)
        if ((yield* clocks.now).steady + pause >= end) return
        yield* Effect.sleep(pause)
        yield* Effect.uninterruptibleMask((restore) => inTurn(end, restore, payDebt(end, restore))).pipe(
          Effect.ignore
        )
      }
    })

  return { catchUp, payDebt, write }
}
