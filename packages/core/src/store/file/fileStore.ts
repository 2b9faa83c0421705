// A store of tokens in files, for the processes of one machine. How a key changes without a lock is told in `changes`.
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
import * as SharedWork from "../../values/SharedWork.js"
import type * as TokenError from "../../values/TokenError.js"
import type { Service } from "../contract.js"
import { StoreError } from "../contract.js"
import { finishing } from "../runToEnd.js"
import * as storedToken from "../storedToken.js"
import * as changes from "./changes.js"
import * as contentsOf from "./contents.js"
import * as directories from "./directory.js"
import * as keyNames from "./keyNames.js"
import * as sweeps from "./sweep.js"
import { isPlatformError, trouble } from "./systemError.js"

type Operation = StoreError["operation"]

/**
 * A file system that does not answer for so long blocks one operation, but not those after it; a late change is fenced.
 */
const longestStep = "10 seconds"

export const make = (options: {
  readonly directory: string
}): Effect.Effect<Service, TokenError.InvalidConfiguration, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const directory = yield* directories.open(options.directory)
    const own = yield* PubSub.sliding<string>(1024)
    // without it, all but one of many writers in this process would have to try again and again
    const alone = SharedWork.makeLock({ overdueAfter: longestStep }).withLock
    const { keyOf, nameOf } = keyNames.make()
    const contents = contentsOf.make(directory)
    const place: changes.Place = {
      directory,
      contents,
      sweep: sweeps.make(directory, contents),
      nameOf,
      announce: (key) => PubSub.publish(own, key)
    }

    const change =
      (operation: Operation) =>
      <A>(steps: Effect.Effect<A, StoreError | PlatformError>): Effect.Effect<A, StoreError> =>
        failing(operation)(alone(steps))

    const ofOthers = directory.touched.pipe(
      Stream.filterMap((file) => Option.fromNullable(keyOf(file))),
      Stream.buffer({ capacity: 1024, strategy: "sliding" })
    )

    return {
      get: (key) =>
        Effect.gen(function*() {
          const here = yield* contents.stored(nameOf(key))
          if (here === undefined) return Option.none<AccessToken>()
          if (Either.isLeft(here.token)) {
            return yield* new StoreError({ operation: "get", reason: "unreadable", detail: here.token.left })
          }
          const now = yield* Clock.currentTimeMillis
          return Option.liftPredicate(here.token.right, (token) => !storedToken.isOver(token, now))
        }).pipe(failing("get")),
      put: (token, lease) => finishing(change("put")(changes.put(place, token, lease))),
      acquire: (key, ttl) =>
        finishing(
          change("acquire")(changes.acquire(place, key, Duration.toMillis(ttl))),
          Option.match({ onNone: () => Effect.void, onSome: (lease) => alone(changes.release(place, lease)) })
        ),
      release: (lease) => finishing(change("release")(changes.release(place, lease))),
      remove: (key, token) => finishing(change("remove")(changes.remove(place, key, token))),
      changes: Stream.merge(Stream.fromPubSub(own), ofOthers)
    }
  })

/** Only the code of an error of the system is kept. */
const failing =
  (operation: Operation) => <A>(effect: Effect.Effect<A, StoreError | PlatformError>): Effect.Effect<A, StoreError> =>
    Effect.mapError(effect, (error) =>
      isPlatformError(error)
        ? new StoreError({ operation, reason: "unavailable", detail: trouble(error) })
        : error)
