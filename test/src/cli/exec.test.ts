import { chmodSync, existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import type { Duration } from "effect"
import { Effect, Redacted } from "effect"
import { eventually } from "../eventually.js"
import { freePort } from "../freePort.js"
import { describeWith, program } from "../programs.js"
import { bundle, home } from "./program.js"
import { script } from "./terminal.js"
import { leftovers, listens, watch, watchProgram } from "./watched.js"

const setUp = (lifetime: Duration.DurationInput = "1 hour") =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ lifetime })
    const user = yield* home
    const secret = Redacted.value(server.clients.basic.secret)
    const env = {
      OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
      OAUTH_CLIENT_ID: server.clients.basic.id,
      OAUTH_CLIENT_SECRET: secret,
      OAUTH_SCOPES: "calls:read"
    }
    const start = (command: ReadonlyArray<string>, more: Record<string, string | undefined> = {}) =>
      // quiet: where the machine stalls, the library may have something to say about its store
      watchProgram(user, ["exec", "--quiet", "--", ...command], { ...env, ...more })
    const run = (...given: Parameters<typeof start>) => Effect.flatMap(start(...given), ({ ended }) => ended)
    return { server, user, secret, env, start, run }
  })

/** A program of Node.js as a command. */
const node = (source: string): ReadonlyArray<string> => [process.execPath, "-e", source]

/** Answers signals by its output, and ends when it is told to. */
const listener = (names: ReadonlyArray<NodeJS.Signals>, exit: number) =>
  node(`
    let count = 0
    for (const name of ${JSON.stringify(names)}) {
      process.on(name, () => {
        console.log(name + " " + ++count)
        if (name === "SIGTERM") setTimeout(() => process.exit(${exit}), 100)
      })
    }
    setInterval(() => {}, 1000)
    console.log("child " + process.pid)
  `)

