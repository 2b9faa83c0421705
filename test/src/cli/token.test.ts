import { spawn, spawnSync } from "node:child_process"
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import * as ProtectedApi from "@effect-bearer/examples/support/ProtectedApi"
import type { Scope } from "effect"
import { Effect, Layer, Redacted } from "effect"
import { describeWith, program } from "../programs.js"
import type { Home } from "./program.js"
import { bundle, ended, environmentOf, home, run, start } from "./program.js"

const environment = (server: AuthorizationServer.Service) => ({
  OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
  OAUTH_CLIENT_ID: server.clients.basic.id,
  OAUTH_CLIENT_SECRET: Redacted.value(server.clients.basic.secret),
  OAUTH_SCOPES: "calls:read"
})

const configuration = (server: AuthorizationServer.Service, more = "") => `
profiles:
  calls:
    tokenEndpoint: ${server.tokenEndpoint}
    clientId: ${server.clients.basic.id}
    authentication: { method: basic, secret: { env: CALLS_SECRET } }
    scopes: ["calls:read"]
${more}`

interface World {
  readonly server: AuthorizationServer.Service
  readonly user: Home
  readonly env: Record<string, string>
}

const world: Effect.Effect<World, unknown, Scope.Scope> = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
  return { server, user: yield* home, env: environment(server) }
})

/** Where the file store is, by default. */
const folderOf = (user: Home) => join(user.home, ".cache", "effect-bearer", "tokens")

describe("token", () => {
  // SPEC G1
  it.scoped("a shell loop makes one token request, and the folder of the tokens is the user's own", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      const loop = `for n in 1 2 3 4; do "${process.execPath}" "${bundle()}" token; done`
      const looped = yield* ended(
        yield* Effect.acquireRelease(
          Effect.sync(() => spawn("sh", ["-c", loop], { env: environmentOf(user, env), cwd: user.cwd })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
      )
      assert.strictEqual(looped.stderr, "")
      const lines = looped.stdout.trim().split("\n")
      assert.strictEqual(lines.length, 4)
      assert.strictEqual(new Set(lines).size, 1)
      assert.match(lines[0]!, /^[\w.~+/-]+=*$/)
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
      assert.strictEqual(statSync(folderOf(user)).mode & 0o777, 0o700)
      for (const file of readdirSync(folderOf(user))) {
        assert.strictEqual(statSync(join(folderOf(user), file)).mode & 0o077, 0)
      }
    }))

  it.scoped("runs that begin together make one token request", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      const all = yield* Effect.all(Array.from({ length: 6 }, () => run(user, ["token"], { env })), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(all.map(({ code, stderr }) => [code, stderr]), all.map(() => [0, ""]))
      assert.strictEqual(new Set(all.map(({ stdout }) => stdout)).size, 1)
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
    }))

  it.scoped("a token with less left than --min-ttl is renewed first", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      const first = yield* run(user, ["token"], { env })
      const same = yield* run(user, ["token", "--min-ttl", "60"], { env })
      assert.strictEqual(same.stdout, first.stdout)
      const wrong = yield* run(user, ["token", "--min-ttl", "soon"], { env })
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, "--min-ttl is a number of seconds")
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
    }))

  it.scoped("other scopes are another token", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      const one = yield* run(user, ["token", "--json"], { env })
      const other = yield* run(user, ["token", "--scope", "calls:write", "--format", "json"], { env })
      assert.strictEqual(JSON.parse(one.stdout).scope, "calls:read")
      assert.strictEqual(JSON.parse(other.stdout).scope, "calls:write")
      assert.strictEqual((yield* server.seen).tokenRequests, 2)
    }))

  it.scoped("the answer in JSON has what is left of the token", () =>
    Effect.gen(function*() {
      const { env, user } = yield* world
      const before = Date.now()
      const answer = JSON.parse((yield* run(user, ["token", "--json"], { env })).stdout)
      assert.deepStrictEqual(Object.keys(answer), [
        "access_token",
        "token_type",
        "expires_in",
        "expires_at",
        "scope",
        "profile"
      ])
      assert.strictEqual(answer.token_type, "Bearer")
      assert.strictEqual(answer.profile, "oauth")
      assert.isAtMost(answer.expires_in, 3600)
      assert.isAtLeast(Date.parse(answer.expires_at), before + 3_590_000)
    }))

  // SPEC G8
  it.scoped("a refusal ends with 3, a server that is not there with 4, a mistake with 2, each with its page", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      const refused = yield* run(user, ["token"], { env: { ...env, OAUTH_CLIENT_SECRET: "not-the-secret-4711" } })
      assert.strictEqual(refused.code, 3)
      assert.strictEqual(refused.stdout, "")
      assert.include(refused.stderr, "invalid_client")
      assert.include(refused.stderr, "effect-bearer explain oauth-error")
      assert.notInclude(refused.stderr, "4711")

      yield* server.fail(AuthorizationServer.refused)
      const unreachable = yield* run(user, ["token", "--json"], { env })
      assert.strictEqual(unreachable.code, 4)
      assert.strictEqual(JSON.parse(unreachable.stderr).error.code, "retries-exhausted")
      yield* server.recover

      const wrong = yield* run(user, ["token"], { env: { ...env, OAUTH_TOKEN_ENDPOINT: undefined } })
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, "OAUTH_TOKEN_ENDPOINT is missing or blank")
      const nothing = yield* run(user, ["token"])
      assert.strictEqual(nothing.code, 2)
      assert.include(nothing.stderr, "There is no configuration")
    }))

  it.scoped("the secret is in no output, whatever happens", () =>
    Effect.gen(function*() {
      const { env, user } = yield* world
      const secret = "s3cr3t-that-nobody-sees"
      for (
        const args of [["token"], ["token", "--json"], ["token", "--log-level", "all"], [
          "token",
          "--format",
          "nonsense"
        ]]
      ) {
        const { stderr, stdout } = yield* run(user, args, { env: { ...env, OAUTH_CLIENT_SECRET: secret } })
        assert.notInclude(stdout + stderr, secret)
      }
    }))
})

