/** Redirects that are followed hop by hop, as in workerd. `test/src/workers` tries them in workerd itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import * as TokenSource from "../../src/lifecycle/TokenSource.js"
import { eventsOf, makeSource } from "../support/bearer.js"
import { type Reply, serve } from "../support/sockets.js"

const before = Object.getOwnPropertyDescriptor(globalThis, "navigator")

beforeAll(() => {
  Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Cloudflare-Workers" }, configurable: true })
})
afterAll(() => {
  if (before === undefined) Reflect.deleteProperty(globalThis, "navigator")
  else Object.defineProperty(globalThis, "navigator", before)
})

const origin = "https://api.example.com"

/** An API that needs its token and redirects `/<status>` to a storage that needs none. */
const apiAndStorage = Effect.gen(function*() {
  const storage = yield* serve(({ body, method }, response) => response.end(`${method} ${body}`))
  const reply: Reply = ({ authorization, path }, response) => {
    const status = Number(path.slice(1))
    if (authorization === undefined) return void response.writeHead(401).end()
    response.writeHead(status, { location: `${storage.origin}/blob?signature=s3cr3t` }).end()
  }
  return { storage, api: yield* serve(reply) }
})

/** A `fetch` that redirects its first call, and notes its calls. */
const redirecting = (location: string, times = 1) => {
  const calls: Array<readonly [string, RequestInit]> = []
  const fetch: typeof globalThis.fetch = (input, init) => {
    calls.push([input instanceof Request ? input.url : String(input), { ...init }])
    return Promise.resolve(
      calls.length <= times ? new Response(null, { status: 302, headers: { location } }) : new Response("end")
    )
  }
  return { calls, fetch }
}

const one = TokenSource.fixed(Redacted.make("one"))

describe("withFetch, hop by hop", () => {
  // FAULTS W, T
  it.scopedLive("a redirect to an origin that is not listed goes there, once, without the token", () =>
    Effect.gen(function*() {
      const { api, storage } = yield* apiAndStorage
      const { source, state } = yield* makeSource()
      const fetch = yield* BearerAuth.withFetch(source, { origins: [api.origin] })
      const cases = [["GET", 302, "GET "], ["POST", 303, "GET "], ["POST", 307, "POST order"], [
        "HEAD",
        302,
        ""
      ]] as const
      const tried = Effect.forEach(cases, ([method, status, expected]) =>
        Effect.gen(function*() {
          for (const asRequest of [false, true]) {
            const init: RequestInit = { method, ...(method === "POST" ? { body: "order" } : {}) }
            const url = `${api.origin}/${status}`
            const response = yield* Effect.promise(() => asRequest ? fetch(new Request(url, init)) : fetch(url, init))
            assert.strictEqual(yield* Effect.promise(() => response.text()), expected)
            assert.isTrue(response.redirected)
            assert.strictEqual(new URL(response.url).origin, storage.origin)
          }
        }))
      assert.deepStrictEqual(yield* eventsOf(source, tried), [])
      assert.deepStrictEqual(api.received.map(({ authorization }) => authorization), Array(8).fill("Bearer t1"))
      assert.deepStrictEqual(storage.received.map(({ authorization }) => authorization), Array(8).fill(undefined))
      assert.strictEqual(state.minted, 1)
    }))

  // FAULTS W
  it.live("the second hop has the options of the first, without the body if it became a GET", () =>
    Effect.gen(function*() {
      const { calls, fetch: inside } = redirecting("/two")
      const fetch = yield* BearerAuth.withFetch(one, { origins: [origin], fetch: inside })
      const more = {
        cf: { cacheTtl: 5 },
        cache: "no-store",
        credentials: "omit",
        dispatcher: {},
        next: { a: 1 }
      } as const
      const init = { ...more, method: "POST", body: "order", headers: { "x-a": "1" } } as unknown as RequestInit
      yield* Effect.promise(() => fetch(`${origin}/one`, init))
      const [url, { headers, ...options }] = calls[1]!
      assert.strictEqual(url, `${origin}/two`)
      assert.deepStrictEqual(options, { ...more, method: "GET", redirect: "manual" } as unknown as RequestInit)
      assert.deepStrictEqual(Array.from(new Headers(headers)), [["authorization", "Bearer one"], ["x-a", "1"]])

      const again = redirecting("/two")
      const other = yield* BearerAuth.withFetch(one, { origins: [origin], fetch: again.fetch })
      const request = new Request(`${origin}/one`, { cache: "no-store", credentials: "omit" })
      yield* Effect.promise(() => other(request, { next: { a: 1 } } as RequestInit))
      const { cache, credentials, next } = again.calls[1]![1] as RequestInit & { readonly next: unknown }
      assert.deepStrictEqual([cache, credentials, next], ["no-store", "omit", { a: 1 }])
    }))

  // FAULTS W
  it.live("a redirect that cannot be followed rejects, as with fetch itself", () =>
    Effect.gen(function*() {
      const stream = () => ({ method: "POST", body: new Blob(["a"]).stream(), duplex: "half" }) as RequestInit
      const status307: typeof globalThis.fetch = () =>
        Promise.resolve(new Response(null, { status: 307, headers: { location: "/two" } }))
      const cases = [
        [redirecting("/loop", 100).fetch, undefined],
        [redirecting("http://[").fetch, undefined],
        [redirecting("data:text/plain,a").fetch, undefined],
        [status307, stream()]
      ] as const
      for (const [inside, init] of cases) {
        const fetch = yield* BearerAuth.withFetch(one, { origins: [origin], fetch: inside })
        const error = yield* Effect.flip(Effect.tryPromise({ try: () => fetch(origin, init), catch: (error) => error }))
        assert.instanceOf(error, TypeError)
      }
      const { calls, fetch: inside } = redirecting("/chain", 20)
      const fetch = yield* BearerAuth.withFetch(one, { origins: [origin], fetch: inside })
      assert.strictEqual((yield* Effect.promise(() => fetch(origin))).status, 200)
      assert.strictEqual(calls.length, 21)
      const asked = redirecting("/two")
      const manual = yield* BearerAuth.withFetch(one, { origins: [origin], fetch: asked.fetch })
      assert.strictEqual((yield* Effect.promise(() => manual(origin, { redirect: "manual" }))).status, 302)
    }))
})
