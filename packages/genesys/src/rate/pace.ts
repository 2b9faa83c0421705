// The rate limit of one token: how many calls are left, and when it is reset.
import type * as GenesysError from "../GenesysError.js"

/** Limits of a token count by the minute. Milliseconds, like all times here; of a clock that nobody sets. */
export const period = 60_000

/** How many calls are sent at a time while the limit is still unknown. */
const scouts = 5

/** Nobody waits for their answers for longer than this: there may be no limit. */
const patience = 1000

/** A reset is stated in whole seconds. */
const rounding = 1000

/** How far apart two statements on the same moment may lie. */
const tolerance = 2 * rounding

/**
 * Whether the next call may leave.
 *
 * - `Go`: yes
 * - `Busy`: once one of those under way is answered, or at this time
 * - `Closed`: at this time; `said` is what the API says, if that is later
 * - `UsedUp`: when the period is over, which is at about this time
 */
export type Verdict =
  | { readonly _tag: "Go" }
  | { readonly _tag: "Busy"; readonly until: number }
  | { readonly _tag: "Closed"; readonly until: number; readonly said?: number }
  | { readonly _tag: "UsedUp"; readonly until: number }

/** What the headers of an answer say of the limit of its token. */
export interface Stated {
  readonly count: number
  readonly allowed: number
  /** Time until the next period. */
  readonly reset: number
}

/** The state of one limit, and the calls that were sent under it. */
export interface Pace {
  /** Of a call that came at `since`. */
  readonly verdict: (now: number, since: number) => Verdict
  /** A call leaves. */
  readonly leave: () => void
  /** A call that left is over, whatever became of it. */
  readonly end: () => void
  /** A call that left at `departed`, and is not over yet, was answered by something else than a 429 of this limit. */
  readonly answered: (now: number, departed: number, stated?: Stated) => void
  /** A call ended without an answer: the calls that wait for it learn nothing from it. */
  readonly unanswered: (now: number, departed: number) => void
  /**
   * The API wants nobody to come before, and allows so many in a period. If it is not believed, one call is to find out
   * at `opens` already.
   */
  readonly refused: (until: number, why: GenesysError.ApiRateLimited, allowed?: number, opens?: number) => void
  /** Nobody leaves before, although the API has refused nothing yet. */
  readonly close: (until: number) => void
  /** When a call may leave that has `ahead` others before it, as far as can be told. */
  readonly expected: (now: number, ahead: number) => number
  /** The refusal because of which no call is sent. */
  readonly why: () => GenesysError.ApiRateLimited | undefined
  /** What was last stated of the limit. */
  readonly stated: () => Stated | undefined
  readonly isIdle: (now: number) => boolean
}

export const make = (): Pace => {
  let opensAt = -Infinity
  /** What the API says of that. */
  let saidAt = -Infinity
  let why: GenesysError.ApiRateLimited | undefined
  let underWay = 0
  /** How many may be under way at a time. */
  let width = scouts
  /** A call that came before this moment does not wait for the calls under way. */
  let freedAt = -Infinity
  /** Of a period, if the API tells. */
  let allowed: number | undefined
  let left = Infinity
  let beganAt = -Infinity
  let endsAt = -Infinity
  let last: Stated | undefined

  const begin = (now: number) => {
    if (allowed === undefined || now < endsAt) return
    left = allowed
    beganAt = now
    // until an answer says it better
    endsAt = now + period
  }

  const learn = (now: number, departed: number, stated: Stated) => {
    if (allowed === undefined || departed + stated.reset > endsAt + tolerance) {
      // a period not heard of before; those under way may not be counted yet
      left = stated.allowed - Math.max(stated.count, underWay)
      endsAt = now + stated.reset + rounding
    } else if (departed >= beganAt) {
      left = Math.min(left, stated.allowed - stated.count)
      endsAt = Math.min(endsAt, now + stated.reset + rounding)
    }
    allowed = stated.allowed
  }

  const close = (until: number, reason?: GenesysError.ApiRateLimited, opens?: number) => {
    if ((opens ?? until) < opensAt) return
    opensAt = opens ?? until
    saidAt = until
    why = reason
    width = opens === undefined ? scouts : 1
  }

  return {
    verdict: (now, since) => {
      if (now < opensAt) return { _tag: "Closed", until: opensAt, ...(saidAt > opensAt ? { said: saidAt } : {}) }
      begin(now)
      if (left <= 0) return { _tag: "UsedUp", until: endsAt }
      if (underWay < width) return { _tag: "Go" }
      const waitsSince = Math.max(since, opensAt)
      const until = waitsSince + patience
      return waitsSince <= freedAt || until <= now ? { _tag: "Go" } : { _tag: "Busy", until }
    },
    leave: () => {
      underWay++
      left--
    },
    end: () => void underWay--,
    answered: (now, departed, stated) => {
      // a call from before the last wait says nothing about the limit after it
      if (departed >= opensAt) width = stated === undefined ? width + 1 : Infinity
      if (stated === undefined) return
      last = stated
      if (stated.count <= 2 * stated.allowed) {
        learn(now, departed, stated)
      } else {
        // served all the same: this is not the number that is gone by
        allowed = undefined
        left = Infinity
      }
    },
    unanswered: (now, departed) => {
      if (departed >= opensAt) freedAt = now
    },
    refused: (until, reason, stated, opens) => {
      allowed = stated ?? allowed
      close(until, reason, opens)
      // what it says now counts for more than what its headers said before
      endsAt = opensAt
    },
    close: (until) => close(until),
    expected: (now, ahead) => {
      const opens = now < opensAt ? saidAt : now
      if (allowed === undefined) return opens
      const isNew = opens >= endsAt
      const free = isNew ? allowed : Math.max(0, left)
      if (ahead < free) return opens
      return (isNew ? opens + period : endsAt) + Math.floor((ahead - free) / allowed) * period
    },
    why: () => why,
    stated: () => last,
    isIdle: (now) => underWay === 0 && now > opensAt + period
  }
}
