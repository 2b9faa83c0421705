/**
 * A fleet of processes, each with the whole stack of `TokenSource.managed` and nothing simulated in it, living through
 * a simulated day.
 */
import { HttpClient } from "@effect/platform"
import {
  Cause,
  Effect,
  Exit,
  Logger,
  LogLevel,
  Option,
  Random,
  Redacted,
  RuntimeFlags,
  RuntimeFlagsPatch,
  Scope
} from "effect"
import type { AccessToken } from "effect-bearer"
import { ClientAuthentication, Grant, RefreshToken, TokenSource, TokenStore } from "effect-bearer"
import { HostClock, VirtualTime } from "../VirtualTime.js"
import { Endpoint, location } from "./Endpoint.js"
import { Human } from "./Human.js"
import { clockFace } from "./Journal.js"
import type { Issued, Running } from "./Process.js"
import { Process } from "./Process.js"
import type { Reason } from "./Promises.js"
import { isShared, leaseOf, Promises, settings, turnOf } from "./Promises.js"
import { settings as rotating, Spending } from "./Spending.js"
import { Store } from "./Store.js"
import type { Crash, Step, World } from "./World.js"
import { Dice, hour, minute, second } from "./World.js"

/** What came of a day. */
export interface Report {
  readonly requests: Readonly<Record<Reason, number>>
  /** All of them. */
  readonly asked: number
  /** Those that got no token. */
  readonly failures: number
  readonly lifecycles: number
  readonly calls: number
  /** Calls that got no token. */
  readonly turnedAway: number
  readonly longestWait: number
  readonly commands: number
  /** Refresh tokens sent, grants used because there was none, and those that were sent although they were spent. */
  readonly spent: number
  readonly logins: number
  readonly reused: number
  readonly askedAt: ReadonlyArray<number>
  /** Of those who got a token made after `watchFrom`: when. */
  readonly servedAt: ReadonlyArray<number>
}

/** A call that has not come back, and whether it has to wait. */
interface Call {
  readonly by: Process
  readonly began: number
  readonly usable: Issued | undefined
  /** When the endpoint came back, if by now everybody must have a token that was not due for renewal then. */
  readonly back: number | undefined
}

class Fleet {
  readonly time = new VirtualTime()
  readonly promises: Promises
  readonly endpoint: Endpoint
  readonly store: Store
  private readonly dice: Dice
  private readonly clocks: ReadonlyArray<HostClock>
  /** The process of each host that is up, and those that will follow. */
  private readonly current: Array<Running | undefined> = []
  private readonly waiting: Array<Array<Running>> = []
  private readonly all: Array<Running> = []
  private readonly open = new Set<Call>()
  /** What ends the next process to get the lease. */
  private readonly armed: Array<Crash> = []
  /** When processes came to their end. */
  private readonly ends: Array<number> = []
  private readonly human: Human
  private isOver = false
  calls = 0
  turnedAway = 0
  longestWait = 0

  constructor(readonly world: World) {
    this.dice = new Dice(world.seed, 4)
    this.promises = new Promises(world, this.time, (key) => this.store.entryAt(key))
    this.endpoint = new Endpoint(world, this.time, this.promises)
    this.store = new Store(world, this.time, {
      granted: (lease) => {
        this.promises.granted(lease)
        this.onGrant(lease.by)
      },
      denied: (process, key) => this.promises.denied(process, key),
      released: (lease, by) => this.promises.released(lease, by),
      stored: (value, lease, by, accepted) => this.promises.stored(value, lease, by, accepted),
      removed: (value, by) => this.promises.removed(value, by),
      read: (key, value, by) => this.promises.read(key, value, by),
      troubled: (process) => this.promises.troubled(process)
    })
    if (world.rotation !== undefined) {
      this.promises.spending = new Spending({
        world,
        time: this.time,
        journal: this.promises.journal,
        families: this.endpoint.families,
        break: (detail) => this.promises.break("I12", detail),
        onStep: (by, step) => this.onStep(by, step)
      })
    }
    this.human = new Human(
      this.time,
      this.promises.journal,
      this.endpoint.families,
      () => this.current.find((running) => running !== undefined)
    )
    const clocks = new Dice(world.seed, 5)
    this.clocks = Array.from(
      { length: world.replicas },
      () => new HostClock(this.time, (2 * clocks.next() - 1) * world.skew, (2 * clocks.next() - 1) * world.drift)
    )
  }

