import * as Option from "effect/Option"
import * as json from "./json.js"

/** What the file of a lease holds. Times are epoch milliseconds: one machine, one wall clock. */
export interface Claim {
  readonly owner: string
  readonly from: number
  readonly until: number
}

export const encode = ({ from, owner, until }: Claim): string => JSON.stringify({ version: 1, owner, from, until })

export const decode = (text: string): Option.Option<Claim> =>
  Option.flatMap(
    json.object(text),
    ({ from, owner, until, version }) =>
      version === 1 && typeof owner === "string" && typeof from === "number" && typeof until === "number"
        ? Option.some({ owner, from, until })
        : Option.none()
  )

export const make = (owner: string, now: number, length: number): Claim => ({
  owner,
  from: now,
  // infinity has no JSON
  until: Math.min(now + length, Number.MAX_SAFE_INTEGER)
})

/** Over for good. Its beginning goes, too, or a clock set back could bring it to life. */
export const ended = (owner: string): Claim => ({ owner, from: 0, until: 0 })

/**
 * A clock that was set back by an hour must not make a dead holder's lease last an hour: a lease that seems to begin
 * in the future is believed for its own length, no longer.
 */
export const isRunning = ({ from, until }: Claim, now: number): boolean => now < until && from - now < until - from
