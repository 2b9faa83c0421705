/** What is said when Redis is not what it was taken for. */
import { assert, describe, it } from "@effect/vitest"
import type { RedisTokenStore } from "@effect-bearer/redis"
import { Effect } from "effect"
import { createClient, createCluster, createSentinel } from "redis"
import * as Bound from "../bound.js"
import { eventually } from "../eventually.js"
import { freePort } from "../freePort.js"
import { describeWithRedis } from "./describeWithRedis.js"
import { start } from "./RedisServer.js"
import { key, open } from "./support.js"

const secret = "s3cr3t-of-redis"

/** Every operation says it, as soon as it is known. */
const says = (options: RedisTokenStore.Options, ...words: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const store = yield* open(options)
    const { detail } = yield* eventually(
      Effect.flip(store.acquire(key, "1 second")),
      ({ reason }) => reason === "unavailable"
    )
    for (const word of words) assert.include(detail, word)
    assert.notInclude(detail, secret)
    return detail
  })

/** By default the bus of a cluster is on the port plus 10 000, which an outgoing connection may have. */
const cluster = Effect.map(freePort, (bus) => ["--cluster-enabled", "yes", "--cluster-port", `${bus}`])

// SPEC A16, I9
describeWithRedis("what a failure says", () => {
  it.scopedLive("of a server that is no cluster", () =>
    Effect.gen(function*() {
      const [server, other] = [yield* start(), yield* freePort]
      const rootNodes = [{ url: server.url }, { url: `redis://127.0.0.1:${other}` }]
      yield* says({ cluster: { rootNodes } }, "none of the nodes", "belongs to no cluster: give the store its URL")
      yield* says(
        { cluster: { rootNodes: rootNodes.slice(1) } },
        "none of the nodes",
        "ECONNREFUSED",
        "nothing listens"
      )
    }))

  it.scopedLive("of a password that a cluster does not take", () =>
    Effect.gen(function*() {
      const server = yield* start({ args: yield* cluster, password: "another" })
      yield* says(
        { cluster: { rootNodes: [{ url: `redis://${server.host}:${server.port}` }], defaults: { password: secret } } },
        "none of the nodes",
        "WRONGPASS"
      )
    }))

  it.scopedLive("of a database in a cluster", () =>
    Effect.gen(function*() {
      const server = yield* start({ args: yield* cluster })
      yield* says({ url: `${server.url}/1` }, "a cluster has no numbered databases")
    }))

  it.scopedLive("of a server that is no sentinel, and of a sentinel that is taken for a server", () =>
    Effect.gen(function*() {
      const server = yield* start()
      const root = ({ host, port }: typeof server) => ({ name: "main", sentinelRootNodes: [{ host, port }] })
      yield* says({ sentinel: root(server) }, "none of the sentinels", "the server is no sentinel")
      const sentinel = yield* start({ sentinel: true, configuration: "sentinel monitor tokens 127.0.0.1 1 1\n" })
      yield* says({ sentinel: root(sentinel) }, "none of the sentinels", "know no master of that name")
      yield* says({ url: sentinel.url }, "a sentinel has no scripts")
    }))

  it.scopedLive.skipIf(!Bound.hasOpenssl)(
    "of TLS where there is none, and the other way round",
    () =>
      Effect.gen(function*() {
        const { server: tls } = yield* Bound.certificates
        const server = yield* start({ tls })
        yield* says({ url: server.url }, "there is no connection (", "from an unknown authority", "ca")
        yield* says({ url: `redis://:${secret}@localhost:${server.port}` }, "there is no connection (", "rediss:")
        const plain = yield* start()
        const options = { url: `rediss://:${secret}@localhost:${plain.port}`, timeout: "100 millis" } as const
        assert.include(
          (yield* Effect.flip((yield* open(options)).get(key))).detail,
          "no connection in 100 ms: check host"
        )
        yield* says(options, "could not be reached in time", "a server without TLS does not answer")
      })
  )

  it.scopedLive("of nobody at that address", () =>
    Effect.gen(function*() {
      yield* says({ url: `redis://:${secret}@127.0.0.1:${yield* freePort}` }, "ECONNREFUSED", "nothing listens there")
    }))

  describe("of a client of one's own", () => {
    it.scopedLive("that is not connected, or closed", () =>
      Effect.gen(function*() {
        const server = yield* start()
        const rootNodes = [{ url: server.url }]
        const closed = createClient({ url: server.url }).on("error", () => undefined)
        yield* Effect.promise(() => closed.connect())
        closed.destroy()
        for (
          const client of [
            createClient({ url: server.url }),
            createCluster({ rootNodes }),
            createSentinel({ name: "main", sentinelRootNodes: [{ host: server.host, port: server.port }] }),
            closed
          ]
        ) {
          client.on("error", () => undefined)
          yield* says({ client }, "the client given to the store is not connected: connect it")
        }
      }))
  })
})
