/** Who may use Redis, and what is said when somebody may not. */
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { RedisTokenStore } from "@effect-bearer/redis"
import { Cause, Config, ConfigProvider, Effect, Fiber, Layer, Logger, Option, Redacted, Stream } from "effect"
import { Clocks, TokenStore } from "effect-bearer"
import * as Bound from "../bound.js"
import { eventually } from "../eventually.js"
import { describeWithRedis } from "./describeWithRedis.js"
import { start } from "./RedisServer.js"
import { acl, grab, key, nameIn, open, secret, token, works } from "./support.js"

const password = "p@ss/w:rd%-of-redis"

const urlFor = (server: { readonly host: string; readonly port: number }, user: string, password: string) =>
  `redis://${user}:${encodeURIComponent(password)}@${server.host}:${server.port}`

/** Everything that a failure can be turned into, by people, loggers and crashes. */
const renderings = (error: Error): Effect.Effect<string> =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Logger.replace(Logger.defaultLogger, Logger.make((options) => void lines.push(inspect(options))))
    yield* Effect.provide(Effect.logError("failed", error, Cause.fail(error)), logger)
    return [
      ...lines,
      String(error),
      error.message,
      error.stack,
      JSON.stringify(error),
      inspect(error, { depth: null, showHidden: true }),
      Cause.pretty(Cause.fail(error))
    ].join("\n")
  })

