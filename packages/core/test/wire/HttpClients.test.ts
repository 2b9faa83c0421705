import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo, Socket } from "node:net"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import { inspect } from "node:util"
import * as zlib from "node:zlib"
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { NodeHttpClient, Undici } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Effect, Fiber, Layer, Option, Redacted } from "effect"
import { BearerAuth, ClientAuthentication, Grant, TokenEndpoint, TokenRequest } from "../../src/index.js"
import { authority, expired, future, good, other } from "../fixtures/certificates.js"
import { makeSource } from "../support/bearer.js"

/**
 * The three HTTP clients of the platform on Node.js behave alike: the results of the library for a server, a fault and
 * a proxy do not depend on the client.
 */
interface Client {
  readonly name: string
  readonly plain: Layer.Layer<HttpClient.HttpClient>
  /** A client that trusts our authority. */
  readonly trusting: Layer.Layer<HttpClient.HttpClient>
}

const undici = (make: () => Undici.Dispatcher) =>
  NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
    Layer.provide(Layer.scoped(
      NodeHttpClient.Dispatcher,
      Effect.acquireRelease(Effect.sync(make), (agent) => Effect.promise(() => agent.destroy()))
    ))
  )

const withInit = (init: object) =>
  Layer.provideMerge(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.RequestInit, init as RequestInit))

const fetchThrough = (make: () => Undici.Dispatcher) =>
  Layer.unwrapScoped(Effect.map(
    Effect.acquireRelease(Effect.sync(make), (agent) => Effect.promise(() => agent.destroy())),
    (dispatcher) => withInit({ dispatcher })
  ))

const trusting = () => new Undici.Agent({ connect: { ca: authority } })

const clients: ReadonlyArray<Client> = [
  { name: "undici", plain: NodeHttpClient.layerUndici, trusting: undici(trusting) },
  { name: "fetch", plain: FetchHttpClient.layer, trusting: fetchThrough(trusting) },
  {
    name: "node:http",
    plain: NodeHttpClient.layer,
    trusting: NodeHttpClient.layerWithoutAgent.pipe(Layer.provide(NodeHttpClient.makeAgentLayer({ ca: authority })))
  }
]

