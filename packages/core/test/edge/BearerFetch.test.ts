import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import * as TokenSource from "../../src/lifecycle/TokenSource.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import * as TokenError from "../../src/values/TokenError.js"
import { makeSource } from "../support/bearer.js"
import { serve } from "../support/sockets.js"

/** An API on a real socket that takes `good`, and a fetch with a bearer for it. */
const setUp = (options: Partial<BearerAuth.Options> = {}) =>
  Effect.gen(function*() {
    const api = { good: "t1", refusal: "no" }
    const server = yield* serve((received, response) => {
      const accepted = received.authorization === `Bearer ${api.good}`
      response.writeHead(accepted ? 200 : 401, { "x-seen": received.method }).end(
        accepted ? received.body : api.refusal
      )
    })
    const { source, state } = yield* makeSource()
    const fetch = yield* BearerAuth.withFetch(source, { origins: [server.origin], ...options })
    return {
      api,
      fetch,
      server,
      source,
      state,
      ask: (path: string, init?: RequestInit) => Effect.promise(() => fetch(`${server.origin}${path}`, init))
    }
  })

const text = (response: Response) => Effect.promise(() => response.text())

describe("withFetch", () => {
  it.scopedLive("adds the token, and gives the response of fetch itself", () =>
    Effect.gen(function*() {
      const { ask, fetch, server, state } = yield* setUp()
      const response = yield* ask("/me", { headers: { accept: "text/plain" } })
      assert.deepStrictEqual(
        [response.status, response.url, response.headers.get("x-seen"), yield* text(response)],
        [200, `${server.origin}/me`, "GET", ""]
      )
      yield* Effect.promise(() => fetch(new URL("/url", server.origin)))
      assert.deepStrictEqual(server.received.map(({ authorization, path }) => [path, authorization]), [
        ["/me", "Bearer t1"],
        ["/url", "Bearer t1"]
      ])
      assert.strictEqual(state.minted, 1)
    }))

  it.scopedLive("a 401 renews once, and every body that is no stream is sent again whole", () =>
    Effect.gen(function*() {
      const { api, ask, fetch, server, state } = yield* setUp()
      const form = new FormData()
      form.set("a", "b")
      const bodies: ReadonlyArray<readonly [BodyInit, string]> = [
        ["text", "text"],
        [new TextEncoder().encode("bytes"), "bytes"],
        [new URLSearchParams({ a: "b" }), "a=b"],
        [new Blob(["blob"]), "blob"],
        [form, "name=\"a\""]
      ]
      let round = 1
      for (const [body, expected] of bodies) {
        api.good = `t${++round}`
        const response = yield* ask("/", { method: "POST", body })
        assert.strictEqual(response.status, 200)
        assert.include(yield* text(response), expected)
      }
      api.good = `t${++round}`
      const request = new Request(`${server.origin}/request`, {
        method: "PUT",
        body: "of a request",
        headers: { a: "b" }
      })
      const response = yield* Effect.promise(() => fetch(request))
      assert.strictEqual(yield* text(response), "of a request")
      assert.isNull(request.headers.get("authorization"))
      assert.strictEqual(server.received.length, 12)
      assert.strictEqual(state.renewals, 6)
    }))

  it.scopedLive("a stream is not sent again: its call gets the 401, and the next one a new token", () =>
    Effect.gen(function*() {
      const { api, ask } = yield* setUp()
      yield* ask("/")
      api.good = "t2"
      const stream = { method: "POST", body: new Blob(["streamed"]).stream(), duplex: "half" } as RequestInit
      const refused = yield* ask("/", stream)
      assert.deepStrictEqual([refused.status, yield* text(refused)], [401, "no"])
      assert.strictEqual((yield* ask("/")).status, 200)
    }))

  it.scopedLive("the body of a request that is too long to be kept counts as a stream, and arrives whole", () =>
    Effect.gen(function*() {
      const { api, ask, fetch, server } = yield* setUp()
      yield* ask("/")
      api.good = "t2"
      const long = "x".repeat(2 * 1024 * 1024)
      const post = () => Effect.promise(() => fetch(new Request(server.origin, { method: "POST", body: long })))
      assert.strictEqual((yield* post()).status, 401)
      assert.strictEqual((yield* text(yield* post())).length, long.length)
    }))

  it.scopedLive("a second 401 is the caller's, with its body and headers", () =>
    Effect.gen(function*() {
      const { api, ask, server } = yield* setUp()
      api.good = "none"
      api.refusal = "not you"
      const response = yield* ask("/")
      assert.deepStrictEqual(
        [response.status, response.headers.get("x-seen"), yield* text(response)],
        [401, "GET", "not you"]
      )
      assert.strictEqual(server.received.length, 2)
      // no other token to be had: the first refusal was read, and its body was kept
      const fixed = yield* BearerAuth.withFetch(TokenSource.fixed(Redacted.make("fixed")), { origins: [server.origin] })
      const kept = yield* Effect.promise(() => fixed(server.origin))
      assert.deepStrictEqual([kept.status, yield* text(kept)], [401, "not you"])
    }))

  it.scopedLive("a rule of the program's may read the body", () =>
    Effect.gen(function*() {
      const { api, ask } = yield* setUp({
        isAuthFailure: (response) =>
          Effect.match(response.text, { onFailure: () => false, onSuccess: (text) => text === "no" })
      })
      const fine = yield* ask("/", { method: "POST", body: "fine" })
      assert.strictEqual(yield* text(fine), "fine")
      api.good = "t2"
      assert.strictEqual(yield* text(yield* ask("/", { method: "POST", body: "again" })), "again")
    }))

  it.scopedLive("the token goes to the listed origins only, and the caller's own header stays", () =>
    Effect.gen(function*() {
      const { ask, fetch, server } = yield* setUp()
      const other = yield* serve((_, response) => response.end("ok"))
      yield* Effect.promise(() => fetch(other.origin))
      assert.isUndefined(other.received[0]!.authorization)
      yield* ask("/", { headers: { Authorization: "Basic own" } })
      assert.strictEqual(server.received[0]!.authorization, "Basic own")
    }))

  it.scopedLive("a relative URL is not completed: the error says what to do, and nothing is sent", () =>
    Effect.gen(function*() {
      const { ask, fetch, server } = yield* setUp()
      for (const url of ["/me?key=s3cr3t", "me", "//api.example.com/me", ""]) {
        const error = yield* Effect.flip(Effect.tryPromise({ try: () => fetch(url), catch: (error) => error }))
        assert(TokenError.isTokenError(error) && error._tag === "InvalidConfiguration")
        assert.deepStrictEqual(error.fields, ["url"])
        assert.include(error.message, "call fetch with new URL(path, base)")
        assert.notInclude(error.message, "s3cr3t")
      }
      assert.lengthOf(server.received, 0)
      yield* ask("/")
      assert.lengthOf(server.received, 1)
    }))

  it.scopedLive("rejects with the error of the source, of fetch, or with the reason of the signal, and shows no token", () =>
    Effect.gen(function*() {
      const failing = (source: TokenSource.With<unknown>, fetch: typeof globalThis.fetch, init?: RequestInit) =>
        Effect.flatMap(
          BearerAuth.withFetch(source, { origins: ["https://api.example.com"], fetch }),
          (fetch) =>
            Effect.flip(
              Effect.tryPromise({ try: () => fetch("https://api.example.com/", init), catch: (error) => error })
            )
        )
      const error = new TokenError.InvalidConfiguration({ fields: ["scope"], detail: "closed" })
      const broken = yield* TokenSource.make(() => Effect.fail(error))
      assert.strictEqual(yield* failing(broken, () => Promise.reject(new Error("not called"))), error)

      const secret = TokenSource.fixed(Redacted.make("s3cr3t-s3cr3t-s3cr3t"))
      const leaky = yield* failing(
        secret,
        (_, init) => Promise.reject(new TypeError(`cannot send ${new Headers(init?.headers).get("authorization")}`))
      )
      assert.instanceOf(leaky, TypeError)
      assert.notInclude(inspect(leaky, { depth: 9, showHidden: true }), "s3cr3t")

      const controller = new AbortController()
      const reason = new Error("enough")
      const hanging: typeof globalThis.fetch = () => {
        queueMicrotask(() => controller.abort(reason))
        return new Promise(() => {})
      }
      assert.strictEqual(yield* failing(secret, hanging, { signal: controller.signal }), reason)
      assert.strictEqual(yield* failing(secret, hanging, { signal: controller.signal }), reason)
    }))

  it.scopedLive("the body of a response goes on after the call, and the signal of the caller ends it", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => {
        response.writeHead(200).write("begun ")
      })
      const fetch = yield* BearerAuth.withFetch(TokenSource.fixed(Redacted.make("one")), { origins: [server.origin] })
      const controller = new AbortController()
      const response = yield* Effect.promise(() => fetch(server.origin, { signal: controller.signal }))
      const reader = response.body!.getReader()
      const first = yield* Effect.promise(() => reader.read())
      assert.strictEqual(new TextDecoder().decode(first.value), "begun ")
      controller.abort()
      const error = yield* Effect.flip(Effect.tryPromise({ try: () => reader.read(), catch: (error) => error }))
      assert.strictEqual((error as Error).name, "AbortError")
    }))
})

describe("AccessToken.authorization", () => {
  it("is the scheme and the value, and shows neither by accident", () => {
    const header = AccessToken.authorization(AccessToken.make({ value: "abc", tokenType: "bearer" }))
    assert.strictEqual(Redacted.value(header), "Bearer abc")
    assert.notInclude(`${header} ${JSON.stringify(header)} ${inspect(header)}`, "abc")
    const dpop = AccessToken.make({ value: "abc", tokenType: "DPoP" })
    assert.strictEqual(Redacted.value(AccessToken.authorization(dpop)), "DPoP abc")
  })
})
