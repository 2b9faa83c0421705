import { assert, it } from "@effect/vitest"
import { AuthorizationServer } from "@effect-bearer/examples/support/AuthorizationServer"
import { Effect, Redacted } from "effect"
import { eventually } from "../eventually.js"
import { servers } from "../harness.js"
import { describeWithRedis } from "../redis/describeWithRedis.js"
import * as RedisServer from "../redis/RedisServer.js"
import * as Fleet from "./Fleet.js"

const lifetime = 6000

describeWithRedis("8 processes of 250 callers", () => {
  // I1, I2, I3, SPEC A16, C5, C6, C7, D1
  it.scopedLive(
    "make one token request at cold start and one per renewal, for which nobody waits",
    () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer
        const redis = yield* RedisServer.start()
        const fleet = yield* Fleet.start(8, {
          tokenEndpoint: server.tokenEndpoint,
          clientId: server.clients.basic.id,
          secret: Redacted.value(server.clients.basic.secret),
          store: { _tag: "Redis", url: redis.url },
          endpointTimeout: 30_000,
          lease: 40_000,
          storeTimeout: 10_000
        })

        const first = yield* Fleet.all(fleet, (worker) => worker.burst(250))
        const cold = Fleet.sum(first)
        assert.deepStrictEqual(cold.failures, [])
        assert.strictEqual(cold.calls, 8 * 250)
        assert.lengthOf(cold.tokens, 1)
        assert.strictEqual((yield* server.seen).tokenRequests, 1)

        yield* Fleet.all(fleet, (worker) => worker.begin(250, { pace: 1000 }))
        const reports = [first]
        let current = cold.tokens[0]
        let rotations = 0
        let quiet = 0
        // where the processes get no time to run in, a renewal may come too late
        while (quiet < 3) {
          // until everybody has the next token
          const next = yield* eventually(
            Fleet.all(fleet, (worker) => worker.burst(1)),
            (next) => Fleet.sum(next).tokens.length === 1 && Fleet.sum(next).tokens[0] !== current
          )
          current = Fleet.sum(next).tokens[0]
          const seen = yield* Fleet.all(fleet, (worker) => worker.collect)
          rotations++
          if (Fleet.sum(seen).waited === 0) quiet++
          reports.push(seen, next)
        }
        const { tokenRequests, tokenStatuses, tokensIssuedAt } = yield* server.seen
        reports.push(yield* Fleet.all(fleet, (worker) => worker.end))

        const seen = Fleet.sum(reports.flat())
        assert.deepStrictEqual(seen.failures, [])
        assert.strictEqual(seen.heldUp, 0)
        assert.strictEqual(seen.expired, 0)
        assert.isAbove(seen.calls, 2 * 8 * 250)
        assert.notProperty(seen.events, "RefreshFailed")
        assert.notProperty(seen.events, "StoreFailed")
        assert.notProperty(seen.events, "LeaseLost")

        // FAULTS D2
        assert.isAtLeast(seen.requestsAt.length, tokenRequests)
        assert.isAbove(Fleet.shortestLifecycle(seen.requestsAt, lifetime), 0.65)
        assert.deepStrictEqual(Object.keys(tokenStatuses), ["200"])
        // nobody goes back to an older one
        for (const index of fleet.keys()) {
          const own = Fleet.sum(reports.map((reports) => reports[index]!)).tokens
          assert.deepStrictEqual(own, seen.tokens.filter((hash) => own.includes(hash)))
        }
        // what was issued came to callers, but for the next one, and what was over when it came to a starved process
        const isSeen = tokensIssuedAt.length <= seen.tokens.length
        assert.isAtLeast(seen.tokens.length, 1 + rotations)
        for (const { hash, last } of isSeen ? reports.flat().flatMap(({ tokens }) => tokens) : []) {
          const at = tokensIssuedAt[seen.tokens.indexOf(hash)] ?? Number.POSITIVE_INFINITY
          assert.isBelow(last, at + lifetime)
        }
      }).pipe(Effect.provide(servers({ lifetime, latency: "300 millis" })))
  )
})
