import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import {
  Cause,
  Clock,
  Duration,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  Layer,
  Option,
  Redacted,
  Scope,
  TestClock
} from "effect"
import {
  AccessToken,
  ClientAuthentication,
  RefreshToken,
  TokenError,
  TokenRequest,
  TokenSource,
  TokenStore
} from "../../src/index.js"
import { FaultyStore } from "../support/faultyStore.js"
import { secret } from "../support/observe.js"
import { endpoint, refused, unavailable } from "../support/scripted.js"
import { together } from "../support/time.js"

const hour = Duration.toMillis("1 hour")
const key = "test~refresh"

/** A server that accepts each refresh token once, and at a second use revokes the whole family (RFC 9700 §4.14.2). */
class RotatingServer {
  private family = 0
  private generation = 0
  private isRevoked = false
  /** Every refresh token that was presented, in order. */
  readonly presented: Array<string> = []
  reused = 0
  latency = 200
  rotates = true
  /** The errors with which the next requests fail before they have any effect. */
  readonly failing: Array<TokenError.RequestError> = []
  /** Runs after the server took a refresh token and before it sends the answer. */
  onTaken: Effect.Effect<void> = Effect.void

  get current(): string {
    return `refresh-${this.family}.${this.generation}`
  }

  readonly refresh: RefreshToken.Exchange["refresh"] = (token, request) =>
    Effect.gen(this, function*() {
      const failure = this.failing.shift()
      if (failure !== undefined) return yield* Effect.fail(failure)
      const value = Redacted.value(token)
      if (this.presented.includes(value) && this.rotates) {
        this.reused++
        this.isRevoked = true
      }
      this.presented.push(value)
      if (this.isRevoked || value !== this.current) return yield* Effect.fail(refused("invalid_grant"))
      if (this.rotates) this.generation++
      const refreshToken = this.current
      const at = yield* Clock.currentTimeMillis
      yield* this.onTaken
      yield* Effect.sleep(this.latency)
      return this.token(refreshToken, at, request)
    })

  /** A new login, which begins a new family of refresh tokens. */
  readonly login = (request: TokenRequest.TokenRequest): Effect.Effect<AccessToken.AccessToken> =>
    Effect.map(Clock.currentTimeMillis, (at) => {
      this.family++
      this.generation = 0
      this.isRevoked = false
      return this.token(this.current, at, request)
    })

  private token(refreshToken: string, at: number, request: TokenRequest.TokenRequest) {
    return AccessToken.make({
      value: `access for ${refreshToken}`,
      scopes: request.scopes,
      refreshToken,
      issuedAt: at,
      expiresAt: at + hour
    })
  }
}

/** A process that can be killed or stopped: from then on nothing it does has any effect. */
class Process {
  isDead = false
  private readonly stop = Effect.unsafeMakeLatch(true)
  /** Runs before each step that leaves the process; it may kill the process. */
  before: (step: string) => Effect.Effect<void> = () => Effect.void

  pause() {
    this.stop.unsafeClose()
  }

  resume() {
    this.stop.unsafeOpen()
  }

  readonly outside = (step: string) => <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
    const alive = Effect.suspend(() => this.isDead ? Effect.never : this.stop.await)
    // an answer does not reach a dead process either
    return Effect.suspend(() => this.before(step)).pipe(
      Effect.zipRight(alive),
      Effect.zipRight(effect),
      Effect.zipLeft(alive)
    )
  }

  store(inner: TokenStore.TokenStore["Type"]): TokenStore.Service {
    return {
      get: (key) => this.outside("get")(inner.get(key)),
      put: (token, lease) => this.outside(`put ${stateOf(token)}`)(inner.put(token, lease)),
      acquire: (key, ttl) => this.outside("acquire")(inner.acquire(key, ttl)),
      release: (lease) => this.outside("release")(inner.release(lease)),
      remove: (key, token) => this.outside("remove")(inner.remove(key, token)),
      changes: inner.changes
    }
  }
}

const recordIn = (token: AccessToken.AccessToken): { readonly token: string; readonly state: string } =>
  JSON.parse(decodeURIComponent(secret(token)))

const stateOf = (token: AccessToken.AccessToken): string => recordIn(token).state

interface FleetOptions extends Partial<RefreshToken.SharedOptions> {
  readonly source?: RefreshToken.Options
  readonly fallback?: boolean
}

/** Processes that are connected only by the store. */
const fleet = (size: number, { fallback, source, ...options }: FleetOptions = {}) =>
  Effect.gen(function*() {
    const server = new RotatingServer()
    const store = yield* FaultyStore.make
    const { service } = store
    /** Every refresh token that was in the store at some time. */
    const everStored = new Set<string>()
    const spied: TokenStore.Service = {
      ...service,
      put: (token, lease) =>
        Effect.tap(service.put(token, lease), (stored) => {
          if (stored) everStored.add(recordIn(token).token)
        })
    }
    const join = Effect.gen(function*() {
      const process = new Process()
      const kept = yield* RefreshToken.shared({ namespace: "test", ...options }).pipe(
        Effect.provideService(TokenStore.TokenStore, process.store(spied))
      )
      const spend = yield* RefreshToken.make(
        { refreshToken: Redacted.make("refresh-0.0"), rotation: "always", ...source, store: kept },
        {
          refresh: (token, request) =>
            Effect.suspend(() => process.before("send")).pipe(
              Effect.zipRight(process.outside("receive")(server.refresh(token, request)))
            ),
          fallback: fallback === true ? server.login : undefined,
          // these tests are about late answers
          timeout: Infinity
        }
      )
      return { process, kept, get: () => spend(TokenRequest.empty) }
    })
    const members = yield* Effect.replicateEffect(join, size)
    const inStore = Effect.map(
      store.service.get(key),
      Option.match({ onNone: () => "nothing", onSome: (token) => `${recordIn(token).token} ${stateOf(token)}` })
    )
    return { server, store, everStored, join, members, first: members[0]!, second: members[1]!, inStore }
  })

