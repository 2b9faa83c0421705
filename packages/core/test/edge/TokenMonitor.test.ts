import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Effect, Exit, Fiber, Logger, Option, Redacted, Scope, TestClock } from "effect"
import {
  AccessToken,
  ClientAuthentication,
  Introspection,
  Revocation,
  TokenEvent,
  TokenMonitor,
  TokenRequest,
  TokenSource
} from "../../src/index.js"
import { collect, secret, tags } from "../support/observe.js"
import { Scripted } from "../support/scripted.js"
import { steppable } from "../support/time.js"

/** A cached source and a server that knows which of its tokens are not active. */
const setup = Effect.gen(function*() {
  const dead = new Set<string>()
  const server = yield* AuthorizationServer.make({
    answer: ({ form, url }) =>
      url.endsWith("/introspect")
        ? Reply.json({ active: !dead.has(form.token ?? "") })
        : (dead.add(form.token ?? ""), Reply.status(200))
  })
  const client = { clientId: "svc", authentication: ClientAuthentication.basic(Redacted.make("hush-hush")) }
  const provide = Effect.provideService(HttpClient.HttpClient, server.client)
  const introspection = yield* provide(Introspection.make({ ...client, endpoint: "https://auth.test/introspect" }))
  const revocation = yield* provide(Revocation.make({ ...client, endpoint: "https://auth.test/revoke" }))
  const scripted = new Scripted()
  const tokens = yield* Effect.flatMap(scripted.source, TokenSource.cached())
  const events = yield* collect(tokens)
  return { dead, server, introspection, revocation, scripted, tokens, events }
})

const asked = (server: AuthorizationServer.AuthorizationServer) =>
  Effect.map(server.requests, (all) => all.map(({ form }) => form.token))

// SPEC B6, B7
describe("TokenMonitor.enforce", () => {
  it.scoped("if a token is inactive, exactly this token is dropped, and an anomaly is published", () =>
    Effect.gen(function*() {
      const { dead, events, introspection, scripted, tokens } = yield* setup
      const enforce = TokenMonitor.enforce(tokens, introspection)
      const token = yield* tokens.get()
      const other = yield* tokens.get(TokenRequest.make({ scopes: "b" }))
      assert.deepStrictEqual(yield* Effect.map(enforce(token), (result) => result.active), true)
      dead.add("token-1")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* enforce(token), { active: false })
      yield* TestClock.adjust(0)
      const anomaly = events.find((event) => event._tag === "TokenInactive")
      assert.isTrue(anomaly !== undefined && TokenEvent.isAnomaly(anomaly))
      assert.deepStrictEqual({ ...anomaly }, {
        _tag: "TokenInactive",
        key: TokenRequest.hash(TokenRequest.empty),
        at: 60_000,
        age: 60_000,
        remaining: Option.some(3_540_000)
      })
      assert.strictEqual(secret(yield* tokens.get()), "token-3")
      assert.strictEqual(yield* tokens.get(TokenRequest.make({ scopes: "b" })), other)
      assert.strictEqual(scripted.count, 3)
    }))

  it.scoped("an inactive token of another token request is dropped under that request", () =>
    Effect.gen(function*() {
      const { dead, events, introspection, tokens } = yield* setup
      const request = TokenRequest.make({ scopes: "b" })
      const token = yield* tokens.get(request)
      dead.add("token-1")
      yield* TokenMonitor.enforce(tokens, introspection)(token, request)
      yield* TestClock.adjust(0)
      assert.strictEqual(secret(yield* tokens.get(request)), "token-2")
      assert.strictEqual(events.find((event) => event._tag === "TokenInactive")?.key, TokenRequest.hash(request))
    }))

  // FAULTS K1
  it.scoped("a wall clock that was put back does not make a token's remaining life longer; at its end it is zero", () =>
    Effect.gen(function*() {
      const { state, stepped } = yield* steppable
      const on = Effect.withClock(stepped)
      const { dead, events, introspection, tokens } = yield* on(setup)
      const enforce = TokenMonitor.enforce(tokens, introspection)
      dead.add("token-1").add("token-2")
      const told = () =>
        events.flatMap((event) =>
          event._tag === "TokenInactive" || event._tag === "RevokedEarly" ? [Option.getOrThrow(event.remaining)] : []
        )
      const first = yield* on(tokens.get())
      yield* TestClock.adjust("50 minutes")
      state.step = -3_600_000
      yield* on(enforce(first))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(told(), [600_000, 600_000])
      // a token that no cache knows is judged by its own times: it never lives longer than its lifetime
      const plain = yield* new Scripted().source
      const heard = yield* collect(plain)
      const other = AccessToken.make({ value: "token-1", issuedAt: 0, expiresAt: 600_000 })
      yield* on(TokenMonitor.enforce(plain, introspection)(other))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(heard.map((event) => "remaining" in event && event.remaining), [Option.some(600_000)])

      const second = yield* on(tokens.get())
      yield* TestClock.adjust("61 minutes")
      state.step = -2 * 3_600_000
      yield* on(enforce(second))
      yield* TestClock.adjust(0)
      // the token was over anyway
      assert.lengthOf(told(), 2)
    }))

  it.scoped("a newer token than the inactive one stays", () =>
    Effect.gen(function*() {
      const { dead, introspection, scripted, tokens } = yield* setup
      const old = yield* tokens.get()
      const fresh = yield* tokens.renew(old)
      dead.add("token-1")
      yield* TokenMonitor.enforce(tokens, introspection)(old)
      assert.strictEqual(yield* tokens.get(), fresh)
      assert.strictEqual(scripted.count, 2)
    }))

  it.scoped("an introspection that fails is an error, and the token is served as before", () =>
    Effect.gen(function*() {
      const { events, introspection, scripted, server, tokens } = yield* setup
      const token = yield* tokens.get()
      for (const reply of [Reply.status(503), Reply.status(401), Reply.html(), Reply.reset(), Reply.json({})]) {
        yield* server.enqueue(reply)
        yield* Effect.flip(TokenMonitor.enforce(tokens, introspection)(token))
      }
      assert.strictEqual(yield* tokens.get(), token)
      assert.strictEqual(scripted.count, 1)
      assert.notInclude(tags(events), "TokenInactive")
    }))

  it.scoped("an inactive token that is over anyway is no anomaly", () =>
    Effect.gen(function*() {
      const { dead, events, introspection, tokens } = yield* setup
      const token = yield* tokens.get()
      dead.add("token-1")
      yield* TestClock.adjust("61 minutes")
      yield* TokenMonitor.enforce(tokens, introspection)(token)
      yield* TestClock.adjust(0)
      assert.notInclude(tags(events), "TokenInactive")
    }))

  it.scoped("TokenMonitor.enforce works with a source built by hand", () =>
    Effect.gen(function*() {
      const { dead, introspection, tokens } = yield* setup
      const dropped: Array<string> = []
      const own: TokenSource.With<unknown> = {
        get: () => tokens.get(),
        renew: tokens.renew,
        invalidate: (token) => Effect.sync(() => void dropped.push(secret(token))),
        events: tokens.events,
        pipe: tokens.pipe
      }
      dead.add("token-1")
      yield* TokenMonitor.enforce(own, introspection)(yield* tokens.get())
      assert.deepStrictEqual(dropped, ["token-1"])
    }))
})

