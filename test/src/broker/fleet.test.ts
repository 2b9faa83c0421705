/** Several brokers are one: three processes, one Redis, a real authorization server, 200 flows at once. */
import { assert, it } from "@effect/vitest"
import { AuthorizationServer } from "@effect-bearer/testing"
import { Effect } from "effect"
import { eventually } from "../eventually.js"
import { describeWithRedis } from "../redis/describeWithRedis.js"
import * as RedisServer from "../redis/RedisServer.js"
import type { Answer, Broker } from "./Brokers.js"
import { check, newKey, start } from "./Brokers.js"

const flows = 200

/** Three brokers that share a Redis; `burst` is that many flows at once, spread over those that are asked. */
const setUp = (options: { readonly lifetime: number }) =>
  Effect.gen(function*() {
    const redis = yield* RedisServer.start()
    // slow enough that everybody comes while the one request is under way
    const server = yield* AuthorizationServer.listen({ expiresIn: options.lifetime, latency: "1 second" })
    const { digest, key } = yield* newKey
    const config = {
      listen: [{ host: "127.0.0.1", port: 0 }],
      allowPlainSecrets: true,
      store: { redis: { url: { plain: redis.url } } },
      profiles: {
        genesys: {
          tokenEndpoint: server.tokenEndpoint,
          clientId: "flow-client",
          authentication: { method: "basic", secret: { plain: "upstream-secret" } },
          wait: "60 seconds"
        }
      },
      callers: [{ id: "flow", keys: [digest], profiles: { genesys: {} } }]
    }
    const brokers = yield* Effect.all(Array.from({ length: 3 }, () => start(config)), { concurrency: "unbounded" })
    const burst = (asked: ReadonlyArray<Broker> = brokers) =>
      Effect.forEach(
        Array.from({ length: flows }, (_, n) => asked[n % asked.length]!),
        ({ origin }) => check(origin, key, "flow-client"),
        { concurrency: "unbounded" }
      )
    return { server, redis, brokers, burst, ask: (broker: Broker) => check(broker.origin, key, "flow-client") }
  })

const statuses = (answers: ReadonlyArray<Answer>) => {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

const tokens = (answers: ReadonlyArray<Answer>) => new Set(answers.map(({ body }) => body.access_token))

describeWithRedis("brokers that share a Redis", () => {
  // SPEC C5, C6, C7
  it.scopedLive("cold start: 200 flows are one token request, and each gets its token", () =>
    Effect.gen(function*() {
      const { burst, server } = yield* setUp({ lifetime: 3600 })
      const answers = yield* burst()
      assert.deepStrictEqual(statuses(answers), { 200: flows })
      assert.strictEqual(tokens(answers).size, 1)
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC C5, C6
  it.scopedLive("a broker that is killed with the request under way: the others answer, and no flow fails", () =>
    Effect.gen(function*() {
      const { brokers, burst, server } = yield* setUp({ lifetime: 3600 })
      const [first, second, third] = brokers
      const lost = yield* Effect.fork(burst([first!]))
      yield* eventually(server.inFlight, (count) => count === 1)
      yield* first!.signal("SIGKILL")
      const answers = yield* burst([second!, third!])
      assert.deepStrictEqual(statuses(answers), { 200: flows })
      assert.strictEqual(tokens(answers).size, 1)
      // the one that died had asked once
      assert.strictEqual(yield* server.count, 2)
      // its own flows see the end of the connection, and would ask another broker
      assert.deepStrictEqual(statuses(yield* Effect.fromFiber(lost)), { 0: flows })
    }))

  // SPEC C3, C4, C5, C6
  it.scopedLive("at expiry: through three lifecycles no flow fails, and each is one token request", () =>
    Effect.gen(function*() {
      const { burst, server } = yield* setUp({ lifetime: 8 })
      const seen: Array<Answer> = []
      while ((yield* server.issued).length < 4) seen.push(...(yield* burst()))
      assert.deepStrictEqual(statuses(seen), { 200: seen.length })
      const issued = yield* server.issued
      const handed = tokens(seen)
      // what was handed out is what was issued, and none was issued for nobody but the last, which is on its way
      assert.isAtLeast(handed.size, issued.length - 1)
      for (const token of handed) assert.include(issued, token)
      for (const { body } of seen) assert.isAtLeast(body.expires_in!, 1)
      // no broker asks while another's request, which takes a second, is under way
      const at = (yield* server.requests).map((request) => request.at)
      for (let n = 1; n < at.length; n++) assert.isAtLeast(at[n]! - at[n - 1]!, 1000)
    }))
})
