import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { KeyValueStore } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import type { TokenError } from "../../../src/index.js"
import { AccessToken, RefreshToken, TokenRequest, TokenStore } from "../../../src/index.js"
import { secret } from "../../support/observe.js"
import { refused } from "../../support/scripted.js"
import { steppable } from "../../support/time.js"

const year = 365 * 24 * 3_600_000

/** A server that takes each refresh token once, and revokes the family when a spent one comes again. */
const makeServer = (members: Record<string, unknown> = {}, rotates = true) => {
  const state = { sent: [] as Array<string>, current: 0, isRevoked: false }
  const refresh = (token: Redacted.Redacted) =>
    Effect.flatMap(Effect.clock, (clock): Effect.Effect<AccessToken.AccessToken, TokenError.RequestError> => {
      const value = Redacted.value(token)
      state.sent.push(value)
      if (value !== `refresh-${state.current}`) state.isRevoked = true
      if (state.isRevoked) return Effect.fail(refused("invalid_grant"))
      if (rotates) state.current++
      return Effect.succeed(AccessToken.make({
        value: `access-${state.sent.length}`,
        issuedAt: clock.unsafeCurrentTimeMillis(),
        refreshToken: `refresh-${state.current}`,
        extra: members
      }))
    })
  return { state, refresh }
}

const start = (
  { refresh }: ReturnType<typeof makeServer>,
  store: RefreshToken.Store,
  options: RefreshToken.Options = {}
) =>
  Effect.map(
    RefreshToken.make({ refreshToken: Redacted.make("refresh-0"), store, ...options }, {
      refresh,
      fallback: undefined,
      timeout: Infinity
    }),
    (spend) => Effect.map(spend(TokenRequest.empty), secret)
  )

const join = (server: ReturnType<typeof makeServer>, service: TokenStore.Service, options?: RefreshToken.Options) =>
  RefreshToken.shared({ namespace: "test" }).pipe(
    Effect.provideService(TokenStore.TokenStore, service),
    Effect.flatMap((store) => start(server, store, options))
  )

const reasonOf = (effect: Effect.Effect<unknown, TokenError.RequestError>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag === "AuthenticationRequired" ? error.reason : error._tag)

const folder = Layer.unwrapScoped(
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-bearer-"))),
      (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
    ),
    (directory) => TokenStore.layerFile({ directory }).pipe(Layer.provide(NodeContext.layer))
  )
)

const stores = {
  memory: Layer.orDie(TokenStore.layerMemory),
  file: Layer.orDie(folder),
  "key-value store": TokenStore.layerKeyValueStore.pipe(Layer.provide(KeyValueStore.layerMemory), Layer.orDie)
}

const memory = Effect.map(Layer.build(stores.memory), Context.get(TokenStore.TokenStore))

/** Takes the record out of a store, as an operator or a flushed Redis would. */
const lose = (service: TokenStore.Service) =>
  Effect.flatMap(service.get("test~refresh"), (token) => service.remove("test~refresh", Option.getOrThrow(token)))

// FAULTS K
describe("a record that the store has lost", () => {
  for (const [name, layer] of Object.entries(stores)) {
    for (const [life, members] of Object.entries({ unknown: {}, "30 days": { refresh_expires_in: 30 * 86_400 } })) {
      it.scoped(`the clock is put forward by a year; ${name}, life of the refresh token: ${life}`, () =>
        Effect.gen(function*() {
          const service = Context.get(yield* Layer.build(layer), TokenStore.TokenStore)
          const { state: clock, stepped } = yield* steppable
          const server = makeServer(members)
          yield* Effect.gen(function*() {
            const get = yield* join(server, service)
            yield* get
            yield* get
            clock.step = year
            assert.strictEqual(yield* get, "access-3")
            clock.step = 56 * year
            assert.strictEqual(yield* get, "access-4")
            clock.step = 0
            assert.strictEqual(yield* get, "access-5")
          }).pipe(Effect.withClock(stepped))
          assert.deepStrictEqual(server.state.sent, ["refresh-0", "refresh-1", "refresh-2", "refresh-3", "refresh-4"])
        }))
    }
  }

  it.scoped("a process that another one has overtaken sends what it knows, and the server refuses it", () =>
    Effect.gen(function*() {
      const service = yield* memory
      const server = makeServer()
      const first = yield* join(server, service)
      const second = yield* join(server, service)
      yield* first
      yield* second
      yield* lose(service)
      assert.strictEqual(yield* second, "access-3")
      assert.strictEqual(yield* first, "access-4")
      yield* lose(service)
      assert.strictEqual(yield* reasonOf(second), "the server no longer accepts the refresh token")
      assert.deepStrictEqual(server.state.sent.slice(4), ["refresh-3"])
    }))

  it.scoped("a new login takes over from it", () =>
    Effect.gen(function*() {
      const service = yield* memory
      const server = makeServer()
      const first = yield* join(server, service)
      yield* first
      yield* lose(service)
      server.state.current = 7
      assert.strictEqual(yield* yield* join(server, service, { refreshToken: Redacted.make("refresh-7") }), "access-2")
      assert.strictEqual(yield* first, "access-3")
    }))

  it.scoped("neither a refresh token that the server refused is sent again, nor the configured one before it", () =>
    Effect.gen(function*() {
      const service = yield* memory
      const server = makeServer()
      const first = yield* join(server, service)
      yield* first
      server.state.isRevoked = true
      yield* reasonOf(first)
      yield* lose(service)
      assert.strictEqual(yield* reasonOf(first), "the refresh token was used up")
      assert.deepStrictEqual(server.state.sent, ["refresh-0", "refresh-1"])
    }))

  // FAULTS B: the list of logins is lost with the store, and the record of another login does not name this one
  for (const lossesAfter of [0, 1]) {
    it.scoped(`a configured token that this process has sent is no new login; ${lossesAfter} losses later`, () =>
      Effect.gen(function*() {
        const service = yield* memory
        const server = makeServer()
        const other = makeServer()
        const first = yield* join(server, service)
        yield* first
        yield* lose(service)
        other.state.current = 7
        const second = yield* join(other, service, { refreshToken: Redacted.make("refresh-7") })
        yield* second
        // the first process reads the record of the other login
        server.state.current = 8
        yield* first
        if (lossesAfter === 0) server.state.isRevoked = true
        else yield* lose(service)
        yield* Effect.exit(first)
        assert.deepStrictEqual(server.state.sent, ["refresh-0", "refresh-8", "refresh-9"])
      }))
  }

  it.effect("a store of the user's: the configured token is not sent again", () =>
    Effect.gen(function*() {
      let stored = Option.none<RefreshToken.Stored>()
      const store: RefreshToken.Store = {
        load: Effect.sync(() => stored),
        save: (next) => Effect.sync(() => void (stored = Option.some(next))),
        locked: (effect) => effect
      }
      const server = makeServer()
      const get = yield* start(server, store)
      yield* get
      stored = Option.none()
      assert.strictEqual(yield* get, "access-2")
      assert.deepStrictEqual(server.state.sent, ["refresh-0", "refresh-1"])
    }))
})
