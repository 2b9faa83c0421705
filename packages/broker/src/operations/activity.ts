/** What the broker has done: counters since it started, the last minute, and the last events. For metrics and the status page. */
import type { TokenEvent } from "effect-bearer/TokenEvent"

/** One request, when it is over. */
export interface Done {
  readonly surface: string
  readonly profile: string | undefined
  readonly caller: string | undefined
  /** `ok`, or why not. */
  readonly outcome: string
}

export interface Count extends Done {
  readonly count: number
}

/** How many requests were refused for one reason, before or after it was known who asked. */
export interface Refused {
  readonly reason: string
  readonly count: number
}

/** An event as the status page shows it: no text of a server in it but what the error says. */
export interface Happened {
  readonly at: number
  readonly profile: string | undefined
  readonly kind: string
  readonly isAnomaly: boolean
  readonly detail: string
}

const mostEvents = 100

/** Names come from the configuration only, so there are few; should that change, memory does not notice. */
const mostCounters = 20_000

const secondsKept = 60

/** Requests by the second, for the last minute. */
class Minute {
  readonly #counts = new Float64Array(secondsKept)
  #last = 0

  add(now: number): void {
    const second = Math.floor(now / 1000)
    this.#forget(second)
    this.#counts[second % secondsKept]! += 1
  }

  total(now: number): number {
    this.#forget(Math.floor(now / 1000))
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  #forget(second: number): void {
    const gap = Math.min(secondsKept, second - this.#last)
    for (let i = 0; i < gap; i++) this.#counts[(second - i) % secondsKept] = 0
    if (gap > 0) this.#last = second
  }
}

interface Counter {
  readonly done: Done
  count: number
}

export class Activity {
  /** By the steady clock. */
  readonly #now: () => number
  readonly #counters = new Map<string, Counter>()
  readonly #minutes = new Map<string, { readonly asked: Minute; readonly refused: Minute }>()
  readonly #events: Array<Happened> = []

  constructor(now: () => number) {
    this.#now = now
  }

  done(done: Done): void {
    const now = this.#now()
    const name = `${done.surface}\n${done.profile ?? ""}\n${done.caller ?? ""}\n${done.outcome}`
    let counter = this.#counters.get(name)
    if (counter === undefined) {
      if (this.#counters.size >= mostCounters) return
      this.#counters.set(name, counter = { done, count: 0 })
    }
    counter.count++
    if (done.profile !== undefined) this.#count(`profile ${done.profile}`, done.outcome, now)
    if (done.caller !== undefined) this.#count(`caller ${done.caller}`, done.outcome, now)
  }

  #count(name: string, outcome: string, now: number): void {
    let minutes = this.#minutes.get(name)
    if (minutes === undefined) {
      if (this.#minutes.size >= mostCounters) return
      this.#minutes.set(name, minutes = { asked: new Minute(), refused: new Minute() })
    }
    minutes.asked.add(now)
    if (outcome !== "ok") minutes.refused.add(now)
  }

  happened(event: Happened): void {
    this.#events.push(event)
    if (this.#events.length > mostEvents) this.#events.shift()
  }

  counts(): ReadonlyArray<Count> {
    return Array.from(this.#counters.values(), ({ count, done }) => ({ ...done, count }))
  }

  /** Since the start, the most frequent first. */
  refusals(): ReadonlyArray<Refused> {
    const counts = new Map<string, number>()
    for (const { count, done: { outcome } } of this.#counters.values()) {
      if (outcome !== "ok") counts.set(outcome, (counts.get(outcome) ?? 0) + count)
    }
    return Array.from(counts, ([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count)
  }

  lastMinute(
    kind: "profile" | "caller",
    name: string
  ): { readonly asked: number; readonly refused: number } {
    const now = this.#now()
    const minutes = this.#minutes.get(`${kind} ${name}`)
    return { asked: minutes?.asked.total(now) ?? 0, refused: minutes?.refused.total(now) ?? 0 }
  }

  events(): ReadonlyArray<Happened> {
    return this.#events
  }
}

/** What an event of a token says to a person. */
export const tell = (event: TokenEvent): string => {
  switch (event._tag) {
    case "AcquisitionStarted":
      return `asking for a token: ${reasons[event.reason]}`
    case "TokenAcquired":
      return `a token arrived after ${seconds(event.elapsed)}: ${reasons[event.reason]}`
    case "RefreshFailed":
      return event.message
    case "RequestAbandoned":
      return `a token request showed no sign of life for ${seconds(event.elapsed)} and was given up`
    case "RetryScheduled":
      return `attempt ${event.attempt} failed (${event.error}), the next one in ${seconds(event.delay)}`
    case "TokenRejected":
      return `an API refused the token, ${seconds(event.age)} old`
    case "RevokedEarly":
      return `an API refused the token, ${seconds(event.age)} old, before its end`
    case "TokenInactive":
      return `the server says that the token, ${seconds(event.age)} old, is not active`
    case "ClientUsedElsewhere":
      return `${event.refused} tokens in a row were refused when they were new: somebody else may use the same client. ` +
        "Share a store, or give each program a client of its own."
    case "FreshTokenRejected":
      return `${event.origin} refused a token that had just been renewed`
    case "SentWithoutToken":
      return `a request to ${event.origin} was sent without the token, which is for ${event.allowed}`
    case "ScopeDrift":
      return `scopes not granted: ${event.missing.join(" ")}`
    case "OverBroadScope":
      return `scopes wider than they should be: ${event.scopes.join(" ")}`
    case "NoProgress":
      return "the server gave the same token again, or one that lives no longer"
    case "LifetimeUnknown":
      return "the server stated no lifetime: the token is served until it is refused"
    case "KeyForgotten":
      return `not asked for in ${seconds(event.idle)}: not renewed until somebody asks again`
    case "CircuitOpened":
      return `${event.failures} failures in a row: the server is not asked for a while`
    case "CircuitClosed":
      return "the server answers again"
    case "Throttled":
      return `the token request waits ${seconds(event.delay)} for the rate limit`
    case "TokenShared":
      return "a token that another process had put into the shared store was taken"
    case "RefreshingElsewhere":
      return "another process asks for the token"
    case "LeaseLost":
      return "the token request took too long, and another process has taken over"
    case "StoreFailed":
      return `the shared store failed (${event.operation}, ${event.reason}): this process works alone`
    case "StoreRecovered":
      return `the shared store answers again, after ${seconds(event.elapsed)}`
  }
}

const reasons = {
  cold: "none was there",
  ahead: "the old one nears its end",
  expired: "the old one has ended",
  rejected: "an API refused the old one"
} as const

/** Milliseconds below ten seconds, whole seconds above. */
const seconds = (millis: number): string =>
  millis < 10_000 ? `${Math.round(millis)} ms` : `${Math.round(millis / 1000)} s`
