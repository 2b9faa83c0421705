/**
 * What a network and a broken server can do to a token request, over real sockets. Resets, drips, hangs, an endless
 * body and redirects are in `TokenEndpoint.socket.test.ts` of core; here is what needs a server of its own.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import type { AddressInfo, Socket } from "node:net"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import { gzipSync } from "node:zlib"
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { NodeHttpClient, Undici } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Array, Effect, Either, Layer, Redacted } from "effect"
import { ClientAuthentication, Grant, RetryPolicy, TokenEndpoint, TokenRequest } from "effect-bearer"
import { attended } from "./attended.js"

const secret = "Zk9-s3cr3t/with+odd&chars~é"

/** The client of each kind; `ca` is an authority it trusts beside those it knows. */
const clients = {
  undici: (ca?: string) =>
    Layer.scoped(
      HttpClient.HttpClient,
      Effect.acquireRelease(
        Effect.sync(() => new Undici.Agent({ connect: ca === undefined ? {} : { ca } })),
        (agent) => Effect.promise(() => agent.destroy())
      ).pipe(Effect.map((agent) => NodeHttpClient.makeUndici(agent)))
    ),
  fetch: (ca?: string) =>
    ca === undefined ? FetchHttpClient.layer : Layer.provide(
      FetchHttpClient.layer,
      Layer.scoped(
        FetchHttpClient.Fetch,
        Effect.acquireRelease(
          Effect.sync(() => new Undici.Agent({ connect: { ca } })),
          (agent) => Effect.promise(() => agent.destroy())
        ).pipe(Effect.map((dispatcher) =>
          // the global fetch takes no agent of another version of undici
          ((url: string, init: object) => Undici.fetch(url, { ...init, dispatcher })) as unknown as typeof fetch
        ))
      )
    ),
  "node:http": (ca?: string) =>
    Layer.provide(NodeHttpClient.layerWithoutAgent, NodeHttpClient.makeAgentLayer(ca === undefined ? {} : { ca }))
} as const

const kinds = Object.keys(clients) as ReadonlyArray<keyof typeof clients>

const connect = (tokenEndpoint: string, options: Partial<TokenEndpoint.Options> = {}) =>
  TokenEndpoint.make({
    tokenEndpoint,
    clientId: "svc-basic",
    authentication: ClientAuthentication.post(Redacted.make(secret)),
    timeout: "20 seconds",
    ...options
  })

const ask = (endpoint: TokenEndpoint.TokenEndpoint) =>
  Effect.map(endpoint.request(Grant.clientCredentials, TokenRequest.empty), ({ value }) => Redacted.value(value))

/** A server that knows nothing of HTTP: for each request, `answer` has the socket, and how many came before. */
const rawServer = (answer: (socket: Socket, count: number) => void) =>
  Effect.gen(function*() {
    const sockets = new Set<Socket>()
    let requests = 0
    const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
      let text = ""
      socket.setEncoding("utf8").on("data", (piece: string) => {
        text += piece
        const end = text.indexOf("\r\n\r\n")
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
        if (end < 0 || Buffer.byteLength(text.slice(end + 4)) < length) return
        text = ""
        answer(socket, requests++)
      })
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
      requests: Effect.sync(() => requests)
    }
  })

const token = (value: string) => JSON.stringify({ access_token: value, token_type: "Bearer", expires_in: 3600 })

const head = (headers: string, status = "200 OK") =>
  `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${headers}\r\n`

