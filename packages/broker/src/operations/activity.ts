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

const seconds = 60

/** Requests by the second, for the last minute. */
class Minute {
  readonly #counts = new Float64Array(seconds)
  #last = 0

  add(now: number): void {
    const second = Math.floor(now / 1000)
    this.#forget(second)
    this.#counts[second % seconds]! += 1
  }

  total(now: number): number {
    this.#forget(Math.floor(now / 1000))
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  #forget(second: number): void {
    const gap = Math.min(seconds, second - this.#last)
    for (let i = 0; i < gap; i++) this.#counts[(second - i) % seconds] = 0
    if (gap > 0) this.#last = second
  }
}

interface Counter {
  readonly done: Done
  count: number
}

export class Activity {
  readonly #counters = new Map<string, Counter>()
  readonly #minutes = new Map<string, { readonly asked: Minute; readonly refused: Minute }>()
  readonly #events: Array<Happened> = []

  /** `now` is steady. */
  done(done: Done, now: number): void {
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

  lastMinute(
    kind: "profile" | "caller",
    name: string,
    now: number
  ): { readonly asked: number; readonly refused: number } {
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
      return `asking for a token (${event.reason})`
    case "TokenAcquired":
      return `a token arrived after ${event.elapsed} ms (${event.reason})`
    case "RefreshFailed":
      return event.message
    case "RetryScheduled":
      return `attempt ${event.attempt} failed (${event.error}), next in ${event.delay} ms`
    case "StoreFailed":
      return `the shared store: ${event.operation} ${event.reason}`
    case "TokenShared":
      return "another broker's token was taken from the shared store"
    case "RefreshingElsewhere":
      return "another broker is asking for the token"
    case "ScopeDrift":
      return `scopes not granted: ${event.missing.join(" ")}`
    default:
      return event._tag
  }
}
