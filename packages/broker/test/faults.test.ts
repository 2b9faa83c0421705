/** What goes wrong around a broker: its server, its disk, its clock, its configuration. Time is the TestClock's. */
import { execFileSync } from "node:child_process"
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FileSystem } from "@effect/platform"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Scope, TestClock } from "effect"
import { Broker } from "../src/index.js"
import type { SetUp } from "./support/broker.js"
import {
  ask as askAt,
  basic,
  configOf,
  eventually,
  folder,
  get,
  openStream,
  setUp as setUpBroker
} from "./support/broker.js"
import * as Gate from "./support/gate.js"
import { passing, steppable, turn } from "./support/time.js"

/** A request over a socket takes no virtual time, so none may be short. */
const patient = { timeout: "1 hour", wait: "5 seconds" }

const setUp = (options: SetUp = {}) =>
  Effect.map(setUpBroker({ ...options, profile: { ...patient, ...options.profile } }), (world) => {
    const f1 = world.token()
    const f2 = world.ask("/auth/token/check", {
      method: "POST",
      headers: { authorization: basic("flow", world.key), "content-type": "application/json" },
      body: JSON.stringify({ client_id: "upstream-client" })
    })
    const f3 = world.ask("/inject/main", { headers: get(world.key) })
    const f4 = world.ask("/v1/profiles/main/token", { headers: get(world.key) })
    return { ...world, f1, f2, f3, f4, all: Effect.all({ f1, f2, f3, f4 }, { concurrency: "unbounded" }) }
  })

type All = Effect.Effect.Success<Effect.Effect.Success<ReturnType<typeof setUp>>["all"]>

const tokensOf = ({ f1, f2, f3, f4 }: All) => [
  f1.json?.access_token,
  f2.json?.access_token,
  f3.headers["authorization"]?.replace("Bearer ", ""),
  f4.json?.access_token
]

const assertServes = (all: All, token: string, remaining: number) => {
  assert.deepStrictEqual(tokensOf(all), [token, token, token, token])
  assert.deepStrictEqual(
    [all.f1.json.expires_in, all.f2.json.expires_in, all.f4.json.remaining],
    [remaining, remaining, remaining]
  )
}

const isServed = (all: All) => Object.values(all).every(({ status }) => status === 200)

/** None of the surfaces gives a token, and each says when to come back. */
const assertServesNone = ({ f1, f2, f3, f4 }: All) => {
  for (const [name, reply] of Object.entries({ f1, f3, f4 })) {
    assert.strictEqual(reply.status, 503, `${name} ${reply.text}`)
  }
  assert.strictEqual(f1.json.error, "temporarily_unavailable")
  assert.include([202, 502, 503], f2.status, f2.text)
  if (f2.status === 202) assert.deepStrictEqual(f2.json, { status: "refreshing" })
  else assert.strictEqual(f2.json.error, f2.status === 502 ? "NetworkError" : "RetryExhausted")
  for (const { headers } of [f1, f2, f3, f4]) {
    const after = Number(headers["retry-after"])
    assert.isTrue(Number.isInteger(after) && after >= 1 && after <= 60, String(headers["retry-after"]))
  }
}

/** A step at a time; what comes over sockets has its time in between. Gives the seconds it took. */
const seconds = (isDone: Effect.Effect<boolean>, most: number, step = 1): Effect.Effect<number> => {
  const from = (passed: number): Effect.Effect<number> =>
    Effect.flatMap(isDone, (done) =>
      done || passed > most
        ? Effect.succeed(passed)
        : Effect.zipRight(Effect.all([TestClock.adjust(step * 1000), turn, turn]), from(passed + step)))
  return from(0)
}

const faults = ["refuses", "answers 503", "hangs"] as const

/** A broker whose server is behind a gate, and what makes it fail. */
const failing = (fault: typeof faults[number], options: SetUp = {}) =>
  Effect.gen(function*() {
    const gate = yield* Gate.make
    const world = yield* setUp({
      ...options,
      profile: {
        tokenEndpoint: `http://127.0.0.1:${gate.port}/oauth/token`,
        ...(fault === "hangs" ? { timeout: "30 seconds" } : {}),
        ...options.profile
      }
    })
    gate.leadTo(world.server.port)
    const down = fault === "refuses" ? gate.shut : world.server.setOutage(fault === "hangs" ? Reply.hang : true)
    const up = fault === "refuses" ? gate.open : world.server.setOutage(false)
    return { ...world, down, up }
  })

