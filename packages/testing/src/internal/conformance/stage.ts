// What all scenarios of the conformance suite work with: time, tokens, leases.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as AccessToken from "effect-bearer/AccessToken"
import type * as TokenStore from "effect-bearer/TokenStore"
import type { Broken } from "./checks.js"
import { broken } from "./checks.js"
import type { Settings } from "./contract.js"

/** A scenario that has not yet got its two services. */
export interface Play {
  readonly name: string
  readonly play: (one: TokenStore.Service, other: TokenStore.Service) => Effect.Effect<void, unknown, Scope.Scope>
}

export interface Stage {
  /** Milliseconds: the length of a lease. */
  readonly unit: number
  /** How far off, in milliseconds, a time may be that the store gives back. */
  readonly tolerance: number
  readonly advance: (by: number) => Effect.Effect<void>
}

export const make = ({ advance, unit }: Settings): Stage => ({
  unit: unit ?? 10_000,
  tolerance: unit ?? 0,
  advance: advance ?? TestClock.adjust
})

/** The key of the scenarios that need one only. */
export const key = "tenant|users:read users:write"

export const hour = 3_600_000

/** A token that lives so many milliseconds from now; `null`: nobody knows how long. */
export const token = (value: string, lifetime: number | null = hour): Effect.Effect<AccessToken.AccessToken> =>
  Effect.map(
    Clock.currentTimeMillis,
    (now) => AccessToken.make({ value, issuedAt: now, ...(lifetime === null ? {} : { expiresAt: now + lifetime }) })
  )

export const secret = (token: AccessToken.AccessToken): string => Redacted.value(token.value)

/** The lease of a key that nobody has. */
export const held = (
  { unit }: Stage,
  store: TokenStore.Service,
  of = key
): Effect.Effect<TokenStore.Lease, Broken | TokenStore.StoreError> =>
  Effect.flatMap(
    store.acquire(of, unit),
    Option.match({ onNone: () => broken("a lease that nobody has is not given"), onSome: Effect.succeed })
  )

/** The secret value of the stored token. */
export const read = (
  store: TokenStore.Service,
  of = key
): Effect.Effect<string | undefined, TokenStore.StoreError> =>
  Effect.map(store.get(of), (token) => Option.getOrUndefined(Option.map(token, secret)))
