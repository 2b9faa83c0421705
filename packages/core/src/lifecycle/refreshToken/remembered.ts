// What this process last knew of the record of a refresh token, for the case that the store loses it: a wall clock that
// is put forward ends every record, and so does a store that forgets.
import * as Option from "effect/Option"
import type { Lease, Service } from "../../store/contract.js"
import type * as Clocks from "../../values/Clocks.js"
import type { Stored } from "./contract.js"

/** A record, and whether it stands in for one that was lost. */
export interface Kept extends Stored {
  /**
   * The number of the lease under which a process found that the record was lost. The process that had the lease right
   * before has the right record.
   */
  readonly lostAt?: number | undefined
}

/** The record that was last read or written, the number of the lease under which that was, and the time. */
export interface Remembered {
  readonly stored: Stored
  readonly fence: number
  readonly at: Clocks.Now
}

export interface Memory {
  last: Remembered | undefined
}

/** How many records are remembered beyond the source that uses them, per store. */
const mostRemembered = 1024

const memories = new WeakMap<Service, Map<string, Memory>>()

/** One for all sources of this process that have the same record in the same store. */
export const memoryOf = (service: Service, key: string): Memory => {
  const ofStore = memories.get(service) ?? new Map<string, Memory>()
  memories.set(service, ofStore)
  const memory = ofStore.get(key) ?? { last: undefined }
  ofStore.delete(key)
  ofStore.set(key, memory)
  if (ofStore.size > mostRemembered) ofStore.delete(ofStore.keys().next().value!)
  return memory
}

/**
 * The record to store again, if the one in the store was lost and this process has known it.
 *
 * Another process may have used the refresh token since, and a spent one must not be sent. Whether nobody has is told
 * by the numbers of the leases: nobody held the lock in between if no number is missing. Otherwise the record says that
 * it is unknown whether the token was taken. Stores that leave out numbers are treated like that, too.
 */
export const recordToRestore = (
  last: Remembered | undefined,
  there: Option.Option<Kept>,
  { fence }: Lease,
  now: Clocks.Now
): Kept | undefined => {
  if (last === undefined) return undefined
  const lostAt = Option.match(there, { onNone: () => fence, onSome: ({ lostAt }) => lostAt })
  if (lostAt === undefined) return undefined
  const isLatest = lostAt === last.fence || lostAt === last.fence + 1
  if (isLatest) return moved(last, now)
  return Option.isSome(there) ? undefined : { ...unsure(moved(last, now)), lostAt }
}

/** The record with its end by the present wall clock: what is left of it is measured by the steady clock. */
const moved = ({ at, stored }: Remembered, now: Clocks.Now): Stored => ({
  ...stored,
  expiresAt: Option.map(stored.expiresAt, (end) => Math.round(end - at.wall + now.wall - (now.steady - at.steady)))
})

/** The record of a refresh token that another process may have sent. */
export const unsure = (stored: Stored): Stored => ({
  ...stored,
  state: stored.state === "ready" ? "sent" : stored.state === "sent" ? "sentTwice" : stored.state,
  mark: undefined
})
