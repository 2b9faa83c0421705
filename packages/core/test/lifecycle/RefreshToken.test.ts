import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Cause, Duration, Effect, Equal, Exit, FastCheck, Fiber, Option, Redacted, TestClock } from "effect"
import {
  AccessToken,
  ClientAuthentication,
  Grant,
  RefreshToken,
  RetryPolicy,
  TokenError,
  TokenRequest,
  TokenSource
} from "../../src/index.js"
import { secret } from "../support/observe.js"
import { endpoint, refused, unavailable } from "../support/scripted.js"
import { steppable } from "../support/time.js"

const invalidGrant = refused("invalid_grant")
const reset = new TokenError.TransportError({ endpoint, code: Option.some("ECONNRESET"), detail: "reset" })
const neverSent = new TokenError.TransportError({ endpoint, code: Option.some("ECONNREFUSED"), detail: "refused" })

/** A server that accepts each refresh token once and treats a second use as theft, as RFC 9700 §4.14.2 says. */
class RotatingServer {
  generation = 0
  asked = 0
  reused = 0
  spent: Array<string> = []
  /** Whether each of the next answers is lost, after the server took the refresh token. */
  lose: Array<boolean> = []
  rotates = true
  latency = 0
  current(): string {
    return `refresh-${this.generation}`
  }
  readonly refresh = (token: Redacted.Redacted): Effect.Effect<AccessToken.AccessToken, TokenError.RequestError> =>
    Effect.gen(this, function*() {
      this.asked++
      const value = Redacted.value(token)
      if (value !== this.current()) {
        if (this.spent.includes(value)) this.reused++
        return yield* Effect.fail(invalidGrant)
      }
      this.spent.push(value)
      if (this.rotates) this.generation++
      const generation = this.generation
      if (this.latency > 0) yield* Effect.sleep(this.latency)
      if (this.lose.shift() === true) return yield* Effect.fail(reset)
      return AccessToken.make({
        value: `access-${this.spent.length}`,
        ...(this.rotates ? { refreshToken: `refresh-${generation}` } : {})
      })
    })
}

const stored = (store: RefreshToken.Store) => Effect.map(store.load, Option.getOrThrow)

const setup = (options: Partial<RefreshToken.Options> = {}, fallback?: RefreshToken.Exchange["fallback"]) =>
  Effect.gen(function*() {
    const server = new RotatingServer()
    const store = yield* RefreshToken.memory
    const spend = yield* RefreshToken.make(
      { refreshToken: Redacted.make("refresh-0"), store, ...options },
      { refresh: server.refresh, fallback }
    )
    return { server, store, get: () => spend(TokenRequest.empty) }
  })

const reason = (error: TokenError.RequestError) => {
  assert(error._tag === "AuthenticationRequired", error._tag)
  return error.reason
}

