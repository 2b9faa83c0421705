import { createHash, randomBytes } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import * as LoopbackServer from "@effect-bearer/examples/support/LoopbackServer"
import * as ProtectedApi from "@effect-bearer/examples/support/ProtectedApi"
import { Effect, Redacted } from "effect"
import { eventually } from "../eventually.js"
import { describeWith } from "../programs.js"
import type { Ended } from "./program.js"
import { ended, home, run, start } from "./program.js"
import { atTerminal, inShell, script } from "./terminal.js"

const environment = (server: AuthorizationServer.Service, api: string) => ({
  OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
  OAUTH_CLIENT_ID: server.clients.basic.id,
  OAUTH_CLIENT_SECRET: Redacted.value(server.clients.basic.secret),
  OAUTH_SCOPES: "calls:read",
  OAUTH_API_URL: api
})

const tellsNothing = ({ stderr, stdout }: Ended, ...secrets: ReadonlyArray<string>) => {
  for (const secret of secrets) assert.notInclude(stdout + stderr, secret)
  assert.notInclude(stdout + stderr, "\u001b")
}

/** A user, with a token in the store, and an API that asks the server about each token. */
const protectedApi = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
  const api = yield* Effect.provideService(ProtectedApi.make, AuthorizationServer.AuthorizationServer, server)
  const user = yield* home
  const env = environment(server, api.origin)
  const token = (yield* run(user, ["token"], { env })).stdout.trim()
  return { server, api, user, env, token }
})

interface Recorded {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A user, and an API that takes any token and remembers what it got. */
const recordingApi = (
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => void response.end("fine")
) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
    const api = yield* LoopbackServer.make
    const seen: Array<Recorded> = []
    yield* api.handle((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const { headers, method, url } = request
        seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() })
        answer(request, response)
      })
    })
    const user = yield* home
    return { server, origin: api.origin, api, user, env: environment(server, api.origin), seen }
  })

