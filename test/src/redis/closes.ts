/** A program whose stores end at various moments of their beginning. It says so, and exits by itself, or hangs. */
import { text } from "node:stream/consumers"
import { RedisTokenStore } from "@effect-bearer/redis"
import { Effect } from "effect"

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
  process.stdout.write("closed")
})

void Effect.runPromise(program)
