import { generateKeyPairSync } from "node:crypto"
import { existsSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { CallerKey } from "@effect-bearer/broker"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import * as Testing from "@effect-bearer/testing/AuthorizationServer"
import * as Reply from "@effect-bearer/testing/Reply"
import { Effect, Redacted } from "effect"
import { eventually } from "../eventually.js"
import { freePort } from "../freePort.js"
import { describeWith, program, run as runProgram, start as startProgram } from "../programs.js"
import type { Home } from "./program.js"
import { home, run } from "./program.js"
import { leftovers, listens, watchProgram } from "./watched.js"

const shell = (line: string) => runProgram("sh", ["-c", line])

const fetched = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
  })

/** A token as an OAuth client gets it. */
const ask = (origin: string, profile: string, caller: string, key: string) =>
  Effect.map(
    fetched(`${origin}/oauth2/${profile}/token`, {
      method: "POST",
      headers: { authorization: `Basic ${Buffer.from(`${caller}:${key}`).toString("base64")}` },
      body: new URLSearchParams({ grant_type: "client_credentials" })
    }),
    ({ status, text }) => ({ status, body: JSON.parse(text) })
  )

const put = (user: Home, config: unknown) =>
  Effect.sync(() => {
    const file = join(user.cwd, "effect-bearer.json")
    writeFileSync(`${file}.new`, JSON.stringify(config))
    renameSync(`${file}.new`, file)
  })

const newKey = Effect.map(CallerKey.generate, ({ digest, key }) => ({ key: Redacted.value(key), digest }))

/** The first address it says that it listens on. */
const originOf = (stderr: string): string => /Listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(stderr)![1]!

describeWith([program("curl")], "serve --demo", () => {
  // SPEC G4
  it.scopedLive("the lines that it shows run as they are, the first one first; Ctrl-C leaves nothing behind", () =>
    Effect.gen(function*() {
      const user = yield* home
      const demo = yield* watchProgram(user, ["serve", "--demo"])
      yield* demo.says(/Ctrl-C ends the demo/)
      const [first, ...others] = Array.from(demo.stdout().matchAll(/^ {2}((?:curl|cat) .+)$/gm), ([, line]) => line!)
      const token = yield* shell(first!)
      assert.strictEqual(token.code, 0, token.stderr)
      const body = JSON.parse(token.stdout)
      assert.isString(body.access_token)
      // short enough to watch the next one come
      assert.isAtMost(body.expires_in, 60)
      assert.strictEqual(others.length, 6)
      for (const line of others) {
        if (line.includes("curl -N")) {
          const { child, stdout } = yield* startProgram("sh", ["-c", `exec ${line}`])
          yield* eventually(Effect.sync(stdout), (text) => text.includes(body.access_token))
          child.kill()
          continue
        }
        const { code, stderr, stdout } = yield* shell(line)
        assert.strictEqual(code, 0, stderr)
        if (line.includes("/inject/")) assert.match(stdout, /^authorization: Bearer ./m)
        else if (line.includes("/calls")) assert.isNotEmpty(JSON.parse(stdout).calls)
        else if (line.startsWith("cat")) assert.isAtLeast(stdout.trim().split("\n").length, 4)
        else assert.strictEqual(JSON.parse(stdout).access_token, body.access_token)
      }
      const [, api] = /(http:\S+)\/calls/.exec(demo.stdout())!
      assert.strictEqual((yield* fetched(`${api}/calls`)).status, 401)
      assert.strictEqual((yield* fetched(`${api}/calls`, { headers: { authorization: "Bearer x" } })).status, 401)

      const [, page] = /status page is (http:\S+) /.exec(demo.stdout())!
      assert.strictEqual((yield* fetched(page!)).status, 200)
      assert.isNotEmpty(leftovers(user))
      yield* demo.signal("SIGINT")
      const { code, stderr } = yield* demo.ended
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(leftovers(user), [])
      for (const origin of [api!, page!]) assert.isFalse(yield* listens(origin))
    }))

  // SPEC G4, G8
  it.scopedLive("two of them run beside each other; as JSON", () =>
    Effect.gen(function*() {
      const users = [yield* home, yield* home]
      const demos = yield* Effect.forEach(users, (user) => watchProgram(user, ["serve", "--demo", "--json"]), {
        concurrency: "unbounded"
      })
      const origins = yield* Effect.forEach(demos, (demo) =>
        Effect.gen(function*() {
          yield* demo.says(/"lines".*\n$/)
          const { address, caller, key, profile } = JSON.parse(demo.stdout())
          assert.strictEqual((yield* ask(address, profile, caller, key)).status, 200)
          return address
        }))
      assert.strictEqual(new Set(origins).size, 2)
      // a terminal that is closed, and a process that is told to end
      yield* demos[0]!.signal("SIGHUP")
      yield* demos[1]!.signal("SIGTERM")
      for (const demo of demos) assert.strictEqual((yield* demo.ended).code, 0)
      assert.deepStrictEqual(users.flatMap(leftovers), [])
    }))
})