describeWithRedis("access to Redis", () => {
  it.scopedLive("the password is part of the URL, as text or Redacted", () =>
    Effect.gen(function*() {
      const server = yield* start({ password })
      for (const url of [server.url, Redacted.make(server.url), Redacted.make(` ${server.url}/0\n`)]) {
        yield* works(yield* open({ url }))
      }
      yield* works(yield* open({ options: { password, socket: { host: server.host, port: server.port } } }))
      yield* works(yield* open({ url: `redis://${server.host}:${server.port}`, options: { password } }))
    }))

  it.scopedLive("a wrong password is told, and never shown (I9)", () =>
    Effect.gen(function*() {
      const server = yield* start({ password })
      for (
        const [url, code] of [
          [urlFor(server, "default", secret), "WRONGPASS"],
          [urlFor(server, secret, secret), "WRONGPASS"],
          [`redis://${server.host}:${server.port}`, "NOAUTH"]
        ] as const
      ) {
        const store = yield* open({ url })
        const lease = { key, owner: "me", fence: 1 }
        const mine = yield* token("mine")
        const operations: ReadonlyArray<Effect.Effect<unknown, TokenStore.StoreError>> = [
          store.get(key),
          store.acquire(key, "1 second"),
          store.put(mine, lease),
          store.release(lease),
          store.remove(key, mine)
        ]
        for (const operation of operations) {
          const error = yield* Effect.flip(operation)
          assert.strictEqual(error.reason, "unavailable")
          assert.include(error.detail, code)
          const text = yield* renderings(error)
          assert.notInclude(text, secret)
          assert.notInclude(text, encodeURIComponent(password))
        }
      }
    }))

  // FAULTS W4
  it.scopedLive("who is refused connects less and less often: not before half of each pause is over", () =>
    Effect.gen(function*() {
      const refused = (
        /** Connections that are taken, and stay. */
        taken: number,
        options: (address: { readonly host: string; readonly port: number }) => RedisTokenStore.Options
      ) =>
        Effect.gen(function*() {
          const server = yield* start({ password })
          yield* server.cli("ACL", "SETUSER", "deaf", "on", `>${password}`, ...acl, "resetchannels")
          // `redis-cli` connects as well
          let own = 0
          const connected = Effect.map(server.cli("INFO", "stats"), (stats) => {
            const [, total] = /total_connections_received:(\d+)/.exec(stats) ?? []
            return Number(total) - ++own
          })
          const before = yield* connected
          const began = yield* Clocks.now
          yield* open(options(server))
          for (const attempts of [2, 3, 4]) {
            yield* eventually(connected, (count) => count - before - taken >= attempts)
            const { steady } = yield* Clocks.now
            // pauses of 1, 2 and 4 s, or of half as much
            assert.isAtLeast(steady - began.steady, 500 * (2 ** (attempts - 1) - 1))
          }
        })
      yield* Effect.all([
        refused(0, (server) => ({ url: urlFor(server, "default", secret) })),
        refused(1, ({ host, port }) => ({ url: `redis://${host}:${port}` })),
        refused(1, (server) => ({ url: urlFor(server, "deaf", password) })),
        refused(0, ({ host, port }) => ({
          cluster: { rootNodes: [{ socket: { host, port } }], defaults: { password: secret } }
        })),
        refused(0, ({ host, port }) => ({
          sentinel: {
            name: "main",
            sentinelRootNodes: [{ host, port }],
            sentinelClientOptions: { password: secret }
          }
        }))
      ], { concurrency: "unbounded" })
    }))

  it.scopedLive("the user of the README may do all that is needed", () =>
    Effect.gen(function*() {
      const server = yield* start()
      yield* server.cli("ACL", "SETUSER", "tokens", "on", `>${password}`, ...acl)
      const store = yield* open({ url: urlFor(server, "tokens", password) })
      yield* eventually(
        server.cli("PUBSUB", "NUMSUB", "effect-bearer:changes"),
        (answer) => answer.endsWith("1")
      )
      const heard = yield* Effect.fork(Stream.runCollect(Stream.take(store.changes, 3)))
      yield* Effect.sleep("50 millis")
      const lease = yield* grab(store)
      const mine = yield* token("mine")
      assert.isTrue(yield* store.put(mine, lease))
      assert.strictEqual(yield* nameIn(store), "mine")
      yield* store.release(lease)
      yield* store.remove(key, mine)
      assert.deepStrictEqual(Array.from(yield* Fiber.join(heard)), [key, key, key])
      // what the client library says of itself may be refused
      const refused = yield* server.cli("ACL", "LOG")
      assert.notMatch(refused, /effect-bearer|eval|subscribe|ping/)
    }))

  it.scopedLive("nothing of what it may do is more than is needed", () =>
    Effect.gen(function*() {
      const server = yield* start()
      const can = (rules: ReadonlyArray<string>) =>
        Effect.scoped(Effect.gen(function*() {
          yield* server.cli("FLUSHALL")
          yield* server.cli("SCRIPT", "FLUSH")
          yield* server.cli("ACL", "SETUSER", "tokens", "reset", "on", `>${password}`, ...rules)
          const store = yield* open({ url: urlFor(server, "tokens", password) })
          const heard = yield* Effect.fork(Stream.runCollect(Stream.take(store.changes, 1)))
          const mine = yield* token("mine")
          const lease = yield* grab(store)
          yield* store.put(mine, lease)
          yield* nameIn(store)
          yield* store.release(lease)
          yield* store.remove(key, mine)
          yield* Effect.repeat(
            Effect.flatMap(grab(store), store.release),
            { until: () => Fiber.poll(heard).pipe(Effect.map(Option.isSome)), times: 20 }
          )
          return yield* Effect.timeout(Fiber.join(heard), "10 millis")
        }))
      assert.isTrue(Option.isSome(yield* Effect.option(can(acl))))
      for (const rule of acl) {
        // a ping comes only after seconds
        if (rule === "+ping") continue
        const exit = yield* Effect.exit(can(acl.filter((other) => other !== rule)))
        assert.strictEqual(exit._tag, "Failure", `it does without ${rule}`)
      }
    }))

  it.scopedLive("what is refused is told, and never shown (I9)", () =>
    Effect.gen(function*() {
      const server = yield* start()
      yield* server.cli("ACL", "SETUSER", "tokens", "on", `>${password}`, ...acl, "-set")
      const store = yield* open({ url: urlFor(server, "tokens", password) })
      const error = yield* Effect.flip(store.put(yield* token("mine"), { key, owner: "me", fence: 1 }))
      assert.strictEqual(error.reason, "unavailable")
      assert.include(error.detail, "NOPERM: the user lacks a permission")
      const text = yield* renderings(error)
      for (const hidden of [secret, password, encodeURIComponent(password)]) assert.notInclude(text, hidden)
    }))

  describe("TLS", () => {
    if (!Bound.hasOpenssl) {
      if (process.env.CI === "true") {
        it("needs openssl", () => assert.fail("openssl is not installed: TLS to Redis was not tested"))
      } else {
        console.warn("openssl is not installed: TLS TO REDIS IS NOT TESTED")
        it.skip("needs openssl, which is not installed")
      }
      return
    }

    it.scopedLive("with a certificate authority of one's own; without it there is no connection", () =>
      Effect.gen(function*() {
        const { server: tls } = yield* Bound.certificates
        const server = yield* start({ tls, password })
        assert.match(server.url, /^rediss:/)
        yield* works(yield* open({ url: server.url, options: { socket: { tls: true, ca: tls.ca } } }))

        const stranger = yield* open({ url: server.url })
        const error = yield* Effect.flip(stranger.get(key))
        assert.strictEqual(error.reason, "unavailable")
        assert.match(error.detail, /there is no connection \((UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)/)
        assert.notInclude(yield* renderings(error), encodeURIComponent(password))
      }))
  })

  describe("layerConfig", () => {
    const get = Effect.flatMap(TokenStore.TokenStore, (store) => store.get(key))

    const withVariables = (variables: ReadonlyArray<readonly [string, string]>) =>
      Layer.setConfigProvider(ConfigProvider.fromMap(new Map(variables)))

    it.scopedLive("reads REDIS_URL", () =>
      Effect.gen(function*() {
        const server = yield* start({ password })
        const layer = Layer.provide(RedisTokenStore.layerConfig(), withVariables([["REDIS_URL", server.url]]))
        assert.isTrue(Option.isNone(yield* Effect.provide(get, layer)))
      }))

    it.scopedLive("takes a description of one's own", () =>
      Effect.gen(function*() {
        const server = yield* start({ password })
        const layer = RedisTokenStore.layerConfig({
          url: Config.redacted("TOKEN_STORE_URL"),
          prefix: Config.string("TOKEN_STORE_PREFIX"),
          timeout: Config.succeed("2 seconds"),
          unknownLifetime: Config.succeed("1 hour")
        }).pipe(Layer.provide(withVariables([["TOKEN_STORE_URL", server.url], ["TOKEN_STORE_PREFIX", "mine:"]])))
        yield* Effect.provide(Effect.flatMap(TokenStore.TokenStore, grab), layer)
        assert.strictEqual(yield* server.cli("EXISTS", `mine:{=${key}}:lease`), "1")
      }))
  })
})
