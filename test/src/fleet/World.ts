/** What happens in one simulated day: all of it follows from a seed. */
import { Utils } from "effect"

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute

interface Span {
  readonly from: number
  readonly length: number
}

/** A time of trouble at the token endpoint. */
export interface EndpointFault extends Span {
  /**
   * - `down`: 503; with a `Retry-After` if there is one
   * - `throttled`: 429 with a `Retry-After`
   * - `silent`: requests are swallowed
   * - `slow`: answers take 12 seconds, longer than the lease
   */
  readonly kind: "down" | "throttled" | "silent" | "slow"
  readonly retryAfter: number | undefined
}

/** A time of trouble with the store, for all or for a part of the fleet. */
export interface StoreFault extends Span {
  /**
   * - `down`: refuses connections
   * - `silent`: swallows commands
   * - `slow`: carries them out, seconds later
   * - `readonly`: reads only
   */
  readonly kind: "down" | "silent" | "slow" | "readonly"
  /** From 0 to 1: the part of the fleet that is concerned. */
  readonly share: number
}

/** The end of a process. */
export interface Crash {
  readonly at: number
  /** `holder`: whoever gets the lease next after `at`, that many milliseconds later. */
  readonly who: number | { readonly holder: number }
  /** Killed on the spot, or stopped in good order. */
  readonly kind: "kill" | "stop"
  /** When the next process takes its place. */
  readonly downFor: number
}

/**
 * Somebody sets a clock. Not back by more than a few minutes: the library compares the ends of a held and of a stored
 * token by the wall clock, and after a step of nearly a lifetime back it takes a newer token for one that ends earlier,
 * and asks for one of its own.
 */
export interface Step {
  readonly at: number
  readonly who: number
  readonly by: number
}

export interface World {
  /** What to give to `npm run simulate` to see it again. */
  readonly again: string
  readonly seed: number
  readonly replicas: number
  readonly hours: number
  /** Whether there is a store at all. */
  readonly store: boolean
  /** Of the tokens. */
  readonly lifetime: number
  /** How long a replica waits for an answer of the endpoint; its lease is 10 seconds. */
  readonly deadline: number
  /** Callers of a replica come this often on average. */
  readonly callEvery: number
  /** The part of the callers that come in threes, one of whom leaves again soon. */
  readonly impatient: number
  /** Clocks are off by as much as this, either way. */
  readonly skew: number
  /** Clocks run fast or slow by as much as this part. */
  readonly drift: number
  /** The part of the store's announcements that get lost. */
  readonly lostAnnouncements: number
  /** The part of the exchanges with the endpoint that get lost, half of them on the way back. */
  readonly lostExchanges: number
  readonly endpoint: ReadonlyArray<EndpointFault>
  readonly storeFaults: ReadonlyArray<StoreFault>
  /** When the store loses all it has. */
  readonly emptied: ReadonlyArray<number>
  readonly crashes: ReadonlyArray<Crash>
  readonly steps: ReadonlyArray<Step>
  /** When the newest token is revoked. */
  readonly revocations: ReadonlyArray<number>
}

/** Numbers that a seed decides. Each part of a world has its own, so that one does not disturb the others. */
export class Dice {
  private readonly prng: Utils.PCGRandom
  constructor(seed: number, part: number) {
    this.prng = new Utils.PCGRandom(seed, part)
  }
  /** From 0 to 1. */
  next(): number {
    return this.prng.number()
  }
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low))
  }
  oneOf<A>(...choices: ReadonlyArray<A>): A {
    return choices[this.between(0, choices.length)]!
  }
  chance(probability: number): boolean {
    return this.next() < probability
  }
  some<A>(most: number, make: () => A): ReadonlyArray<A> {
    return Array.from({ length: this.between(0, most + 1) }, make)
  }
}

/** A day without any trouble. */
export const quiet = (world: Partial<World> = {}): World => ({
  again: `--quiet --seed ${world.seed ?? 1} --replicas ${world.replicas ?? 1} --hours ${world.hours ?? 24}`,
  seed: 1,
  replicas: 1,
  hours: 24,
  store: true,
  lifetime: hour,
  deadline: 8 * second,
  callEvery: 15 * minute,
  impatient: 0,
  skew: 0,
  drift: 0,
  lostAnnouncements: 0,
  lostExchanges: 0,
  endpoint: [],
  storeFaults: [],
  emptied: [],
  crashes: [],
  steps: [],
  revocations: [],
  ...world
})

