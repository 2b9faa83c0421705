/** A program that uses the store and ends: it exits by itself, in time, or with another code, or hangs. */
import { RedisTokenStore } from "@effect-bearer/redis"
import { Effect } from "effect"
import { TokenStore } from "effect-bearer"
import { exitWithin } from "../attended.js"

const program = Effect.gen(function*() {
  const store = yield* TokenStore.TokenStore
  yield* Effect.ignore(store.acquire("exits", "1 second"))
  yield* Effect.sleep("200 millis")
  yield* Effect.ignore(store.get("exits"))
})

/** Milliseconds from the end of the store to that of the process, which has nothing left to do. */
const longest = 8000

void Effect.runPromise(Effect.provide(program, RedisTokenStore.layerConfig())).then(() => exitWithin(longest))
