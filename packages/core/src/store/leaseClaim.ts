// The text form of a lease, in a file or in a key-value store.
import * as Option from "effect/Option"
import * as clocks from "../values/Clocks.js"
import * as json from "../values/json.js"

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

/** Longer leases than this are for nothing that this library does. */
const usual = 3_600_000

/** So many leases of others are remembered. */
const mostSeen = 1024

/**
 * What one process makes of the leases it finds. The rule: a holder may be gone, and its times are by a clock that may
 * have been set; so whoever looks believes a lease for its own length from when *it* has first seen it, by its own steady
 * clock, and no longer; and one that is longer than a lease can be, or that begins after it could have ended, not at all.
 */
export const observer = () => {
  const seen = new Map<string, { readonly claim: Claim; readonly period: clocks.Period }>()
  return (
    name: string,
    claim: Claim,
    now: clocks.Now,
    /** How long whoever looks would hold it, in milliseconds. */
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