  // --- processes ----------------------------------------------------------------------------------------------------

  /** Makes all processes of the day. Sharing takes a digest of WebCrypto, the one thing that is really asynchronous. */
  async make(): Promise<void> {
    for (let host = 0; host < this.world.replicas; host++) {
      const restarts = this.world.crashes.filter(({ who }) => typeof who !== "number" || who === host).length
      const lives: Array<Running> = []
      for (let life = 0; life <= restarts; life++) {
        lives.push(await this.time.outside(this.makeProcess(host, life)))
      }
      this.waiting.push(lives)
    }
  }

  private makeProcess(host: number, life: number): Effect.Effect<Running> {
    const clock = this.clocks[host]!
    const process = new Process(life === 0 ? `p${host}` : `p${host}.${life}`, host, clock)
    const stack = Effect.gen(this, function*() {
      const refreshTokens = this.world.rotation === undefined
        ? undefined
        : yield* RefreshToken.shared({ namespace: "fleet" })
      const source = refreshTokens === undefined
        ? yield* TokenSource.make(() => this.endpoint.fetch(process))
        : yield* this.refreshing(process, refreshTokens)
      const shared = { namespace: "fleet", lease: leaseOf(this.world) }
      return { tokens: yield* TokenSource.managed({ shared: isShared(this.world) && shared })(source), refreshTokens }
    })
    const made = Effect.gen(this, function*() {
      const scope = yield* Scope.make()
      const { refreshTokens, tokens } = yield* stack.pipe(
        Effect.provideService(TokenStore.TokenStore, this.store.connect(process)),
        Scope.extend(scope),
        Effect.orDie
      )
      const running: Running = { process, tokens, refreshTokens, runtime: yield* Effect.runtime<never>(), scope }
      this.all.push(running)
      return running
    })
    return made.pipe(
      // Effect counts its fibers, which nobody wants to know here
      Effect.withRuntimeFlagsPatch(RuntimeFlagsPatch.disable(RuntimeFlags.RuntimeMetrics)),
      Effect.withClock(clock),
      Effect.withRandom(Random.make(`${this.world.seed} ${host} ${life}`)),
      Effect.withTracerEnabled(false),
      Logger.withMinimumLogLevel(LogLevel.None)
    )
  }

  /** Whoever needs a refresh token for an access token asks as the real ones do, down to the form of the request. */
  private refreshing(process: Process, store: RefreshToken.Store) {
    const { deadline, rotation } = this.world
    return TokenSource.refreshToken({
      tokenEndpoint: location,
      clientId: "fleet",
      authentication: ClientAuthentication.none,
      timeout: deadline,
      refreshToken: Redacted.make(this.endpoint.families.first.value),
      rotation: rotation?.known,
      store,
      fallback: rotation?.login === "grant" ? Grant.clientCredentials : undefined
    }).pipe(Effect.provideService(HttpClient.HttpClient, this.endpoint.client(process)))
  }

  private start(host: number): void {
    const running = this.isOver ? undefined : this.waiting[host]!.shift()
    if (running === undefined) return
    this.current[host] = running
    running.process.up = true
    running.process.since = this.time.now
    this.promises.journal.note(`${running.process.name} starts`)
    this.keepCalling(running)
  }