describe("RefreshToken", () => {
  // SPEC B11
  it.effect("a new refresh token is kept, and the old one is never sent again", () =>
    Effect.gen(function*() {
      const { get, server, store } = yield* setup()
      yield* get()
      yield* get()
      yield* get()
      assert.deepStrictEqual(server.spent, ["refresh-0", "refresh-1", "refresh-2"])
      const { rotates, state, token } = yield* stored(store)
      assert.deepStrictEqual([Redacted.value(token), rotates, state], ["refresh-3", true, "ready"])
    }))

  describe("a new login", () => {
    const dies = Effect.gen(function*() {
      const { get, server, store } = yield* setup({ rotation: "always" })
      yield* get()
      server.lose = [true]
      yield* Effect.flip(get())
      assert.include(reason(yield* Effect.flip(get())), "was lost")
      return { server, store }
    })

    const restarted = (
      { server, store }: Effect.Effect.Success<typeof dies>,
      refreshToken: string,
      fallback?: RefreshToken.Exchange["fallback"]
    ) =>
      RefreshToken.make(
        { refreshToken: Redacted.make(refreshToken), store, rotation: "always" },
        { refresh: server.refresh, fallback }
      )

    it.effect("a new login takes over when the stored refresh token has died", () =>
      Effect.gen(function*() {
        const before = yield* dies
        before.server.generation = 7
        const spend = yield* restarted(before, "refresh-7", () => Effect.die("asked for a login"))
        yield* spend(TokenRequest.empty)
        yield* spend(TokenRequest.empty)
        const { rotates, state, token } = yield* stored(before.store)
        assert.deepStrictEqual([Redacted.value(token), rotates, state], ["refresh-9", true, "ready"])
      }))

    it.effect("a restart with the first refresh token is no new login, because that token was spent long ago", () =>
      Effect.gen(function*() {
        const before = yield* dies
        const spend = yield* restarted(before, "refresh-0")
        assert.include(reason(yield* Effect.flip(spend(TokenRequest.empty))), "was lost")
        assert.strictEqual(before.server.reused, 0)
      }))

    it.effect("a refused refresh token of a new login is tried only once", () =>
      Effect.gen(function*() {
        const before = yield* dies
        const { asked } = before.server
        const spend = yield* restarted(before, "a mistake")
        for (const _ of [1, 2, 3]) {
          assert.include(reason(yield* Effect.flip(spend(TokenRequest.empty))), "no longer accepts")
        }
        // an earlier refresh token is not accepted either
        const other = yield* restarted(before, "refresh-0")
        assert.include(reason(yield* Effect.flip(other(TokenRequest.empty))), "no longer accepts")
        assert.strictEqual(before.server.asked, asked + 1)
        assert.strictEqual(before.server.reused, 0)
      }))

    it.effect("a new login is not used while the stored refresh token works", () =>
      Effect.gen(function*() {
        const { get, server, store } = yield* setup()
        yield* get()
        const spend = yield* restarted({ server, store }, "refresh-7")
        yield* spend(TokenRequest.empty)
        assert.deepStrictEqual(server.spent, ["refresh-0", "refresh-1"])
      }))

    // FAULTS T
    it.effect("a login that was revoked unseen: the same call goes on with the new login, not with the fallback", () =>
      Effect.gen(function*() {
        for (const fallback of [undefined, () => Effect.die("asked for a login")]) {
          const { get, server, store } = yield* setup()
          yield* get()
          // the server takes none of the old login, and the store does not know it yet
          server.generation = 7
          const spend = yield* restarted({ server, store }, "refresh-7", fallback)
          yield* spend(TokenRequest.empty)
          assert.deepStrictEqual(server.spent, ["refresh-0", "refresh-7"])
          const { rotates, state, token } = yield* stored(store)
          assert.deepStrictEqual([Redacted.value(token), rotates, state], ["refresh-8", true, "ready"])
        }
      }))

    // FAULTS T
    it.effect("a new login that is refused as well ends the call: each is sent once", () =>
      Effect.gen(function*() {
        const { get, server, store } = yield* setup()
        yield* get()
        server.generation = 7
        const asked = server.asked
        const spend = yield* restarted({ server, store }, "a mistake")
        for (const _ of [1, 2, 3]) {
          assert.include(reason(yield* Effect.flip(spend(TokenRequest.empty))), "no longer accepts")
        }
        assert.strictEqual(server.asked, asked + 2)
        const instead = yield* restarted(
          { server, store },
          "a mistake",
          () => Effect.succeed(AccessToken.make({ value: "by the fallback" }))
        )
        assert.strictEqual(secret(yield* instead(TokenRequest.empty)), "by the fallback")
      }))

    it.effect("a store that keeps no history does not notice a new login: it needs `save`", () =>
      Effect.gen(function*() {
        const { server, store } = yield* dies
        const forgetful: RefreshToken.Store = {
          ...store,
          load: Effect.map(store.load, Option.map(({ begun: _, ...rest }): RefreshToken.Stored => rest))
        }
        const spend = yield* restarted({ server, store: forgetful }, "refresh-0")
        assert.include(reason(yield* Effect.flip(spend(TokenRequest.empty))), "was lost")
        assert.strictEqual(server.reused, 0)
      }))
  })

  it.effect("without a new refresh token in the response the old one stays", () =>
    Effect.gen(function*() {
      const { get, server, store } = yield* setup()
      server.rotates = false
      yield* get()
      yield* get()
      assert.deepStrictEqual(server.spent, ["refresh-0", "refresh-0"])
      assert.isFalse((yield* stored(store)).rotates)
    }))

  // I12
  it.effect("the new refresh token is stored before the access token is handed out", () =>
    Effect.gen(function*() {
      const memory = yield* RefreshToken.memory
      const order: Array<string> = []
      const { get } = yield* setup({
        store: {
          ...memory,
          save: (next) => Effect.tap(memory.save(next), () => order.push(`${Redacted.value(next.token)} ${next.state}`))
        }
      })
      yield* Effect.tap(get(), (token) => order.push(secret(token)))
      assert.deepStrictEqual(order, ["refresh-0 sent", "refresh-1 ready", "access-1"])
    }))

  // I4, I12
  it.effect("an exchange that was sent is not interrupted, and its result is kept", () =>
    Effect.gen(function*() {
      const { get, server, store } = yield* setup()
      server.latency = 1000
      const fiber = yield* Effect.fork(get())
      yield* TestClock.adjust(0)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interruption)
      assert.strictEqual(Redacted.value((yield* stored(store)).token), "refresh-1")
    }))

  it.effect("an exchange with a deadline, which could be interrupted, is not interrupted by its caller", () =>
    Effect.gen(function*() {
      const server = new RotatingServer()
      server.latency = 1000
      const inTime = <A, E>(exchange: Effect.Effect<A, E>) =>
        Effect.timeoutFail(Effect.interruptible(Effect.disconnect(exchange)), {
          duration: "10 seconds",
          onTimeout: () => reset
        })
      const exchange: RefreshToken.Exchange = {
        refresh: (token) => inTime(server.refresh(token)),
        fallback: () => inTime(server.refresh(Redacted.make(server.current())))
      }
      for (const refreshToken of [Redacted.make("refresh-0"), undefined]) {
        const store = yield* RefreshToken.memory
        const spend = yield* RefreshToken.make({ refreshToken, store }, exchange)
        const fiber = yield* Effect.fork(spend(TokenRequest.empty))
        yield* TestClock.adjust(0)
        const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(interruption)
        assert.strictEqual(Redacted.value((yield* stored(store)).token), server.current())
      }
    }))

  it.effect("waiting for another exchange can be interrupted", () =>
    Effect.gen(function*() {
      const { get, server } = yield* setup()
      server.latency = 1000
      const first = yield* Effect.fork(get())
      yield* TestClock.adjust(0)
      const second = yield* Effect.fork(get())
      yield* TestClock.adjust(0)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(second)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(secret(yield* Fiber.join(first)), "access-1")
      assert.strictEqual(server.spent.length, 1)
    }))

  it.effect("many callers are served one after the other, and each refresh token is spent once", () =>
    Effect.gen(function*() {
      const { get, server } = yield* setup()
      yield* Effect.all(Array.from({ length: 50 }, get), { concurrency: "unbounded" })
      assert.strictEqual(new Set(server.spent).size, 50)
      assert.strictEqual(server.reused, 0)
    }))

  describe("when the answer is lost", () => {
    it.effect("after a lost answer, a refresh token that is known to rotate is not sent again", () =>
      Effect.gen(function*() {
        const { get, server } = yield* setup()
        yield* get()
        server.lose = [true]
        assert.strictEqual((yield* Effect.flip(get()))._tag, "TransportError")
        assert.include(reason(yield* Effect.flip(get())), "was lost")
        assert.strictEqual(server.reused, 0)
        assert.strictEqual(server.spent.length, 2)
      }))

    it.effect("after a lost answer, a refresh token that was never replaced is sent twice, not three times", () =>
      Effect.gen(function*() {
        const { get, server } = yield* setup()
        server.rotates = false
        server.lose = [true, false, true, true]
        yield* Effect.flip(get())
        yield* get()
        yield* Effect.flip(get())
        yield* Effect.flip(get())
        assert.include(reason(yield* Effect.flip(get())), "was lost")
        assert.strictEqual(server.spent.length, 4)
      }))

    it.effect("with `rotation: never` a refresh token is sent as often as needed", () =>
      Effect.gen(function*() {
        const { get, server } = yield* setup({ rotation: "never" })
        server.rotates = false
        server.lose = [true, true, true]
        yield* Effect.forEach([1, 2, 3], () => Effect.flip(get()))
        assert.strictEqual(secret(yield* get()), "access-4")
      }))

    it.effect("a connection that was never made, a 429 or a 503 does not spend the refresh token", () =>
      Effect.gen(function*() {
        for (const error of [neverSent, unavailable(Duration.seconds(1))]) {
          const store = yield* RefreshToken.memory
          let calls = 0
          const spend = yield* RefreshToken.make(
            { refreshToken: Redacted.make("r"), store, rotation: "always" },
            {
              refresh: () =>
                Effect.suspend(() =>
                  ++calls === 1
                    ? Effect.fail(error)
                    : Effect.succeed(AccessToken.make({ value: "a", refreshToken: "s" }))
                ),
              fallback: undefined
            }
          )
          assert.strictEqual((yield* Effect.flip(spend(TokenRequest.empty)))._tag, error._tag)
          assert.strictEqual(secret(yield* spend(TokenRequest.empty)), "a")
        }
      }))
  })

  describe("invalid_grant", () => {
    it.effect("after invalid_grant the store is read once more: another process may have been faster", () =>
      Effect.gen(function*() {
        const { get, server, store } = yield* setup()
        yield* get()
        // another process, without our lock, has spent refresh-1 and stores its successor during our request
        const before = yield* stored(store)
        server.generation = 7
        const sneaky: RefreshToken.Store = {
          ...store,
          load: (() => {
            let loads = 0
            return Effect.suspend(() => {
              loads++
              return loads === 1 ? Effect.succeed(Option.some(before)) : Effect.succeed(Option.some({
                ...before,
                token: Redacted.make("refresh-7")
              }))
            })
          })()
        }
        const sibling = yield* RefreshToken.make({ store: sneaky }, { refresh: server.refresh, fallback: undefined })
        assert.match(secret(yield* sibling(TokenRequest.empty)), /^access-/)
        assert.include(server.spent, "refresh-7")
      }))

    it.effect("after invalid_grant the error says to authenticate again, and the server is not asked again", () =>
      Effect.gen(function*() {
        const { get, server } = yield* setup()
        server.generation = 9
        assert.include(reason(yield* Effect.flip(get())), "no longer accepts")
        const before = server.reused
        assert.include(reason(yield* Effect.flip(get())), "no longer accepts")
        assert.strictEqual(server.reused, before)
        assert.include((yield* Effect.flip(get())).message, "Authenticate again")
      }))

    it.effect("after invalid_grant the fallback grant is used if there is one, and its refresh token is kept", () =>
      Effect.gen(function*() {
        const { get, server } = yield* setup({}, () => {
          server.generation = 20
          return Effect.succeed(AccessToken.make({ value: "full", refreshToken: "refresh-20" }))
        })
        server.generation = 9
        assert.strictEqual(secret(yield* get()), "full")
        assert.match(secret(yield* get()), /^access-/)
        assert.include(server.spent, "refresh-20")
      }))
  })

  // FAULTS K1
  it.effect("a wall clock put forward or back does not end a login that this process knows to be good", () =>
    Effect.gen(function*() {
      const { state, stepped } = yield* steppable
      let uses = 0
      const spend = yield* RefreshToken.make({ refreshToken: Redacted.make("refresh-0") }, {
        refresh: () =>
          Effect.map(Effect.clock, (clock) =>
            AccessToken.make({
              value: `access-${++uses}`,
              issuedAt: clock.unsafeCurrentTimeMillis(),
              refreshToken: `refresh-${uses}`,
              extra: { refresh_expires_in: 1800 }
            })),
        fallback: undefined
      })
      const use = Effect.withClock(spend(TokenRequest.empty), stepped)
      yield* use
      for (const step of [3_600_000, -3_600_000, 0]) {
        state.step = step
        yield* use
      }
      yield* TestClock.adjust("31 minutes")
      assert.include(reason(yield* Effect.flip(use)), "expired")
      assert.strictEqual(uses, 4)
    }))

  it.effect("a refresh token that has expired by refresh_expires_in is not sent", () =>
    Effect.gen(function*() {
      let sent = 0
      const spend = yield* RefreshToken.make({ refreshToken: Redacted.make("r") }, {
        refresh: () =>
          Effect.sync(() => {
            sent++
            return AccessToken.make({ value: "a", refreshToken: "s", issuedAt: 0, extra: { refresh_expires_in: 60 } })
          }),
        fallback: undefined
      })
      yield* spend(TokenRequest.empty)
      yield* TestClock.adjust("60 seconds")
      assert.include(reason(yield* Effect.flip(spend(TokenRequest.empty))), "expired")
      assert.strictEqual(sent, 1)
    }))

  // FAULTS W2: `Number(true)` is 1, and the login would end after one second
  for (const said of [true, [60], "0x3c", "60 seconds", Number.NaN, -60]) {
    it.effect(`a refresh_expires_in of ${JSON.stringify(said)} is ignored`, () =>
      Effect.gen(function*() {
        const spend = yield* RefreshToken.make({ refreshToken: Redacted.make("r") }, {
          refresh: () =>
            Effect.succeed(
              AccessToken.make({ value: "a", refreshToken: "s", issuedAt: 0, extra: { refresh_expires_in: said } })
            ),
          fallback: undefined
        })
        yield* spend(TokenRequest.empty)
        yield* TestClock.adjust("1 hour")
        yield* spend(TokenRequest.empty)
      }))
  }

  it.effect("a new pair of tokens that could not be stored is not handed out and not lost", () =>
    Effect.gen(function*() {
      const memory = yield* RefreshToken.memory
      let broken = false
      const { get, server } = yield* setup({
        store: {
          ...memory,
          save: (next) =>
            Effect.suspend(() => broken && next.state === "ready" ? Effect.fail(neverSent) : memory.save(next))
        }
      })
      broken = true
      yield* Effect.flip(get())
      broken = false
      yield* get()
      assert.deepStrictEqual(server.spent, ["refresh-0", "refresh-1"])
      assert.strictEqual(server.reused, 0)
    }))

  it.effect("without a refresh token and a fallback, the error says so", () =>
    Effect.gen(function*() {
      const { get } = yield* setup({ refreshToken: undefined })
      assert.include(reason(yield* Effect.flip(get())), "no refresh token yet")
    }))
})