describe("where the configuration is", () => {
  // SPEC G8
  it.scoped("--config, then the folder, then the user's own, then the environment", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      const secret = { CALLS_SECRET: env.OAUTH_CLIENT_SECRET }
      const profileOf = (args: ReadonlyArray<string>, more: Record<string, string | undefined> = {}) =>
        Effect.map(
          run(user, ["token", "--json", ...args], { env: { ...env, ...secret, ...more } }),
          ({ stderr, stdout }) => {
            assert.strictEqual(stderr, "")
            return JSON.parse(stdout).profile
          }
        )
      assert.strictEqual(yield* profileOf([]), "oauth")
      mkdirSync(join(user.home, ".config", "effect-bearer"), { recursive: true })
      writeFileSync(
        join(user.home, ".config", "effect-bearer", "config.yaml"),
        configuration(server).replace("calls:\n", "own:\n")
      )
      assert.strictEqual(yield* profileOf([]), "own")
      writeFileSync(join(user.cwd, "effect-bearer.yaml"), configuration(server).replace("calls:\n", "here:\n"))
      assert.strictEqual(yield* profileOf([]), "here")
      writeFileSync(join(user.home, "named.yaml"), configuration(server))
      assert.strictEqual(yield* profileOf(["--config", join(user.home, "named.yaml")]), "calls")
      assert.strictEqual(yield* profileOf([], { EFFECT_BEARER_CONFIG: join(user.home, "named.yaml") }), "calls")
    }))

  it.scoped("a file in the folder that others may write to is not used", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      const file = join(user.cwd, "effect-bearer.yaml")
      writeFileSync(file, configuration(server))
      chmodSync(file, 0o666)
      const { code, stderr } = yield* run(user, ["token"], { env: { CALLS_SECRET: env.OAUTH_CLIENT_SECRET } })
      assert.strictEqual(code, 2)
      assert.include(stderr, "may be written to by every user")
      assert.include(stderr, "--config")
      const named = yield* run(user, ["token", "--config", file], { env: { CALLS_SECRET: env.OAUTH_CLIENT_SECRET } })
      assert.strictEqual(named.code, 0)
    }))

  it.scoped("every mistake of a file is named, without a stack", () =>
    Effect.gen(function*() {
      const { server, user } = yield* world
      writeFileSync(join(user.cwd, "effect-bearer.yaml"), configuration(server, "    clientid: x\n    wait: soon\n"))
      const { code, stderr } = yield* run(user, ["token"])
      assert.strictEqual(code, 2)
      assert.include(stderr, "profiles.calls.clientid")
      assert.include(stderr, "profiles.calls.wait")
      assert.notInclude(stderr, "    at ")
    }))

  it.scoped("with several profiles one has to be chosen", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      const one = configuration(server)
      writeFileSync(
        join(user.cwd, "effect-bearer.yaml"),
        one + one.replace("profiles:", "").replace("calls:\n", "other:\n")
      )
      const secret = { CALLS_SECRET: env.OAUTH_CLIENT_SECRET }
      const none = yield* run(user, ["token"], { env: secret })
      assert.strictEqual(none.code, 2)
      assert.include(none.stderr, "choose one with --profile: calls, other")
      const wrong = yield* run(user, ["token", "-p", "calsl"], { env: secret })
      assert.strictEqual(wrong.code, 2)
      assert.strictEqual((yield* run(user, ["token", "-p", "other"], { env: secret })).code, 0)
      assert.strictEqual(
        (yield* run(user, ["token"], { env: { ...secret, EFFECT_BEARER_PROFILE: "other" } })).code,
        0
      )
    }))

  it.scoped("a secret from a file", () =>
    Effect.gen(function*() {
      const { env, user } = yield* world
      const file = join(user.home, "secret")
      writeFileSync(file, `${env.OAUTH_CLIENT_SECRET}\n`, { mode: 0o600 })
      const { code, stderr } = yield* run(user, ["token"], {
        env: { ...env, OAUTH_CLIENT_SECRET: undefined, OAUTH_CLIENT_SECRET_FILE: file }
      })
      assert.deepStrictEqual([code, stderr], [0, ""])
    }))

  it.scoped("GENESYS_* alone", () =>
    Effect.gen(function*() {
      const { user } = yield* world
      const env = { GENESYS_CLIENT_ID: "a", GENESYS_CLIENT_SECRET: "b", GENESYS_REGION: "eu-centrl-1" }
      const { code, stderr } = yield* run(user, ["token"], { env })
      assert.strictEqual(code, 2)
      assert.include(stderr, "GENESYS_REGION is wrong")
    }))
})

