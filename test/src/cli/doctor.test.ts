/** `doctor` as a process: what it says, what it sends, and how it ends. */
import { writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import { Effect, Fiber, Redacted } from "effect"
import * as certificates from "../../../packages/cli/test/doctor/certificates.js"
import * as fixture from "../../../packages/cli/test/doctor/Fixture.js"
import { eventually } from "../eventually.js"
import { freePort } from "../freePort.js"
import { describeWithRedis } from "../redis/describeWithRedis.js"
import * as RedisServer from "../redis/RedisServer.js"
import type { Ended, Home } from "./program.js"
import { ended, home, run, start } from "./program.js"

interface Report {
  readonly findings: ReadonlyArray<
    { readonly code: string; readonly title: string; readonly evidence: string; readonly fix: string }
  >
  readonly checks: ReadonlyArray<{ readonly check: string; readonly outcome: string; readonly detail: string }>
  readonly requests: Readonly<Record<string, number>>
}

const reportOf = ({ stdout }: Ended): Report => JSON.parse(stdout) as Report

const codesOf = (ended: Ended): ReadonlyArray<string> => reportOf(ended).findings.map(({ code }) => code)

const environment = (server: AuthorizationServer.Service, secret = Redacted.value(server.clients.basic.secret)) => ({
  OAUTH_ISSUER: server.issuer,
  OAUTH_CLIENT_ID: server.clients.basic.id,
  OAUTH_CLIENT_SECRET: secret,
  OAUTH_SCOPES: "calls:read"
})

/** A file with one profile and a store, in the folder where the command runs. */
const configured = (user: Home, tokenEndpoint: string, store: string) =>
  Effect.sync(() =>
    writeFileSync(
      join(user.cwd, "effect-bearer.yaml"),
      [
        "profiles:",
        "  calls:",
        `    tokenEndpoint: ${tokenEndpoint}`,
        "    clientId: reports",
        "    authentication: { method: basic, secret: { env: CALLS_SECRET } }",
        store
      ].join("\n")
    )
  )

// SPEC G3
describe("doctor", () => {
  it.scoped("finds nothing at a server that works, and sends what it says", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
      const user = yield* home
      const ended = yield* run(user, ["doctor"], { env: environment(server) })
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.match(
        ended.stderr,
        /Sends at most: 2 connections without a request, 2 requests for metadata, 2 token requests, 1 introspection/
      )
      assert.match(ended.stdout, /^✔ variables of the environment\n/)
      assert.match(ended.stdout, /\n\nNothing was found\.\n$/)
      const seen = yield* server.seen
      assert.strictEqual(seen.tokenRequests, 2)
      assert.strictEqual(seen.introspections, 1)
      assert.strictEqual(seen.tokensRevoked, 0)
    }))

  it.scoped("--json is one object, --quiet says nothing else, and findings end it with 5", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
      const user = yield* home
      const wrong = "not-the-s3cret"
      const ended = yield* run(user, ["doctor", "--json", "--quiet"], { env: environment(server, wrong) })
      assert.strictEqual(ended.code, 5)
      assert.strictEqual(ended.stderr, "")
      assert.deepStrictEqual(codesOf(ended), ["wrong-credentials"])
      assert.notInclude(ended.stdout, wrong)
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
    }))

  it.scoped("for a person: evidence, fix, code, and where to read more", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
      const user = yield* home
      const ended = yield* run(user, ["doctor"], { env: environment(server, "not-the-s3cret") })
      assert.strictEqual(ended.code, 5)
      assert.match(ended.stdout, /✖ token request to /)
      assert.match(
        ended.stdout,
        /\n1 finding:\n\n1\. The client id or the secret is wrong\n {3}[^]*\n {3}Fix: [^]*\n {3}\[wrong-credentials\]\n/
      )
      assert.match(ended.stdout, /effect-bearer explain wrong-credentials\n$/)
      assert.notInclude(ended.stdout + ended.stderr, "s3cret")
      assert.notInclude(ended.stdout, "\u001b")
    }))

  it.scoped("--try says which ways work, with one request for each of the others", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
      const user = yield* home
      const ended = yield* run(user, ["doctor", "--try", "--json"], { env: environment(server) })
      assert.strictEqual(ended.code, 0, ended.stdout)
      const ways = reportOf(ended).checks.find(({ check }) => check === "ways to send id and secret")
      // oidc-provider takes both, whatever a client is registered for
      assert.strictEqual(ways?.detail, "basic works, basic-raw works, post works")
      assert.match(ended.stderr, /4 token requests/)
      assert.strictEqual((yield* server.seen).tokenRequests, 4)
    }))

  it.scoped("goes through the proxy of the environment, and says so", () =>
    Effect.gen(function*() {
      const user = yield* home
      const port = yield* fixture.listen(createServer((socket) =>
        void socket.on("data", () =>
          socket.write("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))
      ))
      const env = {
        OAUTH_TOKEN_ENDPOINT: "https://login.example.com/token",
        OAUTH_CLIENT_ID: "reports",
        OAUTH_CLIENT_SECRET: "secret-of-nobody",
        HTTPS_PROXY: `http://user:pr0xy@127.0.0.1:${port}`
      }
      const ended = yield* run(user, ["doctor", "--json"], { env })
      assert.deepStrictEqual(codesOf(ended), ["proxy-authentication"])
      assert.notInclude(ended.stdout + ended.stderr, "pr0xy")
    }))

  it.scoped("a variable that is missing is a finding, and so is one with a space", () =>
    Effect.gen(function*() {
      const user = yield* home
      const env = { OAUTH_TOKEN_ENDPOINT: "https://login.example.com/token ", OAUTH_CLIENT_ID: "reports" }
      const ended = yield* run(user, ["doctor", "--json"], { env })
      assert.strictEqual(ended.code, 5)
      assert.deepStrictEqual(codesOf(ended), ["blank-variable", "untrimmed-variable"])
    }))

  it.scoped("a configuration that cannot be read is a wrong use", () =>
    Effect.gen(function*() {
      const user = yield* home
      assert.strictEqual((yield* run(user, ["doctor"])).code, 2)
      writeFileSync(join(user.cwd, "effect-bearer.yaml"), "profiles: [")
      assert.strictEqual((yield* run(user, ["doctor"])).code, 2)
    }))

  it.scoped("a token goes to the APIs of the profile only", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
      const user = yield* home
      const env = { ...environment(server), OAUTH_API_URL: "https://api.example.com" }
      const ended = yield* run(user, ["doctor", "--api", "https://elsewhere.example.com/"], { env })
      assert.strictEqual(ended.code, 2)
      assert.strictEqual((yield* server.seen).tokenRequests, 0)
    }))

  it.scoped("an authority that is known: what is wrong with the certificate is found all the same", () =>
    Effect.gen(function*() {
      const user = yield* home
      const ca = join(user.cwd, "ca.pem")
      writeFileSync(ca, certificates.authority)
      const doctor = (tls: { readonly key: string; readonly cert: string }) =>
        Effect.gen(function*() {
          const server = yield* fixture.serve((_, response) => fixture.granted(response), { tls })
          return yield* run(user, ["doctor", "--json"], {
            env: {
              NODE_EXTRA_CA_CERTS: ca,
              OAUTH_TOKEN_ENDPOINT: `https://127.0.0.1:${server.port}/token`,
              OAUTH_CLIENT_ID: "reports",
              OAUTH_CLIENT_SECRET: "secret-of-nobody"
            }
          })
        })
      assert.deepStrictEqual(codesOf(yield* doctor(certificates.good)), [])
      assert.deepStrictEqual(codesOf(yield* doctor(certificates.expired)), ["tls-certificate-expired"])
      const elsewhere = yield* doctor(certificates.elsewhere)
      assert.deepStrictEqual(codesOf(elsewhere), ["tls-wrong-name"])
      assert.match(reportOf(elsewhere).findings[0]!.evidence, /is for login\.example\.com, not for 127\.0\.0\.1/)
    }))
})