describe("a fleet that shares a rotating refresh token", () => {
  interface Plan {
    /**
     * For each use of the refresh token: after which step the process dies, if at all, and whether the answer is lost.
     */
    readonly uses: ReadonlyArray<{ readonly holder: number; readonly crash: number; readonly lost: boolean }>
  }
  const plans: FastCheck.Arbitrary<Plan> = FastCheck.record({
    uses: FastCheck.array(
      FastCheck.record({
        holder: FastCheck.integer({ min: 0, max: 3 }),
        crash: FastCheck.oneof({ weight: 3, arbitrary: FastCheck.constant(0) }, {
          weight: 2,
          arbitrary: FastCheck.integer({ min: 1, max: 6 })
        }),
        lost: FastCheck.boolean()
      }),
      { minLength: 1, maxLength: 12 }
    )
  })

  // I12
  it.effect.prop(
    "a fleet spends each refresh token at most once, and ends with a usable pair or AuthenticationRequired",
    { plan: plans },
    ({ plan }) =>
      Effect.gen(function*() {
        const server = new RotatingServer()
        const shared = yield* RefreshToken.memory
        let step = 0
        let crashAt = 0
        /** A process dies between two steps: the next step is not done, and its memory is gone. */
        const mortal = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
          Effect.suspend(() => (++step === crashAt ? Effect.die("crash") : effect))
        const start = () =>
          RefreshToken.make({
            refreshToken: Redacted.make("refresh-0"),
            rotation: "always",
            store: { load: mortal(shared.load), save: (next) => mortal(shared.save(next)), locked: shared.locked }
          }, {
            refresh: (token) =>
              mortal(Effect.flatMap(server.refresh(token), (answer) => mortal(Effect.succeed(answer)))),
            fallback: undefined
          })
        const holders = yield* Effect.all(Array.from({ length: 4 }, start))
        for (const use of plan.uses) {
          step = 0
          crashAt = use.crash
          server.lose = [use.lost]
          const exit = yield* Effect.exit(holders[use.holder]!(TokenRequest.empty))
          if (Exit.isSuccess(exit)) {
            const kept = yield* stored(shared)
            assert.isTrue(Equal.equals(Option.some(kept.token), exit.value.refreshToken), "stored before it is seen")
          } else if (Cause.isDie(exit.cause)) {
            holders[use.holder] = yield* start()
          }
          assert.strictEqual(server.reused, 0, "no token is spent twice")
        }
        crashAt = 0
        server.lose = []
        const last = yield* Effect.exit(holders[0]!(TokenRequest.empty))
        if (Exit.isFailure(last)) {
          const error = Option.getOrThrow(Cause.failureOption(last.cause))
          assert.strictEqual(error._tag, "AuthenticationRequired")
        }
        assert.strictEqual(server.reused, 0)
      }),
    { fastCheck: { numRuns: 500 } }
  )
})

