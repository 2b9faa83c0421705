import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Option, Redacted, Stream } from "effect"
import { AccessToken, TokenStore } from "effect-bearer"
import { StoreConformance } from "../src/index.js"

const memory = StoreConformance.once(TokenStore.layerMemory)

/** The names of the scenarios that fail, and what the first one says. */
const failures = (change: (store: TokenStore.Service) => Partial<TokenStore.Service>, runs = 0) =>
  Effect.gen(function*() {
    const pair = Effect.map(memory, ([store]) => {
      const changed = { ...store, ...change(store) }
      return [changed, changed] as const
    })
    const failed: Array<string> = []
    for (const { name, run } of StoreConformance.scenarios({ pair, runs })) {
      const exit = yield* Effect.exit(Effect.scoped(run))
      if (Exit.isSuccess(exit)) continue
      failed.push(name)
      const failure = Option.getOrThrow(Cause.failureOption(exit.cause)) as StoreConformance.Broken
      assert.strictEqual(failure._tag, "Broken", String(failure))
      assert.match(failure.message, /^The store breaks a promise: ./)
    }
    return failed
  })

describe("StoreConformance", () => {
  it.effect("a good store passes, and the names are unique", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* failures(() => ({}), 25), [])
      const names = StoreConformance.scenarios({ pair: memory }).map(({ name }) => name)
      assert.strictEqual(new Set(names).size, names.length)
      assert.isAbove(names.length, 20)
      assert.lengthOf(StoreConformance.scenarios({ pair: memory, runs: 0 }), names.length - 1)
    }))

  it.effect("what a store does wrong is found", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<
        readonly [scenario: string, change: (store: TokenStore.Service) => Partial<TokenStore.Service>]
      > = [
        [
          "a late holder does not overwrite a newer token",
          (store) => ({ put: (token, lease) => Effect.as(store.put(token, lease), true) })
        ],
        [
          "one holder at a time; the next gets a higher fence",
          (store) => ({
            acquire: (key, ttl) =>
              Effect.map(store.acquire(key, ttl), () => Option.some({ key, owner: "anybody", fence: 1 }))
          })
        ],
        [
          "a token whose lifetime is over counts as missing",
          (store) => ({
            put: (token, lease) => store.put(AccessToken.make({ value: token.value, issuedAt: token.issuedAt }), lease)
          })
        ],
        [
          "remove takes away exactly this token and no other",
          (store) => ({
            remove: (key) =>
              Effect.flatMap(
                store.get(key),
                Option.match({ onNone: () => Effect.void, onSome: (token) => store.remove(key, token) })
              )
          })
        ],
        ["release ends the given lease and no other", () => ({ release: () => Effect.void })],
        [
          "keys are texts of any kind, and have nothing to do with each other",
          (store) => ({
            get: (key) => store.get(key.toLowerCase()),
            put: (token, lease) => store.put(token, { ...lease, key: lease.key.toLowerCase() }),
            acquire: (key, ttl) => store.acquire(key.toLowerCase(), ttl),
            remove: (key, token) => store.remove(key.toLowerCase(), token)
          })
        ],
        // FAULTS T
        [
          "keys are texts of any kind, and have nothing to do with each other",
          (store) => {
            const cut = (key: string) => key.slice(0, 100)
            return {
              get: (key) => store.get(cut(key)),
              put: (token, lease) => store.put(token, { ...lease, key: cut(lease.key) }),
              acquire: (key, ttl) =>
                Effect.map(store.acquire(cut(key), ttl), Option.map((lease) => ({ ...lease, key }))),
              release: (lease) => store.release({ ...lease, key: cut(lease.key) }),
              remove: (key, token) => store.remove(cut(key), token)
            }
          }
        ],
        [
          "every process gets the token that was put, with all its fields",
          (store) => ({
            get: (key) =>
              Effect.flatMap(Clock.currentTimeMillis, (issuedAt) =>
                Effect.map(
                  store.get(key),
                  Option.map((token) =>
                    AccessToken.make({
                      value: token.value,
                      tokenType: token.tokenType,
                      scopes: token.scopes,
                      issuedAt,
                      expiresAt: Option.getOrUndefined(token.expiresAt),
                      refreshAt: Option.getOrUndefined(token.refreshAt),
                      extra: Redacted.value(token.extra)
                    })
                  )
                ))
          })
        ],
        [
          "a long token is stored whole, and so is a short one after it",
          (store) => ({
            put: (token, lease) =>
              Redacted.value(token.value).length > 4000
                ? Effect.fail(
                  new TokenStore.StoreError({ operation: "put", reason: "unavailable", detail: "too large" })
                )
                : store.put(token, lease)
          })
        ],
        [
          "a long token is stored whole, and so is a short one after it",
          (store) => ({
            put: (token, lease) =>
              store.put(
                AccessToken.make({
                  value: Redacted.value(token.value).slice(0, 4096),
                  issuedAt: token.issuedAt,
                  expiresAt: Option.getOrUndefined(token.expiresAt)
                }),
                lease
              )
          })
        ],
        [
          "the key is announced when its token or its lease has changed, to everybody in the process",
          () => ({ changes: Stream.never })
        ]
      ]
      for (const [scenario, change] of wrong) assert.include(yield* failures(change), scenario)
      const forgetful = yield* failures(() => ({ get: () => Effect.succeedNone }), 25)
      assert.include(forgetful, "it behaves like the model in any sequence of operations")
    }))
})
