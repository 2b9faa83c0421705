import { KeyValueStore } from "@effect/platform"
import * as FileSystem from "@effect/platform/FileSystem"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Clock, Context, Effect, Fiber, Layer, Option, Redacted, TestClock } from "effect"
import { AccessToken, Digest, TokenSource, TokenStore } from "../../src/index.js"
import * as leaseClaim from "../../src/store/leaseClaim.js"
import { FaultyStore } from "../support/faultyStore.js"
import { secret } from "../support/observe.js"
import { Scripted } from "../support/scripted.js"
import { steppable } from "../support/time.js"

const hour = 3_600_000
const lease = 10_000
const key = "some key"

const service = <E, R>(layer: Layer.Layer<TokenStore.TokenStore, E, R>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, TokenStore.TokenStore))

/** Two processes on one store; for a store in memory both are the same. */
const stores: Record<
  string,
  Effect.Effect<
    readonly [TokenStore.Service, TokenStore.Service],
    unknown,
    Scope.Scope | NodeContext.NodeContext
  >
> = {
  memory: Effect.map(service(TokenStore.layerMemory), (store) => [store, store]),
  "key-value store": Effect.flatMap(Layer.build(KeyValueStore.layerMemory), (context) => {
    const layer = Layer.provide(TokenStore.layerKeyValueStore, Layer.succeedContext(context))
    return Effect.all([service(layer), service(layer)])
  }),
  file: Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.flatMap(fs.makeTempDirectoryScoped(), (folder) => {
      const layer = TokenStore.layerFile({ directory: `${folder}/tokens` })
      return Effect.all([service(layer), service(layer)])
    })),
  "sealed memory": Effect.flatMap(service(TokenStore.layerMemory), (store) =>
    Effect.map(
      TokenStore.encrypted(Redacted.make("00".repeat(32)))(store),
      (sealed) => [sealed, sealed]
    ))
}

// FAULTS L1, K1
describe("stores when the wall clock is set", () => {
  for (const [name, pair] of Object.entries(stores)) {
    for (const step of [-hour, hour, -3000]) {
      const how = `${name}, ${step < 0 ? "back" : "forward"} by ${Math.abs(step) / 1000} s`
      // a lease of another process that begins too far in the future does not count at all
      const isBelieved = step === -3000 || (step < 0 && name.endsWith("memory"))

      it.scoped(`${how}: a holder that vanished delays others by no more than the lease`, () =>
        Effect.gen(function*() {
          yield* TestClock.setTime(new Date().getTime())
          const clock = yield* Effect.clock
          const adjust = (by: number) => Effect.withClock(TestClock.adjust(by), clock)
          const { state, stepped } = yield* steppable
          yield* Effect.gen(function*() {
            const [one, other] = yield* pair
            assert.isTrue(Option.isSome(yield* one.acquire(key, lease)))
            state.step = step
            // the other process counts the lease from here
            const seen = yield* other.acquire(key, lease)
            if (isBelieved) {
              assert.isTrue(Option.isNone(seen))
              yield* adjust(lease - 1)
              assert.isTrue(Option.isNone(yield* other.acquire(key, lease)))
              yield* adjust(1)
            } else {
              yield* adjust(lease)
            }
            // by a wall clock that was put forward the lease was over before
            assert.isTrue(Option.isSome(yield* other.acquire(key, lease)))
          }).pipe(Effect.withClock(stepped))
        }).pipe(Effect.provide(NodeContext.layer)))

      it.scoped(`${how}: no process takes a token beyond its life`, () =>
        Effect.gen(function*() {
          yield* TestClock.setTime(new Date().getTime())
          const clock = yield* Effect.clock
          const adjust = (by: number) => Effect.withClock(TestClock.adjust(by), clock)
          const { state, stepped } = yield* steppable
          yield* Effect.gen(function*() {
            const [one, other] = yield* pair
            const server = new Scripted()
            const joining = (store: TokenStore.Service) =>
              Effect.flatMap(server.source, TokenSource.shared({ namespace: "test", lease })).pipe(
                Effect.provideService(TokenStore.TokenStore, store)
              )
            const first = yield* (yield* joining(one)).get()
            const life = Option.getOrThrow(first.expiresAt) - first.issuedAt
            state.step = step
            // of a token of another process it is only known that it comes from the future
            yield* adjust(name.endsWith("memory") || step > 0 ? life : step === -hour ? life / 2 : life + 3000)
            const late = yield* joining(other)
            const fiber = yield* Effect.fork(late.get())
            yield* adjust(2 * lease)
            const got = yield* Fiber.join(fiber)
            assert.strictEqual(secret(got), "token-2")
            assert.strictEqual(server.count, 2)
          }).pipe(Effect.withClock(stepped))
        }).pipe(Effect.provide(NodeContext.layer)))
    }
  }
})

