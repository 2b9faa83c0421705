/** What the tests of the store in Redis share. */
import { RedisTokenStore } from "@effect-bearer/redis"
import type { Duration, Scope } from "effect"
import { Clock, Effect, Option, Redacted } from "effect"
import type { TokenStore } from "effect-bearer"
import { AccessToken } from "effect-bearer"
import { eventually } from "../eventually.js"
import type { RedisServer } from "./RedisServer.js"

/** A key as a source makes them, with more that could be in the way. */
export const key = "https://login.example.com/oauth/token reports%7B1%7D:0f3a"

/** In every token, to be searched for where it must not be. */
export const secret = "s3cr3t-access-token"

/** A token, with a lifetime in milliseconds or an unknown one. */
export const token = (name: string, lifetime: number | "unknown" = 3_600_000) =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    AccessToken.make({
      value: `${secret}-${name}`,
      scopes: "reports:read",
      issuedAt: now,
      expiresAt: lifetime === "unknown" ? undefined : now + lifetime,
      refreshAt: lifetime === "unknown" ? undefined : now + lifetime / 2,
      extra: { instance_url: "https://eu.example.com" }
    }))

/** A store; that it cannot be made ends the test. Its limit, if the test names none, is one that a stalled machine keeps. */
export const open = (options: RedisTokenStore.Options): Effect.Effect<TokenStore.Service, never, Scope.Scope> =>
  Effect.orDie(RedisTokenStore.make({ timeout: "1 minute", ...options }))

/** The lease, which has to be free. */
export const grab = (store: TokenStore.Service, ttl: Duration.DurationInput = "10 minutes", at = key) =>
  Effect.map(Effect.orDie(store.acquire(at, ttl)), Option.getOrThrow)

/** The name of the stored token. */
export const nameIn = (store: TokenStore.Service, at = key) =>
  Effect.map(
    store.get(at),
    Option.match({ onNone: () => "none", onSome: ({ value }) => Redacted.value(value).slice(secret.length + 1) })
  )

/** Until the store can be read and written. */
export const works = (store: TokenStore.Service, at = "another key") =>
  eventually(
    Effect.gen(function*() {
      const lease = yield* store.acquire(at, "5 seconds")
      if (Option.isNone(lease)) return false
      const stored = yield* store.put(yield* token("works"), lease.value)
      yield* store.release(lease.value)
      return stored && (yield* nameIn(store, at)) === "works"
    }),
    (did) => did
  )

/** All keys of a server, each with what remains of its life in milliseconds. */
export const remains = (server: RedisServer) =>
  Effect.gen(function*() {
    const names = (yield* server.cli("--scan")).split("\n").filter((name) => name !== "").sort()
    return yield* Effect.forEach(names, (name) =>
      Effect.map(server.cli("PTTL", name), (ttl) => ({ name, ttl: Number(ttl) })))
  })

/** All connections to a server but those of `redis-cli`, of sentinels and of replicas: their numbers. */
export const connections = (server: RedisServer) =>
  Effect.map(server.cli("CLIENT", "LIST"), (list) =>
    list.split("\n")
      .filter((line) => !/ cmd=client\|list | name=sentinel-| flags=[SM] /.test(line))
      .flatMap((line) => /^id=(\d+)/.exec(line)?.[1] ?? []))

/** The same clock, so much ahead or behind. */
export const shifted = (milliseconds: number): Clock.Clock => {
  const real = Clock.make()
  const now = () => real.unsafeCurrentTimeMillis() + milliseconds
  return Object.assign(Object.create(real) as Clock.Clock, {
    unsafeCurrentTimeMillis: now,
    currentTimeMillis: Effect.sync(now)
  })
}

/** What a user needs, as the README has it. */
export const acl = [
  "~effect-bearer:*",
  "&effect-bearer:*",
  ...["+eval", "+evalsha", "+get", "+set", "+del", "+exists", "+pttl", "+time", "+publish", "+subscribe", "+ping"]
]
