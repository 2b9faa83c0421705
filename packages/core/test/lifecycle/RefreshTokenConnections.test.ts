// Whether a refresh token that rotates outlives a request that was never sent.
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Net from "node:net"
import { inspect } from "node:util"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient, Undici } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, TestClock } from "effect"
import { ClientAuthentication, TokenSource } from "../../src/index.js"

const error = (message: string, members: object = {}): Error => Object.assign(new Error(message), members)
const system = (syscall: string, code: string): Error => error(`${syscall} ${code}`, { code, syscall })
const fetchFailed = (cause: unknown): TypeError => new TypeError("fetch failed", { cause })

const source = (tokenEndpoint: string, timeout?: TokenSource.Options["timeout"]) =>
  TokenSource.refreshToken({
    tokenEndpoint,
    clientId: "reports",
    authentication: ClientAuthentication.basic(Redacted.make("s3cr3t-of-the-client")),
    refreshToken: Redacted.make("refresh-0"),
    rotation: "always",
    ...timeout === undefined ? {} : { timeout }
  })

const tokens = () =>
  Response.json({ access_token: "access", token_type: "Bearer", expires_in: 60, refresh_token: "refresh-1" })

/** What comes of the next use of the refresh token, after one that failed with `cause`. */
const afterwards = (cause: unknown) =>
  Effect.gen(function*() {
    let asked = 0
    const client = HttpClient.make((request) =>
      Effect.suspend(() =>
        ++asked === 1
          ? Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause }))
          : Effect.succeed(HttpClientResponse.fromWeb(request, tokens()))
      )
    )
    const { get } = yield* Effect.provideService(
      source("https://login.example.com/token"),
      HttpClient.HttpClient,
      client
    )
    yield* Effect.flip(get())
    return yield* Effect.match(get(), { onFailure: ({ _tag }) => _tag, onSuccess: () => "a token" as const })
  })

describe("a request that was never sent does not end a login whose refresh token rotates", () => {
  const certain: ReadonlyArray<unknown> = [
    ...[
      "ECONNREFUSED",
      "ETIMEDOUT",
      "EMFILE",
      "ENFILE",
      "EADDRNOTAVAIL",
      "EACCES",
      "EPERM",
      "ENETDOWN",
      "EHOSTDOWN",
      "ENOBUFS"
    ].map((code) => system("connect", code)),
    ...["EAI_FAIL", "EAI_NODATA", "EAI_MEMORY", "ENOTFOUND", "EMFILE"].map((code) => system("getaddrinfo", code)),
    system("queryA", "ESERVFAIL"),
    fetchFailed(system("connect", "EMFILE")),
    fetchFailed(new AggregateError([system("connect", "ETIMEDOUT"), system("connect", "ENETUNREACH")])),
    fetchFailed(error("Connect Timeout Error", { code: "UND_ERR_CONNECT_TIMEOUT" })),
    error("Client network socket disconnected before secure TLS connection was established", { code: "ECONNRESET" }),
    fetchFailed(error("client error (Connect): tcp connect error: Connection timed out (os error 110)")),
    error("Unable to connect. Is the computer able to access the url?", { code: "ConnectionRefused" }),
    ...[500, 502, 504].map((status) =>
      error(`Proxy response (${status}) !== 200 when HTTP Tunneling`, { code: "UND_ERR_ABORTED" })
    ),
    error("Failed to establish tunnel: HTTP/1.1 502 Bad Gateway", { code: "ERR_PROXY_TUNNEL", statusCode: 502 })
  ]
  for (const cause of certain) {
    // FAULTS L
    it.effect(inspect(cause).split("\n")[0]!.slice(0, 110), () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* afterwards(cause), "a token")
      }))
  }
})

// FAULTS L
it.effect("the limit of the source leaves `fetch` of Node.js the time to say that it could not connect", () =>
  Effect.gen(function*() {
    const client = HttpClient.make((request) =>
      Effect.delay(
        new HttpClientError.RequestError({
          request,
          reason: "Transport",
          cause: fetchFailed(error("Connect Timeout Error", { code: "UND_ERR_CONNECT_TIMEOUT" }))
        }),
        "11 seconds"
      )
    )
    for (const timeout of [undefined, { connect: "1 hour" }] as const) {
      const { get } = yield* Effect.provideService(
        source("https://login.example.com/token", timeout),
        HttpClient.HttpClient,
        client
      )
      for (const _ of [1, 2]) {
        const use = yield* Effect.fork(Effect.flip(get()))
        yield* TestClock.adjust("11 seconds")
        const error = yield* Fiber.join(use)
        assert.strictEqual(error._tag === "EndpointTimeout" ? error.phase : error._tag, "connect")
      }
    }
  }))

