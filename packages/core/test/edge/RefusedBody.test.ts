/** The body of a response that refuses the token: read while the token is renewed, and kept for the caller. */
import * as http from "node:http"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient, Undici } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted, Stream, TestClock } from "effect"
import { AccessToken, BearerAuth, ClientAuthentication, TokenSource } from "../../src/index.js"
import { type Reply, serve } from "../support/sockets.js"

/** So many connections, and four times as many callers. */
const connections = 5

const dispatcher = Effect.acquireRelease(
  Effect.sync(() => new Undici.Agent({ connections })),
  (agent) => Effect.promise(() => agent.destroy())
)

const agent = Effect.acquireRelease(
  Effect.sync(() => new http.Agent({ keepAlive: true, maxSockets: connections })),
  (agent) => Effect.sync(() => agent.destroy())
)

const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  [
    "undici",
    Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, Layer.scoped(NodeHttpClient.Dispatcher, dispatcher))
  ],
  [
    "node",
    Layer.provide(
      NodeHttpClient.layerWithoutAgent,
      Layer.scoped(NodeHttpClient.HttpAgent, Effect.map(agent, (http) => ({ http, https: undefined }) as never))
    )
  ],
  [
    "fetch",
    Layer.provideMerge(
      FetchHttpClient.layer,
      Layer.scoped(FetchHttpClient.RequestInit, Effect.map(dispatcher, (dispatcher) => ({ dispatcher }) as RequestInit))
    )
  ]
]

describe("few connections to one origin, for tokens and API", () => {
  for (const [name, layer] of clients) {
    for (const size of [20, 70_000, 200_000]) {
      // FAULTS L
      it.scopedLive(
        `refused responses of ${size} bytes do not keep the connection from the token request (${name})`,
        () =>
          Effect.gen(function*() {
            let issued = 0
            let revoked = 0
            const reply: Reply = ({ authorization, path }, response) => {
              if (path === "/token") {
                response.setHeader("content-type", "application/json")
                const token = { access_token: `token-${++issued}`, token_type: "Bearer", expires_in: 3600 }
                response.end(JSON.stringify(token))
              } else if (Number(authorization?.split("-")[1]) <= revoked) {
                response.writeHead(401).end("x".repeat(size))
              } else response.end("ok")
            }
            const server = yield* serve(reply)
            const api = BearerAuth.layer({ origins: [server.origin] }).pipe(
              Layer.provide(TokenSource.layer({
                tokenEndpoint: `${server.origin}/token`,
                clientId: "client",
                authentication: ClientAuthentication.post(Redacted.make("secret"))
              })),
              Layer.provide(layer)
            )
            const call = Effect.flatMap(HttpClient.get(`${server.origin}/api`), (response) => response.text)
            const answers = yield* Effect.gen(function*() {
              yield* call
              revoked = issued
              return yield* Effect.forEach(Array.from({ length: 4 * connections }), () => call, {
                concurrency: "unbounded"
              })
            }).pipe(Effect.provide(api), Effect.provide(layer))
            assert.deepStrictEqual(new Set(answers), new Set(["ok"]))
            assert.strictEqual(issued, 2)
          }),
        20_000
      )
    }
  }
})

/** A response as a decorated client may give it. */
class Private {
  readonly #response: HttpClientResponse.HttpClientResponse
  readonly [HttpClientResponse.TypeId] = HttpClientResponse.TypeId
  constructor(response: HttpClientResponse.HttpClientResponse) {
    this.#response = response
  }
  get request() {
    return this.#response.request
  }
  get status() {
    return this.#response.status
  }
  get headers() {
    return this.#response.headers
  }
  get text() {
    return this.#response.text
  }
  get arrayBuffer() {
    return this.#response.arrayBuffer
  }
  get stream() {
    return this.#response.stream
  }
  toJSON() {
    return { status: this.#response.status }
  }
}

describe("a refused answer that the caller gets in the end", () => {
  /** The renewal brings the same token again, so the refused answer is the answer. */
  const refused = (
    body: BodyInit | null,
    headers: Record<string, string> = {},
    options: Omit<BearerAuth.Options, "origins"> = {}
  ) =>
    Effect.gen(function*() {
      const token = AccessToken.make({ value: "token", issuedAt: 0 })
      const source = yield* TokenSource.make(() => Effect.succeed(token))
      const inner = HttpClient.make((request) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(body, { status: 401, headers })))
      )
      return yield* BearerAuth.withBearer(inner, source, { origins: ["https://api.example.com"], ...options }).get(
        "https://api.example.com"
      )
    })

  const json = JSON.stringify({ error: "é" })
  const type = { "content-type": "application/json" }

