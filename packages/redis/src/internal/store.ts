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
import * as Clocks from "effect-bearer/Clocks"
import * as Digest from "effect-bearer/Digest"
import * as TokenStore from "effect-bearer/TokenStore"
import type { Connection } from "./clients.js"
import * as clients from "./clients.js"
import * as failure from "./failure.js"
import * as link from "./link.js"
import * as scripts from "./scripts.js"

export interface Settings {
  readonly prefix: string
  /** Milliseconds, like the next. */
  readonly timeout: number
  readonly unknownLifetime: number
}

type Operation = TokenStore.StoreError["operation"]

/** The number of the last lease is remembered this long after that lease would have ended by itself. */
const linger = String(Duration.toMillis("1 day"))

/** More than this is not asked of Redis, whatever a server says of its tokens. */
const longestLifetime = Duration.toMillis("3650 days")

export const make = (
  connected: link.Link<Connection>,
  { prefix, timeout, unknownLifetime }: Settings
): Effect.Effect<TokenStore.Service, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const channel = `${prefix}changes`
    const changes = yield* Effect.acquireRelease(PubSub.sliding<string>(1024), PubSub.shutdown)
    yield* link.supervise(clients.listen(connected, channel, (key) => void changes.unsafeOffer(key)))

    // Braces make one hash slot of the three. The equals sign is for keys that begin with a brace, or are empty: an
    // empty tag is none. Half a surrogate pair has no form in UTF-8, and two such keys must not become one.
    const at = (key: string) => {
      const tag = /\p{Cs}/u.test(key) ? `~${Digest.nameOf(key)}` : `=${key}`
      const place = (name: string) => `${prefix}{${tag}}:${name}`
      return { token: place("token"), lease: place("lease"), fence: place("fence") }
    }

    /** Arguments are made when there is a connection and they are sent: some are about the time. */
    const run = (
      { sha1, text }: scripts.Script,
      keys: readonly [string, ...Array<string>],
      args: () => ReadonlyArray<string> = () => []
    ): Effect.Effect<unknown, failure.Failure> => {
      const send = (name: string, script: string) =>
        connected.use((connection, signal) =>
          connection.send(keys[0], [name, script, `${keys.length}`, ...keys, ...args()], signal)
        )
      // a server that does not know the script does afterwards
      return Effect.catchIf(send("EVALSHA", sha1), ({ code }) => code === "NOSCRIPT", () => send("EVAL", text))
    }

    const operation =
      (operation: Operation) =>
      <A>(effect: Effect.Effect<A, failure.Failure | TokenStore.StoreError>): Effect.Effect<A, TokenStore.StoreError> =>
        effect.pipe(
          Effect.catchTag(
            "Failure",
            ({ detail }) => new TokenStore.StoreError({ operation, reason: "unavailable", detail })
          ),
          Effect.timeoutFail({
            duration: timeout,
            onTimeout: () =>
              new TokenStore.StoreError({
                operation,
                reason: "timeout",
                detail: connected.isUp() ? `no answer in ${timeout} ms` : failure.stillConnecting(timeout)
              })
          })
        )

    /** What is stored under a key, if it is anything; on the left why it cannot be read. */
    const look = (key: string): Effect.Effect<Option.Option<Either.Either<Found, string>>, failure.Failure> =>
      run(scripts.get, [at(key).token]).pipe(
        Effect.map((reply) => Option.map(Option.fromNullable(reply), decode)),
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
          const { lifetime, token } = yield* Either.mapLeft(
            found.value,
            (detail) => new TokenStore.StoreError({ operation: "get", reason: "unreadable", detail })
          )
          return Option.filter(
            Option.some(lifetime < 0 ? token : rebased(token, now + lifetime)),
            ({ expiresAt }) => !Option.exists(expiresAt, (expiresAt) => expiresAt <= now)
          )
        }).pipe(operation("get")),
      put: (token, { fence, key }) =>
        Effect.clockWith((clock) => {
          const lifetime = () =>
            Option.match(token.expiresAt, {
              onNone: () => unknownLifetime,
              onSome: (until) => {
                const left = Clocks.remaining({ from: token.issuedAt, until }, clock.unsafeCurrentTimeMillis())
                return Math.min(longestLifetime, Math.floor(left))
              }
            })
          const places = at(key)
          return run(
            scripts.put,
            [places.token, places.fence],
            () => [`${fence}`, TokenStore.encodeToken(token), `${lifetime()}`, linger, channel, key]
          )
        }).pipe(
          Effect.map((reply) => reply === 1),
          operation("put")
        ),
      acquire: (key, ttl) =>
        Effect.suspend(() => {
          const owner = crypto.randomUUID()
          const places = at(key)
          const milliseconds = Math.max(1, Math.ceil(Duration.toMillis(ttl)))
          // Whoever stops waiting for the answer may have been granted a lease all the same. It is given back: what is
          // sent later is done later.
          const giveBack = operation("release")(removeIf(places.lease, owner, key)).pipe(
            Effect.ignore,
            Effect.interruptible,
            Effect.forkIn(scope)
          )
          return run(scripts.acquire, [places.lease, places.fence], () => [owner, `${milliseconds}`, linger]).pipe(
            Effect.flatMap((reply) => {
              if (reply === null || reply === undefined) return Effect.succeedNone
              const fence = typeof reply === "string" ? Number(reply) : reply
              return typeof fence === "number" && Number.isSafeInteger(fence)
                ? Effect.succeedSome({ key, owner, fence })
                : new TokenStore.StoreError({ operation: "acquire", reason: "unavailable", detail: noNumber })
            }),
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

/** A proxy between this program and Redis has answered by itself. */
const noNumber = "its answer is not the number of a lease: check for a proxy between this program and the server"

interface Found {
  readonly token: AccessToken.AccessToken
  /** As it is stored. */
  readonly text: string
  /** Milliseconds, or less than zero for ever. */
  readonly lifetime: number
}

/** A token is stored behind the number of the lease that it was fetched under. */
const decode = (reply: unknown): Either.Either<Found, string> => {
  const [text, lifetime]: ReadonlyArray<unknown> = Array.isArray(reply) ? reply : []
  if (typeof text !== "string" || typeof lifetime !== "number") return Either.left("it is no answer of the script")
  const stored = /^\d+ (.*)$/s.exec(text)?.[1]
  return stored === undefined
    ? Either.left("it does not begin with the number of a lease")
    : Either.map(TokenStore.decodeToken(stored), (token) => ({ token, text, lifetime }))
}

/**
 * The same token by the clock of this machine, which may differ from that of the machine that has stored it: what counts
 * is how long Redis will keep it.
 */
const rebased = (token: AccessToken.AccessToken, expiresAt: number): AccessToken.AccessToken =>
  Option.match(token.expiresAt, {
    onNone: () => token,
    onSome: (before) =>
      new AccessToken.AccessToken({
        ...token,
        issuedAt: token.issuedAt + expiresAt - before,
        expiresAt: Option.some(expiresAt),
        refreshAt: Option.map(token.refreshAt, (at) => at + expiresAt - before)
      })
  })