describe("exec", () => {
  // SPEC G6
  it.scopedLive("gives the command an endpoint, a key and a file, and keeps the secret; ends with its exit code", () =>
    Effect.gen(function*() {
      const { env, run, secret, server, user } = yield* setUp()
      const shown = node(`
        const fs = require("node:fs"), path = require("node:path")
        const { env } = process
        const mode = (file) => (fs.statSync(file).mode & 0o777).toString(8)
        const authorization = "Basic " + Buffer.from(env.OAUTH_CLIENT_ID + ":" + env.OAUTH_CLIENT_SECRET).toString("base64")
        fetch(env.OAUTH_TOKEN_ENDPOINT, {
          method: "POST",
          headers: { authorization },
          body: new URLSearchParams({ grant_type: "client_credentials" })
        }).then((response) => response.json()).then(({ access_token }) => {
          const file = env.OAUTH_TOKEN_FILE
          console.log(JSON.stringify({
            env,
            same: fs.readFileSync(file, "utf8") === access_token,
            file,
            modes: [mode(file), mode(path.dirname(file))]
          }))
          process.exitCode = 7
        })
      `)
      const first = yield* run(shown, { MINE: "mine" })
      assert.deepStrictEqual([first.code, first.stderr], [7, ""])
      assert.notInclude(first.stdout, secret)
      const seen = JSON.parse(first.stdout)
      assert.isTrue(seen.same)
      assert.deepStrictEqual(seen.modes, ["600", "700"])
      assert.strictEqual(seen.env.MINE, "mine")
      assert.strictEqual(seen.env.OAUTH_CLIENT_AUTHENTICATION, "basic")
      assert.notProperty(seen.env, "OAUTH_SCOPES")
      assert.match(seen.env.OAUTH_TOKEN_ENDPOINT, /^http:\/\/127\.0\.0\.1:\d+\/oauth2\/oauth\/token$/)
      assert.match(seen.env.OAUTH_CLIENT_SECRET, /^ebk_/)
      assert.notStrictEqual(seen.env.OAUTH_CLIENT_ID, env.OAUTH_CLIENT_ID)

      // nothing is left of it
      assert.isFalse(yield* listens(new URL(seen.env.OAUTH_TOKEN_ENDPOINT).origin))
      assert.isFalse(existsSync(seen.file))
      assert.deepStrictEqual(leftovers(user), [])

      // another run has another key, and the same token
      const second = JSON.parse((yield* run(shown)).stdout)
      assert.notStrictEqual(second.env.OAUTH_CLIENT_SECRET, seen.env.OAUTH_CLIENT_SECRET)
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
    }))

  // SPEC G6
  it.scopedLive("the program itself, run by the command, asks the broker, and not the file that lies there", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* setUp()
      const file = {
        profiles: {
          calls: {
            tokenEndpoint: server.tokenEndpoint,
            clientId: server.clients.basic.id,
            authentication: { method: "basic", secret: { env: "CALLS_SECRET" } }
          }
        }
      }
      writeFileSync(join(user.cwd, "effect-bearer.json"), JSON.stringify(file))
      const command = [process.execPath, bundle(), "token", "--json"]
      const { ended } = yield* watchProgram(user, ["exec", "--quiet", "--", ...command], {
        CALLS_SECRET: env.OAUTH_CLIENT_SECRET
      })
      const { code, stdout } = yield* ended
      assert.strictEqual(code, 0)
      assert.strictEqual(JSON.parse(stdout).profile, "oauth")
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
    }))

  it.scopedLive("has the command's arguments, input and output untouched", () =>
    Effect.gen(function*() {
      const { start } = yield* setUp()
      const given = ["--help", "-q", "--json", "--", "token", "", "a b", "$HOME", "--profile"]
      const running = yield* start([
        ...node("process.stdin.pipe(process.stderr); process.stdout.write(JSON.stringify(process.argv.slice(1)))"),
        "--",
        ...given
      ])
      running.child.stdin!.end("input")
      const { code, stderr, stdout } = yield* running.ended
      assert.deepStrictEqual([code, stderr], [0, "input"])
      assert.deepStrictEqual(JSON.parse(stdout), given)
    }))

  // SPEC G6
  it.scopedLive("the token is renewed while the command runs", () =>
    Effect.gen(function*() {
      const { run, server } = yield* setUp("2 seconds")
      const { code, stderr } = yield* run(node(`
        const { readFileSync } = require("node:fs")
        const seen = new Set()
        setInterval(() => {
          seen.add(readFileSync(process.env.OAUTH_TOKEN_FILE, "utf8"))
          if (seen.size === 3) process.exit(0)
        }, 10)
      `))
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.isAtLeast((yield* server.seen).tokensIssued, 3)
    }))

  // SPEC G6, G8
  it.scopedLive("exit codes are those of a shell", () =>
    Effect.gen(function*() {
      const { env, run, user } = yield* setUp()
      const missing = yield* run(["no-such-command"])
      assert.deepStrictEqual([missing.code, missing.stdout], [127, ""])
      assert.include(missing.stderr, "no-such-command could not be started")
      const json = yield* (yield* watchProgram(user, ["exec", "--json", "-q", "--", "no-such-command"], env)).ended
      assert.strictEqual(json.code, 127)
      assert.include(JSON.parse(json.stderr).error.message, "no-such-command")
      const file = join(user.cwd, "script")
      writeFileSync(file, "#!/bin/sh\nexit 0\n")
      assert.strictEqual((yield* run([file])).code, 126)
      chmodSync(file, 0o700)
      assert.strictEqual((yield* run([file])).code, 0)
      assert.strictEqual((yield* run(["sh", "-c", "kill -KILL $$"])).code, 137)
      assert.strictEqual((yield* run(["sh", "-c", "kill -TERM $$"])).code, 143)
      for (const command of [[], [""]]) {
        const none = yield* run(command)
        assert.strictEqual(none.code, 2)
        assert.include(none.stderr, "exec -- COMMAND")
      }
      const misplaced = yield* (yield* watchProgram(user, ["exec", "env"], env)).ended
      assert.deepStrictEqual([misplaced.code, misplaced.stdout], [2, ""])
      assert.include(misplaced.stderr, "exec -- COMMAND")
      assert.deepStrictEqual(leftovers(user), [])
    }))

  // SPEC G6, G8
  it.scopedLive("the command does not start without a token", () =>
    Effect.gen(function*() {
      const { run, secret, user } = yield* setUp()
      const started = join(user.cwd, "started")
      const command = ["touch", started]
      const refused = yield* run(command, { OAUTH_CLIENT_SECRET: `${secret}-wrong` })
      assert.deepStrictEqual([refused.code, refused.stdout], [3, ""])
      assert.include(refused.stderr, "invalid_client")
      assert.notInclude(refused.stderr, secret)
      const unreachable = yield* run(command, { OAUTH_TOKEN_ENDPOINT: `http://127.0.0.1:${yield* freePort}/token` })
      assert.strictEqual(unreachable.code, 4)
      assert.strictEqual((yield* run(command, { OAUTH_CLIENT_ID: "" })).code, 2)
      assert.isFalse(existsSync(started))
      assert.deepStrictEqual(leftovers(user), [])
      assert.strictEqual((yield* run(command)).code, 0)
      assert.isTrue(existsSync(started))
    }))

  // SPEC G6
  it.scopedLive("a profile of a file, with its secret in a variable of its own", () =>
    Effect.gen(function*() {
      const { env, secret, user } = yield* setUp()
      writeFileSync(
        join(user.cwd, "effect-bearer.yaml"),
        `
store: { folder: tokens }
profiles:
  calls:
    tokenEndpoint: ${env.OAUTH_TOKEN_ENDPOINT}
    clientId: ${env.OAUTH_CLIENT_ID}
    authentication: { method: basic, secret: { env: CALLS_SECRET } }
    file: { path: token }
  other:
    tokenEndpoint: http://127.0.0.1:9/token
    clientId: other
    authentication: { method: none }
`
      )
      const { ended } = yield* watchProgram(user, ["exec", "--profile=calls", "--", "env"], { CALLS_SECRET: secret })
      const { code, stderr, stdout } = yield* ended
      assert.strictEqual(code, 0, stderr)
      assert.notInclude(stderr, secret)
      assert.include(stdout, "/oauth2/calls/token")
      assert.notInclude(stdout, secret)
      assert.notInclude(stdout, "CALLS_SECRET")
      // the file of the profile belongs to the broker of the configuration
      assert.isFalse(existsSync(join(user.cwd, "token")))
    }))

  // SPEC G6
  it.scopedLive("signals reach the command, and it decides what becomes of them", () =>
    Effect.gen(function*() {
      const { start, user } = yield* setUp()
      const running = yield* start(listener(["SIGINT", "SIGHUP", "SIGUSR2", "SIGTERM"], 42))
      yield* running.says(/child \d+/)
      // there is no terminal that has sent it to the command as well
      yield* running.signal("SIGINT")
      yield* running.says(/SIGINT 1/)
      yield* running.signal("SIGINT")
      yield* running.says(/SIGINT 2/)
      yield* running.signal("SIGHUP")
      yield* running.says(/SIGHUP 3/)
      yield* running.signal("SIGUSR2")
      yield* running.says(/SIGUSR2 4/)
      yield* running.signal("SIGTERM")
      const { code, stdout } = yield* running.ended
      assert.strictEqual(code, 42)
      assert.include(stdout, "SIGTERM 5")
      assert.deepStrictEqual(leftovers(user), [])
    }))

  // SPEC G6
  it.scopedLive("a command that is killed leaves nothing behind", () =>
    Effect.gen(function*() {
      const { start, user } = yield* setUp()
      const running = yield* start(
        node("console.log(process.pid, process.env.OAUTH_TOKEN_ENDPOINT); setInterval(() => {}, 1000)")
      )
      yield* running.says(/^\d+ http.*\n/)
      const [pid, endpoint] = running.stdout().trim().split(" ")
      assert.isTrue(yield* listens(new URL(endpoint!).origin))
      process.kill(Number(pid), "SIGKILL")
      assert.strictEqual((yield* running.ended).code, 137)
      assert.isFalse(yield* listens(new URL(endpoint!).origin))
      assert.deepStrictEqual(leftovers(user), [])
    }))

  it.scopedLive("Ctrl-C, and a terminal that is closed, end it before the command has started", () =>
    Effect.gen(function*() {
      for (const [name, exit] of [["SIGINT", 130], ["SIGHUP", 129]] as const) {
        const { server, start, user } = yield* setUp()
        yield* server.setLatency("1 minute")
        const running = yield* start(["echo", "started"])
        yield* eventually(server.seen, ({ tokenRequests }) => tokenRequests > 0)
        yield* running.signal(name)
        const { code, stdout } = yield* running.ended
        assert.deepStrictEqual([code, stdout], [exit, ""])
        assert.deepStrictEqual(leftovers(user), [])
      }
    }))
})

