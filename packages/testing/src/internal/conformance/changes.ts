// What a store promises of the stream of its changes.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { holds, same } from "./checks.js"
import type { Play, Stage } from "./stage.js"
import { held, key, token } from "./stage.js"

/** News comes through sockets and files: real time passes until it has arrived. */
const moment = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)))

export const scenarios = (stage: Stage): ReadonlyArray<Play> => [{
  name: "the key is announced when its token or its lease has changed, to everybody in the process",
  play: (store) =>
    Effect.gen(function*() {
      const heard: Array<string> = []
      yield* Effect.forkScoped(Stream.runForEach(store.changes, (key) => Effect.sync(() => void heard.push(key))))
      const others = yield* Effect.forkScoped(Stream.runHead(store.changes))
      yield* moment

      const lease = yield* held(stage, store)
      const put = yield* token("one")
      const steps = {
        put: Effect.asVoid(store.put(put, lease)),
        remove: store.remove(key, put),
        release: store.release(lease)
      }
      for (const [name, step] of Object.entries(steps)) {
        heard.length = 0
        yield* step
        yield* moment
        yield* holds(heard.includes(key), `nothing is announced after ${name}`)
        yield* holds(heard.every((one) => one === key), `another key is announced after ${name}`)
      }
      yield* same(Option.getOrUndefined(yield* Fiber.join(others)), key, "what a second listener hears")
    })
}]
