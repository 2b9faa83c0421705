import { inspect } from "node:util"
import type { HttpClient } from "@effect/platform"
import { FetchHttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Effect, Redacted } from "effect"
import { attended } from "../../../../test/src/attended.js"
import { ClientAuthentication, Grant, TokenEndpoint, TokenRequest } from "../../src/index.js"
import { secret } from "../fixtures/exchange.js"
import { selfSigned } from "../fixtures/selfSigned.js"

const clients = [
  ["undici", NodeHttpClient.layerUndici],
  ["fetch", FetchHttpClient.layer],
  ["node:http", NodeHttpClient.layer]
] as const

const connect = (tokenEndpoint: string, options: Partial<TokenEndpoint.Options> = {}) =>
  TokenEndpoint.make({
    tokenEndpoint,
    clientId: "svc-basic",
    authentication: ClientAuthentication.post(Redacted.make(secret)),
    ...options
  })

const ask = (endpoint: TokenEndpoint.TokenEndpoint) => endpoint.request(Grant.clientCredentials, TokenRequest.empty)

for (const [name, layer] of clients) {
  describe(`TokenEndpoint on a socket, ${name}`, () => {
    const test = (
      title: string,
      body: (server: AuthorizationServer.Listening) => Effect.Effect<void, unknown, HttpClient.HttpClient>
    ) =>
      it.scopedLive(
        title,
        () => Effect.flatMap(AuthorizationServer.listen(), (server) => Effect.provide(body(server), layer))
      )

    const refused = (
      server: AuthorizationServer.Listening,
      reply: Reply.Reply,
      options?: Partial<TokenEndpoint.Options>
    ) =>
      Effect.gen(function*() {
        yield* server.enqueue(reply)
        return yield* Effect.flip(ask(yield* connect(server.tokenEndpoint, options)))
      })

    test("W2.16 W4.44 each request gets a token", (server) =>
      Effect.gen(function*() {
        const endpoint = yield* connect(server.tokenEndpoint)
        for (const expected of ["token-1", "token-2", "token-3"]) {
          assert.strictEqual(Redacted.value((yield* ask(endpoint)).value), expected)
        }
        const [request] = yield* server.requests
        assert.strictEqual(request!.form.client_secret, secret)
        assert.include(request!.headers["user-agent"], "effect-bearer/")
      }))

    test("W4.40 W4.43 W4.44 resets before and in the middle of the body are TransportError", (server) =>
      Effect.gen(function*() {
        for (const reply of [Reply.reset(), Reply.resetBody(), Reply.raw("HTTP/9 what\r\n\r\n"), Reply.raw("")]) {
          const error = yield* refused(server, reply)
          assert.strictEqual(error._tag, "TransportError", inspect(reply))
          assert.notInclude(inspect(error, { depth: 9 }), secret)
        }
        const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n400\r\n{\"access_token\":\"abc\""
        assert.strictEqual((yield* refused(server, Reply.raw(chunked)))._tag, "TransportError")
        const short = yield* refused(server, Reply.wrongLength("{\"access_token\":\"abc\"}", 100))
        assert.strictEqual(short._tag, "TransportError")
        assert.strictEqual(yield* server.count, 6)
      }))

    test("W4.42 slow drip and half-open connections end at the limit", (server) =>
      Effect.gen(function*() {
        const drip = Reply.drip("{\"access_token\":\"abc\"}".padEnd(500), "50 millis")
        const cases = [
          [Reply.hang, { total: "300 millis" }, "total"],
          [Reply.hang, { connect: "200 millis" }, "connect"],
          [Reply.hangBody(), { read: "200 millis" }, "read"],
          [drip, { total: "400 millis", read: "300 millis" }, "total"]
        ] as const
        for (const [reply, timeout, phase] of cases) {
          const [elapsed, error] = yield* attended(refused(server, reply, { timeout }))
          assert.strictEqual(error._tag === "EndpointTimeout" ? error.phase : error._tag, phase)
          assert.isBelow(elapsed, 8000)
        }
        // each connection was closed, and not only forgotten
        yield* server.inFlight.pipe(
          Effect.delay("50 millis"),
          Effect.repeat({ until: (count) => count === 0 })
        )
      }))

    test("W4.42 the server cannot send more than the limit and the buffers hold", (server) =>
      Effect.gen(function*() {
        const error = yield* refused(server, Reply.huge(200 * 1_048_576))
        assert.strictEqual(error._tag, "MalformedResponse")
        assert.include(error.message, "1 MiB")
        yield* Effect.sleep("100 millis")
        // 1 MiB, and the kernel's buffers on both sides of the loopback
        assert.isBelow(yield* server.bytesSent, 16 * 1_048_576)
      }))

    test("W4.39 a 307 to another origin is refused and the secret does not arrive there", (server) =>
      Effect.scoped(Effect.gen(function*() {
        const other = yield* AuthorizationServer.listen()
        for (const status of [301, 302, 307, 308]) {
          const error = yield* refused(server, Reply.redirect(other.tokenEndpoint, status))
          assert.strictEqual(error._tag, "RejectedByEndpoint")
          assert.include(error.message, other.origin)
        }
        assert.strictEqual(yield* other.count, 0)
        assert.strictEqual(yield* server.count, 4)
      })))

    // FAULTS W: fetch and undici speak of an invalid header, as they do of one that they would not send
    test("an answer whose headers are damaged is a fault of the network, and may pass", (server) =>
      Effect.gen(function*() {
        for (const line of ["content-length : 2", "x-note: a\0b", "x note: a"]) {
          const damaged = yield* refused(server, Reply.raw(`HTTP/1.1 200 OK\r\n${line}\r\n\r\n{}`))
          assert.strictEqual(damaged._tag, "TransportError", line)
        }
      }))

    test("W1.6 HTML, and W2.16 204", (server) =>
      Effect.gen(function*() {
        assert.strictEqual((yield* refused(server, Reply.html()))._tag, "MalformedResponse")
        assert.strictEqual((yield* refused(server, Reply.status(204)))._tag, "MalformedResponse")
        assert.strictEqual((yield* refused(server, Reply.status(200)))._tag, "EndpointUnavailable")
      }))

    test("a closed port and an unknown name are TransportError", () =>
      Effect.gen(function*() {
        const gone = yield* Effect.scoped(Effect.map(AuthorizationServer.listen(), (server) => server.tokenEndpoint))
        for (const url of [gone, "https://no-such-host.invalid/token"]) {
          assert.strictEqual((yield* Effect.flip(ask(yield* connect(url))))._tag, "TransportError")
        }
      }))

    // SPEC C13
    test("an unknown authority, and a server without TLS, are TlsError", (server) =>
      Effect.scoped(Effect.gen(function*() {
        const tls = yield* AuthorizationServer.listen({ tls: selfSigned })
        const unknown = yield* Effect.flip(ask(yield* connect(tls.tokenEndpoint)))
        assert.strictEqual(unknown._tag, "TlsError")
        assert.include(unknown.message, "authority")
        assert.strictEqual(yield* tls.count, 0)
        const plain = yield* Effect.flip(ask(yield* connect(server.tokenEndpoint.replace("http:", "https:"))))
        assert.strictEqual(plain._tag, "TlsError")
        assert.include(plain.message, "handshake")
      })))

    // I8
    test("errors leave no socket busy", (server) =>
      Effect.gen(function*() {
        for (let i = 0; i < 8; i++) {
          yield* refused(server, Reply.html("<p>".padEnd(50_000), 500))
          yield* refused(server, Reply.redirect("https://auth.test"))
        }
        assert.isAtMost(yield* server.connections, name === "node:http" ? 16 : 2)
      }))
  })
}