// SPEC B6
describe("TokenMonitor.watch", () => {
  it.scoped("TokenMonitor.watch asks about every held token in each round, and requests no token", () =>
    Effect.gen(function*() {
      const { dead, introspection, scripted, server, tokens } = yield* setup
      yield* TokenMonitor.watch({ introspection, every: "30 seconds" })(tokens)
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* asked(server), [])
      assert.strictEqual(scripted.count, 0)
      yield* tokens.get()
      yield* tokens.get(TokenRequest.make({ scopes: "b" }))
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* asked(server), ["token-1", "token-2"])
      dead.add("token-2")
      yield* TestClock.adjust("30 seconds")
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* asked(server), ["token-1", "token-2", "token-1", "token-2", "token-1"])
      assert.strictEqual(scripted.count, 2)
    }))

  it.scoped("TokenMonitor.watch logs failures and goes on", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ annotations, message }) =>
        void lines.push(`${String(message)} ${JSON.stringify([...annotations])}`)
      )
      const { dead, events, introspection, server, tokens } = yield* setup
      yield* Effect.provide(TokenMonitor.watch({ introspection })(tokens), Logger.add(logger))
      yield* tokens.get()
      yield* server.setOutage(true)
      yield* TestClock.adjust("3 minutes")
      assert.lengthOf(lines.filter((line) => line.includes("introspection failed") && line.includes("503")), 3)
      assert.notInclude(tags(events), "TokenInactive")
      yield* server.setOutage(false)
      dead.add("token-1")
      yield* TestClock.adjust("1 minute")
      yield* TestClock.adjust(0)
      assert.include(tags(events), "TokenInactive")
      assert.notInclude(lines.join(), "token-1")
    }))

  // FAULTS L
  for (
    const [how, hang] of [["hangs", Effect.never], [
      "cannot be interrupted",
      Effect.uninterruptible(Effect.never)
    ]] as const
  ) {
    it.scoped(`an introspection that ${how} keeps up neither the next round nor the end of the scope`, () =>
      Effect.gen(function*() {
        const { introspection, tokens } = yield* setup
        yield* tokens.get()
        let checks = 0
        const check: typeof introspection.check = (token) =>
          Effect.suspend(() => ++checks % 2 === 1 ? hang : introspection.check(token))
        const scope = yield* Scope.make()
        const watched = { introspection: { ...introspection, check }, every: "1 minute" } as const
        yield* Scope.extend(TokenMonitor.watch(watched)(tokens), scope)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(checks, 1)
        yield* TestClock.adjust("6 minutes")
        assert.strictEqual(checks, 2)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(checks, 3)
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* TestClock.adjust(0)
        assert.isTrue(closing.unsafePoll() !== null)
      }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger))))
  }

  // FAULTS L
  it.scoped("an introspection that throws, dies, is interrupted or is no effect stops neither this round nor the next", () =>
    Effect.gen(function*() {
      const { introspection, tokens } = yield* setup
      yield* tokens.get()
      yield* tokens.get(TokenRequest.make({ scopes: "b" }))
      const bad: ReadonlyArray<() => unknown> = [
        () => {
          throw new Error("a bug")
        },
        () => Effect.die("a bug"),
        () => Effect.interrupt,
        () => undefined
      ]
      let checks = 0
      const check = (() => bad[checks++ % bad.length]!()) as typeof introspection.check
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* TokenMonitor.watch({ introspection: { ...introspection, check }, every: "1 minute" })(tokens).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(checks, 20)
      assert.lengthOf(lines, 20)
    }))

  // FAULTS L
  it.scoped("a source by hand whose invalidate throws does not stop the watch", () =>
    Effect.gen(function*() {
      const { dead, introspection, server, tokens } = yield* setup
      yield* tokens.get()
      dead.add("token-1")
      const broken: typeof tokens = Object.create(tokens, {
        invalidate: {
          value: () => {
            throw new Error("a bug")
          }
        }
      })
      yield* TokenMonitor.watch({ introspection, every: "1 minute" })(broken)
      yield* TestClock.adjust("3 minutes")
      assert.strictEqual(yield* server.count, 3)
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger))))

  // FAULTS B
  for (const every of [0, -1, Number.NaN, "1 millis"] as const) {
    it.scoped(`every: ${every} does not storm the server`, () =>
      Effect.gen(function*() {
        const { introspection, server, tokens } = yield* setup
        yield* tokens.get()
        yield* TokenMonitor.watch({ introspection, every })(tokens)
        yield* TestClock.adjust("100 millis")
        assert.strictEqual(yield* server.count, 0)
      }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger))))
  }

  it.effect("I8 ends with its scope", () =>
    Effect.gen(function*() {
      const { introspection, server, tokens } = yield* setup
      const scope = yield* Scope.make()
      const same = yield* Scope.extend(TokenMonitor.watch({ introspection, every: "30 seconds" })(tokens), scope)
      assert.strictEqual(same, tokens)
      yield* tokens.get()
      yield* server.setOutage(Reply.hang)
      yield* TestClock.adjust("30 seconds")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* server.count, 1)
    }).pipe(Effect.scoped))
})