/** Starts an effect whose process may die, so that the test does not wait for its end. */
const start = <A, E>(effect: Effect.Effect<A, E>) => Effect.zipLeft(Effect.forkDaemon(effect), TestClock.adjust(0))

const run = <A, E>(effect: Effect.Effect<A, E>, time: Duration.DurationInput = "2 seconds") =>
  Effect.map(together([effect], time), ([a]) => a!)

const failure = (effect: Effect.Effect<unknown, TokenError.RequestError>, time?: Duration.DurationInput) =>
  run(Effect.flip(effect), time)

const authenticationRequired = (error: TokenError.RequestError) => {
  assert(error._tag === "AuthenticationRequired", error.message)
  return error.reason
}

describe("RefreshToken.shared", () => {
  // SPEC B11
  describe("one use of each refresh token by the fleet (I12)", () => {
    it.effect("processes that want a token at once take turns, and no refresh token is spent twice", () =>
      Effect.gen(function*() {
        const { inStore, members, server } = yield* fleet(20)
        yield* together(members.map(({ get }) => get()), "6 seconds")
        assert.strictEqual(server.presented.length, 20)
        assert.strictEqual(server.reused, 0)
        assert.strictEqual(yield* inStore, "refresh-0.20 ready")
      }))

    it.effect("callers of one process take turns, and no refresh token is spent twice", () =>
      Effect.gen(function*() {
        const { first, server, store } = yield* fleet(1)
        yield* together(Array.from({ length: 30 }, first.get), "30 seconds")
        assert.strictEqual(server.presented.length, 30)
        assert.strictEqual(server.reused, 0)
        // only one caller at a time asks the store
        assert.strictEqual(store.count("acquire"), 30)
      }))

    it.effect("a new login that one process is given takes over for all when the stored refresh token has died", () =>
      Effect.gen(function*() {
        const { first, inStore, server } = yield* fleet(1)
        yield* run(first.get())
        yield* server.login(TokenRequest.empty)
        assert.include(authenticationRequired(yield* failure(first.get())), "no longer accepts")
        assert.strictEqual(yield* inStore, "refresh-0.1 dead")
        // another process of the fleet starts with the refresh token of the new login
        const spend = yield* RefreshToken.make(
          { refreshToken: Redacted.make("refresh-1.0"), rotation: "always", store: first.kept },
          { refresh: server.refresh, fallback: undefined }
        )
        yield* run(spend(TokenRequest.empty))
        yield* run(first.get())
        assert.strictEqual(yield* inStore, "refresh-1.2 ready")
        assert.strictEqual(server.reused, 0)
      }))

    it.effect("a process that starts later uses the stored refresh token, not its configured one", () =>
      Effect.gen(function*() {
        const { first, join, server } = yield* fleet(1)
        yield* run(first.get())
        yield* run((yield* join).get())
        assert.deepStrictEqual(server.presented, ["refresh-0.0", "refresh-0.1"])
      }))

    // FAULTS L3
    it.effect("a refresh token that an exchange brings after its limit is stored: the one before is spent", () =>
      Effect.gen(function*() {
        const { first, inStore, server } = yield* fleet(1)
        const spend = yield* RefreshToken.make(
          { refreshToken: Redacted.make("refresh-0.0"), rotation: "always", store: first.kept },
          {
            refresh: (token, request) =>
              Effect.tap(server.refresh(token, request), Effect.sleep(server.presented.length > 0 ? 0 : "20 seconds")),
            fallback: undefined,
            timeout: "5 seconds"
          }
        )
        assert.strictEqual((yield* failure(spend(TokenRequest.empty)))._tag, "EndpointTimeout")
        assert.include(authenticationRequired(yield* failure(spend(TokenRequest.empty))), "was lost")
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(yield* inStore, "refresh-0.1 ready")
        yield* run(spend(TokenRequest.empty))
        assert.strictEqual(yield* inStore, "refresh-0.2 ready")
        assert.strictEqual(server.reused, 0)
      }))

    it.effect("waiting processes find the lock free by looking when announcements get lost", () =>
      Effect.gen(function*() {
        const server = new RotatingServer()
        const store = yield* FaultyStore.make
        store.deaf = true
        const join = Effect.gen(function*() {
          const kept = yield* RefreshToken.shared({ namespace: "test" })
          return yield* RefreshToken.make({ refreshToken: Redacted.make("refresh-0.0"), store: kept }, {
            refresh: server.refresh,
            fallback: undefined
          })
        }).pipe(Effect.provideService(TokenStore.TokenStore, store.service))
        const members = yield* Effect.replicateEffect(join, 8)
        yield* together(members.map((spend) => spend(TokenRequest.empty)), "30 seconds")
        assert.strictEqual(server.presented.length, 8)
        assert.strictEqual(server.reused, 0)
      }))

    it.effect("an announcement wakes a waiting process", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        server.latency = 5000
        const one = yield* Effect.fork(first.get())
        yield* TestClock.adjust(10)
        server.latency = 0
        const two = yield* Effect.fork(second.get())
        yield* TestClock.adjust(4990)
        // the next look would be up to two seconds later
        yield* TestClock.adjust(10)
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(one)))
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(two)))
      }))

    it.effect("the record is kept under a key of its own, and does not show the refresh token", () =>
      Effect.gen(function*() {
        const { first, store } = yield* fleet(1)
        yield* run(first.get())
        assert.deepStrictEqual([...new Set(store.calls.map(({ key }) => key))], [key])
        const token = Option.getOrThrow(yield* store.service.get(key))
        assert.notInclude(String(token) + JSON.stringify(token), "refresh-0")
        assert.strictEqual(token.tokenType, "N_A")
      }))
  })

  describe("the whole stack", () => {
    const options = (server: AuthorizationServer.AuthorizationServer) => ({
      tokenEndpoint: server.tokenEndpoint,
      clientId: "client",
      authentication: ClientAuthentication.post(Redacted.make("s3cr3t")),
      refreshToken: Redacted.make("r0"),
      rotation: "always" as const
    })

    const rotating = Effect.gen(function*() {
      let generation = 0
      const presented: Array<string> = []
      const server = yield* AuthorizationServer.make({
        answer: ({ form }) => {
          presented.push(String(form.refresh_token))
          return form.refresh_token === `r${generation}`
            ? Reply.token({ refresh_token: `r${++generation}` })
            : Reply.oauthError("invalid_grant")
        }
      })
      return { server, presented }
    })

    const process = (server: AuthorizationServer.AuthorizationServer, store: TokenStore.Service) =>
      Effect.gen(function*() {
        const source = yield* TokenSource.refreshToken({
          ...options(server),
          store: yield* RefreshToken.shared({ namespace: "test" })
        })
        return yield* TokenSource.managed({ shared: { namespace: "test" } })(source)
      }).pipe(Effect.provide(server.layer), Effect.provideService(TokenStore.TokenStore, store))

    it.scoped(
      "20 processes for 24 hours: one use per lifecycle, from the cold start on (I1, I12)",
      () =>
        Effect.gen(function*() {
          const { presented, server } = yield* rotating
          const store = yield* FaultyStore.make
          const members = yield* Effect.replicateEffect(process(server, store.service), 20)
          const everybody = together(members.map((tokens) => Effect.map(tokens.get(), secret)), "5 seconds")
          assert.strictEqual(new Set(yield* everybody).size, 1)
          assert.strictEqual(presented.length, 1)
          for (let quarter = 0; quarter < 96; quarter++) {
            yield* TestClock.adjust("15 minutes")
            yield* everybody
          }
          assert.strictEqual(new Set(presented).size, presented.length)
          // each is renewed up to five minutes and some jitter ahead of its hour
          assert.isAtLeast(presented.length, 25)
          assert.isAtMost(presented.length, 28)
        })
    )

    it.scoped("8 processes that ask for different scopes share one refresh token", () =>
      Effect.gen(function*() {
        const { presented, server } = yield* rotating
        const store = yield* FaultyStore.make
        const members = yield* Effect.replicateEffect(process(server, store.service), 8)
        const requests = ["a", "b", "c"].map((scopes) => TokenRequest.make({ scopes }))
        const got = yield* together(
          members.flatMap((tokens) => requests.map((request) => Effect.map(tokens.get(request), secret))),
          "20 seconds"
        )
        assert.strictEqual(new Set(got).size, 3)
        assert.deepStrictEqual([...presented].sort(), ["r0", "r1", "r2"])
        // the leases are not nested in each other: access tokens and the refresh token have keys of their own
        const leased = new Set(store.calls.flatMap(({ key, operation }) => operation === "acquire" ? [key] : []))
        assert.strictEqual(leased.size, 4)
        assert.isTrue(leased.has(key))
      }))
  })

  describe("the new refresh token is stored before the access token is seen (I12)", () => {
    it.effect("one use of a refresh token has this order: mark, send, receive, store, release", () =>
      Effect.gen(function*() {
        const { first } = yield* fleet(1)
        const order: Array<string> = []
        first.process.before = (step) => Effect.sync(() => order.push(step))
        yield* run(Effect.tap(first.get(), () => order.push("seen")))
        assert.deepStrictEqual(
          order,
          ["acquire", "get", "put sent", "send", "receive", "put ready", "release", "seen"]
        )
      }))

    // what becomes of the others when a holder is killed right before a step
    const crashes: ReadonlyArray<{
      readonly step: string
      readonly then: "goes on" | "authenticate"
      readonly spent: ReadonlyArray<string>
    }> = [
      { step: "get", then: "goes on", spent: ["refresh-0.0", "refresh-0.1"] },
      { step: "put sent", then: "goes on", spent: ["refresh-0.0", "refresh-0.1"] },
      { step: "send", then: "authenticate", spent: ["refresh-0.0"] },
      { step: "taken", then: "authenticate", spent: ["refresh-0.0", "refresh-0.1"] },
      { step: "put ready", then: "authenticate", spent: ["refresh-0.0", "refresh-0.1"] },
      { step: "release", then: "goes on", spent: ["refresh-0.0", "refresh-0.1", "refresh-0.2"] }
    ]
    for (const { spent, step, then } of crashes) {
      it.effect(`a holder is killed before "${step}"; what happens to the others: ${then}`, () =>
        Effect.gen(function*() {
          const { first, second, server } = yield* fleet(2, { source: { rotation: "auto" } })
          yield* run(first.get())
          const kill = Effect.suspend(() => {
            first.process.isDead = true
            return Effect.never
          })
          if (step === "taken") server.onTaken = kill
          first.process.before = (next) => next === step ? kill : Effect.void
          yield* start(first.get())
          yield* TestClock.adjust("1 second")
          server.onTaken = Effect.void
          const began = yield* Clock.currentTimeMillis
          const other = yield* Effect.fork(
            Effect.zip(Effect.either(second.get()), Clock.currentTimeMillis)
          )
          yield* TestClock.adjust("30 seconds")
          const [outcome, end] = yield* Fiber.join(other)
          // the lease was taken a second before, and a look comes at least every two
          assert.isAtMost(end - began, 19_000 + 2000 + server.latency)
          if (outcome._tag === "Left") {
            assert.strictEqual(then, "authenticate")
            assert.include(authenticationRequired(outcome.left), "was lost")
          } else assert.strictEqual(then, "goes on")
          assert.deepStrictEqual(server.presented, spent)
          assert.strictEqual(server.reused, 0)
        }))
    }

    it.effect("after a lost answer one of the others falls back, and all go on with its refresh token", () =>
      Effect.gen(function*() {
        const { first, inStore, members, server } = yield* fleet(6, { fallback: true })
        first.process.before = (step) =>
          Effect.suspend(() => {
            if (step !== "put ready") return Effect.void
            first.process.isDead = true
            return Effect.never
          })
        yield* start(first.get())
        yield* TestClock.adjust("21 seconds")
        const got = yield* together(members.slice(1).map(({ get }) => get()), "20 seconds")
        assert.strictEqual(secret(got[0]!).slice(0, 19), "access for refresh-")
        // of the five others one logs in, and four spend the refresh tokens that follow
        assert.deepStrictEqual(server.presented, [
          "refresh-0.0",
          ...[0, 1, 2, 3].map((generation) => `refresh-1.${generation}`)
        ])
        assert.strictEqual(server.reused, 0)
        assert.strictEqual(yield* inStore, "refresh-1.4 ready")
      }))

    it.effect("after a login the server is still known to rotate refresh tokens", () =>
      Effect.gen(function*() {
        const { first, server } = yield* fleet(1, { fallback: true, source: { rotation: "auto" } })
        yield* run(first.get())
        const reset = new TokenError.TransportError({ endpoint, code: Option.some("ECONNRESET"), detail: "reset" })
        server.failing.push(reset)
        yield* failure(first.get())
        assert.include(secret(yield* run(first.get())), "refresh-1.0")
        // it is unknown whether the server took this one; sending it again could be a reuse
        server.failing.push(reset)
        yield* failure(first.get())
        assert.include(secret(yield* run(first.get())), "refresh-2.0")
        assert.deepStrictEqual(server.presented, ["refresh-0.0"])
      }))

    it.scoped("a process stopped during an exchange finishes it, stores the new token and frees the lock (I8)", () =>
      Effect.gen(function*() {
        const { first, inStore, second, server } = yield* fleet(2)
        server.latency = 5000
        const scope = yield* Scope.make()
        yield* Effect.forkIn(first.get(), scope)
        yield* TestClock.adjust("1 second")
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("4 seconds")
        yield* Fiber.join(closing)
        assert.strictEqual(yield* inStore, "refresh-0.1 ready")
        server.latency = 0
        yield* run(second.get(), "10 millis")
      }))
  })

  describe("a holder that comes late", () => {
    it.effect("a late holder stores its new refresh token if no other process has stored a newer record", () =>
      Effect.gen(function*() {
        const { first, inStore, second, server } = yield* fleet(2)
        server.latency = 60_000
        const late = yield* Effect.fork(first.get())
        yield* TestClock.adjust("25 seconds")
        assert.include(authenticationRequired(yield* failure(second.get())), "was lost")
        yield* TestClock.adjust("40 seconds")
        assert.include(secret(yield* Fiber.join(late)), "refresh-0.1")
        assert.strictEqual(yield* inStore, "refresh-0.1 ready")
        server.latency = 0
        yield* run(second.get())
        assert.strictEqual(server.reused, 0)
      }))

    it.effect("a late holder stores its new refresh token even if another is about to send the old one again", () =>
      Effect.gen(function*() {
        const { first, inStore, second, server } = yield* fleet(2, { source: { rotation: "auto" } })
        server.latency = 60_000
        const late = yield* Effect.fork(first.get())
        yield* TestClock.adjust("25 seconds")
        // the server is not known to rotate yet, so the refresh token is sent a second time
        second.process.before = (step) => step === "send" ? Effect.never : Effect.void
        yield* start(second.get())
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* inStore, "refresh-0.0 sentTwice")
        yield* TestClock.adjust("45 seconds")
        yield* Fiber.join(late)
        assert.strictEqual(yield* inStore, "refresh-0.1 ready")
      }))

    it.effect("a late holder stores its new refresh token even if the store has lost the record", () =>
      Effect.gen(function*() {
        const { first, inStore, server, store } = yield* fleet(1)
        server.latency = 60_000
        const late = yield* Effect.fork(first.get())
        yield* TestClock.adjust("25 seconds")
        yield* store.service.remove(key, Option.getOrThrow(yield* store.service.get(key)))
        yield* store.service.acquire(key, "1 second")
        yield* TestClock.adjust("40 seconds")
        yield* Fiber.join(late)
        assert.strictEqual(yield* inStore, "refresh-0.1 ready")
      }))

    it.effect("a late holder does not overwrite a refresh token that another process has got since (I11)", () =>
      Effect.gen(function*() {
        const { first, inStore, second, server } = yield* fleet(2, { fallback: true })
        server.latency = 60_000
        const late = yield* Effect.fork(first.get())
        yield* TestClock.adjust("25 seconds")
        yield* run(second.get())
        assert.strictEqual(yield* inStore, "refresh-1.0 ready")
        yield* TestClock.adjust("40 seconds")
        // its access token is as good as any
        assert.include(secret(yield* Fiber.join(late)), "refresh-0.1")
        assert.strictEqual(yield* inStore, "refresh-1.0 ready")
      }))

    it.effect("a late holder waits for its turn if another process holds the lock", () =>
      Effect.gen(function*() {
        const { first, inStore, server, store } = yield* fleet(1)
        server.latency = 60_000
        const late = yield* Effect.fork(first.get())
        yield* TestClock.adjust("55 seconds")
        yield* store.service.acquire(key, "20 seconds")
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* inStore, "refresh-0.0 sent")
        yield* TestClock.adjust("15 seconds")
        yield* Fiber.join(late)
        assert.strictEqual(yield* inStore, "refresh-0.1 ready")
      }))

    for (const used of [false, true]) {
      it.effect(`a holder was stopped before its mark, and others ${used ? "have used the token" : "have not"}`, () =>
        Effect.gen(function*() {
          const { first, inStore, second, server } = yield* fleet(2, { timeout: "10 minutes" })
          first.process.before = (step) =>
            Effect.sync(() => {
              if (step === "put sent") first.process.pause()
            })
          const late = yield* Effect.fork(Effect.either(first.get()))
          yield* TestClock.adjust("25 seconds")
          if (used) yield* run(second.get())
          else yield* run(second.kept.locked(Effect.void))
          first.process.before = () => Effect.void
          first.process.resume()
          yield* TestClock.adjust("2 seconds")
          const outcome = yield* Fiber.join(late)
          assert.deepStrictEqual(server.presented, ["refresh-0.0"])
          assert.strictEqual(yield* inStore, "refresh-0.1 ready")
          if (used) {
            assert.isTrue(outcome._tag === "Left" && outcome.left.retryable && outcome.left.message.includes("again"))
            yield* run(first.get())
            assert.strictEqual(yield* inStore, "refresh-0.2 ready")
          } else assert.strictEqual(outcome._tag, "Right")
          assert.strictEqual(server.reused, 0)
        }))
    }

    it.effect("a refresh token that a holder marked and sends very late is spent by no other process", () =>
      Effect.gen(function*() {
        const { first, inStore, second, server } = yield* fleet(2)
        yield* run(first.get())
        first.process.before = (step) => step === "send" ? Effect.sleep("1 minute") : Effect.void
        const late = yield* Effect.fork(first.get())
        yield* TestClock.adjust("30 seconds")
        authenticationRequired(yield* failure(second.get()))
        yield* TestClock.adjust("40 seconds")
        yield* Fiber.join(late)
        assert.strictEqual(yield* inStore, "refresh-0.2 ready")
        assert.strictEqual(server.reused, 0)
      }))
  })

  describe("failures of the store", () => {
    for (const fault of ["unavailable", "hangs", "dies"] as const) {
      it.effect(`store fault "${fault}" before the sending: no refresh token is sent, and the next use works`, () =>
        Effect.gen(function*() {
          const { first, server, store } = yield* fleet(1)
          for (const operation of ["acquire", "get", "put"] as const) {
            store.breakDown(fault, [operation])
            const error = yield* failure(first.get())
            assert.strictEqual(error._tag, "TransportError")
            assert.include(error.message, "the token store")
            assert.include(error.message, "no refresh token is used without it")
            store.heal()
          }
          assert.deepStrictEqual(server.presented, [])
          yield* run(first.get())
          yield* run(first.get())
          assert.deepStrictEqual(server.presented, ["refresh-0.0", "refresh-0.1"])
        }))

      it.effect(`store fault "${fault}" after the sending: the new refresh token is kept, and stored soon after`, () =>
        Effect.gen(function*() {
          const { first, inStore, second, server, store } = yield* fleet(2)
          yield* run(first.get())
          server.onTaken = Effect.sync(() => store.breakDown(fault))
          assert.strictEqual((yield* failure(first.get()))._tag, "TransportError")
          assert.strictEqual((yield* failure(first.get()))._tag, "TransportError")
          server.onTaken = Effect.void
          store.heal()
          // the lease is kept until then, so that no other process takes the answer for lost
          yield* run(second.get(), "5 seconds")
          assert.strictEqual(yield* inStore, "refresh-0.3 ready")
          yield* run(first.get())
          assert.deepStrictEqual(server.presented, [0, 1, 2, 3].map((generation) => `refresh-0.${generation}`))
        }))

      it.effect(`store fault "${fault}" long after the sending: the new refresh token is stored at the next use`, () =>
        Effect.gen(function*() {
          const { first, inStore, server, store } = yield* fleet(1)
          yield* run(first.get())
          server.onTaken = Effect.sync(() => store.breakDown(fault))
          yield* failure(first.get())
          server.onTaken = Effect.void
          yield* TestClock.adjust("1 minute")
          const { length } = store.calls
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(store.calls.length, length)
          store.heal()
          assert.strictEqual(yield* inStore, "refresh-0.1 sent")
          yield* run(first.get())
          assert.deepStrictEqual(server.presented, [0, 1, 2].map((generation) => `refresh-0.${generation}`))
        }))
    }

    it.effect("a mark that was stored although the store did not answer is taken back: nothing was sent", () =>
      Effect.gen(function*() {
        const { first, inStore, second, server } = yield* fleet(2)
        yield* run(first.get())
        const { process } = first
        // the store does the `put`, and its answer gets lost
        const put = process.outside
        const marked: Array<string> = []
        Object.assign(process, {
          outside: (step: string) => <A, E>(effect: Effect.Effect<A, E>) =>
            step === "put sent"
              ? Effect.zipRight(
                Effect.zipRight(effect, Effect.map(inStore, (record) => marked.push(record))),
                Effect.never
              )
              : put(step)(effect)
        })
        assert.strictEqual((yield* failure(first.get()))._tag, "TransportError")
        assert.deepStrictEqual(marked, ["refresh-0.1 sent"])
        Object.assign(process, { outside: put })
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* inStore, "refresh-0.1 ready")
        yield* run(second.get())
        yield* run(first.get())
        assert.deepStrictEqual(server.presented, [0, 1, 2].map((generation) => `refresh-0.${generation}`))
      }))

    it.effect("taking a mark back late does not take back the mark of another process", () =>
      Effect.gen(function*() {
        const { first, inStore, second, server, store } = yield* fleet(2)
        yield* run(first.get())
        store.faults.put = "unavailable"
        yield* failure(first.get())
        store.heal()
        yield* TestClock.adjust("20 seconds")
        // the other process marks the same refresh token and dies
        second.process.before = (step) => step === "send" ? Effect.never : Effect.void
        yield* start(second.get())
        yield* TestClock.adjust("25 seconds")
        assert.strictEqual(yield* inStore, "refresh-0.1 sent")
        authenticationRequired(yield* failure(first.get()))
        assert.deepStrictEqual(server.presented, ["refresh-0.0"])
      }))

    it.effect("while the store is read-only or full, no refresh token is used", () =>
      Effect.gen(function*() {
        for (const operations of [["put", "acquire", "release"], ["put"]] as const) {
          const { first, server, store } = yield* fleet(1)
          store.breakDown("unavailable", operations)
          for (let i = 0; i < 3; i++) yield* failure(first.get())
          assert.deepStrictEqual(server.presented, [])
          store.heal()
          yield* run(first.get())
        }
      }))

    it.effect("an unreadable record does not make a process begin again with its configured refresh token", () =>
      Effect.gen(function*() {
        const { first, join, server, store } = yield* fleet(1)
        yield* run(first.get())
        store.faults.get = "unreadable"
        const late = yield* join
        const error = yield* failure(late.get())
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.include(error.message, key)
        store.heal()
        // a record that is garbage does not make it begin again either
        const lease = Option.getOrThrow(yield* store.service.acquire(key, "1 second"))
        yield* store.service.put(AccessToken.make({ value: "%7Bgarbage" }), lease)
        yield* store.service.release(lease)
        assert.strictEqual((yield* failure(late.get()))._tag, "InvalidConfiguration")
        assert.deepStrictEqual(server.presented, ["refresh-0.0"])
        // the refresh token of a new login is saved over the unreadable record
        const token = Option.getOrThrow((yield* server.login(TokenRequest.empty)).refreshToken)
        yield* run(late.kept.save({ token, expiresAt: Option.none(), rotates: true, state: "ready" }))
        yield* run(first.get())
        assert.deepStrictEqual(server.presented, ["refresh-0.0", "refresh-1.0"])
      }))

    it.effect("when sealing is turned on, the record can be carried over, and is not lost before", () =>
      Effect.gen(function*() {
        const { store } = yield* fleet(0)
        const through = (service: TokenStore.Service) =>
          Effect.provideService(RefreshToken.shared({ namespace: "test" }), TokenStore.TokenStore, service)
        const sealing = yield* TokenStore.encrypted(yield* TokenStore.generateKey)(store.service)
        const [plain, sealed] = [yield* through(store.service), yield* through(sealing)]
        const stored = {
          token: Redacted.make("the only one"),
          expiresAt: Option.none(),
          rotates: true,
          state: "ready"
        } as const
        yield* run(plain.save(stored))
        assert.include((yield* failure(sealed.load)).message, "load it through the store as it was")
        yield* run(sealed.save(Option.getOrThrow(yield* run(plain.load))))
        assert.strictEqual(Redacted.value(Option.getOrThrow(yield* run(sealed.load)).token), "the only one")
        assert.include((yield* failure(plain.load)).message, "it is sealed, and this process has no key")
      }))

    it.effect("a failure of the server that did not spend the refresh token leaves it as it was", () =>
      Effect.gen(function*() {
        const { first, inStore, server } = yield* fleet(1)
        server.failing.push(unavailable())
        assert.strictEqual((yield* failure(first.get()))._tag, "EndpointUnavailable")
        assert.strictEqual(yield* inStore, "refresh-0.0 ready")
        yield* run(first.get())
        assert.strictEqual(server.reused, 0)
      }))
  })

  describe("waiting", () => {
    it.effect("waiting for the lock ends after two leases, unless set otherwise, and the error says what to do", () =>
      Effect.gen(function*() {
        const { first, server, store } = yield* fleet(1)
        yield* store.service.acquire(key, "1 hour")
        const waiting = yield* Effect.fork(Effect.all([first.get(), first.get()].map(Effect.flip), {
          concurrency: "unbounded"
        }))
        yield* TestClock.adjust("39 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
        yield* TestClock.adjust("1010 millis")
        for (const error of yield* Fiber.join(waiting)) {
          assert.isTrue(error.retryable)
          assert.include(error.message, "`patience`")
        }
        assert.deepStrictEqual(server.presented, [])
      }))

    it.effect("waiting for the lock also ends for callers that cannot be interrupted", () =>
      Effect.gen(function*() {
        const { first, store } = yield* fleet(1)
        yield* store.service.acquire(key, "1 hour")
        const error = yield* failure(Effect.uninterruptible(first.get()), "41 seconds")
        assert.include(error.message, "`patience`")
      }))

    it.effect("waiting for the lock can be interrupted, in the store's queue and in that of the process (I4)", () =>
      Effect.gen(function*() {
        const { first, second, server, store } = yield* fleet(2)
        const lease = Option.getOrThrow(yield* store.service.acquire(key, "1 hour"))
        const waiting = yield* Effect.forEach([first.get(), first.get(), second.get()], (get) => Effect.fork(get))
        yield* TestClock.adjust("1 second")
        for (const fiber of waiting.slice(0, 2)) assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        yield* store.service.release(lease)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(waiting[2]!)
        yield* run(first.get())
        assert.deepStrictEqual(server.presented, ["refresh-0.0", "refresh-0.1"])
      }))
  })

  describe("lifetimes", () => {
    const stored = (expiresAt: Option.Option<number>): RefreshToken.Stored => ({
      token: Redacted.make("r"),
      expiresAt,
      rotates: true,
      state: "ready"
    })

    it.effect("an expired refresh token stays in the store, so that the configured one is not sent again", () =>
      Effect.gen(function*() {
        const { first, server } = yield* fleet(1)
        yield* run(first.kept.save(stored(Option.some(hour))))
        yield* TestClock.adjust("100 days")
        assert.include(authenticationRequired(yield* failure(first.get())), "expired")
        assert.deepStrictEqual(server.presented, [])
        yield* TestClock.adjust("81 days")
        assert.isTrue(Option.isNone(yield* run(first.kept.load)))
      }))

    it.effect("a refresh token of unknown lifetime is kept for 180 days after its last use", () =>
      Effect.gen(function*() {
        const { first } = yield* fleet(1)
        yield* run(first.get())
        yield* TestClock.adjust("179 days")
        yield* run(first.get())
        yield* TestClock.adjust("179 days")
        const { expiresAt, token } = Option.getOrThrow(yield* run(first.kept.load))
        assert.strictEqual(Redacted.value(token), "refresh-0.2")
        assert.deepStrictEqual(expiresAt, Option.none())
      }))

    it.effect("a store that moves times to the clock of the reader moves the end of a refresh token as well", () =>
      Effect.gen(function*() {
        const { service } = yield* FaultyStore.make
        const ahead: TokenStore.Service = {
          ...service,
          get: (key) =>
            Effect.map(
              service.get(key),
              Option.map((token) =>
                AccessToken.make({ ...token, expiresAt: Option.map(token.expiresAt, (at) => at + 5000), extra: {} })
              )
            )
        }
        const [writer, reader] = yield* Effect.all(
          [service, ahead].map((store) =>
            RefreshToken.shared({ namespace: "test" }).pipe(Effect.provideService(TokenStore.TokenStore, store))
          )
        )
        yield* run(writer!.save(stored(Option.some(hour))))
        assert.deepStrictEqual(Option.getOrThrow(yield* run(reader!.load)).expiresAt, Option.some(hour + 5000))
      }))
  })

  it.effect("RefreshToken.shared names every wrong option", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(RefreshToken.shared({ namespace: " ", lease: 0, retention: Infinity }))
      assert.deepStrictEqual(
        error.fields,
        [
          "RefreshToken.shared.namespace",
          "RefreshToken.shared.lease",
          "RefreshToken.shared.retention"
        ].sort((a, b) => error.fields.indexOf(a) - error.fields.indexOf(b))
      )
    }).pipe(Effect.provide(Layer.merge(TokenStore.layerMemory, FetchHttpClient.layer))))

  // I12
  describe("any sequence of failures", () => {
    type Trouble =
      | { readonly type: "none" }
      | { readonly type: "crash"; readonly step: number }
      | { readonly type: "stall"; readonly step: number; readonly for: number }
      | { readonly type: "outage"; readonly step: number; readonly for: number; readonly hangs: boolean }

    interface Use {
      readonly process: number
      readonly trouble: Trouble
      /** Until the next one begins. */
      readonly pause: number
    }

    const step = FastCheck.integer({ min: 1, max: 8 })
    const troubles: FastCheck.Arbitrary<Trouble> = FastCheck.oneof(
      FastCheck.constant({ type: "none" as const }),
      FastCheck.record({ type: FastCheck.constant("crash" as const), step }),
      FastCheck.record({
        type: FastCheck.constant("stall" as const),
        step,
        for: FastCheck.constantFrom(500, 3000, 25_000, 70_000)
      }),
      FastCheck.record({
        type: FastCheck.constant("outage" as const),
        step,
        for: FastCheck.constantFrom(500, 3000, 30_000),
        hangs: FastCheck.boolean()
      })
    )
    const schedules: FastCheck.Arbitrary<ReadonlyArray<Use>> = FastCheck.array(
      FastCheck.record({
        process: FastCheck.integer({ min: 0, max: 3 }),
        trouble: troubles,
        pause: FastCheck.constantFrom(0, 100, 1000, 15_000, 50_000)
      }),
      { minLength: 2, maxLength: 10 }
    )

    for (const fallback of [false, true]) {
      it.effect.prop(
        `no refresh token is sent twice, or seen before it is stored, whatever fails (${fallback ? "" : "no "}login)`,
        {
          schedule: schedules,
          isPatient: FastCheck.boolean(),
          rotation: FastCheck.constantFrom("always" as const, "auto" as const)
        },
        ({ isPatient, rotation, schedule }) =>
          Effect.gen(function*() {
            // with a long limit a stalled process comes back in the middle of its steps; with a short one it fails
            const { everStored, inStore, join, members, server, store } = yield* fleet(4, {
              fallback,
              source: { rotation },
              timeout: isPatient ? "5 minutes" : "1 second"
            })
            // from the first use on the server is known to rotate
            yield* run(members[0]!.get())
            /** Whether a login of another process has replaced the family of this refresh token. */
            const isOvertaken = (refreshToken: string) =>
              Effect.map(inStore, (there) => fallback && there.slice(0, 9) !== refreshToken.slice(0, 9))
            const observed = (get: Effect.Effect<AccessToken.AccessToken, TokenError.RequestError>) =>
              Effect.gen(function*() {
                const token = yield* get
                const refreshToken = Redacted.value(Option.getOrThrow(token.refreshToken))
                seen.push([refreshToken, everStored.has(refreshToken) || (yield* isOvertaken(refreshToken))])
              })
            const seen: Array<readonly [refreshToken: string, isStored: boolean]> = []
            const defects: Array<string> = []
            for (const use of schedule) {
              const member = members[use.process]!
              const { trouble } = use
              let count = 0
              member.process.before = () =>
                Effect.suspend(() => {
                  if (trouble.type === "none" || ++count !== trouble.step) return Effect.void
                  switch (trouble.type) {
                    case "crash":
                      member.process.isDead = true
                      return Effect.never
                    case "stall":
                      return Effect.sleep(trouble.for)
                    case "outage":
                      store.breakDown(trouble.hangs ? "hangs" : "unavailable")
                      return Effect.void
                  }
                })
              yield* start(Effect.tapErrorCause(observed(member.get()), (cause) =>
                Effect.sync(() => {
                  if (Cause.isDie(cause)) defects.push(Cause.pretty(cause))
                })))
              yield* TestClock.adjust(use.pause)
              if (trouble.type === "outage") {
                yield* TestClock.adjust(trouble.for)
                store.heal()
              }
              if (member.process.isDead) members[use.process] = yield* join
            }
            yield* TestClock.adjust("3 minutes")
            store.heal()
            assert.strictEqual(server.reused, 0)
            // afterwards the fleet goes on, or fails with AuthenticationRequired
            const survivor = yield* join
            const outcome = yield* run(Effect.either(survivor.get()), "1 minute")
            if (outcome._tag === "Left") {
              authenticationRequired(outcome.left)
              assert.isFalse(fallback)
            } else {
              assert.strictEqual(yield* inStore, `${secret(outcome.right).slice("access for ".length)} ready`)
            }
            assert.strictEqual(server.reused, 0)
            assert.deepStrictEqual(seen.filter(([, isStored]) => !isStored), [])
            assert.deepStrictEqual(defects, [])
          }),
        { fastCheck: { numRuns: 40, seed: 12 } }
      )
    }
  })
})
