/** What happens to a broker in the field: it is told to stop, its file is changed, its Redis dies. Nobody's request is lost. */
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import * as Http from "node:http"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Effect } from "effect"
import { eventually } from "../eventually.js"
import { freePort } from "../freePort.js"
import { describeWithRedis } from "../redis/describeWithRedis.js"
import * as RedisServer from "../redis/RedisServer.js"
import type { Broker } from "./Brokers.js"
import { check, folder, newKey, start } from "./Brokers.js"
import type { Outcome } from "./load.js"
import { load, send } from "./load.js"

const upstreamSecret = "upstream-secret-77c1"

const profile = (tokenEndpoint: string, clientId: string, more: Record<string, unknown> = {}) => ({
  tokenEndpoint,
  clientId,
  authentication: { method: "basic", secret: { plain: upstreamSecret } },
  ...more
})

/** Many ask from one address here. */
const roomy = { requestsPerAddress: { limit: 1_000_000, interval: "1 second" } }
const rate = { limit: 1_000_000, interval: "1 second" }

const checking = (key: string, clientId: string) => ({
  method: "POST",
  path: "/auth/token/check",
  headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
  body: JSON.stringify({ client_id: clientId })
})

const getting = (key: string, path: string) => ({
  path,
  headers: { authorization: `Bearer ${key}`, "x-effect-bearer": "true" }
})

/** A broker with the profiles `fast` and `slow`, whose servers are that. */
const setUp = (options: { readonly config?: Record<string, unknown> } = {}) =>
  Effect.gen(function*() {
    const auditFile = join(yield* folder, "audit.log")
    const fast = yield* AuthorizationServer.listen()
    const slow = yield* AuthorizationServer.listen({ prefix: "slow-" })
    const { digest, key } = yield* newKey
    const config = {
      listen: [{ port: 0 }],
      allowPlainSecrets: true,
      audit: { file: auditFile },
      limits: roomy,
      profiles: {
        fast: profile(fast.tokenEndpoint, "fast"),
        slow: profile(slow.tokenEndpoint, "slow", { wait: "1 minute", timeout: "1 minute" })
      },
      callers: [{ id: "flow", keys: [digest], rate, permissions: ["status"], profiles: { fast: {}, slow: {} } }],
      ...options.config
    }
    const broker = yield* start(config)
    return {
      fast,
      slow,
      key,
      config,
      broker,
      audited: Effect.sync(() =>
        readFileSync(auditFile, "utf8").trim().split("\n").map((line) =>
          JSON.parse(line) as {
            readonly surface: string
            readonly outcome: string
            readonly caller: string
          }
        )
      ),
      /** On a connection that could take more. */
      slowly: Effect.suspend(() => send(broker.origin, checking(key, "slow"), new Http.Agent({ keepAlive: true })))
    }
  })

/** Until nobody listens. */
const refuses = ({ origin }: Broker) =>
  eventually(
    send(origin, { path: "/health/live", headers: {} }),
    ({ code }) => code === "ECONNREFUSED"
  )

