import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FiberId, Layer, ManagedRuntime, Redacted } from "effect"
import { ClientAuthentication, TokenSource } from "effect-bearer"
import { AuthorizationServer, LeakCheck } from "../src/index.js"

const quick = { patience: 100 }

// one after the other: timers and sockets are those of the whole process
describe.sequential("LeakCheck", () => {
  it.live("a program that cleans up leaves nothing", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        yield* Effect.forkScoped(Effect.never)
        yield* Effect.acquireRelease(
          Effect.sync(() => setInterval(() => {}, 1000)),
          (timer) => Effect.sync(() => clearInterval(timer))
        )
        yield* AuthorizationServer.listen()
        return 7
      })
      assert.strictEqual(yield* LeakCheck.noLeaks(program), 7)
    }))

  it.live("a source leaves nothing, although it renews in the background", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ expiresIn: 1 })
      const tokens = TokenSource.layer({
        tokenEndpoint: server.tokenEndpoint,
        clientId: "reports",
        authentication: ClientAuthentication.basic(Redacted.make("secret"))
      }).pipe(Layer.provide(server.layer))
      yield* LeakCheck.noLeaks(
        Effect.flatMap(TokenSource.TokenSource, (tokens) => Effect.zipRight(tokens.get(), Effect.sleep("50 millis")))
          .pipe(
            Effect.provide(tokens)
          )
      )
    }))

  it.live("a daemon is found", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.sync(() => Effect.runFork(Effect.never))
      assert.deepStrictEqual(
        yield* LeakCheck.left(Effect.void, quick),
        { fibers: [], resources: {} },
        "not begun in it"
      )
      const { fibers } = yield* LeakCheck.left(Effect.forkDaemon(Effect.never), quick)
      assert.lengthOf(fibers, 1)
      assert.match(fibers[0]!, /^#\d+$/)
      yield* Effect.sync(() => fiber.unsafeInterruptAsFork(fiber.id()))
    }))

  // FAULTS T
  it.live("a ManagedRuntime that is not disposed of is found, and so is what runs in a runtime of its own", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const runtime = ManagedRuntime.make(
        TokenSource.layer({
          tokenEndpoint: server.tokenEndpoint,
          clientId: "reports",
          authentication: ClientAuthentication.basic(Redacted.make("secret"))
        }).pipe(Layer.provide(server.layer))
      )
      const get = Effect.promise(() => runtime.runPromise(Effect.flatMap(TokenSource.TokenSource, (it) => it.get())))
      const { fibers } = yield* LeakCheck.left(get, quick)
      assert.isAbove(fibers.length, 0)
      yield* runtime.disposeEffect

      let fiber: Fiber.RuntimeFiber<never> | undefined
      const forked = Effect.sync(() => void (fiber = Effect.runFork(Effect.never)))
      const left = yield* LeakCheck.left(forked, quick)
      assert.deepStrictEqual(left.fibers, [FiberId.threadName(fiber!.id())])
      yield* Fiber.interrupt(fiber!)
      assert.deepStrictEqual(yield* LeakCheck.left(Effect.void, quick), { fibers: [], resources: {} })
    }))

  it.live("a timer is found, and named in the error", () =>
    Effect.gen(function*() {
      let timer: NodeJS.Timeout | undefined
      const program = Effect.sync(() => void (timer = setInterval(() => {}, 1000)))
      const error = yield* Effect.flip(LeakCheck.noLeaks(program, quick))
      clearInterval(timer)
      assert.strictEqual(error._tag, "Leaked")
      assert.deepStrictEqual(error.resources, { timer: 1 })
      assert.include(error.message, "1 × timer")
    }))

  it.live("a server is found", () =>
    Effect.gen(function*() {
      const server = createServer()
      const program = Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
      const { resources } = yield* LeakCheck.left(program, quick)
      server.close()
      assert.deepStrictEqual(resources, { server: 1 })
    }))

  it.live("an error of the program goes first", () =>
    Effect.gen(function*() {
      const program = Effect.zipRight(Effect.forkDaemon(Effect.sleep("200 millis")), Effect.fail("own" as const))
      assert.strictEqual(yield* Effect.flip(LeakCheck.noLeaks(program, quick)), "own")
    }))
})