describe("when the authorization server fails", () => {
  for (const fault of faults) {
    // SPEC F1, F2, F3, F4, C3, C4, A11
    it.scoped(`${fault}: the held token is served to its end, and a new one when the server is back`, () =>
      Effect.gen(function*() {
        const { all, ask, down, f1, server, up } = yield* failing(fault, { profile: { required: true } })
        assert.strictEqual((yield* f1).json.access_token, "token-1")
        yield* down
        yield* TestClock.adjust("56 minutes")
        let left = 240
        for (const passed of [0, 60, 60, 60]) {
          yield* TestClock.adjust(passed * 1000)
          left -= passed
          yield* turn
          // nobody waits for the renewal: no time passes
          const held = yield* all
          assertServes(held, "token-1", left)
          assert.strictEqual(held.f2.headers["x-token-refreshing"], "true")
          assert.isTrue(held.f4.json.refreshing)
          assert.strictEqual((yield* ask("/health/ready")).status, 200)
        }
        yield* TestClock.adjust("61 seconds")
        const none = yield* passing(all)
        assertServesNone(none)
        assert.strictEqual((yield* ask("/health/ready")).status, 503)
        assert.strictEqual((yield* server.issued).length, 1)

        yield* up
        const back = Effect.map(server.issued, (tokens) => tokens.length > 1)
        assert.isAtMost(yield* seconds(back, 120), 60)
        const again = yield* passing(eventually(all, isServed))
        assert.deepStrictEqual(new Set(tokensOf(again)), new Set([(yield* server.issued).at(-1)]))
        assert.strictEqual((yield* ask("/health/ready")).status, 200)
      }))

    // SPEC F1, F2, F3, F4, F5, A11
    it.scoped(`${fault}: a broker without a token says so on every surface, and gets one later`, () =>
      Effect.gen(function*() {
        const { all, ask, down, key, server, up } = yield* failing(fault)
        yield* down
        assertServesNone(yield* passing(all))
        const stream = yield* passing(ask("/v1/profiles/main/tokens", { headers: get(key) }))
        assert.strictEqual(stream.status, 503, stream.text)
        assert.strictEqual((yield* ask("/health/live")).status, 200)
        yield* up
        // as callers do, who come back when they were told to
        const again = yield* passing(eventually(all, isServed), "1 second")
        assert.deepStrictEqual(new Set(tokensOf(again)), new Set([(yield* server.issued)[0]]))
      }))
  }
})

/** A folder on a disk of its own, with room for so many kilobytes; none where the system does not let us. */
const disk = (kilobytes: number): string | undefined => {
  const path = mkdtempSync(join(tmpdir(), "disk-"))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", path], { stdio: "ignore" })
    return path
  } catch {
    rmSync(path, { recursive: true })
    return undefined
  }
}

const smallDisk = (kilobytes: number) =>
  Effect.acquireRelease(Effect.sync(() => disk(kilobytes)), (path) =>
    Effect.sync(() => {
      if (path === undefined) return
      execFileSync("umount", ["-l", path])
      rmSync(path, { recursive: true })
    }))

const fill = (path: string) => {
  try {
    for (let n = 0;; n++) writeFileSync(join(path, `filling-${n}`), Buffer.alloc(4096))
  } catch {
    // full
  }
}

const empty = (path: string) => {
  for (const name of readdirSync(path)) if (name.startsWith("filling")) rmSync(join(path, name))
}

/** Warnings of the broker, as text. */
const warnings = () => {
  const lines: Array<string> = []
  return {
    lines,
    observed: Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ logLevel, message }) => {
        if (logLevel._tag !== "Info" && logLevel._tag !== "Debug") lines.push(String(message))
      })
    )
  }
}

