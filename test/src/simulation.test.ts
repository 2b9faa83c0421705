import { assert, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Clock, Effect, Either, FastCheck, Logger, LogLevel, Random, Runtime } from "effect"
import { AccessToken, RetryPolicy, TokenRequest, TokenSource } from "effect-bearer"
import { secret } from "../../packages/core/test/support/observe.js"
import { unavailable } from "../../packages/core/test/support/scripted.js"
import { hour, minute, second } from "./fleet/World.js"
import { HostClock, VirtualTime } from "./VirtualTime.js"

/**
 * A day in the life of a source: an authorization server that has outages and revokes tokens at random, callers who
 * come at random, and the promises checked at every call. A counterexample is printed with what reproduces it.
 */

const day = 24 * hour

/** Runs a program in virtual time, to its end. */
const run = <A, E>(program: Effect.Effect<A, E, Scope.Scope>): A => {
  const time = new VirtualTime()
  const clock = new HostClock(time, 0, 0)
  const quiet = Effect.scoped(program).pipe(Effect.withClock(clock), Logger.withMinimumLogLevel(LogLevel.None))
  const fiber = time.fork(Runtime.defaultRuntime, quiet)
  fiber.addObserver(() => time.stop())
  time.advance(Number.POSITIVE_INFINITY)
  return Effect.runSync(fiber.unsafePoll() ?? Effect.dieMessage("the program waits for ever"))
}

interface World {
  readonly seed: number
  readonly lifetime: number
  readonly latency: number
  readonly outages: ReadonlyArray<{ readonly from: number; readonly length: number }>
  readonly revocations: ReadonlyArray<number>
  readonly callers: number
}

const worlds: FastCheck.Arbitrary<World> = FastCheck.record({
  seed: FastCheck.integer(),
  lifetime: FastCheck.constantFrom(10 * minute, hour, 5 * hour),
  latency: FastCheck.constantFrom(0, 200, 3 * second),
  outages: FastCheck.array(
    FastCheck.record({
      from: FastCheck.integer({ min: 0, max: day }),
      length: FastCheck.constantFrom(10 * second, 4 * minute, 2 * hour)
    }),
    { maxLength: 3 }
  ),
  revocations: FastCheck.array(FastCheck.integer({ min: 0, max: day }), { maxLength: 3 }),
  callers: FastCheck.integer({ min: 1, max: 3 })
})

const simulate = (world: World) =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    const isOut = (at: number) =>
      world.outages.some(({ from, length }) => at - start >= from && at - start < from + length)
    const request = { inFlight: 0, count: 0, failed: 0 }
    const revoked = new Set<string>()
    let latest: AccessToken.AccessToken | undefined

    const tokens = yield* TokenSource.make(() =>
      Effect.gen(function*() {
        request.count++
        request.inFlight++
        assert.strictEqual(request.inFlight, 1, "I1: one request at a time for one key")
        const at = yield* Clock.currentTimeMillis
        yield* Effect.sleep(world.latency)
        if (isOut(at)) {
          request.failed++
          return yield* Effect.fail(unavailable())
        }
        latest = AccessToken.make({ value: `t${request.count}`, issuedAt: at, expiresAt: at + world.lifetime })
        return latest
      }).pipe(Effect.ensuring(Effect.sync(() => request.inFlight--)))
    ).pipe(
      Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter())),
      Effect.flatMap(TokenSource.cached()),
      Effect.flatMap(TokenSource.backgroundRefresh())
    )

    const skew = Math.min(30 * second, world.lifetime / 10)
    const isUsable = (token: AccessToken.AccessToken | undefined, now: number) =>
      token !== undefined && !revoked.has(secret(token)) && now < token.issuedAt + world.lifetime - skew

    /** One call of an API: get a token, be refused if it is revoked, renew once. */
    const call = Effect.gen(function*() {
      const began = yield* Clock.currentTimeMillis
      const usable = latest !== undefined && isUsable(latest, began)
      const got = yield* Effect.either(tokens.get())
      const now = yield* Clock.currentTimeMillis
      if (Either.isLeft(got)) {
        assert.isFalse(usable, "I5: no failure while a usable token is held")
        return
      }
      const token = got.right
      if (usable) assert.strictEqual(now, began, "I2: nobody waits who need not")
      assert.isBelow(now, token.issuedAt + world.lifetime - skew, "I3: nothing past mustAt is handed out")
      if (!revoked.has(secret(token))) return
      const renewed = yield* Effect.either(tokens.renew(token, undefined))
      if (Either.isRight(renewed)) {
        assert.notStrictEqual(secret(renewed.right), secret(token), "I3: never the token that was just refused")
      }
    })

    const caller = Effect.forever(
      Effect.flatMap(Random.nextIntBetween(minute, hour), (pause) => Effect.zipRight(Effect.sleep(pause), call))
    )
    const revoker = Effect.forEach([...world.revocations].sort((a, b) => a - b), (at) =>
      Effect.gen(function*() {
        yield* Effect.sleep(Math.max(0, start + at - (yield* Clock.currentTimeMillis)))
        if (latest !== undefined) revoked.add(secret(latest))
      }))

    yield* call.pipe(Effect.forkScoped)
    const callers = yield* Effect.forEach(Array.from({ length: world.callers }), () => Effect.forkScoped(caller))
    yield* Effect.forkScoped(revoker)
    yield* Effect.sleep(day)
    // a broken promise ends its caller; reading the exits here reports it
    for (const fiber of callers) {
      const exit = fiber.unsafePoll()
      if (exit !== null) yield* exit
    }

    // I5: whatever happened, a quiet half minute after the last outage there is a token again
    const end = start + day + Math.max(0, ...world.outages.map(({ from, length }) => from + length - day))
    yield* Effect.sleep(end - start - day + 30 * second + 10 * world.latency)
    if (latest !== undefined) {
      const last = yield* tokens.get().pipe(Effect.timeoutFail({ duration: 0, onTimeout: () => "waits" as const }))
      assert.isTrue(AccessToken.isAccessToken(last))
    }

    // I1: a request for each lifecycle, each revocation and each failed attempt, and none besides
    const lifecycles = Math.ceil((end - start + minute) / (world.lifetime / 2 - minute))
    assert.isAtMost(request.count - request.failed, lifecycles + world.revocations.length + world.outages.length + 1)
  }).pipe(Effect.withRandom(Random.make(world.seed)))

it.prop(
  "24 hours of lifecycles, outages and revocations keep I1, I2, I3 and I5",
  { world: worlds },
  ({ world }) => run(simulate(world)),
  { fastCheck: { numRuns: 25 } }
)

it("24 hours of quiet are one request per lifecycle (I1)", () =>
  run(Effect.gen(function*() {
    let count = 0
    const tokens = yield* TokenSource.make((request) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        count++
        return AccessToken.make({ value: `${count}`, issuedAt: now, expiresAt: now + hour, scopes: request.scopes })
      })
    ).pipe(
      Effect.flatMap(TokenSource.cached()),
      Effect.flatMap(TokenSource.backgroundRefresh({ jitter: 0, idleTimeToLive: "2 hours" }))
    )
    const keys = Array.from({ length: 20 }, (_, n) => TokenRequest.make({ scopes: `scope-${n}` }))
    yield* Effect.forkScoped(
      Effect.forever(Effect.zipRight(Effect.forEach(keys, (key) => tokens.get(key)), Effect.sleep("30 minutes")))
    )
    yield* Effect.sleep("24 hours")
    assert.strictEqual(count, 20 * 27)
  })))
