/**
 * One of several processes on one file store: asks for the lease of one key again and again, stores a token when it
 * gets it, reads when it does not, and reports each step on a line, at once, so that nothing is lost when it is killed. It
 * goes on for a time, and until it has had so many turns and five times as many reads, however slow the machine is.
 */
import { writeSync } from "node:fs"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TokenStore from "../../src/store/TokenStore.js"
import * as AccessToken from "../../src/values/AccessToken.js"

/** Microseconds by the clock that all processes of a machine share. */
export interface Line {
  readonly kind: "ready" | "held" | "put" | "late" | "ending" | "got" | "none" | "error"
  readonly called: number
  readonly at: number
  readonly fence: number
  readonly detail?: string
}

const [directory = "", key = "", ttl = "", time = "", turns = ""] = process.argv.slice(2)
const micros = () => Number(process.hrtime.bigint() / 1000n)
const say = (line: Line) => void writeSync(1, `${JSON.stringify(line)}\n`)
/** So long that a torn write would show. */
const padding = "x".repeat(20_000)

const program = Effect.gen(function*() {
  const store = yield* TokenStore.TokenStore
  say({ kind: "ready", called: 0, at: micros(), fence: 0 })
  const end = micros() + Number(time) * 1000
  let held = 0
  let reads = 0
  while (micros() < end || held < Number(turns) || reads < 5 * Number(turns)) {
    let called = micros()
    const lease = yield* Effect.either(store.acquire(key, Number(ttl)))
    if (Either.isLeft(lease)) {
      say({ kind: "error", called, at: micros(), fence: 0, detail: lease.left.message })
    } else if (Option.isSome(lease.right)) {
      const { fence } = lease.right.value
      held++
      say({ kind: "held", called, at: micros(), fence })
      if (fence % 3 === 0) yield* Effect.sleep(1)
      const now = yield* Clock.currentTimeMillis
      const token = AccessToken.make({ value: `${fence}.${padding}`, issuedAt: now, expiresAt: now + 3_600_000 })
      called = micros()
      const stored = yield* store.put(token, lease.right.value)
      say({ kind: stored ? "put" : "late", called, at: micros(), fence })
      say({ kind: "ending", called, at: micros(), fence })
      yield* store.release(lease.right.value)
    }
    called = micros()
    reads++
    const got = yield* Effect.either(store.get(key))
    if (Either.isLeft(got)) say({ kind: "error", called, at: micros(), fence: 0, detail: got.left.message })
    else if (Option.isNone(got.right)) say({ kind: "none", called, at: micros(), fence: 0 })
    else {
      const [fence, rest] = Redacted.value(got.right.value.value).split(".")
      say({ kind: rest === padding ? "got" : "error", called, at: micros(), fence: Number(fence), detail: "torn" })
    }
  }
})

Effect.runFork(
  program.pipe(
    Effect.provide(TokenStore.layerFile({ directory })),
    Effect.provide(Layer.merge(NodeFileSystem.layer, NodePath.layer)),
    Effect.catchAllCause((cause) =>
      Effect.sync(() => say({ kind: "error", called: 0, at: 0, fence: 0, detail: String(cause) }))
    )
  )
)