describe("doctor, interrupted", () => {
  it.scopedLive("ends at once, and reports nothing", () =>
    Effect.gen(function*() {
      const user = yield* home
      // it never answers
      const server = yield* fixture.serve(() => {})
      const child = yield* start(user, ["doctor"], {
        env: {
          OAUTH_TOKEN_ENDPOINT: `${server.origin}/token`,
          OAUTH_CLIENT_ID: "reports",
          OAUTH_CLIENT_SECRET: "secret-of-nobody"
        }
      })
      const ending = yield* Effect.fork(ended(child))
      yield* eventually(Effect.sync(() => server.received.length), (count) => count === 1)
      child.kill("SIGINT")
      const { code, stdout } = yield* Fiber.join(ending)
      assert.strictEqual(code, 130)
      assert.strictEqual(stdout, "")
    }))
})

describeWithRedis("doctor and Redis", () => {
  const password = "r3dis-password"

  const doctor = (url: string) =>
    Effect.gen(function*() {
      const user = yield* home
      const server = yield* fixture.serve((_, response) => fixture.granted(response))
      yield* configured(user, `${server.origin}/token`, "store: { redis: { url: { env: TOKEN_STORE } } }")
      const ended = yield* run(user, ["doctor", "--json"], {
        env: { CALLS_SECRET: "secret-of-nobody", TOKEN_STORE: url }
      })
      assert.notInclude(ended.stdout + ended.stderr, password)
      return ended
    })

  it.scopedLive("a store that works", () =>
    Effect.gen(function*() {
      const redis = yield* RedisServer.start({ password })
      const ended = yield* doctor(redis.url)
      assert.deepStrictEqual(codesOf(ended), [])
      assert.strictEqual(ended.code, 0)
      // but for the number of the lease, which Redis forgets by itself
      const left = (yield* redis.cli("KEYS", "*")).split("\n")
      assert.isTrue(left.every((key) => key.endsWith(":fence")), left.join())
    }))

  it.scopedLive("store-unreachable", () =>
    Effect.gen(function*() {
      const ended = yield* doctor(`redis://:${password}@127.0.0.1:${yield* freePort}`)
      assert.deepStrictEqual(codesOf(ended), ["store-unreachable"])
      assert.strictEqual(ended.code, 5)
    }))

  it.scopedLive("store-wrong-password", () =>
    Effect.gen(function*() {
      const redis = yield* RedisServer.start({ password })
      assert.deepStrictEqual(codesOf(yield* doctor(`redis://:${password}x@127.0.0.1:${redis.port}`)), [
        "store-wrong-password"
      ])
      assert.deepStrictEqual(codesOf(yield* doctor(`redis://127.0.0.1:${redis.port}`)), ["store-wrong-password"])
    }))

  it.scopedLive("store-read-only", () =>
    Effect.gen(function*() {
      const master = yield* RedisServer.start()
      const replica = yield* RedisServer.start({ args: ["--replicaof", master.host, `${master.port}`] })
      assert.deepStrictEqual(codesOf(yield* doctor(replica.url)), ["store-read-only"])
      yield* master.cli("ACL", "SETUSER", "reader", "on", `>${password}`, "~*", "&*", "+@read", "+ping")
      assert.deepStrictEqual(codesOf(yield* doctor(`redis://reader:${password}@127.0.0.1:${master.port}`)), [
        "store-read-only"
      ])
    }))
})
