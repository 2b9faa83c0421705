import { FetchHttpClient, HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  Duration,
  Effect,
  Either,
  Encoding,
  Exit,
  Fiber,
  Layer,
  Option,
  Redacted,
  Scope,
  TestClock,
  TestServices
} from "effect"
import type { RateLimit, SharedTokens } from "../../src/index.js"
import {
  AccessToken,
  ClientAuthentication,
  Grant,
  RefreshToken,
  RetryPolicy,
  TokenError,
  TokenRequest,
  TokenSource,
  TokenStore
} from "../../src/index.js"
import * as source from "../../src/lifecycle/source.js"
import { FaultyStore } from "../support/faultyStore.js"
import { collect, secret, tags } from "../support/observe.js"
import { endpoint, refused, Scripted, unavailable } from "../support/scripted.js"
import { steppable, together } from "../support/time.js"

const hour = Duration.toMillis("1 hour")

const timedOut = new TokenError.EndpointTimeout({ endpoint, phase: "total", limit: Duration.seconds(10) })

/** A fleet of processes: each with its own source and cache, all with one store and one server. */
const fleet = (size: number, options: SharedTokens.Options = {}) =>
  Effect.gen(function*() {
    const server = new Scripted()
    server.latency = 200
    const store = yield* FaultyStore.make
    const join = Effect.gen(function*() {
      const uncached = yield* server.source
      const shared = yield* TokenSource.shared({ namespace: "test", ...options })(uncached).pipe(
        Effect.provideService(TokenStore.TokenStore, store.service)
      )
      const events = yield* collect(shared)
      const tokens = yield* TokenSource.cached({ jitter: 0 })(shared)
      return { tokens, shared, events }
    })
    const members = yield* Effect.replicateEffect(join, size)
    return { server, store, join, members, first: members[0]!, second: members[1]! }
  })

const all = (members: ReadonlyArray<{ readonly tokens: TokenSource.With<unknown> }>) =>
  members.map(({ tokens }) => Effect.map(tokens.get(), secret))

