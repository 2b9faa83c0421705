/** A program whose stores end at various moments of their beginning. It exits by itself, in time, or with another code, or hangs. */
import { text } from "node:stream/consumers"
import { RedisTokenStore } from "@effect-bearer/redis"
import { Effect } from "effect"
import { exitWithin } from "../attended.js"

interface Task {
  readonly options: RedisTokenStore.Options
  /** Milliseconds. */
  readonly lives: ReadonlyArray<number>
}

const program = Effect.gen(function*() {
  const { lives, options } = JSON.parse(yield* Effect.promise(() => text(process.stdin))) as Task
  yield* Effect.forEach(
    lives,
    (life) => Effect.provide(life === 0 ? Effect.void : Effect.sleep(life), RedisTokenStore.layer(options)),
    { concurrency: "unbounded" }
  )
})

/** Milliseconds from the end of the stores to that of the process. An attempt to connect may take five seconds. */
const longest = 2000

void Effect.runPromise(program).then(() => exitWithin(longest))
