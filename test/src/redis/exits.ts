/** A program that uses the store and ends: it exits by itself, or hangs. */
import { RedisTokenStore } from "@effect-bearer/redis"
import { Effect } from "effect"
import { TokenStore } from "effect-bearer"

const program = Effect.gen(function*() {
  const store = yield* TokenStore.TokenStore
  yield* Effect.ignore(store.acquire("exits", "1 second"))
  yield* Effect.sleep("200 millis")
  yield* Effect.ignore(store.get("exits"))
})

void Effect.runPromise(Effect.provide(program, RedisTokenStore.layerConfig()))
