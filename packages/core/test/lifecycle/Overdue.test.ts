/** Work that callers wait for, when its owner hangs, has vanished, or was closed. */
import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import {
  Array as Arr,
  Cause,
  Chunk,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Redacted,
  Scope,
  Stream,
  TestClock
} from "effect"
import { forkVanishing } from "../../../../test/src/vanishing.js"
import {
  AccessToken,
  BearerAuth,
  CircuitBreaker,
  ClientAuthentication,
  RefreshToken,
  RetryPolicy,
  type TokenError,
  TokenRequest,
  TokenSource
} from "../../src/index.js"
import { Scripted, unavailable } from "../support/scripted.js"

const secret = (token: AccessToken.AccessToken) => Redacted.value(token.value)

/** An effect that never ends and cannot be interrupted. */
const hangs = Effect.uninterruptible(Effect.never)

const sourceOf = (answers: ReadonlyArray<Effect.Effect<AccessToken.AccessToken, TokenError.RequestError>>) => {
  let asked = 0
  return {
    count: () => asked,
    source: TokenSource.make(() => answers[Math.min(asked++, answers.length - 1)]!)
  }
}

const token = (value: string, lifetime = 3_600_000) =>
  Effect.clockWith((clock) => {
    const issuedAt = clock.unsafeCurrentTimeMillis()
    return Effect.succeed(AccessToken.make({ value, issuedAt, expiresAt: issuedAt + lifetime }))
  })

describe("a source that hangs", () => {
  // FAULTS L1, L3
  it.scoped("the waiting callers share one new request when the first is overdue, and an event says so", () =>
    Effect.gen(function*() {
      const { count, source } = sourceOf([hangs, token("second")])
      const tokens = yield* Effect.flatMap(source, TokenSource.cached())
      const events = yield* Effect.flatMap(
        TokenSource.subscribe(tokens),
        (events) => Effect.fork(Stream.runCollect(Stream.takeUntil(events, (event) => event._tag === "TokenAcquired")))
      )
      const waiting = yield* Effect.fork(Effect.all(Arr.makeBy(50, () => tokens.get()), { concurrency: "unbounded" }))
      yield* TestClock.adjust("119 seconds")
      assert.strictEqual(count(), 1)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(new Set((yield* Fiber.join(waiting)).map(secret)), new Set(["second"]))
      assert.strictEqual(count(), 2)
      const tags = Chunk.toReadonlyArray(yield* Fiber.join(events)).map((event) => event._tag)
      assert.include(tags, "RequestAbandoned")
    }))

  it.scoped("a caller that finds a request overdue starts a new one, and the late answer changes nothing", () =>
    Effect.gen(function*() {
      const late = yield* Deferred.make<AccessToken.AccessToken>()
      const { count, source } = sourceOf([Effect.uninterruptible(Deferred.await(late)), token("second")])
      const tokens = yield* Effect.flatMap(source, TokenSource.cached({ overdueAfter: "10 seconds" }))
      yield* Effect.fork(Effect.timeout(tokens.get(), "1 second"))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(secret(yield* tokens.get()), "second")
      yield* Deferred.complete(late, token("late"))
      yield* TestClock.adjust(1)
      assert.strictEqual(secret(yield* tokens.get()), "second")
      assert.strictEqual(count(), 2)
    }))

  it.scoped("a renewal ahead of need that hangs is repeated before the held token ends", () =>
    Effect.gen(function*() {
      const { count, source } = sourceOf([token("first"), hangs, token("third")])
      const tokens = yield* Effect.flatMap(source, TokenSource.cached({ overdueAfter: "30 seconds", jitter: 0 })).pipe(
        Effect.flatMap(TokenSource.backgroundRefresh({ ahead: "5 minutes", jitter: 0 }))
      )
      yield* tokens.get()
      yield* TestClock.adjust("55 minutes")
      assert.strictEqual(count(), 2)
      assert.strictEqual(secret(yield* tokens.get()), "first")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(secret(yield* tokens.get()), "third")
      assert.strictEqual(count(), 3)
    }))

  it.scoped("a renewal after a refusal that hangs is started anew, and the refused token is not handed out", () =>
    Effect.gen(function*() {
      const { source } = sourceOf([token("first"), hangs, token("third")])
      const tokens = yield* Effect.flatMap(source, TokenSource.cached({ overdueAfter: "10 seconds" }))
      const first = yield* tokens.get()
      const renewing = yield* Effect.fork(tokens.renew(first))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(secret(yield* Fiber.join(renewing)), "third")
    }))

  it.scoped("a back-off between attempts does not make a request overdue", () =>
    Effect.gen(function*() {
      const scripted = new Scripted()
      scripted.script = [unavailable(), unavailable(), "ok"]
      const tokens = yield* Effect.map(
        scripted.source,
        TokenSource.retry(
          RetryPolicy.exponentialJitter({ base: "3 minutes", cap: "10 minutes", maxElapsed: "1 hour", jitter: "none" })
        )
      ).pipe(Effect.flatMap(TokenSource.cached({ overdueAfter: "10 seconds" })))
      const waiting = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(secret(yield* Fiber.join(waiting)), "token-3")
      assert.strictEqual(scripted.count, 3)
    }))

  it.scoped("waiting for a rate limit does not make a request overdue", () =>
    Effect.gen(function*() {
      const scripted = new Scripted()
      const tokens = yield* Effect.flatMap(scripted.source, TokenSource.rateLimit({ limit: 1, interval: "10 minutes" }))
        .pipe(
          Effect.flatMap(TokenSource.cached({ overdueAfter: "10 seconds" }))
        )
      const first = yield* tokens.get()
      const waiting = yield* Effect.fork(tokens.renew(first))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(secret(yield* Fiber.join(waiting)), "token-2")
      assert.strictEqual(scripted.count, 2)
    }))
})

