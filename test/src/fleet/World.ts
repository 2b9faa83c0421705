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
   * - `slow`: answers take longer than the lease
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

/** What a process gets done on its way from one refresh token to the next, in this order. */
export const steps = [
  "got the lock",
  "read the record",
  "marked the token",
  "sent the token",
  "had it taken",
  "got the answer",
  "stored the new token",
  "gave the lock back",
  "shared the access token"
] as const

export type Step = typeof steps[number]

/** The end of a process. */
export interface Crash {
  readonly at: number
  /**
   * - `holder`: whoever gets the lease next after `at`, that many milliseconds later
   * - `after`: whoever is the next to come this far with a refresh token
   */
  readonly who: number | { readonly holder: number } | { readonly after: Step }
  /** Killed on the spot, or stopped in good order. */
  readonly kind: "kill" | "stop"
  /** When the next process takes its place. */
  readonly downFor: number
}

/** An endpoint that takes each refresh token once, and takes whoever sends it again for a thief. */
export interface Rotation {
  /** What the library is told of it. */
  readonly known: "auto" | "always"
  /**
   * How a fleet without a refresh token comes by one:
   * - `grant`: it has a grant to fall back to
   * - `human`: somebody logs in, minutes later
   */
  readonly login: "grant" | "human"
  /** Whether access tokens are shared as well. Who has one of its own competes with all others for the refresh token. */
  readonly accessTokens: "shared" | "own"
}

/** Somebody sets a clock. */
export interface ClockStep {
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
  /** The part of the commands to the store that get lost, half of them on the way back. */
  readonly lostCommands: number
  /** How long an answer of the endpoint takes while it is slow. */
  readonly slowness: number
  readonly endpoint: ReadonlyArray<EndpointFault>
  readonly storeFaults: ReadonlyArray<StoreFault>
  /** When the store loses all it has. */
  readonly emptied: ReadonlyArray<number>
  readonly crashes: ReadonlyArray<Crash>
  readonly steps: ReadonlyArray<ClockStep>
  /** When the newest token is revoked. */
  readonly revocations: ReadonlyArray<number>
  /** Whether tokens are to be had for refresh tokens, which are shared through the store. */
  readonly rotation: Rotation | undefined
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
  lostCommands: 0,
  slowness: 12 * second,
  endpoint: [],
  storeFaults: [],
  emptied: [],
  crashes: [],
  steps: [],
  revocations: [],
  rotation: undefined,
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
  const renewal = lifetime - Math.min(5 * minute, lifetime / 4) - 8 * second
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
    lostCommands: 0,
    slowness: 12 * second,
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
      by: dice.oneOf(
        dice.between(-30 * second, 30 * second),
        dice.between(-4 * minute, 10 * minute),
        // by days, or by nearly a lifetime, when a new token seems to end when the old one does
        dice.oneOf(-48 * hour, -24 * hour, -lifetime, -lifetime + dice.between(-10 * minute, 10 * minute))
      )
    })),
    revocations: dice.some(with_(4), sometime),
    rotation: undefined,
    ...fixed
  }
}

/**
 * The same, and the clocks of all hosts are put back and forward by an hour or by a lifetime, again and again.
 * Steps come in pairs, forward and back or back and forward, as where a machine loses its time and gets it again.
 */
export const withClocksSet = (world: World): World => {
  const dice = new Dice(world.seed, 7)
  const end = (world.hours - 1) * hour
  const pairs = Array.from({ length: world.replicas }, (_, who) => {
    const by = dice.oneOf(-hour, hour, -world.lifetime, world.lifetime)
    const at = dice.between(minute, end)
    const until = Math.min(end, at + dice.oneOf(10 * second, minute, 10 * minute, hour))
    return [{ at, who, by }, { at: until, who, by: -by }]
  })
  return { ...world, again: `--clocks ${world.again}`, steps: pairs.flat() }
}

