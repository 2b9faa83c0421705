/**
 * I12: a rotating refresh token is spent once per fleet, and the new one is stored before anyone sees the access token.
 *
 * What the network and a sudden death take with them nobody can give back. So each check knows what excuses it, and
 * takes nothing else for an excuse.
 */
import type { VirtualTime } from "../VirtualTime.js"
import type { Families, Refresh, Use } from "./Families.js"
import type { Journal } from "./Journal.js"
import type { HeldLease, Issued, Process } from "./Process.js"
import type { Step, World } from "./World.js"
import { second } from "./World.js"

/** Under which `RefreshToken.shared` runs: its own settings. */
export const settings = {
  lock: 20 * second,
  /** How long one waits for one's turn. */
  patience: 40 * second
}

const suffix = "~refresh"

export const isRecord = (key: string): boolean => key.endsWith(suffix)

/** What the store holds, read from the outside: the one place that knows how the library writes it. */
interface Record {
  readonly token: Refresh
  readonly state: "ready" | "sent" | "sentTwice" | "dead"
  readonly by: Process
  readonly at: number
}

interface Look {
  readonly record: Record | undefined
  readonly at: number
  readonly underLock: boolean
}

interface Context {
  readonly world: World
  readonly time: VirtualTime
  readonly journal: Journal
  readonly families: Families
  readonly break: (detail: string) => void
  /** Somebody has come this far. */
  readonly onStep: (process: Process, step: Step) => void
}

export class Spending {
  spent = 0
  logins = 0

  private record: Record | undefined = undefined
  private lock: HeldLease | undefined = undefined
  /** What each process has last been told of the record, and when it was told so first. */
  private readonly seen = new Map<Process, Look>()
  private emptiedAt = Number.NEGATIVE_INFINITY
  /** Whether the record says that the endpoint rotates, for the library has seen it do so. */
  private isKnownToRotate = false
  private readonly published = new Set<Issued>()

  constructor(private readonly on: Context) {}

  /** Whether there is a refresh token that somebody could spend, as far as anybody can know. */
  get isReady(): boolean {
    return this.record === undefined || this.record.state === "ready"
  }

  // --- the store ----------------------------------------------------------------------------------------------------

  locked(lease: HeldLease): void {
    this.lock = lease
    this.on.journal.note(`${lease.by.name} gets lock ${lease.fence}`)
    this.on.onStep(lease.by, "got the lock")
  }

  unlocked(owner: string, by: Process): void {
    if (this.lock?.owner !== owner) return
    this.lock = undefined
    this.on.journal.note(`${by.name} gives the lock back`)
    this.on.onStep(by, "gave the lock back")
  }

  read(by: Process): void {
    const before = this.seen.get(by)
    const underLock = this.lock?.by === by
    // the first look under the lock counts: it is then that the lock had come too early, or had not
    if (before === undefined || before.record !== this.record || (underLock && !before.underLock)) {
      this.seen.set(by, { record: this.record, at: this.on.time.now, underLock })
    }
    this.on.onStep(by, "read the record")
  }

  stored(text: string, by: Process, accepted: boolean): void {
    const { families, journal, time, world } = this.on
    const { state, token: value } = JSON.parse(decodeURIComponent(text)) as Pick<Record, "state"> & { token: string }
    const token = families.get(value)
    journal.note(`${by.name} stores ${value} ${state}${accepted ? "" : ": refused, too late"}`)
    if (token === undefined) return this.on.break(`${by.name} stores ${value}, which nobody made`)
    if (!accepted) return
    const before = this.record
    if (token.spentAt !== undefined && state === "ready" && this.emptiedAt < token.spentAt) {
      this.on.break(`${by.name} stores ${value} as if it could be used, but it is spent`)
    }
    if (before?.token.family === token.family && before.token.generation > token.generation) {
      this.on.break(`${by.name} overwrites ${before.token.value} with the older ${value}`)
    }
    this.record = { token, state, by, at: time.now }
    token.storedAt ??= time.now
    // whoever logs in by hand says so
    if (token.generation > 0 || (token.family.number > 0 && world.rotation?.login === "human")) {
      this.isKnownToRotate = true
    }
    if (state === "sent" || state === "sentTwice") this.on.onStep(by, "marked the token")
    else if (before?.token !== token) this.on.onStep(by, "stored the new token")
  }

  emptied(): void {
    this.emptiedAt = this.on.time.now
    this.record = undefined
    this.lock = undefined
    this.isKnownToRotate = false
  }

