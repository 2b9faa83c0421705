import { FetchHttpClient, Headers, HttpBody, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import * as Undici from "@effect/platform-node/Undici"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import { eventsOf, makeSource } from "../support/bearer.js"
import { type Reply, serve } from "../support/sockets.js"

const accepting = (token: string): Reply => (received, response) =>
  void response.writeHead(received.authorization === `Bearer ${token}` ? 200 : 401).end(
    received.authorization ?? "bare"
  )

const redirecting = Layer.scoped(
  NodeHttpClient.Dispatcher,
  Effect.map(
    NodeHttpClient.makeDispatcher,
    (dispatcher) => dispatcher.compose(Undici.interceptors.redirect({ maxRedirections: 3 }))
  )
)

/** A careful `followRedirects`: the header is sent only to the origin that it was made for. */
const careful = (client: HttpClient.HttpClient, origin: () => string) =>
  HttpClient.followRedirects(
    HttpClient.transform(client, (_, request) =>
      client.execute(
        request.url.startsWith(origin())
          ? request
          : HttpClientRequest.get(request.url, { headers: Headers.remove(request.headers, "authorization") })
      ))
  )

/** Clients that follow redirects by themselves and drop the header when they go to another origin. */
const followers: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", FetchHttpClient.layer],
  ["undici", NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(redirecting))]
]

for (const [name, layer] of followers) {
  describe(`BearerAuth and redirects (${name})`, () => {
    // FAULTS T4
    it.scopedLive("a 401 from another origin, after a redirect, says nothing about the token", () =>
      Effect.gen(function*() {
        const download = yield* serve((_, response) => response.writeHead(401).end("no credentials"))
        const server = yield* serve((_, response) =>
          response.writeHead(302, { location: `${download.origin}/file` }).end()
        )
        const { source, state } = yield* makeSource()
        const client = yield* HttpClient.HttpClient
        // even if the other origin is listed, too: only an origin that got the token counts
        for (const more of [[], [download.origin]]) {
          for (const isAuthFailure of [undefined, () => true]) {
            const options = { origins: [server.origin, ...more], isAuthFailure } as const
            const plain = BearerAuth.withBearer(client, source, options)
            const filtered = BearerAuth.withBearer(HttpClient.filterStatusOk(client), source, options)
            const response = yield* plain.get(`${server.origin}/download`)
            assert.strictEqual(response.status, 401)
            assert.strictEqual(yield* response.text, "no credentials")
            yield* Effect.flip(filtered.get(`${server.origin}/download`))
          }
        }
        assert.deepStrictEqual(
          new Set(download.received.map(({ authorization }) => authorization)),
          new Set([undefined])
        )
        assert.deepStrictEqual(server.received.map(({ authorization }) => authorization), Array(8).fill("Bearer t1"))
        assert.deepStrictEqual([state.minted, state.renewals, state.invalidated.length], [1, 0, 0])
      }).pipe(Effect.provide(layer)))

    // FAULTS T4
    it.scopedLive("a 401 from the origin that got the token renews it, after a redirect as well", () =>
      Effect.gen(function*() {
        const server = yield* serve((received, response, n) =>
          received.path === "/old"
            ? response.writeHead(302, { location: "/new" }).end()
            : accepting("t2")(received, response, n)
        )
        const { source, state } = yield* makeSource()
        const client = yield* HttpClient.HttpClient
        const bearer = BearerAuth.withBearer(client, source, { origins: [server.origin] })
        const response = yield* bearer.get(`${server.origin}/old`)
        assert.strictEqual(yield* response.text, "Bearer t2")
        assert.strictEqual(state.minted, 2)
      }).pipe(Effect.provide(layer)))

    // FAULTS W
    it.scopedLive("what was accepted is not sent again: the 401 after the redirect is the caller's", () =>
      Effect.gen(function*() {
        const server = yield* serve((received, response, n) =>
          received.path === "/orders"
            ? response.writeHead(303, { location: "/orders/1" }).end()
            : accepting("t2")(received, response, n)
        )
        const { source, state } = yield* makeSource()
        const client = yield* HttpClient.HttpClient
        const bearer = BearerAuth.withBearer(client, source, { origins: [server.origin] })
        const post = bearer.post(`${server.origin}/orders`, { body: HttpBody.text("order") })
        assert.strictEqual((yield* post).status, 401)
        assert.deepStrictEqual(server.received.map(({ method, path }) => `${method} ${path}`), [
          "POST /orders",
          "GET /orders/1"
        ])
        // the next call has a new token
        assert.strictEqual((yield* post).status, 200)
        assert.strictEqual(state.minted, 2)
        const busy = yield* serve((received, response) =>
          received.method === "POST"
            ? response.writeHead(303, { location: "/orders/1" }).end()
            : response.writeHead(429).end()
        )
        const patient = BearerAuth.withBearer(client, source, {
          origins: [busy.origin],
          retryThrottled: { methods: ["POST"], base: 1 }
        })
        assert.strictEqual((yield* patient.post(`${busy.origin}/`, { body: HttpBody.text("order") })).status, 429)
        assert.strictEqual(busy.received.length, 2)
      }).pipe(Effect.provide(layer)))

    // FAULTS W10, T4
    it.scopedLive("SentWithoutToken names no origin that only redirected to the origin of the 401", () =>
      Effect.gen(function*() {
        const login = yield* serve((_, response) => response.writeHead(401).end())
        const server = yield* serve((_, response) => response.writeHead(302, { location: login.origin }).end())
        const { source } = yield* makeSource()
        const client = yield* HttpClient.HttpClient
        const bearer = BearerAuth.withBearer(client, source, { origins: ["https://api.example.com"] })
        assert.deepStrictEqual(yield* eventsOf(source, bearer.get(server.origin)), [])
        assert.deepStrictEqual((yield* eventsOf(source, bearer.get(login.origin))).map(({ _tag }) => _tag), [
          "SentWithoutToken"
        ])
      }).pipe(Effect.provide(layer)))
  })
}

