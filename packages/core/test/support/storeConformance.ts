import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Clock, Context, Effect, FastCheck, Layer, Option, Redacted, Stream, TestClock } from "effect"
import { AccessToken, TokenStore } from "../../src/index.js"
import { secret } from "./observe.js"

// The promises of every `TokenStore.Service`: SPEC C5 to C8, and promise I11.

export interface Settings {
  /**
   * Two services on the same empty store, as two processes have. They may be the same service if a store promises
   * nothing between processes.
   */
  readonly pair: Effect.Effect<readonly [TokenStore.Service, TokenStore.Service], unknown, Scope.Scope>
  /** Lets time pass for the store. Default: the TestClock's. */
  readonly advance?: ((by: number) => Effect.Effect<void>) | undefined
  /** Milliseconds: the length of a lease; other times are multiples of it. Default 10 seconds. */
  readonly unit?: number | undefined
  /** Runs of the property test; zero for a store whose time is not the TestClock's. Default 25. */
  readonly runs?: number | undefined
}

const service = <E>(layer: Layer.Layer<TokenStore.TokenStore, E>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, TokenStore.TokenStore))

/** Two services of one layer that is built twice, as two processes would. */
export const twice = <E>(layer: Layer.Layer<TokenStore.TokenStore, E>) =>
  Effect.all([service(Layer.fresh(layer)), service(Layer.fresh(layer))])

/** One service for both. */
export const once = <E>(layer: Layer.Layer<TokenStore.TokenStore, E>) =>
  Effect.map(service(layer), (store) => [store, store] as const)

const hour = 3_600_000

