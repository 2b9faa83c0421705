/**
 * The promises, checked at every step of a simulated day against what the endpoint and the store know to be true. What
 * the library believes is never asked.
 */
import type { TokenStore } from "effect-bearer"
import type { VirtualTime } from "../VirtualTime.js"
import type { Grant, Observer as EndpointObserver } from "./Endpoint.js"
import { clockFace, Journal } from "./Journal.js"
import type { HeldLease, Issued, Process } from "./Process.js"
import * as Spending from "./Spending.js"
import type { Entry, Observer as StoreObserver } from "./Store.js"
import type { World } from "./World.js"
import { minute, second } from "./World.js"

/** The settings under which the fleet runs: the library's own. */
export const settings = {
  ahead: 5 * minute,
  jitter: 10 * second,
  clockSkew: 30 * second,
  lease: 10 * second,
  /** Of one operation of the store. */
  patience: second,
  /** A store that failed is left alone for no longer than this. */
  rest: 30 * second,
  /** A process that waits for another looks at least this often. */
  longestPoll: 2 * second,
  /** `RetryPolicy.exponentialJitter()` goes on no longer than this. */
  retries: 60 * second,
  /** The longest step between two attempts to renew a token, and the exchange at its end. */
  backOff: 32 * second
}

/** How long a process may take to fetch a token: where it has to wait for the refresh token, that time as well. */
export const leaseOf = ({ deadline, rotation }: World): number =>
  rotation === undefined ? settings.lease : Spending.settings.patience + 2 * deadline + 5 * second

/** Whether they have their access tokens in common. */
export const isShared = ({ rotation, store }: World): boolean => store && rotation?.accessTokens !== "own"

/** How much later than the store and its lease would have it a request leaves that has to wait for a refresh token. */
export const turnOf = ({ deadline, rotation }: World): number =>
  rotation === undefined ? 0 : Spending.settings.patience + deadline

/** Why the endpoint was asked. */
export type Reason =
  /** There had been no token yet. */
  | "first"
  /** The newest token was due for renewal. */
  | "due"
  /** The newest token had been revoked. */
  | "revoked"
  /** The newest token is good, but its owner could not share it: it died, was cut off, or took longer than its lease. */
  | "lost"
  /** The store was of no use to the one who asked. */
  | "alone"
  /** Others held the lease for twice its length and brought nothing. */
  | "waited"

type Counts = Record<Reason, number>

export class Promises implements StoreObserver, EndpointObserver {
  readonly journal: Journal
  /** What went wrong first. */
  broken: string | undefined = undefined
  /** Requests, by why they were made. */
  readonly requests: Counts = { first: 0, due: 0, revoked: 0, lost: 0, alone: 0, waited: 0 }
  /** When they left. */
  readonly askedAt: Array<number> = []
  /** Requests that got no token. */
  failures = 0
  lastFailureAt = Number.NEGATIVE_INFINITY
  /** When somebody last had trouble with the store. */
  lastTroubleAt = Number.NEGATIVE_INFINITY
  /** Tokens that were made when the one before had come to its end, or was the first. */
  lifecycles = 0
  /** What is checked besides where tokens are to be had for refresh tokens. */
  spending: Spending.Spending | undefined = undefined
  /** From here on it is noted who gets a new token when. */
  watchFrom = Number.POSITIVE_INFINITY

  private readonly tokens = new Map<string, Issued>()
  private newest: Issued | undefined = undefined
  /** The latest that the store took, while it is to be expected there. */
  private newestStored: Issued | undefined = undefined
  private emptiedAt = Number.NEGATIVE_INFINITY
  /** The key that all of them share a token under. */
  private key: string | undefined = undefined
  /** Leases that have been granted and not given back, by key. */
  private readonly held = new Map<string, HeldLease>()
  private readonly fences = new Map<string, number>()
  /** By how much the clocks of a host are put forward in total. */
  private readonly forward = new Map<number, number>()