const listening = (server: Net.Server, scheme: string, sockets = new Set<Socket>()) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly sockets: Set<Socket> }>((resume) => {
      server.on("connection", (socket: Socket) => {
        sockets.add(socket)
        socket.on("error", () => undefined)
        socket.on("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ url: `${scheme}://localhost:${port}/token`, sockets }))
      })
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )

const serve = (
  answer: (response: Http.ServerResponse, count: number, request: Http.IncomingMessage) => void,
  tls?: Https.ServerOptions
) =>
  Effect.gen(function*() {
    const requests: Array<Http.IncomingMessage> = []
    const handle = (request: Http.IncomingMessage, response: Http.ServerResponse) => {
      request.resume().on("end", () => answer(response, requests.push(request), request))
    }
    const server = tls === undefined ? Http.createServer(handle) : Https.createServer(tls, handle)
    const { sockets, url } = yield* listening(server, tls === undefined ? "http" : "https")
    return { url, requests, sockets }
  })

interface Bytes {
  readonly bytes: string
  readonly then?: "end" | "destroy" | "hang"
}

/** Answers each request on a connection with the next of these bytes, and closes the connection if told to. */
const raw = (...answers: ReadonlyArray<Bytes>) =>
  Effect.gen(function*() {
    const state = { connections: 0, answered: 0 }
    const server = Net.createServer((socket) => {
      state.connections++
      socket.on("data", () => {
        const { bytes, then = "end" } = answers[Math.min(state.answered++, answers.length - 1)]!
        socket.write(bytes, () => {
          if (then === "end") socket.end()
          if (then === "destroy") socket.resetAndDestroy()
        })
      })
    })
    return { ...(yield* listening(server, "http")), state }
  })

const json = JSON.stringify({ access_token: "a-token", token_type: "Bearer", expires_in: 3600, scope: "a b" })

const ask = (url: string, timeout?: TokenEndpoint.Options["timeout"], secret = "correct-horse-battery") =>
  Effect.flatMap(
    TokenEndpoint.make({
      tokenEndpoint: url,
      clientId: "reports",
      authentication: ClientAuthentication.post(Redacted.make(secret)),
      timeout
    }),
    (endpoint) => endpoint.request(Grant.clientCredentials, TokenRequest.empty)
  )

const refused = (url: string, timeout?: TokenEndpoint.Options["timeout"]) => Effect.flip(ask(url, timeout))

const ok = (headers: string, body = json, version = "1.1") => `HTTP/${version} 200 OK\r\n${headers}\r\n${body}`
const length = `content-type: application/json\r\ncontent-length: ${json.length}\r\n`

for (const { name, plain, trusting } of clients) {
  describe(`HTTP clients behave alike: ${name}`, () => {
    const test = (
      title: string,
      body: Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>,
      layer = plain
    ) => it.scopedLive(title, () => Effect.provide(body, Layer.fresh(layer)), 30_000)

    // FAULTS W1, T8
    test(
      "a request has headers for what it accepts, for no cache, and for its user agent",
      Effect.gen(function*() {
        const server = yield* serve((response) => response.end(json))
        yield* ask(server.url)
        const { headers } = server.requests[0]!
        assert.strictEqual(headers["accept-encoding"], "identity")
        assert.strictEqual(headers["cache-control"], "no-store")
        assert.strictEqual(headers.accept, "application/json")
        assert.match(headers["user-agent"]!, /^effect-bearer\//)
        assert.isUndefined(headers.traceparent)
      })
    )

    test(
      "a token, in every form in which HTTP carries it",
      Effect.gen(function*() {
        const answers = [
          ok(length),
          ok("content-type: application/json\r\nconnection: close\r\n"),
          ok("content-type: application/json\r\n", json, "1.0"),
          ok(
            "transfer-encoding: chunked\r\n",
            `5\r\n${json.slice(0, 5)}\r\n${(json.length - 5).toString(16)}\r\n${json.slice(5)}\r\n0\r\n\r\n`
          ),
          `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${ok(length)}`,
          ok(`content-encoding: identity\r\n${length}`),
          `HTTP/1.1 201 Created\r\n${length}\r\n${json}`
        ]
        for (const bytes of answers) {
          const server = yield* raw({ bytes })
          assert.strictEqual(Redacted.value((yield* ask(server.url)).value), "a-token", bytes)
        }
      })
    )

    // FAULTS W1
    test(
      "a compressed body is decompressed, whatever its header says",
      Effect.gen(function*() {
        const coded: ReadonlyArray<readonly [string | undefined, Buffer]> = [
          ["gzip", zlib.gzipSync(json)],
          ["x-gzip", zlib.gzipSync(json)],
          ["GZIP", zlib.gzipSync(json)],
          [undefined, zlib.gzipSync(json)],
          ["deflate", zlib.deflateSync(json)],
          [undefined, zlib.deflateSync(json)],
          ["deflate", zlib.deflateRawSync(json)],
          ["deflate", zlib.deflateRawSync(`${json}${" ".repeat(9)}`)],
          ["deflate, gzip", zlib.gzipSync(zlib.deflateSync(json))],
          // a small window: the first byte differs
          ["deflate", zlib.deflateSync(json, { windowBits: 9 })],
          [undefined, zlib.deflateSync(json, { windowBits: 12 })],
          // several members, and bytes that belong to none
          ["gzip", Buffer.concat([zlib.gzipSync(json.slice(0, 9)), zlib.gzipSync(json.slice(9))])],
          // fetch refuses these, because it decompresses by itself
          [name === "fetch" ? undefined : "gzip", Buffer.concat([zlib.gzipSync(json), Buffer.from("\r\n")])],
          [undefined, Buffer.concat([zlib.gzipSync(json), Buffer.from("<!-- by a proxy -->")])],
          [undefined, Buffer.concat([zlib.gzipSync(`${json}${" ".repeat(70_000)}`), Buffer.from("\r\n")])],
          // a header says compressed, and the body is not
          ...(name === "fetch" ? [] : ["gzip", "br", "deflate", "zstd"]).map((coding) =>
            [coding, Buffer.from(json)] as const
          ),
          ["identity", Buffer.from(json)],
          ["utf-8", Buffer.from(json)]
        ]
        for (const [encoding, body] of coded) {
          const server = yield* serve((response) =>
            response.writeHead(200, encoding === undefined ? {} : { "content-encoding": encoding }).end(body)
          )
          assert.strictEqual(Redacted.value((yield* ask(server.url)).value), "a-token", String(encoding))
        }
      })
    )

    // FAULTS W1
    test(
      "a body that cannot be decompressed is an error that says compressed",
      Effect.gen(function*() {
        const answers: ReadonlyArray<readonly [string, Buffer, boolean]> = [
          ["gzip", zlib.gzipSync(json).subarray(0, 30), false],
          ["gzip", Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.alloc(60, 0xa5)]), true],
          ["deflate", zlib.deflateRawSync(json).subarray(0, 20), false],
          ["br", zlib.brotliCompressSync(json), name !== "fetch"],
          ["compress", Buffer.from([0x1f, 0x9d, 0x90, 1, 2, 3, 4, 5, 0xff, 0xfe]), true]
        ]
        for (const [encoding, body, must] of answers) {
          const server = yield* serve((response) =>
            response.writeHead(200, { "content-encoding": encoding, "content-type": "application/json" }).end(body)
          )
          const result = yield* Effect.either(ask(server.url))
          if (!must && result._tag === "Right") continue
          const error = yield* Effect.flip(result)
          assert.strictEqual(error._tag, "MalformedResponse", encoding)
          // undici's fetch accepts a gzip that is cut off: then the JSON is cut off
          assert.match(error.message, must ? /compressed/ : /compressed|cut/)
          assert.notInclude(inspect(error), "a-token")
        }
      })
    )

    // FAULTS W
    test(
      "a refusal whose body cannot be decompressed says so",
      Effect.gen(function*() {
        const body = `{"error":"invalid_request","error_description":"audience is missing"}`
        for (const status of [400, 401, 403]) {
          const server = yield* serve((response) =>
            response.writeHead(status, { "content-encoding": "br", "content-type": "application/json" })
              .end(zlib.brotliCompressSync(body))
          )
          const { message } = yield* refused(server.url)
          assert.include(message, name === "fetch" ? "audience is missing" : "compressed (br)")
        }
      })
    )

    // FAULTS W
    test(
      "a server that breaks the TLS 1.2 handshake off, as for a missing client certificate, is explained",
      Effect.gen(function*() {
        const server = yield* serve((response) => response.end(), {
          ...good,
          requestCert: true,
          maxVersion: "TLSv1.2",
          ca: authority
        })
        const error = yield* refused(server.url)
        assert.strictEqual(error._tag, "TlsError")
        assert.include(error.message, "client certificate (mutual TLS)")
      }),
      trusting
    )

    // FAULTS W1
    test(
      "the limit counts decompressed bytes",
      Effect.gen(function*() {
        const bomb = zlib.gzipSync(`{"access_token":"${"a".repeat(64 * 1_048_576)}"}`)
        for (const encoding of ["gzip", undefined]) {
          const server = yield* serve((response) =>
            response.writeHead(200, encoding === undefined ? {} : { "content-encoding": encoding }).end(bomb)
          )
          const error = yield* refused(server.url)
          assert.strictEqual(error._tag, "MalformedResponse")
          assert.include(error.message, "1 MiB")
        }
      })
    )

    test(
      "a refusal, with a body and without",
      Effect.gen(function*() {
        const answers: ReadonlyArray<readonly [number, Buffer | string, Http.OutgoingHttpHeaders, string]> = [
          [400, `{"error":"invalid_grant"}`, {}, "OAuthError"],
          [401, `{"error":"invalid_client"}`, { "www-authenticate": "Basic" }, "OAuthError"],
          [400, zlib.gzipSync(`{"error":"invalid_grant"}`), { "content-encoding": "gzip" }, "OAuthError"],
          [403, "", {}, "RejectedByEndpoint"],
          [404, "<html>no</html>", {}, "RejectedByEndpoint"],
          [307, "", { location: "http://127.0.0.1:9/" }, "RejectedByEndpoint"],
          [429, "", { "retry-after": "7" }, "RateLimited"],
          [500, "<html>", {}, "EndpointUnavailable"],
          [503, "", { "retry-after": "7" }, "EndpointUnavailable"],
          [204, "", {}, "MalformedResponse"],
          [200, "<html>login</html>", {}, "MalformedResponse"],
          [200, "", {}, "EndpointUnavailable"],
          // FAULTS W3
          [407, "<html>proxy</html>", { "proxy-authenticate": "Basic realm=\"Corporate\"" }, "RejectedByEndpoint"]
        ]
        for (const [status, body, headers, tag] of answers) {
          const server = yield* serve((response) => response.writeHead(status, headers).end(body))
          const error = yield* refused(server.url)
          assert.strictEqual(error._tag, tag, `${status} ${inspect(error)}`)
          assert.strictEqual(server.requests.length, 1)
          // fetch does not say that it was the proxy
          if (status === 407) assert.include(error.message, name === "fetch" ? "proxy" : "Corporate")
        }
      })
    )

    test(
      "a response that breaks on the way is a transient error",
      Effect.gen(function*() {
        const answers: ReadonlyArray<Bytes> = [
          { bytes: "", then: "destroy" },
          { bytes: "", then: "end" },
          { bytes: "HTTP/9 what\r\n\r\n" },
          { bytes: ok("content-length: 500\r\n"), then: "end" },
          { bytes: ok("content-length: 500\r\n"), then: "destroy" },
          { bytes: ok("transfer-encoding: chunked\r\n", `400\r\n${json}`), then: "end" }
        ]
        for (const answer of answers) {
          const server = yield* raw(answer)
          const error = yield* refused(server.url)
          assert.strictEqual(error._tag, "TransportError", inspect(answer))
          assert.notInclude(inspect(error), "a-token")
        }
      })
    )

    test(
      "a connection that the server closed between two requests does not fail the next one",
      Effect.gen(function*() {
        const server = yield* raw({ bytes: ok(length), then: "hang" }, { bytes: "", then: "destroy" }, {
          bytes: ok(length),
          then: "hang"
        })
        yield* ask(server.url)
        assert.strictEqual((yield* refused(server.url))._tag, "TransportError")
        yield* ask(server.url)
      })
    )

    test(
      "the limits end a request without a head, and one whose body stops or drips",
      Effect.gen(function*() {
        const phase = (url: string, timeout: TokenEndpoint.Timeouts) =>
          Effect.map(refused(url, timeout), (error) => error._tag === "EndpointTimeout" ? error.phase : error._tag)
        const hanging = yield* raw({ bytes: "", then: "hang" })
        assert.strictEqual(yield* phase(hanging.url, { connect: "100 millis" }), "connect")
        assert.strictEqual(yield* phase(hanging.url, { total: "100 millis" }), "total")
        const stopping = yield* raw({ bytes: ok("content-length: 500\r\n"), then: "hang" })
        assert.strictEqual(yield* phase(stopping.url, { read: "100 millis" }), "read")
        const dripping = yield* serve((response) => {
          response.writeHead(200)
          const timer = setInterval(() => response.write(" "), 20)
          response.on("close", () => clearInterval(timer))
        })
        assert.strictEqual(yield* phase(dripping.url, { total: "200 millis", read: "10 seconds" }), "total")
        // each connection was closed, and not only forgotten
        yield* Effect.sync(() => hanging.sockets.size + stopping.sockets.size + dripping.sockets.size).pipe(
          Effect.delay("20 millis"),
          Effect.repeat({ until: (open) => open === 0 })
        )
      })
    )

    test(
      "interruption closes the connection, before the head and in the body",
      Effect.gen(function*() {
        for (const bytes of ["", ok("content-length: 500\r\n")]) {
          const server = yield* raw({ bytes, then: "hang" })
          const fiber = yield* Effect.fork(ask(server.url))
          yield* Effect.repeat(Effect.yieldNow().pipe(Effect.delay("5 millis"), Effect.as(server.state)), {
            until: (state) => state.answered > 0
          })
          yield* Fiber.interrupt(fiber)
          yield* Effect.sync(() => server.sockets.size).pipe(
            Effect.delay("20 millis"),
            Effect.repeat({ until: (open) => open === 0 })
          )
        }
      })
    )

    test(
      "a control character in a header is InvalidConfiguration, and is not sent",
      Effect.gen(function*() {
        const server = yield* serve((response) => response.end(json))
        const injecting = ClientAuthentication.make({
          method: "injecting",
          advice: "",
          credentials: () =>
            Effect.succeed({
              headers: [["x-key", Redacted.make("correct-horse\r\nx-injected: 1")]],
              parameters: [],
              secrets: [],
              hint: Option.none()
            })
        })
        const endpoint = yield* TokenEndpoint.make({
          tokenEndpoint: server.url,
          clientId: "reports",
          authentication: injecting
        })
        const error = yield* Effect.flip(endpoint.request(Grant.clientCredentials, TokenRequest.empty))
        assert.strictEqual(error._tag, "InvalidConfiguration", inspect(error))
        assert.notInclude(inspect(error), "horse")
        assert.strictEqual(server.requests.length, 0)
      })
    )

    // SPEC C13
    test(
      "TLS: a wrong authority, end, beginning or name, and a server without TLS give different errors",
      Effect.gen(function*() {
        const advice = (url: string) =>
          Effect.map(refused(url), (error) => error._tag === "TlsError" ? error.advice : inspect(error))
        const secure = (pair: { readonly key: string; readonly cert: string }) => serve((r) => r.end(json), pair)
        assert.strictEqual(Redacted.value((yield* ask((yield* secure(good)).url)).value), "a-token")
        assert.include(yield* advice((yield* secure(expired)).url), "has expired")
        assert.include(yield* advice((yield* secure(future)).url), "not valid yet")
        assert.include(yield* advice((yield* secure(other)).url), "another host name")
        const clear = yield* serve((response) => response.end(json))
        assert.include(yield* advice(clear.url.replace("http:", "https:")), "speaks no TLS")
      }),
      trusting
    )

    test(
      "TLS: an unknown authority is a TlsError",
      Effect.gen(function*() {
        const server = yield* serve((response) => response.end(json), good)
        const error = yield* refused(server.url)
        assert.strictEqual(error._tag, "TlsError")
        assert.include(error.message, "does not know")
        assert.strictEqual(server.requests.length, 0)
      })
    )

    test(
      "bodies that are not read do not cost a connection each",
      Effect.gen(function*() {
        const server = yield* serve((response) => response.writeHead(400).end(Buffer.alloc(3 * 1_048_576, "x")))
        const opened = new Set<Duplex>()
        for (let round = 0; round < 6; round++) {
          assert.strictEqual((yield* refused(server.url))._tag, "RejectedByEndpoint")
          for (const socket of server.sockets) opened.add(socket)
        }
        yield* Effect.sync(() => server.sockets.size).pipe(
          Effect.delay("20 millis"),
          Effect.repeat({ until: (open) => open <= 1 })
        )
      })
    )

    test(
      "BearerAuth sends and replays with the token, and does not follow a redirect with it",
      Effect.gen(function*() {
        const elsewhere = yield* serve((response) => response.end("elsewhere"))
        const api = yield* serve((response, _, request) => {
          if (request.url === "/moved") return void response.writeHead(302, { location: elsewhere.url }).end()
          response.writeHead(request.headers.authorization === "Bearer t2" ? 200 : 401).end("body")
        })
        const origin = new URL(api.url).origin
        const { source } = yield* makeSource()
        const bearer = BearerAuth.withBearer(yield* HttpClient.HttpClient, source, { origins: [origin] })
        const response = yield* bearer.get(`${origin}/things`)
        assert.strictEqual(response.status, 200)
        assert.strictEqual(yield* response.text, "body")
        assert.deepStrictEqual(api.requests.map(({ headers }) => headers.authorization), ["Bearer t1", "Bearer t2"])
        yield* Effect.flatMap(bearer.get(`${origin}/moved`), (moved) => Effect.exit(moved.text))
        for (const { headers } of elsewhere.requests) assert.isUndefined(headers.authorization)
      })
    )
  })
}

describe("settings for fetch", () => {
  // FAULTS T8
  it.scopedLive("a fetch that caches unless told otherwise never gives an old token", () =>
    Effect.gen(function*() {
      const server = yield* serve((response, count) =>
        response.writeHead(200, { "cache-control": "max-age=3600" }).end(json.replace("a-token", `token-${count}`))
      )
      const kept = new Map<string, string>()
      const caching: typeof globalThis.fetch = async (input, init) => {
        const key = `${init?.method} ${String(input)}`
        const cacheable = init?.cache !== "no-store"
        if (cacheable && kept.has(key)) return new Response(kept.get(key)!)
        const response = await fetch(input, init)
        const text = await response.text()
        if (cacheable) kept.set(key, text)
        return new Response(text, response)
      }
      const twice = Effect.map(
        Effect.replicateEffect(ask(server.url), 2),
        (tokens) => tokens.map((token) => Redacted.value(token.value))
      ).pipe(Effect.provide(FetchHttpClient.layer), Effect.provideService(FetchHttpClient.Fetch, caching))
      assert.deepStrictEqual(yield* twice, ["token-1", "token-2"])
      assert.strictEqual(kept.size, 0)
      // a program that sets another cache mode gets it
      const told = Effect.provideService(twice, FetchHttpClient.RequestInit, { cache: "force-cache" })
      assert.deepStrictEqual(yield* told, ["token-3", "token-3"])
    }))

  it.scopedLive("the program's settings for fetch are kept and win, except for redirects", () =>
    Effect.gen(function*() {
      const server = yield* serve((response) => response.end(json))
      const inits: Array<RequestInit> = []
      const recording: typeof globalThis.fetch = (input, init) => {
        inits.push(init!)
        return fetch(input, init)
      }
      yield* ask(server.url).pipe(
        Effect.provide(FetchHttpClient.layer),
        Effect.provideService(FetchHttpClient.Fetch, recording),
        Effect.provideService(FetchHttpClient.RequestInit, {
          credentials: "omit",
          redirect: "follow",
          headers: { "x-gateway": "key", "user-agent": "mine", "cache-control": "max-age=1" }
        })
      )
      assert.strictEqual(inits[0]!.redirect, "manual")
      assert.strictEqual(inits[0]!.credentials, "omit")
      assert.strictEqual(inits[0]!.cache, "no-store")
      const { headers } = server.requests[0]!
      assert.strictEqual(headers["x-gateway"], "key")
      assert.strictEqual(headers["user-agent"], "mine")
      assert.strictEqual(headers["cache-control"], "max-age=1")
      assert.strictEqual(headers["content-type"], "application/x-www-form-urlencoded")
    }))

  // FAULTS T8: Cloudflare Workers before the compatibility date 2024-11-11
  it.scopedLive("a runtime that throws for a cache mode gets none", () =>
    Effect.gen(function*() {
      const server = yield* serve((response) => response.end(json))
      const strict: typeof globalThis.fetch = (input, init) =>
        init !== undefined && "cache" in init ? Promise.reject(new TypeError("no such field")) : fetch(input, init)
      const Original = globalThis.Request
      class Old extends Original {
        constructor(input: RequestInfo | URL, init?: RequestInit) {
          if (init !== undefined && "cache" in init) throw new TypeError("The 'cache' field is not implemented.")
          super(input, init)
        }
      }
      const token = yield* Effect.acquireUseRelease(
        Effect.sync(() => void (globalThis.Request = Old)),
        () =>
          ask(server.url).pipe(
            Effect.provide(FetchHttpClient.layer),
            Effect.provideService(FetchHttpClient.Fetch, strict)
          ),
        () => Effect.sync(() => void (globalThis.Request = Original))
      )
      assert.strictEqual(Redacted.value(token.value), "a-token")
    }))
})