describe("a secret that hangs", () => {
  // FAULTS L3
  it.scoped("if a secret hangs after the server refused the client, callers wait no longer than for a request", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      let reads = 0
      const readSecret = Effect.suspend(() =>
        ++reads === 2 ? Effect.never : Effect.succeed(Redacted.make(`the secret number ${Math.min(reads, 3)}`))
      )
      yield* server.enqueue(Reply.oauthError("invalid_client", { status: 401 }))
      const tokens = yield* TokenSource.clientCredentials({
        tokenEndpoint: server.tokenEndpoint,
        clientId: "client",
        authentication: ClientAuthentication.basic(readSecret),
        timeout: "10 seconds"
      }).pipe(Effect.flatMap(TokenSource.cached()), Effect.provide(server.layer))
      const first = yield* Effect.fork(Effect.exit(tokens.get()))
      const second = yield* Effect.fork(Effect.exit(tokens.get()))
      yield* TestClock.adjust("30 seconds")
      assert.isNotNull(first.unsafePoll())
      assert.isNotNull(second.unsafePoll())
      const third = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust("30 seconds")
      assert.match(secret(yield* Fiber.join(third)), /^token-/)
    }))
})

describe("a store of refresh tokens that hangs", () => {
  // FAULTS L3
  it.effect("a store of refresh tokens that hangs delays callers no longer than one operation may take", () =>
    Effect.gen(function*() {
      let loads = 0
      const memory = yield* RefreshToken.memory
      const get = yield* RefreshToken.make({
        refreshToken: Redacted.make("refresh-1"),
        store: { ...memory, load: Effect.suspend(() => ++loads === 1 ? hangs : memory.load) }
      }, { refresh: () => token("renewed"), fallback: undefined })
      const ask = get(TokenRequest.empty)
      const first = yield* Effect.fork(Effect.either(ask))
      yield* TestClock.adjust(0)
      const second = yield* Effect.fork(ask)
      yield* TestClock.adjust("1 minute")
      const failed = yield* Fiber.join(first)
      assert.isTrue(failed._tag === "Left" && failed.left._tag === "TransportError")
      assert.strictEqual(secret(yield* Fiber.join(second)), "renewed")
    }))
})

describe("an exchange of a refresh token that hangs", () => {
  // FAULTS L3
  it.effect("a refresh token exchange with a deadline of its own ends by it, though no caller can interrupt it", () =>
    Effect.gen(function*() {
      const timeout = Effect.timeoutFail({ duration: "5 seconds", onTimeout: () => unavailable() })
      let refreshes = 0
      const get = yield* RefreshToken.make({ refreshToken: Redacted.make("refresh-1"), rotation: "never" }, {
        refresh: () => ++refreshes === 1 ? timeout(Effect.never) : token("renewed"),
        fallback: undefined
      })
      const first = yield* Effect.forkDaemon(Effect.exit(get(TokenRequest.empty)))
      yield* TestClock.adjust("5 seconds")
      assert.isNotNull(first.unsafePoll())
      assert.strictEqual(secret(yield* get(TokenRequest.empty)), "renewed")
    }))
})

