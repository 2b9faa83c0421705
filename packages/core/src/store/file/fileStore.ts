// A store of tokens in files, for the processes of one machine.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { AccessToken } from "../../values/AccessToken.js"
import { isSame } from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import * as Digest from "../../values/Digest.js"
import * as random from "../../values/random.js"
import * as SharedWork from "../../values/SharedWork.js"
import type * as TokenError from "../../values/TokenError.js"
import type { Lease, Service } from "../contract.js"
import { StoreError } from "../contract.js"
import * as claims from "../leaseClaim.js"
import { finishing } from "../runToEnd.js"
import * as storedToken from "../storedToken.js"
import * as directories from "./directory.js"
import * as names from "./fileNames.js"

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

type Operation = StoreError["operation"]

/** The content of a token file after a removal. It is not empty, because a power failure leaves empty files. */
const tombstone = "removed"

/**
 * A listing takes a moment, in which files come and go. It can miss the highest lease only if so many leases come and
 * go in that moment.
 */
const leasesKept = 4

/**
 * A file system that does not answer for so long blocks one operation, but not those after it; a late change is fenced.
 */
const longestStep = "10 seconds"

/** How often an operation tries again after another process was faster. */
const rounds = 16

/**
 * The age in milliseconds from which a half-written file counts as abandoned: longer than any writer takes, and still a
 * short time for a token to be left there.
 */
const abandonedAfter = 60_000

/** No clock of a running host is ahead of another one by more than a day: a file from beyond that is nobody's. */
const furthestAhead = 24 * 60 * 60_000

/** How many abandoned files, and how many keys, one `put` examines. */
const sweptAtOnce = 8

/** How many names are remembered: `changes` has to find the key of a file. */
const namesKept = 1024