describe("call", () => {
  // SPEC G5
  it.scoped("sends a request with the token that is kept, and shows the answer alone", () =>
    Effect.gen(function*() {
      const { api, env, server, token, user } = yield* protectedApi
      const got = yield* run(user, ["call", "GET", api.callsUrl], { env })
      assert.deepStrictEqual(got, { code: 0, signal: null, stdout: "{\"calls\":[]}", stderr: "" })
      const posted = yield* run(user, ["call", "post", api.callsUrl, "-d", "{\"a\":\"ü\"}", "-i"], { env })
      assert.strictEqual(posted.code, 0, posted.stderr)
      assert.match(posted.stdout, /^HTTP\/1\.1 201 Created\r\n(?:[\w-]+: .*\r\n)+\r\n\{"a":"ü"\}$/)
      tellsNothing(posted, token, env.OAUTH_CLIENT_SECRET)
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
      assert.deepStrictEqual((yield* api.seen).statuses, { 200: 1, 201: 1 })
    }))

  it.scoped("a token that the API refuses is renewed, and the request sent once more, where its body is still there", () =>
    Effect.gen(function*() {
      const { api, env, server, token, user } = yield* protectedApi
      writeFileSync(join(user.cwd, "body"), "x".repeat(200_000))
      for (
        const [args, stdout] of [[["GET"], "{\"calls\":[]}"], [["POST", "-d", "a=1"], "a=1"], [
          ["POST", "-d", "@body"],
          "x".repeat(200_000)
        ]] as const
      ) {
        yield* server.revokeAll
        const { seen } = api
        const before = yield* seen
        const [method, ...more] = args
        const ended = yield* run(user, ["call", ...more, method!, api.callsUrl], { env })
        assert.deepStrictEqual([ended.code, ended.stdout], [0, stdout], ended.stderr)
        assert.match(ended.stderr, /^\S+ WARN access token refused before its expiry.*\n$/)
        assert.strictEqual((yield* seen).calls - before.calls, 2)
        tellsNothing(ended, token)
      }
      assert.strictEqual((yield* server.seen).tokensIssued, 4)

      yield* server.revokeAll
      const input = { env, input: "from a pipe" }
      const once = yield* run(user, ["call", "POST", api.callsUrl, "-d", "@-", "--fail"], input)
      assert.strictEqual(once.code, 3)
      assert.match(once.stderr, /answered 401 Unauthorized\. It says: invalid_token; .* cannot be sent again/)
      const next = yield* run(user, ["call", "POST", api.callsUrl, "-d", "@-", "--fail"], input)
      assert.deepStrictEqual([next.code, next.stdout], [0, "from a pipe"])
    }))

  it.scoped("a token goes to the origins of the profile alone", () =>
    Effect.gen(function*() {
      const { env, origin, seen, server, user } = yield* recordingApi()
      const { OAUTH_API_URL: _, ...without } = env
      const none = yield* run(user, ["call", "GET", `${origin}/x?key=hidden`], { env: without })
      assert.strictEqual(none.code, 2)
      assert.include(none.stderr, "names no API")
      assert.include(none.stderr, `OAUTH_API_URL=${origin}`)
      assert.notInclude(none.stderr, "hidden")
      const other = yield* run(user, ["call", "GET", origin, "--json"], {
        env: { ...env, OAUTH_API_URL: "https://api.example.com" }
      })
      assert.strictEqual(other.code, 2)
      assert.include(JSON.parse(other.stderr).error.message, `--origin ${origin}`)
      for (
        const args of [
          ["http://api.example.com/", "--origin", "http://api.example.com"],
          [origin.replace("//", "//user:pass@")],
          [origin, "-H", "Authorization: Bearer mine"],
          [origin.replace("http:", "ftp:")]
        ]
      ) {
        const refused = yield* run(user, ["call", "GET", ...args], { env })
        assert.strictEqual(refused.code, 2, args.join(" "))
        assert.notMatch(refused.stderr, /pass|mine/)
      }
      assert.deepStrictEqual(seen, [])
      assert.strictEqual((yield* server.seen).tokenRequests, 0)
      const named = yield* run(user, ["call", "GET", origin, "--origin", origin], { env: without })
      assert.deepStrictEqual([named.code, named.stdout], [0, "fine"])
    }))

  it.scoped("method, headers and body are as they were asked for", () =>
    Effect.gen(function*() {
      const { env, origin, seen, user } = yield* recordingApi()
      writeFileSync(join(user.cwd, "body.bin"), Buffer.from([0, 1, 2]))
      const send = (...args: ReadonlyArray<string>) => run(user, ["call", ...args], { env, input: "[1]\n" })
      yield* send(
        "DELETE",
        `${origin}/a%2Fb?q=1&r=%20#part`,
        "-H",
        "X-One: 1",
        "-H",
        "x-one: 2",
        "-H",
        "Accept: text/csv"
      )
      yield* send("POST", origin, "-d", "a=1", "-d", "b=-2")
      yield* send("POST", origin, "-d", "-x")
      yield* send("PUT", origin, "-d", "@body.bin")
      yield* send("PATCH", origin, "-d", "@-")
      yield* send("POST", origin, "-d", "{}", "-H", "Content-Type: application/merge-patch+json")
      const [plain, form, dashed, file, input, typed] = seen
      assert.deepInclude(plain, { method: "DELETE", url: "/a%2Fb?q=1&r=%20", body: "" })
      assert.deepInclude(plain!.headers, { "x-one": "1, 2", accept: "text/csv" })
      assert.match(plain!.headers["user-agent"]!, /^effect-bearer\/\d/)
      for (const name of ["content-type", "traceparent", "b3"]) assert.notProperty(plain!.headers, name)
      assert.match(plain!.headers.authorization!, /^Bearer [\w-]+$/)
      const bodies = [form, dashed, file, input, typed].map((one) => [one!.headers["content-type"], one!.body])
      assert.deepStrictEqual(bodies, [
        ["application/x-www-form-urlencoded", "a=1&b=-2"],
        ["application/x-www-form-urlencoded", "-x"],
        ["application/octet-stream", "\u0000\u0001\u0002"],
        ["application/json", "[1]\n"],
        ["application/merge-patch+json", "{}"]
      ])
      assert.strictEqual(file!.headers["content-length"], "3")
      assert.strictEqual(input!.headers["transfer-encoding"], "chunked")
      for (const args of [["-d", "@nothing"], ["-d", "@."], ["-d", "@body.bin", "-d", "a"]]) {
        assert.strictEqual((yield* send("POST", origin, ...args)).code, 2, args.join(" "))
      }
      assert.lengthOf(seen, 6)
      // a pipe with a name is read once
      const pipe = yield* inShell(
        user,
        "printf '{\"a\":1}' | \"$@\"",
        ["call", "POST", origin, "-d", "@/dev/stdin"],
        env
      )
      assert.strictEqual(pipe.code, 0, pipe.stderr)
      assert.deepInclude(seen[6], { body: "{\"a\":1}" })
    }))

  it.scoped("what the API says becomes an exit code with --fail, and redirects are told", () =>
    Effect.gen(function*() {
      const { env, origin, seen, user } = yield* recordingApi((request, response) => {
        response.statusCode = Number(request.url!.slice(1))
        response.setHeader("location", "https://elsewhere.example.com/path?secret=1")
        response.end("page")
      })
      const call = (status: number, ...args: ReadonlyArray<string>) =>
        run(user, ["call", "GET", `${origin}/${status}`, ...args], { env })
      for (const [status, code] of [[200, 0], [403, 3], [404, 1], [500, 1]] as const) {
        const plain = yield* call(status)
        assert.deepStrictEqual([plain.code, plain.stdout], [0, "page"])
        const failing = yield* call(status, "--fail")
        assert.deepStrictEqual([failing.code, failing.stdout], [code, "page"], String(status))
        if (code !== 0) assert.include(failing.stderr, `answered ${status}`)
      }
      const quiet = yield* call(404, "-q")
      assert.strictEqual(quiet.stderr, "")
      const json = yield* call(500, "--fail", "--json")
      assert.include(JSON.parse(json.stderr).error.message, "500")
      const before = seen.length
      const redirected = yield* call(302, "--fail")
      assert.strictEqual(redirected.code, 0)
      assert.match(redirected.stderr, /302 Found and leads to https:\/\/elsewhere\.example\.com\. Redirects are not/)
      assert.notInclude(redirected.stderr, "secret")
      assert.strictEqual(seen.length - before, 1)
    }))

  it.scoped("bytes pass unaltered, to standard output and to a file that is there when it is whole", () =>
    Effect.gen(function*() {
      const bytes = randomBytes(300_000)
      const { env, origin, user } = yield* recordingApi((request, response) => {
        if (request.url === "/cut") {
          response.setHeader("content-length", "1000")
          response.write("begin")
          return void setTimeout(() => response.destroy(), 50)
        }
        response.end(bytes)
      })
      const digest = yield* inShell(user, "\"$@\" | sha256sum", ["call", "GET", origin], env)
      assert.strictEqual(digest.stdout.slice(0, 64), createHash("sha256").update(bytes).digest("hex"))
      const written = yield* run(user, ["call", "GET", origin, "-o", "answer"], { env })
      assert.deepStrictEqual(written, { code: 0, signal: null, stdout: "", stderr: "" })
      assert.isTrue(readFileSync(join(user.cwd, "answer")).equals(bytes))

      const cut = yield* run(user, ["call", "GET", `${origin}/cut`, "-o", "answer"], { env })
      assert.strictEqual(cut.code, 4)
      assert.match(cut.stderr, /broke off after 5 bytes/)
      assert.isTrue(readFileSync(join(user.cwd, "answer")).equals(bytes))
      const cutNew = yield* run(user, ["call", "GET", `${origin}/cut`, "-o", "new"], { env })
      assert.strictEqual(cutNew.code, 4)
      assert.deepStrictEqual(readdirSync(user.cwd), ["answer"])
      assert.strictEqual((yield* run(user, ["call", "GET", origin, "-o", "no/such/folder"], { env })).code, 1)
      assert.strictEqual((yield* run(user, ["call", "GET", origin, "-o", "/dev/full"], { env })).code, 1)
      assert.strictEqual((yield* run(user, ["call", "GET", origin, "-o", "/dev/null"], { env })).code, 0)
      const full = yield* inShell(user, "\"$@\" > /dev/full", ["call", "GET", origin], env)
      assert.strictEqual(full.code, 1)
      assert.match(full.stderr, /ENOSPC/)
    }))

  it.scopedLive("a reader that goes ends the request, without a word", () =>
    Effect.gen(function*() {
      let closed = 0
      const { env, origin, user } = yield* recordingApi((_, response) => {
        const timer = setInterval(() => response.write("line\n".repeat(10_000)), 1)
        response.on("close", () => {
          clearInterval(timer)
          closed++
        })
      })
      const child = yield* start(user, ["call", "GET", origin], { env })
      child.stdin.end()
      child.stdout.once("data", () => child.stdout.destroy())
      let stderr = ""
      child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text)
      const code = yield* Effect.async<number | null>((resume) => {
        child.on("exit", (code) => resume(Effect.succeed(code)))
      })
      assert.deepStrictEqual([code, stderr], [0, ""])
      yield* eventually(Effect.sync(() => closed), (closed) => closed === 1)
    }))

  it.scoped("an API that refuses before it has read a long body", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
      const api = yield* LoopbackServer.make
      const tokens: Array<string | undefined> = []
      let received = 0
      yield* api.handle((request, response) => {
        tokens.push(request.headers.authorization)
        if (tokens.length === 1) {
          response.writeHead(401, { "www-authenticate": "Bearer error=\"invalid_token\"" }).end()
          return
        }
        request.on("data", (chunk: Buffer) => received += chunk.length)
        request.on("end", () => response.end("stored"))
      })
      const user = yield* home
      const bytes = 8 * 1024 * 1024
      writeFileSync(join(user.cwd, "large"), Buffer.alloc(bytes))
      const put = yield* run(user, ["call", "PUT", api.origin, "-d", "@large"], {
        env: environment(server, api.origin)
      })
      assert.deepStrictEqual([put.code, put.stdout], [0, "stored"], put.stderr)
      assert.strictEqual(received, bytes)
      assert.lengthOf(new Set(tokens), 2)
    }))

  it.scoped("an API that is not there, and one that takes too long", () =>
    Effect.gen(function*() {
      const { api, env, origin, user } = yield* recordingApi(() => {})
      const slow = yield* run(user, ["call", "GET", origin, "--timeout", "500ms", "-o", "file"], { env })
      assert.strictEqual(slow.code, 4)
      assert.include(slow.stderr, "took longer than 500ms")
      assert.isFalse(existsSync(join(user.cwd, "file")))
      yield* api.refuse
      const gone = yield* run(user, ["call", "GET", `${origin}/?key=hidden`, "--json"], { env })
      assert.strictEqual(gone.code, 4)
      const { error } = JSON.parse(gone.stderr)
      assert.strictEqual(error.code, "transport-error")
      assert.include(error.message, "ECONNREFUSED")
      assert.notInclude(gone.stderr, "hidden")
    }))

  // SPEC G8. FAULTS W: a terminal that was closed left half an answer in a file with a name that nobody knows
  for (const [name, expected] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    it.scopedLive(`${name} ends the request and leaves no file behind`, () =>
      Effect.gen(function*() {
        let closed = 0
        const { env, origin, user } = yield* recordingApi((_, response) => {
          response.write("begin")
          response.on("close", () => closed++)
        })
        const child = yield* start(user, ["call", "GET", origin, "-o", "file"], { env })
        child.stdin.end()
        const end = yield* Effect.fork(ended(child))
        yield* eventually(Effect.sync(() => readdirSync(user.cwd)), (files) => files.length === 1)
        child.kill(name)
        const { code, stderr } = yield* end
        assert.deepStrictEqual([code, stderr], [expected, ""])
        assert.deepStrictEqual(readdirSync(user.cwd), [])
        yield* eventually(Effect.sync(() => closed), (closed) => closed === 1)
      }))
  }
})