  constructor(
    private readonly world: World,
    private readonly time: VirtualTime,
    /** What is in the store now. */
    private readonly entryAt: (key: string) => Entry | undefined
  ) {
    this.journal = new Journal(time)
    for (const { by, who } of world.steps) {
      this.forward.set(who, (this.forward.get(who) ?? 0) + Math.max(0, by))
    }
  }

  break(promise: string, detail: string): void {
    if (this.broken !== undefined) return
    this.journal.note(`*** ${promise}: ${detail}`)
    this.broken = `${promise}: ${detail}, at ${clockFace(this.time.now)}`
    this.time.stop()
  }

  // --- what is true of a token --------------------------------------------------------------------------------------

  /** How late a token may seem to end, for reasons no protocol can do anything about: ways in and out of the store. */
  private get slack(): number {
    return 2 * settings.patience + 3 * second + this.world.lifetime * this.world.drift
  }

  /** Before this nobody has a reason to renew a token. */
  private dueAt(token: Issued, process: Process): number {
    const { drift, lifetime } = this.world
    const ahead = Math.min(settings.ahead, lifetime / 4) + Math.min(settings.jitter, lifetime / 20)
    return token.sentAt + lifetime * (1 - drift) - ahead - (this.forward.get(process.host) ?? 0) - 1
  }

  private mustAt(token: Issued): number {
    return token.expiresAt - Math.min(settings.clockSkew, this.world.lifetime / 10)
  }

  /** Whether whoever has it wanted another before `moment`. */
  isOverdue(token: Issued, moment: number): boolean {
    const { drift, lifetime } = this.world
    return token.at + lifetime * (1 + drift) - Math.min(settings.ahead, lifetime / 4) + this.slack < moment
  }

  private isFresh(token: Issued, process: Process): boolean {
    return token.revokedAt === undefined && !process.rejected.has(token.value) &&
      this.time.now < this.dueAt(token, process)
  }

  /** The token that callers of a process have been given before, if it may still be handed out. */
  usable(process: Process): Issued | undefined {
    const token = process.holding
    if (token === undefined) return undefined
    const exchange = token.at - token.sentAt
    const early = this.slack + (this.forward.get(process.host) ?? 0)
    return this.time.now < this.mustAt(token) - exchange - early ? token : undefined
  }

  // --- I2, I3, I5: what callers see ---------------------------------------------------------------------------------

  /** A caller got a token. */
  handedOut(process: Process, value: string): Issued | undefined {
    const { now } = this.time
    const token = this.tokens.get(value)
    if (token === undefined) {
      this.break("I3", `${process.name} hands out ${value}, which nobody made`)
    } else if (process.rejected.has(value)) {
      this.break("I3", `${process.name} hands out ${value} again, which its callers have reported as refused`)
    } else if (now >= Math.min(token.expiresAt, this.mustAt(token) + this.slack)) {
      this.break("I3", `${process.name} hands out ${value}, which ends ${clockFace(token.expiresAt)}`)
    } else {
      process.holding = token
    }
    if (token !== undefined) this.spending?.visible(token)
    return token
  }

  /** A caller got nothing. */
  turnedAway(process: Process, usable: Issued | undefined, error: string): void {
    const { time: { now }, world } = this
    if (usable !== undefined) {
      this.break("I5", `${process.name} fails with ${error} although it has ${usable.value}`)
    }
    if (this.spending !== undefined && error === "AuthenticationRequired") return this.spending.lost(process)
    const mandated = Math.max(0, ...world.endpoint.map(({ retryAfter }) => retryAfter ?? 0))
    // nobody works without a store that keeps the refresh token
    const failedAt = Math.max(this.lastFailureAt, this.spending === undefined ? 0 : this.lastTroubleAt)
    if (now - failedAt > settings.retries + 2 * leaseOf(world) + 1.1 * mandated) {
      this.break("I11", `${process.name} fails with ${error} although the endpoint is up`)
    }
  }

  // --- I1: one request per lifecycle --------------------------------------------------------------------------------