describe("serve", () => {
  const fromEnvironment = Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
    const secret = Redacted.value(server.clients.basic.secret)
    const env = {
      OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
      OAUTH_CLIENT_ID: server.clients.basic.id,
      OAUTH_CLIENT_SECRET: secret
    }
    return { user: yield* home, server, secret, env }
  })

  // SPEC G4, G8
  it.scopedLive("with the environment alone: one caller, whose key is shown once, and the status page", () =>
    Effect.gen(function*() {
      const { env, secret, server, user } = yield* fromEnvironment
      const broker = yield* watchProgram(user, ["serve", "--port", "0"], env)
      yield* broker.says(/curl -u/)
      const lines = broker.stderr()
      assert.match(lines, /^Listening on http:\/\/127\.0\.0\.1:\d+/)
      assert.match(lines, /^Profiles: +oauth/m)
      assert.match(lines, /^Callers: +local$/m)
      const [, key] = /local:(ebk_[\w-]+)/.exec(lines)!
      const origin = originOf(lines)
      const { body, status } = yield* ask(origin, "oauth", "local", key!)
      assert.strictEqual(status, 200)

      // the page lies in the bundle
      const [, url] = /^Status page: (\S+)$/m.exec(lines)!
      const page = yield* fetched(url!)
      assert.deepStrictEqual([page.status, page.type], [200, "text/html; charset=utf-8"])
      const parts = Array.from(page.text.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g), ([, path]) => path!)
      assert.includeMembers(parts, ["/page/style.css", "/page/status.js"])
      for (const path of parts) {
        const part = yield* fetched(new URL(path, url).href)
        assert.strictEqual(part.status, 200, path)
        assert.isAbove(part.text.length, 100)
      }
      const asCaller = { headers: { authorization: `Bearer ${key}` } }
      const status2 = yield* fetched(`${origin}/status`, asCaller)
      assert.strictEqual(JSON.parse(status2.text).profiles[0].name, "oauth")
      assert.include((yield* fetched(`${origin}/metrics`, asCaller)).text, "# TYPE ")

      yield* broker.signal("SIGTERM")
      const { code, stderr, stdout } = yield* broker.ended
      assert.strictEqual(code, 0)
      // standard output has the audit and nothing else
      assert.deepInclude(JSON.parse(stdout.split("\n")[0]!), { caller: "local", surface: "oauth2", outcome: "ok" })
      assert.strictEqual(stderr.split(key!).length, 2)
      for (const hidden of [secret, body.access_token]) assert.notInclude(stderr + stdout, hidden)
      assert.notInclude(stdout, key!)
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
      assert.isFalse(yield* listens(origin))
    }))

  // SPEC G8
  it.scopedLive("as JSON, the key is on standard output", () =>
    Effect.gen(function*() {
      const { env, user } = yield* fromEnvironment
      const broker = yield* watchProgram(user, ["serve", "--port=0", "--json", "--quiet"], env)
      yield* broker.says(/"key".*\n$/)
      const { address, caller, key, ...more } = JSON.parse(broker.stdout())
      assert.deepStrictEqual(more, {})
      assert.strictEqual((yield* ask(address, "oauth", caller, key)).status, 200)
      yield* broker.signal("SIGINT")
      const { code, stderr } = yield* broker.ended
      assert.deepStrictEqual([code, stderr], [0, ""])
    }))

  // SPEC G4, BROKER §4
  it.scopedLive("with a file: a change of it is taken over, requests that run are answered at the end", () =>
    Effect.gen(function*() {
      const user = yield* home
      const upstream = yield* Testing.listen()
      const { digest, key } = yield* newKey
      const config = {
        audit: { file: "audit.log" },
        profiles: {
          calls: { tokenEndpoint: upstream.tokenEndpoint, clientId: "calls", authentication: { method: "none" } }
        },
        callers: [{ id: "flow", keys: [digest], profiles: { calls: {} } }]
      }
      yield* put(user, config)
      const port = yield* freePort
      const broker = yield* watchProgram(user, ["serve", "--port", String(port)])
      yield* broker.says(/Status page: .*no caller has the permission/)
      const origin = originOf(broker.stderr())
      assert.strictEqual(new URL(origin).port, String(port))
      const asks = (key: string) => Effect.map(ask(origin, "calls", "flow", key), ({ status }) => status)
      assert.strictEqual(yield* asks(key), 200)

      // a mistake: the old one stays
      yield* put(user, { ...config, callers: [{ id: "flow", keys: [digest], profiles: { call: {} } }] })
      yield* broker.says(/callers\[0\]\.profiles\.call[^]*stays in force/)
      const next = yield* newKey
      yield* put(user, { ...config, callers: [{ ...config.callers[0], keys: [next.digest] }] })
      yield* broker.signal("SIGHUP")
      yield* broker.says(/is in force/)
      yield* eventually(asks(next.key), (status) => status === 200)
      assert.strictEqual(yield* asks(key), 401)
      // the port of the command line stays, and is no change of the file
      assert.notInclude(broker.stderr(), "listen take effect")

      // one more token, which takes its time
      yield* upstream.setLatency("1 second")
      yield* put(user, {
        ...config,
        profiles: { calls: { ...config.profiles.calls, clientId: "other" } },
        callers: [{ ...config.callers[0], keys: [next.digest] }]
      })
      yield* eventually(Effect.sync(() => broker.stderr().split("is in force").length), (count) => count === 3)
      const late = yield* Effect.fork(asks(next.key))
      yield* eventually(upstream.inFlight, (count) => count === 1)
      yield* broker.signal("SIGTERM")
      assert.strictEqual((yield* broker.ended).code, 0)
      assert.strictEqual(yield* Effect.fromFiber(late), 200)
      assert.isTrue(existsSync(join(user.cwd, "audit.log")))
      assert.strictEqual((yield* broker.ended).stdout, "")
    }))

  // SPEC BROKER §4
  it.scopedLive("a second Ctrl-C ends it at once", () =>
    Effect.gen(function*() {
      const user = yield* home
      const upstream = yield* Testing.listen()
      yield* upstream.setOutage(Reply.hang)
      const { digest, key } = yield* newKey
      yield* put(user, {
        profiles: {
          calls: {
            tokenEndpoint: upstream.tokenEndpoint,
            clientId: "calls",
            authentication: { method: "none" },
            wait: "1 minute",
            timeout: "1 minute"
          }
        },
        callers: [{ id: "flow", keys: [digest], profiles: { calls: {} } }]
      })
      const broker = yield* watchProgram(user, ["serve", "--port=0"])
      yield* broker.says(/Status page/)
      yield* Effect.fork(Effect.ignore(Effect.sandbox(ask(originOf(broker.stderr()), "calls", "flow", key))))
      yield* eventually(upstream.inFlight, (count) => count === 1)
      yield* broker.signal("SIGINT")
      yield* broker.says(/Ending/)
      yield* broker.signal("SIGINT")
      assert.strictEqual((yield* broker.ended).code, 130)
    }))

  // SPEC G8
  it.scopedLive("tells every mistake at once, without a stack, and a port that is taken", () =>
    Effect.gen(function*() {
      const { env, user } = yield* fromEnvironment
      yield* put(user, {
        profiles: { calls: { tokenEndpoint: "http://login.example.com", clientid: "x" } },
        callers: [{ id: "a b" }]
      })
      const wrong = yield* run(user, ["serve"])
      assert.deepStrictEqual([wrong.code, wrong.stdout], [2, ""])
      for (const path of ["profiles.calls.tokenEndpoint", "profiles.calls.clientid", "callers[0].id"]) {
        assert.include(wrong.stderr, path)
      }
      assert.notMatch(wrong.stderr, /^\s+at /m)
      assert.strictEqual((yield* run(user, ["serve", "--config", "none.yaml"])).code, 2)
      assert.strictEqual((yield* run(user, ["serve", "--port", "65536"], { env })).code, 2)
      assert.strictEqual((yield* run(user, ["serve", "--demo", "--config", "none.yaml"])).code, 2)

      const { env: other, user: alone } = yield* fromEnvironment
      const nothing = yield* run(alone, ["serve"])
      assert.strictEqual(nothing.code, 2)
      assert.include(nothing.stderr, "serve --demo")
      const first = yield* watchProgram(alone, ["serve", "--port=0"], other)
      yield* first.says(/curl -u/)
      const { port } = new URL(originOf(first.stderr()))
      const second = yield* run(alone, ["serve", "--port", port], { env: other })
      assert.deepStrictEqual([second.code, second.stdout], [1, ""])
      assert.match(second.stderr, new RegExp(`^effect-bearer: 127\\.0\\.0\\.1:${port} is in use.*--port 0.*\n$`))
    }))

  // SPEC G8
  it.scopedLive("has in its one file what other programs install: keys for private_key_jwt, and Redis", () =>
    Effect.gen(function*() {
      const user = yield* home
      const upstream = yield* Testing.listen()
      const { digest, key } = yield* newKey
      const redis = yield* freePort
      yield* put(user, {
        store: { redis: { url: { env: "REDIS_URL" } } },
        profiles: {
          calls: {
            tokenEndpoint: upstream.tokenEndpoint,
            clientId: "calls",
            authentication: { method: "private-key-jwt", key: { env: "KEY" } }
          }
        },
        callers: [{ id: "flow", keys: [digest], profiles: { calls: {} } }]
      })
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const broker = yield* watchProgram(user, ["serve", "--port=0"], {
        REDIS_URL: `redis://:redis-password@127.0.0.1:${redis}`,
        KEY: privateKey.export({ type: "pkcs8", format: "pem" }).toString()
      })
      yield* broker.says(/Status page/)
      assert.strictEqual((yield* ask(originOf(broker.stderr()), "calls", "flow", key)).status, 200)
      const [request] = yield* upstream.requests
      assert.match(new URLSearchParams(request!.body).get("client_assertion") ?? "", /^[\w-]+\.[\w-]+\.[\w-]+$/)
      yield* broker.says(/store/)
      yield* broker.signal("SIGTERM")
      const { code, stderr } = yield* broker.ended
      assert.strictEqual(code, 0)
      assert.notInclude(stderr, "install")
      assert.notInclude(stderr, "redis-password")
    }))
})