for (const kind of kinds) {
  const client = clients[kind]()

  describe(`a half-closed connection, ${kind}`, () => {
    // W4.40, W4.43
    it.scopedLive("the server says goodbye instead of an answer, or in the middle of one", () =>
      Effect.gen(function*() {
        const partial = [
          "",
          "HTTP/1.1 200 O",
          head(""),
          head("transfer-encoding: chunked\r\n"),
          head("transfer-encoding: chunked\r\n") + "400\r\n{\"access_token\":\"abc\"",
          head("content-length: 100\r\n") + "{\"access_token\":\"abc\"}"
        ]
        // only this side is closed: the server would go on reading, and the socket stays half open
        const server = yield* rawServer((socket, count) => void socket.end(partial[count]!))
        const endpoint = yield* connect(server.url)
        for (const sent of partial) {
          const [elapsed, error] = yield* attended(Effect.flip(ask(endpoint)))
          // a head without a length, then the end: that is an empty body, which is transient too
          const expected = sent === head("") ? "EndpointUnavailable" : "TransportError"
          assert.strictEqual(error._tag, expected, JSON.stringify(sent))
          assert.notInclude(inspect(error, { depth: 9 }), secret)
          assert.isBelow(elapsed, 5000)
        }
        assert.strictEqual(yield* server.requests, partial.length)
      }).pipe(Effect.provide(client)))

    it.scopedLive("an answer that ends with the connection, as in HTTP/1.0, is one", () =>
      Effect.gen(function*() {
        const server = yield* rawServer((socket) =>
          void socket.end(`HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n${token("old")}`)
        )
        assert.strictEqual(yield* ask(yield* connect(server.url)), "old")
      }).pipe(Effect.provide(client)))

    // W6, W4.44
    it.scopedLive("a server that drops idle connections without a word costs a retry at most", () =>
      Effect.gen(function*() {
        const server = yield* rawServer((socket, count) =>
          void socket.end(head(`content-length: ${token(`t${count}`).length}\r\n`) + token(`t${count}`))
        )
        const endpoint = yield* connect(server.url)
        const retried = RetryPolicy.retry(RetryPolicy.exponentialJitter({ base: "5 millis", maxRetries: 5 }))
        for (const _ of Array.range(1, 20)) {
          const once = yield* Effect.either(ask(endpoint))
          if (Either.isLeft(once)) assert.strictEqual(once.left._tag, "TransportError")
          assert.match(
            yield* retried(
              Effect.map(
                endpoint.request(Grant.clientCredentials, TokenRequest.empty),
                ({ value }) => Redacted.value(value)
              )
            ),
            /^t\d+$/
          )
        }
      }).pipe(Effect.provide(client)))
  })

  describe(`a Content-Length that is wrong, ${kind}`, () => {
    it.scopedLive("shorter than the body: the answer is cut there, and the rest is nobody's answer", () =>
      Effect.gen(function*() {
        const smuggled = token("smuggled")
        const second = head(`content-length: ${smuggled.length}\r\n`) + smuggled
        const first = token("first")
        const server = yield* rawServer((socket, count) => {
          const own = count === 0 ? first : token(`own-${count}`)
          socket.write(head(`content-length: ${own.length}\r\n`) + own + (count === 0 ? second : ""))
        })
        const endpoint = yield* connect(server.url)
        const retried = RetryPolicy.retry(RetryPolicy.exponentialJitter({ base: "5 millis", maxRetries: 5 }))
        const get = retried(endpoint.request(Grant.clientCredentials, TokenRequest.empty))
        assert.notStrictEqual(Redacted.value((yield* get).value), "smuggled")
        const next = yield* Effect.replicateEffect(get, 3)
        for (const { value } of next) assert.match(Redacted.value(value), /^own-\d+$/)
      }).pipe(Effect.provide(client)))

    it.scopedLive("in the middle of the JSON: broken, and no token is guessed from it", () =>
      Effect.gen(function*() {
        const server = yield* rawServer((socket) =>
          void socket.end(head("content-length: 24\r\n") + token("abcdefghij"))
        )
        const error = yield* Effect.flip(ask(yield* connect(server.url)))
        // a client may notice by itself that there is too much
        assert.include(["MalformedResponse", "TransportError"], error._tag)
        assert.notInclude(inspect(error, { depth: 9 }), "abcdefg")
      }).pipe(Effect.provide(client)))

    it.scopedLive("longer than the body, on a connection that stays open: the limit ends it", () =>
      Effect.gen(function*() {
        const server = yield* rawServer((socket) => void socket.write(head("content-length: 500\r\n") + token("abc")))
        const [elapsed, error] = yield* attended(
          Effect.flip(ask(yield* connect(server.url, { timeout: { total: "10 seconds", read: "300 millis" } })))
        )
        assert.strictEqual(error._tag === "EndpointTimeout" ? error.phase : error._tag, "read")
        assert.isBelow(elapsed, 5000)
      }).pipe(Effect.provide(client)))

    it.scopedLive("no number, negative, or two that differ: TransportError", () =>
      Effect.gen(function*() {
        const lengths = ["abc", "-1", "10\r\ncontent-length: 20"]
        const server = yield* rawServer((socket, count) =>
          void socket.end(head(`content-length: ${lengths[count]}\r\n`) + token("abc"))
        )
        const endpoint = yield* connect(server.url)
        for (const length of lengths) {
          assert.strictEqual((yield* Effect.flip(ask(endpoint)))._tag, "TransportError", length)
        }
      }).pipe(Effect.provide(client)))
  })
}

