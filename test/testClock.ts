/**
 * Before any test: the `TestClock` waits for what Node does outside of JavaScript.
 *
 * `TestClock.adjust` lets time pass when all fibers are suspended. A fiber that waits for a digest, a signature or a
 * file looks suspended, although it is about to go on: how far it gets before the clock moves would depend on how fast
 * and how busy the machine is. So the clock does not move while such work is pending.
 */
import type { FiberId, FiberStatus, HashMap } from "effect"
import { Effect, Equal, TestClock, TestContext } from "effect"

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

/** Lets the event loop turn `times` times: whatever is ready to go on, does. */
const rounds = (times: number): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    let left = times
    let timer: NodeJS.Immediate | undefined
    const turn = (): void => {
      if (left-- === 0) resume(Effect.void)
      else timer = setImmediate(turn)
    }
    turn()
    return Effect.sync(() => clearImmediate(timer))
  })

/** Also waits for what others began who test at the same time; that is soon over. */
const untilNothingIsPending: Effect.Effect<void> = Effect.suspend(() =>
  isPending() ? Effect.zipRight(rounds(1), untilNothingIsPending) : Effect.void
)

type Statuses = HashMap.HashMap<FiberId.FiberId, FiberStatus.FiberStatus>

interface Implementation {
  awaitSuspended: () => Effect.Effect<void>
  /** What each fiber of the test is doing; fails if one of them is running. */
  freeze: () => Effect.Effect<Statuses, void>
}

// the class has no name outside of its module, but each of its instances leads to it
const instance = Effect.runSync(Effect.provide(TestClock.testClock(), TestContext.TestContext))
const implementation = Object.getPrototypeOf(instance) as Implementation
const suspendedForSomeMilliseconds = implementation.awaitSuspended

/** What another process or a socket is about to bring shows itself by nothing but time. */
const isFromOutside = (resource: string): boolean => /^(TCP|TLS|UDP|GetAddrInfo|FSEvent|Process|Worker)/.test(resource)

const waitsForOutside = (): boolean => process.getActiveResourcesInfo().some(isFromOutside)

/** Without sockets, whoever can go on does so within a turn or two; the steps of a long test are many. */
const suspendedForSomeTurns = (clock: Implementation): Effect.Effect<void> => {
  const same = Effect.zipWith(
    Effect.zipLeft(clock.freeze(), rounds(4)),
    clock.freeze(),
    (before, after) => Equal.equals(before, after)
  )
  const poll: Effect.Effect<void> = Effect.flatMap(
    Effect.catchAll(same, () => Effect.succeed(false)),
    (stand) => stand ? Effect.void : Effect.zipRight(rounds(1), poll)
  )
  return poll
}

implementation.awaitSuspended = function(this: Implementation): Effect.Effect<void> {
  return Effect.gen(this, function*() {
    do {
      yield* untilNothingIsPending
      yield* waitsForOutside() ? suspendedForSomeMilliseconds.call(this) : suspendedForSomeTurns(this)
    } while (isPending())
  })
}
