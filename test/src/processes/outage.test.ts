import { assert, describe, it, layer } from "@effect/vitest"
import type { Scope } from "effect"
import { Context, Effect, Layer } from "effect"
import { eventually } from "../eventually.js"
import { describeWithRedis } from "../redis/describeWithRedis.js"
import * as RedisServer from "../redis/RedisServer.js"
import * as Fleet from "./Fleet.js"
import * as Issuer from "./Issuer.js"
import type { Store } from "./protocol.js"

const lifetime = 6

interface Running {
  readonly issuer: Issuer.Issuer
  readonly fleet: ReadonlyArray<Fleet.Worker>
}

/** Processes whose callers ask for tokens all the time. */
const running = (store: Store, size: number): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.gen(function*() {
    const issuer = yield* Issuer.start(() => lifetime)
    const fleet = yield* Fleet.start(size, {
      ...Issuer.patient(issuer, { store, lease: 2000 }),
      endpointTimeout: 10_000,
      storeTimeout: 500
    })
    yield* Fleet.all(fleet, (worker) => worker.burst(1, scope))
    yield* Fleet.all(fleet, (worker) => worker.begin(20, { pace: 100, scope }))
    return { issuer, fleet }
  })

const scope = "calls:read"

/** The number of the token that all of them have, if it is one. */
const common = ({ fleet, issuer }: Running) =>
  Effect.gen(function*() {
    const { tokens } = yield* Fleet.burst(fleet, 1, scope)
    const issued = yield* issuer.issued(scope)
    return {
      issued: issued.length,
      number: issued.find(({ hash }) => tokens.length === 1 && hash === tokens[0])?.number
    }
  })

/** Waits until all have the newest token, and one lifecycle later all have the next one: there was one request. */
const sharing = (running: Running) =>
  Effect.suspend(() => {
    let before = NaN
    return eventually(
      Effect.map(Effect.delay(common(running), "100 millis"), ({ issued, number }) => {
        if (number === undefined || number !== issued) return false
        if (number === before + 1) return true
        before = number
        return false
      }),
      (isShared) => isShared
    )
  })

/** Waits for that many more token requests. */
const requests = ({ issuer }: Running, count: number) =>
  Effect.flatMap(
    issuer.issued(scope),
    ({ length }) => eventually(issuer.issued(scope), (issued) => issued.length >= length + count)
  )

/** What is true whatever becomes of the store, since the last look. */
const examine = ({ fleet, issuer }: Running) =>
  Effect.gen(function*() {
    const reports = yield* Fleet.all(fleet, (worker) => worker.collect)
    const { calls, events, expired, failures, heldUp } = Fleet.sum(reports)
    assert.deepStrictEqual({ expired, failures, heldUp }, { expired: 0, failures: [], heldUp: 0 })
    assert.strictEqual(Issuer.servedLate(yield* issuer.issued(scope), reports), 0)
    assert.isAbove(calls, 0)
    return events
  })

/** How often each operation of the store failed, in words. */
const troubles = (events: Readonly<Record<string, number>>) =>
  Object.keys(events).filter((name) => name.startsWith("StoreFailed"))

class World extends Context.Tag("World")<World, Running & { readonly redis: RedisServer.RedisServer }>() {}

const WorldLive = Layer.scoped(
  World,
  Effect.gen(function*() {
    const redis = yield* RedisServer.start()
    const world = yield* running({ _tag: "Redis", url: redis.url }, 4)
    yield* sharing(world)
    return { redis, ...world }
  })
)

/** What may happen to Redis, and what ends it. While it lasts each process works alone. */
const fates: Record<string, {
  readonly begin: (redis: RedisServer.RedisServer) => Effect.Effect<unknown>
  readonly end: (redis: RedisServer.RedisServer) => Effect.Effect<unknown>
}> = {
  "is killed, and comes back empty": { begin: (redis) => redis.kill(), end: (redis) => redis.launch },
  "becomes a replica that can only be read": {
    begin: (redis) => redis.cli("REPLICAOF", "127.0.0.1", "1"),
    end: (redis) => redis.cli("REPLICAOF", "NO", "ONE")
  },
  "stands still": { begin: (redis) => redis.freeze, end: (redis) => redis.thaw }
}

describeWithRedis("4 processes with callers, when Redis", () => {
  layer(WorldLive, { excludeTestServices: true, timeout: "300 seconds" })((it) => {
    // I3, I5, I11, SPEC A16
    for (const [name, { begin, end }] of Object.entries(fates)) {
      it.effect(`${name}: no call fails, and then they share again`, () =>
        Effect.gen(function*() {
          const world = yield* World
          yield* begin(world.redis)
          yield* requests(world, 4)
          assert.isNotEmpty(troubles(yield* examine(world)))
          yield* end(world.redis)
          yield* sharing(world)
          yield* examine(world)
        }))
    }

    // I1
    it.effect(
      "cuts the connections that listen, again and again: there is still one request per lifecycle",
      () =>
        Effect.gen(function*() {
          const world = yield* World
          const cut = Effect.repeat(
            Effect.delay(world.redis.cli("CLIENT", "KILL", "TYPE", "pubsub"), "50 millis"),
            { until: () => false }
          )
          yield* Effect.raceFirst(sharing(world), cut)
          yield* examine(world)
          yield* eventually(
            world.redis.cli("PUBSUB", "NUMSUB", "effect-bearer:changes"),
            (answer) => answer.endsWith("4")
          )
        })
    )
  })
})

describeWithRedis("3 processes with callers, when a master is killed", () => {
  describe.concurrent("", () => {
    // I3, I5, I11, SPEC A16
    it.scopedLive(
      "that sentinels watch: no call fails, and then they share through the next one",
      () =>
        Effect.gen(function*() {
          const watched = yield* RedisServer.watched()
          const ports = watched.sentinels.map(({ port }) => port)
          const world = yield* running({ _tag: "Sentinel", name: watched.name, ports }, 3)
          yield* sharing(world)
          const master = yield* watched.master
          yield* master.kill()
          yield* requests(world, 1)
          yield* eventually(watched.master, ({ port }) => port !== master.port)
          yield* sharing(world)
          yield* examine(world)
          const next = yield* watched.master
          assert.include(yield* next.cli("KEYS", "*"), ":token")
        })
    )

    it.scopedLive("of a cluster: no call fails, and then they share through its replica", () =>
      Effect.gen(function*() {
        const cluster = yield* RedisServer.cluster({ replicas: 1 })
        const world = yield* running({ _tag: "Cluster", urls: cluster.nodes.map(({ url }) => url) }, 3)
        yield* sharing(world)
        const listed = yield* Effect.forEach(cluster.nodes, (node) => node.cli("KEYS", "*:token"))
        const key = listed.find((keys) => keys !== "")!
        const master = yield* cluster.masterOf(key)
        yield* master.kill()
        yield* requests(world, 1)
        yield* eventually(cluster.masterOf(key), ({ port }) => port !== master.port)
        yield* sharing(world)
        yield* examine(world)
        assert.include(yield* (yield* cluster.masterOf(key)).cli("KEYS", "*"), key)
      }))
  })
})
