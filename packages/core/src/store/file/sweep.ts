// Deletes files that nobody reads any more: superseded ones, half-written ones, and those of keys whose time is over.
import type { PlatformError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as clocks from "../../values/Clocks.js"
import * as storedToken from "../storedToken.js"
import type { Contents } from "./contents.js"
import * as names from "./fileNames.js"
import type { Directory } from "./files.js"

/**
 * A listing takes a moment, in which files come and go. It can miss the highest lease only if so many leases come and
 * go in that moment.
 */
const leasesKept = 4

/**
 * The age in milliseconds from which a half-written file counts as abandoned: longer than any writer takes, and still a
 * short time for a token to be left there.
 */
const abandonedAfter = 60_000

/** No clock of a running host is ahead of another one by more than a day: a file from beyond that is nobody's. */
const furthestAhead = 24 * 60 * 60_000

/** How many abandoned files, and how many keys, one `put` examines. */
const sweptAtOnce = 8

/** How many half-written files are remembered. */
const filesKept = 1024

export interface Sweep {
  /** Deletes the files of a key that are superseded by the token of that version. */
  readonly supersede: (
    listing: names.Listing,
    name: string,
    current: names.Version
  ) => Effect.Effect<void, PlatformError>
  /**
   * Deletes a few abandoned files and a few keys whose time is over, but not the key of the name `besides`. Each `put`
   * does this, and no other operation.
   */
  readonly sweep: (listing: names.Listing, besides: string) => Effect.Effect<void, PlatformError>
}

export const make = (directory: Directory, contents: Contents): Sweep => {
  const sweepTemporary = halfWritten(directory)
  const sweepKeys = keysThatAreOver(directory, contents)
  return {
    supersede: (listing, name, current) => {
      const { leases, tokens } = listing.of(name)
      return Effect.forEach(
        [
          ...tokens.filter((version) => names.compare(version, current) > 0).map((it) => names.token(name, it)),
          ...leases.slice(leasesKept).map((fence) => names.lease(name, fence)),
          ...listing.floors.slice(leasesKept).map(names.floor)
        ],
        directory.remove,
        { discard: true }
      )
    },
    sweep: (listing, besides) =>
      Effect.flatMap(clocks.now, (now) =>
        Effect.zipRight(
          sweepTemporary(listing.files.filter(names.isTemporary), now),
          sweepKeys(listing, besides, now)
        ))
  }
}

const halfWritten = (directory: Directory) => {
  /** When this process first saw a half-written file, by its steady clock. */
  let firstSeen = new Map<string, number>()
  let looked = 0
  return (files: ReadonlyArray<string>, now: clocks.Now): Effect.Effect<void, PlatformError> =>
    Effect.gen(function*() {
      firstSeen = new Map(files.slice(0, filesKept).map((file) => [file, firstSeen.get(file) ?? now.steady]))
      for (let count = Math.min(sweptAtOnce, files.length); count > 0; count--) {
        const file = files[looked++ % files.length]!
        const seen = firstSeen.get(file) ?? now.steady
        const at = yield* directory.modifiedAt(file)
        // a time in the future says nothing: the clock of who wrote it was ahead, or this one was put back
        if (
          now.steady - seen >= abandonedAfter ||
          Option.exists(at, (at) => at + abandonedAfter < now.wall || at > now.wall + furthestAhead)
        ) yield* directory.remove(file)
      }
    })
}

const keysThatAreOver = (directory: Directory, { isRunning, stored }: Contents) => {
  let swept = 0
  const isOver = (listing: names.Listing, name: string, now: clocks.Now) =>
    Effect.gen(function*() {
      const [highest] = listing.of(name).leases
      if (highest !== undefined && (yield* isRunning(name, highest, now, abandonedAfter))) return false
      // an unreadable token stays: it may be of a version that other processes can read
      const here = yield* stored(name)
      return here === undefined || (Either.isRight(here.token) && storedToken.isOver(here.token.right, now.wall))
    })
  return (listing: names.Listing, besides: string, now: clocks.Now): Effect.Effect<void, PlatformError> =>
    Effect.gen(function*() {
      const others = listing.names.filter((name) => name !== besides)
      for (let count = Math.min(sweptAtOnce, others.length); count > 0; count--) {
        const name = others[swept++ % others.length]!
        if (!(yield* isOver(listing, name, now))) continue
        const { leases, tokens } = listing.of(name)
        // the floor is created first: a process that acquires at this moment must find the floor or the lease files
        yield* directory.create(names.floor(names.latest(listing, name)), "")
        yield* Effect.forEach(
          [
            ...tokens.map((version) => names.token(name, version)),
            ...leases.map((fence) => names.lease(name, fence))
          ],
          directory.remove,
          { discard: true }
        )
      }
    })
}
