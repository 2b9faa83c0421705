import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option, Redacted, Scope, Stream, TestClock } from "effect"
import { RefreshToken, TokenSource, TokenStore } from "../../src/index.js"
import { FaultyStore } from "../support/faultyStore.js"
import { collect, secret } from "../support/observe.js"
import { Scripted } from "../support/scripted.js"

const operations = ["get", "put", "acquire", "release", "remove"] as const

const shared = (store: TokenStore.Service, server = new Scripted()) =>
  Effect.flatMap(server.source, TokenSource.shared({ namespace: "test", timeout: "1 second" })).pipe(
    Effect.provideService(TokenStore.TokenStore, store)
  )

/** Runs an effect and lets exactly so much time pass as it may take. */
const within = <A, E>(time: Duration.DurationInput, effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(time)
    assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)), `not done after ${Duration.format(time)}`)
    return yield* Fiber.join(fiber)
  })

// FAULTS L4
describe("a store that never answers", () => {
  for (const fault of ["pooled", "hangs", "interrupted"] as const) {
    for (const operation of operations) {
      it.scoped(`a store whose ${operation} fails (${fault}) delays callers no longer than \`timeout\``, () =>
        Effect.gen(function*() {
          const store = yield* FaultyStore.make
          const server = new Scripted()
          const tokens = yield* shared(store.service, server)
          const events = yield* collect(tokens)
          const before = yield* within("0 seconds", tokens.get())
          store.breakDown(fault, [operation])
          // a whole turn: remove, get, acquire, token request, put, release
          const after = yield* within("5 seconds", tokens.renew(before))
          assert.notStrictEqual(secret(after), secret(before))
          const failed = events.flatMap((event) => event._tag === "StoreFailed" ? [event] : [])
          assert.include(failed.map((event) => event.operation), operation)
          assert.strictEqual(failed[0]!.reason, fault === "interrupted" ? "unavailable" : "timeout")
          store.heal()
          yield* TestClock.adjust("1 minute")
          assert.notStrictEqual(secret(yield* within("10 seconds", tokens.renew(after))), secret(after))
        }))
    }

    for (const operation of ["get", "put", "acquire"] as const) {
      it.scoped(`a store whose ${operation} fails (${fault}) gives RefreshToken an error in time`, () =>
        Effect.gen(function*() {
          const store = yield* FaultyStore.make
          store.breakDown(fault, [operation])
          const tokens = yield* Effect.provideService(
            RefreshToken.shared({ namespace: "test", timeout: "1 second" }),
            TokenStore.TokenStore,
            store.service
          )
          const save = tokens.save({
            token: Redacted.make("r"),
            expiresAt: Option.none(),
            rotates: true,
            state: "ready"
          }, Option.none())
          const error = yield* within("2 seconds", Effect.flip(operation === "get" ? tokens.load : save))
          assert.strictEqual(error._tag, "TransportError")
          assert.include(error.message, operation)
        }))
    }
  }

  it.scoped("a lease that is granted after the caller stopped waiting is given back", () =>
    Effect.gen(function*() {
      const { service } = yield* FaultyStore.make
      const slow: TokenStore.Service = {
        ...service,
        acquire: (key, ttl) => Effect.uninterruptible(Effect.delay(service.acquire(key, ttl), "1500 millis"))
      }
      let released = 0
      const counting = { ...slow, release: (lease: TokenStore.Lease) => (released++, service.release(lease)) }
      const tokens = yield* shared(counting)
      assert.strictEqual(secret(yield* within("1 second", tokens.get())), "token-1")
      assert.strictEqual(released, 0)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(released, 1)
    }))

  it.scoped("if announcements end, break or never come, a waiting process looks by itself", () =>
    Effect.gen(function*() {
      for (const changes of [Stream.empty, Stream.never, Stream.die("boom"), Stream.fromEffect(Effect.interrupt)]) {
        const { service } = yield* FaultyStore.make
        const server = new Scripted()
        server.latency = 3000
        const store = { ...service, changes }
        const [one, other] = [yield* shared(store, server), yield* shared(store, server)]
        const both = yield* within("6 seconds", Effect.all([one.get(), other.get()], { concurrency: "unbounded" }))
        assert.deepStrictEqual(both.map(secret), ["token-1", "token-1"])
      }
    }))

  it.effect("a scope closes although its store's announcements cannot be stopped", () =>
    Effect.gen(function*() {
      const { service } = yield* FaultyStore.make
      const store = {
        ...service,
        changes: Stream.fromEffect(Effect.uninterruptible(Effect.never)) as Stream.Stream<string>
      }
      const scope = yield* Scope.make()
      yield* Effect.provideService(shared(store), Scope.Scope, scope)
      yield* Effect.yieldNow()
      yield* within("0 seconds", Scope.close(scope, Exit.void))
    }))
})