  asked(process: Process, { refresh, type }: Grant): HeldLease | undefined {
    const { now } = this.time
    if (type === "refresh_token") this.spending?.sent(process, refresh)
    else this.spending?.loggedIn(process)
    const held = this.key === undefined ? undefined : this.held.get(this.key)
    const lease = held?.by === process && held.until > now ? held : undefined
    const reason = this.explain(process, lease)
    this.askedAt.push(now)
    this.requests[reason]++
    this.journal.note(`${process.name} asks: ${reason}${lease === undefined ? "" : ` (lease ${lease.fence})`}`)
    return lease
  }

  private explain(process: Process, lease: HeldLease | undefined): Reason {
    const { newest, time: { now }, world } = this
    const own = process.holding
    if (own !== undefined && this.isFresh(own, process)) {
      this.break("I1", `${process.name} asks although it serves ${own.value}, which is not due for renewal`)
    }
    if (!isShared(world)) return "alone"
    if (lease === undefined) return this.explainAlone(process)

    // a store that does not answer shows neither a token nor a failure
    const isBlind = now - process.troubleAt <= 2 * settings.patience
    if (!isBlind) this.checkStore(process, lease.key)
    if (newest === undefined) return "first"
    if (newest.revokedAt !== undefined) return "revoked"
    if (!this.isFresh(newest, process)) return "due"
    this.checkFate(newest)
    return "lost"
  }

  private explainAlone(process: Process): Reason {
    const { now } = this.time
    // its lease is gone with everything else
    const turn = turnOf(this.world)
    if (now - this.emptiedAt <= leaseOf(this.world)) return "alone"
    if (now - process.troubleAt <= settings.rest + 2 * settings.patience + turn) return "alone"
    // from looking for the first time to being told for the last time that the lease is taken
    const waited = process.deniedAt - process.deniedSince
    if (
      now - process.deniedAt <= settings.patience + turn && waited >= 2 * leaseOf(this.world) - 3 * settings.patience
    ) {
      process.deniedSince = Number.POSITIVE_INFINITY
      return "waited"
    }
    // a command that is given up is interrupted behind the back of whoever goes on; one that asks for a lease is given as
    // much time again, so that a lease which comes late can be given back
    this.time.after(settings.patience, () => {
      if (process.troubleAt >= now) return
      this.break("I11", `${process.name} asks without a lease, and neither has the store failed it nor has it waited`)
    })
    return "alone"
  }

  /** What a holder had to see when it took another look. */
  private checkStore(process: Process, key: string): void {
    const { now } = this.time
    const stored = this.tokens.get(this.entryAt(key)?.value ?? "")
    if (stored !== undefined && this.isFresh(stored, process)) {
      this.break("I1", `${process.name} asks although ${stored.value} is in the store, which is not due for renewal`)
    }
    const note = this.entryAt(`${key}${noteSuffix}`)
    if (
      note !== undefined && note.by !== process && note.at < now - second && note.at + others(note.value) > now + second
    ) {
      this.break("I1", `${process.name} asks although ${note.by.name} has just failed to`)
    }
  }

  /** A token that is good and not in the store needs an excuse. */
  private checkFate({ at, by, delivered, lease, stored, value }: Issued): void {
    if (!delivered || stored || by.dead || lease === undefined || !lease.released) return
    if (by.troubleAt >= lease.until - leaseOf(this.world) || this.emptiedAt >= at) return
    this.break("I1", `${by.name} got ${value}, gave its lease back and did not share it`)
  }

  issued(token: Issued): void {
    const { newest } = this
    if (newest === undefined || (newest.revokedAt === undefined && !this.isFresh(newest, token.by))) this.lifecycles++
    this.tokens.set(token.value, token)
    this.newest = token
    this.journal.note(`endpoint makes ${token.value} for ${token.by.name}`)
    this.spending?.issued(token)
  }

  delivered(token: Issued): void {
    this.arrived(token, token.by)
    this.journal.note(`${token.by.name} gets ${token.value}`)
    this.spending?.delivered(token)
  }