describe("when the disk fails", () => {
  // SPEC BROKER §3
  it.scoped("a full disk, audit required: no token is handed out until the audit can be written again", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "audit.log")
      symlinkSync("/dev/full", file)
      const { lines, observed } = warnings()
      const { all, server } = yield* setUp({ config: { audit: { file, required: true } }, observed })
      const refused = yield* all
      for (const reply of Object.values(refused)) {
        assert.strictEqual(reply.status, 503)
        assert.strictEqual(reply.headers["retry-after"], "1")
        assert.notInclude(reply.text + JSON.stringify(reply.headers), "token-1")
      }
      yield* all
      rmSync(file)
      assertServes(yield* all, "token-1", 3600)
      assert.strictEqual(yield* server.count, 1)
      assert.isAtLeast(readFileSync(file, "utf8").split("\n").length, 4)
      // said once, and its end
      assert.strictEqual(lines.filter((line) => line.includes("no token is handed out")).length, 1, lines.join("\n"))
      assert.strictEqual(lines.filter((line) => line.includes("written again")).length, 1)
    }))

  // SPEC F7
  it.scopedLive("a broker that cannot write its required audit is not ready, and notices by itself when it can write again", () =>
    Effect.gen(function*() {
      const directory = join(yield* folder, "later")
      const { ask, token } = yield* setUpBroker({
        config: { audit: { file: join(directory, "audit.log"), required: true } }
      })
      assert.strictEqual((yield* ask("/health/ready")).status, 200)
      assert.strictEqual((yield* token()).status, 503)
      assert.strictEqual((yield* ask("/health/ready")).status, 503)
      mkdirSync(directory)
      // nobody asks for a token of a broker that is not ready
      yield* eventually(ask("/health/ready"), ({ status }) => status === 200)
      assert.strictEqual((yield* token()).status, 200)
    }))

  // SPEC BROKER §3, F7
  it.scoped("a full disk, audit not required: tokens are handed out, and the lost lines are counted", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "audit.log")
      symlinkSync("/dev/full", file)
      const { all, ask, f1, key } = yield* setUp({ config: { audit: { file } } })
      assertServes(yield* all, "token-1", 3600)
      const lost = Effect.map(
        ask("/status", { headers: { authorization: `Bearer ${key}` } }),
        ({ json }) => json.auditLinesLost
      )
      const metrics = Effect.map(ask("/metrics", { headers: { authorization: `Bearer ${key}` } }), ({ text }) => text)
      yield* eventually(lost, (count) => count === 4)
      assert.match(yield* metrics, /^effect_bearer_broker_audit_lines_lost 4$/m)
      rmSync(file)
      yield* f1
      yield* eventually(lost, (count) => count === 0)
      // an alarm that looks now and then learns of it all the same
      assert.match(yield* metrics, /^effect_bearer_broker_audit_lines_lost_total 4$/m)
    }))

  // SPEC BROKER §3
  it.scoped("if only a part of an audit line was written, the next line begins on a line of its own", (context) =>
    Effect.gen(function*() {
      const path = yield* smallDisk(8)
      if (path === undefined) return context.skip("this user may not mount a disk")
      const file = join(path, "audit.log")
      const { f1 } = yield* setUp({ config: { audit: { file, required: true } } })
      fill(path)
      rmSync(join(path, "filling-0"))
      yield* eventually(f1, ({ status }) => status === 503)
      empty(path)
      assert.strictEqual((yield* f1).status, 200)
      const lines = readFileSync(file, "utf8").trimEnd().split("\n")
      const isWhole = (line: string) => line.startsWith("{") && line.endsWith("}")
      assert.strictEqual(lines.filter((line) => !isWhole(line)).length, 1, lines.slice(-3).join("\n"))
      assert.strictEqual(JSON.parse(lines.at(-1)!).outcome, "ok")
    }))

  // SPEC F6
  it.scoped("a full disk or a missing folder: the old token stays in the token file, one log line says so, and the new token is written later", () =>
    Effect.gen(function*() {
      const parent = yield* folder
      const full = yield* smallDisk(16)
      const places = [
        {
          directory: join(parent, "gone"),
          says: "NotFound|ENOENT",
          breaks: () => renameSync(join(parent, "gone"), join(parent, "elsewhere")),
          mends: () => renameSync(join(parent, "elsewhere"), join(parent, "gone")),
          kept: join(parent, "elsewhere", "token")
        },
        ...(full === undefined ? [] : [{
          directory: full,
          says: "ENOSPC",
          breaks: () => fill(full),
          mends: () => empty(full),
          kept: join(full, "token")
        }])
      ]
      mkdirSync(join(parent, "gone"))
      for (const { breaks, directory, kept, mends, says } of places) {
        const { lines, observed } = warnings()
        const path = join(directory, "token")
        const read = Effect.sync(() => {
          try {
            return readFileSync(path, "utf8")
          } catch {
            return ""
          }
        })
        const { server } = yield* setUp({ server: { expiresIn: 120 }, profile: { file: { path } }, observed })
        const first = yield* eventually(read, (text) => text !== "")
        breaks()
        const told = Effect.sync(() => lines.filter((line) => line.includes("token file of profile main")))
        yield* seconds(Effect.map(told, ({ length }) => length > 0), 600, 5)
        yield* seconds(Effect.map(server.count, (count) => count >= 4), 600, 5)
        assert.match((yield* told).join("\n"), new RegExp(`^[^\\n]*\\((${says})\\)[^\\n]*$`))
        assert.strictEqual(readFileSync(kept, "utf8"), first)
        mends()
        yield* seconds(Effect.map(read, (text) => text !== first), 600, 5)
        assert.include(yield* server.issued, yield* read)
        assert.deepStrictEqual(readdirSync(directory).filter((name) => name.startsWith(".")), [])
      }
    }))

  // SPEC F6
  it.scoped("if something else is in the place of the token file, no token is left beside it", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const path = join(directory, "token")
      mkdirSync(join(path, "something"), { recursive: true })
      const { lines, observed } = warnings()
      yield* setUp({ profile: { file: { path } }, observed })
      yield* eventually(Effect.sync(() => lines), (lines) => lines.some((line) => line.includes("token file")))
      yield* eventually(Effect.sync(() => readdirSync(directory)), (names) => names.length === 1)
    }))
})

