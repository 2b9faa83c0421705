/** The store in a real Redis: what it promises while Redis does its part. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Option, Stream } from "effect"
import { AccessToken, TokenStore } from "effect-bearer"
import { eventually } from "../eventually.js"
import { describeWithRedis } from "./describeWithRedis.js"
import type { RedisServer } from "./RedisServer.js"
import { start } from "./RedisServer.js"
import { grab, key, nameIn, open, remains, secret, shifted, token, works } from "./support.js"

const place = (name: "token" | "lease" | "fence", at = key) => `effect-bearer:{=${at}}:${name}`

const day = 86_400_000

/** A server and a store in it. */
const setup = Effect.gen(function*() {
  const server = yield* start()
  return { server, store: yield* open({ url: server.url }) }
})

// SPEC A16, C5
describeWithRedis("RedisTokenStore", () => {
  describe("operations", () => {
    it.scopedLive("a token is stored under a lease, read, replaced and removed", () =>
      Effect.gen(function*() {
        const { store } = yield* setup
        assert.isTrue(Option.isNone(yield* store.get(key)))
        const lease = yield* grab(store)
        const first = yield* token("first")
        assert.isTrue(yield* store.put(first, lease))
        const read = Option.getOrThrow(yield* store.get(key))
        assert.isTrue(AccessToken.isSame(read, first))
        assert.strictEqual(read.tokenType, "Bearer")
        assert.deepStrictEqual(read.scopes, first.scopes)
        assert.deepStrictEqual(read.extra, first.extra)

        assert.isTrue(yield* store.put(yield* token("second"), lease))
        yield* store.remove(key, first)
        assert.strictEqual(yield* nameIn(store), "second", "what replaced it stays")
        // the same secret, otherwise described
        yield* store.remove(key, AccessToken.make({ value: `${secret}-second` }))
        assert.strictEqual(yield* nameIn(store), "none")
        yield* store.remove(key, first)
      }))

    it.scopedLive("keys have nothing to do with one another, whatever is in them", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const keys = ["", "a", "{", "}", "{}", "{a}", "a}b{c", "}{", "\"'\\ \r\n\t", "ключ", "a:token", "%7B"]
        for (const at of keys) {
          const lease = yield* grab(store, "10 minutes", at)
          assert.isTrue(yield* store.put(yield* token(`of ${encodeURIComponent(at)}`), lease))
        }
        for (const at of keys) assert.strictEqual(yield* nameIn(store, at), `of ${encodeURIComponent(at)}`)
        assert.strictEqual(yield* server.cli("DBSIZE"), `${3 * keys.length}`)
      }))

    it.scopedLive("stores with other prefixes do not meet", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const other = yield* open({ url: server.url, prefix: "other:" })
        yield* store.put(yield* token("mine"), yield* grab(store))
        assert.strictEqual(yield* nameIn(other), "none")
        yield* other.put(yield* token("theirs"), yield* grab(other))
        assert.strictEqual(yield* nameIn(store), "mine")
        assert.include((yield* remains(server)).map(({ name }) => name), `other:{=${key}}:token`)
      }))

    it.scopedLive("changes tells of put, release and remove, everywhere", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const other = yield* open({ url: server.url })
        yield* listening(server, 2)
        const heard = yield* Stream.runCollect(Stream.take(other.changes, 3)).pipe(Effect.fork)
        const own = yield* Stream.runCollect(Stream.take(store.changes, 3)).pipe(Effect.fork)
        yield* Effect.sleep("50 millis")
        const lease = yield* grab(store)
        const mine = yield* token("mine")
        yield* store.put(mine, lease)
        yield* store.release(lease)
        yield* store.release(lease)
        yield* store.remove(key, yield* token("another"))
        yield* store.remove(key, mine)
        assert.deepStrictEqual(Array.from(yield* Fiber.join(heard)), [key, key, key])
        assert.deepStrictEqual(Array.from(yield* Fiber.join(own)), [key, key, key])
      }))

    it.live("changes ends with the store", () =>
      Effect.gen(function*() {
        const drained = yield* Effect.scoped(Effect.gen(function*() {
          const { store } = yield* setup
          const drained = yield* Effect.forkDaemon(Stream.runDrain(store.changes))
          yield* Effect.sleep("50 millis")
          return drained
        }))
        yield* Fiber.join(drained)
      }))
  })

  describe("leases (I11)", () => {
    it.scopedLive("one of 200 at once, from two processes, gets it", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const other = yield* open({ url: server.url })
        const attempts = Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? store : other))
        for (let round = 0; round < 3; round++) {
          const got = yield* Effect.forEach(attempts, (store) => store.acquire(key, "10 minutes"), {
            concurrency: "unbounded"
          })
          const leases = got.flatMap(Option.toArray)
          assert.lengthOf(leases, 1)
          yield* store.release(leases[0]!)
        }
      }))

    it.scopedLive("a lease ends by itself; the numbers grow", () =>
      Effect.gen(function*() {
        const { store } = yield* setup
        const [lasted, [first, second]] = yield* Effect.timed(Effect.gen(function*() {
          const first = yield* grab(store, "1 second")
          return [
            first,
            Option.getOrThrow(yield* eventually(store.acquire(key, "10 minutes"), Option.isSome))
          ] as const
        }))
        // it may end while nobody looks, but not before its time
        assert.isAtLeast(Duration.toMillis(lasted), 990)
        assert.isAbove(second.fence, first.fence)
        assert.notStrictEqual(second.owner, first.owner)
        yield* store.release(second)
        assert.isAbove((yield* grab(store)).fence, second.fence)
      }))

    // FAULTS L1
    it.scopedLive("one that cannot be keeps nobody away: without an end, or longer than an hour", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const planted = [
          ["SET", place("lease"), "somebody"],
          ["SET", place("lease"), "somebody", "PX", "3660000"],
          ["SET", place("lease"), "somebody", "PX", "9007199254740000"]
        ]
        for (const command of planted) {
          yield* server.cli(...command)
          const lease = yield* grab(store)
          assert.isTrue(Option.isNone(yield* store.acquire(key, "10 minutes")), command.join(" "))
          yield* store.release(lease)
          assert.strictEqual(yield* server.cli("EXISTS", place("lease")), "0")
        }
        // one that can be is believed, whoever holds it; one of two hours by who would hold it as long
        yield* server.cli("SET", place("lease"), "somebody", "PX", "3540000")
        assert.isTrue(Option.isNone(yield* store.acquire(key, "10 minutes")))
        yield* server.cli("SET", place("lease"), "somebody", "PX", "7000000")
        assert.isTrue(Option.isNone(yield* store.acquire(key, "2 hours")))
        assert.isTrue(Option.isSome(yield* store.acquire(key, "1 hour")))
      }))

    // FAULTS K1
    it.scopedLive("a number that cannot be is forgotten: further ahead than a day, or none", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        for (const ahead of [2 * day * 1000, 1e300, "inf", "nan", "-1", "0x10", "9".repeat(400), ""]) {
          const number = typeof ahead === "number" ? String(Date.now() * 1000 + ahead) : ahead
          yield* server.cli("SET", place("fence"), number)
          const lease = yield* grab(store)
          assert.closeTo(lease.fence / 1000, Date.now(), day / 2, String(ahead))
          assert.isTrue(yield* store.put(yield* token("good"), lease))
          assert.strictEqual(yield* nameIn(store), "good")
          yield* store.release(lease)
        }
        const [{ ttl } = { ttl: -1 }] = (yield* remains(server)).filter(({ name }) => name === place("fence"))
        assert.isAbove(ttl, 0)
      }))

    // FAULTS K1
    it.scopedLive("a token is kept no longer than it lives, wherever the clock of who stores it was put", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        for (const step of [-day / 24, -365 * day, 60_000]) {
          const lease = yield* grab(store)
          const fresh = yield* token("fresh", 600_000)
          assert.isTrue(yield* Effect.withClock(store.put(fresh, lease), shifted(step)))
          const kept = Number(yield* server.cli("PTTL", place("token")))
          assert.isAtMost(kept, 600_000 - Math.max(0, step))
          const read = Option.getOrThrow(yield* store.get(key))
          assert.isAtMost(Option.getOrThrow(read.expiresAt) - Date.now(), 600_000)
          yield* store.release(lease)
        }
      }))

    it.scopedLive("nobody ends a lease of somebody else", () =>
      Effect.gen(function*() {
        const { store } = yield* setup
        const late = yield* grab(store, "50 millis")
        const current = Option.getOrThrow(yield* eventually(store.acquire(key, "10 minutes"), Option.isSome))
        yield* store.release(late)
        yield* store.release({ ...current, owner: "a stranger" })
        assert.isTrue(Option.isNone(yield* store.acquire(key, "10 minutes")))
        yield* store.release(current)
        assert.isTrue(Option.isSome(yield* store.acquire(key, "10 minutes")))
      }))

    it.scopedLive("who stops waiting for a lease holds none", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const other = yield* open({ url: server.url })
        yield* works(other)
        for (let after = 0; after < 12; after++) {
          const waiting = yield* Effect.fork(store.acquire(key, "10 minutes"))
          yield* Effect.sleep(after / 4)
          yield* Fiber.interrupt(waiting)
          const exit = yield* Fiber.await(waiting)
          const lease = Option.getOrThrow(
            yield* eventually(
              exit._tag === "Success" && Option.isSome(exit.value)
                ? Effect.as(other.release(exit.value.value), exit.value)
                : other.acquire(key, "10 minutes"),
              Option.isSome
            )
          )
          yield* other.release(lease)
        }
        assert.strictEqual(yield* nameIn(store), "none", "the connection is as good as before")
      }))
  })

  describe("a late put (I11)", () => {
    const late = (
      name: string,
      f: (context: {
        readonly server: RedisServer
        readonly store: TokenStore.Service
        readonly lease: TokenStore.Lease
      }) => Effect.Effect<{ readonly stored: boolean; readonly found: string }, TokenStore.StoreError>
    ) =>
      it.scopedLive(name, () =>
        Effect.gen(function*() {
          const { server, store } = yield* setup
          const lease = yield* grab(store, "40 millis")
          yield* eventually(server.cli("EXISTS", place("lease")), (count) => count === "0")
          const { found, stored } = yield* f({ server, store, lease })
          assert.strictEqual(yield* store.put(yield* token("late"), lease), stored)
          assert.strictEqual(yield* nameIn(store), found)
        }))

    late("after the lease has ended, and nobody had another", () => Effect.succeed({ stored: true, found: "late" }))

    late("while somebody else has the lease", ({ store }) => Effect.as(grab(store), { stored: false, found: "none" }))

    late("after somebody else has stored", ({ store }) =>
      Effect.gen(function*() {
        yield* store.put(yield* token("newer"), yield* grab(store))
        return { stored: false, found: "newer" }
      }))

    late(
      "after the later lease was released, with nothing stored",
      ({ store }) => Effect.as(Effect.flatMap(grab(store), store.release), { stored: false, found: "none" })
    )

    late("after the later token was removed", ({ store }) =>
      Effect.gen(function*() {
        const newer = yield* token("newer")
        const lease = yield* grab(store)
        yield* store.put(newer, lease)
        yield* store.release(lease)
        yield* store.remove(key, newer)
        return { stored: false, found: "none" }
      }))

    late("after Redis was emptied", ({ server }) => Effect.as(server.cli("FLUSHALL"), { stored: true, found: "late" }))

    late(
      "after Redis was emptied, and somebody has the lease",
      ({ server, store }) =>
        Effect.as(Effect.zipRight(server.cli("FLUSHALL"), grab(store)), { stored: false, found: "none" })
    )

    late(
      "after Redis was emptied while somebody else had the lease, who then stored",
      ({ server, store }) =>
        Effect.gen(function*() {
          const newer = yield* grab(store)
          yield* server.cli("FLUSHALL")
          assert.isTrue(yield* store.put(yield* token("newer"), newer))
          return { stored: false, found: "newer" }
        })
    )

    late("the same, and it was removed", ({ server, store }) =>
      Effect.gen(function*() {
        const newer = yield* grab(store)
        yield* server.cli("FLUSHALL")
        const best = yield* token("newer")
        yield* store.put(best, newer)
        yield* store.remove(key, best)
        return { stored: false, found: "none" }
      }))

    late(
      "when the number of the latest lease is forgotten, but not the token",
      ({ server, store }) =>
        Effect.gen(function*() {
          yield* store.put(yield* token("newer"), yield* grab(store))
          yield* server.cli("DEL", place("fence"))
          return { stored: false, found: "newer" }
        })
    )

    it.scopedLive("numbers keep growing after a restart that lost everything, and with a clock that went back", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const before = yield* grab(store)
        yield* server.kill()
        yield* server.launch
        yield* works(store)
        const after = yield* grab(store)
        assert.isAbove(after.fence, before.fence)
        assert.isFalse(yield* store.put(yield* token("late"), before))
        yield* store.release(after)
        const ahead = String(after.fence + 3_600_000_000)
        yield* server.cli("SET", place("fence"), ahead, "PX", "100000")
        assert.strictEqual((yield* grab(store)).fence, Number(ahead) + 1)
      }))
  })

  describe("nothing outlives its use", () => {
    it.scopedLive("each key expires: token, lease, number of the lease", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const lease = yield* grab(store, "7 seconds")
        yield* store.put(yield* token("short", 90_000), lease)
        const unknown = yield* grab(store, "7 seconds", "unknown")
        yield* store.put(yield* token("unknown", "unknown"), unknown)
        const forEver = yield* grab(store, "7 seconds", "for ever")
        yield* store.put(yield* token("for ever", 1e300), forEver)

        const ttls = new Map((yield* remains(server)).map(({ name, ttl }) => [name, ttl]))
        const within = (name: string, high: number) => {
          const ttl = ttls.get(name) ?? -2
          assert.isTrue(high - 5000 < ttl && ttl <= high, `${name} ${ttl}`)
        }
        assert.strictEqual(ttls.size, 9)
        within(place("token"), 90_000)
        within(place("lease"), 7000)
        within(place("fence"), day + 7000)
        within(place("token", "unknown"), day)
        within(place("token", "for ever"), 3650 * day)
      }))

    it.scopedLive("the token is gone when it is over, the lease is gone when it is released", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const lease = yield* grab(store)
        yield* store.put(yield* token("brief", 150), lease)
        yield* store.release(lease)
        assert.strictEqual(yield* server.cli("EXISTS", place("lease")), "0")
        yield* eventually(nameIn(store), (name) => name === "none")
        yield* eventually(server.cli("EXISTS", place("token")), (count) => count === "0")
      }))

    it.scopedLive("a token that is over already takes the place of the one before, and is not stored", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const lease = yield* grab(store)
        yield* store.put(yield* token("good"), lease)
        assert.isTrue(yield* store.put(yield* token("over", -1), lease))
        assert.strictEqual(yield* nameIn(store), "none")
        assert.strictEqual(yield* server.cli("EXISTS", place("token")), "0")
      }))

    it.scopedLive("what somebody has made permanent still ends for readers", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const lease = yield* grab(store)
        yield* store.put(yield* token("persisted", 60_000), lease)
        yield* server.cli("PERSIST", place("token"))
        assert.strictEqual(yield* nameIn(store), "persisted")
        assert.strictEqual(yield* Effect.withClock(nameIn(store), shifted(60_000)), "none")
      }))

    it.scopedLive("takes sealed tokens, whose times it may read", () =>
      Effect.gen(function*() {
        const server = yield* start()
        const keys = yield* TokenStore.generateKey
        const sealed = TokenStore.encrypted(keys)
        const store = yield* Effect.orDie(sealed(yield* open({ url: server.url })))
        const mine = yield* token("sealed")
        const lease = yield* grab(store)
        assert.isTrue(yield* store.put(mine, lease))
        assert.notInclude(yield* server.cli("GET", `effect-bearer:{=${key}}:token`), secret)
        const clock = shifted(-600_000)
        const read = Option.getOrThrow(yield* Effect.withClock(store.get(key), clock))
        assert.closeTo(Option.getOrThrow(read.expiresAt) - clock.unsafeCurrentTimeMillis(), 3_600_000, 2000)
        yield* store.remove(key, mine)
        assert.strictEqual(yield* nameIn(store), "none")
      }))

    it.scopedLive("no name of a key has a token in it, and no token is kept but in the one place (I9)", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        yield* store.put(yield* token("kept"), yield* grab(store))
        for (const { name } of yield* remains(server)) {
          assert.notInclude(name, secret)
          const value = yield* server.cli("GET", name)
          assert.strictEqual(value.includes(secret), name === place("token"))
        }
      }))
  })

  describe("clocks of readers and writers", () => {
    const minutes = 60_000
    /** Milliseconds. */
    const rounding = 10

    for (const [what, by] of [["ahead of", 17 * minutes], ["behind", -17 * minutes]] as const) {
      it.scopedLive(`a reader whose clock is ${what} the writer's sees the same remaining life`, () =>
        Effect.gen(function*() {
          const { server, store } = yield* setup
          const other = yield* open({ url: server.url })
          const written = yield* token("read elsewhere", 10 * minutes)
          yield* store.put(written, yield* grab(store))

          const clock = shifted(by)
          const before = clock.unsafeCurrentTimeMillis()
          const read = Option.getOrThrow(yield* Effect.withClock(other.get(key), clock))
          const expiresAt = Option.getOrThrow(read.expiresAt)
          assert.isAtMost(expiresAt, clock.unsafeCurrentTimeMillis() + 10 * minutes)
          const since = clock.unsafeCurrentTimeMillis() - by - written.issuedAt
          assert.isAtLeast(expiresAt, before + 10 * minutes - since - rounding)
          // all of its times have moved alike
          const moved = expiresAt - Option.getOrThrow(written.expiresAt)
          assert.strictEqual(read.issuedAt, written.issuedAt + moved)
          assert.strictEqual(Option.getOrThrow(read.refreshAt), Option.getOrThrow(written.refreshAt) + moved)
        }))

      it.scopedLive(`a writer whose clock is ${what} the reader's`, () =>
        Effect.gen(function*() {
          const { store } = yield* setup
          const before = yield* Clock.currentTimeMillis
          yield* Effect.withClock(
            Effect.gen(function*() {
              yield* store.put(yield* token("written elsewhere", 10 * minutes), yield* grab(store))
            }),
            shifted(by)
          )
          const now = yield* Clock.currentTimeMillis
          const read = Option.getOrThrow(yield* store.get(key))
          const after = yield* Clock.currentTimeMillis
          const expiresAt = Option.getOrThrow(read.expiresAt)
          assert.isAtMost(expiresAt, after + 10 * minutes + rounding)
          assert.isAtLeast(expiresAt, now + 10 * minutes - (after - before) - rounding)
        }))
    }

    it.scopedLive("a token of unknown lifetime stays one", () =>
      Effect.gen(function*() {
        const { store } = yield* setup
        yield* store.put(yield* token("unknown", "unknown"), yield* grab(store))
        const read = Option.getOrThrow(yield* Effect.withClock(store.get(key), shifted(17 * minutes)))
        assert.isTrue(Option.isNone(read.expiresAt))
      }))
  })

  describe("what else may be in Redis", () => {
    const damaged = [
      "",
      "garbage",
      "12",
      "12 ",
      "12 {}",
      "12 {\"version\":2,\"value\":\"x\"}",
      `{"version":1,"value":"${secret}"}`,
      `12 {"version":1,"value":"${secret}\u0000"}`,
      "\u0000\u0001\u0002",
      `9999999999999999999999 ${secret}`
    ]

    it.scopedLive("what is damaged is unreadable, is not shown, and is replaced", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        for (const value of damaged) {
          yield* writeRaw(server, place("token"), value)
          const error = yield* Effect.flip(store.get(key))
          assert.strictEqual(error._tag, "StoreError")
          assert.strictEqual(error.operation, "get")
          assert.strictEqual(error.reason, "unreadable", value)
          assert.notInclude(error.message, secret)
          yield* store.remove(key, yield* token("any"))
          assert.strictEqual(yield* server.cli("EXISTS", place("token")), "1")

          const lease = yield* grab(store)
          assert.isTrue(yield* store.put(yield* token("whole"), lease))
          assert.strictEqual(yield* nameIn(store), "whole")
          yield* store.release(lease)
        }
      }))

    it.scopedLive("a value of another type is unreadable, and is replaced", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        yield* server.cli("RPUSH", place("token"), secret)
        assert.strictEqual((yield* Effect.flip(store.get(key))).reason, "unreadable")
        yield* store.remove(key, yield* token("any"))
        const lease = yield* grab(store)
        yield* server.cli("DEL", place("fence"))
        assert.isTrue(yield* store.put(yield* token("whole"), lease))
        assert.strictEqual(yield* nameIn(store), "whole")
      }))

    it.scopedLive("a lease that is no text is nobody's, and says so", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        yield* server.cli("RPUSH", place("lease"), secret)
        assert.isTrue(Option.isNone(yield* store.acquire(key, "1 second")))
        const error = yield* Effect.flip(store.release({ key, owner: "me", fence: 1 }))
        assert.strictEqual(error.reason, "unavailable")
        assert.include(error.detail, "a prefix of its own")
        assert.notInclude(error.message, secret)
      }))

    it.scopedLive("a number that is none does not keep anybody from a lease", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        yield* writeRaw(server, place("fence"), "garbage")
        assert.isAbove((yield* grab(store)).fence, 1e15)
      }))
  })

  describe("scripts", () => {
    it.scopedLive("are sent once, and again to a server that has forgotten them", () =>
      Effect.gen(function*() {
        const { server, store } = yield* setup
        const sent = (command: string) =>
          Effect.map(
            server.cli("INFO", "commandstats"),
            (stats) => Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
          )
        const everything = Effect.gen(function*() {
          const lease = yield* grab(store)
          const mine = yield* token("mine")
          yield* store.put(mine, lease)
          yield* store.release(lease)
          assert.strictEqual(yield* nameIn(store), "mine")
          yield* store.remove(key, mine)
        })
        yield* everything
        yield* everything
        assert.strictEqual(yield* sent("eval"), 4)
        yield* server.cli("SCRIPT", "FLUSH")
        yield* everything
        yield* everything
        assert.strictEqual(yield* sent("eval"), 8)
      }))
  })
})

/** Until so many have subscribed. */
const listening = (server: RedisServer, count: number) =>
  eventually(
    server.cli("PUBSUB", "NUMSUB", "effect-bearer:changes"),
    (answer) => answer.split("\n")[1] === `${count}`
  )

/** Any bytes as a value: arguments of a command line end at a zero. */
const writeRaw = (server: RedisServer, name: string, value: string) =>
  server.cli(
    "EVAL",
    "redis.call('SET', KEYS[1], (string.gsub(ARGV[1], '%x%x', function(hex) return string.char(tonumber(hex, 16)) end)))",
    "1",
    name,
    Buffer.from(value).toString("hex")
  )