describe("BearerAuth and a redirect there and back (undici)", () => {
  // FAULTS T4
  it.scopedLive("a 401 after a redirect there and back, which drops the header, says nothing about the token", () =>
    Effect.gen(function*() {
      const elsewhere = yield* serve((_, response) =>
        response.writeHead(302, { location: `${server.origin}/file` }).end()
      )
      const server = yield* serve((received, response) =>
        received.path === "/file"
          ? response.writeHead(received.authorization === undefined ? 401 : 200).end()
          : response.writeHead(302, { location: elsewhere.origin }).end()
      )
      const { source, state } = yield* makeSource()
      const client = yield* HttpClient.HttpClient
      const bearer = BearerAuth.withBearer(client, source, { origins: [server.origin, elsewhere.origin] })
      assert.strictEqual((yield* bearer.get(`${server.origin}/download`)).status, 401)
      assert.deepStrictEqual(server.received.map(({ authorization }) => authorization), ["Bearer t1", undefined])
      assert.deepStrictEqual([state.minted, state.renewals, state.invalidated.length], [1, 0, 0])
    }).pipe(Effect.provide(followers[1]![1])))
})

describe("BearerAuth and a redirect there and back (fetch)", () => {
  // FAULTS T
  it.scopedLive("which nobody can see, costs one token and not one per call", () =>
    Effect.gen(function*() {
      const api = { good: /t/ }
      const elsewhere = yield* serve((_, response) =>
        response.writeHead(302, { location: `${server.origin}/file` }).end()
      )
      const server = yield* serve(({ authorization, path }, response) =>
        path.startsWith("/download")
          ? response.writeHead(302, { location: elsewhere.origin }).end()
          : path === "/old"
          ? response.writeHead(302, { location: "/new" }).end()
          : response.writeHead(api.good.test(authorization ?? "") ? 200 : 401).end()
      )
      const { source, state } = yield* makeSource()
      const client = yield* HttpClient.HttpClient
      // without an interval, nothing else holds the renewals back
      const bearer = BearerAuth.withBearer(client, source, { origins: [server.origin], renewInterval: 0 })
      const status = (path: string) => Effect.map(bearer.get(`${server.origin}${path}`), ({ status }) => status)
      for (let n = 0; n < 4; n++) assert.strictEqual(yield* status(`/download?n=${n}`), 401)
      assert.deepStrictEqual([state.minted, state.invalidated.length], [2, 0])
      // other URLs renew as before
      api.good = /t3/
      assert.strictEqual(yield* status("/old"), 200)
      assert.strictEqual(state.minted, 3)
    }).pipe(Effect.provide(followers[0]![1])))
})

const plain: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }))],
  ["undici", NodeHttpClient.layerUndici],
  ["node", NodeHttpClient.layer]
]

for (const [name, layer] of plain) {
  describe(`BearerAuth around followRedirects (${name})`, () => {
    // FAULTS T4
    it.scopedLive("a 401 counts only from an origin that the header was sent to", () =>
      Effect.gen(function*() {
        const other = yield* serve(accepting("t2"))
        const server = yield* serve((_, response) => response.writeHead(302, { location: `${other.origin}/b` }).end())
        const client = yield* HttpClient.HttpClient
        const options = { origins: [server.origin, other.origin] } as const
        const carried = yield* makeSource()
        const bearer = BearerAuth.withBearer(HttpClient.followRedirects(client), carried.source, options)
        const response = yield* bearer.get(`${server.origin}/a`)
        assert.strictEqual(yield* response.text, "Bearer t2")
        assert.strictEqual(carried.state.minted, 2)
        const left = yield* makeSource()
        const refused = yield* BearerAuth.withBearer(
          careful(client, () => server.origin),
          left.source,
          options
        ).get(`${server.origin}/a`)
        assert.strictEqual(yield* refused.text, "bare")
        assert.deepStrictEqual([left.state.minted, left.state.renewals], [1, 0])
      }).pipe(Effect.provide(layer)))
  })
}
