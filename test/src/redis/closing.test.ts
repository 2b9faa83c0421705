/** A store that ends leaves no connection, whatever it was doing, and lets the process exit. */
import { spawn } from "node:child_process"
import type { Socket } from "node:net"
import { connect } from "node:net"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import type { RedisTokenStore } from "@effect-bearer/redis"
import { Effect, Exit, Fiber, Scope } from "effect"
import { attended } from "../attended.js"
import * as Bound from "../bound.js"
import { eventually } from "../eventually.js"
import { describeWithRedis } from "./describeWithRedis.js"
import type { RedisServer } from "./RedisServer.js"
import { cluster, start, watched } from "./RedisServer.js"
import { connections, key, open, works } from "./support.js"

/** Milliseconds that a store lives: it is connecting, listening, or at work. */
const lives = [0, 1, 2, 5, 10, 20, 50]

const node = ({ host, port }: RedisServer) => ({ host, port })

/** What is under way is there by then, if nothing ends it. */
const meanwhile = Effect.sleep("500 millis")

/** Nobody is connected, and nobody is about to be. Who is silent is thrown out only later. */
const deserted = (servers: ReadonlyArray<RedisServer>) =>
  Effect.zipRight(
    meanwhile,
    eventually(Effect.forEach(servers, connections), (ids) => ids.flat().length === 0)
  )

const closings = (options: RedisTokenStore.Options, servers: ReadonlyArray<RedisServer>) =>
  Effect.gen(function*() {
    const live = (life: number) => Effect.scoped(Effect.zipRight(open(options), Effect.sleep(life)))
    // one after the other they are fast, together they are slow: that makes for other moments
    for (const concurrency of [1, lives.length]) {
      yield* Effect.forEach([...lives, ...lives], live, { concurrency })
      yield* deserted(servers)
    }
  })