/** undici with its interceptor for compressed answers. */
const inflating = Layer.scoped(
  HttpClient.HttpClient,
  Effect.acquireRelease(
    Effect.sync(() => new Undici.Agent()),
    (agent) => Effect.promise(() => agent.destroy())
  ).pipe(
    Effect.map((agent) =>
      NodeHttpClient.makeUndici(agent.compose(Undici.interceptors.decompress({ skipErrorResponses: false })))
    )
  )
)

for (
  const [kind, client] of [
    ...kinds.map((kind) => [kind, clients[kind]()] as const),
    ["undici with decompression", inflating] as const
  ]
) {
  // I13
  describe(`a gzip bomb, ${kind}`, () => {
    for (const status of [200, 400, 500]) {
      it.scopedLive(`1 GiB in 1 MiB with status ${status} is cut off`, () =>
        Effect.gen(function*() {
          const server = yield* AuthorizationServer.listen()
          yield* server.enqueue(Reply.respond({
            status,
            headers: { "content-type": "application/json", "content-encoding": "gzip" },
            body: Array.replicate(bombMember, 64)
          }))
          const endpoint = yield* connect(server.tokenEndpoint)
          const { elapsed, error, grown } = yield* watched(Effect.flip(ask(endpoint)))
          const expected = { 200: "MalformedResponse", 400: "RejectedByEndpoint", 500: "EndpointUnavailable" }[status]
          assert.strictEqual(error._tag, expected)
          if (status === 200) assert.include(error.message, "1 MiB")
          assert.isBelow(grown, 128 * 1_048_576)
          assert.isBelow(elapsed, 10_000)
          // and nothing goes on inflating behind the caller's back
          yield* server.inFlight.pipe(
            Effect.delay("50 millis"),
            Effect.repeat({ until: (count) => count === 0 })
          )
          assert.strictEqual(yield* ask(endpoint), "token-1")
        }).pipe(Effect.provide(client)))
    }

    // FAULTS W1
    it.scopedLive("a reply that is compressed although nobody asked for it is a token, whichever client inflates it", () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.listen()
        yield* server.enqueue(Reply.respond({
          headers: { "content-type": "application/json", "content-encoding": "gzip" },
          body: gzipSync(token("abc"))
        }))
        assert.strictEqual(yield* ask(yield* connect(server.tokenEndpoint)), "abc")
      }).pipe(Effect.provide(client)))
  })
}

/** 16 MiB of zeros; a gzip file may be several of them, one after the other (RFC 1952 §2.2). */
const bombMember = gzipSync(new Uint8Array(16 * 1_048_576), { level: 9 })

/** How long it takes, and by how much the process grows meanwhile. */
const watched = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = process.memoryUsage().rss
    let peak = before
    const timer = setInterval(() => peak = Math.max(peak, process.memoryUsage().rss), 5)
    const [elapsed, error] = yield* Effect.ensuring(attended(effect), Effect.sync(() => clearInterval(timer)))
    return { elapsed, error, grown: Math.max(peak, process.memoryUsage().rss) - before }
  })

// --- TLS ---------------------------------------------------------------------------------------------------------

interface Certificates {
  /** The authority that has signed them, but for the self-signed one. */
  readonly ca: string
  readonly key: string
  readonly good: string
  readonly expired: string
  readonly notYetValid: string
  readonly wrongHost: string
  readonly selfSigned: string
}

const config = (folder: string) => `
[ca]
default_ca = it
[it]
new_certs_dir = ${folder}
database = ${folder}/index
serial = ${folder}/serial
certificate = ${folder}/ca.pem
private_key = ${folder}/key.pem
default_md = sha256
policy = anything
copy_extensions = copy
unique_subject = no
[anything]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
`

/** Made by the `openssl` program, in a folder that is gone afterwards; `undefined` if there is no such program. */
const makeCertificates = (): Certificates | undefined => {
  const folder = mkdtempSync(join(tmpdir(), "effect-bearer-tls-"))
  const openssl = (...args: ReadonlyArray<string>) =>
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] })
  const text = (file: string) => readFileSync(join(folder, file), "utf8")
  try {
    try {
      openssl("version")
    } catch {
      return undefined
    }
    writeFileSync(join(folder, "config"), config(folder))
    writeFileSync(join(folder, "index"), "")
    writeFileSync(join(folder, "serial"), "01")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem")
    const request = (subject: string) => ["-new", "-config", "config", "-key", "key.pem", "-subj", subject] as const
    openssl("req", ...request("/CN=Test authority"), "-x509", "-extensions", "root", "-days", "30", "-out", "ca.pem")
    const signed = (name: string, host: string, from: string, to: string) => {
      openssl("req", ...request(`/CN=${host}`), "-addext", `subjectAltName=DNS:${host}`, "-out", `${name}.csr`)
      openssl(
        ...["ca", "-batch", "-notext", "-config", "config", "-in", `${name}.csr`, "-out", `${name}.pem`],
        ...["-startdate", from, "-enddate", to]
      )
      return text(`${name}.pem`)
    }
    const long = ["20200101000000Z", "20991231000000Z"] as const
    const good = signed("good", "localhost", ...long)
    const expired = signed("expired", "localhost", "20200101000000Z", "20200201000000Z")
    const notYetValid = signed("early", "localhost", "20900101000000Z", "20991231000000Z")
    const wrongHost = signed("stranger", "elsewhere.example.com", ...long)
    openssl(
      "req",
      ...request("/CN=localhost"),
      "-x509",
      "-days",
      "30",
      "-addext",
      "subjectAltName=DNS:localhost",
      "-out",
      "self.pem"
    )
    return {
      ca: text("ca.pem"),
      key: text("key.pem"),
      good,
      expired,
      notYetValid,
      wrongHost,
      selfSigned: text("self.pem")
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const certificates = makeCertificates()
if (certificates === undefined) {
  const line = "SKIPPED: the tests of TLS certificates need the program `openssl`, and it is not there."
  if (process.env.CI === "true") throw new Error(line)
  console.warn(`\n${"!".repeat(line.length)}\n${line}\n${"!".repeat(line.length)}\n`)
}

// SPEC C13
describe.skipIf(certificates === undefined)("TLS", () => {
  const { ca, expired, good, key, notYetValid, selfSigned, wrongHost } = certificates ?? {} as Certificates

  for (const kind of kinds) {
    /** Asks a server with this certificate; the client trusts the authority. */
    const meet = (cert: string) =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.listen({ tls: { key, cert } })
        const result = yield* Effect.either(
          Effect.provide(Effect.flatMap(connect(server.tokenEndpoint), ask), clients[kind](ca))
        )
        return { result, requests: yield* server.count }
      })

    const refused = (name: string, cert: string, code: RegExp, advice: RegExp) =>
      it.scopedLive(`${name}, ${kind}`, () =>
        Effect.gen(function*() {
          const { requests, result } = yield* meet(cert)
          const error = Either.getOrThrow(Either.flip(result))
          assert.strictEqual(error._tag, "TlsError")
          if (error._tag !== "TlsError") return
          assert.match(error.code, code)
          assert.match(error.advice, advice)
          assert.isFalse(error.retryable)
          assert.notInclude(inspect(error, { depth: 9 }), secret)
          // the secret stayed at home
          assert.strictEqual(requests, 0)
        }))

    it.scopedLive(`a certificate in order, ${kind}`, () =>
      Effect.gen(function*() {
        const { result } = yield* meet(good)
        assert.deepStrictEqual(result, Either.right("token-1"))
      }))

    refused("an expired certificate", expired, /CERT_HAS_EXPIRED/, /has expired: have it renewed, and check the clock/)
    refused("a certificate that is not valid yet", notYetValid, /CERT_NOT_YET_VALID/, /not valid yet: check the clock/)
    refused("a self-signed certificate", selfSigned, /SELF_SIGNED/, /authority.*NODE_EXTRA_CA_CERTS/)
    refused("a certificate for another host", wrongHost, /ALTNAME_INVALID/, /another host name: check the URL/)
  }
})
