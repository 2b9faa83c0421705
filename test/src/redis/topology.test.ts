/** The store behind sentinels and in a cluster: it finds the servers, and finds them again after a failover. */
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Option, Stream } from "effect"
import { AccessToken, TokenSource, TokenStore } from "effect-bearer"
import { createCluster, createSentinel } from "redis"
import { eventually } from "../eventually.js"
import { describeWithRedis } from "./describeWithRedis.js"
import type { RedisServer } from "./RedisServer.js"
import { cluster, watched } from "./RedisServer.js"
import { acl, grab, key, nameIn, open, token, works } from "./support.js"

const node = ({ host, port }: RedisServer) => ({ host, port })

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((sum, number) => sum + number, 0)

// SPEC A16, C5
describeWithRedis("topologies of Redis", () => {
  it.scopedLive("sentinels: the master is found, and the next one after a failover (I11)", () =>
    Effect.gen(function*() {
      const set = yield* watched()
      const sentinel = { name: set.name, sentinelRootNodes: set.sentinels.map(node) }
      const client = createSentinel(sentinel).on("error", () => undefined)
      yield* Effect.acquireRelease(
        Effect.promise(() => client.connect()),
        (client) => Effect.promise(() => client.destroy())
      )
      const stores = [yield* open({ sentinel }), yield* open({ client })]
      const [store, another] = [stores[0]!, stores[1]!]

      const heard = yield* Effect.fork(Stream.runHead(another.changes))
      const before = yield* grab(store)
      yield* store.put(yield* token("before"), before)
      assert.strictEqual(yield* nameIn(another), "before")

      const old = yield* set.master
      const replica = set.servers.find((server) => server !== old)!
      yield* eventually(replica.cli("DBSIZE"), (size) => size === "3")
      yield* old.kill()
      yield* eventually(set.master, (master) => master !== old)
      for (const store of stores) yield* works(store)
      assert.strictEqual(yield* nameIn(store), "before")
      yield* store.release(before)
      const after = yield* grab(store)
      assert.isAbove(after.fence, before.fence)
      assert.isFalse(yield* store.put(yield* token("late"), before))

      // announcements come from the new master, although the old one comes back
      yield* Fiber.interrupt(heard)
      yield* old.launch
      for (const [index, store] of stores.entries()) {
        const other = stores[1 - index]!
        const heard = yield* Effect.fork(Stream.runHead(Stream.filter(other.changes, (at) => at === `from ${index}`)))
        yield* eventually(
          Effect.zipRight(
            Effect.flatMap(grab(store, "1 second", `from ${index}`), store.release),
            Fiber.poll(heard)
          ),
          Option.isSome
        )
      }
    }))

  it.scopedLive("sentinels: all away when the store is made, and one of them later", () =>
    Effect.gen(function*() {
      const set = yield* watched()
      yield* Effect.forEach(set.sentinels, (sentinel) => sentinel.kill())
      const store = yield* open({ sentinel: { name: set.name, sentinelRootNodes: set.sentinels.map(node) } })
      const error = yield* eventually(Effect.flip(store.get(key)), ({ reason }) => reason === "unavailable")
      assert.include(error.detail, "none of the sentinels can be used: there is no connection (ECONNREFUSED)")
      yield* set.sentinels[2]!.launch
      yield* works(store)
    }))

  it.scopedLive("cluster: each key on its node, announcements from all, and a failover (I11)", () =>
    Effect.gen(function*() {
      const set = yield* cluster({ replicas: 1 })
      const options = { rootNodes: set.nodes.map(({ url }) => ({ url })) }
      const client = createCluster(options).on("error", () => undefined)
      yield* Effect.acquireRelease(
        Effect.promise(() => client.connect()),
        (client) => Effect.sync(() => client.destroy())
      )
      // as the README has it
      yield* Effect.forEach(
        set.nodes,
        (node) => node.cli("ACL", "SETUSER", "tokens", "on", ">secret", ...acl, "+cluster|slots")
      )
      const store = yield* open({ cluster: { ...options, defaults: { username: "tokens", password: "secret" } } })
      const another = yield* open({ client })
      const keys = Array.from({ length: 20 }, (_, index) => `${key} ${index}`)
      const sizes = Effect.forEach(set.nodes, (node) => Effect.map(node.cli("DBSIZE"), Number))

      // both listen: each on a node of its own choice
      for (const [from, to] of [[store, another], [another, store]] as const) {
        const heard = yield* Effect.fork(Stream.runHead(Stream.filter(to.changes, (at) => at === "greeting")))
        yield* eventually(
          Effect.zipRight(
            Effect.flatMap(
              from.acquire("greeting", "1 second"),
              Option.match({ onNone: () => Effect.void, onSome: from.release })
            ),
            Fiber.poll(heard)
          ),
          Option.isSome
        )
      }
      for (const at of keys) yield* store.put(yield* token(at), yield* grab(store, "10 seconds", at))
      for (const at of keys) assert.strictEqual(yield* nameIn(another, at), at)
      assert.isAbove((yield* sizes).slice(0, 3).filter((size) => size > 0).length, 1)

      const at = keys[0]!
      const place = `effect-bearer:{=${at}}:token`
      const old = yield* set.masterOf(place)
      yield* eventually(sizes, (sizes) => sum(sizes.slice(0, 3)) === sum(sizes.slice(3)))
      yield* old.kill()
      yield* eventually(set.masterOf(place), (master) => master !== old)
      for (const at of keys) {
        yield* eventually(nameIn(store, at), (name) => name === at)
        yield* works(store, `new ${at}`)
      }
    }))

  // FAULTS R3
  it.scopedLive(
    "cluster: after a master was replaced the first renewal of each process is shared",
    () =>
      Effect.gen(function*() {
        const set = yield* cluster({ replicas: 1 })
        const asked = `effect-bearer:{=${key}}:token`
        const old = yield* set.masterOf(asked)
        // the only address that is configured is that of the master to be replaced
        const options = { cluster: { rootNodes: [{ url: old.url }] } }
        let requests = 0
        const lifetime = 3_600_000
        const joining = Effect.gen(function*() {
          const source = yield* TokenSource.make(() =>
            Effect.map(
              Clock.currentTimeMillis,
              (now) =>
                AccessToken.make({ value: `t${++requests}`, issuedAt: now, expiresAt: now + lifetime + requests })
            )
          )
          const shared = yield* TokenSource.shared({ namespace: "cluster", timeout: "5 seconds" })(source).pipe(
            Effect.provideService(TokenStore.TokenStore, yield* open({ ...options, timeout: "5 seconds" }))
          )
          const failures: Array<string> = []
          const events = yield* TokenSource.subscribe(shared)
          yield* Effect.forkScoped(Stream.runForEach(events, (event) =>
            Effect.sync(() => {
              if (event._tag === "StoreFailed") failures.push(event.detail)
            })))
          return { shared, failures }
        })
        const processes = [yield* joining, yield* joining, yield* joining]
        const round = Effect.forEach(processes, ({ shared }) => shared.get(), { concurrency: "unbounded" })
        const first = yield* round
        assert.strictEqual(requests, 1)

        for (const node of set.nodes) {
          yield* eventually(node.cli("CLUSTER", "INFO"), (answer) => answer.includes("cluster_state:ok"))
        }
        yield* old.kill()
        yield* eventually(set.masterOf(asked), (master) => master !== old)
        for (const node of set.nodes.filter((node) => node !== old)) {
          yield* eventually(node.cli("CLUSTER", "INFO"), (answer) => answer.includes("cluster_state:ok"))
        }
        for (let before = first, lifecycle = 2; lifecycle <= 4; lifecycle++) {
          before = yield* Effect.forEach(processes, ({ shared }, i) => shared.renew(before[i]!), {
            concurrency: "unbounded"
          })
          assert.deepStrictEqual(processes.flatMap(({ failures }) => failures), [])
          assert.strictEqual(requests, lifecycle)
        }
      }),
    60_000
  )

  it.scopedLive("one node of a cluster is not enough, and it says so", () =>
    Effect.gen(function*() {
      const set = yield* cluster()
      const others = yield* Effect.filter(set.nodes, (node) =>
        Effect.map(set.masterOf(`effect-bearer:{=${key}}:token`), (master) => master !== node))
      const store = yield* open({ url: others[0]!.url })
      const error = yield* Effect.flip(store.get(key))
      assert.strictEqual(error.reason, "unavailable")
      assert.include(error.detail, "give the store a cluster")
    }))
})