  for (const [kind, headers] of [["of known length", { "content-length": "13" }], ["in pieces", {}]] as const) {
    it.effect(`has its body, ${kind}, in every form`, () =>
      Effect.gen(function*() {
        const response = yield* refused(json, { ...type, ...headers })
        assert.strictEqual(response.status, 401)
        assert.strictEqual(yield* response.text, json)
        assert.deepStrictEqual(yield* response.json, { error: "é" })
        const bytes = yield* (yield* refused(json, headers)).arrayBuffer
        assert.strictEqual(new TextDecoder().decode(bytes), json)
        const pieces = yield* Stream.runCollect((yield* refused(json, headers)).stream)
        assert.strictEqual(new TextDecoder().decode(Buffer.concat(Array.from(pieces))), json)
      }))
  }

  it.effect("says that its body was not kept if it was too long", () =>
    Effect.gen(function*() {
      const most = 1024 * 1024
      const response = yield* refused("x".repeat(most + 1))
      const error = yield* Effect.flip(response.text)
      assert.include(error.message, "was not kept")
      assert.strictEqual((yield* (yield* refused("x".repeat(most))).text).length, most)
    }))

  it.effect("comes though its body stalls", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(refused(new ReadableStream({ pull: () => new Promise(() => {}) })))
      yield* TestClock.adjust("2 seconds")
      const response = yield* Fiber.join(fiber)
      assert.include((yield* Effect.flip(response.text)).message, "was not kept")
    }))

  // FAULTS L
  it.effect("gives up its connection after five seconds, for the token request may wait for that very connection", () =>
    Effect.gen(function*() {
      const isFree = yield* Deferred.make<void>()
      const endless = new ReadableStream({
        pull: () => new Promise(() => {}),
        cancel: () => Deferred.unsafeDone(isFree, Effect.void)
      })
      let asked = 0
      const source = yield* TokenSource.make(() => {
        const token = AccessToken.make({ value: `token-${++asked}`, issuedAt: 0 })
        return asked === 1 ? Effect.succeed(token) : Effect.as(Deferred.await(isFree), token)
      })
      const inner = HttpClient.make((request) =>
        Effect.sync(() =>
          HttpClientResponse.fromWeb(
            request,
            request.headers.authorization === "Bearer token-1"
              ? new Response(endless, { status: 401 })
              : new Response("ok")
          )
        )
      )
      const client = BearerAuth.withBearer(inner, source, { origins: ["https://api.example.com"] })
      const fiber = yield* Effect.fork(client.get("https://api.example.com"))
      yield* TestClock.adjust("4999 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
    }))

  it.effect("says so if its body breaks off", () =>
    Effect.gen(function*() {
      const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("broken off")) })
      assert.include((yield* Effect.flip((yield* refused(broken)).text)).message, "was not kept")
    }))

  // FAULTS W
  for (const headers of [{ "content-length": "13" }, {}]) {
    it.effect(`is still readable as text if a rule of the program has read it (${JSON.stringify(headers)})`, () =>
      Effect.gen(function*() {
        let reads = 0
        const body = new ReadableStream({
          pull: (controller) => {
            reads++
            controller.enqueue(new TextEncoder().encode(json))
            controller.close()
          }
        })
        const response = yield* refused(body, { ...type, ...headers }, {
          isAuthFailure: (response) => Effect.as(Effect.orDie(response.text), true)
        })
        assert.strictEqual(yield* response.text, json)
        assert.deepStrictEqual(yield* response.json, { error: "é" })
        assert.strictEqual(reads, 1)
      }))
  }

  // FAULTS W
  it.effect("may be of a class with private fields, with and without a rule of the program", () =>
    Effect.gen(function*() {
      const inner = HttpClient.make((request) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(json, { status: 401 })))
      ).pipe(HttpClient.transformResponse(Effect.map((response) => new Private(response) as never)))
      const source = yield* TokenSource.make(() => Effect.succeed(AccessToken.make({ value: "token", issuedAt: 0 })))
      for (const options of [{}, { isAuthFailure: BearerAuth.isAuthFailure }]) {
        const bearer = BearerAuth.withBearer(inner, source, { origins: ["https://api.example.com"], ...options })
        const response = yield* bearer.get("https://api.example.com")
        assert.strictEqual(response.status, 401)
        assert.strictEqual(yield* response.text, json)
        assert.include(JSON.stringify(response), "401")
      }
    }))

  it.effect("an error for its status holds the response with the body", () =>
    Effect.gen(function*() {
      const token = AccessToken.make({ value: "token", issuedAt: 0 })
      const source = yield* TokenSource.make(() => Effect.succeed(token))
      const inner = HttpClient.filterStatusOk(HttpClient.make((request) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(json, { status: 401, headers: type })))
      ))
      const bearer = BearerAuth.withBearer(inner, source, { origins: ["https://api.example.com"] })
      const error = yield* Effect.flip(bearer.get("https://api.example.com"))
      assert.strictEqual(error._tag, "ResponseError")
      if (error._tag === "ResponseError") {
        assert.strictEqual(yield* error.response.text, json)
      }
    }))
})