describeWith([script], "exec at a terminal", () => {
  // SPEC G6
  it.scopedLive("Ctrl-C reaches the command once, and not this program", () =>
    Effect.gen(function*() {
      const { env, user } = yield* setUp()
      const file = join(user.cwd, "child.cjs")
      writeFileSync(file, listener(["SIGINT", "SIGTERM"], 0)[2]!.replaceAll("1000", "50"))
      const quoted = [process.execPath, bundle(), "exec", "--", process.execPath, file].map((one) => `'${one}'`).join(
        " "
      )
      const running = yield* watch(user, "script", ["-qec", `exec ${quoted}`, "/dev/null"], { ...env, TERM: "xterm" })
      yield* running.says(/child \d+/)
      const press = Effect.sync(() => void running.child.stdin!.write("\u0003"))
      yield* press
      yield* running.says(/SIGINT 1/)
      yield* press
      yield* running.says(/SIGINT 2/)
      const [, pid] = /child (\d+)/.exec(running.stdout())!
      process.kill(Number(pid), "SIGTERM")
      const { code, stdout } = yield* running.ended
      // it counts each signal that it gets: a second delivery would be one more
      assert.deepStrictEqual(stdout.match(/SIG\w+ \d/g), ["SIGINT 1", "SIGINT 2", "SIGTERM 3"])
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(leftovers(user), [])
    }))
})

describeWith([program("curl")], "exec with curl", () => {
  // SPEC G6
  it.scopedLive("the lines of the README run", () =>
    Effect.gen(function*() {
      const { run } = yield* setUp()
      const asClient =
        `curl -sS -u "$OAUTH_CLIENT_ID:$OAUTH_CLIENT_SECRET" -d grant_type=client_credentials "$OAUTH_TOKEN_ENDPOINT"`
      const { code, stdout } = yield* run(["sh", "-c", `${asClient}; echo; cat "$OAUTH_TOKEN_FILE"`])
      assert.strictEqual(code, 0)
      const [answer, token] = stdout.split("\n")
      assert.strictEqual(JSON.parse(answer!).access_token, token)
    }))
})
