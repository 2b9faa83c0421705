// A store of tokens in a `KeyValueStore`, such as files of one machine.
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { AccessToken } from "../values/AccessToken.js"
import { isSame } from "../values/AccessToken.js"
import * as clocks from "../values/Clocks.js"
import * as Digest from "../values/Digest.js"
import * as json from "../values/json.js"
import * as random from "../values/random.js"
import * as SharedWork from "../values/SharedWork.js"
import type { Lease, Service } from "./contract.js"
import { isStoreError, StoreError } from "./contract.js"
import * as claims from "./leaseClaim.js"
import { finishing } from "./runToEnd.js"
import * as storedToken from "./storedToken.js"

// Two entries per key: the lease (which stays, because it keeps the fence) and the token with the fence it came under.
// A key-value store has no compare-and-set, so a change is read, then written. Within the layer no other change comes
// between; a change from outside may, and the fence limits its effect.

type Operation = StoreError["operation"]

interface Claimed extends claims.Claim {
  readonly fence: number
}

interface Stored {
  readonly fence: number
  readonly token: AccessToken
}

/** A store that does not answer for so long blocks one operation, but not those after it; a late change is fenced. */
const longestStep = "10 seconds"

/** How many keys are remembered. */
const keysKept = 1024

/** On the left the problem with the entry. */
type Entry<A> = Either.Either<A, string>

const fields = (text: string): json.Members => Option.getOrElse(json.object(text), () => ({}))

/** The limit is far above any real number, and the next number is still a whole one. Other values are not accepted. */
const isFence = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 2 ** 52

const decodeToken = (text: string): Entry<Stored> => {
  const { fence, token } = fields(text)
  return !isFence(fence) || typeof token !== "string"
    ? Either.left("it is no entry of this store")
    : Either.map(storedToken.decode(token), (token) => ({ fence, token }))
}

const decodeLease = (text: string): Entry<Claimed> => {
  const { claim, fence } = fields(text)
  return !isFence(fence) || typeof claim !== "string"
    ? Either.left("it is no entry of this store")
    : Either.map(Either.fromOption(claims.decode(claim), () => "it holds no lease"), (claim) => ({ fence, ...claim }))
}

const encodeToken = ({ fence, token }: Stored): string => JSON.stringify({ fence, token: storedToken.encode(token) })

const encodeLease = ({ fence, ...claim }: Claimed): string => JSON.stringify({ fence, claim: claims.encode(claim) })

/** The reasons of errors of `@effect/platform`. */
const reasons = new Set([
  ...["AlreadyExists", "BadResource", "Busy", "InvalidData", "NotFound", "PermissionDenied", "TimedOut"],
  ...["UnexpectedEof", "Unknown", "WouldBlock", "WriteZero"]
])

/** Nothing else of an error is kept: it may show the value that was to be written. */
const failing = (operation: Operation) => <A>(effect: Effect.Effect<A, unknown>): Effect.Effect<A, StoreError> =>
  Effect.mapError(effect, (error) => {
    if (isStoreError(error)) return error
    const reason = Predicate.hasProperty(error, "reason") && typeof error.reason === "string" ? error.reason : ""
    const detail = `the key-value store failed${reasons.has(reason) ? `: ${reason}` : ""}`
    return new StoreError({ operation, reason: "unavailable", detail })
  })

