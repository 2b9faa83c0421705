/** The store in Redis keeps the contract that every `TokenStore` keeps; the suite is that of the stores in core. */
import { RedisTokenStore } from "@effect-bearer/redis"
import { Effect, TestClock, TestServices } from "effect"
import { storeConformance } from "../../../packages/core/test/support/storeConformance.js"
import { describeWithRedis } from "./describeWithRedis.js"
import * as RedisServer from "./RedisServer.js"

/** That of the test under way. */
let server: RedisServer.RedisServer

/** The clock of Redis cannot be put forward, so what it keeps is brought nearer to its end. */
const age = (by: number) =>
  server.cli(
    "EVAL",
    `for _, key in ipairs(redis.call("KEYS", "*")) do
      local left = redis.call("PTTL", key)
      if left >= 0 then redis.call("PEXPIRE", key, left - tonumber(ARGV[1])) end
    end`,
    "0",
    `${by}`
  )

// SPEC A16, C5, I11
describeWithRedis("the contract of a store, in Redis", () => {
  storeConformance("Redis", {
    pair: Effect.flatMap(
      TestServices.provideLive(RedisServer.start()),
      (started) => {
        server = started
        const { url } = started
        return Effect.all([RedisTokenStore.make({ url }), RedisTokenStore.make({ url })])
      }
    ),
    advance: (by) => Effect.zipRight(TestClock.adjust(by), TestServices.provideLive(age(by))),
    // the clock of Redis goes on: this is more than a stalled machine takes for a test
    unit: 100_000,
    runs: 0
  })
})
