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
import * as SharedWork from "../values/SharedWork.js"
import type { Lease, Service } from "./contract.js"
import { isStoreError, StoreError } from "./contract.js"
import * as changes from "./keyValue/changes.js"
import * as entries from "./keyValue/entries.js"
import * as newestPut from "./keyValue/newest.js"
import * as claims from "./leaseClaim.js"
import { finishing } from "./runToEnd.js"
import * as storedToken from "./storedToken.js"

// Two entries per key: the lease (which stays, because it keeps the fence) and the token with the fence it came under.
// A key-value store has no compare-and-set, so a change is read, then written. Within the layer no other change comes
// between; a change from outside may, and the fence limits its effect.

type Operation = StoreError["operation"]

/** A store that does not answer for so long blocks one operation, but not those after it; a late change is fenced. */
const longestStep = "10 seconds"

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
  const changed = yield* PubSub.sliding<string>(1024)
  const tokens = entries.tokensIn(store)
  const leases = entries.leasesIn(store)
  const newest = newestPut.make(tokens, leases)
  const place: changes.Place = {
    tokens,
    leases,
    newest,
    isHeld: claims.observer(),
    announce: (key) => PubSub.publish(changed, key)
  }

  const change = <A>(
    operation: Operation,
    steps: Effect.Effect<A, unknown>,
    undo?: (result: A) => Effect.Effect<unknown, unknown>
  ): Effect.Effect<A, StoreError> => finishing(failing(operation)(alone(steps)), undo)

  /** The token that counts as stored. */
  const current = (key: string) =>
    alone(Effect.flatMap(tokens.read(key), (stored) =>
      Option.isSome(stored) && Either.isRight(stored.value)
        ? Effect.map(newest.mended(key, stored.value.right), (stored) => Option.some(Either.right(stored)))
        : Effect.succeed(stored)))

  const release = (lease: Lease) => change("release", changes.release(place, lease))

  return {
    get: (key) =>
      Effect.gen(function*() {
        const stored = yield* current(key)
        if (Option.isNone(stored)) return Option.none<AccessToken>()
        if (Either.isLeft(stored.value)) {
          return yield* new StoreError({ operation: "get", reason: "unreadable", detail: stored.value.left })
        }
        const now = yield* Clock.currentTimeMillis
        const { token } = stored.value.right
        return storedToken.isOver(token, now) ? Option.none() : Option.some(token)
      }).pipe(failing("get")),
    put: (token, lease) => change("put", changes.put(place, token, lease)),
    acquire: (key, ttl) =>
      change(
        "acquire",
        changes.acquire(place, key, Duration.toMillis(ttl)),
        Option.match({ onNone: () => Effect.void, onSome: release })
      ),
    release,
    remove: (key, token) => change("remove", changes.remove(place, key, token)),
    changes: Stream.fromPubSub(changed)
  }
})