describe("TokenMonitor.revokeOnClose", () => {
  const closing = (
    close: TokenMonitor.CloseOptions["timeout"],
    during: (test: Effect.Effect.Success<typeof setup>) => Effect.Effect<void>
  ) =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ annotations, message }) =>
        void lines.push(`${String(message)} ${JSON.stringify([...annotations])}`)
      )
      const scope = yield* Scope.make()
      const test = yield* Scope.extend(setup, scope)
      yield* TokenMonitor.revokeOnClose({ revocation: test.revocation, timeout: close })(test.tokens).pipe(
        Scope.extend(scope),
        Effect.provide(Logger.add(logger))
      )
      yield* test.tokens.get()
      yield* test.tokens.get(TokenRequest.make({ scopes: "b" }))
      yield* during(test)
      const closed = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("5 seconds")
      const polled = yield* Fiber.poll(closed)
      assert.isTrue(Option.isSome(polled) && Exit.isSuccess(polled.value))
      return { lines, asked: yield* asked(test.server) }
    })

  it.effect("revokeOnClose revokes the held tokens when the scope closes", () =>
    Effect.gen(function*() {
      const { asked, lines } = yield* closing(undefined, ({ tokens }) =>
        Effect.asVoid(Effect.ignore(Effect.flatMap(tokens.get(), (token) => tokens.renew(token)))))
      assert.deepStrictEqual([...asked].sort(), ["token-2", "token-3"])
      assert.deepStrictEqual(lines, [])
    }))

  it.effect("revokeOnClose leaves out tokens that are over", () =>
    Effect.gen(function*() {
      const { asked } = yield* closing(undefined, () => TestClock.adjust("2 hours"))
      assert.deepStrictEqual(asked, [])
    }))

  it.effect("a failure of revokeOnClose is logged and stops nothing", () =>
    Effect.gen(function*() {
      const { asked, lines } = yield* closing(undefined, ({ server }) =>
        server.enqueue(Reply.oauthError("unsupported_token_type")))
      assert.lengthOf(asked, 2)
      assert.lengthOf(lines, 1)
      assert.include(lines[0], "unsupported_token_type")
      assert.notInclude(lines[0], "token-")
    }))

  it.effect("revokeOnClose is given up when it takes too long", () =>
    Effect.gen(function*() {
      const { lines } = yield* closing("2 seconds", ({ server }) => server.setOutage(Reply.hang))
      assert.lengthOf(lines.filter((line) => line.includes("took too long")), 1)
    }))
})