/** The same with refresh tokens that rotate, and processes that die on the way from one to the next. */
export const generateRotating = (seed: number, fixed: Partial<World> = {}): World => {
  const world = generate(seed, fixed)
  const dice = new Dice(seed, 6)
  const dying = dice.some(dice.oneOf(0, 8), (): Crash => ({
    at: dice.between(minute, (world.hours - 1) * hour),
    who: { after: dice.oneOf(...steps) },
    kind: dice.oneOf("kill", "kill", "stop"),
    downFor: dice.oneOf(second, minute, 20 * minute)
  }))
  return {
    ...world,
    again: `--rotating ${world.again}`,
    rotation: {
      known: dice.oneOf("auto", "always"),
      login: dice.oneOf("grant", "human"),
      accessTokens: dice.oneOf("shared", "own")
    },
    // some come with their answer when the lock has long been somebody else's
    deadline: dice.oneOf(8 * second, 8 * second, 30 * second),
    slowness: dice.oneOf(12 * second, 24 * second),
    lostCommands: dice.oneOf(0, 0, 0.01, 0.1),
    crashes: [...world.crashes, ...dying],
    ...fixed
  }
}

/** When tokens that live for an hour are renewed for the first time, at the earliest. */
const firstRenewal = 55 * minute - 15 * second

const named = (worlds: Readonly<Record<string, Partial<World>>>): Readonly<Record<string, World>> =>
  Object.fromEntries(
    Object.entries(worlds).map(([name, world]) => [
      name,
      quiet({ again: "--hard", replicas: 5, hours: 3, callEvery: minute, skew: 30 * second, ...world })
    ])
  )

/** Days on which the worst comes at the worst time, which is too rare in a random world. */
export const hard: Readonly<Record<string, World>> = named({
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
  "clocks are put back by about the life of a token": {
    steps: [-70, -65, -60, -55, -48 * 60].map((minutes, who) => ({
      at: firstRenewal - (who % 2) * 30 * minute,
      who,
      by: minutes * minute
    }))
  },
  "clocks are put back by an hour, and forward again": {
    steps: [0, 1, 2, 3, 4].flatMap((who) => [
      { at: 20 * minute + who * minute, who, by: -hour },
      { at: firstRenewal + 20 * minute + who * minute, who, by: hour }
    ])
  },
  "clocks are put forward by an hour, and back again": {
    steps: [0, 1, 2, 3, 4].flatMap((who) => [
      { at: 20 * minute + who * minute, who, by: hour },
      { at: firstRenewal + 20 * minute + who * minute, who, by: -hour }
    ])
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
})

/** One process after the other dies on its way to the next refresh token, each a step further than the one before. */
const dying = (kind: Crash["kind"]): Partial<World> => ({
  hours: steps.length + 2,
  callEvery: 5 * minute,
  crashes: steps.map((step, n) => ({ at: (n + 0.5) * hour, who: { after: step }, kind, downFor: minute }))
})

/** The same with refresh tokens that rotate. */
export const hardRotating: Readonly<Record<string, World>> = named({
  "one after the other is killed": {
    ...dying("kill"),
    rotation: { known: "auto", login: "grant", accessTokens: "shared" }
  },
  "one after the other is killed, and everybody has a token of its own": {
    ...dying("kill"),
    rotation: { known: "always", login: "human", accessTokens: "own" }
  },
  "one after the other is stopped": {
    ...dying("stop"),
    rotation: { known: "always", login: "human", accessTokens: "shared" }
  },
  "one after the other is stopped, and everybody has a token of its own": {
    ...dying("stop"),
    rotation: { known: "auto", login: "grant", accessTokens: "own" }
  },
  "answers come when the lock has long been somebody else's": {
    deadline: 30 * second,
    slowness: 24 * second,
    endpoint: [{ from: firstRenewal, length: 5 * minute, kind: "slow", retryAfter: undefined }],
    rotation: { known: "always", login: "human", accessTokens: "own" }
  },
  "commands to the store get lost": {
    lifetime: 2 * minute,
    hours: 1,
    lostCommands: 0.1,
    rotation: { known: "auto", login: "grant", accessTokens: "own" }
  },
  "the endpoint takes tokens and does not answer": {
    lostExchanges: 0.3,
    lifetime: 10 * minute,
    rotation: { known: "auto", login: "grant", accessTokens: "own" }
  },
  "the store loses all it has while tokens are renewed": {
    emptied: [1, 2, 3, 5, 8].map((n) => firstRenewal + n * second),
    rotation: { known: "auto", login: "grant", accessTokens: "own" }
  }
})

export const isDuring = (span: Span, now: number): boolean => now >= span.from && now < span.from + span.length