  failed(process: Process, error: string): void {
    this.failures++
    this.lastFailureAt = this.time.now
    this.journal.note(`${process.name} gets ${error}`)
  }

  private arrived(token: Issued, process: Process): void {
    if (token.at >= this.watchFrom) process.servedAt ??= this.time.now
  }

  // --- I11: leases and fencing numbers ------------------------------------------------------------------------------

  granted(lease: HeldLease): void {
    const { by, fence, key } = lease
    const other = this.held.get(key)
    if (other !== undefined && other.until > this.time.now) {
      this.break("I11", `${by.name} gets a lease that ${other.by.name} still has`)
    }
    if (fence <= (this.fences.get(key) ?? -1)) {
      this.break("I11", `the fencing number of ${by.name} is not greater than those before`)
    }
    this.held.set(key, lease)
    this.fences.set(key, fence)
    if (isNote(key)) return
    if (Spending.isRecord(key)) return this.spending?.locked(lease)
    this.key = key
    by.deniedSince = Number.POSITIVE_INFINITY
    this.journal.note(`${by.name} gets lease ${fence}`)
  }

  denied(process: Process, key: string): void {
    if (isNote(key) || Spending.isRecord(key)) return
    const { now } = this.time
    // somebody who came back after a while began to wait anew
    if (process.deniedSince > now || now - process.deniedAt > settings.longestPoll + 3 * settings.patience) {
      process.deniedSince = now
    }
    process.deniedAt = now
  }

  released({ fence, key, owner }: TokenStore.Lease, by: Process): void {
    const lease = this.held.get(key)
    if (lease?.owner === owner) {
      lease.released = true
      this.held.delete(key)
    }
    if (Spending.isRecord(key)) return this.spending?.unlocked(owner, by)
    if (!isNote(key)) this.journal.note(`${by.name} gives lease ${fence} back`)
  }

  stored(value: string, { fence, key }: TokenStore.Lease, by: Process, accepted: boolean): void {
    if (accepted && fence < (this.fences.get(key) ?? -1) && this.emptiedAt === Number.NEGATIVE_INFINITY) {
      this.break("I11", `${by.name} stores ${value} although a later lease was granted`)
    }
    if (isNote(key)) return
    if (Spending.isRecord(key)) return this.spending?.stored(value, by, accepted)
    this.journal.note(`${by.name} stores ${value} with lease ${fence}${accepted ? "" : ": refused, too late"}`)
    const token = this.tokens.get(value)
    if (token === undefined || !accepted) return
    if (this.newestStored !== undefined && token.number < this.newestStored.number) {
      this.break("I11", `${by.name} overwrites ${this.newestStored.value} with the older ${value}`)
    }
    token.stored = true
    this.newestStored = token
    this.spending?.shared(token, by)
  }

  removed(value: string, by: Process): void {
    const token = this.tokens.get(value)
    this.journal.note(`${by.name} removes ${value}`)
    if (token !== undefined && token.revokedAt === undefined) {
      this.break("I3", `${by.name} removes ${value}, which nobody has refused`)
    }
    this.newestStored = undefined
  }

  read(key: string, value: string | undefined, by: Process): void {
    if (Spending.isRecord(key)) return this.spending?.read(by)
    const token = this.tokens.get(value ?? "")
    if (token !== undefined) this.arrived(token, by)
  }

  troubled(process: Process): void {
    process.troubleAt = this.time.now
    this.lastTroubleAt = this.time.now
  }

  /** The store has lost everything: even its leases. */
  emptied(): void {
    this.emptiedAt = this.time.now
    this.held.clear()
    this.newestStored = undefined
    this.spending?.emptied()
    this.journal.note("the store loses all it has")
  }
}

const noteSuffix = "~failure"

/** How long a note keeps the other processes from asking; the store keeps it for longer, so that failures are counted. */
const others = (note: string): number => (JSON.parse(note) as { readonly others: number }).others

const isNote = (key: string): boolean => key.endsWith(noteSuffix)
