import { chmod, lstat, mkdir, symlink, writeFile } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { join } from "node:path"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, LogLevel } from "effect"
import { Broker, BrokerServer } from "../../src/index.js"
import { configOf, folder, get, setUp } from "../support/broker.js"
import * as raw from "../support/raw.js"

/** Whether a broker starts with these listeners; why not, where it does not. */
const start = (listen: unknown, more = {}) =>
  Effect.scoped(Effect.map(
    Effect.exit(Layer.build(
      BrokerServer.layer.pipe(
        Layer.provideMerge(Broker.layer(configOf({ listen, profiles: {}, ...more }))),
        Layer.provide([NodeContext.layer, NodeHttpClient.layerUndici]),
        Layer.provide(Logger.minimumLogLevel(LogLevel.None))
      )
    )),
    (exit) => Exit.isSuccess(exit) ? "started" : Cause.pretty(exit.cause)
  ))

describe("listeners", () => {
  // SPEC BROKER §3
  it.scopedLive("the broker does not start if other machines can reach it without TLS, or a proxy with TLS", () =>
    Effect.gen(function*() {
      for (
        const host of [
          "0.0.0.0",
          "::",
          "[::]",
          "192.0.2.1",
          "10.0.0.1",
          "::ffff:127.0.0.1",
          "example.com",
          "127.1",
          "0"
        ]
      ) {
        const told = yield* start([{ host, port: 0 }])
        assert.include(told, "InvalidConfiguration", host)
        assert.include(told, "tls", host)
      }
      for (const host of ["127.0.0.1", "127.0.0.2", "localhost", "LOCALHOST"]) {
        assert.strictEqual(yield* start([{ host, port: 0 }]), "started", host)
      }
      assert.strictEqual(yield* start([{ host: "0.0.0.0", port: 0, behindTlsProxy: true }]), "started")
      // files that are not there
      assert.include(
        yield* start([{ host: "0.0.0.0", port: 0, tls: { certificate: "/nowhere/crt", key: "/nowhere/key" } }]),
        "listen.tls.certificate"
      )
    }))

  // SPEC BROKER §3
  it.scopedLive("a network listener checks Host, too, and does not believe headers about the client's address", () =>
    Effect.gen(function*() {
      const { key, listening } = yield* setUp({
        config: {
          listen: [{ host: "0.0.0.0", port: 0, behindTlsProxy: true }],
          hosts: ["broker.internal"],
          limits: { failuresPerAddress: { limit: 2, interval: "1 hour" } }
        }
      })
      const port = new URL(listening.addresses[0]!).port
      const status = (headers: Record<string, string>) =>
        Effect.map(
          raw.exchange(`http://127.0.0.1:${port}`, raw.request("/inject/main", Object.entries(headers))),
          raw.statusOf
        )
      assert.strictEqual(yield* status({ Host: "broker.internal", ...get(key) }), 200)
      assert.strictEqual(yield* status({ Host: "evil.example", ...get(key) }), 421)
      const statuses = yield* Effect.forEach(
        [1, 2, 3, 4],
        (i) =>
          status({
            Host: "broker.internal",
            ...get("wrong"),
            "X-Forwarded-For": `203.0.113.${i}`,
            Forwarded: `for=203.0.113.${i}`
          })
      )
      assert.deepStrictEqual(statuses, [401, 401, 429, 429])
    }))

  // SPEC BROKER §3
  it.scopedLive("only the owner can use the socket and its folder", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const socket = join(directory, "run", "broker.sock")
      const { key, listening } = yield* setUp({ config: { listen: [{ socket }] } })
      assert.deepStrictEqual(listening.addresses, [`unix:${socket}`])
      const [file, parent] = yield* Effect.promise(() => Promise.all([lstat(socket), lstat(join(directory, "run"))]))
      assert.strictEqual(file.mode & 0o777, 0o600)
      assert.isTrue(file.isSocket())
      assert.strictEqual(parent.mode & 0o777, 0o700)
      const status = (headers: Record<string, string>) =>
        Effect.map(raw.exchange(`unix:${socket}`, raw.request("/inject/main", Object.entries(headers))), raw.statusOf)
      assert.strictEqual(yield* status({ Host: "localhost", ...get(key) }), 200)
      // callers authenticate here, too, and other names and forwarded requests are refused
      assert.strictEqual(yield* status({ Host: "localhost", "X-Effect-Bearer": "true" }), 401)
      assert.strictEqual(yield* status({ Host: "evil.example", ...get(key) }), 421)
      assert.strictEqual(yield* status({ Host: "localhost", ...get(key), "X-Forwarded-For": "127.0.0.1" }), 400)
      // another broker does not take it over
      assert.include(yield* start([{ socket }]), "in use")
      assert.strictEqual(yield* status({ Host: "localhost", ...get(key) }), 200)
    }))

  // SPEC BROKER §3
  it.scopedLive("no socket is created in a folder that is open to others, or in place of another kind of file", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      for (const mode of [0o701, 0o710, 0o750, 0o755, 0o777, 0o702]) {
        const open = join(directory, mode.toString(8))
        yield* Effect.promise(() => mkdir(open))
        yield* Effect.promise(() => chmod(open, mode))
        assert.include(yield* start([{ socket: join(open, "broker.sock") }]), "0700", mode.toString(8))
      }
      const own = join(directory, "own")
      yield* Effect.promise(() => mkdir(own, { mode: 0o700 }))
      yield* Effect.promise(() => symlink(own, join(directory, "link")))
      assert.include(yield* start([{ socket: join(directory, "link", "broker.sock") }]), "0700")
      yield* Effect.promise(() => writeFile(join(own, "file"), "precious"))
      assert.include(yield* start([{ socket: join(own, "file") }]), "no socket")
      yield* Effect.promise(() => symlink(join(own, "file"), join(own, "pointer")))
      assert.include(yield* start([{ socket: join(own, "pointer") }]), "no socket")
      assert.include(yield* start([{ socket: own }]), "listen.socket")
      assert.include(yield* start([{ socket: join(own, "file", "broker.sock") }]), "listen.socket")
    }))

  // SPEC BROKER §3
  it.scopedLive("a socket that was left behind is replaced; one that answers slowly is not", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const socket = join(directory, "old.sock")
      // a process that was killed leaves its socket: a name that nobody listens on
      yield* Effect.async<void>((resume) => {
        const server = createServer().listen(socket, () => {
          const copy = join(directory, "copy.sock")
          import("node:fs").then(({ linkSync, renameSync }) => {
            linkSync(socket, copy)
            server.close(() => {
              renameSync(copy, socket)
              resume(Effect.void)
            })
          })
        })
      })
      assert.isTrue((yield* Effect.promise(() => lstat(socket))).isSocket())
      assert.strictEqual(yield* start([{ socket }]), "started")

      // somebody listens and takes nothing: its queue is full, and it is in use all the same
      const busy = join(directory, "busy.sock")
      const { fork } = yield* Effect.promise(() => import("node:child_process"))
      const child = yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof fork>>((resume) => {
          const script = `require("node:net").createServer().listen({ path: ${
            JSON.stringify(busy)
          }, backlog: 1 }, () => {
            process.send("listening")
            setTimeout(() => { for (;;) { } }, 10)
          })`
          const file = join(directory, "busy.cjs")
          void writeFile(file, script).then(() => {
            const child = fork(file, { stdio: "ignore" })
            child.once("message", () => setTimeout(() => resume(Effect.succeed(child)), 50))
          })
        }),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      assert.isNumber(child.pid)
      const waiting = Array.from({ length: 8 }, () => connect(busy).on("error", () => {}))
      const told = yield* start([{ socket: busy }])
      waiting.forEach((one) => one.destroy())
      assert.include(told, "in use")
    }))
})