describe("what the machine does not give", () => {
  const canBeReadOnly = process.getuid?.() !== 0

  it.scoped("a home that cannot be written to: the token is printed, and not kept", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      // root writes anywhere; nobody makes a folder below a file
      if (canBeReadOnly) chmodSync(user.home, 0o500)
      else writeFileSync(join(user.home, ".cache"), "")
      const first = yield* run(user, ["token"], { env })
      assert.strictEqual(first.code, 0)
      assert.match(first.stdout, /^[\w.-]+\n$/)
      assert.include(first.stderr, "The token is not kept for the next run.")
      const quiet = yield* run(user, ["token", "--quiet"], { env })
      assert.deepStrictEqual([quiet.code, quiet.stderr], [0, ""])
      assert.strictEqual((yield* server.seen).tokenRequests, 2)
      chmodSync(user.home, 0o700)
    }))

  it.scoped("a folder of tokens that is a link of somebody's is not used", () =>
    Effect.gen(function*() {
      const { env, user } = yield* world
      const open = join(user.home, "open")
      mkdirSync(open)
      chmodSync(open, 0o777)
      symlinkSync(open, join(user.home, "tokens"))
      const { code, stderr } = yield* run(user, ["token"], {
        env: { ...env, EFFECT_BEARER_CACHE: join(user.home, "tokens") }
      })
      assert.strictEqual(code, 0)
      assert.include(stderr, "The token is not kept")
      assert.deepStrictEqual(readdirSync(open), [])
    }))

  it.scoped("a full disk behind standard output is a failure that is told", () =>
    Effect.gen(function*() {
      const { env, user } = yield* world
      const full = openSync("/dev/full", "w")
      const child = spawn(process.execPath, [bundle(), "token"], {
        env: environmentOf(user, env),
        cwd: user.cwd,
        stdio: ["ignore", full, "pipe"]
      })
      closeSync(full)
      let stderr = ""
      child.stderr!.on("data", (chunk) => stderr += String(chunk))
      const code = yield* Effect.async<number | null>((resume) => {
        child.on("close", (code) => resume(Effect.succeed(code)))
      })
      assert.strictEqual(code, 1)
      assert.include(stderr, "could not be written to standard output (ENOSPC)")
    }))

  it.scoped("a reader that has gone is no failure, and there is no stack", () =>
    Effect.gen(function*() {
      const { env, user } = yield* world
      const child = yield* start(user, ["token"], { env })
      child.stdin.end()
      child.stdout.destroy()
      const { code, stderr } = yield* ended(child)
      assert.deepStrictEqual([code, stderr], [0, ""])
    }))

  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    it.scoped(`${signal} ends it, and leaves nothing that holds others up`, () =>
      Effect.gen(function*() {
        const { env, server, user } = yield* world
        const asked = yield* Effect.async<string, never, never>((resume) => {
          // takes the request, and never answers
          const hung = createServer(() => {
            child?.kill(signal)
          })
          let child: ReturnType<typeof spawn> | undefined
          hung.listen(0, "127.0.0.1", () => {
            const address = hung.address()
            const port = typeof address === "object" && address !== null ? address.port : 0
            child = spawn(process.execPath, [bundle(), "token"], {
              env: environmentOf(user, { ...env, OAUTH_TOKEN_ENDPOINT: `http://127.0.0.1:${port}/token` }),
              cwd: user.cwd
            })
            child.on("close", (code, signal) => {
              hung.closeAllConnections()
              hung.close()
              resume(Effect.succeed(`${code ?? signal}`))
            })
          })
        })
        assert.strictEqual(asked, String(code))
        const next = yield* run(user, ["token"], { env })
        assert.strictEqual(next.code, 0)
        assert.strictEqual((yield* server.seen).tokenRequests, 1)
      }))
  }
})