export const make = (options: {
  readonly directory: string
}): Effect.Effect<Service, TokenError.InvalidConfiguration, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const directory = yield* directories.open(options.directory)
    const own = yield* PubSub.sliding<string>(1024)
    const announce = (key: string) => PubSub.publish(own, key)
    // without it, all but one of many writers in this process would have to try again and again
    const alone = SharedWork.makeLock({ overdueAfter: longestStep }).withLock
    const isHeld = claims.observer()

    const keys = new Map<string, string>()
    const nameOf = (key: string) =>
      Effect.sync(() => {
        const name = Digest.nameOf(key)
        keys.set(name, key)
        if (keys.size > namesKept) keys.delete(keys.keys().next().value!)
        return name
      })

    // only the code of the error is kept
    const failing = (operation: Operation) => <A>(effect: Effect.Effect<A, StoreError | PlatformError>) =>
      Effect.mapError(effect, (error) =>
        isPlatformError(error)
          ? new StoreError({ operation, reason: "unavailable", detail: directories.trouble(error) })
          : error)

    const look = Effect.map(directory.list, names.parse)

    const claimOf = (name: string, fence: number) =>
      Effect.map(directory.read(names.lease(name, fence)), Option.map(claims.decode))

    /**
     * Whether a lease is running. A lease that can't be read counts as running from the time of its file on, for the
     * length of the lease that is asked for.
     */
    const isRunning = (name: string, fence: number, now: clocks.Now, length: number) =>
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

    /** The token stored under a name. Its file may be superseded, and deleted, before it is read. */
    const stored = (name: string) =>
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

    const supersede = (listing: names.Listing, name: string, current: names.Version) => {
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
    }

    /** When this process first saw a half-written file, by its steady clock. */
    let firstSeen = new Map<string, number>()
    let looked = 0
    const sweepTemporary = (files: ReadonlyArray<string>, now: clocks.Now) =>
      Effect.gen(function*() {
        firstSeen = new Map(files.slice(0, namesKept).map((file) => [file, firstSeen.get(file) ?? now.steady]))
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

    let swept = 0
    /** Each `put` deletes a few abandoned files and a few keys whose time is over: no other operation does. */
    const sweep = (listing: names.Listing, besides: string) =>
      Effect.gen(function*() {
        const now = yield* clocks.now
        yield* sweepTemporary(listing.files.filter(names.isTemporary), now)
        const others = listing.names.filter((name) => name !== besides)
        for (let count = Math.min(sweptAtOnce, others.length); count > 0; count--) {
          const name = others[swept++ % others.length]!
          const { leases, tokens } = listing.of(name)
          if (leases[0] !== undefined && (yield* isRunning(name, leases[0], now, abandonedAfter))) continue
          // an unreadable token stays: it may be of a version that other processes can read
          const here = yield* stored(name)
          if (
            here !== undefined && !(Either.isRight(here.token) && storedToken.isOver(here.token.right, now.wall))
          ) continue
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

    const acquire = (key: string, length: number) =>
      Effect.gen(function*() {
        const name = yield* nameOf(key)
        for (let round = 0; round < rounds; round++) {
          const now = yield* clocks.now
          const before = yield* look
          const [highest] = before.of(name).leases
          if (highest !== undefined && (yield* isRunning(name, highest, now, length))) return Option.none<Lease>()
          const fence = names.latest(before, name) + 1
          const owner = random.randomId()
          const claim = claims.encode(claims.make(owner, now.wall, length))
          if (!(yield* directory.create(names.lease(name, fence), claim))) return Option.none<Lease>()
          const after = yield* look
          if (after.of(name).leases[0] === fence && !after.floors.some((floor) => floor >= fence)) {
            return Option.some<Lease>({ key, owner, fence })
          }
          // there is a higher number, so this one will not be taken again
          yield* directory.remove(names.lease(name, fence))
        }
        return Option.none<Lease>()
      })

    const release = (lease: Lease) =>
      Effect.gen(function*() {
        const name = yield* nameOf(lease.key)
        const claim = Option.flatten(yield* claimOf(name, lease.fence))
        if (!Option.exists(claim, ({ owner, until }) => owner === lease.owner && until > 0)) return
        yield* directory.replace(names.lease(name, lease.fence), claims.encode(claims.ended(lease.owner)))
        yield* announce(lease.key)
      })

    /** Whether `lease` is the highest lease; if all lease files are gone, whether it could have been. */
    const isLatest = (listing: names.Listing, name: string, lease: Lease) => {
      const { leases, tokens } = listing.of(name)
      if (leases[0] === undefined) return Effect.succeed(names.latest(listing, name) <= lease.fence)
      if (leases[0] !== lease.fence || (tokens[0]?.fence ?? 0) > lease.fence) return Effect.succeed(false)
      return Effect.map(
        claimOf(name, lease.fence),
        (claim) => !Option.exists(Option.flatten(claim), ({ owner }) => owner !== lease.owner)
      )
    }

    const put = (token: AccessToken, lease: Lease) =>
      Effect.gen(function*() {
        const name = yield* nameOf(lease.key)
        const content = storedToken.encode(token)
        for (let round = 0; round < rounds; round++) {
          const listing = yield* look
          if (!(yield* isLatest(listing, name, lease))) return false
          const [highest] = listing.of(name).tokens
          const version = { fence: lease.fence, step: highest?.fence === lease.fence ? highest.step + 1 : 0 }
          if (!(yield* directory.create(names.token(name, version), content))) continue
          yield* Effect.ignore(Effect.zipRight(supersede(listing, name, version), sweep(listing, name)))
          yield* announce(lease.key)
          return true
        }
        return yield* new StoreError({ operation: "put", reason: "unavailable", detail: "others write all the time" })
      })

    const remove = (key: string, token: AccessToken) =>
      Effect.gen(function*() {
        const name = yield* nameOf(key)
        for (let round = 0; round < rounds; round++) {
          const here = yield* stored(name)
          if (here === undefined || Either.isLeft(here.token) || !isSame(here.token.right, token)) return
          const version = { fence: here.version.fence, step: here.version.step + 1 }
          if (!(yield* directory.create(names.token(name, version), tombstone))) continue
          yield* Effect.ignore(Effect.flatMap(look, (listing) => supersede(listing, name, version)))
          yield* announce(key)
          return
        }
      })

    const ofOthers = directory.touched.pipe(
      Stream.filterMap((file) => Option.fromNullable(keys.get(names.nameIn(file) ?? ""))),
      Stream.buffer({ capacity: 1024, strategy: "sliding" })
    )

    return {
      get: (key) =>
        Effect.gen(function*() {
          const here = yield* Effect.flatMap(nameOf(key), stored)
          if (here === undefined) return Option.none<AccessToken>()
          if (Either.isLeft(here.token)) {
            return yield* new StoreError({ operation: "get", reason: "unreadable", detail: here.token.left })
          }
          const now = yield* Clock.currentTimeMillis
          return Option.liftPredicate(here.token.right, (token) => !storedToken.isOver(token, now))
        }).pipe(failing("get")),
      put: (token, lease) => finishing(failing("put")(alone(put(token, lease)))),
      acquire: (key, ttl) =>
        finishing(
          failing("acquire")(alone(acquire(key, Duration.toMillis(ttl)))),
          Option.match({ onNone: () => Effect.void, onSome: (lease) => alone(release(lease)) })
        ),
      release: (lease) => finishing(failing("release")(alone(release(lease)))),
      remove: (key, token) => finishing(failing("remove")(alone(remove(key, token)))),
      changes: Stream.merge(Stream.fromPubSub(own), ofOthers)
    }
  })

const isPlatformError = (error: unknown): error is PlatformError =>
  typeof error === "object" && error !== null && "_tag" in error &&
  (error._tag === "SystemError" || error._tag === "BadArgument")