describe("a wall clock that is put back by an hour", () => {
  const hour = 3_600_000

  /** A broker that lives by a clock which is put back. */
  const backwards = (options: SetUp = {}) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-01-01T12:00:00Z"))
      const { state, stepped } = yield* steppable
      const world = yield* setUp(options).pipe(Effect.withClock(stepped))
      return { ...world, putBack: Effect.sync(() => void (state.step -= hour)) }
    })

  // SPEC F1, F2, F4, D7
  it.scoped("no token is served longer, and no caller waits longer", () =>
    Effect.gen(function*() {
      const { all, ask, key, putBack, server } = yield* backwards()
      assertServes(yield* all, "token-1", 3600)
      yield* TestClock.adjust("1000 seconds")
      yield* putBack
      const after = yield* all
      assertServes(after, "token-1", 2600)
      // by the clock that everybody on this machine sees
      assert.strictEqual(after.f4.json.expires_at, "2026-01-01T12:00:00.000Z")
      const status = yield* ask("/status", { headers: { authorization: `Bearer ${key}` } })
      assert.strictEqual(status.json.profiles[0].remaining, 2_600_000)
      assert.isAtLeast(status.json.profiles[0].askedLastMinute, 4)

      yield* server.setOutage(true)
      yield* TestClock.adjust("2601 seconds")
      assertServesNone(yield* passing(all))
      yield* putBack
      const { f1, f3, f4 } = yield* passing(all)
      for (const reply of [f1, f3, f4]) {
        assert.strictEqual(reply.status, 503)
        assert.isAtMost(Number(reply.headers["retry-after"]), 3600)
      }
      yield* server.setOutage(false)
      const back = yield* passing(eventually(all, isServed), "1 second")
      assert.notInclude(tokensOf(back), "token-1")
    }))

  // SPEC BROKER §3
  it.scoped("the rates of callers do not change", () =>
    Effect.gen(function*() {
      const { f4, putBack } = yield* backwards({ caller: { rate: { limit: 2, interval: "1 minute" } } })
      assert.strictEqual((yield* f4).status, 200)
      assert.strictEqual((yield* f4).status, 200)
      yield* putBack
      const limited = yield* f4
      assert.strictEqual(limited.status, 429)
      assert.isAtMost(Number(limited.headers["retry-after"]), 60)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* f4).status, 200)
      assert.strictEqual((yield* f4).status, 429)
    }))

  // SPEC F5
  it.scoped("streams get each new token, also after they connect again", () =>
    Effect.gen(function*() {
      const { key, origin, putBack } = yield* backwards()
      const stream = yield* openStream(origin, key)
      const first = yield* stream.next
      assert.strictEqual(first.data.access_token, "token-1")
      yield* putBack
      yield* TestClock.adjust("55 minutes")
      const second = yield* passing(stream.next, "1 second")
      assert.strictEqual(second.data.access_token, "token-2")
      assert.isAbove(second.id, first.id)
      // the clock comes past the moment when the first was issued; this client had lost its connection before the second
      yield* TestClock.adjust("10 minutes")
      const resumed = yield* openStream(origin, key, first.id)
      assert.strictEqual((yield* resumed.next).data.access_token, "token-2")
    }))
})

