// The `TokenStore` on top of a connection and its scripts.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AccessToken from "effect-bearer/AccessToken"
import * as TokenStore from "effect-bearer/TokenStore"
import type { Connection } from "./clients.js"
import * as clients from "./clients.js"
import type * as failure from "./failure.js"
import * as link from "./link.js"
import * as places from "./places.js"
import * as running from "./run.js"
import * as scripts from "./scripts.js"
import * as stored from "./stored.js"

export interface Settings {
  readonly prefix: string
  /** Milliseconds, like the next. */
  readonly timeout: number
  readonly unknownLifetime: number
}

/** The number of the last lease is remembered this long after that lease would have ended by itself. */
const linger = String(Duration.toMillis("1 day"))

export const make = (
  connected: link.Link<Connection>,
  { prefix, timeout, unknownLifetime }: Settings
): Effect.Effect<TokenStore.Service, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const channel = `${prefix}changes`
    const changes = yield* Effect.acquireRelease(PubSub.sliding<string>(1024), PubSub.shutdown)
    yield* link.supervise(clients.listen(connected, channel, (key) => void changes.unsafeOffer(key)))

    const at = (key: string) => places.of(prefix, key)
    const run = running.run(connected)
    const operation = running.reporting(connected, timeout)

    /** What is stored under a key, if it is anything; on the left why it cannot be read. */
    const look = (key: string): Effect.Effect<Option.Option<Either.Either<stored.Found, string>>, failure.Failure> =>
      run(scripts.get, [at(key).token]).pipe(
        Effect.map((reply) => Option.map(Option.fromNullable(reply), stored.decode)),
        Effect.catchIf(({ code }) => code === "WRONGTYPE", () => Effect.succeedSome(Either.left("it is no text")))
      )

    const removeIf = (place: string, expected: string, key: string) =>
      run(scripts.removeIf, [place], () => [expected, channel, key])

    return {
      get: (key) =>
        Effect.gen(function*() {
          const now = yield* Clock.currentTimeMillis
          const found = yield* look(key)
          if (Option.isNone(found)) return Option.none()
          const readable = yield* Either.mapLeft(
            found.value,
            (detail) => new TokenStore.StoreError({ operation: "get", reason: "unreadable", detail })
          )
          return stored.current(readable, now)
        }).pipe(operation("get")),
      put: (token, { fence, key }) =>
        Effect.clockWith((clock) => {
          const { fence: last, token: place } = at(key)
          return run(scripts.put, [place, last], () => {
            const lifetime = stored.lifetime(token, clock.unsafeCurrentTimeMillis(), unknownLifetime)
            return [`${fence}`, TokenStore.encodeToken(token), `${lifetime}`, linger, channel, key]
          })
        }).pipe(
          Effect.map((reply) => reply === 1),
          operation("put")
        ),
      acquire: (key, ttl) =>
        Effect.suspend(() => {
          const owner = crypto.randomUUID()
          const { fence: last, lease } = at(key)
          const milliseconds = Math.max(1, Math.ceil(Duration.toMillis(ttl)))
          // Whoever stops waiting for the answer may have been granted a lease all the same. It is given back: what is
          // sent later is done later.
          const giveBack = operation("release")(removeIf(lease, owner, key)).pipe(
            Effect.ignore,
            Effect.interruptible,
            Effect.forkIn(scope)
          )
          return run(scripts.acquire, [lease, last], () => [owner, `${milliseconds}`, linger]).pipe(
            Effect.flatMap((reply) =>
              reply === null || reply === undefined
                ? Effect.succeedNone
                : Either.mapBoth(stored.fence(reply), {
                  onLeft: (detail) =>
                    new TokenStore.StoreError({ operation: "acquire", reason: "unavailable", detail }),
                  onRight: (fence) => Option.some({ key, owner, fence })
                })
            ),
            operation("acquire"),
            Effect.onError(() => giveBack)
          )
        }),
      release: ({ key, owner }) => operation("release")(Effect.asVoid(removeIf(at(key).lease, owner, key))),
      remove: (key, token) =>
        Effect.flatMap(look(key), (found) =>
          // what cannot be read is another one
          Option.isSome(found) && Either.isRight(found.value) && AccessToken.isSame(found.value.right.token, token)
            ? Effect.asVoid(removeIf(at(key).token, found.value.right.text, key))
            : Effect.void).pipe(operation("remove")),
      changes: Stream.fromPubSub(changes)
    }
  })