// FAULTS L4, S4
describe("a store that breaks its contract", () => {
  const answers: ReadonlyArray<readonly [string, (operation: string) => unknown]> = [
    ["throws", () => {
      throw new Error("secret-of-the-store")
    }],
    ["answers nothing", () => Effect.succeed(undefined)],
    ["answers with something else", () => Effect.succeed({ token: "secret-of-the-store" })],
    ["answers with some nothing", () => Effect.succeed(Option.some(undefined))],
    ["answers with some text", () => Effect.succeed(Option.some("secret-of-the-store"))],
    [
      "answers with a token of text",
      () => Effect.succeed(Option.some({ value: "secret-of-the-store", issuedAt: 0, expiresAt: 3_600_000 }))
    ],
    ["is no effect", () => Option.some("secret-of-the-store")],
    [
      "fails with an error of its own",
      (operation) =>
        Effect.fail({ _tag: "StoreError", operation, reason: "unavailable", detail: "secret-of-the-store" })
    ],
    ["fails with text", () => Effect.fail("secret-of-the-store")]
  ]
  for (const [title, answer] of answers) {
    it.scoped(`a store that ${title}: sources work alone, and do not show what it said`, () =>
      Effect.gen(function*() {
        const { service } = yield* FaultyStore.make
        for (const operation of operations) {
          const tokens = yield* shared({ ...service, [operation]: () => answer(operation) })
          const events = yield* collect(tokens)
          const before = yield* within("10 seconds", tokens.get())
          const after = yield* within("30 seconds", tokens.renew(before))
          assert.isFalse(secret(after).includes("store"))
          yield* within("5 seconds", tokens.invalidate(after))
          assert.notInclude(JSON.stringify(events), "secret-of-the-store")
        }
      }))

    it.scoped(`a store that ${title}: no refresh token is used, and the error is typed`, () =>
      Effect.gen(function*() {
        const { service } = yield* FaultyStore.make
        for (const operation of ["get", "acquire"] as const) {
          const store = yield* Effect.provideService(
            RefreshToken.shared({ namespace: "test", patience: "3 seconds" }),
            TokenStore.TokenStore,
            { ...service, [operation]: () => answer(operation) } as TokenStore.Service
          )
          const error = yield* within("10 seconds", Effect.flip(store.locked(store.load)))
          assert.include(["TransportError", "InvalidConfiguration"], error._tag)
          assert.notInclude(error.message, "secret-of-the-store")
        }
      }))
  }

  for (const changes of [undefined, null, "text", Stream.die("boom"), Stream.fail("boom"), Stream.make("a", 1, null)]) {
    it.scoped(`a store whose announcements are ${String(changes).slice(0, 20)} does not stop a source`, () =>
      Effect.gen(function*() {
        const { service } = yield* FaultyStore.make
        const tokens = yield* shared({ ...service, changes } as TokenStore.Service)
        assert.strictEqual(secret(yield* within("1 seconds", tokens.get())), "token-1")
      }))
  }

  it.scoped("a StoreError of another copy of the package is recognised", () =>
    Effect.gen(function*() {
      const { service } = yield* FaultyStore.make
      const theirs = Object.create(
        {
          get "~effect-bearer/StoreError"() {
            return "~effect-bearer/StoreError"
          }
        },
        Object.getOwnPropertyDescriptors({
          _tag: "StoreError",
          operation: "get",
          reason: "unavailable",
          detail: "the table is locked"
        })
      ) as TokenStore.StoreError
      const tokens = yield* shared({ ...service, get: () => Effect.fail(theirs) })
      const events = yield* collect(tokens)
      yield* within("1 second", tokens.get())
      const [failed] = events.flatMap((event) => event._tag === "StoreFailed" ? [event] : [])
      assert.strictEqual(failed?.detail, "the table is locked")
    }))
})