export const storeConformance = (name: string, settings: Settings): void => {
  const unit = settings.unit ?? 10_000
  const advance = settings.advance ?? TestClock.adjust
  const key = "tenant|users:read users:write"

  const make = (value: string, lifetime: number | null = hour) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      AccessToken.make({
        value,
        issuedAt: now,
        ...(lifetime === null ? {} : { expiresAt: now + lifetime })
      }))

  const held = (store: TokenStore.Service, of = key) =>
    Effect.map(store.acquire(of, unit), (lease) => {
      if (Option.isNone(lease)) throw new Error("no lease")
      return lease.value
    })

  const read = (store: TokenStore.Service, of = key) =>
    Effect.map(store.get(of), (token) => Option.getOrUndefined(Option.map(token, secret)))

  const scenario = (
    title: string,
    run: (one: TokenStore.Service, other: TokenStore.Service) => Effect.Effect<void, unknown, Scope.Scope>
  ) => it.scoped(title, () => Effect.flatMap(settings.pair, ([one, other]) => run(one, other)))

  describe(`${name}: tokens`, () => {
    scenario("every process gets the token that was put, with all its fields", (one, other) =>
      Effect.gen(function*() {
        assert.isTrue(Option.isNone(yield* one.get(key)))
        const now = yield* Clock.currentTimeMillis
        const token = AccessToken.make({
          value: "s3cr3t.+/=~",
          tokenType: "DPoP",
          scopes: "users:read users:write",
          issuedAt: now,
          expiresAt: now + hour,
          refreshAt: now + hour / 2,
          extra: { instance_url: "https://example.com/ü", nested: [1, null, { deep: true }] }
        })
        assert.isTrue(yield* one.put(token, yield* held(one)))
        for (const store of [one, other]) {
          const got = Option.getOrThrow(yield* store.get(key))
          assert.isTrue(AccessToken.isSame(got, token))
          assert.deepStrictEqual(got.tokenType, token.tokenType)
          assert.deepStrictEqual(got.scopes, token.scopes)
          assert.deepStrictEqual(Redacted.value(got.extra), Redacted.value(token.extra))
          // a store that keeps durations may be off by a moment
          assert.approximately(got.issuedAt, token.issuedAt, settings.unit === undefined ? 0 : unit)
          for (const time of ["expiresAt", "refreshAt"] as const) {
            assert.approximately(
              Option.getOrThrow(got[time]),
              Option.getOrThrow(token[time]),
              settings.unit === undefined ? 0 : unit
            )
          }
        }
      }))

    scenario("a token whose lifetime is over counts as missing", (one, other) =>
      Effect.gen(function*() {
        assert.isTrue(yield* one.put(yield* make("short", 3 * unit), yield* held(one)))
        assert.strictEqual(yield* read(other), "short")
        yield* advance(2 * unit)
        assert.strictEqual(yield* read(other), "short")
        yield* advance(unit)
        assert.strictEqual(yield* read(one), undefined)
        assert.strictEqual(yield* read(other), undefined)
        // the refused holder makes room for the next one
        assert.isTrue(yield* other.put(yield* make("next"), yield* held(other)))
        assert.strictEqual(yield* read(one), "next")
      }))

    scenario("a token of unknown lifetime stays", (one, other) =>
      Effect.gen(function*() {
        const token = yield* make("opaque", null)
        assert.isTrue(yield* one.put(token, yield* held(one)))
        yield* advance(3 * unit)
        const got = Option.getOrThrow(yield* other.get(key))
        assert.strictEqual(secret(got), "opaque")
        assert.isTrue(Option.isNone(got.expiresAt))
        assert.isTrue(Option.isNone(got.refreshAt))
      }))

    scenario(
      "keys are texts of any kind, and have nothing to do with each other",
      (one, other) =>
        Effect.gen(function*() {
          const keys = ["a", "A", "a ", "", "..", "../a", "/etc/passwd", "a\0b", "ü€😀", "*?[", "{a}", "x".repeat(5000)]
          // FAULTS T1
          keys.push("é", "e\u0301", "a/", "?", "\ufffd", "\ud800", "\ud801", "\udc00", "%ud800")
          for (const [i, key] of keys.entries()) {
            assert.isTrue(yield* one.put(yield* make(`t${i}`), yield* held(one, key)))
          }
          for (const [i, key] of keys.entries()) assert.strictEqual(yield* read(other, key), `t${i}`)
          yield* one.remove("a", yield* make("t0"))
          assert.strictEqual(yield* read(one, "a"), undefined)
          assert.strictEqual(yield* read(one, "A"), "t1")
        })
    )

    scenario("of tokens put at the same time, one is stored, and whole", (one, other) =>
      Effect.gen(function*() {
        const lease = yield* held(one)
        const values = Array.from({ length: 20 }, (_, i) => `${i}-`.repeat(500))
        const stored = yield* Effect.forEach(
          values,
          (value) => Effect.flatMap(make(value), (token) => one.put(token, lease)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(new Set(stored), new Set([true]))
        assert.include(values, yield* read(other))
      }))

    scenario("remove takes away exactly this token and no other", (one, other) =>
      Effect.gen(function*() {
        const lease = yield* held(one)
        const first = yield* make("first")
        yield* one.remove(key, first)
        yield* one.put(first, lease)
        yield* other.remove(key, yield* make("another"))
        assert.strictEqual(yield* read(one), "first")
        // only the secret value counts, not the other fields
        yield* other.remove(key, AccessToken.make({ value: "first" }))
        assert.strictEqual(yield* read(one), undefined)
        assert.strictEqual(yield* read(other), undefined)
        // a late caller takes nothing away
        assert.isTrue(yield* one.put(yield* make("second"), lease))
        yield* other.remove(key, first)
        assert.strictEqual(yield* read(other), "second")
      }))

    scenario("a removed token does not come back", (one, other) =>
      Effect.gen(function*() {
        yield* one.put(yield* make("first"), yield* held(one))
        yield* advance(unit)
        const second = yield* make("second")
        yield* other.put(second, yield* held(other))
        yield* one.remove(key, second)
        yield* one.remove(key, second)
        assert.strictEqual(yield* read(one), undefined)
        assert.strictEqual(yield* read(other), undefined)
      }))
  })

  // I11
  describe(`${name}: leases`, () => {
    scenario("one holder at a time; the next gets a higher fence", (one, other) =>
      Effect.gen(function*() {
        let fence = 0
        const owners = new Set<string>()
        for (let i = 0; i < 12; i++) {
          const [first, second] = i % 2 === 0 ? [one, other] : [other, one]
          const lease = yield* held(first)
          assert.strictEqual(lease.key, key)
          assert.isAbove(lease.fence, fence)
          assert.isTrue(Number.isSafeInteger(lease.fence))
          fence = lease.fence
          owners.add(lease.owner)
          assert.isTrue(Option.isNone(yield* second.acquire(key, unit)))
          assert.isTrue(Option.isNone(yield* first.acquire(key, unit)))
          yield* first.release(lease)
        }
        assert.strictEqual(owners.size, 12)
      }))

    scenario(
      "a holder that is not heard of again delays the others by its lease, no longer",
      (one, other) =>
        Effect.gen(function*() {
          const dead = yield* held(one)
          yield* advance(unit / 2)
          assert.isTrue(Option.isNone(yield* other.acquire(key, unit)))
          yield* advance(unit / 2)
          const next = yield* held(other)
          assert.isAbove(next.fence, dead.fence)
        })
    )

    scenario("a lease on one key does not block another key", (one, other) =>
      Effect.gen(function*() {
        yield* held(one, "a")
        yield* held(other, "b")
        assert.isTrue(Option.isNone(yield* other.acquire("a", unit)))
        assert.isTrue(Option.isNone(yield* one.acquire("b", unit)))
      }))

    scenario("of a hundred callers that ask for a lease at once, one gets it", (one, other) =>
      Effect.gen(function*() {
        let fence = 0
        for (let round = 0; round < 3; round++) {
          const leases = yield* Effect.forEach(
            Array.from({ length: 100 }, (_, i) => i % 2 === 0 ? one : other),
            (store) => store.acquire(key, unit),
            { concurrency: "unbounded" }
          )
          const won = leases.flatMap(Option.toArray)
          assert.lengthOf(won, 1)
          assert.isAbove(won[0]!.fence, fence)
          fence = won[0]!.fence
          yield* one.release(won[0]!)
        }
      }))

    scenario("release ends the given lease and no other", (one, other) =>
      Effect.gen(function*() {
        const first = yield* held(one)
        yield* other.release({ ...first, owner: "somebody" })
        assert.isTrue(Option.isNone(yield* other.acquire(key, unit)))
        // any process may release it: the lease itself names its holder
        yield* other.release(first)
        yield* other.release(first)
        const second = yield* held(other)
        yield* one.release(first)
        assert.isTrue(Option.isNone(yield* one.acquire(key, unit)))
        yield* advance(unit)
        const third = yield* held(one)
        yield* other.release(second)
        assert.isTrue(Option.isNone(yield* other.acquire(key, unit)))
        yield* one.release(third)
        yield* one.release({ key: "never heard of", owner: "nobody", fence: 3 })
      }))

    for (
      const [when, expected, prepare] of [
        ["during the lease", true, () => Effect.void],
        ["after it has ended by itself", true, () => advance(unit)],
        ["after giving it back", true, (store, lease) => store.release(lease)],
        ["while a later one is running", false, (store) => Effect.zipRight(advance(unit), held(store))],
        [
          "after a later one has ended, too",
          false,
          (store) => Effect.zipRight(advance(unit), Effect.flatMap(held(store), store.release))
        ],
        [
          "after a later one was given back early",
          false,
          (store, lease) => store.release(lease).pipe(Effect.zipRight(held(store)), Effect.flatMap(store.release))
        ]
      ] as ReadonlyArray<
        readonly [
          string,
          boolean,
          (store: TokenStore.Service, lease: TokenStore.Lease) => Effect.Effect<unknown, unknown>
        ]
      >
    ) {
      scenario(`a put ${when} is ${expected ? "accepted" : "refused"}`, (one, other) =>
        Effect.gen(function*() {
          yield* other.put(yield* make("before"), yield* Effect.tap(held(other), other.release))
          const lease = yield* held(one)
          yield* prepare(other, lease)
          assert.strictEqual(yield* one.put(yield* make("mine"), lease), expected)
          assert.strictEqual(yield* read(other), expected ? "mine" : "before")
          assert.strictEqual(yield* read(one), expected ? "mine" : "before")
        }))
    }

    scenario("a late holder does not overwrite a newer token", (one, other) =>
      Effect.gen(function*() {
        const late = yield* held(one)
        yield* advance(unit)
        const lease = yield* held(other)
        assert.isTrue(yield* other.put(yield* make("newer"), lease))
        assert.isFalse(yield* one.put(yield* make("older"), late))
        yield* other.release(lease)
        assert.isFalse(yield* one.put(yield* make("older"), late))
        yield* other.remove(key, yield* make("newer"))
        assert.isFalse(yield* one.put(yield* make("older"), late))
        assert.strictEqual(yield* read(one), undefined)
      }))
  })

  describe(`${name}: changes`, () => {
    scenario(
      "the key is announced when its token or its lease has changed, to everybody in the process",
      (store) =>
        Effect.gen(function*() {
          const heard: Array<string> = []
          const listening = Stream.runForEach(store.changes, (key) => Effect.sync(() => void heard.push(key)))
          yield* Effect.forkScoped(listening)
          const others = yield* Effect.forkScoped(Stream.runHead(store.changes))
          const settled = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)))
          yield* settled

          const lease = yield* held(store)
          const token = yield* make("one")
          for (
            const step of [
              Effect.asVoid(store.put(token, lease)),
              store.remove(key, token),
              store.release(lease)
            ]
          ) {
            heard.length = 0
            yield* step
            yield* settled
            assert.include(heard, key)
            assert.strictEqual(new Set(heard).size, 1)
          }
          assert.strictEqual(Option.getOrUndefined(yield* others), key)
        })
    )
  })

  if (settings.runs === 0) return
  it.scoped.prop(
    `${name}: behaves like the model in any sequence of operations`,
    [FastCheck.array(step, { minLength: 1, maxLength: 30 })],
    ([steps]) =>
      Effect.gen(function*() {
        const stores = yield* settings.pair
        const model = new Map<string, Modelled>()
        const leases: Array<TokenStore.Lease> = []
        for (const step of steps) {
          const now = yield* Clock.currentTimeMillis
          const store = stores[step.store]!
          const pick = leases.length === 0 ? undefined : leases[step.lease % leases.length]
          const at = (key: string): Modelled => {
            const known = model.get(key) ?? { lease: undefined, until: 0, token: undefined }
            model.set(key, known)
            return known
          }
          switch (step.kind) {
            case "acquire": {
              const place = at(step.key)
              const lease = yield* store.acquire(step.key, unit * step.times)
              assert.strictEqual(Option.isSome(lease), place.until <= now, "acquire")
              if (Option.isNone(lease)) break
              assert.isAbove(lease.value.fence, place.lease?.fence ?? 0, "fence")
              Object.assign(place, { lease: lease.value, until: now + unit * step.times })
              leases.push(lease.value)
              break
            }
            case "release": {
              if (pick === undefined) break
              const place = at(pick.key)
              yield* store.release(pick)
              if (place.lease === pick) place.until = 0
              break
            }
            case "put": {
              if (pick === undefined) break
              const place = at(pick.key)
              const token = yield* make(step.value, step.times === 0 ? null : unit * step.times)
              assert.strictEqual(yield* store.put(token, pick), place.lease === pick, "put")
              if (place.lease === pick) place.token = token
              break
            }
            case "remove": {
              const place = at(step.key)
              yield* store.remove(step.key, AccessToken.make({ value: step.value }))
              if (place.token !== undefined && secret(place.token) === step.value) place.token = undefined
              break
            }
            case "wait": {
              yield* advance(unit * (step.times + 0.5))
              break
            }
          }
          const after = yield* Clock.currentTimeMillis
          for (const [key, { token }] of model) {
            const expected = token === undefined || Option.exists(token.expiresAt, (time) => time <= after)
              ? undefined
              : secret(token)
            assert.strictEqual(yield* read(stores[0], key), expected, `get ${step.kind}`)
            assert.strictEqual(yield* read(stores[1], key), expected, `get ${step.kind}`)
          }
        }
      }),
    { fastCheck: { numRuns: settings.runs ?? 25 } }
  )
}

interface Modelled {
  /** The latest lease, running or not. */
  lease: TokenStore.Lease | undefined
  until: number
  token: AccessToken.AccessToken | undefined
}

const step = FastCheck.record({
  kind: FastCheck.constantFrom("acquire", "acquire", "release", "put", "put", "remove", "wait"),
  store: FastCheck.constantFrom(0, 1),
  key: FastCheck.constantFrom("a", "b"),
  lease: FastCheck.nat(20),
  value: FastCheck.constantFrom("t1", "t2", "t3"),
  times: FastCheck.constantFrom(0, 1, 2, 5)
})