describe("an exchange of a refresh token without a deadline that hangs", () => {
  // FAULTS L3
  it.effect("a refresh token exchange that hangs ends at the limit, and its token counts as perhaps taken", () =>
    Effect.gen(function*() {
      for (const hanging of [Effect.never, hangs, Effect.uninterruptible(Effect.never)]) {
        let refreshes = 0
        const get = yield* RefreshToken.make({ refreshToken: Redacted.make("refresh-1") }, {
          refresh: () => ++refreshes <= 2 ? hanging : token("renewed"),
          fallback: undefined
        })
        const all = yield* Effect.all(
          Array.from({ length: 3 }, () => Effect.forkDaemon(Effect.either(get(TokenRequest.empty))))
        )
        yield* TestClock.adjust("15 seconds")
        const first = yield* Fiber.join(all[0]!)
        assert.isTrue(first._tag === "Left" && first.left._tag === "EndpointTimeout")
        // the refresh token is sent a second time, but not a third
        yield* TestClock.adjust("15 seconds")
        const second = yield* Fiber.join(all[1]!)
        assert.isTrue(second._tag === "Left" && second.left._tag === "EndpointTimeout")
        const third = yield* Fiber.join(all[2]!)
        assert.isTrue(third._tag === "Left" && third.left._tag === "AuthenticationRequired")
        assert.strictEqual(refreshes, 2)
      }
    }))

  // FAULTS L3
  it.effect("a fallback that hangs ends at the limit, too; a longer limit, or none, is respected", () =>
    Effect.gen(function*() {
      const take = (timeout: RefreshToken.Exchange["timeout"], fallback: RefreshToken.Exchange["fallback"]) =>
        Effect.flatMap(
          RefreshToken.make({}, { refresh: () => hangs, fallback, timeout }),
          (get) => Effect.forkDaemon(Effect.either(get(TokenRequest.empty)))
        )
      const slow = (millis: number) => () => Effect.delay(token("slow"), millis)
      const hung = yield* take("2 seconds", () => hangs)
      const long = yield* take("3 minutes", slow(170_000))
      const unlimited = yield* take(Infinity, slow(170_000))
      yield* TestClock.adjust("2 seconds")
      const failed = yield* Fiber.join(hung)
      assert.isTrue(failed._tag === "Left" && failed.left._tag === "EndpointTimeout")
      yield* TestClock.adjust("168 seconds")
      for (const fiber of [long, unlimited]) assert.strictEqual((yield* Fiber.join(fiber))._tag, "Right")
    }))
})

describe("a limit of nothing", () => {
  // FAULTS B
  it.scoped("overdueAfter: 0 does not make a source that is slow ask again and again", () =>
    Effect.gen(function*() {
      const { count, source } = sourceOf([Effect.delay(token("slow"), "500 millis")])
      const tokens = yield* Effect.flatMap(source, TokenSource.cached({ overdueAfter: 0 }))
      const waiting = yield* Effect.forkDaemon(tokens.get())
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(count(), 1)
      yield* TestClock.adjust("400 millis")
      assert.isTrue(Option.isSome(yield* waiting.poll))
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger))))
})

describe("a probe of a circuit breaker that hangs", () => {
  // FAULTS L1
  it.effect("a probe of a circuit breaker that hangs is replaced by the next attempt once it is overdue", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, resetAfter: "10 seconds" })
      yield* Effect.exit(breaker.protect(Effect.fail(unavailable())))
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forkDaemon(breaker.protect(hangs))
      yield* TestClock.adjust("59 seconds")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(breaker.protect(Effect.succeed(1)))))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* breaker.protect(Effect.succeed(1)), 1)
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
    }))

  // FAULTS L
  it.effect("who looks at the state sees that the probe is overdue: the next attempt would pass", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, resetAfter: "10 seconds" })
      yield* Effect.exit(breaker.protect(Effect.fail(unavailable())))
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forkDaemon(breaker.protect(hangs))
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual((yield* breaker.state)._tag, "HalfOpen")
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Open({ failures: 1, retryAt: 80_000 }))
      // looking changes nothing: the probe is given up by the attempt that takes its place
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* breaker.state, CircuitBreaker.State.Open({ failures: 1, retryAt: 81_000 }))
      assert.strictEqual(yield* breaker.protect(Effect.succeed(1)), 1)
    }))

  // FAULTS L1
  it.effect("a probe that vanishes with its request, as on Workers, is replaced within about a second", () =>
    Effect.gen(function*() {
      const before = Object.getOwnPropertyDescriptor(globalThis, "navigator")
      Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Cloudflare-Workers" }, configurable: true })
      yield* Effect.addFinalizer(() =>
        Effect.sync(() =>
          before === undefined
            ? Reflect.deleteProperty(globalThis, "navigator")
            : Object.defineProperty(globalThis, "navigator", before)
        )
      )
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, resetAfter: "10 seconds" })
      yield* Effect.exit(breaker.protect(Effect.fail(unavailable())))
      yield* TestClock.adjust("10 seconds")
      const { vanish } = yield* forkVanishing(breaker.protect(Effect.never))
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(breaker.protect(Effect.succeed(1)))), "it is there")
      vanish()
      yield* TestClock.adjust("1300 millis")
      assert.strictEqual(yield* breaker.protect(Effect.succeed(1)), 1)
    }).pipe(Effect.scoped))
})