  // --- the endpoint -------------------------------------------------------------------------------------------------

  /** A refresh token leaves a process. */
  sent(by: Process, token: Refresh | undefined): void {
    const { journal, time: { now } } = this.on
    this.spent++
    if (token === undefined) return this.on.break(`${by.name} sends a refresh token that nobody made`)
    journal.note(`${by.name} sends ${token.value}`)
    if (!this.mayBeSent(token)) {
      const first = token.uses[0]!
      this.on.break(`${by.name} sends ${token.value}, which ${first.by.name} has sent before`)
    }
    if (this.emptiedAt < now - settings.lock) {
      if (this.lock?.by !== by || this.lock.until <= now) this.on.break(`${by.name} sends ${token.value} unlocked`)
      const { record } = this
      if (record?.token !== token || record.by !== by || record.state === "ready") {
        this.on.break(`${by.name} sends ${token.value}, and the store does not say so`)
      }
    }
    this.on.onStep(by, "sent the token")
  }

  /** Somebody uses the grant to fall back to. */
  loggedIn(by: Process): void {
    this.logins++
    this.lost(by)
  }

  /** Whether it is certain that nobody has spent it, or at least nobody could know better. */
  private mayBeSent({ uses }: Refresh): boolean {
    const open = uses.filter(({ fate }) => fate !== "refused")
    if (open.length === 0) return true
    // a store that has lost the record lets every process begin again with the last refresh token it knows of
    const since = open.filter(({ at }) => at >= this.emptiedAt)
    if (since.length === 0) return true
    // an endpoint that has not been seen to rotate may be one that does not; what a process saw that was killed
    // before it could say so, nobody knows
    const [use] = since
    return this.on.world.rotation?.known === "auto" && !this.isKnownToRotate && since.length === 1 &&
      (use!.fate !== "answered" || use!.by.killed)
  }

  issued(token: Issued): void {
    this.on.onStep(token.by, "had it taken")
  }

  delivered(token: Issued): void {
    this.on.onStep(token.by, "got the answer")
  }

  // --- those who see an access token --------------------------------------------------------------------------------

  /** It reached the store, for all to see. */
  shared(token: Issued, by: Process): void {
    this.visible(token)
    this.on.onStep(by, "shared the access token")
  }

  /** Somebody has it who could lose it. */
  visible(token: Issued): void {
    if (this.published.has(token)) return
    this.published.add(token)
    const { refresh } = token
    if (refresh === undefined || refresh.storedAt !== undefined) return
    // somebody else has got another one meanwhile, and that one stays
    const isOvertaken = this.record !== undefined && this.record.token !== refresh &&
      (this.record.token.family !== refresh.family || this.emptiedAt >= token.sentAt)
    if (!isOvertaken) this.on.break(`${token.value} is to be had, and ${refresh.value} has not been stored`)
  }

  // --- those who have to begin anew ---------------------------------------------------------------------------------

  /** A process finds that it has no refresh token that could be spent. */
  lost(by: Process): void {
    const { at, record } = this.seen.get(by) ?? { at: 0, record: undefined }
    if (this.isExcused(by, record, at)) return
    this.on.break(
      `${by.name} finds no refresh token to use, but ` +
        (record === undefined ? "there was one to begin with" : `${record.token.value} was ${record.state}`)
    )
  }

  private isExcused(by: Process, record: Record | undefined, seenAt: number): boolean {
    const { families, world } = this.on
    // there is another one by now
    if (record !== undefined && this.record !== record && this.record?.token !== record.token) return true
    const token = record?.token ?? families.first
    // the endpoint itself does not want it
    if (!families.isAcceptable(token) && token.uses.some((use) => use.by === by || record?.state === "dead")) {
      return true
    }
    if (record === undefined || record.state === "ready" || record.state === "dead") return false
    // an answer that brought its successor got lost, and whoever tried a second time could not say what became of it
    if (!families.isAcceptable(token) && token.uses.some(({ fate }) => fate === "lost")) return true
    if (this.emptiedAt >= record.at) return true
    // nobody could know what came of it
    const use: Use | undefined = token.uses[token.uses.length - 1]
    const holder = record.by
    if (use?.by === holder && use.fate === "lost") return true
    // nor of what somebody was at who is gone, cut off, or late; but the lock was theirs until its end
    return seenAt - record.at >= settings.lock - 5 * second &&
      (holder.killed || holder.troubleAt >= record.at - 5 * second || world.deadline > settings.lock)
  }
}
