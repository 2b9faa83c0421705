/**
 * A store as `@effect-bearer/redis` makes one of Redis, with a network between it and the fleet: one clock, its own;
 * everything ends by itself; commands are atomic, and once sent they are carried out, whether or not anybody still waits
 * for the answer.
 */
import { Duration, Effect, Option, Queue, Redacted, Stream } from "effect"
import { AccessToken, TokenStore } from "effect-bearer"
import type { VirtualTime } from "../VirtualTime.js"
import type { HeldLease, Process } from "./Process.js"
import type { StoreFault, World } from "./World.js"
import { Dice, hour, isDuring, second } from "./World.js"

/** Who is told what the store does. */
export interface Observer {
  readonly granted: (lease: HeldLease) => void
  readonly denied: (process: Process, key: string) => void
  readonly released: (lease: TokenStore.Lease, by: Process) => void
  readonly stored: (value: string, lease: TokenStore.Lease, by: Process, accepted: boolean) => void
  readonly removed: (value: string, by: Process) => void
  readonly read: (key: string, value: string | undefined, by: Process) => void
  /** A command failed, or nobody waits for its answer any more. */
  readonly troubled: (process: Process) => void
}

/** What is in the store under one key, for those who check on it. */
export interface Entry {
  readonly value: string
  /** Who put it there, and when. */
  readonly by: Process
  readonly at: number
  /** When it ends, by the clock of the store. */
  readonly until: number
}

/** What is left in Redis of a token. */
interface Stored extends Entry {
  readonly token: AccessToken.AccessToken
  readonly lifetime: number
  readonly fence: number
}

type Operation = TokenStore.StoreError["operation"]

/** How long Redis remembers the number of the latest lease beyond its end. */
const linger = hour

/** Who waits for a lease asks for it every other second. Who was not refused one for so long does not wait. */
const longestWait = 10 * second

const unavailable = (operation: Operation) =>
  new TokenStore.StoreError({ operation, reason: "unavailable", detail: "ECONNREFUSED" })

export class Store {
  private readonly tokens = new Map<string, Stored>()
  private readonly leases = new Map<string, HeldLease>()
  private readonly fences = new Map<string, { readonly fence: number; readonly until: number }>()
  private readonly listeners = new Set<{ readonly process: Process; readonly queue: Queue.Queue<string> }>()
  private readonly dice: Dice
  private owners = 0
  /** Commands that arrived. */
  commands = 0

  constructor(
    private readonly world: World,
    private readonly time: VirtualTime,
    private readonly observer: Observer
  ) {
    this.dice = new Dice(world.seed, 2)
  }

  /** What one process sees of it. */
  connect(process: Process): TokenStore.Service {
    const { time } = this
    return {
      get: (key) =>
        Effect.map(
          this.command(process, "get", () => {
            const entry = this.entryAt(key)
            this.observer.read(key, entry?.value, process)
            if (entry === undefined) return Option.none()
            return Option.some({ ...entry, left: Math.floor(entry.until - time.now) })
          }),
          Option.map(({ left, lifetime, token: { scopes, tokenType, value } }) => {
            // by the reader's clock, whatever the writer's may have been
            const expiresAt = process.clock.unsafeCurrentTimeMillis() + left
            return AccessToken.make({ value, tokenType, scopes, issuedAt: expiresAt - lifetime, expiresAt })
          })
        ),
      put: (token, lease) =>
        Effect.suspend(() => {
          const wall = process.clock.unsafeCurrentTimeMillis()
          const expiresAt = Option.getOrElse(token.expiresAt, () => Number.POSITIVE_INFINITY)
          return this.command(process, "put", () => {
            const latest = this.fences.get(lease.key)
            const known = latest !== undefined && latest.until > time.now
            const stored = this.tokens.get(lease.key)
            const accepted = known
              ? latest.fence === lease.fence
              : stored === undefined || stored.until <= time.now || stored.fence <= lease.fence
            const value = Redacted.value(token.value)
            this.observer.stored(value, lease, process, accepted)
            if (!accepted) return false
            if (!known) this.fences.set(lease.key, { fence: lease.fence, until: time.now + linger })
            this.tokens.set(lease.key, {
              token,
              value,
              by: process,
              at: time.now,
              until: time.now + (expiresAt - wall),
              lifetime: expiresAt - token.issuedAt,
              fence: lease.fence
            })
            this.announce(lease.key)
            return true
          })
        }),
      acquire: (key, ttl) =>
        this.command(process, "acquire", () => {
          if (this.leaseOf(key) !== undefined) {
            process.refusedAt = time.now
            this.observer.denied(process, key)
            return Option.none()
          }
          const last = this.fences.get(key)
          const until = time.now + Duration.toMillis(ttl)
          const fence = Math.max(Math.floor(time.now * 1000), (last === undefined ? 0 : last.fence) + 1)
          const owner = String(++this.owners)
          const lease: HeldLease = { key, owner, by: process, fence, until, released: false }
          this.leases.set(key, lease)
          this.fences.set(key, { fence, until: until + linger })
          this.observer.granted(lease)
          return Option.some<TokenStore.Lease>({ key, owner, fence })
        }),
      release: (lease) =>
        this.command(process, "release", () => {
          this.observer.released(lease, process)
          if (this.leaseOf(lease.key)?.owner !== lease.owner) return
          this.leases.delete(lease.key)
          this.announce(lease.key)
        }),
      remove: (key, token) =>
        this.command(process, "remove", () => {
          const value = Redacted.value(token.value)
          if (this.entryAt(key)?.value !== value) return
          this.tokens.delete(key)
          this.observer.removed(value, process)
          this.announce(key)
        }),
      changes: Stream.unwrap(
        Effect.map(Queue.unbounded<string>(), (queue) => {
          this.listeners.add({ process, queue })
          return Stream.fromQueue(queue)
        })
      )
    }
  }

