// The changes of a key in a key-value store: each reads the entries and then writes one, under the lock of the layer.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import { isSame } from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import * as random from "../../values/random.js"
import type { Lease } from "../contract.js"
import * as claims from "../leaseClaim.js"
import type { Claimed, Entries, Stored } from "./entries.js"
import type { Newest } from "./newest.js"

/** What a change works on. */
export interface Place {
  readonly tokens: Entries<Stored>
  readonly leases: Entries<Claimed>
  readonly newest: Newest
  readonly isHeld: ReturnType<typeof claims.observer>
  /** Tells that the state of a key has changed. */
  readonly announce: (key: string) => Effect.Effect<unknown>
}

/** `length` is that of the lease in milliseconds. */
export const acquire = (
  { isHeld, leases, tokens }: Place,
  key: string,
  length: number
): Effect.Effect<Option.Option<Lease>, unknown> =>
  Effect.gen(function*() {
    const now = yield* clocks.now
    const before = yield* leases.read(key)
    const claim = Option.flatMap(before, Either.getRight)
    if (Option.exists(claim, (claim) => isHeld(key, claim, now, length))) return Option.none<Lease>()
    const stored = yield* tokens.readable(key)
    // an unreadable entry hides its fence; the present time is above all earlier fences
    const fence = Math.max(fenceOf(claim) + 1, fenceOf(stored) + 1, Option.exists(before, Either.isLeft) ? now.wall : 0)
    const owner = random.randomId()
    yield* leases.write(key, { fence, ...claims.make(owner, now.wall, length) })
    // another process may have written at the same time: the entry that is there now counts
    const after = yield* leases.readable(key)
    return Option.exists(after, (it) => it.owner === owner)
      ? Option.some<Lease>({ key, owner, fence })
      : Option.none<Lease>()
  })

const fenceOf: (entry: Option.Option<Claimed | Stored>) => number = Option.match({
  onNone: () => 0,
  onSome: ({ fence }) => fence
})

export const release = ({ announce, leases }: Place, lease: Lease): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const claim = yield* leases.readable(lease.key)
    if (!Option.exists(claim, ({ owner, until }) => owner === lease.owner && until > 0)) return
    yield* leases.write(lease.key, { fence: lease.fence, ...claims.ended(lease.owner) })
    yield* announce(lease.key)
  })

/** `false` if another process has got a later lease. */
export const put = (
  { announce, leases, newest, tokens }: Place,
  token: AccessToken,
  { fence, key, owner }: Lease
): Effect.Effect<boolean, unknown> =>
  Effect.gen(function*() {
    const claim = yield* leases.readable(key)
    const stored = yield* tokens.readable(key)
    const isLate = Option.exists(claim, (it) => it.fence > fence || (it.fence === fence && it.owner !== owner)) ||
      Option.exists(stored, (it) => it.fence > fence)
    if (isLate) return false
    const before = newest.get(key)
    yield* tokens.write(key, { fence, token })
    const now = newest.get(key)
    // this took so long that somebody else had their turn: what they wrote is mended when it is read
    if (now !== undefined && now !== before && now.fence > fence) return false
    newest.note(key, { fence, token })
    yield* announce(key)
    return true
  })

/** Does nothing if another token is stored. */
export const remove = (
  { announce, newest, tokens }: Place,
  key: string,
  token: AccessToken
): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const stored = yield* tokens.readable(key)
    newest.forget(key, token)
    if (!Option.exists(stored, (it) => isSame(it.token, token))) return
    yield* tokens.remove(key)
    yield* announce(key)
  })