/** A day with a bit of everything. */
export const generate = (seed: number, fixed: Partial<World> = {}): World => {
  const dice = new Dice(seed, 1)
  const hours = fixed.hours ?? 24
  const drawn = dice.oneOf(1, 2, 3, 5, 8, 13, 21, 34, 50)
  const replicas = fixed.replicas ?? drawn
  const sometime = () => dice.between(minute, (hours - 1) * hour)
  // what a world knows nothing of cannot hide what goes wrong without it
  const with_ = (most: number) => dice.chance(0.5) ? most : 0
  // short lives of large fleets take long to simulate, and show nothing new
  const lifetime = replicas > 8 ? dice.oneOf(hour, 5 * hour) : dice.oneOf(10 * minute, hour, 5 * hour)
  // trouble at any other time than when tokens are renewed is soon over and seen by nobody
  const renewal = lifetime - Math.min(5 * minute, lifetime / 2) - 8 * second
  const atRenewal = () => Math.min(dice.between(1, 4) * renewal, (hours - 1) * hour) - dice.between(0, 30 * second)
  const anytime = () => dice.chance(0.5) ? atRenewal() : sometime()
  return {
    again: `--seed ${seed} --replicas ${replicas} --hours ${hours}`,
    seed,
    replicas,
    hours,
    store: true,
    lifetime,
    deadline: dice.oneOf(8 * second, 8 * second, 20 * second),
    callEvery: replicas > 8 ? dice.oneOf(5 * minute, 15 * minute) : dice.oneOf(minute, 5 * minute, 15 * minute),
    impatient: dice.oneOf(0, 0.2),
    skew: dice.oneOf(0, 30 * second),
    drift: dice.oneOf(0, 1e-4),
    lostAnnouncements: dice.oneOf(0, 0.1, 1),
    lostExchanges: dice.oneOf(0, 0, 0.05),
    endpoint: dice.some(with_(4), () => ({
      from: anytime(),
      length: dice.oneOf(10 * second, 4 * minute, 20 * minute, replicas > 3 ? hour / 2 : 2 * hour),
      kind: dice.oneOf("down", "throttled", "silent", "slow", "slow"),
      retryAfter: dice.oneOf(undefined, 5 * second, 60 * second)
    })),
    storeFaults: dice.some(with_(4), () => ({
      from: anytime(),
      length: dice.oneOf(2 * second, 30 * second, 10 * minute, hour),
      kind: dice.oneOf("down", "silent", "slow", "readonly"),
      share: dice.oneOf(1, 1, 0.3, 0.7)
    })),
    emptied: dice.some(with_(2), anytime),
    crashes: dice.some(with_(8), () => ({
      at: sometime(),
      who: dice.oneOf<Crash["who"]>(dice.between(0, replicas), { holder: dice.between(0, 400) }),
      kind: dice.oneOf("kill", "kill", "stop"),
      downFor: dice.oneOf(second, minute, 20 * minute)
    })),
    steps: dice.some(with_(3), () => ({
      at: sometime(),
      who: dice.between(0, replicas),
      by: dice.oneOf(dice.between(-30 * second, 30 * second), dice.between(-4 * minute, 10 * minute))
    })),
    revocations: dice.some(with_(4), sometime),
    ...fixed
  }
}

/** When tokens that live for an hour are renewed for the first time, at the earliest. */
const firstRenewal = 55 * minute - 15 * second

/** Days on which the worst comes at the worst time, which is too rare in a random world. */
export const hard: Readonly<Record<string, World>> = Object.fromEntries(
  Object.entries<Partial<World>>({
    "the endpoint is away while tokens are renewed": {
      endpoint: [{ from: firstRenewal, length: 3 * minute, kind: "down", retryAfter: undefined }]
    },
    "exchanges outlast the lease": {
      deadline: 20 * second,
      endpoint: [{ from: firstRenewal, length: 5 * minute, kind: "slow", retryAfter: undefined }]
    },
    "exchanges fail when the lease is over": {
      deadline: 20 * second,
      endpoint: [{ from: firstRenewal, length: 5 * minute, kind: "silent", retryAfter: undefined }]
    },
    "clocks are put back while tokens end": {
      endpoint: [{ from: firstRenewal, length: 20 * minute, kind: "down", retryAfter: undefined }],
      steps: [0, 1, 2, 3, 4].map((who) => ({ at: firstRenewal + minute, who, by: -4 * minute }))
    },
    "one holder after the other dies, and nobody hears of it": {
      lostAnnouncements: 1,
      crashes: [100, 200, 150].map((holder) => ({ at: firstRenewal, who: { holder }, kind: "kill", downFor: minute }))
    },
    "the store is away while tokens are renewed": {
      storeFaults: [{ from: firstRenewal, length: 20 * minute, kind: "silent", share: 0.7 }],
      emptied: [firstRenewal + 40 * minute]
    },
    "a token is revoked while there is no other to be had": {
      endpoint: [{ from: 20 * minute, length: 10 * minute, kind: "throttled", retryAfter: 60 * second }],
      revocations: [22 * minute]
    }
  }).map(([name, world]) => [
    name,
    quiet({ again: "--hard", replicas: 5, hours: 3, callEvery: minute, skew: 30 * second, ...world })
  ])
)

export const isDuring = (span: Span, now: number): boolean => now >= span.from && now < span.from + span.length