// FAULTS L1
describe("a key-value store", () => {
  const kept = Effect.gen(function*() {
    const entries = new Map<string, string>()
    const state = { hangs: false }
    const kv = KeyValueStore.makeStringOnly({
      get: (name) => Effect.sync(() => Option.fromNullable(entries.get(name))),
      set: (name, value) => state.hangs ? Effect.never : Effect.sync(() => void entries.set(name, value)),
      remove: (name) => Effect.sync(() => void entries.delete(name)),
      clear: Effect.sync(() => entries.clear()),
      size: Effect.sync(() => entries.size)
    })
    const store = yield* service(
      Layer.provide(TokenStore.layerKeyValueStore, Layer.succeed(KeyValueStore.KeyValueStore, kv))
    )
    return { entries, state, store }
  })

  it.scoped("a key-value store with one operation that hangs for ever works again after ten seconds", () =>
    Effect.gen(function*() {
      const { state, store } = yield* kept
      state.hangs = true
      const hung = yield* Effect.fork(store.acquire("other", lease))
      yield* TestClock.adjust(0)
      state.hangs = false
      const next = yield* Effect.fork(store.acquire(key, lease))
      yield* TestClock.adjust("9 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(next)))
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Option.isSome(yield* Fiber.poll(next)))
      assert.isTrue(Option.isSome(yield* Fiber.join(next)))
      yield* Fiber.interruptFork(hung)
    }))

  it.scoped("an impossible lease in a key-value store does not count", () =>
    Effect.gen(function*() {
      const { entries, store } = yield* kept
      const now = yield* Clock.currentTimeMillis
      const place = `effect-bearer.lease.${Digest.nameOf(key)}`
      const times: ReadonlyArray<readonly [from: number, until: number]> = [
        [now, now + 100 * 365 * 24 * hour],
        [now, Number.MAX_SAFE_INTEGER],
        [now + 24 * hour, now + hour],
        [-1e15, 1e15]
      ]
      for (const [i, [from, until]] of times.entries()) {
        const claim = JSON.stringify({ version: 1, owner: `somebody ${i}`, from, until })
        entries.set(place, JSON.stringify({ fence: 1, claim }))
        assert.isTrue(Option.isSome(yield* store.acquire(key, lease)), `${from} to ${until}`)
      }
    }))
})

// FAULTS K1
describe("a token that is stored when the clock has been put back since it was fetched", () => {
  it.scoped("a token stored after the clock was put back lives no longer than its lifetime (memory)", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(new Date().getTime())
      const clock = yield* Effect.clock
      const { state, stepped } = yield* steppable
      yield* Effect.gen(function*() {
        const store = yield* service(TokenStore.layerMemory)
        const now = yield* Clock.currentTimeMillis
        const token = AccessToken.make({ value: "token", issuedAt: now, expiresAt: now + hour })
        state.step = -hour
        assert.isTrue(yield* store.put(token, Option.getOrThrow(yield* store.acquire(key, lease))))
        yield* Effect.withClock(TestClock.adjust(hour - 1), clock)
        assert.isTrue(Option.isSome(yield* store.get(key)))
        yield* Effect.withClock(TestClock.adjust(1), clock)
        assert.isTrue(Option.isNone(yield* store.get(key)))
      }).pipe(Effect.withClock(stepped))
    }))
})

// FAULTS L1
describe("a note of a failure from another process", () => {
  for (
    const [title, from, length] of [["from the future", hour, 2000], ["longer than it can be", 0, 24 * hour]] as const
  ) {
    it.scoped(`a note of a failure that is ${title} does not count`, () =>
      Effect.gen(function*() {
        const store = yield* FaultyStore.make
        const server = new Scripted()
        const tokens = yield* Effect.flatMap(server.source, TokenSource.shared({ namespace: "test" })).pipe(
          Effect.provideService(TokenStore.TokenStore, store.service)
        )
        yield* tokens.get()
        const at = `${store.calls.find(({ operation }) => operation === "put")!.key}~failure`
        const note = {
          author: "somebody",
          error: "EndpointUnavailable",
          detail: "down",
          failures: 1,
          others: 60_000,
          self: 0
        }
        const planted = (from: number, length: number) =>
          Effect.gen(function*() {
            const now = (yield* Clock.currentTimeMillis) + from
            const lease = Option.getOrThrow(yield* store.service.acquire(at, "1 second"))
            yield* store.service.put(
              AccessToken.make({ value: JSON.stringify(note), issuedAt: now, expiresAt: now + length }),
              lease
            )
            yield* store.service.release(lease)
          })
        const renewed = Effect.flatMap(tokens.get(), tokens.renew)
        yield* planted(0, 2000)
        assert.strictEqual((yield* Effect.flip(renewed))._tag, "FailedElsewhere")
        yield* planted(from, length)
        assert.strictEqual(secret(yield* tokens.get()), "token-2")
      }))
  }
})

// FAULTS L1, K1
describe("the leases that a process finds", () => {
  const at = (time: number) => ({ wall: time, steady: time })
  const claim = (from: number, until: number, owner = "somebody") => ({ owner, from, until })

  it("a lease whose length is not positive, or longer than a lease can be, does not count", () => {
    const isHeld = leaseClaim.observer()
    const [endless] = Option.toArray(leaseClaim.decode(`{"version":1,"owner":"somebody","from":1e999,"until":1e999}`))
    assert.isFalse(isHeld(key, endless!, at(0), lease))
    assert.isFalse(isHeld(key, claim(0, 2 * hour), at(0), lease))
    // a process that would hold a lease as long accepts it
    assert.isTrue(isHeld(key, claim(0, 2 * hour), at(0), 2 * hour))
  })

  it("a lease of the same holder that began at another moment is another lease", () => {
    const isHeld = leaseClaim.observer()
    assert.isTrue(isHeld(key, claim(0, lease, ""), at(0), lease))
    // the wall clock was put back meanwhile
    assert.isFalse(isHeld(key, claim(0, lease, ""), { wall: 0, steady: lease }, lease))
    assert.isTrue(isHeld(key, claim(1, lease + 1, ""), { wall: 1, steady: lease }, lease))
  })
})