  /** What an operator would do with FLUSHALL. */
  empty(): void {
    this.tokens.clear()
    this.leases.clear()
    this.fences.clear()
  }

  /** The lease on a key that has not ended. */
  leaseOf(key: string): HeldLease | undefined {
    const lease = this.leases.get(key)
    return lease !== undefined && lease.until > this.time.now ? lease : undefined
  }

  entryAt(key: string): Stored | undefined {
    const stored = this.tokens.get(key)
    return stored !== undefined && stored.until > this.time.now ? stored : undefined
  }

  /** What a process would run into now. */
  faultFor(process: Process): StoreFault["kind"] | undefined {
    const luck = (process.host * 0.618_034 + 0.1) % 1
    return this.world.storeFaults.find((fault) => isDuring(fault, this.time.now) && luck < fault.share)?.kind
  }

  /** One command: there, carried out, and back. */
  private command<A>(
    process: Process,
    operation: Operation,
    execute: () => A
  ): Effect.Effect<A, TokenStore.StoreError> {
    return Effect.async<A, TokenStore.StoreError>((resume) => {
      const { dice, time, world } = this
      const isLost = world.lostCommands > 0 && dice.chance(world.lostCommands)
      const onTheWayBack = isLost && dice.chance(0.5)
      const reply = (effect: Effect.Effect<A, TokenStore.StoreError>) =>
        time.after(this.latency(process), () => {
          if (!process.dead) resume(effect)
        })
      const fault = this.faultFor(process)
      if (fault === "down" || (fault === "readonly" && operation !== "get")) {
        this.observer.troubled(process)
        reply(Effect.fail(unavailable(operation)))
      } else if (fault !== "silent" && !process.dead && isLost === onTheWayBack) {
        time.after(this.latency(process), () => {
          const fault = this.faultFor(process)
          if (fault === "down" || fault === "silent") return
          this.commands++
          const result = execute()
          if (!isLost) reply(Effect.succeed(result))
        })
      }
      // it has waited for long enough
      return Effect.sync(() => this.observer.troubled(process))
    })
  }

  private latency(process: Process): number {
    return this.faultFor(process) === "slow" ? this.dice.between(400, 3000) : this.dice.between(1, 6)
  }

  private announce(key: string): void {
    const { dice, time, world } = this
    for (const { process, queue } of this.listeners) {
      // ten thousand who do not wait take time to tell
      if (process.dead || time.now - process.refusedAt > longestWait) continue
      if (dice.chance(world.lostAnnouncements)) continue
      const fault = this.faultFor(process)
      if (fault === "down" || fault === "silent") continue
      time.after(this.latency(process), () => {
        if (!process.dead) queue.unsafeOffer(key)
      })
    }
  }
}