describe("SharedTokens", () => {
  describe("one request for the fleet", () => {
    // SPEC A16, C5, C6, C7, D1
    it.scoped("a cold start of 50 processes with 20 callers each is one request (I1)", () =>
      Effect.gen(function*() {
        const { members, server } = yield* fleet(50)
        const callers = members.flatMap((member) => Array.from({ length: 20 }, () => member))
        const got = yield* together(all(callers))
        assert.strictEqual(server.count, 1)
        assert.deepStrictEqual(new Set(got), new Set(["token-1"]))
      }))

    it.scoped("a renewal ahead of expiry is one request for the fleet, and no caller waits for it (I2)", () =>
      Effect.gen(function*() {
        const { members, server } = yield* fleet(20)
        yield* together(all(members))
        yield* TestClock.adjust("56 minutes")
        const before = yield* Clock.currentTimeMillis
        const stale = yield* Effect.forEach(members, ({ tokens }) => tokens.get())
        assert.strictEqual(yield* Clock.currentTimeMillis, before)
        assert.deepStrictEqual(new Set(stale.map(secret)), new Set(["token-1"]))
        yield* TestClock.adjust("3 seconds")
        const fresh = yield* Effect.forEach(members, ({ tokens }) => tokens.get())
        assert.deepStrictEqual(new Set(fresh.map(secret)), new Set(["token-2"]))
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("a process that starts later takes the stored token and does not ask the server", () =>
      Effect.gen(function*() {
        const { first, join, server } = yield* fleet(1)
        yield* together([first.tokens.get()])
        const late = yield* join
        const token = yield* late.tokens.get()
        assert.strictEqual(secret(token), "token-1")
        assert.strictEqual(server.count, 1)
        const [shared] = late.events.filter((event) => event._tag === "TokenShared")
        assert.deepStrictEqual(shared?.expiresAt, token.expiresAt)
      }))

    it.scoped("a stored token in the last stretch of its life is not taken (I3)", () =>
      Effect.gen(function*() {
        const { first, join, server } = yield* fleet(1)
        yield* together([first.shared.get()])
        const late = yield* join
        yield* TestClock.adjust(hour - 1000 - 30_001)
        assert.strictEqual(secret(yield* late.shared.get()), "token-1")
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* together([Effect.map(late.shared.get(), secret)]), ["token-2"])
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("waiting processes find the token by looking when announcements get lost", () =>
      Effect.gen(function*() {
        const server = new Scripted()
        server.latency = 5000
        const store = yield* FaultyStore.make
        store.deaf = true
        const join = Effect.flatMap(
          server.source,
          TokenSource.shared({ namespace: "test" })
        ).pipe(Effect.provideService(TokenStore.TokenStore, store.service))
        const members = yield* Effect.replicateEffect(join, 5)
        const got = yield* together(members.map((member) => Effect.map(member.get(), secret)), "7 seconds")
        assert.deepStrictEqual(new Set(got), new Set(["token-1"]))
        assert.strictEqual(server.count, 1)
      }))

    it.scoped("different token requests have leases and tokens of their own", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        const one = TokenRequest.make({ scopes: "users:read" })
        const two = TokenRequest.make({ scopes: "users:read", parameters: { login_hint: "hidden" } })
        const [a, b, c] = yield* together([
          first.tokens.get(one),
          first.tokens.get(two),
          second.tokens.get(TokenRequest.make({ scopes: "users:read" }))
        ])
        assert.notStrictEqual(secret(a!), secret(b!))
        assert.strictEqual(secret(a!), secret(c!))
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("the keys in the store show nothing of a token request", () =>
      Effect.gen(function*() {
        const { first, store } = yield* fleet(1)
        yield* together([first.tokens.get(TokenRequest.make({ parameters: { password: "hunter2" } }))])
        for (const { key } of store.calls) assert.match(key, /^test:[0-9a-f]{32}(~failure)?$/)
      }))
  })

  describe("while another process is fetching", () => {
    // SPEC C3, C4
    it.scoped("the current token is served while another process fetches; events and status say refreshing", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        yield* together(all([first, second]))
        server.latency = 4000
        yield* TestClock.adjust("56 minutes")
        yield* first.tokens.get()
        yield* TestClock.adjust(100)
        assert.strictEqual(secret(yield* second.tokens.get()), "token-1")
        yield* TestClock.adjust(1000)
        const status = yield* TokenSource.status(second.tokens)
        assert.isTrue(status.refreshing)
        assert.strictEqual(Option.getOrThrow(Option.map(status.token, secret)), "token-1")
        const event = second.events.find((event) => event._tag === "RefreshingElsewhere" && event.stillServing)
        assert.isDefined(event)
        yield* TestClock.adjust("5 seconds")
        const after = yield* TokenSource.status(second.tokens)
        assert.isFalse(after.refreshing)
        assert.strictEqual(Option.getOrThrow(Option.map(after.token, secret)), "token-2")
      }))

    it.scoped("the status of a request that no caller made is empty, and takes no place in the cache", () =>
      Effect.gen(function*() {
        const { first, server } = yield* fleet(1)
        const status = yield* TokenSource.status(first.tokens, TokenRequest.make({ scopes: "other" }))
        assert.deepStrictEqual(status, {
          token: Option.none(),
          remaining: Option.none(),
          stale: false,
          refreshing: false
        })
        assert.strictEqual(server.count, 0)
      }))

    it.scoped("a caller that cannot be interrupted waits no longer for another process than other callers", () =>
      Effect.gen(function*() {
        const { first, store } = yield* fleet(1, { lease: "1 second" })
        yield* together([first.shared.get()])
        const { key } = store.calls[0]!
        yield* store.service.remove(key, AccessToken.make({ value: "token-1" }))
        yield* store.service.acquire(key, "1 hour")
        const [token] = yield* together([Effect.uninterruptible(first.shared.get())], "3 seconds")
        assert.strictEqual(secret(token!), "token-2")
      }))

    it.scoped("a process without a usable token waits for the token of the fetching process", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        const a = yield* Effect.fork(first.tokens.get())
        yield* TestClock.adjust(50)
        const b = yield* Effect.fork(second.tokens.get())
        yield* TestClock.adjust(50)
        assert.deepStrictEqual(tags(second.events).filter((tag) => tag === "RefreshingElsewhere").length, 1)
        // the announcement wakes it: the next look would be later
        yield* TestClock.adjust(100)
        assert.strictEqual(secret(yield* Fiber.join(a)), "token-1")
        assert.strictEqual(secret(yield* Fiber.join(b)), "token-1")
        assert.strictEqual(server.count, 1)
      }))
  })

  describe("clocks", () => {
    // SPEC D7
    it.scoped("after a clock that was ahead is put back, the newer token of another process counts as newer", () =>
      Effect.gen(function*() {
        const { state, stepped } = yield* steppable
        state.step = Duration.toMillis("55 minutes")
        const here = Effect.withClock(stepped)
        const { first, server, store } = yield* here(fleet(1))
        yield* together([here(first.tokens.get())])
        state.step = 0
        yield* TestClock.adjust("56 minutes")
        // by the clock as it was, the first one ends at the same time
        const { key } = store.calls[0]!
        const lease = Option.getOrThrow(yield* store.service.acquire(key, "10 seconds"))
        const now = yield* Clock.currentTimeMillis
        yield* store.service.put(AccessToken.make({ value: "theirs", issuedAt: now, expiresAt: now + hour }), lease)
        yield* store.service.release(lease)

        assert.strictEqual(secret(yield* here(first.tokens.get())), "token-1")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(secret(yield* here(first.tokens.get())), "theirs")
        assert.strictEqual(server.count, 1)
      }))
  })

  describe("leases", () => {
    it.scoped("a holder that dies delays the others by no more than the lease (I11)", () =>
      Effect.gen(function*() {
        const { second, server, store } = yield* fleet(2)
        yield* together([second.shared.get()])
        const { key } = store.calls[0]!
        yield* store.service.remove(key, AccessToken.make({ value: "token-1" }))
        // another process takes the lease and is killed
        assert.isTrue(Option.isSome(yield* store.service.acquire(key, "10 seconds")))
        const before = server.count
        const waiting = yield* Effect.fork(second.tokens.get())
        yield* TestClock.adjust("9900 millis")
        assert.strictEqual(server.count, before)
        // the lease, half of a look, and the request
        yield* TestClock.adjust(100 + 125 + 200)
        assert.isTrue(AccessToken.isAccessToken(yield* Fiber.join(waiting)))
        assert.strictEqual(server.count, before + 1)
      }))

    it.scoped("a late holder of a lease overwrites nothing, and takes the newer token (I11)", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2, { lease: "2 seconds" })
        server.latency = 5000
        const late = yield* Effect.fork(first.shared.get())
        yield* TestClock.adjust("2 seconds")
        server.latency = 100
        const [token] = yield* together([second.shared.get()], "2 seconds")
        assert.strictEqual(secret(token!), "token-2")
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(secret(yield* Fiber.join(late)), "token-2")
        assert.include(tags(first.events), "LeaseLost")
        assert.strictEqual(secret(yield* second.shared.get()), "token-2")
      }))

    it.scoped("a process that is stopped while it fetches gives its lease back (I8)", () =>
      Effect.gen(function*() {
        const { join, second, server } = yield* fleet(2)
        server.latency = 5000
        const scope = yield* Scope.make()
        const leaving = yield* Scope.extend(join, scope)
        const waiting = yield* Effect.fork(leaving.tokens.get())
        yield* TestClock.adjust("1 second")
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(Exit.isFailure(yield* Fiber.await(waiting)))
        server.latency = 0
        assert.deepStrictEqual((yield* together(all([second]), "10 millis")).length, 1)
      }))

    it.scoped("interrupting callers, the one that began included, fails no other caller (I4)", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        const began = yield* Effect.fork(first.tokens.get())
        yield* TestClock.adjust(50)
        const other = yield* Effect.fork(second.tokens.get())
        yield* TestClock.adjust(50)
        yield* Fiber.interrupt(began)
        yield* TestClock.adjust(200)
        assert.strictEqual(secret(yield* Fiber.join(other)), "token-1")
        assert.strictEqual(server.count, 1)
      }))

    it.scoped("a process without a token asks the server by itself after two leases", () =>
      Effect.gen(function*() {
        const { second, server, store } = yield* fleet(2, { lease: "1 second" })
        yield* together([second.shared.get()])
        const key = store.calls[0]!.key
        yield* store.service.remove(key, AccessToken.make({ value: "token-1" }))
        // another process holds the lease and never stores a token
        yield* store.service.acquire(key, "1 hour")
        const [token] = yield* together([second.shared.get()], "3 seconds")
        assert.strictEqual(secret(token!), "token-2")
        assert.strictEqual(server.count, 2)
        assert.include(tags(second.events), "StoreFailed")
      }))
  })

  describe("a limit on token requests", () => {
    const limited = (size: number, onExceeded: RateLimit.OnExceeded = "wait") =>
      Effect.gen(function*() {
        const { server, store } = yield* fleet(0)
        /** Which of the processes asked the server, in that order. */
        const asked: Array<number> = []
        const join = (n: number) =>
          server.source.pipe(
            Effect.map(TokenSource.transform((request) => Effect.zipRight(Effect.sync(() => asked.push(n)), request))),
            Effect.flatMap(TokenSource.rateLimit({ limit: 1, interval: "20 seconds", onExceeded })),
            Effect.flatMap(TokenSource.shared({ namespace: "test" })),
            Effect.provideService(TokenStore.TokenStore, store.service)
          )
        const members = yield* Effect.forEach(Array.from({ length: size }, (_, n) => n), join)
        const get = (n: number, scopes: string) => Effect.map(members[n]!.get(TokenRequest.make({ scopes })), secret)
        return { asked, server, store, get }
      })

    it.scoped("a process that waits for room holds no lease, and takes a token that others store meanwhile (I1)", () =>
      Effect.gen(function*() {
        const { get, server } = yield* limited(2)
        yield* together([get(0, "a")])
        const waiting = yield* Effect.fork(get(0, "b"))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* together([get(1, "b")]), ["token-2"])
        assert.isNotNull(waiting.unsafePoll())
        assert.strictEqual(yield* Fiber.join(waiting), "token-2")
        assert.strictEqual(server.count, 2)
      }))

    // FAULTS D1
    it.scoped("a process that takes another's token keeps its own room; the process that asked has used its room", () =>
      Effect.gen(function*() {
        const { asked, get, server, store } = yield* limited(2)
        // both look at the store before either has the lease: nothing says which of the two gets it
        const both = yield* together([get(0, "a"), get(1, "a")])
        assert.deepStrictEqual(both, ["token-1", "token-1"])
        assert.strictEqual(server.count, 1)
        assert.isAbove(store.count("acquire"), 1)
        const [first] = asked
        assert.isDefined(first)
        const other = 1 - first!

        const before = yield* Clock.currentTimeMillis
        assert.deepStrictEqual(yield* together([get(other, "b")], "100 millis"), ["token-2"])
        assert.isBelow((yield* Clock.currentTimeMillis) - before, 1000)
        assert.deepStrictEqual(yield* together([get(first!, "c")], "1 second"), ["token-3"])
        assert.isAbove((yield* Clock.currentTimeMillis) - before, 15_000)
        assert.deepStrictEqual(asked, [first, other, first])
      }))

    it.scoped("a step between the rate limit and the store is not bypassed", () =>
      Effect.gen(function*() {
        const { server, store } = yield* fleet(0)
        server.script = [unavailable()]
        const shared = yield* server.source.pipe(
          Effect.flatMap(TokenSource.rateLimit()),
          Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter())),
          Effect.flatMap(TokenSource.shared({ namespace: "test" })),
          Effect.provideService(TokenStore.TokenStore, store.service)
        )
        const [token] = yield* together([shared.get()], "10 seconds")
        assert.strictEqual(secret(token!), "token-2")
      }))

    it.scoped("a rate limit also holds for a process that works alone, and can fail instead of waiting", () =>
      Effect.gen(function*() {
        const { get, server, store } = yield* limited(1, "fail")
        store.breakDown("unavailable")
        yield* together([get(0, "a")])
        assert.strictEqual((yield* Effect.flip(get(0, "b")))._tag, "RateLimited")
        store.heal()
        yield* TestClock.adjust("5 seconds")
        const before = store.count("acquire")
        assert.strictEqual((yield* Effect.flip(get(0, "b")))._tag, "RateLimited")
        assert.strictEqual(store.count("acquire"), before)
        assert.strictEqual(server.count, 1)
      }))
  })

  describe("refused tokens", () => {
    // SPEC B4
    it.scoped("a token that an API refused is replaced once for the whole fleet", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        const [rejected] = yield* together([first.tokens.get(), second.tokens.get()])
        const renewed = yield* together([first.tokens.renew(rejected!), second.tokens.renew(rejected!)])
        assert.deepStrictEqual(new Set(renewed.map(secret)), new Set(["token-2"]))
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("an invalidated token leaves the store too; a newer token stays", () =>
      Effect.gen(function*() {
        const { first, join, second, server } = yield* fleet(2)
        const [rejected] = yield* together([first.tokens.get()])
        yield* first.tokens.invalidate(rejected!)
        const [fresh] = yield* together([second.tokens.get()])
        assert.strictEqual(secret(fresh!), "token-2")
        yield* first.tokens.invalidate(rejected!)
        assert.strictEqual(secret(yield* (yield* join).tokens.get()), "token-2")
        assert.strictEqual(server.count, 2)
      }))

    it.scoped("a refused token that the server hands out again does not go back into the store", () =>
      Effect.gen(function*() {
        const { first, server, store } = yield* fleet(1)
        server.answer = (_, now) => AccessToken.make({ value: "same", issuedAt: now, expiresAt: now + hour })
        const [token] = yield* together([first.tokens.get()])
        const renewal = yield* Effect.fork(first.tokens.renew(token!))
        yield* TestClock.adjust("3 seconds")
        assert.isNull(renewal.unsafePoll())
        yield* Fiber.interrupt(renewal)
        assert.deepStrictEqual(yield* store.service.get(store.calls[0]!.key), Option.none())
      }))
  })

  describe("failures of the server", () => {
    it.scoped("a failure is shared: while the server tells one process to wait, the others do not ask (I6)", () =>
      Effect.gen(function*() {
        const { members, server } = yield* fleet(10)
        server.failing = unavailable(Duration.seconds(20))
        const outcomes = yield* together(members.map(({ tokens }) => Effect.either(tokens.get())), "2 seconds")
        assert.strictEqual(server.count, 1)
        const errors = outcomes.map((outcome) => Either.isLeft(outcome) ? outcome.left : undefined)
        assert.strictEqual(errors.filter((error) => error?._tag === "EndpointUnavailable").length, 1)
        const elsewhere = errors.filter((error) => error?._tag === "FailedElsewhere")
        assert.strictEqual(elsewhere.length, 9)
        const wait = Option.getOrThrow(
          Option.flatMap(
            Option.fromNullable(elsewhere[0]),
            (e) => e._tag === "FailedElsewhere" ? e.retryAfter : Option.none()
          )
        )
        assert.isAtLeast(Duration.toSeconds(wait), 19)
      }))

    // FAULTS L
    for (
      const [what, latency, error] of [["cannot be reached", 0, unavailable()], [
        "never answers",
        10_000,
        timedOut
      ]] as const
    ) {
      it.scoped(`a process whose way to the server ${what} lets the others have their turn first`, () =>
        Effect.gen(function*() {
          const store = yield* FaultyStore.make
          const join = (server: Scripted) =>
            TokenSource.managed({ shared: { namespace: "test" } })(server.source).pipe(
              Effect.provideService(TokenStore.TokenStore, store.service)
            )
          const broken = new Scripted()
          broken.latency = latency
          broken.failing = error
          const cutOff = yield* join(broken)
          // programs that ask for a token twice a second
          const calling = (tokens: TokenSource.With<unknown>) =>
            Effect.fork(Effect.forever(Effect.zipRight(Effect.fork(Effect.exit(tokens.get())), Effect.sleep(500))))
          yield* calling(cutOff)
          yield* TestClock.adjust("30 seconds")

          const server = new Scripted()
          server.latency = 100
          const well = yield* join(server)
          yield* calling(well)
          // the request under way at most, and then the longest step
          yield* TestClock.adjust(latency + 7000)
          assert.strictEqual(server.count, 1)
          assert.isTrue(Option.isSome((yield* TokenSource.status(well)).token))
          // which serves the other process as well
          assert.strictEqual(secret((yield* together([cutOff.get()]))[0]!), "token-1")
        }))
    }

    // FAULTS L
    it.scoped("a process alone asks again at once after one failure, and then at steps", () =>
      Effect.gen(function*() {
        const { first, server } = yield* fleet(1)
        server.latency = 0
        server.failing = unavailable()
        yield* Effect.fork(Effect.forever(Effect.zipRight(Effect.exit(first.shared.get()), Effect.sleep(100))))
        yield* TestClock.adjust("30 seconds")
        const gaps = server.calls.slice(1).map(({ at }, n) => at - server.calls[n]!.at)
        assert.deepStrictEqual(gaps, [100, 3000, 5000, 6000, 6000, 6000])
      }))

    // FAULTS L
    it.scoped("a token that each process reports as refused, and that the server repeats, is served again", () =>
      Effect.gen(function*() {
        const { members, server } = yield* fleet(3)
        const same = AccessToken.make({ value: "same", issuedAt: 0, expiresAt: hour })
        server.answer = () => same
        yield* together(all(members))
        const asked = server.count
        // one refusal in each process, at the same time
        const renewed = yield* together(members.map(({ tokens }) => source.renewal(tokens, same)), 100)
        assert.deepStrictEqual(renewed.map(secret), ["same", "same", "same"])
        yield* TestClock.adjust("1 second")
        const got = yield* together(all(members), 100)
        assert.deepStrictEqual(got, ["same", "same", "same"])
        // no more than a process alone
        assert.isAtMost(server.count - asked, 2)
      }))

    // FAULTS R1, T2
    it.scoped("a NoProgress note stops only the processes that can still serve the same token", () =>
      Effect.gen(function*() {
        const { first, join, second, server } = yield* fleet(2)
        const same = AccessToken.make({ value: "same", issuedAt: 0, expiresAt: hour })
        server.answer = () => same
        yield* together([first.shared.get(), second.shared.get()])
        yield* together([first.shared.renew(same)])
        assert.strictEqual(server.count, 2)
        // the same token, good for an hour
        const replaced = yield* Effect.flip(source.replace(second.shared, same))
        assert.strictEqual(replaced._tag, "FailedElsewhere")
        // if it was refused here too, the answer of the server is known
        assert.strictEqual(secret(yield* second.shared.renew(same)), "same")
        assert.strictEqual(server.count, 2)
        // a process with another token, and one without a token
        server.answer = undefined
        const other = AccessToken.make({ value: "other", issuedAt: 0, expiresAt: hour })
        assert.deepStrictEqual(yield* together([Effect.map(second.shared.renew(other), secret)], 200), ["token-3"])
        const cold = yield* join
        assert.strictEqual(secret(yield* cold.shared.get()), "token-3")
      }))

    // FAULTS R1
    it.scoped("a NoProgress note about a token stops no process once that token is over", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        const same = AccessToken.make({ value: "same", issuedAt: 0, expiresAt: hour })
        server.answer = () => same
        yield* together(all([first, second]))
        yield* TestClock.setTime(hour - 30_000 - 100)
        yield* TestClock.adjust(0)
        const asked = server.count
        const renewal = yield* Effect.fork(first.shared.renew(same))
        yield* TestClock.adjust(200)
        yield* Fiber.join(renewal)
        assert.strictEqual(server.count, asked + 1)
        // the note holds for a second, and the token is over for the other process
        server.answer = undefined
        assert.deepStrictEqual(yield* together([Effect.map(second.shared.renew(same), secret)], 200), [
          `token-${asked + 2}`
        ])
      }))

    // FAULTS T2
    it.scoped("a process whose token is bound to its key does not keep other processes from their tokens", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        const bound = AccessToken.make({ value: "bound", tokenType: "DPoP", issuedAt: 0, expiresAt: hour })
        server.answer = () => bound
        yield* together([first.shared.get()])
        yield* together([first.shared.renew(bound)], 200)
        server.answer = undefined
        assert.deepStrictEqual(yield* together([Effect.map(second.shared.get(), secret)], 200), ["token-3"])
      }))

    it.scoped("an outage costs the fleet one request per step, and after it all processes get the new token", () =>
      Effect.gen(function*() {
        const server = new Scripted()
        server.latency = 50
        const store = yield* FaultyStore.make
        const join = server.source.pipe(
          Effect.flatMap(TokenSource.shared({ namespace: "test" })),
          Effect.map(
            TokenSource.retry(
              RetryPolicy.exponentialJitter({ maxRetries: 50, maxElapsed: "5 minutes", cap: "5 seconds" })
            )
          ),
          Effect.provideService(TokenStore.TokenStore, store.service)
        )
        const members = yield* Effect.replicateEffect(join, 30)
        server.failing = unavailable()
        const fibers = yield* Effect.forEach(members, (member) => Effect.fork(member.get()))
        yield* TestClock.adjust("60 seconds")
        // one to five seconds apart
        assert.isBelow(server.count, 40)
        const before = server.count
        server.failing = undefined
        yield* TestClock.adjust("12 seconds")
        const got = yield* Fiber.join(Fiber.all(fibers))
        assert.strictEqual(new Set(got.map(secret)).size, 1)
        assert.strictEqual(server.count, before + 1)
      }))

    it.scoped("a refusal is not shared: a wrong secret in one process does not stop the others", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        server.script = [refused()]
        const [one, two] = yield* together([Effect.either(first.tokens.get()), Effect.either(second.tokens.get())])
        assert.strictEqual(Either.getOrThrow(Either.flip(one!))._tag, "OAuthError")
        assert.strictEqual(secret(Either.getOrThrow(two!)), "token-1".replace("1", "2"))
      }))

    it.scoped("a server that hands out nothing newer is asked once by the whole fleet", () =>
      Effect.gen(function*() {
        const { members, server } = yield* fleet(10)
        const start = yield* Clock.currentTimeMillis
        server.answer = () => AccessToken.make({ value: "same", issuedAt: start, expiresAt: start + hour })
        yield* together(all(members))
        yield* TestClock.adjust("56 minutes")
        yield* Effect.forEach(members, ({ tokens }) => tokens.get())
        yield* TestClock.adjust("900 millis")
        assert.strictEqual(server.count, 2)
      }))
  })

  describe("failures of the store", () => {
    for (const fault of ["unavailable", "hangs", "dies"] as const) {
      it.scoped(`store fault "${fault}": each process works alone, and together again afterwards (I11)`, () =>
        Effect.gen(function*() {
          const { first, second, server, store } = yield* fleet(2)
          store.breakDown(fault)
          const got = yield* together(all([first, second]), "3 seconds")
          assert.strictEqual(new Set(got).size, 2)
          assert.strictEqual(server.count, 2)
          const event = first.events.find((event) => event._tag === "StoreFailed")
          assert.strictEqual(event?.reason, fault === "hangs" ? "timeout" : "unavailable")
          store.heal()
          yield* TestClock.adjust("57 minutes")
          yield* together(all([first, second]), "3 seconds")
          const [a, b] = yield* together(all([first, second]), "3 seconds")
          assert.strictEqual(a, b)
          assert.strictEqual(server.count, 3)
          assert.include(tags(first.events), "StoreRecovered")
        }))
    }

    it.scoped("a store that has failed is left alone for a while", () =>
      Effect.gen(function*() {
        const { first, store } = yield* fleet(1)
        store.breakDown("unavailable")
        yield* together([first.shared.get()])
        const calls = store.calls.length
        yield* together([first.shared.get()], "300 millis")
        assert.strictEqual(store.calls.length, calls + 2)
      }))

    it.scoped("operations of the store that fail at the same time count as one failure", () =>
      Effect.gen(function*() {
        const { first, store } = yield* fleet(1)
        store.breakDown("unavailable")
        const requests = Array.from({ length: 20 }, (_, n) => TokenRequest.make({ scopes: `scope${n}` }))
        yield* together(requests.map((request) => first.shared.get(request)), "500 millis")
        assert.strictEqual(tags(first.events).filter((tag) => tag === "StoreFailed").length, 1)
        store.heal()
        // a second later the store is asked again
        yield* TestClock.adjust(600)
        yield* together([first.shared.get()])
        assert.include(tags(first.events), "StoreRecovered")
      }))

    it.scoped("a store that hangs while a token is stored does not keep the token from its caller", () =>
      Effect.gen(function*() {
        const { first, store } = yield* fleet(1)
        store.breakDown("hangs", ["put", "release"])
        const [token] = yield* together([first.shared.get()], 200 + 1000)
        assert.strictEqual(secret(token!), "token-1")
      }))

    it.scoped("a read-only store: its token is served, and a new token still reaches its caller", () =>
      Effect.gen(function*() {
        const { first, join, store } = yield* fleet(1)
        yield* together([first.tokens.get()])
        store.breakDown("unavailable", ["put", "acquire", "release", "remove"])
        const reader = yield* join
        assert.strictEqual(secret(yield* reader.tokens.get()), "token-1")
        yield* TestClock.adjust("1 hour")
        const [token] = yield* together([reader.tokens.get()])
        assert.strictEqual(secret(token!), "token-2")
      }))

    it.scoped("a full store: a new token still reaches its caller", () =>
      Effect.gen(function*() {
        const { first, store } = yield* fleet(1)
        store.faults.put = "unavailable"
        const [token] = yield* together([first.tokens.get()])
        assert.strictEqual(secret(token!), "token-1")
        assert.include(tags(first.events), "StoreFailed")
      }))

    it.scoped("an unreadable value in the store counts as missing, with an event, and is replaced", () =>
      Effect.gen(function*() {
        const { first, join, store } = yield* fleet(1)
        yield* together([first.tokens.get()])
        store.faults.get = "unreadable"
        const late = yield* join
        const [token] = yield* together([late.tokens.get()])
        assert.strictEqual(secret(token!), "token-2")
        // one event each for the token and for the note of a failure, although the store was read before and under the
        // lease
        const events = late.events.filter((event) => event._tag === "StoreFailed")
        assert.deepStrictEqual(events.map(({ reason }) => reason), ["unreadable", "unreadable"])
        store.heal()
        assert.strictEqual(secret(yield* (yield* join).tokens.get()), "token-2")

        // once the value could be read again, the next unreadable value is reported again
        yield* late.shared.get()
        store.faults.get = "unreadable"
        yield* together([late.shared.get()])
        assert.strictEqual(late.events.filter((event) => event._tag === "StoreFailed").length, 4)
      }))
  })

  describe("a store that other processes seal", () => {
    it.scoped("a process without the key does not take a sealed token, and one with the key takes no other", () =>
      Effect.gen(function*() {
        const { join, server, store } = yield* fleet(0)
        const key = yield* TokenStore.generateKey
        const sealing = Effect.gen(function*() {
          const sealed = yield* TokenStore.encrypted(key)(store.service)
          return yield* TokenSource.shared({ namespace: "test" })(yield* server.source).pipe(
            Effect.provideService(TokenStore.TokenStore, sealed)
          )
        })
        yield* together([(yield* sealing).get()])
        const plain = yield* join
        const [token] = yield* together([plain.shared.get()])
        assert.strictEqual(secret(token!), "token-2")
        const [event] = plain.events.filter((event) => event._tag === "StoreFailed")
        assert.strictEqual(event?.reason, "unreadable")
        assert.include(event?.detail, "TokenStore.encrypted")
        // and the other way round
        const [again] = yield* together([(yield* sealing).get()])
        assert.strictEqual(secret(again!), "token-3")
      }))
  })

  describe("what is not shared", () => {
    it.scoped("tokens bound to a key of the process are not shared", () =>
      Effect.gen(function*() {
        const { first, second, server } = yield* fleet(2)
        server.answer = (n, now) =>
          AccessToken.make({ value: `bound-${n}`, tokenType: "DPoP", issuedAt: now, expiresAt: now + hour })
        const got = yield* together(all([first, second]))
        assert.strictEqual(new Set(got).size, 2)
      }))

    const jwt = (claims: object) =>
      `${Encoding.encodeBase64Url("{}")}.${Encoding.encodeBase64Url(JSON.stringify(claims))}.${
        Encoding.encodeBase64Url("s")
      }`
    const confirmation = { "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }
    const kinds: ReadonlyArray<readonly [title: string, options: Omit<AccessToken.Options, "value">, value?: object]> =
      [
        ["of type DPoP", { tokenType: "DPoP" }],
        ["of type dpop", { tokenType: "dpop" }],
        ["of type PoP, with blanks", { tokenType: " PoP " }],
        ["of type DPOP", { tokenType: "DPOP" }],
        ["of type PoP", { tokenType: "PoP" }],
        ["with a confirmation beside them", { extra: { cnf: confirmation } }],
        ["that are JWTs with the thumbprint of a certificate", {}, { cnf: confirmation }],
        ["that are JWTs with the thumbprint of a key", {}, {
          cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }
        }],
        ["that are JWTs with a confirmation of another kind", { tokenType: "Bearer" }, { cnf: "anything" }]
      ]
    for (const [title, options, claims] of kinds) {
      // FAULTS T2
      it.scoped(`tokens ${title} are not shared, unless the key is`, () =>
        Effect.gen(function*() {
          for (const keyIsShared of [undefined, false, true]) {
            const { first, join, second, server } = yield* fleet(2, { keyIsShared })
            server.answer = (n, now) =>
              AccessToken.make({
                ...options,
                value: claims === undefined ? `bound-${n}` : jwt({ ...claims, jti: `${n}` }),
                issuedAt: now,
                expiresAt: now + hour
              })
            const got = yield* together(all([first, second]))
            assert.strictEqual(new Set(got).size, keyIsShared === true ? 1 : 2)
            assert.strictEqual(server.count, keyIsShared === true ? 1 : 2)
            yield* together(all([yield* join]))
            assert.strictEqual(server.count, keyIsShared === true ? 1 : 3)
          }
        }))
    }

    // FAULTS T2
    it.scoped("a bound token that is in the store all the same is not taken", () =>
      Effect.gen(function*() {
        const { first, server, store } = yield* fleet(1, {})
        yield* together([first.tokens.get()])
        const at = store.calls.find(({ operation }) => operation === "put")!.key
        const now = yield* Clock.currentTimeMillis
        const lease = Option.getOrThrow(yield* store.service.acquire(at, "1 second"))
        const planted = AccessToken.make({ value: "p", tokenType: "dPoP", issuedAt: now, expiresAt: now + 2 * hour })
        yield* store.service.put(planted, lease)
        yield* store.service.release(lease)
        assert.deepStrictEqual(yield* together([Effect.map(first.shared.get(), secret)]), ["token-2"])
        assert.strictEqual(server.count, 2)
      }))

    // FAULTS T2
    it.scoped("opaque tokens of a client with a certificate are not shared; a JWT says whether it is bound", () =>
      Effect.gen(function*() {
        const bodies = { opaque: () => `t${Math.random()}`, jwt: () => jwt({ sub: "reports" }) }
        for (
          const [kind, authentication, keyIsShared, isShared] of [
            ["opaque", ClientAuthentication.mtls, undefined, false],
            ["opaque", ClientAuthentication.mtls, true, true],
            ["jwt", ClientAuthentication.mtls, undefined, true],
            ["opaque", ClientAuthentication.basic(Redacted.make("secret")), undefined, true]
          ] as const
        ) {
          let requests = 0
          const http = HttpClient.make((request) =>
            Effect.sync(() => {
              requests++
              const body = { access_token: bodies[kind](), token_type: "Bearer", expires_in: 3600 }
              return HttpClientResponse.fromWeb(
                request,
                new Response(JSON.stringify(body), { headers: { "content-type": "application/json" } })
              )
            })
          )
          const { service } = yield* FaultyStore.make
          const tokens = Effect.flatMap(
            TokenSource.clientCredentials({
              tokenEndpoint: "https://login.example/token",
              clientId: "reports",
              authentication
            }),
            TokenSource.shared({ keyIsShared })
          ).pipe(
            Effect.provideService(HttpClient.HttpClient, http),
            Effect.provideService(TokenStore.TokenStore, service)
          )
          for (const process of [yield* tokens, yield* tokens]) yield* together([process.get()])
          assert.strictEqual(requests, isShared ? 1 : 2, `${kind} ${authentication.method} ${String(keyIsShared)}`)
        }
      }))

    it.scoped("refresh tokens are not shared, but the access token that came with one is", () =>
      Effect.gen(function*() {
        const { first, join, server } = yield* fleet(1)
        server.answer = (_, now) =>
          AccessToken.make({ value: "a", refreshToken: "r", issuedAt: now, expiresAt: now + hour })
        yield* together([first.tokens.get()])
        assert.strictEqual(secret(yield* (yield* join).tokens.get()), "a")
      }))
  })

  describe("configuration", () => {
    it.effect("a source that does not know whose tokens it yields needs a namespace", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          Effect.flatMap(new Scripted().source, TokenSource.shared({ lease: 0 }))
        )
        assert.deepStrictEqual(error.fields, ["shared.namespace", "shared.lease"])
      }).pipe(Effect.provide(TokenStore.layerMemory), Effect.scoped))

    const client = {
      tokenEndpoint: "https://login.example/token",
      clientId: "reports",
      authentication: ClientAuthentication.basic(Redacted.make("secret"))
    }

    it.scoped("a query of the endpoint makes a different key, and cannot be read in it", () =>
      Effect.gen(function*() {
        const store = yield* FaultyStore.make
        const keyOf = (tokenEndpoint: string) =>
          Effect.gen(function*() {
            const source = yield* TokenSource.clientCredentials({ ...client, tokenEndpoint })
            const shared = yield* Effect.provideService(
              TokenSource.shared()(source),
              TokenStore.TokenStore,
              store.service
            )
            store.faults.acquire = "unavailable"
            yield* Effect.ignore(shared.get())
            return store.calls[store.calls.length - 1]!.key
          })
        const plain = yield* keyOf("https://login.example/token")
        const one = yield* keyOf("https://login.example/token?subscription-key=hunter2")
        const two = yield* keyOf("https://login.example/token?subscription-key=hunter3")
        assert.match(plain, /^login\.example\/token:reports:[0-9a-f]{32}$/)
        assert.match(one, /^login\.example\/token:[0-9a-f]{16}:reports:[0-9a-f]{32}$/)
        assert.notStrictEqual(one, two)
      }).pipe(Effect.provideService(HttpClient.HttpClient, HttpClient.make(() => Effect.die("no network")))))

    // FAULTS T1
    it.scoped("clients and servers with similar names have different keys", () =>
      Effect.gen(function*() {
        const store = yield* FaultyStore.make
        store.faults.acquire = "unavailable"
        const sources = [
          ...["app", "https://app", "App", "app/", "a:b", "é", "e\u0301", "?", "\ufffd", "\ud800", "\ud801", "%ud800"]
            .map(
              (clientId) => ({ clientId, tokenEndpoint: "https://login.example/token" })
            ),
          { clientId: "app", tokenEndpoint: "https://login.example/token/" },
          { clientId: "app", tokenEndpoint: "https://login.example/Token" },
          { clientId: "b", tokenEndpoint: "https://login.example/token:app" },
          { clientId: "app:b", tokenEndpoint: "https://login.example/token" },
          { clientId: "app", tokenEndpoint: "https://login.example/token?tenant=66" },
          { clientId: "app", tokenEndpoint: "https://login.example/token?tenant=p0" },
          { clientId: "app", tokenEndpoint: "https://login.example/token?tenant=%70" }
        ]
        for (const each of sources) {
          const shared = yield* Effect.flatMap(
            TokenSource.clientCredentials({ ...client, ...each }),
            TokenSource.shared()
          ).pipe(Effect.provideService(TokenStore.TokenStore, store.service))
          yield* Effect.ignore(shared.get())
          yield* TestClock.adjust("1 minute")
        }
        const keys = store.calls.filter(({ operation }) => operation === "acquire").map(({ key }) => key)
        assert.strictEqual(keys.length, sources.length)
        assert.strictEqual(new Set(keys).size, sources.length)
        for (const key of keys) assert.match(key, /^[\w./~:%-]+$/)
      }).pipe(Effect.provideService(HttpClient.HttpClient, HttpClient.make(() => Effect.die("no network")))))

    // FAULTS T1
    // FAULTS T
    it.effect("a namespace with white space or a control character at an end is an InvalidConfiguration", () =>
      Effect.gen(function*() {
        const source = yield* TokenSource.make(() => Effect.succeed(AccessToken.make({ value: "t" })))
        for (const namespace of ["alice ", " alice", "alice\n", "alice\u00a0", "alice\0", "\ufeffalice"]) {
          for (
            const error of [
              yield* Effect.flip(TokenSource.shared({ namespace })(source)),
              yield* Effect.flip(RefreshToken.shared({ namespace }))
            ]
          ) {
            assert.strictEqual(error._tag, "InvalidConfiguration")
            assert.include(error.message, "begins or ends with white space")
            assert.include(error.message, "shared.namespace")
          }
        }
        yield* TokenSource.shared({ namespace: "alice in wonderland" })(source)
        const blank = yield* Effect.flip(RefreshToken.shared({ namespace: " " }))
        assert.notInclude(blank.message, "begins or ends")
      }).pipe(Effect.scoped, Effect.provide(TokenStore.layerMemory)))

    it.effect("a namespace that a store cannot write unchanged is an InvalidConfiguration", () =>
      Effect.gen(function*() {
        const source = yield* new Scripted().source
        const errors = [
          yield* Effect.flip(TokenSource.shared({ namespace: "\ud800" })(source)),
          yield* Effect.flip(RefreshToken.shared({ namespace: "a\udc00b" }))
        ]
        assert.deepStrictEqual(errors.map(({ fields }) => fields), [["shared.namespace"], [
          "RefreshToken.shared.namespace"
        ]])
      }).pipe(Effect.provide(TokenStore.layerMemory), Effect.scoped))

    it.scoped("the lease is longer than a token request may take", () =>
      Effect.gen(function*() {
        const leases: Array<number> = []
        const service = (yield* FaultyStore.make).service
        const store: TokenStore.Service = {
          ...service,
          acquire: (key, ttl) => {
            leases.push(Duration.toMillis(ttl))
            return service.acquire(key, ttl)
          }
        }
        const acquire = (source: TokenSource.With<unknown>, options?: SharedTokens.Options) =>
          Effect.gen(function*() {
            const shared = yield* TokenSource.shared({ namespace: "test", ...options })(source)
            const asking = yield* Effect.fork(shared.get(TokenRequest.make({ scopes: `s${leases.length}` })))
            const before = leases.length
            while (leases.length === before) yield* TestServices.provideLive(Effect.sleep(1))
            yield* Fiber.interrupt(asking)
          }).pipe(Effect.provideService(TokenStore.TokenStore, store))
        for (const timeout of [undefined, "20 seconds", "3 seconds", { total: Duration.infinity }] as const) {
          yield* acquire(yield* TokenSource.clientCredentials({ ...client, timeout }))
        }
        yield* acquire(yield* new Scripted().source)
        yield* acquire(yield* TokenSource.clientCredentials(client), { lease: "3 seconds" })
        assert.deepStrictEqual(leases, [12_000, 22_000, 10_000, 60_000, 10_000, 3000])
      }).pipe(Effect.provideService(HttpClient.HttpClient, HttpClient.make(() => Effect.never))))

    it.scoped("client credentials have a default namespace; a grant with a subject has none", () =>
      Effect.gen(function*() {
        yield* Effect.flatMap(TokenSource.clientCredentials(client), TokenSource.shared())
        const exchange = TokenSource.tokenExchange({ ...client, subjectToken: Redacted.make("alice") })
        const error = yield* Effect.flip(Effect.flatMap(exchange, TokenSource.shared()))
        assert.deepStrictEqual(error.fields, ["shared.namespace"])
        yield* Effect.flatMap(exchange, TokenSource.shared({ namespace: "alice" }))
      }).pipe(Effect.provide([TokenStore.layerMemory, FetchHttpClient.layer])))

    // FAULTS T
    it.scoped("an authentication of one's own says what it adds to the client id, or the namespace has to be given", () =>
      Effect.gen(function*() {
        const credentials = (tenant: string) => () =>
          Effect.succeed({ headers: [], parameters: [["tenant", tenant] as const], secrets: [], hint: Option.none() })
        const own = (tenant: string, identity?: string) =>
          ClientAuthentication.make({ method: "tenant", identity, credentials: credentials(tenant) })
        const { authentication } = client
        const tokenOf = (authentication: ClientAuthentication.ClientAuthentication) =>
          TokenSource.clientCredentials({ ...client, authentication }).pipe(
            Effect.flatMap(TokenSource.shared()),
            Effect.flatMap((source) => source.get()),
            Effect.map(secret),
            Effect.catchTag("InvalidConfiguration", ({ fields }) => Effect.succeed(fields.join()))
          )
        const shared = yield* tokenOf(authentication)
        assert.strictEqual(yield* tokenOf(authentication), shared)
        assert.strictEqual(yield* tokenOf(own("a", "")), shared, "it adds nothing")
        const [a, b] = [yield* tokenOf(own("a", "a")), yield* tokenOf(own("b", "b"))]
        assert.strictEqual(new Set([shared, a, b]).size, 3)
        assert.strictEqual(yield* tokenOf(own("a", "a")), a)
        // a copy with other credentials is another client, whatever it was copied from
        for (
          const unknown of [
            own("c"),
            { ...authentication, credentials: credentials("c") },
            { ...own("a", "a"), credentials: credentials("c") },
            ClientAuthentication.make({ ...authentication, credentials: credentials("c") })
          ]
        ) {
          assert.strictEqual(yield* tokenOf(unknown), "shared.namespace")
        }
      }).pipe(
        Effect.provide(TokenStore.layerMemory),
        Effect.provideServiceEffect(
          HttpClient.HttpClient,
          Effect.sync(() => {
            let n = 0
            return HttpClient.make((request) =>
              Effect.sync(() =>
                HttpClientResponse.fromWeb(
                  request,
                  new Response(JSON.stringify({ access_token: `t${++n}`, token_type: "Bearer", expires_in: 3600 }))
                )
              )
            )
          })
        )
      ))

    it.effect("layer shares tokens when a store is provided, and needs a namespace for other grants", () =>
      Effect.gen(function*() {
        const grant = Grant.jwtBearer({ assertion: Redacted.make("a.b.c") })
        const build = (options: Partial<TokenSource.LayerOptions>) =>
          Effect.provide(TokenSource.TokenSource, TokenSource.layer({ ...client, ...options })).pipe(Effect.either)
        assert.isTrue(Either.isRight(yield* build({})))
        const unnamed = yield* build({ grant })
        assert.strictEqual(Either.getOrThrow(Either.flip(unnamed))._tag, "InvalidConfiguration")
        assert.isTrue(Either.isRight(yield* build({ grant, shared: { namespace: "alice" } })))
        assert.isTrue(Either.isRight(yield* build({ grant, shared: false })))
      }).pipe(Effect.provide(Layer.merge(TokenStore.layerMemory, FetchHttpClient.layer))))

    it.effect("options for sharing without a store are an InvalidConfiguration; no options are fine", () =>
      Effect.gen(function*() {
        const build = (options: Partial<TokenSource.LayerOptions>) =>
          Effect.provide(TokenSource.TokenSource, TokenSource.layer({ ...client, ...options })).pipe(Effect.either)
        assert.isTrue(Either.isRight(yield* build({})))
        assert.isTrue(Either.isRight(yield* build({ shared: false })))
        const error = Either.getOrThrow(Either.flip(yield* build({ shared: { lease: "20 seconds" } })))
        assert.deepStrictEqual(error.fields, ["shared"])
        assert.include(error.detail, "no TokenStore")
      }).pipe(Effect.provide(FetchHttpClient.layer)))
  })
})