describe("TokenSource over other grants", () => {
  const options = (server: AuthorizationServer.AuthorizationServer) => ({
    tokenEndpoint: server.tokenEndpoint,
    clientId: "client",
    authentication: ClientAuthentication.post(Redacted.make("s3cr3t"))
  })
  const firstForm = (server: AuthorizationServer.AuthorizationServer) =>
    Effect.map(server.requests, ([request]) => ({ ...request!.form }))

  // SPEC A4
  it.effect("token exchange sends subject, actor and types (RFC 8693)", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const tokens = yield* TokenSource.tokenExchange({
        ...options(server),
        subjectToken: Redacted.make("subject"),
        subjectTokenType: Grant.TokenType.idToken,
        actorToken: Effect.succeed(Redacted.make("actor")),
        requestedTokenType: Grant.TokenType.accessToken,
        audience: "https://api.example",
        resource: "https://api.example/v2",
        scopes: "a"
      }).pipe(Effect.provide(server.layer))
      yield* tokens.get()
      assert.deepStrictEqual(yield* firstForm(server), {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token: "subject",
        subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
        actor_token: "actor",
        actor_token_type: "urn:ietf:params:oauth:token-type:access_token",
        requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
        audience: "https://api.example",
        resource: "https://api.example/v2",
        scope: "a",
        client_id: "client",
        client_secret: "s3cr3t"
      })
    }))

  it.effect("an assertion is made anew for every attempt (RFC 7523)", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      yield* server.enqueue(Reply.status(503))
      let signed = 0
      const tokens = yield* TokenSource.jwtBearer({
        ...options(server),
        assertion: Effect.sync(() => Redacted.make(`assertion-${++signed}`))
      }).pipe(
        Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter())),
        Effect.provide(server.layer)
      )
      const fiber = yield* Effect.fork(tokens.get())
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      const requests = yield* server.requests
      assert.deepStrictEqual(requests.map(({ form }) => form.assertion), ["assertion-1", "assertion-2"])
    }))

  it.scoped("a failure before the request was sent has not spent the refresh token", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({
        answer: ({ form }) =>
          form.refresh_token === "r0" ? Reply.token({ refresh_token: "r1" }) : Reply.oauthError("invalid_grant")
      })
      let vaultIsDown = true
      // an error of its own: it is remembered that nothing was sent when it came
      const down = new TokenError.TransportError({ endpoint, code: Option.some("ECONNRESET"), detail: "reset" })
      const tokens = yield* TokenSource.refreshToken({
        ...options(server),
        authentication: ClientAuthentication.post(
          Effect.suspend(() => vaultIsDown ? Effect.fail(down) : Effect.succeed(Redacted.make("s3cr3t")))
        ),
        refreshToken: Redacted.make("r0"),
        rotation: "always"
      }).pipe(Effect.provide(server.layer))
      assert.strictEqual((yield* Effect.flip(tokens.get()))._tag, "TransportError")
      vaultIsDown = false
      assert.strictEqual(secret(yield* tokens.get()), "token-1")
    }))

  // SPEC B11
  it.scoped("a refresh token source behind a cache renews without losing a token", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({
        answer: ({ form }, count) =>
          form.refresh_token === `r${count - 1}`
            ? Reply.token({ refresh_token: `r${count}` })
            : Reply.oauthError("invalid_grant")
      })
      const tokens = yield* TokenSource.refreshToken({ ...options(server), refreshToken: Redacted.make("r0") }).pipe(
        Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter())),
        Effect.flatMap(TokenSource.cached()),
        Effect.flatMap(TokenSource.backgroundRefresh({ jitter: 0 })),
        Effect.provide(server.layer)
      )
      yield* tokens.get()
      yield* TestClock.adjust("5 hours")
      assert.strictEqual(secret(yield* tokens.get()), "token-6")
    }))
})