describe("a source whose scope was closed", () => {
  const api = (server: AuthorizationServer.AuthorizationServer) =>
    BearerAuth.layer({ origins: ["https://api.test"] }).pipe(
      Layer.provideMerge(TokenSource.layer({
        tokenEndpoint: server.tokenEndpoint,
        clientId: "client",
        authentication: ClientAuthentication.basic(Redacted.make("a secret"))
      })),
      Layer.provide(server.layer)
    )

  // FAULTS L5
  it.effect("a source whose scope was closed fails at once and says what to do, whether a token is held or not", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      for (const warmUp of [true, false]) {
        const { client, source } = yield* Effect.gen(function*() {
          const client = yield* HttpClient.HttpClient
          const source = yield* TokenSource.TokenSource
          if (warmUp) yield* source.get()
          return { client, source }
        }).pipe(Effect.provide(api(server)))
        const count = yield* server.count
        const error = yield* Effect.flip(source.get())
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.include(error.message, "scope was closed")
        assert.include(error.message, "ManagedRuntime")
        assert.include(error.message, "Layer.launch")
        const failure = yield* Effect.flip(client.get("https://api.test/users"))
        const told = BearerAuth.tokenErrorOf(failure)
        assert.isTrue(Option.isSome(told) && told.value._tag === "InvalidConfiguration")
        assert.strictEqual(yield* server.count, count)
      }
    }))

  // FAULTS L
  for (
    const [where, ends] of [["a caller", Effect.interruptible], [
      "one that cannot be interrupted",
      Effect.uninterruptible
    ]] as const
  ) {
    it.effect(`${where} that waits for work that hangs is let go when the scope closes`, () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const tokens = yield* sourceOf([hangs]).source.pipe(
          Effect.flatMap(TokenSource.managed({ cache: { overdueAfter: "1 hour" } })),
          Scope.extend(scope)
        )
        const waiting = yield* Effect.forkDaemon(ends(Effect.flip(tokens.get())))
        yield* TestClock.adjust("1 second")
        const closing = yield* Effect.forkDaemon(Scope.close(scope, Exit.void))
        yield* TestClock.adjust(1)
        const error = Option.getOrThrow(yield* waiting.poll)
        assert.isTrue(Exit.isSuccess(error) && error.value._tag === "InvalidConfiguration")
        assert.include(Exit.isSuccess(error) ? error.value.message : "", "closed while a token was on its way")
        yield* TestClock.adjust("10 seconds")
        assert.isTrue(Option.isSome(yield* closing.poll), "closing is bounded too")
      }))
  }

  // FAULTS L
  it.effect("a caller that waits for a key the cache has evicted is let go too", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const tokens = yield* sourceOf([hangs]).source.pipe(
        Effect.flatMap(TokenSource.cached({ capacity: 1 })),
        Scope.extend(scope)
      )
      const waiting = yield* Effect.forEach(
        ["a", "b", "c"],
        (scopes) => Effect.forkDaemon(Effect.exit(tokens.get(TokenRequest.make({ scopes }))))
      )
      yield* TestClock.adjust("1 second")
      yield* Effect.forkDaemon(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(1)
      for (const fiber of waiting) assert.isTrue(Option.isSome(yield* fiber.poll))
    }))

  // FAULTS L5
  it.effect("a source with the user's own error type gives a defect that says so after its scope was closed", () =>
    Effect.gen(function*() {
      const tokens = yield* Effect.scoped(Effect.flatMap(
        TokenSource.make((): Effect.Effect<AccessToken.AccessToken, "mine"> => token("a")),
        TokenSource.cached()
      ))
      const exit = yield* Effect.exit(tokens.get())
      assert.isTrue(Exit.isFailure(exit) && !Cause.isInterrupted(exit.cause))
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "scope was closed")
    }))
})
