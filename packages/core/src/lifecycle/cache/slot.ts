// The state of one key of the cache: the token it holds, and the request under way.
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as AccessToken from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import type { Flight } from "../../values/flight.js"
import type { Reason } from "../../values/TokenEvent.js"
import type { Life } from "./tokenLife.js"
import { bare, isOf, lastMoment, putBack, until } from "./tokenLife.js"

/** A token that may be served, and its life. */
export interface Held extends Life {
  readonly token: AccessToken.AccessToken
  readonly exit: Exit.Exit<AccessToken.AccessToken>
}

export const holding = (token: AccessToken.AccessToken, life: Life): Held => ({
  ...life,
  token,
  exit: Exit.succeed(token)
})

/** The held token, with its end corrected for a wall clock that was put back: other tokens are compared with this. */
export const current = (held: Held, now: Now): AccessToken.AccessToken => {
  const step = putBack(held, now)
  return step === 0 ? held.token : new AccessToken.AccessToken({
    ...held.token,
    expiresAt: Option.map(held.token.expiresAt, (expiresAt) => expiresAt - step)
  })
}

/** How many earlier tokens of a key are recognised if the server hands them out again, the held one not counted. */
const longestMemory = 3

/** What is remembered about a key after its slot was evicted. */
export interface Memory {
  readonly rejected: AccessToken.AccessToken | undefined
  readonly past: ReadonlyArray<Life>
}

/** Everything known about one key. A slot lives until the cache evicts it, and holds one token after another. */
export class Slot<E> {
  held: Held | undefined = undefined
  flight: Flight<AccessToken.AccessToken, E> | undefined = undefined
  /** From `from` to `until`, by the wall clock, the held token may be served without a new check of its life. */
  from = Number.POSITIVE_INFINITY
  until = Number.NEGATIVE_INFINITY
  /** When a caller last asked, by the steady clock. */
  lastUsed = 0
  /** What is remembered about failed attempts; absent after a success. */
  trouble: Trouble<E> | undefined
  /** The token most recently reported as refused. */
  rejected: AccessToken.AccessToken | undefined
  /** Whether the slot has a place in the cache: see `Slots`. */
  hasPlace = false
  /** Tokens held before, the latest first. */
  past: ReadonlyArray<Life>
  /** When the last token arrived that was not the held one. */
  acquiredAt: Now | undefined = undefined
  /** For so many milliseconds after `acquiredAt` no token request is sent. */
  pause = 0
  /** How many tokens in a row were refused in the first half of their life. */
  cutShort = 0
  /** Whether the attempt under way was made before `blockedUntil`, because the credentials have changed. */
  isEarly = false

  constructor(readonly key: string, memory?: Memory, trouble?: Trouble<E>) {
    this.trouble = trouble
    this.rejected = memory?.rejected
    this.past = memory?.past ?? none
  }

  hold(held: Held): void {
    if (this.held !== undefined && !isOf(this.held, held.token)) this.bury(this.held)
    this.held = held
    this.closeWindow()
  }

  drop(): void {
    if (this.held !== undefined) this.bury(this.held)
    this.held = undefined
    this.closeWindow()
  }

  /** What a later slot of this key needs to know. */
  get memory(): Memory | undefined {
    const past = this.held === undefined ? this.past : [bare(this.held), ...this.past].slice(0, longestMemory)
    return this.rejected === undefined && past.length === 0 ? undefined : { rejected: this.rejected, past }
  }

  /** Milliseconds until a token request may be sent. */
  blockedFor(now: Now): number {
    return Math.max(0, this.pauseFor(now), this.wait(this.trouble?.blockedUntil, now))
  }

  /** Milliseconds until a renewal ahead of need may be sent. */
  aheadFor(now: Now): number {
    return Math.max(0, this.pauseFor(now), this.wait(this.trouble?.aheadAfter, now))
  }

  /**
   * Milliseconds left of the pause. The clock that has advanced more counts, so the time a machine slept counts too.
   */
  private pauseFor(now: Now): number {
    return this.acquiredAt === undefined ? 0 : this.pause - Math.max(
      now.steady - this.acquiredAt.steady,
      now.wall - this.acquiredAt.wall
    )
  }

  private wait(moment: number | undefined, now: Now): number {
    if (moment === undefined) return 0
    const wait = moment - now.steady
    // the held token ends when either clock says so: the steady clock does not count the time a machine slept
    return this.held !== undefined && this.trouble?.isUntilEnd === true
      ? Math.min(wait, until(this.held, lastMoment(this.held), now))
      : wait
  }

  /** The life of a token that this slot holds or held before. */
  lifeOf(token: AccessToken.AccessToken): Life | undefined {
    return this.held !== undefined && isOf(this.held, token) ? this.held : this.past.find((life) => isOf(life, token))
  }

  /** Remembers the life of a token that is not held. */
  bury(life: Life): void {
    const others = this.past.filter((other) => !Equal.equals(other.value, life.value))
    this.past = [bare(life), ...others].slice(0, longestMemory)
  }

  /**
   * Called when the early refusals were not about the tokens: they do not show that another program uses this client.
   */
  forgive(): void {
    this.cutShort = 0
    this.pause = 0
  }

  private closeWindow(): void {
    this.from = Number.POSITIVE_INFINITY
    this.until = Number.NEGATIVE_INFINITY
  }
}

const none: ReadonlyArray<never> = []

/** Consecutive attempts that brought nothing new. Times are by the steady clock. */
export interface Trouble<E> {
  readonly failures: number
  /** The last failure; absent if the attempt brought a token that could not be used. */
  readonly failure: Exit.Exit<never, E> | undefined
  /** No renewal ahead of need is sent before this; never earlier than `blockedUntil`. */
  readonly aheadAfter: number
  /** No request at all is sent before this. */
  readonly blockedUntil: number
  /** Whether `blockedUntil` is the end of the held token. */
  readonly isUntilEnd?: boolean | undefined
  /** The token that was reported as refused, if the last attempt brought that very token. */
  readonly refusedAgain?: AccessToken.AccessToken | undefined
  /** Whether the last failure came from an attempt that was made early, because the credentials had changed. */
  readonly wasEarly?: boolean | undefined
}

/** One attempt to fill a slot. */
export interface Attempt {
  readonly key: string
  readonly reason: Reason
  readonly elapsed: number
  /** In [0, 1). */
  readonly random: number
  readonly now: Now
}

/** Whether the server has answered the report that `token` was refused with this token again. */
export const isRefusedAgain = <E>({ trouble }: Slot<E>, token: AccessToken.AccessToken): boolean =>
  trouble?.refusedAgain !== undefined && AccessToken.isSame(trouble.refusedAgain, token)

/** How many attempts in a row have failed, with the one that fails now. */
export const failuresOf = <E>(slot: Slot<E>): number => (slot.trouble?.failures ?? 0) + 1
