/** `GET /inject/{profile}` is what nginx asks before each call (`auth_request`). */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { describeWith } from "../programs.js"
import * as Nginx from "./Nginx.js"
import * as TestBroker from "./TestBroker.js"

const call = (origin: string, init: RequestInit = {}) =>
  Effect.promise(async () => {
    const response = await fetch(`${origin}/calls`, init)
    return { status: response.status, headers: response.headers, text: await response.text() }
  })

const setUp = (options: { readonly key?: string } & TestBroker.Options = {}) =>
  Effect.gen(function*() {
    const broker = yield* TestBroker.start(options)
    const nginx = yield* Nginx.start({
      broker: broker.origin,
      key: options.key ?? broker.key,
      api: broker.api.origin
    })
    return { ...broker, nginx }
  })

describeWith([Nginx.nginx], "nginx with auth_request", () => {
  // SPEC F3
  it.scopedLive("every call has the token, whatever the client has sent with it", () =>
    Effect.gen(function*() {
      const { api, issuer, nginx } = yield* setUp()
      const plain = yield* call(nginx.origin)
      assert.strictEqual(plain.status, 200, nginx.log())
      const body = "x".repeat(100_000)
      const odd = yield* call(nginx.origin, {
        method: "POST",
        body,
        headers: {
          authorization: "Bearer of-the-client",
          "content-type": "application/json",
          cookie: "session=1",
          forwarded: "for=192.0.2.1",
          origin: "https://elsewhere.example",
          referer: "https://elsewhere.example/page",
          "sec-fetch-site": "cross-site",
          via: "1.1 elsewhere",
          "x-effect-bearer": "false",
          "x-forwarded-for": "192.0.2.1"
        }
      })
      assert.strictEqual(odd.status, 201, nginx.log())
      assert.strictEqual(odd.text, body)
      for (const { headers } of [plain, odd]) assert.isNull(headers.get("authorization"))
      const seen = yield* api.seen
      assert.deepStrictEqual(seen.statuses, { 200: 1, 201: 1 })
      assert.strictEqual(seen.tokensAccepted, 1)
      assert.strictEqual((yield* issuer.seen).tokenRequests, 1)
    }))

  it.scopedLive("many calls at once have one token", () =>
    Effect.gen(function*() {
      const { api, issuer, nginx } = yield* setUp()
      const answers = yield* Effect.replicateEffect(call(nginx.origin), 100).pipe(
        Effect.withConcurrency(20)
      )
      assert.deepStrictEqual(new Set(answers.map(({ status }) => status)), new Set([200]), nginx.log())
      assert.strictEqual((yield* api.seen).tokensAccepted, 1)
      assert.strictEqual((yield* issuer.seen).tokenRequests, 1)
    }))

  it.scopedLive("a key that the broker does not know: 401, and the API is not asked", () =>
    Effect.gen(function*() {
      const { api, issuer, nginx } = yield* setUp({ key: "wrong" })
      const { status } = yield* call(nginx.origin)
      assert.strictEqual(status, 401, nginx.log())
      assert.strictEqual((yield* api.seen).calls, 0)
      assert.strictEqual((yield* issuer.seen).tokenRequests, 0)
    }))

  it.scopedLive("a profile that the caller may not use in this way: 403, and the API is not asked", () =>
    Effect.gen(function*() {
      const { api, nginx } = yield* setUp({ access: { surfaces: ["oauth2"] } })
      const { status } = yield* call(nginx.origin)
      assert.strictEqual(status, 403, nginx.log())
      assert.strictEqual((yield* api.seen).calls, 0)
    }))

  it.scopedLive("no token to be had: 500, and the API is not asked", () =>
    Effect.gen(function*() {
      const { api, issuer, nginx } = yield* setUp({
        profile: { authentication: { method: "basic", secret: { plain: "not-the-secret" } } }
      })
      const { status } = yield* call(nginx.origin)
      assert.strictEqual(status, 500)
      assert.include(nginx.log(), "auth request unexpected status: 503")
      assert.strictEqual((yield* api.seen).calls, 0)
      assert.isAtLeast((yield* issuer.seen).tokenRequests, 1)
      assert.notInclude(nginx.log(), Redacted.value(issuer.clients.basic.secret))
    }))

  it.scopedLive("without the broker nothing passes: 500", () =>
    Effect.gen(function*() {
      const { api, nginx, stop } = yield* setUp()
      assert.strictEqual((yield* call(nginx.origin)).status, 200, nginx.log())
      yield* stop
      const { status } = yield* call(nginx.origin)
      assert.strictEqual(status, 500)
      assert.include(nginx.log(), "auth request unexpected status: 502")
      assert.strictEqual((yield* api.seen).calls, 1)
    }))
})
