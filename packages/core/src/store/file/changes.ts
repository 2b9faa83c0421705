// The changes of the state of a key: each creates a file, and nothing is locked.
import type { PlatformError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import { isSame } from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import * as random from "../../values/random.js"
import type { Lease } from "../contract.js"
import { StoreError } from "../contract.js"
import * as claims from "../leaseClaim.js"
import * as storedToken from "../storedToken.js"
import type { Contents } from "./contents.js"
import { rounds, tombstone } from "./contents.js"
import * as names from "./fileNames.js"
import type { Directory } from "./files.js"
import type { Sweep } from "./sweep.js"

// There is no lock, because its holder may die. Every change creates a new file with a number in its name, and if
// several processes create the same file, the system lets one succeed.
//
// Acquire: list the files; if the highest lease is over, create the lease with the next number; list again. The second
// listing is for a process that was held up in between, while others took that number, ended the lease, and deleted the
// file: then there is a higher number, and this process gives its lease back. So two processes never hold a lease at
// once: the one with the lower number would have seen the higher number, or the file that led to it, in its second
// listing; and the one with the higher number would have seen the lower lease, still running, in its first. (I11)
//
// Put and remove: the state of a key under lease n has steps; the next step is created. Readers take the highest step
// of the highest lease, so a file that a late holder creates is lower than later ones, and is not read.
//
// Superseded files are deleted, but never the highest of its kind: numbers would start again, and a late holder could
// look like a new one. When all files of a key are deleted, the number it had reached becomes the floor: no key starts
// with a number below it.

/** What a change works on. */
export interface Place {
  readonly directory: Directory
  readonly contents: Contents
  readonly sweep: Sweep
  readonly nameOf: (key: string) => string
  /** Tells that the state of a key has changed. */
  readonly announce: (key: string) => Effect.Effect<unknown>
}

/** `length` is that of the lease in milliseconds. */
export const acquire = (
  { contents, directory, nameOf }: Place,
  key: string,
  length: number
): Effect.Effect<Option.Option<Lease>, PlatformError> =>
  Effect.gen(function*() {
    const name = nameOf(key)
    for (let round = 0; round < rounds; round++) {
      const now = yield* clocks.now
      const before = yield* contents.look
      const [highest] = before.of(name).leases
      if (highest !== undefined && (yield* contents.isRunning(name, highest, now, length))) return Option.none<Lease>()
      const fence = names.latest(before, name) + 1
      const owner = random.randomId()
      const claim = claims.encode(claims.make(owner, now.wall, length))
      if (!(yield* directory.create(names.lease(name, fence), claim))) return Option.none<Lease>()
      const after = yield* contents.look
      if (after.of(name).leases[0] === fence && !after.floors.some((floor) => floor >= fence)) {
        return Option.some<Lease>({ key, owner, fence })
      }
      // there is a higher number, so this one will not be taken again
      yield* directory.remove(names.lease(name, fence))
    }
    return Option.none<Lease>()
  })

export const release = (
  { announce, contents, directory, nameOf }: Place,
  lease: Lease
): Effect.Effect<void, PlatformError> =>
  Effect.gen(function*() {
    const name = nameOf(lease.key)
    const claim = Option.flatten(yield* contents.claimOf(name, lease.fence))
    if (!Option.exists(claim, ({ owner, until }) => owner === lease.owner && until > 0)) return
    yield* directory.replace(names.lease(name, lease.fence), claims.encode(claims.ended(lease.owner)))
    yield* announce(lease.key)
  })

/** `false` if another process has got a later lease. */
export const put = (
  { announce, contents, directory, nameOf, sweep }: Place,
  token: AccessToken,
  lease: Lease
): Effect.Effect<boolean, StoreError | PlatformError> =>
  Effect.gen(function*() {
    const name = nameOf(lease.key)
    const content = storedToken.encode(token)
    for (let round = 0; round < rounds; round++) {
      const listing = yield* contents.look
      if (!(yield* contents.isLatest(listing, name, lease))) return false
      const [highest] = listing.of(name).tokens
      const version = { fence: lease.fence, step: highest?.fence === lease.fence ? highest.step + 1 : 0 }
      if (!(yield* directory.create(names.token(name, version), content))) continue
      yield* Effect.ignore(Effect.zipRight(sweep.supersede(listing, name, version), sweep.sweep(listing, name)))
      yield* announce(lease.key)
      return true
    }
    return yield* new StoreError({ operation: "put", reason: "unavailable", detail: "others write all the time" })
  })

/** Does nothing if another token is stored. */
export const remove = (
  { announce, contents, directory, nameOf, sweep }: Place,
  key: string,
  token: AccessToken
): Effect.Effect<void, PlatformError> =>
  Effect.gen(function*() {
    const name = nameOf(key)
    for (let round = 0; round < rounds; round++) {
      const here = yield* contents.stored(name)
      if (here === undefined || Either.isLeft(here.token) || !isSame(here.token.right, token)) return
      const version = { fence: here.version.fence, step: here.version.step + 1 }
      if (!(yield* directory.create(names.token(name, version), tombstone))) continue
      yield* Effect.ignore(Effect.flatMap(contents.look, (listing) => sweep.supersede(listing, name, version)))
      yield* announce(key)
      return
    }
  })