const megabytes = 256

/** The most memory that a process has had so far, in MiB (Linux). */
const peakOf = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024

describe.runIf(process.platform === "linux")("call with a large body", () => {
  it.scoped("neither body nor answer is ever whole in memory", () =>
    Effect.gen(function*() {
      const peaks: Array<number> = []
      let received = 0
      let pid = 0
      const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
      const api = yield* LoopbackServer.make
      const user = yield* home
      const env = environment(server, api.origin)
      const chunk = Buffer.alloc(1024 * 1024, "a")
      yield* api.handle((request, response) => {
        request.on("data", (chunk: Buffer) => received += chunk.length)
        request.on("end", () => {
          const count = Number(request.url!.slice(1))
          let sent = 0
          const next = (): void => {
            if (sent++ < count) return void response.write(chunk, next)
            peaks.push(peakOf(pid))
            response.end()
          }
          next()
        })
      })
      const call = (count: number) =>
        Effect.gen(function*() {
          const child = yield* start(user, ["call", "POST", `${api.origin}/${count}`, "-d", "@-"], { env })
          pid = child.pid!
          const feed = (left: number): void => {
            if (left === 0) return void child.stdin.end()
            child.stdin.write(chunk, () => feed(left - 1))
          }
          feed(Math.max(1, count))
          let length = 0
          child.stdout.on("data", (chunk: Buffer) => length += chunk.length)
          const code = yield* Effect.async<number | null>((resume) => {
            child.on("close", (code) => resume(Effect.succeed(code)))
          })
          assert.strictEqual(code, 0)
          return length
        }).pipe(Effect.scoped)
      yield* call(0)
      assert.strictEqual(yield* call(megabytes), megabytes * chunk.length)
      assert.strictEqual(received, (megabytes + 1) * chunk.length)
      const [small, large] = peaks
      assert.isBelow(large! - small!, megabytes / 2, `${small} MiB, then ${large} MiB`)
    }))
})

describeWith([script], "call at a terminal", () => {
  it.scoped("shows text, and no bytes that a terminal could take for commands", () =>
    Effect.gen(function*() {
      const { env, origin, user } = yield* recordingApi((request, response) => {
        response.end(request.url === "/bytes" ? Buffer.from([0x1b, 0x5b, 0, 0xff]) : "text\n")
      })
      const text = yield* atTerminal(user, ["call", "GET", `${origin}/text`], { env })
      assert.deepStrictEqual(text, { code: 0, shown: "text\n" })
      const bytes = yield* atTerminal(user, ["call", "GET", `${origin}/bytes`], { env })
      assert.strictEqual(bytes.code, 1)
      assert.include(bytes.shown, "-o FILE")
      assert.notInclude(bytes.shown, "\u001b")
    }))
})