  private end(host: number, { downFor, kind }: Crash): void {
    const running = this.current[host]
    if (running === undefined || this.isOver) return
    this.current[host] = undefined
    this.ends.push(this.time.now)
    this.promises.journal.note(`${running.process.name} ${kind === "kill" ? "is killed" : "is stopped"}`)
    this.close(running, kind)
    this.time.after(downFor, () => this.start(host))
  }

  /** A process that is killed can do nothing in good order: nothing of what it still tries leaves it. */
  private close({ process, runtime, scope }: Running, kind: Crash["kind"]): void {
    process.up = false
    if (kind === "kill") {
      process.dead = true
      process.killed = true
    }
    for (const call of this.open) if (call.by === process) this.open.delete(call)
    this.time.fork(runtime, Scope.close(scope, Exit.void)).addObserver(() => {
      process.dead = true
    })
  }

  private onGrant(by: Process): void {
    const crash = this.armed.find(({ who }) => typeof who !== "number" && "holder" in who)
    if (crash === undefined || typeof crash.who === "number" || !("holder" in crash.who)) return
    this.armed.splice(this.armed.indexOf(crash), 1)
    this.time.after(crash.who.holder, () => {
      if (by.up) this.end(by.host, crash)
    })
  }

  private onStep(by: Process, step: Step): void {
    this.promises.journal.note(`${by.name} ${step}`)
    const next = this.armed.findIndex(({ who }) => typeof who !== "number" && "after" in who && who.after === step)
    if (next >= 0 && by.up) this.end(by.host, this.armed.splice(next, 1)[0]!)
  }

  // --- callers ------------------------------------------------------------------------------------------------------

  private keepCalling(running: Running): void {
    const visit = () => {
      if (!running.process.up) return
      this.visit(running)
      this.time.after(this.dice.next() * 2 * this.world.callEvery, visit)
    }
    visit()
  }

  /** Somebody needs a token; or three do, one of whom does not stay. */
  private visit(running: Running): void {
    if (!this.dice.chance(this.world.impatient)) {
      this.call(running)
      return
    }
    const callers = [0, 1, 2].map(() => this.call(running))
    const leaving = callers[this.dice.between(0, 3)]!
    this.time.after(this.dice.between(0, 400), () => leaving())
  }

  /** One caller; gives back how to make him leave. */
  private call(running: Running, back?: number): () => void {
    const { process, runtime, tokens } = running
    const call: Call = { by: process, began: this.time.now, usable: this.promises.usable(process), back }
    this.calls++
    this.open.add(call)
    let left = false
    const fiber = this.time.fork(runtime, tokens.get())
    fiber.addObserver((exit) => {
      if (!this.open.delete(call) || left) return
      this.onReturn(running, call, exit, (value, token) => {
        if (token.revokedAt !== undefined) this.refused(running, token, value)
      })
    })
    // who has a token at hand is not kept waiting, not even until something else has happened
    this.time.after(0, () => {
      if (call.usable !== undefined && this.open.has(call) && process.up && process.holding === call.usable) {
        this.promises.break("I2", `a caller of ${process.name} waits although it has ${call.usable.value}`)
      }
    })
    return () => {
      left = true
      this.time.fork(runtime, fiber.interruptAsFork(fiber.id()))
    }
  }

  private onReturn(
    { process }: Running,
    { back, began, usable }: Call,
    exit: Exit.Exit<AccessToken.AccessToken, { readonly _tag: string }>,
    use: (token: AccessToken.AccessToken, issued: Issued) => void
  ): void {
    if (!process.up) return
    this.checkWait(process, began)
    // without a refresh token it takes more than an endpoint
    const isRecovered = back !== undefined && this.promises.spending?.isReady !== false
    if (Exit.isSuccess(exit)) {
      const token = this.promises.handedOut(process, Redacted.value(exit.value.value))
      if (token === undefined) return
      if (isRecovered && this.promises.isOverdue(token, back)) {
        this.promises.break("I5", `${process.name} has not renewed ${token.value} yet`)
      }
      use(exit.value, token)
      return
    }
    const error = Option.match(Cause.failureOption(exit.cause), {
      onNone: () => Cause.pretty(exit.cause),
      onSome: ({ _tag }) => _tag
    })
    if (Cause.isInterrupted(exit.cause)) {
      this.promises.break("I4", `a caller of ${process.name} was interrupted though he did not leave`)
    }
    this.turnedAway++
    this.promises.journal.note(`${process.name} turns a caller away: ${error}`)
    this.promises.turnedAway(process, usable, error)
    if (error === "AuthenticationRequired") this.human.call()
    if (isRecovered) this.promises.break("I5", `${process.name} still has no token: ${error}`)
  }

