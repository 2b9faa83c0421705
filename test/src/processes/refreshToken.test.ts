import { assert, it } from "@effect/vitest"
import { GrantServer } from "@effect-bearer/examples/support/GrantServer"
import * as GrantServers from "@effect-bearer/examples/support/GrantServer"
import { Effect, Layer, Logger, LogLevel, Redacted } from "effect"
import { eventually } from "../eventually.js"
import { describeWithRedis } from "../redis/describeWithRedis.js"
import * as RedisServer from "../redis/RedisServer.js"
import * as Fleet from "./Fleet.js"

const Server = Layer.merge(GrantServers.layer({ lifetime: "3 seconds" }), Logger.minimumLogLevel(LogLevel.None))

describeWithRedis("4 processes with one refresh token, which is replaced at every use", () => {
  // I12
  it.scopedLive("spend each one once, also when the one whose turn it is is killed", () =>
    Effect.gen(function*() {
      const server = yield* GrantServer
      const redis = yield* RedisServer.start()
      const [victim, ...fleet] = yield* Fleet.start(4, {
        tokenEndpoint: server.tokenEndpoint,
        clientId: server.clients.basic.id,
        secret: Redacted.value(server.clients.basic.secret),
        refreshToken: Redacted.value(yield* server.login()),
        store: { _tag: "Redis", url: redis.url },
        endpointTimeout: 30_000,
        lease: 2000,
        storeTimeout: 10_000
      })
      const cold = yield* Fleet.burst([victim!, ...fleet], 50)
      assert.deepStrictEqual(cold.failures, [])
      assert.lengthOf(cold.tokens, 4)

      yield* Fleet.all(fleet, (worker) => worker.begin(20, { pace: 100 }))
      // it is its turn, but it has sent nothing
      yield* victim!.stopAt("after acquire")
      yield* victim!.stopped
      yield* victim!.signal("SIGKILL")
      const before = (yield* server.answered).length
      yield* eventually(server.answered, ({ length }) => length >= before + 2 * fleet.length)
      const reports = yield* Fleet.all(fleet, (worker) => worker.end)
      const { expired, failures, heldUp } = Fleet.sum(reports)
      assert.deepStrictEqual({ expired, failures, heldUp }, { expired: 0, failures: [], heldUp: 0 })
      for (const { tokens } of reports) assert.isAbove(tokens.length, 1)

      // one that is presented a second time is refused, as are all that follow it
      assert.deepStrictEqual([...new Set((yield* server.answered).map(({ outcome }) => outcome))], ["200"])
      assert.strictEqual(yield* server.thefts, 0)
    }).pipe(Effect.provide(Server)))
})
