// Reads what the files of a key say: whether a lease is running, whose it is, and which token is stored.
import type { PlatformError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import type * as clocks from "../../values/Clocks.js"
import type { Lease } from "../contract.js"
import * as claims from "../leaseClaim.js"
import * as storedToken from "../storedToken.js"
import * as names from "./fileNames.js"
import type { Directory } from "./files.js"

/** How often an operation tries again after another process was faster. */
export const rounds = 16

/** The content of a token file after a removal. It is not empty, because a power failure leaves empty files. */
export const tombstone = "removed"

/** The token under a name, or on the left why it cannot be used. */
export interface Stored {
  readonly version: names.Version
  readonly token: Either.Either<AccessToken, string>
}

export interface Contents {
  /** Lists the files. */
  readonly look: Effect.Effect<names.Listing, PlatformError>
  /** What a lease file says: the outer `None` is for a missing file, the inner one for a file that cannot be read. */
  readonly claimOf: (
    name: string,
    fence: number
  ) => Effect.Effect<Option.Option<Option.Option<claims.Claim>>, PlatformError>
  /**
   * Whether a lease is running. A lease that can't be read counts as running from the time of its file on, for the
   * length of the lease that is asked for, in milliseconds.
   */
  readonly isRunning: (
    name: string,
    fence: number,
    now: clocks.Now,
    length: number
  ) => Effect.Effect<boolean, PlatformError>
  /** Whether `lease` is the highest lease; if all lease files are gone, whether it could have been. */
  readonly isLatest: (listing: names.Listing, name: string, lease: Lease) => Effect.Effect<boolean, PlatformError>
  /** The token stored under a name. Its file may be superseded, and deleted, before it is read. */
  readonly stored: (name: string) => Effect.Effect<Stored | undefined, PlatformError>
}

export const make = (directory: Directory): Contents => {
  const isHeld = claims.observer()
  const look = Effect.map(directory.list, names.parse)

  const claimOf: Contents["claimOf"] = (name, fence) =>
    Effect.map(directory.read(names.lease(name, fence)), Option.map(claims.decode))

  const isRunning: Contents["isRunning"] = (name, fence, now, length) =>
    Effect.flatMap(
      claimOf(name, fence),
      Option.match({
        onNone: () => Effect.succeed(false),
        onSome: Option.match({
          onNone: () =>
            Effect.map(
              directory.modifiedAt(names.lease(name, fence)),
              Option.exists((at) => isHeld(name, claims.make("", at, length), now, length))
            ),
          onSome: (claim) => Effect.sync(() => isHeld(name, claim, now, length))
        })
      })
    )

  const isLatest: Contents["isLatest"] = (listing, name, lease) => {
    const { leases, tokens } = listing.of(name)
    if (leases[0] === undefined) return Effect.succeed(names.latest(listing, name) <= lease.fence)
    if (leases[0] !== lease.fence || (tokens[0]?.fence ?? 0) > lease.fence) return Effect.succeed(false)
    return Effect.map(
      claimOf(name, lease.fence),
      (claim) => !Option.exists(Option.flatten(claim), ({ owner }) => owner !== lease.owner)
    )
  }

  const stored: Contents["stored"] = (name) =>
    Effect.gen(function*() {
      for (let round = 0; round < rounds; round++) {
        const [version] = (yield* look).of(name).tokens
        if (version === undefined) return undefined
        const file = names.token(name, version)
        const content = yield* directory.read(file)
        if (Option.isNone(content)) continue
        if (content.value === tombstone) return undefined
        const objection = yield* directory.objection(file)
        const token = objection === undefined ? storedToken.decode(content.value) : Either.left(objection)
        return { version, token }
      }
      return undefined
    })

  return { look, claimOf, isRunning, isLatest, stored }
}