  /** An API says 401 to what a caller was given. */
  private refused(running: Running, issued: Issued, token: AccessToken.AccessToken): void {
    const { process, runtime, tokens } = running
    this.promises.journal.note(`${process.name} is told that ${issued.value} was refused`)
    process.rejected.add(issued.value)
    if (process.holding === issued) process.holding = undefined
    const call: Call = { by: process, began: this.time.now, usable: undefined, back: undefined }
    this.open.add(call)
    this.time.fork(runtime, tokens.renew(token)).addObserver((exit) => {
      if (this.open.delete(call)) this.onReturn(running, call, exit, () => {})
    })
  }

  // --- what takes time ----------------------------------------------------------------------------------------------

  /** How long the endpoint may have told somebody to stay away, and what he adds to it. */
  private get mandated(): number {
    return 1.1 * Math.max(0, ...this.world.endpoint.map(({ retryAfter }) => retryAfter ?? 0))
  }

  /** One holder that dies delays the others by no more than the lease. */
  private checkWait(process: Process, began: number): void {
    const { promises, time: { now }, world } = this
    this.longestWait = Math.max(this.longestWait, now - began)
    const lock = world.rotation === undefined ? 0 : rotating.lock
    const longest = leaseOf(world) + lock + settings.longestPoll + world.deadline + second
    if (!isShared(world) || now - began <= longest) return
    const since = began - longest
    const hasExcuse = promises.lastFailureAt >= began - this.mandated || process.troubleAt >= since ||
      this.isTroubled(since, now) || this.ends.filter((at) => at >= since).length > 1
    if (!hasExcuse) this.promises.break("I11", `a caller of ${process.name} waited for ${now - began} ms`)
  }

  private isTroubled(from: number, to: number): boolean {
    const { emptied, endpoint, storeFaults } = this.world
    return [...endpoint, ...storeFaults].some((fault) => fault.from < to && fault.from + fault.length > from) ||
      emptied.some((at) => at >= from && at < to)
  }

  /** Nobody waits for ever. */
  private checkOpen(): void {
    // the retries; a wait for others and an exchange before them, and after them
    const attempt = 2 * leaseOf(this.world) + this.world.deadline + turnOf(this.world)
    const longest = settings.retries + 2 * attempt + this.mandated + 10 * second
    for (const { began, by } of this.open) {
      if (this.time.now - began > longest) {
        this.promises.break("I11", `a caller of ${by.name} has been waiting since ${clockFace(began)}`)
      }
    }
  }

  /** The endpoint is back: a back-off step later everybody has a token again. */
  private checkRecovery(back: number, due: number): void {
    const { crashes, endpoint, lostExchanges, revocations, steps } = this.world
    const from = back - minute
    const isQuiet = lostExchanges === 0 &&
      ![...crashes, ...steps].some(({ at }) => at >= from && at < due) &&
      !revocations.some((at) => at >= from && at < due) &&
      !this.isTroubled(back, due) &&
      !endpoint.some((fault) =>
        fault.from < from && fault.from + fault.length > from && fault.from + fault.length < back
      )
    if (!isQuiet || this.armed.length > 0 || this.human.isComing) return
    this.promises.journal.note(`everybody should have a token again`)
    for (const running of this.current) if (running !== undefined) this.call(running, back)
  }