// SPEC A16, I8
describeWithRedis("the end of a store", () => {
  describe("while it connects", () => {
    it.scopedLive("to one server", () =>
      Effect.gen(function*() {
        const server = yield* start()
        yield* closings({ url: server.url }, [server])
        // two addresses, which are tried side by side
        yield* closings({ url: `redis://localhost:${server.port}` }, [server])
      }))

    it.scopedLive.skipIf(!Bound.hasOpenssl)("over TLS", () =>
      Effect.gen(function*() {
        const { server: tls } = yield* Bound.certificates
        const server = yield* start({ tls })
        yield* closings({ url: server.url, options: { socket: { tls: true, ca: tls.ca } } }, [server])
      }))

    it.scopedLive("to a cluster", () =>
      Effect.gen(function*() {
        const { nodes } = yield* cluster()
        const rootNodes = nodes.map(({ url }) => ({ url }))
        yield* closings({ cluster: { rootNodes } }, nodes)
        yield* closings({ cluster: { rootNodes, minimizeConnections: false } }, nodes)
      }))

    it.scopedLive("by way of sentinels", () =>
      Effect.gen(function*() {
        const { name, sentinels, servers } = yield* watched()
        const sentinelRootNodes = sentinels.map(node)
        const warnings: Array<string> = []
        const warn = (warning: Error) => void warnings.push(warning.name)
        yield* Effect.acquireRelease(
          Effect.sync(() => process.on("warning", warn)),
          () => Effect.sync(() => process.off("warning", warn))
        )
        const sentinel = { name, sentinelRootNodes, replicaPoolSize: 1, masterPoolSize: 12 }
        yield* closings({ sentinel }, [...servers, ...sentinels])
        yield* Effect.scoped(Effect.flatMap(open({ sentinel }), (store) => works(store)))
        yield* deserted([...servers, ...sentinels])
        assert.deepStrictEqual(warnings, [])
      }))
  })

  it.scopedLive.skipIf(!Bound.hasOpenssl)("while it connects again", () =>
    Effect.gen(function*() {
      const { server: tls } = yield* Bound.certificates
      const server = yield* start({ tls })
      const options = { url: server.url, options: { socket: { tls: true, ca: tls.ca } } } as const
      const scope = yield* Scope.make()
      yield* Effect.replicateEffect(Effect.flatMap(Scope.extend(open(options), scope), (store) => works(store)), 10)
      // the agreement on TLS does not end while the server does nothing
      yield* server.kill()
      yield* server.launch
      yield* server.freeze
      yield* Effect.sleep("1200 millis")
      yield* Scope.close(scope, Exit.void)
      yield* server.thaw
      yield* deserted([server])
    }))

  it.scopedLive("it says so, at once", () =>
    Effect.gen(function*() {
      const server = yield* start()
      const scope = yield* Scope.make()
      const store = yield* Scope.extend(open({ url: server.url, timeout: "10 minutes" }), scope)
      const silent = yield* start()
      yield* silent.freeze
      const another = yield* Scope.extend(open({ url: silent.url, timeout: "10 minutes" }), scope)
      yield* works(store)
      const waiting = yield* Effect.fork(Effect.flip(another.get(key)))
      yield* Effect.sleep("50 millis")
      const [took] = yield* attended(Effect.gen(function*() {
        yield* Scope.close(scope, Exit.void)
        const errors = [
          yield* Fiber.join(waiting),
          yield* Effect.flip(store.get(key)),
          yield* Effect.flip(store.acquire(key, "1 second")),
          yield* Effect.flip(another.get(key))
        ]
        for (const { detail, reason } of errors) {
          assert.strictEqual(reason, "unavailable")
          assert.include(detail, "the store is closed")
        }
      }))
      assert.isBelow(took, 1000)
    }))

  describe("the process can exit", () => {
    it.scopedLive("whenever the store ends", () =>
      Effect.gen(function*() {
        const server = yield* start()
        assert.strictEqual(yield* exitAfter({ url: server.url }, lives), 0)
      }))

    it.scopedLive("when the server is silent", () =>
      Effect.gen(function*() {
        const server = yield* start()
        yield* server.freeze
        assert.strictEqual(yield* exitAfter({ url: server.url }, [0, 20, 300]), 0)
      }))

    it.scopedLive("when what is sent to the server gets lost", () =>
      Effect.gen(function*() {
        const { host, port, url } = yield* blackHole
        const stores: ReadonlyArray<RedisTokenStore.Options> = [
          { url },
          { cluster: { rootNodes: [{ url }, { url }] } },
          { sentinel: { name: "main", sentinelRootNodes: [{ host, port }, { host, port }] } }
        ]
        for (const options of stores) {
          assert.strictEqual(yield* exitAfter(options, [0, 20, 300]), 0)
        }
      }))
  })
})

/** A server that takes no connection, and refuses none: its queue is full. */
const blackHole = Effect.gen(function*() {
  const server = yield* start({ args: ["--tcp-backlog", "1"] })
  yield* server.freeze
  const sockets: Array<Socket> = []
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  const isTaken = Effect.async<boolean>((resume) => {
    const socket = connect(server.port, server.host, () => resume(Effect.succeed(true)))
    sockets.push(socket.on("error", () => undefined))
  })
  yield* Effect.repeat(
    Effect.timeoutTo(isTaken, { duration: "300 millis", onSuccess: (is) => is, onTimeout: () => false }),
    {
      while: (is) => is
    }
  )
  return server
})

/** The exit code of a process whose stores have ended: 3 if it lives on for too long after that. */
const exitAfter = (options: RedisTokenStore.Options, lives: ReadonlyArray<number>): Effect.Effect<number | null> =>
  Effect.async<number | null>((resume) => {
    const child = spawn(
      process.execPath,
      ["--import", "tsx", fileURLToPath(new URL("closes.ts", import.meta.url))],
      { stdio: ["pipe", "ignore", "inherit"] }
    )
    child.stdin.end(JSON.stringify({ options, lives }))
    child.once("exit", (code) => resume(Effect.succeed(code)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })
