// The text form of a lease, in a file or in a key-value store.
import * as Option from "effect/Option"
import * as clocks from "../values/Clocks.js"
import * as json from "../values/json.js"

/** The content of a lease's file. Times are epoch milliseconds: one machine has one wall clock. */
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
  // JSON has no form for infinity
  until: Math.min(now + length, Number.MAX_SAFE_INTEGER)
})

/** A claim that is over for good. Its beginning is removed too, because a clock set back could make it run again. */
export const ended = (owner: string): Claim => ({ owner, from: 0, until: 0 })

/** The library takes no longer leases than this, in milliseconds. */
const usual = 3_600_000

/** How many leases of other processes are remembered. */
const mostSeen = 1024

/**
 * Decides whether a lease that this process finds is running. The rule: the holder may be gone, and the times of the
 * lease are from a clock that may have been set. So a process counts a lease as running from the moment when this
 * process first saw it, for the length of the lease, by its own steady clock. A lease that is longer than a lease can
 * be, or that begins too far in the future, does not count at all.
 */
export const observer = () => {
  const seen = new Map<string, { readonly claim: Claim; readonly period: clocks.Period }>()
  return (
    name: string,
    claim: Claim,
    now: clocks.Now,
    /** How long this process would hold the lease itself, in milliseconds. */
    own: number
  ): boolean => {
    const length = claim.until - claim.from
    const isFuture = claim.from - now.wall >= length
    if (now.wall >= claim.until || isFuture || !(length > 0) || length > Math.max(usual, own)) {
      seen.delete(name)
      return false
    }
    const before = seen.get(name)
    if (before !== undefined && before.claim.owner === claim.owner && before.claim.from === claim.from) {
      return !clocks.isOver(before.period, now)
    }
    seen.delete(name)
    seen.set(name, { claim, period: clocks.period(now, length) })
    if (seen.size > mostSeen) seen.delete(seen.keys().next().value!)
    return true
  }
}