const count = (outcomes: ReadonlyArray<Outcome>) => {
  const counts: Record<string, number> = {}
  for (const { code, end, status } of outcomes) {
    const name = [end, code || status].join(" ")
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

describe("a broker that is told to stop", () => {
  // SPEC BROKER §4
  it.scopedLive("answers whatever it has accepted, whole, is not ready any more, ends its streams, and exits with 0", () =>
    Effect.gen(function*() {
      const { audited, broker, key, slow, slowly } = yield* setUp()
      yield* slow.setLatency("3 seconds")
      const { origin } = broker
      const kept = yield* load(origin, checking(key, "fast"), { connections: 10, isKept: true })
      const fresh = yield* load(origin, checking(key, "fast"), { connections: 5, isKept: false })
      const ready = yield* load(origin, { path: "/health/ready", headers: {} }, { connections: 3, isKept: true })
      const stream = yield* load(origin, getting(key, "/v1/profiles/fast/tokens"), { connections: 1, isKept: false })
      for (const { outcomes } of [kept, fresh, ready]) yield* eventually(outcomes, (all) => all.length >= 200)
      const waiting = yield* Effect.fork(slowly)
      yield* eventually(slow.inFlight, (count) => count === 1)
      yield* broker.signal("SIGTERM")
      assert.strictEqual(yield* broker.ended, 0, broker.output())

      const late = yield* Effect.fromFiber(waiting)
      assert.strictEqual(late.status, 200, late.code)
      assert.strictEqual(late.end, "whole")
      // it asked before the end began, and brings its next request elsewhere
      assert.strictEqual(late.headers.connection, "close")
      const answered = [...yield* kept.end, ...yield* fresh.end]
      const readiness = yield* ready.end
      const streams = yield* stream.end
      for (const outcome of [...answered, ...readiness, ...streams]) {
        assert.notStrictEqual(outcome.end, "cut")
        if (outcome.end === "whole") assert.include([200, 503], outcome.status)
      }
      // whatever has a line in the audit has been answered; a stream has a line for its token, and the slow one
      const handed = answered.filter(({ status }) => status === 200).length
      const lines = yield* audited
      assert.strictEqual(lines.filter(({ surface }) => surface === "check").length, handed + 1)
      assert.isEmpty(lines.filter(({ outcome }) => outcome !== "ok"))
      assert.strictEqual(streams[0]!.status, 200)
      // on connections that are open still
      const last = readiness.filter(({ headers }) => headers.connection === "close")
      assert.isNotEmpty(last, JSON.stringify(count(readiness)))
      for (const { status, text } of last) assert.deepStrictEqual([status, JSON.parse(text).draining], [503, true])
    }))

  // SPEC BROKER §4
  it.scopedLive("cuts what takes too long, and exits with 0", () =>
    Effect.gen(function*() {
      const { broker, slow, slowly } = yield* setUp()
      yield* slow.setOutage(Reply.hang)
      const waiting = yield* Effect.fork(slowly)
      yield* eventually(slow.inFlight, (count) => count === 1)
      yield* broker.signal("SIGTERM")
      assert.strictEqual(yield* broker.ended, 0, broker.output())
      assert.strictEqual((yield* Effect.fromFiber(waiting)).end, "unanswered")
    }))

  // SPEC BROKER §4
  it.scopedLive("a second signal ends it at once; Ctrl-C is as SIGTERM", () =>
    Effect.gen(function*() {
      const { broker, slow, slowly } = yield* setUp()
      yield* slow.setOutage(Reply.hang)
      const waiting = yield* Effect.fork(slowly)
      yield* eventually(slow.inFlight, (count) => count === 1)
      yield* broker.signal("SIGINT")
      yield* refuses(broker)
      yield* broker.signal("SIGTERM")
      assert.include([0, "SIGTERM"], yield* broker.ended)
      assert.strictEqual((yield* Effect.fromFiber(waiting)).end, "unanswered")

      const other = yield* setUp()
      yield* other.slow.setLatency("2 seconds")
      const late = yield* Effect.fork(other.slowly)
      yield* eventually(other.slow.inFlight, (count) => count === 1)
      yield* other.broker.signal("SIGINT")
      assert.strictEqual(yield* other.broker.ended, 0, other.broker.output())
      assert.strictEqual((yield* Effect.fromFiber(late)).status, 200)
    }))
})

describe("a broker whose file changes", () => {
  const put = ({ file }: Broker, text: string) =>
    Effect.sync(() => {
      writeFileSync(`${file}.new`, text)
      renameSync(`${file}.new`, file)
    })

  // SPEC BROKER §4
  it.scopedLive("takes it over whole, or not at all, and answers everybody meanwhile", () =>
    Effect.gen(function*() {
      const { broker, config, fast, key, slow, slowly } = yield* setUp()
      yield* slow.setLatency("2 seconds")
      const { origin } = broker
      const asks = (key: string, clientId = "fast") => Effect.map(check(origin, key, clientId), ({ status }) => status)
      const kept = yield* load(origin, checking(key, "fast"), { connections: 10, isKept: true })
      const fresh = yield* load(origin, checking(key, "fast"), { connections: 10, isKept: false })
      const waiting = yield* Effect.fork(slowly)
      yield* eventually(slow.inFlight, (count) => count === 1)

      // a broken file: the old one stays, and the mistake is told by its place
      yield* put(
        broker,
        JSON.stringify({
          ...config,
          profiles: { ...config.profiles, fast: { ...config.profiles.fast, timeout: "never mind" } },
          callers: []
        })
      )
      yield* eventually(Effect.sync(broker.output), (text) => text.includes("profiles.fast.timeout"))
      assert.include(broker.output(), "stays in force")
      assert.notInclude(broker.output(), upstreamSecret)
      assert.strictEqual(yield* asks(key), 200)
      yield* put(broker, "{ \"profiles\": ")
      yield* broker.signal("SIGHUP")
      yield* eventually(Effect.sync(broker.output), (text) => text.split("stays in force").length === 3)
      assert.strictEqual(yield* asks(key), 200)

      // five good ones: each brings a caller, and takes the one before
      let before: string | undefined
      for (let n = 1; n <= 5; n++) {
        const added = yield* newKey
        yield* put(
          broker,
          JSON.stringify({
            ...config,
            callers: [...config.callers, { id: `added-${n}`, keys: [added.digest], rate, profiles: { fast: {} } }]
          })
        )
        if (n % 2 === 0) yield* broker.signal("SIGHUP")
        yield* eventually(asks(added.key), (status) => status === 200)
        if (before !== undefined) assert.strictEqual(yield* asks(before), 401)
        before = added.key
      }

      const answered = [...yield* kept.finish, ...yield* fresh.finish]
      assert.deepStrictEqual(count(answered), { "whole 200": answered.length })
      assert.strictEqual((yield* Effect.fromFiber(waiting)).status, 200)
      // profiles that have not changed keep their tokens
      assert.deepStrictEqual(new Set(answered.map(({ text }) => JSON.parse(text).access_token)), new Set(["token-1"]))
      assert.strictEqual(yield* fast.count, 1)
      assert.strictEqual(yield* slow.count, 1)
      assert.notInclude(broker.output(), upstreamSecret)
    }))

  // SPEC BROKER §3
  it.scopedLive("a key is replaced without a gap: two are valid at once", () =>
    Effect.gen(function*() {
      const { broker, config, key } = yield* setUp()
      const asks = (key: string) => Effect.map(check(broker.origin, key, "fast"), ({ status }) => status)
      const flow = config.callers[0]!
      const next = yield* newKey
      const withKeys = (keys: ReadonlyArray<string>) =>
        put(broker, JSON.stringify({ ...config, callers: [{ ...flow, keys }] }))
      const load1 = yield* load(broker.origin, checking(key, "fast"), { connections: 4, isKept: true })
      assert.strictEqual(yield* asks(next.key), 401)
      yield* withKeys([flow.keys[0]!, next.digest])
      yield* eventually(asks(next.key), (status) => status === 200)
      const load2 = yield* load(broker.origin, checking(next.key, "fast"), { connections: 4, isKept: true })
      yield* eventually(load2.outcomes, (all) => all.length > 20)
      // everybody has the new key now
      const old = yield* load1.finish
      assert.deepStrictEqual(count(old), { "whole 200": old.length })
      yield* withKeys([next.digest])
      yield* eventually(asks(key), (status) => status === 401)
      const later = yield* load2.finish
      assert.deepStrictEqual(count(later), { "whole 200": later.length })
    }))
})

describeWithRedis("brokers whose Redis dies", () => {
  const fleet = (redis: string, server: AuthorizationServer.Listening) =>
    Effect.gen(function*() {
      const { digest, key } = yield* newKey
      const config = {
        listen: [{ host: "127.0.0.1", port: 0 }],
        allowPlainSecrets: true,
        limits: roomy,
        store: { redis: { url: { plain: redis } } },
        profiles: { fast: profile(server.tokenEndpoint, "fast", { wait: "1 minute" }) },
        callers: [{ id: "flow", keys: [digest], rate, permissions: ["status"], profiles: { fast: {} } }]
      }
      return { key, start: start(config) }
    })

  const token = ({ origin }: Broker, key: string) =>
    Effect.map(check(origin, key, "fast"), ({ body }) => body.access_token)

  /** What the status page says of the store. */
  const storeOf = ({ origin }: Broker, key: string) =>
    Effect.map(
      send(origin, { path: "/status", headers: { authorization: `Bearer ${key}` } }),
      ({ text }) => JSON.parse(text).profiles[0].store as object | null
    )

  // SPEC C5
  it.scopedLive("work on, each alone, and share again when it is back: no flow fails", () =>
    Effect.gen(function*() {
      const redis = yield* RedisServer.start()
      const server = yield* AuthorizationServer.listen({ expiresIn: 8 })
      const { key, start } = yield* fleet(redis.url, server)
      const brokers = yield* Effect.all([start, start, start], { concurrency: "unbounded" })
      const loads = yield* Effect.forEach(brokers, ({ origin }) =>
        load(origin, checking(key, "fast"), { connections: 4, isKept: true }))
      const shared = Effect.map(
        Effect.forEach(brokers, (broker) =>
          token(broker, key), { concurrency: "unbounded" }),
        (tokens) => new Set(tokens).size === 1
      )
      yield* eventually(shared, (yes) => yes)

      yield* redis.kill()
      const before = yield* server.count
      // two lifecycles without it
      yield* eventually(server.count, (count) => count >= before + 6)
      for (const broker of brokers) assert.isNotNull(yield* storeOf(broker, key))

      yield* redis.launch
      for (const broker of brokers) yield* eventually(storeOf(broker, key), (store) => store === null)
      yield* eventually(shared, (yes) => yes)
      for (const load of loads) {
        const outcomes = yield* load.finish
        assert.deepStrictEqual(count(outcomes), { "whole 200": outcomes.length })
      }
    }))

  // SPEC C5, C7
  it.scopedLive("start without it, hand out tokens, and share them once it is there", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      const server = yield* AuthorizationServer.listen({ expiresIn: 8 })
      const { key, start } = yield* fleet(`redis://127.0.0.1:${port}`, server)
      const brokers = yield* Effect.all([start, start], { concurrency: "unbounded" })
      for (const broker of brokers) assert.strictEqual((yield* check(broker.origin, key, "fast")).status, 200)
      yield* RedisServer.start({ port })
      yield* eventually(
        Effect.forEach(brokers, (broker) => token(broker, key), { concurrency: "unbounded" }),
        ([one, other]) => one !== undefined && one === other
      )
      for (const broker of brokers) yield* eventually(storeOf(broker, key), (store) => store === null)
    }))
})