describe("a broker that stops", () => {
  // SPEC BROKER §4
  it.scopedLive("all listeners close at once, although requests are under way", (context) =>
    Effect.gen(function*() {
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
      const { key, listening, server } = yield* Scope.extend(setUp({ profile: { wait: "1 minute" } }), scope)
      const { addresses } = listening
      if (addresses.length < 2) return context.skip("this machine has one loopback address")
      yield* server.setOutage(Reply.hang)
      const answered = yield* Effect.forEach(
        addresses,
        (address) => Effect.fork(Effect.exit(askAt(address, "/inject/main", { headers: get(key) })))
      )
      yield* eventually(server.inFlight, (count) => count === 1)
      // all have come to the source
      yield* Effect.repeatN(turn, 20)
      const closed = yield* Effect.fork(Scope.close(scope, Exit.void))
      for (const address of addresses) yield* eventually(Effect.exit(askAt(address, "/health/live")), Exit.isFailure)
      // nobody listens, and what is under way still has its time
      for (const fiber of answered) assert.isNull(fiber.unsafePoll())
      yield* Fiber.join(closed)
      for (const fiber of answered) assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
    }))
})

describe("a reload", () => {
  // SPEC BROKER §4
  it.scoped("if the reload removes a profile, callers that wait for it are answered, and other callers are not affected", () =>
    Effect.gen(function*() {
      const { all, broker, encoded, server } = yield* setUp({
        server: { latency: "3 seconds" },
        profile: { timeout: "10 minutes" }
      })
      const waiting = yield* Effect.fork(all)
      yield* eventually(server.inFlight, (count) => count === 1)
      // the others come to the source, too, or are late: then they are refused
      yield* Effect.repeatN(turn, 20)
      yield* broker.reload(configOf({ ...encoded, profiles: {}, callers: [{ ...encoded.callers[0], profiles: {} }] }))
      const refused = yield* all
      assert.deepStrictEqual(
        [refused.f1.status, refused.f2.status, refused.f3.status, refused.f4.status],
        [400, 403, 403, 403]
      )
      const answered = yield* passing(Fiber.join(waiting))
      const handed = tokensOf(answered).filter((token) => token !== undefined)
      assert.isNotEmpty(handed)
      assert.deepStrictEqual(new Set(handed), new Set(["token-1"]))
      for (const { status } of Object.values(answered)) assert.include([200, 400, 403], status)
      // it ends before the token is renewed
      yield* TestClock.adjust("11 minutes")
      yield* turn
      yield* TestClock.adjust("3 hours")
      yield* turn
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC BROKER §4
  it.scoped("if the reload removes a profile whose server hangs, waiting callers are told to come back", () =>
    Effect.gen(function*() {
      const { all, broker, encoded, server } = yield* setUp()
      yield* server.setOutage(Reply.hang)
      const waiting = yield* Effect.fork(all)
      yield* eventually(server.inFlight, (count) => count === 1)
      yield* turn
      yield* broker.reload(configOf({ ...encoded, profiles: {}, callers: [{ ...encoded.callers[0], profiles: {} }] }))
      assertServesNone(yield* passing(Fiber.join(waiting)))
      // the request under way is ended with the profile
      yield* TestClock.adjust("3 hours")
      yield* eventually(server.inFlight, (count) => count === 0)
    }))

  // FAULTS L
  it.scoped("the reload ends in bounded time although a token file is on a file system that does not answer", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.listen()
      const fs = yield* FileSystem.FileSystem
      const path = join(yield* folder, "token")
      const opening = yield* Deferred.make<void>()
      // as that of the platform: an open that has begun cannot be interrupted
      const open: typeof fs.open = () =>
        Effect.uninterruptible(Effect.zipRight(Deferred.succeed(opening, undefined), Effect.never))
      const config = configOf({
        listen: [{ port: 0 }],
        profiles: {
          a: {
            tokenEndpoint: server.tokenEndpoint,
            clientId: "c",
            authentication: { method: "none" },
            file: { path, format: "raw" }
          }
        }
      })
      const scope = yield* Scope.make()
      yield* Layer.build(Broker.layer(config)).pipe(
        Effect.provideService(FileSystem.FileSystem, { ...fs, open }),
        Scope.extend(scope)
      )
      yield* passing(Deferred.await(opening))
      const closing = yield* Effect.forkDaemon(Scope.close(scope, Exit.void))
      yield* turn
      yield* TestClock.adjust("6 seconds")
      yield* turn
      assert.isTrue((yield* closing.poll)._tag === "Some")
    }).pipe(Effect.provide([NodeContext.layer, NodeHttpClient.layerUndici])))

  // FAULTS L
  it.scoped("the reload gives up a secret whose file system does not answer, and the next reload takes effect", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const reading = yield* Deferred.make<void>()
      const hangs = Effect.zipRight(Deferred.succeed(reading, undefined), Effect.never)
      const stat: typeof fs.stat = (path) => path === "/gone/token" ? hangs : fs.stat(path)
      const profile = {
        tokenEndpoint: "http://127.0.0.1:1/token",
        clientId: "c",
        authentication: { method: "none" },
        timeout: "10 seconds"
      }
      const rotating = { ...profile, grant: { type: "refresh_token", refreshToken: { file: "/gone/token" } } }
      const withProfiles = (profiles: Record<string, unknown>) => configOf({ listen: [{ port: 0 }], profiles })
      const context = yield* Effect.provideService(
        Layer.build(Broker.layer(withProfiles({ a: profile }))),
        FileSystem.FileSystem,
        { ...fs, stat }
      )
      const broker = Context.get(context, Broker.Broker)
      const reload = yield* Effect.fork(Effect.flip(broker.reload(withProfiles({ a: profile, b: rotating }))))
      yield* Deferred.await(reading)
      const later = yield* Effect.fork(broker.reload(withProfiles({ a: profile, c: profile })))
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(reload)
      assert.deepStrictEqual(error.fields, ["profiles.b.grant.refreshToken"])
      assert.include(error.message, "no answer")
      yield* Fiber.join(later)
      assert.deepStrictEqual(Object.keys((yield* broker.config).profiles), ["a", "c"])
    }).pipe(Effect.provide([NodeContext.layer, NodeHttpClient.layerUndici])))

  // FAULTS L
  it.scoped("the reload takes effect although the token file of a profile is on a file system that does not answer", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "token")
      const fs = yield* FileSystem.FileSystem
      const server = yield* AuthorizationServer.listen()
      const writing = yield* Deferred.make<void>()
      const remove: typeof fs.remove = () =>
        Effect.uninterruptible(Effect.zipRight(Deferred.succeed(writing, undefined), Effect.never))
      const profile = { tokenEndpoint: server.tokenEndpoint, clientId: "c", authentication: { method: "none" } }
      const withProfiles = (profiles: Record<string, unknown>) => configOf({ listen: [{ port: 0 }], profiles })
      const scope = yield* Scope.make()
      const context = yield* Layer.build(Broker.layer(withProfiles({ a: { ...profile, file: { path } } }))).pipe(
        Scope.extend(scope),
        Effect.provideService(FileSystem.FileSystem, { ...fs, remove })
      )
      const broker = Context.get(context, Broker.Broker)
      yield* Deferred.await(writing)
      for (const name of ["b", "c"]) {
        yield* passing(broker.reload(withProfiles({ [name]: profile })), "1 second")
        assert.deepStrictEqual(Object.keys((yield* broker.config).profiles), [name])
      }
    }).pipe(Effect.provide([NodeContext.layer, NodeHttpClient.layerUndici])))

  // SPEC BROKER §4
  it.scoped("the reload names the settings that need a restart", () =>
    Effect.gen(function*() {
      const { lines, observed } = warnings()
      const { broker, encoded } = yield* setUp({ observed })
      yield* broker.reload(configOf({ ...encoded, limits: { body: 1024 } }))
      assert.deepStrictEqual(lines, [])
      yield* broker.reload(configOf({ ...encoded, audit: {}, limits: { headers: 4096, connections: 10 } }))
      assert.deepStrictEqual(lines, [
        "Changes of audit, limits.headers, limits.connections take effect when the broker is started again."
      ])
    }))

  // SPEC F6
  it.scoped("after the reload replaced a profile, its token file holds tokens of the new profile only", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "token")
      const { broker, encoded, server } = yield* setUp({ server: { expiresIn: 120 }, profile: { file: { path } } })
      const scopeInFile = Effect.gen(function*() {
        const token = yield* Effect.sync(() => {
          try {
            return readFileSync(path, "utf8")
          } catch {
            return ""
          }
        })
        const at = (yield* server.issued).indexOf(token)
        return (yield* server.requests)[at]?.form["scope"]
      })
      yield* eventually(scopeInFile, (scope) => scope === "a b")
      const main = { ...encoded.profiles.main, scopes: ["a"] }
      yield* broker.reload(configOf({ ...encoded, profiles: { main } }))
      yield* eventually(scopeInFile, (scope) => scope === "a")
      const seen = new Set<string | undefined>()
      yield* seconds(Effect.map(scopeInFile, (scope) => (seen.add(scope), false)), 300, 5)
      assert.deepStrictEqual(Array.from(seen), ["a"])
    }))
})
