import type { Runtime, Scope } from "effect"
import type { RefreshToken, TokenError, TokenSource } from "effect-bearer"
import type { HostClock } from "../VirtualTime.js"
import type { Refresh } from "./Families.js"

/** A token as the endpoint remembers it. Moments are by virtual time, the only clock that is right. */
export interface Issued {
  readonly number: number
  readonly value: string
  readonly by: Process
  /** When it was asked for: what its owner counts its life from. */
  readonly sentAt: number
  /** When the endpoint made it. */
  readonly at: number
  readonly expiresAt: number
  /** The lease it was asked for with. */
  readonly lease: HeldLease | undefined
  /** The refresh token that came with it. */
  readonly refresh: Refresh | undefined
  revokedAt: number | undefined
  /** Its owner got to see it. */
  delivered: boolean
  /** It reached the store. */
  stored: boolean
}

/** A lease as seen from the store: whose it is, and how it ended. */
export interface HeldLease {
  readonly key: string
  readonly owner: string
  readonly by: Process
  readonly fence: number
  readonly until: number
  released: boolean
}

/** One process of the fleet, from its start to its end, and what the others can know of it. */
export class Process {
  up = false
  /** It neither sends nor receives anything any more. */
  dead = false
  /** It did not get to put its things in order. */
  killed = false
  /** Since when it is there. */
  since = 0
  /** When it last saw a command to the store fail. */
  troubleAt = Number.NEGATIVE_INFINITY
  /** When the store first, and last, told it that somebody else has the lease. */
  deniedSince = Number.POSITIVE_INFINITY
  deniedAt = Number.NEGATIVE_INFINITY
  /** When it was last refused a lease of any kind, which is what makes it wait. */
  refusedAt = Number.NEGATIVE_INFINITY
  /** The token that its callers were given last, unless they have reported it as refused. */
  holding: Issued | undefined = undefined
  readonly rejected = new Set<string>()
  /** When it first came by a token that was made at or after the moment that a measurement is about. */
  servedAt: number | undefined = undefined

  constructor(
    readonly name: string,
    /** The machine: processes that follow one another on it have the same clocks. */
    readonly host: number,
    readonly clock: HostClock
  ) {}
}

/** A process with its token source, ready to start. */
export interface Running {
  readonly process: Process
  readonly tokens: TokenSource.With<TokenError.TokenError>
  /** Where its refresh token is. */
  readonly refreshTokens: RefreshToken.Store | undefined
  readonly runtime: Runtime.Runtime<never>
  readonly scope: Scope.CloseableScope
}