describe("a request that may have been sent is not sent again", () => {
  const doubtful: ReadonlyArray<unknown> = [
    system("read", "ECONNRESET"),
    system("read", "ETIMEDOUT"),
    system("read", "EHOSTUNREACH"),
    system("write", "EPIPE"),
    error("timed out", { code: "ETIMEDOUT" }),
    error("Headers Timeout Error", { code: "UND_ERR_HEADERS_TIMEOUT" }),
    error("other side closed", { code: "UND_ERR_SOCKET" }),
    new DOMException("timed out", "TimeoutError"),
    fetchFailed(error("client error (SendRequest): No route to host (os error 113)", { code: "EHOSTUNREACH" }))
  ]
  for (const cause of doubtful) {
    it.effect(inspect(cause).split("\n")[0]!.slice(0, 110), () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* afterwards(cause), "AuthenticationRequired")
      }))
  }

  it.effect("after the limit of the source", () =>
    Effect.gen(function*() {
      let asked = 0
      const client = HttpClient.make((request) =>
        Effect.suspend(() =>
          ++asked === 1 ? Effect.never : Effect.succeed(HttpClientResponse.fromWeb(request, tokens()))
        )
      )
      const { get } = yield* Effect.provideService(
        source("https://login.example.com/token", "2 seconds"),
        HttpClient.HttpClient,
        client
      )
      const first = yield* Effect.fork(Effect.flip(get()))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(first))._tag, "EndpointTimeout")
      assert.strictEqual((yield* Effect.flip(get()))._tag, "AuthenticationRequired")
    }))
})

const listening = (server: Net.Server) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () => Effect.sync(() => void server.close())
  )

const agents = (make: () => Undici.Dispatcher) => {
  const agent = Effect.acquireRelease(Effect.sync(make), (agent) => Effect.promise(() => agent.destroy()))
  return {
    undici: NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
      Layer.provide(Layer.scoped(NodeHttpClient.Dispatcher, agent))
    ),
    fetch: Layer.unwrapScoped(Effect.map(agent, (dispatcher) =>
      Layer.provideMerge(
        FetchHttpClient.layer,
        Layer.succeed(FetchHttpClient.RequestInit, { dispatcher } as RequestInit)
      )))
  }
}

/** The errors of two uses of the refresh token. */
const twice = (tokenEndpoint: string) =>
  Effect.flatMap(source(tokenEndpoint), ({ get }) => Effect.all([Effect.flip(get()), Effect.flip(get())]))

describe("on a socket", () => {
  for (const kind of ["undici", "fetch"] as const) {
    // FAULTS L
    it.scopedLive(`${kind}: the client's own limit of connecting does not end the login`, () =>
      Effect.gen(function*() {
        // it takes the connection and never says a word of TLS
        const port = yield* listening(Net.createServer((socket) => void socket.on("error", () => undefined)))
        const clients = agents(() => new Undici.Agent({ connect: { timeout: 300 } }))
        for (const error of yield* Effect.provide(twice(`https://127.0.0.1:${port}/token`), clients[kind])) {
          assert.strictEqual(error._tag === "EndpointTimeout" ? error.phase : error._tag, "connect")
        }
      }), 20_000)

    // FAULTS L
    it.scopedLive(`${kind}: a proxy that cannot reach the server does not end the login`, () =>
      Effect.gen(function*() {
        const server = Http.createServer()
        server.on("connect", (_, socket: Net.Socket) => {
          socket.on("error", () => undefined)
          socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        })
        const port = yield* listening(server)
        const clients = agents(() => new Undici.ProxyAgent(`http://127.0.0.1:${port}`))
        for (const error of yield* Effect.provide(twice("https://login.example.test/token"), clients[kind])) {
          assert.strictEqual(error._tag, "EndpointUnavailable")
        }
      }), 20_000)
  }
})