describeWith([program("script", ["--version"])], "at a terminal", () => {
  /** Runs in a terminal of its own: what is typed, and all that appears. */
  const typed = (user: Home, command: string, env: Record<string, string | undefined>, keys: string) =>
    Effect.scoped(Effect.gen(function*() {
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn("script", ["-qec", command, "/dev/null"], {
            env: environmentOf(user, { TERM: "xterm", ...env }),
            cwd: user.cwd
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      // typed when it is asked for
      child.stdout.on("data", (chunk) => {
        if (String(chunk).includes("(not shown)")) child.stdin.write(keys)
      })
      return yield* ended(child)
    }))

  // SPEC G8
  it.scoped("a missing secret is asked for, and not shown", () =>
    Effect.gen(function*() {
      const { env, server, user } = yield* world
      const { OAUTH_CLIENT_SECRET: secret, ...rest } = env
      const command = `'${process.execPath}' '${bundle()}' token > '${join(user.home, "answer")}'`
      const { code, stdout } = yield* typed(user, command, rest, `${secret}\r`)
      assert.strictEqual(code, 0)
      assert.include(stdout, "OAUTH_CLIENT_SECRET (not shown):")
      assert.notInclude(stdout, secret!)
      assert.strictEqual((yield* server.seen).tokensIssued, 1)
      // the next run has the token, and asks nobody
      const next = yield* typed(user, `'${process.execPath}' '${bundle()}' token`, rest, "")
      assert.strictEqual(next.code, 0)
      assert.notInclude(next.stdout, "not shown")
    }))

  it.scoped("whoever does not answer gets the error", () =>
    Effect.gen(function*() {
      const { env, user } = yield* world
      const { OAUTH_CLIENT_SECRET: _, ...rest } = env
      const { code, stdout } = yield* typed(user, `'${process.execPath}' '${bundle()}' token`, rest, "\u0003")
      assert.strictEqual(code, 2)
      assert.include(stdout, "OAUTH_CLIENT_SECRET is missing or blank")
    }))
})

describe("formats", () => {
  const printed = (
    world: World,
    format: string,
    options: { readonly input?: string; readonly args?: Array<string> } = {}
  ) =>
    Effect.map(
      run(world.user, ["token", "--format", format, ...(options.args ?? [])], { env: world.env, input: options.input }),
      ({ code, stderr, stdout }) => {
        assert.deepStrictEqual([code, stderr], [0, ""])
        return stdout
      }
    )

  it.scoped("header, headers-json and env hold the same token", () =>
    Effect.gen(function*() {
      const here = yield* world
      const token = (yield* printed(here, "raw")).trim()
      assert.strictEqual(yield* printed(here, "header"), `Authorization: Bearer ${token}\n`)
      assert.deepStrictEqual(JSON.parse(yield* printed(here, "headers-json")), { Authorization: `Bearer ${token}` })
      const shell = spawnSync("sh", ["-c", `${yield* printed(here, "env")}\necho "$OAUTH_ACCESS_TOKEN"`], {
        encoding: "utf8"
      })
      assert.strictEqual(shell.stdout, `${token}\n`)
      // what was exported is no configuration
      const exported = { OAUTH_ACCESS_TOKEN: token, OAUTH_TOKEN_TYPE: "Bearer" }
      const next = yield* run(here.user, ["token"], { env: exported })
      assert.include(next.stderr, "There is no configuration")
    }))

  it.scoped("kubernetes: an ExecCredential of the version that kubectl asks for", () =>
    Effect.gen(function*() {
      const here = yield* world
      const token = (yield* printed(here, "raw")).trim()
      const credential = JSON.parse(yield* printed(here, "kubernetes"))
      assert.deepStrictEqual(Object.keys(credential), ["apiVersion", "kind", "status"])
      assert.strictEqual(credential.apiVersion, "client.authentication.k8s.io/v1")
      assert.strictEqual(credential.kind, "ExecCredential")
      assert.deepStrictEqual(Object.keys(credential.status), ["expirationTimestamp", "token"])
      assert.strictEqual(credential.status.token, token)
      // metav1.Time is RFC 3339 in whole seconds
      assert.match(credential.status.expirationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
      const asked = (version: string) =>
        run(here.user, ["token", "--format", "kubernetes"], {
          env: {
            ...here.env,
            KUBERNETES_EXEC_INFO: JSON.stringify({ kind: "ExecCredential", apiVersion: version, spec: {} })
          }
        })
      const beta = yield* asked("client.authentication.k8s.io/v1beta1")
      assert.strictEqual(JSON.parse(beta.stdout).apiVersion, "client.authentication.k8s.io/v1beta1")
      const unknown = yield* asked("client.authentication.k8s.io/v9")
      assert.deepStrictEqual([unknown.code, unknown.stdout], [1, ""])
    }))

  it.scoped("bazel: the headers for the URI on standard input", () =>
    Effect.gen(function*() {
      const here = yield* world
      const token = (yield* printed(here, "raw")).trim()
      const answer = JSON.parse(
        yield* printed(here, "bazel", { input: "{\"uri\":\"https://cache.example.com/ac/1\"}", args: ["get"] })
      )
      assert.deepStrictEqual(answer.headers, { Authorization: [`Bearer ${token}`] })
      assert.match(answer.expires, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
      for (const input of ["", "{}", "[]", "{\"uri\":\"cache\"}", "{\"uri\":\"http://cache.example.com\"}"]) {
        const { code, stdout } = yield* run(here.user, ["token", "--format", "bazel"], { env: here.env, input })
        assert.deepStrictEqual([code, stdout], [1, ""])
      }
    }))

  it.scoped("git: the credential, what it is, and when it ends; another one after git was refused with it", () =>
    Effect.gen(function*() {
      const here = yield* world
      const token = (yield* printed(here, "raw")).trim()
      const question = "capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=git.example.com\n"
      const answer = yield* printed(here, "git", { input: `${question}\n`, args: ["get"] })
      const [capability, authtype, credential, expiry, ...rest] = answer.split("\n")
      assert.deepStrictEqual([capability, authtype], ["capability[]=authtype", "authtype=Bearer"])
      assert.strictEqual(credential, `credential=${token}`)
      assert.match(expiry!, /^password_expiry_utc=\d{10}$/)
      assert.deepStrictEqual(rest, ["", ""])
      const tell = (operation: string, credential: string) =>
        printed(here, "git", { input: `${question}authtype=Bearer\ncredential=${credential}\n\n`, args: [operation] })
      assert.strictEqual(yield* tell("store", token), "")
      assert.strictEqual(yield* tell("approve-of-a-later-git", token), "")
      // another token than the one that is kept
      assert.strictEqual(yield* tell("erase", "not-this-one"), "")
      assert.strictEqual((yield* printed(here, "raw")).trim(), token)
      assert.strictEqual(yield* tell("erase", token), "")
      assert.notStrictEqual((yield* printed(here, "raw")).trim(), token)
      assert.strictEqual((yield* here.server.seen).tokenRequests, 2)
    }))

  it.scoped("git and bazel get a token for the profile's APIs alone", () =>
    Effect.gen(function*() {
      const here = yield* world
      const env = { ...here.env, OAUTH_API_URL: "https://git.example.com" }
      const ask = (host: string) =>
        run(here.user, ["token", "--format", "git", "get"], { env, input: `protocol=https\nhost=${host}\n\n` })
      assert.strictEqual((yield* ask("git.example.com")).code, 0)
      const other = yield* ask("git.example.com.evil.example")
      assert.deepStrictEqual([other.code, other.stdout], [1, ""])
      assert.include(other.stderr, "none of the profile's origins")
    }))
})

describeWith([program("curl")], "curl", () => {
  // SPEC G1
  it.scoped("reads the token from its configuration", () =>
    Effect.gen(function*() {
      const api = yield* ProtectedApi.ProtectedApi
      const server = yield* AuthorizationServer.AuthorizationServer
      const user = yield* home
      const env = environment(server)
      const line =
        `"${process.execPath}" "${bundle()}" token --format curl | curl -s -o /dev/null -w '%{http_code}' -K - ${api.callsUrl}`
      const { stdout } = yield* ended(
        yield* Effect.acquireRelease(
          Effect.sync(() => spawn("sh", ["-c", line], { env: environmentOf(user, env), cwd: user.cwd })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
      )
      assert.strictEqual(stdout, "200")
    }).pipe(
      Effect.provide(ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer({ lifetime: "1 hour" }))))
    ))
})
