import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { eventually } from "../eventually.js"
import { describeWithRedis } from "../redis/describeWithRedis.js"
import * as RedisServer from "../redis/RedisServer.js"
import * as Fleet from "./Fleet.js"
import * as Issuer from "./Issuer.js"
import type { Step } from "./protocol.js"

type Place = Step | "at the server"

/**
 * Where the process that fetches is killed, how many token requests there have been when the others have a token, and
 * whether they have to wait for the end of its lease.
 */
const deaths: ReadonlyArray<{ readonly at: Place; readonly requests: number; readonly wait: boolean }> = [
  { at: "before acquire", requests: 1, wait: false },
  { at: "after acquire", requests: 1, wait: true },
  { at: "before fetch", requests: 1, wait: true },
  { at: "at the server", requests: 2, wait: true },
  { at: "before put", requests: 2, wait: true },
  { at: "after put", requests: 1, wait: false },
  { at: "after release", requests: 1, wait: false }
]

/** Where it is stopped until another has done its work. */
const sleeps: ReadonlyArray<Place> = ["at the server", "before put"]

const lease = 3000

class World extends Context.Tag("World")<World, {
  readonly issuer: Issuer.Issuer
  readonly redis: RedisServer.RedisServer
  readonly others: ReadonlyArray<Fleet.Worker>
  /** One for each test. */
  readonly victims: Array<Fleet.Worker>
}>() {}

const WorldLive = Layer.scoped(
  World,
  Effect.gen(function*() {
    const redis = yield* RedisServer.start()
    // 40 s: a renewal begins 10 s before the end, and the token is served until 4 s before it: two leases later
    const issuer = yield* Issuer.start((scope) => scope === "renewal" ? 40 : 600)
    const [first, second, ...victims] = yield* Fleet.start(
      2 + deaths.length + 2,
      Issuer.patient(issuer, { store: { _tag: "Redis", url: redis.url }, lease })
    )
    return { issuer, redis, others: [first!, second!], victims }
  })
)

/** Has a process ask for a token, and waits until it has come to the place; gives what its caller will have seen. */
const askUpTo = (place: Place, victim: Fleet.Worker, scope: string) =>
  Effect.gen(function*() {
    const { issuer } = yield* World
    yield* place === "at the server" ? issuer.delayNext(scope, "4 seconds") : victim.stopAt(place)
    const call = yield* Effect.forkScoped(victim.burst(1, scope))
    yield* place === "at the server"
      ? eventually(issuer.issued(scope), ({ length }) => length === 1)
      : victim.stopped
    return call
  })

/** What is stored for a scope, as text. */
const stored = (scope: string) =>
  Effect.gen(function*() {
    const { redis } = yield* World
    const keys = (yield* redis.cli("KEYS", "*:token")).split("\n")
    const texts = yield* Effect.forEach(keys, (key) => redis.cli("GET", key))
    return texts.filter((text) => text.includes(`${scope}/`))
  })

const killed = ({ at, requests }: typeof deaths[number]) =>
  Effect.gen(function*() {
    const { issuer, others, victims } = yield* World
    const scope = `killed-${at.replace(/ /g, "-")}`
    const victim = victims.pop()!
    yield* askUpTo(at, victim, scope)
    yield* victim.signal("SIGKILL")

    const seen = yield* Fleet.burst(others, 50, scope)
    assert.deepStrictEqual(seen.failures, [])
    const issued = yield* issuer.issued(scope)
    assert.lengthOf(issued, requests)
    assert.deepStrictEqual(seen.tokens, [issued[requests - 1]!.hash])
    // after two leases without a token each of them would ask alone
    assert.notProperty(seen.events, "StoreFailed acquire timeout")
  })

const stopped = (at: Place, victim: Fleet.Worker) =>
  Effect.gen(function*() {
    const { issuer, others } = yield* World
    const scope = `stopped-${at.replace(/ /g, "-")}`
    yield* victim.collect
    const call = yield* askUpTo(at, victim, scope)
    // elsewhere it has done that itself
    if (at === "at the server") yield* victim.signal("SIGSTOP")
    const seen = yield* Fleet.burst(others, 50, scope)
    assert.deepStrictEqual(seen.failures, [])
    // the answer to the one that is stopped
    yield* eventually(issuer.inFlight, (inFlight) => inFlight === 0)
    const [late, newer, ...more] = yield* issuer.issued(scope)
    assert.lengthOf(more, 0)
    assert.deepStrictEqual(seen.tokens, [newer!.hash])

    yield* victim.signal("SIGCONT")
    const resumed = yield* Fiber.join(call)
    assert.deepStrictEqual(resumed.failures, [])
    assert.strictEqual(resumed.events.LeaseLost, 1)
    // what the others have, and not what it has brought
    assert.deepStrictEqual(resumed.tokens.map(({ hash }) => hash), [newer!.hash])
    const texts = yield* stored(scope)
    assert.lengthOf(texts, 1)
    assert.include(texts[0]!, newer!.token)
    assert.notInclude(texts[0]!, late!.token)
    assert.lengthOf(yield* issuer.issued(scope), 2)
  })

const killedWhileRenewing = Effect.gen(function*() {
  const { issuer, others, victims } = yield* World
  const scope = "renewal"
  const victim = victims.pop()!
  yield* victim.burst(1, scope)
  yield* victim.stopAt("after acquire")
  yield* victim.stopped
  const [old] = yield* issuer.issued(scope)
  const before = yield* Fleet.burst(others, 1, scope)
  assert.deepStrictEqual(before.tokens, [old!.hash])
  yield* Fleet.all(others, (other) => other.begin(50, { pace: 50, scope }))
  yield* victim.signal("SIGKILL")
  yield* eventually(
    Fleet.burst(others, 1, scope),
    ({ tokens }) => tokens.length === 1 && tokens[0] !== old!.hash
  )
  const reports = yield* Fleet.all(others, (other) => other.end)
  const { failures, waited } = Fleet.sum(reports)
  assert.deepStrictEqual({ failures, waited }, { failures: [], waited: 0 })
  const issued = yield* issuer.issued(scope)
  assert.lengthOf(issued, 2)
  assert.strictEqual(Issuer.servedLate(issued, reports), 0)
})

// they share nothing but the processes that stay alive, and most of the time they wait for leases to end
describeWithRedis("the process that fetches the token", () => {
  describe.concurrent("", () =>
    layer(WorldLive, { excludeTestServices: true, timeout: "300 seconds" })((it) => {
      // I11, SPEC C5
      for (const death of deaths) {
        const when = death.wait ? "after the lease" : "at once"
        it.scoped(`is killed ${death.at}: the others have one ${when}`, () => killed(death))
      }

      // I11
      it.scoped("is stopped for longer than the lease: what it brings then is not stored", () =>
        Effect.gen(function*() {
          const victim = (yield* World).victims.pop()!
          for (const at of sleeps) yield* stopped(at, victim)
        }))

      // I2, I11
      it.scoped(
        "is killed in the middle of a renewal: nobody waits, and there is one more token request",
        () => killedWhileRenewing
      )
    }))
})
