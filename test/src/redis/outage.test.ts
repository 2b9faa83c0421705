/** Redis that is down, slow, full, emptied, or not what it was: the store fails within its limit, and heals. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Option, Stream } from "effect"
import type { TokenStore } from "effect-bearer"
import { createClient } from "redis"
import { attended } from "../attended.js"
import { eventually } from "../eventually.js"
import { freePort } from "../freePort.js"
import { describeWithRedis } from "./describeWithRedis.js"
import type { RedisServer } from "./RedisServer.js"
import { start } from "./RedisServer.js"
import { connections, grab, key, nameIn, open, shifted, token, works } from "./support.js"

const lease: TokenStore.Lease = { key, owner: "me", fence: 1 }

const failing = (operation: Effect.Effect<unknown, TokenStore.StoreError>, reason: "unavailable" | "timeout") =>
  eventually(Effect.flip(operation), (error) => error.reason === reason)

/** Nothing waits for as long as one attempt to connect may take. Milliseconds. */
const longestAttempt = 5000

const subscribers = (server: RedisServer) =>
  Effect.map(server.cli("PUBSUB", "NUMSUB", "effect-bearer:changes"), (answer) => Number(answer.split("\n")[1]))

// SPEC A16 (I11: store down → we still work, alone)
describeWithRedis("outages of Redis", () => {
  it.scopedLive("down when the store is made: no wait, failures at once; then it comes up", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      const [took, store] = yield* attended(open({ url: `redis://127.0.0.1:${port}` }))
      assert.isBelow(took, longestAttempt)
      const error = yield* Effect.flip(store.get(key))
      assert.strictEqual(error.reason, "unavailable")
      assert.include(error.detail, "ECONNREFUSED")
      const [fast] = yield* attended(Effect.replicateEffect(Effect.flip(store.get(key)), 100))
      assert.isBelow(fast, longestAttempt)
      const server = yield* start({ port })
      yield* works(store)
      yield* eventually(subscribers(server), (count) => count === 1)
    }))

  it.scopedLive("the first operation waits for the first connection", () =>
    Effect.gen(function*() {
      const server = yield* start()
      for (let round = 0; round < 10; round++) {
        const store = yield* open({ url: server.url })
        assert.isTrue(Option.isNone(yield* store.get(key)))
      }
    }))

  it.scopedLive("killed and started again, empty: it heals, and so do announcements", () =>
    Effect.gen(function*() {
      const server = yield* start()
      const store = yield* open({ url: server.url })
      yield* store.put(yield* token("before"), yield* grab(store))
      for (let round = 0; round < 3; round++) {
        yield* server.kill()
        yield* failing(store.get(key), "unavailable")
        yield* server.launch
        yield* works(store)
        assert.strictEqual(yield* nameIn(store), "none")
      }
      yield* eventually(subscribers(server), (count) => count === 1)
    }))

  it.scopedLive("connections that are killed come back, and so do announcements", () =>
    Effect.gen(function*() {
      const server = yield* start()
      const store = yield* open({ url: server.url })
      const heard: Array<string> = []
      yield* Effect.forkScoped(Stream.runForEach(store.changes, (key) => Effect.sync(() => heard.push(key))))
      for (const type of ["pubsub", "normal", "pubsub"]) {
        yield* eventually(subscribers(server), (count) => count === 1)
        yield* server.cli("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes")
        yield* works(store, type)
        yield* eventually(
          Effect.zipRight(
            Effect.flatMap(grab(store, "1 second", `after ${type}`), store.release),
            Effect.sync(() => heard)
          ),
          (heard) => heard.includes(`after ${type}`)
        )
      }
    }))

  it.scopedLive("frozen: every operation ends within the limit; thawed: the connections are as good as before", () =>
    Effect.gen(function*() {
      const server = yield* start()
      const store = yield* open({ url: server.url, timeout: "200 millis" })
      yield* works(store)
      yield* eventually(subscribers(server), (count) => count === 1)
      const before = yield* connections(server)
      yield* server.freeze
      const mine = yield* token("mine")
      for (
        const operation of [
          store.get(key),
          store.acquire(key, "10 minutes"),
          store.put(mine, lease),
          store.release(lease),
          store.remove(key, mine)
        ]
      ) {
        const [took, [seen, error]] = yield* Effect.timed(
          attended(Effect.flip<unknown, TokenStore.StoreError, never>(operation))
        )
        assert.strictEqual(error.reason, "timeout")
        assert.isAtLeast(Duration.toMillis(took), 190)
        assert.isBelow(seen, longestAttempt)
      }
      yield* server.thaw
      yield* works(store)
      assert.deepStrictEqual(yield* connections(server), before)
      // the lease nobody waited for any more has been given back
      yield* eventually(store.acquire(key, "10 seconds"), Option.isSome)
    }))

  it.scopedLive("frozen when the store is made", () =>
    Effect.gen(function*() {
      const server = yield* start()
      yield* server.freeze
      const store = yield* open({ url: server.url, timeout: "100 millis" })
      assert.strictEqual((yield* Effect.flip(store.get(key))).reason, "timeout")
      yield* server.thaw
      yield* works(store)
    }))

  it.scopedLive("interrupted operations leave the connection as it is", () =>
    Effect.gen(function*() {
      const server = yield* start()
      const store = yield* open({ url: server.url })
      yield* works(store)
      yield* eventually(subscribers(server), (count) => count === 1)
      const before = yield* connections(server)
      const busy = Effect.forEach(Array.from({ length: 200 }), () => store.get(key), { concurrency: "unbounded" })
      for (let round = 0; round < 20; round++) {
        const fiber = yield* Effect.fork(busy)
        yield* Effect.sleep(round / 4)
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(yield* nameIn(store), "none")
      assert.deepStrictEqual(yield* connections(server), before)
    }))

  it.scopedLive("a read-only replica is read; when it becomes the master, it is written to", () =>
    Effect.gen(function*() {
      const master = yield* start()
      const server = yield* start({ args: ["--replicaof", master.host, `${master.port}`] })
      const writer = yield* open({ url: master.url })
      const held = yield* grab(writer)
      const read = yield* token("read")
      yield* writer.put(read, held)
      const store = yield* open({ url: server.url })
      yield* eventually(nameIn(store), (name) => name === "read")
      const writes: ReadonlyArray<Effect.Effect<unknown, TokenStore.StoreError>> = [
        store.acquire("another", "1 second"),
        store.put(yield* token("written"), held),
        store.remove(key, read),
        store.release(held)
      ]
      for (const write of writes) {
        const error = yield* Effect.flip(write)
        assert.strictEqual(error.reason, "unavailable")
        assert.include(error.detail, "READONLY: this server is a replica")
      }
      assert.strictEqual(yield* nameIn(store), "read")
      yield* server.cli("REPLICAOF", "NO", "ONE")
      yield* works(store)
    }))

  it.scopedLive("a connection that leads to a replica is given up after a while: the name may lead elsewhere by now", () =>
    Effect.gen(function*() {
      const server = yield* start()
      const time = passing()
      const store = yield* Effect.withClock(open({ url: server.url }), time.clock)
      yield* works(store)
      yield* eventually(subscribers(server), (count) => count === 1)
      const before = yield* connections(server)
      yield* server.cli("REPLICAOF", server.host, `${yield* freePort}`)
      const refused = Effect.flip(store.acquire(key, "1 second"))
      yield* refused
      assert.deepStrictEqual(yield* connections(server), before, "not at once")
      // a wall clock that was put forward says nothing of the age of a connection
      yield* Effect.withClock(refused, shifted(6000))
      assert.deepStrictEqual(yield* connections(server), before, "not by the wall clock")
      time.pass(6000)
      yield* refused
      const after = yield* eventually(connections(server), (ids) => ids.length === 2 && String(ids) !== String(before))
      assert.lengthOf(after.filter((id) => before.includes(id)), 1, "the one that listens has stayed")
    }))

  it.scopedLive("full: writing is refused, reading is not; with room again, all is well", () =>
    Effect.gen(function*() {
      const server = yield* start({ args: ["--maxmemory-policy", "noeviction"] })
      const store = yield* open({ url: server.url })
      const held = yield* grab(store)
      yield* store.put(yield* token("before"), held)
      yield* server.cli("CONFIG", "SET", "maxmemory", "1")
      const error = yield* Effect.flip(store.put(yield* token("after"), held))
      assert.strictEqual(error.reason, "unavailable")
      assert.include(error.detail, "OOM: the server is full")
      assert.strictEqual((yield* Effect.flip(store.acquire("another", "1 second"))).reason, "unavailable")
      assert.strictEqual(yield* nameIn(store), "before")
      yield* store.release(held)
      yield* server.cli("CONFIG", "SET", "maxmemory", "0")
      yield* works(store)
    }))

  it.scopedLive("what listens there is no Redis", () =>
    Effect.gen(function*() {
      const { createServer } = yield* Effect.promise(() => import("node:net"))
      const port = yield* freePort
      yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof createServer>>((resume) => {
          const server = createServer((socket) =>
            socket.on("error", () => undefined).end("HTTP/1.1 400 Bad Request\r\n\r\n")
          )
          server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const store = yield* open({ url: `redis://127.0.0.1:${port}`, timeout: "300 millis" })
      yield* Effect.flip(store.get(key))
      yield* Effect.flip(store.acquire(key, "1 second"))
    }))

  // ---------------------------------------------------------------------------------------------------------------
  // ends
  // ---------------------------------------------------------------------------------------------------------------

  it.scopedLive("the connections end with the store (I8)", () =>
    Effect.gen(function*() {
      const server = yield* start()
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* open({ url: server.url })
        yield* works(store)
        yield* eventually(subscribers(server), (count) => count === 1)
      }))
      yield* eventually(connections(server), (ids) => ids.length === 0)
    }))

  it.scopedLive("a client of one's own stays open; the one that listens is closed (I8)", () =>
    Effect.gen(function*() {
      const server = yield* start()
      const client = yield* Effect.acquireRelease(
        Effect.promise(() =>
          createClient({ url: server.url, RESP: 2, commandOptions: { typeMapping: { 36: Buffer } } }).connect()
        ),
        (client) => Effect.sync(() => client.destroy())
      )
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* open({ client })
        yield* works(store)
        const heard = yield* Effect.fork(Stream.runHead(store.changes))
        yield* eventually(subscribers(server), (count) => count === 1)
        yield* Effect.sleep("50 millis")
        const held = yield* grab(store)
        yield* store.release(held)
        assert.deepStrictEqual(yield* Fiber.join(heard), Option.some(key))
        assert.lengthOf(yield* connections(server), 2)
      }))
      yield* eventually(connections(server), (ids) => ids.length === 1)
      assert.strictEqual(yield* Effect.promise(() => client.ping()).pipe(Effect.map(String)), "PONG")
    }))

  for (const [what, url] of [["up", undefined], ["down", "redis://127.0.0.1:1"]] as const) {
    it.scopedLive(`the process can exit when the store has ended, with Redis ${what} (I8)`, () =>
      Effect.gen(function*() {
        const server = yield* start()
        assert.strictEqual(yield* exitOf(url ?? server.url), 0)
      }))
  }
})

const exitOf = (url: string): Effect.Effect<number | null> =>
  Effect.async((resume) => {
    const child = spawn(
      process.execPath,
      ["--import", "tsx", fileURLToPath(new URL("exits.ts", import.meta.url))],
      { env: { ...process.env, REDIS_URL: url }, stdio: ["ignore", "ignore", "inherit"] }
    )
    child.on("exit", (code) => resume(Effect.succeed(code)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** A steady clock that can be put forward. */
const passing = () => {
  const real = Clock.make()
  let passed = BigInt(0)
  const clock: Clock.Clock = Object.assign(Object.create(real) as Clock.Clock, {
    unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos() + passed
  })
  return { clock, pass: (milliseconds: number) => void (passed += BigInt(milliseconds) * BigInt(1_000_000)) }
}