  // --- the day ------------------------------------------------------------------------------------------------------

  private plan(): void {
    const { crashes, emptied, endpoint, hours, replicas, revocations, steps, storeFaults } = this.world
    const { time } = this
    const { journal } = this.promises
    for (let host = 0; host < replicas; host++) time.at(this.dice.between(0, 2 * second), () => this.start(host))
    for (const { from, kind, length } of endpoint) {
      time.at(from, () => journal.note(`the endpoint is ${kind}`))
      time.at(from + length, () => journal.note("the endpoint is itself again"))
      const due = from + length + settings.backOff + this.mandated
      time.at(due, () => this.checkRecovery(from + length, due))
    }
    for (const { from, kind, length, share } of storeFaults) {
      time.at(from, () => journal.note(`the store is ${kind}${share === 1 ? "" : ` for ${share * 100} % of them`}`))
      time.at(from + length, () => journal.note("the store is itself again"))
    }
    for (const at of emptied) {
      time.at(at, () => {
        this.store.empty()
        this.promises.emptied()
      })
    }
    for (const crash of crashes) {
      const { at, who } = crash
      time.at(at, () => typeof who === "number" ? this.end(who, crash) : this.armed.push(crash))
    }
    for (const { at, by, who } of steps) {
      time.at(at, () => {
        journal.note(`somebody sets the clock of host ${who} by ${by} ms`)
        this.clocks[who]!.step(by)
        const process = this.current[who]?.process
        // it may now take its token for one that is about to end
        if (process !== undefined) process.holding = undefined
      })
    }
    for (const at of revocations) {
      time.at(at, () => {
        const { newest } = this.endpoint
        if (newest === undefined) return
        journal.note(`${newest.value} is revoked`)
        this.endpoint.revoke(newest)
      })
    }
    for (let at = minute; at < hours * hour; at += minute) time.at(at, () => this.checkOpen())
  }

  /** Lives through the day; ends early where a promise is broken. */
  live(): void {
    const end = this.world.hours * hour
    this.plan()
    this.time.advance(end)
    if (this.promises.broken !== undefined) return
    this.isOver = true
    this.human.goHome()
    for (const running of this.all) this.close(running, "stop")
    this.time.advance(end + 2 * hour)
    if (this.time.sleeping > 0) this.promises.break("I8", `${this.time.sleeping} timers are left`)
  }

  get report(): Report {
    const { askedAt, failures, lifecycles, requests, spending } = this.promises
    return {
      requests,
      asked: askedAt.length,
      failures,
      lifecycles,
      calls: this.calls,
      turnedAway: this.turnedAway,
      longestWait: this.longestWait,
      commands: this.store.commands,
      spent: spending?.spent ?? 0,
      logins: spending?.logins ?? 0,
      reused: this.endpoint.families.reused,
      askedAt,
      servedAt: this.all.flatMap(({ process: { servedAt } }) => servedAt === undefined ? [] : [servedAt])
    }
  }
}

/** A promise was broken; the message says how, what led to it, and how to see it again. */
export class Broken extends Error {
  override readonly name = "Broken"
}

/** Simulates a day; fails with what it takes to see a broken promise again. */
export const simulate = async (
  world: World,
  { watchFrom = Number.POSITIVE_INFINITY }: { readonly watchFrom?: number } = {}
): Promise<Report> => {
  const fleet = new Fleet(world)
  fleet.promises.watchFrom = watchFrom
  await fleet.make()
  fleet.live()
  const { broken, journal } = fleet.promises
  if (broken === undefined) return fleet.report
  throw new Broken([
    broken,
    "",
    ...journal.tail(5 * minute, 80),
    "",
    `world: ${JSON.stringify(world)}`,
    `again: npm run simulate -- ${world.again}`
  ].join("\n"))
}
