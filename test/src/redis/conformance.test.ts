/** The store in Redis keeps the contract that every `TokenStore` keeps; the suite is that of the stores in core. */
import { RedisTokenStore } from "@effect-bearer/redis"
import { Effect, TestClock, TestServices } from "effect"
import { storeConformance } from "../../../packages/core/test/support/storeConformance.js"
import { describeWithRedis } from "./describeWithRedis.js"
import * as RedisServer from "./RedisServer.js"

// SPEC A16, C5, I11
describeWithRedis("the contract of a store, in Redis", () => {
  storeConformance("Redis", {
    pair: Effect.flatMap(
      TestServices.provideLive(RedisServer.start()),
      ({ url }) => Effect.all([RedisTokenStore.make({ url }), RedisTokenStore.make({ url })])
    ),
    // the clock of Redis is a real one
    advance: (by) => Effect.zipRight(TestClock.adjust(by), TestServices.provideLive(Effect.sleep(by))),
    // wide enough for a machine that is busy with other tests
    unit: 400,
    runs: 0
  })
})
