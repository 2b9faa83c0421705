// Logins that somebody saves in the store: without the list of configured refresh tokens that have been used.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Redacted } from "effect"
import { AccessToken, RefreshToken, TokenRequest, TokenStore } from "../../src/index.js"
import { refused } from "../support/scripted.js"

/** Takes each refresh token once: `C-0` is answered with `C-1`. */
class Server {
  readonly sent: Array<string> = []
  readonly revoked = new Set<string>()
  readonly refresh: RefreshToken.Exchange["refresh"] = (token) =>
    Effect.suspend(() => {
      const value = Redacted.value(token)
      const [login, generation] = value.split("-") as [string, string]
      const isSpent = this.sent.includes(value)
      this.sent.push(value)
      return isSpent || this.revoked.has(login)
        ? Effect.fail(refused("invalid_grant"))
        : Effect.succeed(AccessToken.make({ value: "access", refreshToken: `${login}-${Number(generation) + 1}` }))
    })
}

const login = (token: string): RefreshToken.Stored => ({
  token: Redacted.make(token),
  expiresAt: Option.none(),
  rotates: false,
  state: "ready"
})

interface Setting {
  readonly store: RefreshToken.Store
  readonly lose: Effect.Effect<void>
}

const shared: Effect.Effect<Setting> = Effect.gen(function*() {
  const service = yield* TokenStore.TokenStore
  const store = yield* Effect.orDie(RefreshToken.shared({ namespace: "test" }))
  const lose = Effect.flatMap(
    service.get("test~refresh"),
    Option.match({ onNone: () => Effect.void, onSome: (record) => service.remove("test~refresh", record) })
  )
  return { store, lose: Effect.orDie(lose) }
}).pipe(Effect.provide(TokenStore.layerMemory))

/** Keeps what it is given, and nothing else. */
const own: Effect.Effect<Setting> = Effect.sync(() => {
  let there = Option.none<RefreshToken.Stored>()
  return {
    store: {
      load: Effect.sync(() => there),
      save: (next) =>
        Effect.sync(() => {
          there = Option.some(next)
        }),
      locked: (effect) => effect
    },
    lose: Effect.sync(() => {
      there = Option.none()
    })
  }
})

const memory: Effect.Effect<Setting> = Effect.map(RefreshToken.memory, (store) => ({ store, lose: Effect.void }))

const start = (server: Server, { store }: Setting, configured?: string) =>
  Effect.map(
    RefreshToken.make(
      { store, rotation: "always", refreshToken: configured === undefined ? undefined : Redacted.make(configured) },
      { refresh: server.refresh, fallback: undefined }
    ),
    (spend) => Effect.map(Effect.exit(spend(TokenRequest.empty)), Exit.isSuccess)
  )

for (const [name, make] of Object.entries({ memory, own, shared })) {
  describe(`a login that is saved by hand, with the store "${name}"`, () => {
    // FAULTS L
    it.effect("when it has died, a configured refresh token of a new login takes over", () =>
      Effect.gen(function*() {
        const server = new Server()
        const setting = yield* make
        const before = yield* start(server, setting, "C-0")
        assert.isTrue(yield* before)
        yield* setting.store.save(login("N-0"))
        assert.isTrue(yield* before)
        server.revoked.add("C").add("N")
        assert.isFalse(yield* before)
        // that one was spent long ago
        assert.isFalse(yield* yield* start(server, setting, "C-0"))
        const after = yield* start(server, setting, "D-0")
        assert.isTrue(yield* after)
        assert.isTrue(yield* after)
        assert.deepStrictEqual(server.sent, ["C-0", "N-0", "N-1", "D-0", "D-1"])
      }))

    it.effect("in an empty store: no configured refresh token is known to be new, and none is sent", () =>
      Effect.gen(function*() {
        const server = new Server()
        const setting = yield* make
        yield* setting.store.save(login("N-0"))
        const process = yield* start(server, setting, "C-0")
        assert.isTrue(yield* process)
        server.revoked.add("N")
        assert.isFalse(yield* process)
        assert.isFalse(yield* yield* start(server, setting, "C-0"))
        assert.deepStrictEqual(server.sent, ["N-0", "N-1"])
      }))
  })
}

for (const [name, make] of Object.entries({ own, shared })) {
  describe(`when the store "${name}" loses a login that was saved by hand`, () => {
    for (const configured of ["C-0", undefined]) {
      // FAULTS S
      it.effect(`a process with ${configured ?? "no configured refresh token"} goes on with what it knows`, () =>
        Effect.gen(function*() {
          const server = new Server()
          const setting = yield* make
          const process = yield* start(server, setting, configured)
          assert.strictEqual(yield* process, configured !== undefined)
          yield* setting.store.save(login("N-0"))
          assert.isTrue(yield* process)
          yield* setting.lose
          assert.isTrue(yield* process)
          assert.deepStrictEqual(server.sent, [...configured === undefined ? [] : [configured], "N-0", "N-1"])
        }))
    }

    // FAULTS S
    it.effect("so does a process that has never used its configured refresh token", () =>
      Effect.gen(function*() {
        const server = new Server()
        const setting = yield* make
        yield* setting.store.save(login("N-0"))
        const process = yield* start(server, setting, "C-0")
        assert.isTrue(yield* process)
        yield* setting.lose
        assert.isTrue(yield* process)
        assert.deepStrictEqual(server.sent, ["N-0", "N-1"])
      }))
  })
}

it.effect("a login that is saved by hand replaces a record that cannot be read", () =>
  Effect.gen(function*() {
    const service = yield* TokenStore.TokenStore
    const store = yield* RefreshToken.shared({ namespace: "test" })
    const lease = Option.getOrThrow(yield* service.acquire("test~refresh", "10 seconds"))
    yield* service.put(AccessToken.make({ value: "no record" }), lease)
    yield* service.release(lease)
    assert.strictEqual((yield* Effect.flip(store.load))._tag, "InvalidConfiguration")
    yield* store.save(login("N-0"))
    assert.strictEqual(Redacted.value(Option.getOrThrow(yield* store.load).token), "N-0")
  }).pipe(Effect.provide(TokenStore.layerMemory)))
