import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { Layer } from "effect"
import { Effect, Stream } from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import { makeSource } from "../support/bearer.js"
import { type Reply, serve } from "../support/sockets.js"

const accepting = (token: () => string, refusal: string | Buffer = "no"): Reply => (received, response) => {
  const accepted = received.authorization === `Bearer ${token()}`
  response.writeHead(accepted ? 200 : 401).end(accepted ? "ok" : refusal)
}

const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["undici", NodeHttpClient.layerUndici],
  ["fetch", FetchHttpClient.layer]
]

for (const [name, layer] of clients) {
  describe(`BearerAuth over real sockets (${name})`, () => {
    it.scopedLive("an unread 3 MB refusal does not cost a connection per call", () =>
      Effect.gen(function*() {
        let round = 1
        const server = yield* serve(accepting(() => `t${round + 1}`, Buffer.alloc(3 * 1024 * 1024, "x")))
        const { source } = yield* makeSource()
        const client = yield* HttpClient.HttpClient
        const bearer = BearerAuth.withBearer(client, source, { origins: [server.origin] })
        for (; round <= 8; round++) {
          const response = yield* bearer.get(`${server.origin}/${round}`)
          assert.strictEqual(yield* response.text, "ok")
        }
        assert.strictEqual(server.received.length, 16)
        // one connection is enough; a machine that is busy for seconds may give up a body, and its connection, now and then
        assert.isBelow(server.sockets.size, 8)
      }).pipe(Effect.provide(layer)))

    // W5.50
    it.scopedLive("bodies that are replayed arrive whole, twice", () =>
      Effect.gen(function*() {
        let good = ""
        const server = yield* serve(accepting(() => good))
        const { source, state } = yield* makeSource()
        const client = yield* HttpClient.HttpClient
        const bearer = BearerAuth.withBearer(client, source, { origins: [server.origin] })
        const large = "é".repeat(500_000)
        const bodies: ReadonlyArray<readonly [HttpBody.HttpBody, string]> = [
          [HttpBody.empty, ""],
          [HttpBody.text(large), large],
          [HttpBody.unsafeJson({ a: [1] }), `{"a":[1]}`],
          [HttpBody.raw("raw"), "raw"]
        ]
        for (const [body, expected] of bodies) {
          good = `t${Math.max(1, state.minted) + 1}`
          server.received.length = 0
          const response = yield* bearer.post(server.origin, { body })
          assert.strictEqual(yield* response.text, "ok")
          assert.strictEqual(server.received.length, 2)
          for (const received of server.received) assert.isTrue(received.body === expected)
        }
      }).pipe(Effect.provide(layer)))

    // P23
    it.scopedLive("a stream that is used up is not sent again as an empty body", () =>
      Effect.gen(function*() {
        const server = yield* serve(accepting(() => "t2"))
        const { source } = yield* makeSource()
        const client = yield* HttpClient.HttpClient
        const bearer = BearerAuth.withBearer(client, source, { origins: [server.origin] })
        const upload = () => bearer.post(server.origin, { body: HttpBody.raw(Uint8Array.from([65, 66])) })
        const stream = () => {
          async function* bytes() {
            yield new TextEncoder().encode("once")
          }
          return HttpBody.stream(Stream.orDie(Stream.fromAsyncIterable(bytes(), (error) => error)))
        }
        const first = yield* bearer.post(server.origin, { body: stream() })
        assert.strictEqual(first.status, 401)
        assert.strictEqual(yield* first.text, "no")
        const second = yield* bearer.post(server.origin, { body: stream() })
        assert.strictEqual(yield* second.text, "ok")
        assert.strictEqual(yield* (yield* upload()).text, "ok")
        assert.deepStrictEqual(server.received.map(({ authorization, body }) => [authorization, body]), [
          ["Bearer t1", "once"],
          ["Bearer t2", "once"],
          ["Bearer t2", "AB"]
        ])
      }).pipe(Effect.provide(layer)))

    // I10
    it.scopedLive("no redirect carries the token to another origin", () =>
      Effect.gen(function*() {
        const evil = yield* serve((_, response) => response.writeHead(200).end("evil"))
        const server = yield* serve((_, response) =>
          response.writeHead(302, { location: `${evil.origin}/stolen` }).end()
        )
        const { source } = yield* makeSource()
        const client = yield* HttpClient.HttpClient
        const bearer = client.pipe(
          BearerAuth.withBearer(source, { origins: [server.origin] }),
          HttpClient.followRedirects()
        )
        const response = yield* bearer.get(`${server.origin}/a`)
        assert.strictEqual(yield* response.text, "evil")
        assert.deepStrictEqual(server.received.map((received) => received.authorization), ["Bearer t1"])
        assert.deepStrictEqual(evil.received.map((received) => received.authorization), [undefined])
      }).pipe(Effect.provide(layer)))

    it.scopedLive(
      "500 calls refused with one revoked token cause one renewal, and one replay each",
      () =>
        Effect.gen(function*() {
          const server = yield* serve(accepting(() => "t2"))
          const { source, state } = yield* makeSource((n) =>
            Effect.as(Effect.yieldNow(), AccessToken.make({ value: `t${n}` }))
          )
          const client = yield* HttpClient.HttpClient
          const bearer = BearerAuth.withBearer(client, source, { origins: [server.origin] })
          // all of them hold t1 before the first answer arrives
          yield* source.get()
          const texts = yield* Effect.forEach(
            Array.from({ length: 500 }),
            () => Effect.flatMap(bearer.get(server.origin), (response) => response.text),
            { concurrency: "unbounded" }
          )
          assert.isTrue(texts.every((text) => text === "ok"))
          assert.strictEqual(state.minted, 2)
          const sent = server.received.map((received) => received.authorization)
          assert.strictEqual(sent.filter((authorization) => authorization === "Bearer t2").length, 500)
          assert.isAtMost(sent.length, 1000)
        }).pipe(Effect.provide(layer))
    )

    it.scoped("a refusal whose body was read already does not delay the replay", () =>
      Effect.gen(function*() {
        const server = yield* serve(accepting(() => "t2", JSON.stringify({ code: "bad.credentials" })))
        const { source } = yield* makeSource()
        const client = yield* HttpClient.HttpClient
        let drained = 0
        const bearer = BearerAuth.withBearer(client, source, {
          origins: [server.origin],
          isAuthFailure: (response) =>
            Effect.map(Effect.option(response.text), (text) => {
              drained++
              return text._tag === "Some" && text.value.includes("bad.credentials")
            })
        })
        // no time passes
        const response = yield* bearer.execute(HttpClientRequest.get(server.origin))
        assert.strictEqual(yield* response.text, "ok")
        assert.strictEqual(drained, 2)
      }).pipe(Effect.provide(layer)))
  })
}
