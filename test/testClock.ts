/**
 * Before any test: the `TestClock` waits for what Node does outside of JavaScript.
 *
 * `TestClock.adjust` lets time pass when all fibers are suspended. A fiber that waits for a digest, a signature or a
 * file looks suspended, although it is about to go on: how far it gets before the clock moves would depend on how fast
 * and how busy the machine is. So the clock does not move while such work is pending.
 */
import { Effect, TestClock, TestContext } from "effect"

let pending = 0

/** Counts the calls of WebCrypto under way; Node does not list them among its active resources. */
const subtle = Object.getPrototypeOf(crypto.subtle) as Record<string, (...args: Array<unknown>) => Promise<unknown>>
const methods = [
  "decrypt",
  "deriveBits",
  "deriveKey",
  "digest",
  "encrypt",
  "exportKey",
  "generateKey",
  "importKey",
  "sign",
  "unwrapKey",
  "verify",
  "wrapKey"
]
for (const name of methods) {
  const original = subtle[name]!
  subtle[name] = async function(this: unknown, ...args) {
    pending++
    try {
      return await original.apply(this, args)
    } finally {
      pending--
    }
  }
}

const isFileRequest = (resource: string): boolean => resource.startsWith("FSReq")

const isPending = (): boolean => pending > 0 || process.getActiveResourcesInfo().some(isFileRequest)

/** One round of the event loop. */
const round = Effect.async<void>((resume) => {
  const timer = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(timer))
})

/** Also waits for what others began who test at the same time; that is soon over. */
const untilNothingIsPending: Effect.Effect<void> = Effect.suspend(() =>
  isPending() ? Effect.zipRight(round, untilNothingIsPending) : Effect.void
)

interface Implementation {
  awaitSuspended: () => Effect.Effect<void>
}

// the class has no name outside of its module, but each of its instances leads to it
const instance = Effect.runSync(Effect.provide(TestClock.testClock(), TestContext.TestContext))
const implementation = Object.getPrototypeOf(instance) as Implementation
const fibersAreSuspended = implementation.awaitSuspended

implementation.awaitSuspended = function(this: Implementation): Effect.Effect<void> {
  return Effect.gen(this, function*() {
    do {
      yield* untilNothingIsPending
      yield* fibersAreSuspended.call(this)
    } while (isPending())
  })
}
