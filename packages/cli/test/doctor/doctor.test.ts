/** Each fault is set up for real, and doctor has to find it: its code, and no other. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import type { RunnerTestSuite } from "vitest"
import { freePort } from "../../../../test/src/freePort.js"
import type { Code } from "../../src/doctor/findings.js"
import * as findings from "../../src/doctor/findings.js"
import * as certificates from "./certificates.js"
import * as fixture from "./Fixture.js"
import { checkOf, codesOf, diagnose, evidenceOf, granted, html, json } from "./Fixture.js"

// SPEC G3

/** A token endpoint that answers every request alike. */
const endpoint = (respond: fixture.Respond) =>
  Effect.map(fixture.serve(respond), (server) => ({
    ...server,
    profile: { tokenEndpoint: `${server.origin}/token` }
  }))

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "doctor-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A test of one fault at the token endpoint, which ends with one finding. */
const finds = (
  code: Code,
  what: string,
  respond: fixture.Respond,
  expected: { readonly evidence: RegExp; readonly requests: number }
) =>
  it.scopedLive(`${code}: ${what}`, () =>
    Effect.gen(function*() {
      const server = yield* endpoint(respond)
      const report = yield* diagnose(server.profile)
      assert.deepStrictEqual(codesOf(report), [code])
      assert.match(evidenceOf(report, code), expected.evidence)
      assert.strictEqual(server.received.length, expected.requests)
      assert.strictEqual(report.requests.token, expected.requests)
    }))

describe("doctor: a profile that works", () => {
  it.scopedLive("a profile that works has no findings, and two token requests are sent", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const report = yield* diagnose(server.profile)
      assert.deepStrictEqual(codesOf(report), [])
      assert.deepStrictEqual(report.checks.filter(({ outcome }) => outcome === "found"), [])
      assert.strictEqual(server.received.length, 2)
      assert.deepStrictEqual(report.requests, {
        connections: 1,
        vault: 0,
        metadata: 0,
        token: 2,
        introspection: 0,
        revocation: 0,
        api: 0
      })
    }))
})

describe("doctor: variables and secrets", () => {
  it.scopedLive("blank-variable", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const report = yield* diagnose(server.profile, { env: { CALLS_SECRET: "  " } })
      assert.deepStrictEqual(codesOf(report), ["blank-variable"])
      assert.match(evidenceOf(report, "blank-variable"), /^CALLS_SECRET /)
      assert.strictEqual(server.received.length, 0)
    }))

  it.scopedLive("untrimmed-variable", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => json(response, 401, { error: "invalid_client" }))
      const report = yield* diagnose(server.profile, { env: { CALLS_SECRET: `${fixture.secret}\n` } })
      assert.deepStrictEqual(codesOf(report), ["untrimmed-variable", "wrong-credentials"])
      assert.match(evidenceOf(report, "untrimmed-variable"), /^CALLS_SECRET /)
    }))

  it.scopedLive("untrimmed-variable: in a file", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const file = join(yield* folder, "secret")
      writeFileSync(file, `${fixture.secret} \n`)
      const report = yield* diagnose({ ...server.profile, authentication: { method: "post", secret: { file } } })
      assert.deepStrictEqual(codesOf(report), ["untrimmed-variable"])
    }))

  it.scopedLive("untrimmed-variable: of the environment alone", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const report = yield* diagnose(server.profile, {
        from: "the environment",
        env: { OAUTH_AUDIENCE: "api\t", OAUTH_SCOPES: " " }
      })
      assert.sameMembers([...codesOf(report)], ["blank-variable", "untrimmed-variable"])
    }))

  it.scopedLive("a private key signs, and its line break is no fault", () =>
    Effect.gen(function*() {
      const server = yield* endpoint(({ body }, response) =>
        new URLSearchParams(body).has("client_assertion") ? granted(response) : json(response, 401, {})
      )
      const file = join(yield* folder, "key.pem")
      writeFileSync(file, `${certificates.good.key}\n`)
      const report = yield* diagnose({
        ...server.profile,
        authentication: { method: "private-key-jwt", key: { file } }
      }, { try: true })
      assert.deepStrictEqual(codesOf(report), [])
      // there is no other way to show such a client
      assert.strictEqual(server.received.length, 2)
      const variable = yield* diagnose({
        ...server.profile,
        authentication: { method: "private-key-jwt", key: { env: "KEY" } }
      }, { env: { KEY: `${certificates.good.key}\n` } })
      assert.deepStrictEqual(codesOf(variable), [])
    }))

  it.scopedLive("unreadable-secret: a key, and an assertion", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const file = join(yield* folder, "none")
      const key = yield* diagnose({ ...server.profile, authentication: { method: "private-key-jwt", key: { file } } })
      assert.deepStrictEqual(codesOf(key), ["unreadable-secret"])
      const assertion = yield* diagnose({ ...server.profile, grant: { type: "jwt_bearer", assertion: { file } } })
      assert.deepStrictEqual(codesOf(assertion), ["unreadable-secret"])
      const unset = yield* diagnose({
        ...server.profile,
        authentication: { method: "private-key-jwt", key: { env: "KEY" } }
      })
      assert.deepStrictEqual(codesOf(unset), ["blank-variable"])
      assert.strictEqual(server.received.length, 0)
    }))

  it.scopedLive("unreadable-secret: a Vault that refuses is asked once", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const vault = yield* fixture.serve((_, response) => json(response, 403, { errors: [fixture.tokenText] }))
      const report = yield* diagnose({
        ...server.profile,
        authentication: {
          method: "basic",
          secret: { vault: { path: "calls", field: "secret", address: vault.origin, token: { env: "VAULT_TOKEN" } } }
        }
      }, { env: { VAULT_TOKEN: "vault-token-of-nobody" } })
      assert.deepStrictEqual(codesOf(report), ["unreadable-secret"])
      assert.strictEqual(vault.received.length, 1)
      assert.strictEqual(report.requests.vault, 1)
      assert.strictEqual(server.received.length, 0)
    }))

  it.scopedLive("a secret of Vault is read once for all requests", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const vault = yield* fixture.serve((_, response) =>
        json(response, 200, { data: { data: { secret: fixture.secret }, metadata: { version: 1 } } })
      )
      const report = yield* diagnose({
        ...server.profile,
        authentication: {
          method: "basic",
          secret: { vault: { path: "calls", field: "secret", address: vault.origin, token: { env: "VAULT_TOKEN" } } }
        }
      }, { env: { VAULT_TOKEN: "vault-token-of-nobody" }, try: true })
      assert.deepStrictEqual(codesOf(report), [])
      assert.strictEqual(vault.received.length, 1)
      assert.strictEqual(server.received.length, 4)
    }))

  it.scopedLive("unreadable-secret", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const file = join(yield* folder, "none")
      const report = yield* diagnose({ ...server.profile, authentication: { method: "basic", secret: { file } } })
      assert.deepStrictEqual(codesOf(report), ["unreadable-secret"])
      assert.include(evidenceOf(report, "unreadable-secret"), file)
      assert.strictEqual(server.received.length, 0)
    }))

  it.scopedLive("unusable-profile", () =>
    Effect.gen(function*() {
      const report = yield* diagnose({ tokenEndpoint: "login.example.com/token" })
      assert.deepStrictEqual(codesOf(report), ["unusable-profile"])
    }))
})

// --- the way to the server --------------------------------------------------------------------------------------------

describe("doctor: the way to the server", () => {
  it.scopedLive("host-unknown", () =>
    Effect.gen(function*() {
      const report = yield* diagnose({ tokenEndpoint: "https://login.effect-bearer.invalid/token" })
      assert.deepStrictEqual(codesOf(report), ["host-unknown"])
      assert.strictEqual(report.requests.token, 0)
    }))

  it.scopedLive("connection-refused", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      const report = yield* diagnose({ tokenEndpoint: `http://127.0.0.1:${port}/token` })
      assert.deepStrictEqual(codesOf(report), ["connection-refused"])
      assert.match(evidenceOf(report, "connection-refused"), /ECONNREFUSED/)
      assert.strictEqual(report.requests.token, 0)
    }))

  it.scopedLive("connect-timeout", () =>
    Effect.gen(function*() {
      // it takes the connection, and says nothing
      const port = yield* fixture.listen(createServer(() => {}))
      const report = yield* diagnose({
        tokenEndpoint: `https://127.0.0.1:${port}/token`,
        timeout: Duration.millis(300)
      })
      assert.deepStrictEqual(codesOf(report), ["connect-timeout"])
      assert.match(evidenceOf(report, "connect-timeout"), /within 0\.3 s/)
    }))

  it.scopedLive("connection-failed", () =>
    Effect.gen(function*() {
      const port = yield* fixture.listen(createServer((socket) => void socket.once("data", () => socket.destroy())))
      const report = yield* diagnose({ tokenEndpoint: `http://127.0.0.1:${port}/token` })
      assert.deepStrictEqual(codesOf(report), ["connection-failed"])
      assert.strictEqual(report.requests.token, 1)
    }))

  it.scopedLive("connection-failed: it speaks no HTTP", () =>
    Effect.gen(function*() {
      const port = yield* fixture.listen(createServer((socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n")))
      const report = yield* diagnose({ tokenEndpoint: `http://127.0.0.1:${port}/token` })
      assert.deepStrictEqual(codesOf(report), ["connection-failed"])
      assert.match(evidenceOf(report, "connection-failed"), /speaks no HTTP/)
    }))

  // Linux drops what does not fit into the queue of connections that nobody has accepted
  it.scopedLive.skipIf(process.platform !== "linux")("connect-timeout: nothing answers", () =>
    Effect.gen(function*() {
      const { port, stop } = yield* fixture.stuck
      yield* stop
      const report = yield* diagnose({
        tokenEndpoint: `http://127.0.0.1:${port}/token`,
        timeout: Duration.millis(300)
      })
      assert.deepStrictEqual(codesOf(report), ["connect-timeout"])
      assert.match(evidenceOf(report, "connect-timeout"), /the connection was not answered within 0\.3 s/)
      assert.strictEqual(report.requests.token, 0)
    }))

  it.scopedLive("read-timeout", () =>
    Effect.gen(function*() {
      const server = yield* endpoint(() => {})
      const report = yield* diagnose({ ...server.profile, timeout: Duration.seconds(2) })
      assert.deepStrictEqual(codesOf(report), ["read-timeout"])
      assert.match(evidenceOf(report, "read-timeout"), /did not answer within 2 s/)
      assert.strictEqual(server.received.length, 1)
    }))

  const overTls = (
    what: string,
    tls: Parameters<typeof fixture.serve>[1],
    expected: ReadonlyArray<Code>,
    evidence: RegExp
  ) =>
    it.scopedLive(what, () =>
      Effect.gen(function*() {
        const server = yield* fixture.serve((_, response) => granted(response), tls)
        const report = yield* diagnose({ tokenEndpoint: `https://127.0.0.1:${server.port}/token` })
        assert.deepStrictEqual(codesOf(report), expected)
        assert.match(evidenceOf(report, expected[0]!), evidence)
        assert.strictEqual(server.received.length, 0)
      }))

  overTls(
    "tls-certificate-expired",
    { tls: certificates.expired },
    ["tls-certificate-expired"],
    /ended on 2001-01-01/
  )
  overTls("tls-self-signed", { tls: certificates.selfSigned }, ["tls-self-signed"], /"localhost".*SELF_SIGNED/)
  overTls(
    "tls-self-signed: an unknown authority",
    { tls: certificates.good },
    ["tls-self-signed"],
    /Authority of the tests/
  )
  overTls(
    "tls-wrong-name",
    { tls: certificates.elsewhere },
    ["tls-self-signed", "tls-wrong-name"],
    /./
  )
  overTls(
    "tls-old-version",
    {
      tls: { ...certificates.good, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }
    },
    ["tls-old-version"],
    /1\.2 is the least/
  )
  overTls("tls-failed", {}, ["tls-failed"], /TLS handshake failed/)

  /** A proxy that answers each thing it is sent with the next of these. */
  const proxy = (...answers: ReadonlyArray<string>) =>
    Effect.map(
      fixture.listen(createServer((socket) => {
        let next = 0
        socket.on("data", () => void socket.write(answers[Math.min(next++, answers.length - 1)]!))
      })),
      (port) => `http://user:pr0xy-password@127.0.0.1:${port}`
    )
  const page = "<!doctype html><html><title>Blocked</title></html>"
  const htmlAnswer = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${page.length}\r\n\r\n${page}`

  it.scopedLive("proxy-authentication", () =>
    Effect.gen(function*() {
      const HTTPS_PROXY = yield* proxy(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"
      )
      const report = yield* diagnose({ tokenEndpoint: "https://login.example.com/token" }, { env: { HTTPS_PROXY } })
      assert.deepStrictEqual(codesOf(report), ["proxy-authentication"])
      assert.match(evidenceOf(report, "proxy-authentication"), /407.*HTTPS_PROXY/)
      assert.notInclude(JSON.stringify(report), "pr0xy")
    }))

  it.scopedLive("proxy-in-the-way: it does not connect", () =>
    Effect.gen(function*() {
      const HTTPS_PROXY = yield* proxy("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
      const report = yield* diagnose({ tokenEndpoint: "https://login.example.com/token" }, { env: { HTTPS_PROXY } })
      assert.deepStrictEqual(codesOf(report), ["proxy-in-the-way"])
      assert.match(evidenceOf(report, "proxy-in-the-way"), /answered 403/)
    }))

  it.scopedLive("through a proxy that works: the certificate of the server is found at the request", () =>
    Effect.gen(function*() {
      const server = yield* fixture.serve((_, response) => granted(response), { tls: certificates.selfSigned })
      const tunnel = createServer((socket) =>
        void socket.once("data", () => {
          const further = connect(server.port, "127.0.0.1", () => {
            socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
            socket.pipe(further).pipe(socket)
          })
          further.on("error", () => {})
        })
      )
      const HTTPS_PROXY = `http://127.0.0.1:${yield* fixture.listen(tunnel)}`
      const report = yield* diagnose({ tokenEndpoint: "https://localhost/token" }, { env: { HTTPS_PROXY } })
      assert.deepStrictEqual(codesOf(report), ["tls-self-signed"])
      assert.strictEqual(server.received.length, 0)
    }))

  it.scopedLive("proxy-in-the-way: it answers with a page", () =>
    Effect.gen(function*() {
      const HTTP_PROXY = yield* proxy("HTTP/1.1 200 Connection established\r\n\r\n", htmlAnswer)
      const report = yield* diagnose(
        { tokenEndpoint: "http://login.example.com/token", allowInsecure: true },
        { env: { HTTP_PROXY } }
      )
      assert.deepStrictEqual(codesOf(report), ["proxy-in-the-way"])
      assert.match(evidenceOf(report, "proxy-in-the-way"), /text\/html.*HTTP_PROXY/)
    }))

  finds("proxy-in-the-way", "a page with a header of a proxy", (_, response) => html(response, 200, { via: "1.1 p" }), {
    evidence: /header via/,
    requests: 1
  })
  finds("wrong-path", "a page of a content network", (_, response) => html(response, 404, { via: "1.1 cdn" }), {
    evidence: /404/,
    requests: 1
  })
  finds("proxy-in-the-way", "the network wants a sign-in", (_, response) => html(response, 511), {
    evidence: /answered 511/,
    requests: 1
  })
})

// --- metadata -------------------------------------------------------------------------------------------------------

describe("doctor: metadata", () => {
  const issuer = (respond: (origin: string) => fixture.Respond) =>
    Effect.gen(function*() {
      const late: { respond: fixture.Respond } = { respond: () => {} }
      const server = yield* fixture.serve((request, response) => late.respond(request, response))
      late.respond = respond(server.origin)
      return server
    })

  it.scopedLive("the metadata of a server that works names every endpoint", () =>
    Effect.gen(function*() {
      const server = yield* issuer((origin) => (request, response) =>
        request.path.startsWith("/.well-known/")
          ? json(response, 200, {
            issuer: origin,
            token_endpoint: `${origin}/token`,
            introspection_endpoint: `${origin}/introspect`,
            revocation_endpoint: `${origin}/revoke`
          })
          : request.path === "/introspect"
          ? json(response, 200, { active: true })
          : request.path === "/revoke"
          ? json(response, 200, {})
          : granted(response)
      )
      const report = yield* diagnose({ issuer: server.origin })
      assert.deepStrictEqual(codesOf(report), [])
      assert.deepStrictEqual(server.received.map(({ path }) => path), [
        "/.well-known/oauth-authorization-server",
        "/token",
        "/token",
        "/introspect",
        "/revoke"
      ])
      // nobody's token is revoked
      assert.notInclude(server.received.at(-1)!.body, fixture.tokenText)
    }))

  it.scopedLive("metadata-missing", () =>
    Effect.gen(function*() {
      const server = yield* issuer(() => (_, response) => json(response, 404, {}))
      const report = yield* diagnose({ issuer: server.origin })
      assert.deepStrictEqual(codesOf(report), ["metadata-missing"])
      assert.strictEqual(server.received.length, 2)
    }))

  it.scopedLive("metadata-issuer-mismatch", () =>
    Effect.gen(function*() {
      const server = yield* issuer((origin) => (_, response) =>
        json(response, 200, { issuer: `${origin}/`, token_endpoint: `${origin}/token` })
      )
      const report = yield* diagnose({ issuer: server.origin })
      assert.deepStrictEqual(codesOf(report), ["metadata-issuer-mismatch"])
      assert.include(evidenceOf(report, "metadata-issuer-mismatch"), `${server.origin}/`)
    }))

  it.scopedLive("metadata-unusable", () =>
    Effect.gen(function*() {
      const server = yield* issuer((origin) => (_, response) => json(response, 200, { issuer: origin }))
      assert.deepStrictEqual(codesOf(yield* diagnose({ issuer: server.origin })), ["metadata-unusable"])
      const other = yield* issuer((origin) => (_, response) =>
        json(response, 200, { issuer: origin, token_endpoint: "http://elsewhere.example.com/token" })
      )
      assert.deepStrictEqual(codesOf(yield* diagnose({ issuer: other.origin })), ["metadata-unusable"])
    }))
})

// --- the token endpoint -----------------------------------------------------------------------------------------------

describe("doctor: the token endpoint", () => {
  finds(
    "redirect",
    "to another host",
    (_, response) => void response.writeHead(302, { location: "https://www.example.com/token?secret=1" }).end(),
    {
      evidence: /answered 302 and points to https:\/\/www\.example\.com\/token\.$/,
      requests: 1
    }
  )
  finds("wrong-path", "404", (_, response) => html(response, 404), { evidence: /404/, requests: 1 })
  finds("wrong-path", "a page with 200", (_, response) => html(response, 200), { evidence: /text\/html/, requests: 1 })
  finds("json-wanted", "415", (_, response) => json(response, 415, {}), { evidence: /415/, requests: 1 })
  finds(
    "json-wanted",
    "it explains so",
    (_, response) => json(response, 400, { message: "body must be application/json" }),
    { evidence: /speaks of JSON/, requests: 1 }
  )
  finds("server-failed", "503", (_, response) => json(response, 503, {}), { evidence: /503/, requests: 1 })
  finds("rate-limit-reached", "429", (_, response) => json(response, 429, {}, { "retry-after": "30" }), {
    evidence: /429.*30 s of rest/,
    requests: 1
  })
  finds(
    "wrong-credentials",
    "invalid_client",
    (_, response) => json(response, 401, { error: "invalid_client", error_description: `not ${fixture.secret}` }),
    {
      evidence: /401 with "invalid_client".*"basic"/,
      requests: 1
    }
  )
  finds(
    "grant-not-allowed",
    "unauthorized_client",
    (_, response) => json(response, 400, { error: "unauthorized_client" }),
    { evidence: /"unauthorized_client".*client_credentials/, requests: 1 }
  )
  finds("scope-refused", "invalid_scope", (_, response) => json(response, 400, { error: "invalid_scope" }), {
    evidence: /"invalid_scope"/,
    requests: 1
  })
  finds("audience-or-resource", "invalid_target", (_, response) => json(response, 400, { error: "invalid_target" }), {
    evidence: /no audience and no resource/,
    requests: 1
  })
  finds(
    "audience-or-resource",
    "it explains so",
    (_, response) => json(response, 400, { error: "invalid_request", error_description: "audience is required" }),
    {
      evidence: /speaks of the audience/,
      requests: 1
    }
  )
  finds(
    "request-refused",
    "a code of its own",
    (_, response) => json(response, 400, { error: `code_of_${fixture.tokenText}` }),
    { evidence: /a code of the server's own/, requests: 1 }
  )
  finds("request-refused", "403 of a firewall", (_, response) => html(response, 403, { "cf-ray": "1" }), {
    evidence: /403.*cf-ray/,
    requests: 1
  })
  finds("no-token-in-answer", "another member", (_, response) => json(response, 200, { token: fixture.tokenText }), {
    evidence: /no access_token/,
    requests: 1
  })
  finds(
    "no-token-in-answer",
    "more than is read",
    (_, response) => json(response, 200, { filling: "x".repeat(100_000), access_token: fixture.tokenText }),
    { evidence: /JSON/, requests: 1 }
  )
  finds(
    "compressed-answer",
    "gzip",
    (_, response) =>
      void response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(
        gzipSync(JSON.stringify({ access_token: `${fixture.tokenText}${Math.random()}`, expires_in: 3600 }))
      ),
    { evidence: /content-encoding gzip/, requests: 2 }
  )
  finds(
    "compressed-answer",
    "a coding that nobody knows",
    (_, response) =>
      void response.writeHead(200, { "content-type": "application/json", "content-encoding": "x-unknown" }).end(
        Buffer.from([1, 2, 3, 255])
      ),
    { evidence: /cannot be undone/, requests: 1 }
  )
  finds("clock-differs", "it is ten minutes ahead", (_, response) => {
    response.sendDate = false
    granted(response, {}, { date: new Date(Date.now() + 600_000).toUTCString() })
  }, { evidence: /(?:59\d|60\d) s ahead of this machine's; 30 s are allowed/, requests: 2 })
  finds("short-lifetime", "four minutes", (_, response) => granted(response, { expires_in: 240 }), {
    evidence: /lives 240 s; `ahead` is 300 s/,
    requests: 2
  })
  it.scopedLive("a token that lives as long as it is renewed ahead is no finding: five minutes are usual", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response, { expires_in: 300 }))
      assert.deepStrictEqual(codesOf(yield* diagnose(server.profile)), [])
    }))
  finds(
    "same-token-again",
    "a server with a cache",
    (_, response) => json(response, 200, { access_token: fixture.tokenText, token_type: "Bearer", expires_in: 3000 }),
    {
      evidence: /3000 s left/,
      requests: 2
    }
  )
  for (
    const headers of [
      { "x-ratelimit-limit": "100", "x-ratelimit-remaining": "3" },
      { "ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "3" },
      { "ratelimit": "limit=100, remaining=3, reset=5" },
      { "ratelimit": "\"default\";r=3;t=30", "ratelimit-policy": "\"default\";q=100;w=60" },
      { "inin-ratelimit-allowed": "100", "inin-ratelimit-count": "97" }
    ]
  ) {
    finds("rate-limit-near", Object.keys(headers)[0]!, (_, response) => granted(response, {}, headers), {
      evidence: /3 of 100 requests are left/,
      requests: 2
    })
  }
  finds("rate-limit-near", "Retry-After", (_, response) => granted(response, {}, { "retry-after": "9" }), {
    evidence: /9 s of rest/,
    requests: 2
  })

  it.scopedLive("read-timeout: at the second request only", () =>
    Effect.gen(function*() {
      let asked = 0
      const server = yield* endpoint((_, response) => void (asked++ === 0 && granted(response)))
      const report = yield* diagnose({ ...server.profile, timeout: Duration.seconds(2) })
      assert.deepStrictEqual(codesOf(report), ["read-timeout"])
      assert.match(evidenceOf(report, "read-timeout"), /did not answer within 2 s/)
    }))

  it.scopedLive("server-failed: at the second request only", () =>
    Effect.gen(function*() {
      let asked = 0
      const server = yield* endpoint((_, response) => asked++ === 0 ? granted(response) : json(response, 500, {}))
      const report = yield* diagnose(server.profile, { try: true })
      assert.deepStrictEqual(codesOf(report), ["server-failed"])
      assert.strictEqual(server.received.length, 2)
    }))

  it.scopedLive("enough left of a rate limit is no finding", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) =>
        granted(response, {}, { "x-ratelimit-limit": "100", "x-ratelimit-remaining": "50" })
      )
      const report = yield* diagnose(server.profile)
      assert.deepStrictEqual(codesOf(report), [])
      assert.strictEqual(checkOf(report, "rate limit")?.detail, "50 of 100 left")
    }))

  it.scopedLive("grant-spent", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => json(response, 400, { error: "invalid_grant" }))
      const report = yield* diagnose({
        ...server.profile,
        grant: { type: "jwt_bearer", assertion: { env: "CALLS_ASSERTION" } }
      }, { env: { CALLS_ASSERTION: "an.assertion.x" } })
      assert.deepStrictEqual(codesOf(report), ["grant-spent"])
      assert.strictEqual(server.received.length, 1)
    }))

  it.scopedLive("a refresh token is not spent", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const report = yield* diagnose({
        ...server.profile,
        grant: { type: "refresh_token", refreshToken: { env: "CALLS_REFRESH" } }
      }, { env: { CALLS_REFRESH: "refresh" } })
      assert.deepStrictEqual(codesOf(report), [])
      assert.strictEqual(server.received.length, 0)
      assert.strictEqual(checkOf(report, "token request")?.outcome, "skipped")
    }))

  it.scopedLive("scope-narrowed", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response, { scope: "calls:read" }))
      const report = yield* diagnose({ ...server.profile, scopes: ["calls:read", "calls:write"] })
      assert.deepStrictEqual(codesOf(report), ["scope-narrowed"])
      assert.match(evidenceOf(report, "scope-narrowed"), /not granted: calls:write\. Granted: calls:read\./)
    }))

  it.scopedLive("scope-narrowed: silently, in the token", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) =>
        granted(response, { access_token: fixture.jwt({ scope: "calls:read", jti: Math.random() }) })
      )
      const report = yield* diagnose({ ...server.profile, scopes: ["calls:read", "calls:write"] })
      assert.deepStrictEqual(codesOf(report), ["scope-narrowed"])
    }))

  it.scopedLive("a secret that a server sends where a name belongs is not shown", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) =>
        granted(response, {
          access_token: fixture.jwt({ scope: `a ${fixture.secret}`, aud: fixture.secret, jti: Math.random() }),
          scope: `a ${fixture.secret}`
        })
      )
      const profile = { ...server.profile, scopes: ["a", "b"], audience: ["c"] }
      assert.deepStrictEqual(codesOf(yield* diagnose(profile)), ["audience-or-resource", "scope-narrowed"])
      const redirecting = yield* endpoint((_, response) =>
        void response.writeHead(302, { location: `https://a.example/${fixture.secret}/` }).end()
      )
      assert.deepStrictEqual(codesOf(yield* diagnose(redirecting.profile)), ["redirect"])
    }))

  it.scopedLive("scope-over-broad", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response, { scope: "calls:read admin:*" }))
      const report = yield* diagnose({ ...server.profile, scopes: ["calls:read"] })
      assert.deepStrictEqual(codesOf(report), ["scope-over-broad"])
      assert.match(evidenceOf(report, "scope-over-broad"), /admin:\* was granted without/)
    }))

  it.scopedLive("audience-or-resource: the token is for another", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) =>
        granted(response, { access_token: fixture.jwt({ aud: "https://other", jti: Math.random() }) })
      )
      const report = yield* diagnose({ ...server.profile, audience: ["https://api.example.com"] })
      assert.deepStrictEqual(codesOf(report), ["audience-or-resource"])
    }))

  it.scopedLive("audience-or-resource: an opaque token where a JWT is expected", () =>
    Effect.gen(function*() {
      const server: fixture.Server = yield* fixture.serve((request, response) =>
        request.path.startsWith("/.well-known/")
          ? json(response, 200, {
            issuer: server.origin,
            token_endpoint: `${server.origin}/token`,
            jwks_uri: `${server.origin}/keys`
          })
          : granted(response)
      )
      const report = yield* diagnose({ issuer: server.origin })
      assert.deepStrictEqual(codesOf(report), ["audience-or-resource"])
      assert.match(evidenceOf(report, "audience-or-resource"), /opaque/)
    }))
})

// --- ways to authenticate -----------------------------------------------------------------------------------------------

const authorization = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

describe("doctor: authentication-style", () => {
  const accepts =
    (style: "basic" | "basic-raw" | "post", more = {}): fixture.Respond => ({ body, headers }, response) => {
      const form = new URLSearchParams(body)
      const isRight = style === "post"
        ? form.get("client_secret") === fixture.secret
        : headers.authorization ===
          authorization("reports", style === "basic" ? encodeURIComponent(fixture.secret) : fixture.secret)
      return isRight ? granted(response, more) : json(response, 401, { error: "invalid_client" })
    }

  for (const [style, configured] of [["basic", "post"], ["basic-raw", "basic"], ["post", "basic-raw"]] as const) {
    it.scopedLive(`${configured} is configured, ${style} works`, () =>
      Effect.gen(function*() {
        const server = yield* endpoint(accepts(style))
        const profile = {
          ...server.profile,
          authentication: { method: configured, secret: { env: "CALLS_SECRET" } }
        } as const
        const asked = yield* diagnose(profile, { try: true })
        assert.deepStrictEqual(codesOf(asked), ["authentication-style"])
        assert.include(evidenceOf(asked, "authentication-style"), `${style} works`)
        assert.strictEqual(server.received.length, 3)
        // without being asked to it tries nothing
        assert.deepStrictEqual(codesOf(yield* diagnose(profile)), ["wrong-credentials"])
        assert.strictEqual(server.received.length, 4)
      }))
  }

  it.scopedLive("the token that the other way of authentication got is checked as well", () =>
    Effect.gen(function*() {
      const server = yield* endpoint(accepts("post", { expires_in: 60 }))
      const report = yield* diagnose(server.profile, { try: true })
      assert.deepStrictEqual(codesOf(report), ["authentication-style", "short-lifetime"])
    }))

  it.scopedLive("if no way of authentication works the secret is wrong, and one request was sent for each way", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => json(response, 401, { error: "invalid_client" }))
      const report = yield* diagnose(server.profile, { try: true })
      assert.deepStrictEqual(codesOf(report), ["wrong-credentials"])
      assert.strictEqual(server.received.length, 3)
    }))
})

// --- the rest -------------------------------------------------------------------------------------------------------

describe("doctor: introspection, revocation, API", () => {
  const withEndpoints = (respond: fixture.Respond) =>
    Effect.map(
      fixture.serve((request, response) => request.path === "/token" ? granted(response) : respond(request, response)),
      (server) => ({
        ...server,
        profile: {
          tokenEndpoint: `${server.origin}/token`,
          introspectionEndpoint: `${server.origin}/introspect`,
          revocationEndpoint: `${server.origin}/revoke`
        }
      })
    )

  it.scopedLive("introspection-unavailable, revocation-unavailable", () =>
    Effect.gen(function*() {
      const server = yield* withEndpoints((request, response) =>
        json(response, request.path === "/revoke" ? 403 : 404, {})
      )
      const report = yield* diagnose(server.profile)
      assert.deepStrictEqual(codesOf(report), ["introspection-unavailable", "revocation-unavailable"])
      assert.strictEqual(server.count("/introspect"), 1)
      assert.strictEqual(server.count("/revoke"), 1)
    }))

  it.scopedLive("introspection-unavailable: it does not know the token", () =>
    Effect.gen(function*() {
      const server = yield* withEndpoints((_, response) => json(response, 200, { active: false }))
      assert.deepStrictEqual(codesOf(yield* diagnose(server.profile)), ["introspection-unavailable"])
    }))

  const refusedBy = (code: Code, what: string, respond: fixture.Respond, evidence: RegExp) =>
    it.scopedLive(`${code}: ${what}`, () =>
      Effect.gen(function*() {
        const server = yield* fixture.serve((request, response) =>
          request.path === "/token" ? granted(response) : respond(request, response)
        )
        const report = yield* diagnose(
          { tokenEndpoint: `${server.origin}/token` },
          { api: `${server.origin}/api/me?key=hidden` }
        )
        assert.include(codesOf(report), code)
        assert.match(evidenceOf(report, code), evidence)
        assert.notInclude(JSON.stringify(report), "hidden")
        assert.strictEqual(server.count("/api/me"), 1)
        assert.match(server.received.at(-1)!.headers.authorization ?? "", /^Bearer tok3n/)
      }))

  refusedBy(
    "api-unauthorized",
    "invalid_token",
    (_, response) => json(response, 401, {}, { "www-authenticate": "Bearer error=\"invalid_token\"" }),
    /401 with "invalid_token"/
  )
  refusedBy(
    "api-insufficient-scope",
    "403",
    (_, response) =>
      json(response, 403, {}, { "www-authenticate": "Bearer error=\"insufficient_scope\", scope=\"calls:write\"" }),
    /it wants calls:write/
  )
  refusedBy(
    "api-gateway",
    "403",
    (_, response) => html(response, 403, { via: "1.1 gateway" }),
    /403 with an HTML page.*via/
  )
  refusedBy(
    "redirect",
    "to a login page",
    (_, response) => void response.writeHead(302, { location: "/login" }).end(),
    /answered 302/
  )
  refusedBy("server-failed", "500", (_, response) => json(response, 500, {}), /answered 500/)
  refusedBy("rate-limit-reached", "429", (_, response) => json(response, 429, {}), /429/)

  it.scopedLive("connection-refused: by the API, which gets no request", () =>
    Effect.gen(function*() {
      const server = yield* endpoint((_, response) => granted(response))
      const port = yield* freePort
      const report = yield* diagnose(server.profile, { api: `http://127.0.0.1:${port}/` })
      assert.deepStrictEqual(codesOf(report), ["connection-refused"])
      assert.include(evidenceOf(report, "connection-refused"), `127.0.0.1:${port}`)
      assert.strictEqual(report.requests.api, 0)
    }))

  it.scopedLive("an API that never ends its answer has not refused the token", () =>
    Effect.gen(function*() {
      const server = yield* fixture.serve((request, response) =>
        request.path === "/token" ? granted(response) : void response.writeHead(200).write("data: 1\n\n")
      )
      const report = yield* diagnose(
        { tokenEndpoint: `${server.origin}/token`, timeout: Duration.seconds(2) },
        { api: `${server.origin}/events` }
      )
      assert.deepStrictEqual(codesOf(report), [])
      assert.strictEqual(checkOf(report, "request to")?.detail, "answered 200")
    }))

  it.scopedLive("an opaque token that the API refuses may want an audience", () =>
    Effect.gen(function*() {
      const server = yield* fixture.serve((request, response) =>
        request.path === "/token" ? granted(response) : json(response, 401, {}, { "www-authenticate": "Bearer" })
      )
      const report = yield* diagnose({ tokenEndpoint: `${server.origin}/token` }, { api: `${server.origin}/api` })
      assert.deepStrictEqual(codesOf(report), ["audience-or-resource", "api-unauthorized"])
    }))
})

describe("doctor: a folder as the store", () => {
  const works = endpoint((_, response) => granted(response))

  it.scopedLive("a folder that works is left unchanged", () =>
    Effect.gen(function*() {
      const server = yield* works
      const store = yield* folder
      const report = yield* diagnose(server.profile, { store: { folder: store } })
      assert.deepStrictEqual(codesOf(report), [])
      assert.strictEqual(checkOf(report, "token store")?.outcome, "ok")
      assert.deepStrictEqual(readdirSync(store), [])
    }))

  it.scopedLive("a folder that does not exist yet is no finding, and is not created", () =>
    Effect.gen(function*() {
      const server = yield* works
      const above = yield* folder
      const report = yield* diagnose(server.profile, { store: { folder: join(above, "tokens") } })
      assert.deepStrictEqual(codesOf(report), [])
      assert.deepStrictEqual(readdirSync(above), [])
    }))

  it.scopedLive("store-open-to-others", () =>
    Effect.gen(function*() {
      const server = yield* works
      const store = join(yield* folder, "tokens")
      mkdirSync(store)
      chmodSync(store, 0o755)
      const report = yield* diagnose(server.profile, { store: { folder: store } })
      assert.deepStrictEqual(codesOf(report), ["store-open-to-others"])
      assert.match(evidenceOf(report, "store-open-to-others"), /mode 755/)
      chmodSync(store, 0o777)
      assert.deepStrictEqual(codesOf(yield* diagnose(server.profile, { store: { folder: store } })), [
        "store-open-to-others"
      ])
    }))

  it.scopedLive("store-unreachable: a file is in its place", () =>
    Effect.gen(function*() {
      const server = yield* works
      const file = join(yield* folder, "tokens")
      writeFileSync(file, "")
      assert.deepStrictEqual(codesOf(yield* diagnose(server.profile, { store: { folder: file } })), [
        "store-unreachable"
      ])
      assert.deepStrictEqual(codesOf(yield* diagnose(server.profile, { store: { folder: join(file, "x") } })), [
        "store-unreachable"
      ])
    }))

  it.scopedLive("unusable-profile: a malformed key, whose length is not shown", () =>
    Effect.gen(function*() {
      const server = yield* works
      const store = { folder: yield* folder, sealWith: [{ env: "SEAL" }] }
      const report = yield* diagnose(server.profile, { store, env: { SEAL: "seventeen letters" } })
      assert.deepStrictEqual(codesOf(report), ["unusable-profile"])
      assert.notMatch(evidenceOf(report, "unusable-profile"), /\d/)
      assert.deepStrictEqual(codesOf(yield* diagnose(server.profile, { store, env: { SEAL: "a".repeat(64) } })), [])
      assert.deepStrictEqual(codesOf(yield* diagnose(server.profile, { store })), ["blank-variable"])
    }))

  it.scopedLive("store-read-only", () =>
    Effect.gen(function*() {
      const server = yield* works
      const store = join(yield* folder, "tokens")
      mkdirSync(store, { mode: 0o500 })
      // root may write anywhere but where the kernel says no
      const isRoot = process.getuid?.() === 0
      const report = yield* diagnose(server.profile, { store: { folder: isRoot ? "/sys" : store } })
      assert.include(codesOf(report), "store-read-only")
    }))
})

/** Whether all of the tests were run, and not those alone that somebody is at. */
const isWhole = ({ tasks }: Pick<RunnerTestSuite, "tasks">): boolean =>
  tasks.every((task) => task.mode === "run" && (task.type !== "suite" || isWhole(task)))

afterAll((suite) => {
  if (!isWhole(suite)) return
  // those of Redis are reached in test/src/cli/doctor.test.ts
  const others: ReadonlyArray<Code> = ["store-wrong-password"]
  assert.deepStrictEqual(
    findings.codes.filter((code) => !fixture.reached.has(code) && !others.includes(code)),
    [],
    "findings that no test reaches"
  )
})
