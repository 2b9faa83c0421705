/**
 * Renewal ahead of need on runtimes where work ends with its request: it happens only if `waitUntil` keeps the request.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Scope, TestClock } from "effect"
import { TokenSource } from "../../src/index.js"
import { secret } from "../support/observe.js"
import { refused, Scripted } from "../support/scripted.js"

// for all of this file
Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Cloudflare-Workers" }, configurable: true })

const setup = (options: Parameters<typeof TokenSource.cached>[0] = {}) =>
  Effect.gen(function*() {
    const server = new Scripted()
    const tokens = yield* Effect.flatMap(server.source, TokenSource.cached({ jitter: 0, ...options }))
    const first = yield* Effect.fork(tokens.get())
    yield* TestClock.adjust(100)
    assert.isNotNull(first.unsafePoll())
    const kept: Array<Promise<unknown>> = []
    const staying = TokenSource.withWaitUntil(tokens.get(), (promise) => kept.push(promise))
    return { kept, server, staying, tokens }
  })

describe("withWaitUntil", () => {
  // FAULTS L1, L2
  it.scoped("a token in its last minutes is served and renewed once, and each request stays for the renewal", () =>
    Effect.gen(function*() {
      const { kept, server, staying, tokens } = yield* setup()
      server.latency = 3000
      yield* TestClock.adjust("56 minutes")
      assert.strictEqual(secret(yield* staying), "token-1")
      yield* TestClock.adjust(1001)
      assert.strictEqual(secret(yield* staying), "token-1")
      assert.lengthOf(kept, 2)
      assert.strictEqual(server.count, 2)
      let settled = 0
      for (const promise of kept) promise.then(() => settled++)
      yield* TestClock.adjust(1900)
      assert.strictEqual(settled, 0)
      yield* TestClock.adjust(300)
      yield* Effect.promise(() => Promise.all(kept))
      assert.strictEqual(secret(yield* tokens.get()), "token-2")
    }))

  // FAULTS L3: `waitUntil` throws if it is called without its context, or after the answer was sent
  it.scoped("a waitUntil that throws does not keep callers from the held token", () =>
    Effect.gen(function*() {
      const { server, tokens } = yield* setup()
      server.latency = 3000
      yield* TestClock.adjust("56 minutes")
      for (let i = 0; i < 3; i++) {
        const token = yield* TokenSource.withWaitUntil(tokens.get(), () => {
          throw new TypeError("Illegal invocation")
        })
        assert.strictEqual(secret(token), "token-1")
        yield* TestClock.adjust(1001)
      }
    }))

  // FAULTS L1
  it.scoped("without waitUntil, before a renewal is due, or with no renewal ahead of need, no renewal begins", () =>
    Effect.gen(function*() {
      const { kept, server, staying, tokens } = yield* setup()
      yield* TestClock.adjust("54 minutes")
      yield* staying
      yield* TestClock.adjust("2 minutes")
      yield* tokens.get()
      assert.strictEqual(server.count, 1)
      const never = yield* setup({ ahead: 0 })
      yield* TestClock.adjust(3_570_000 - 1 - 100)
      yield* never.staying
      assert.strictEqual(never.server.count, 1)
      assert.deepStrictEqual([kept, never.kept], [[], []])
    }))

  // FAULTS L1
  for (const failure of [refused(), Cause.die(new Error("a bug of the source")), "closed"] as const) {
    const name = failure === "closed" ? failure : failure._tag
    it.effect(`a renewal that fails does not fail the request that stays for it: ${name}`, () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { kept, server, staying } = yield* Scope.extend(setup(), scope)
        server.latency = 100
        if (failure !== "closed") server.script = [failure]
        yield* TestClock.adjust("56 minutes")
        assert.strictEqual(secret(yield* staying), "token-1")
        assert.lengthOf(kept, 1)
        if (failure === "closed") yield* Scope.close(scope, Exit.void)
        yield* TestClock.adjust(200)
        yield* Effect.promise(() => Promise.all(kept))
        yield* Scope.close(scope, Exit.void)
      }))
  }
})