export const make: Effect.Effect<Service, never, KeyValueStore.KeyValueStore> = Effect.gen(function*() {
  const store = yield* KeyValueStore.KeyValueStore
  const alone = SharedWork.makeLock({ overdueAfter: longestStep }).withLock
  const isHeld = claims.observer()
  const changes = yield* PubSub.sliding<string>(1024)
  const announce = (key: string) => PubSub.publish(changes, key)

  // names of one length that are valid file names; the keys themselves may be long
  const nameOf = (kind: "token" | "lease", key: string) => `effect-bearer.${kind}.${Digest.nameOf(key)}`

  const entry = <A>(kind: "token" | "lease", decode: (text: string) => Entry<A>) => ({
    read: (key: string): Effect.Effect<Option.Option<Entry<A>>, unknown> =>
      Effect.map(Effect.suspend(() => store.get(nameOf(kind, key))), Option.map(decode)),
    write: (key: string, text: string) => Effect.suspend(() => store.set(nameOf(kind, key), text)),
    remove: (key: string) => Effect.suspend(() => store.remove(nameOf(kind, key)))
  })
  const tokens = entry("token", decodeToken)
  const leases = entry("lease", decodeLease)

  /** An entry that can't be read counts as such, and the next token or lease overwrites it. */
  const readable = <A>(read: Effect.Effect<Option.Option<Entry<A>>, unknown>) =>
    Effect.map(read, Option.flatMap(Either.getRight))

  // The newest token that was put from here, by key. The store may carry out an older write late, over a newer one.
  const newest = new Map<string, Stored>()
  const note = (key: string, stored: Stored): void => {
    newest.delete(key)
    newest.set(key, stored)
    if (newest.size > keysKept) newest.delete(newest.keys().next().value!)
  }

  /** What counts as stored under a key, if `found` is there: an older token than was put from here is replaced again. */
  const mended = (key: string, found: Stored): Effect.Effect<Stored, unknown> =>
    Effect.gen(function*() {
      const newer = newest.get(key)
      if (newer === undefined || newer.fence <= found.fence) return found
      const claim = yield* readable(leases.read(key))
      if (!Option.exists(claim, ({ fence }) => fence >= newer.fence)) {
        // the entries were deleted, and the numbers begin anew
        newest.delete(key)
        return found
      }
      yield* Effect.ignore(tokens.write(key, encodeToken(newer)))
      return newer
    })

  const change = <A>(
    operation: Operation,
    steps: Effect.Effect<A, unknown>,
    undo?: (result: A) => Effect.Effect<unknown, unknown>
  ): Effect.Effect<A, StoreError> => finishing(failing(operation)(alone(steps)), undo)

  const release = (lease: Lease) =>
    change(
      "release",
      Effect.gen(function*() {
        const claim = yield* readable(leases.read(lease.key))
        if (!Option.exists(claim, ({ owner, until }) => owner === lease.owner && until > 0)) return
        yield* leases.write(lease.key, encodeLease({ fence: lease.fence, ...claims.ended(lease.owner) }))
        yield* announce(lease.key)
      })
    )

  return {
    get: (key) =>
      Effect.gen(function*() {
        const stored = yield* alone(Effect.flatMap(tokens.read(key), (stored) =>
          Option.isSome(stored) && Either.isRight(stored.value)
            ? Effect.map(mended(key, stored.value.right), (stored) => Option.some(Either.right(stored)))
            : Effect.succeed(stored)))
        if (Option.isNone(stored)) {
          return Option.none<AccessToken>()
        }
        if (Either.isLeft(stored.value)) {
          return yield* new StoreError({ operation: "get", reason: "unreadable", detail: stored.value.left })
        }
        const now = yield* Clock.currentTimeMillis
        const { token } = stored.value.right
        return storedToken.isOver(token, now) ? Option.none() : Option.some(token)
      }).pipe(failing("get")),

    put: (token, lease) =>
      change(
        "put",
        Effect.gen(function*() {
          const { fence, key, owner } = lease
          const claim = yield* readable(leases.read(key))
          const stored = yield* readable(tokens.read(key))
          const isLate = Option.exists(claim, (it) => it.fence > fence || (it.fence === fence && it.owner !== owner)) ||
            Option.exists(stored, (it) => it.fence > fence)
          if (isLate) return false
          const before = newest.get(key)
          yield* tokens.write(key, encodeToken({ fence, token }))
          const now = newest.get(key)
          // this took so long that somebody else had their turn: what they wrote is mended when it is read
          if (now !== undefined && now !== before && now.fence > fence) return false
          note(key, { fence, token })
          yield* announce(key)
          return true
        })
      ),

    acquire: (key, ttl) =>
      change(
        "acquire",
        Effect.gen(function*() {
          const now = yield* clocks.now
          const length = Duration.toMillis(ttl)
          const before = yield* leases.read(key)
          const claim = Option.flatMap(before, Either.getRight)
          if (Option.exists(claim, (claim) => isHeld(key, claim, now, length))) return Option.none<Lease>()
          const stored = yield* readable(tokens.read(key))
          const known = Math.max(
            Option.match(claim, { onNone: () => 0, onSome: ({ fence }) => fence }),
            Option.match(stored, { onNone: () => 0, onSome: ({ fence }) => fence })
          )
          // an unreadable entry hides its fence; the present time is above all earlier fences
          const fence = Math.max(known + 1, Option.exists(before, Either.isLeft) ? now.wall : 0)
          const owner = random.randomId()
          yield* leases.write(key, encodeLease({ fence, ...claims.make(owner, now.wall, length) }))
          // another process may have written at the same time: the entry that is there now counts
          const after = yield* readable(leases.read(key))
          return Option.exists(after, (it) => it.owner === owner)
            ? Option.some<Lease>({ key, owner, fence })
            : Option.none<Lease>()
        }),
        Option.match({ onNone: () => Effect.void, onSome: release })
      ),

    release,

    remove: (key, token) =>
      change(
        "remove",
        Effect.gen(function*() {
          const stored = yield* readable(tokens.read(key))
          const noted = newest.get(key)
          if (noted !== undefined && isSame(noted.token, token)) newest.delete(key)
          if (!Option.exists(stored, (it) => isSame(it.token, token))) return
          yield* tokens.remove(key)
          yield* announce(key)
        })
      ),

    changes: Stream.fromPubSub(changes)
  }
})
