import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Redacted } from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import * as TokenSource from "../../src/lifecycle/TokenSource.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import * as TokenError from "../../src/values/TokenError.js"
import { serve } from "../support/sockets.js"

const origin = "https://api.example.com"

/** A source whose token comes when the test says so. */
const waitingSource = Effect.gen(function*() {
  const gate = yield* Deferred.make<void>()
  const source = yield* TokenSource.make(() => Effect.as(Deferred.await(gate), AccessToken.make({ value: "t1" })))
  return { source, open: Deferred.succeed(gate, undefined) }
})

/** A `fetch` that notes what it is given. */
const noting = () => {
  const seen: Array<{ readonly url: string; readonly init: RequestInit & Record<string, unknown> }> = []
  const fetch: typeof globalThis.fetch = (input, init) => {
    seen.push({ url: input instanceof Request ? input.url : String(input), init: { ...init } })
    return Promise.resolve(new Response("ok"))
  }
  return { fetch, seen }
}

const caught = (call: () => Promise<unknown>) => Effect.flip(Effect.tryPromise({ try: call, catch: (error) => error }))

describe("what withFetch is given", () => {
  // FAULTS T
  it.live("is read while the program calls: the origin that is checked is the one that is sent to", () =>
    Effect.gen(function*() {
      const { open, source } = yield* waitingSource
      const { fetch: inside, seen } = noting()
      const fetch = yield* BearerAuth.withFetch(source, { origins: [origin], fetch: inside })
      const url = new URL(`${origin}/a`)
      const listed = fetch(url)
      url.host = "evil.example.com"
      let reads = 0
      const changing = { toString: () => reads++ === 0 ? `${origin}/b` : "https://evil.example.com/b" }
      const other = fetch(changing as unknown as string)
      yield* open
      yield* Effect.promise(() => Promise.all([listed, other]))
      const sent = seen.map(({ init, url }) => [url, new Headers(init.headers).get("authorization")])
      assert.deepStrictEqual(sent, [[`${origin}/a`, "Bearer t1"], [`${origin}/b`, "Bearer t1"]])
    }))

  // FAULTS W
  it.scopedLive("is read while the program calls: what it changes afterwards changes no request", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => response.end("ok"))
      const { open, source } = yield* waitingSource
      const fetch = yield* BearerAuth.withFetch(source, { origins: [server.origin] })
      const bytes = new Uint8Array([65])
      const parameters = new URLSearchParams({ a: "1" })
      const form = new FormData()
      form.set("a", "first")
      form.set("f", new Blob(["file"]), "x.txt")
      const headers = new Headers({ "x-a": "1" })
      const options: RequestInit = { method: "PUT", body: "text", headers }
      const calls = [
        fetch(server.origin, options),
        fetch(server.origin, { method: "POST", body: bytes }),
        fetch(server.origin, { method: "POST", body: bytes.buffer }),
        fetch(server.origin, { method: "POST", body: parameters }),
        fetch(server.origin, { method: "POST", body: form })
      ]
      options.method = "DELETE"
      options.body = "changed"
      headers.set("x-a", "2")
      bytes.fill(66)
      parameters.set("a", "2")
      form.set("a", "second")
      yield* open
      yield* Effect.promise(() => Promise.all(calls))
      const bodies = server.received.map(({ body, method }) => `${method} ${body}`)
      assert.sameMembers(bodies.filter((body) => !body.includes("form-data")), [
        "PUT text",
        "POST A",
        "POST A",
        "POST a=1"
      ])
      const sent = bodies.find((body) => body.includes("form-data"))!
      assert.include(sent, "first")
      assert.include(sent, "filename=\"x.txt\"")
      assert.notInclude(sent, "second")
    }))

  // FAULTS W
  it.live("members of the options that are getters of a class, or unknown here, reach the fetch inside", () =>
    Effect.gen(function*() {
      const { fetch: inside, seen } = noting()
      const fetch = yield* BearerAuth.withFetch(TokenSource.fixed(Redacted.make("one")), {
        origins: [origin],
        fetch: inside
      })
      class Options {
        readonly next = { revalidate: 1 }
        get method() {
          return "DELETE"
        }
        get headers() {
          return { "x-a": "1" }
        }
      }
      yield* Effect.promise(() => fetch(origin, new Options()))
      yield* Effect.promise(() => fetch(new Request(origin), { next: { revalidate: 2 } } as RequestInit))
      assert.deepStrictEqual([seen[0]!.init.method, seen[0]!.init.next], ["DELETE", { revalidate: 1 }])
      assert.strictEqual(new Headers(seen[0]!.init.headers).get("x-a"), "1")
      assert.notProperty(seen[0]!.init, "body")
      assert.deepStrictEqual(seen[1]!.init, { next: { revalidate: 2 } })
    }))

  // FAULTS W
  it.live("a Request of another class is refused with the reason", () =>
    Effect.gen(function*() {
      const fetch = yield* BearerAuth.withFetch(TokenSource.fixed(Redacted.make("one")), { origins: [origin] })
      const foreign = { url: `${origin}/x`, method: "POST", headers: {} } as unknown as Request
      const error = yield* caught(() => fetch(foreign))
      assert.strictEqual((error as TokenError.TokenError)._tag, "InvalidConfiguration")
      assert.include((error as Error).message, "another class than globalThis.Request")
      const relative = yield* caught(() => fetch("/me"))
      assert.instanceOf(relative, TokenError.InvalidConfiguration)
    }))

  // FAULTS L
  it.live("a fetch that was made in a region that cannot be interrupted is aborted all the same", () =>
    Effect.gen(function*() {
      const { source } = yield* waitingSource
      const fetch = yield* Effect.uninterruptible(BearerAuth.withFetch(source, { origins: [origin] }))
      const controller = new AbortController()
      const reason = new Error("enough")
      const call = fetch(origin, { signal: controller.signal })
      queueMicrotask(() => controller.abort(reason))
      assert.strictEqual(yield* caught(() => call), reason)
    }))
})

describe("traces and withFetch", () => {
  const traced = (url: string, init?: RequestInit) =>
    Effect.gen(function*() {
      const { fetch: inside, seen } = noting()
      const fetch = yield* Effect.withSpan(
        BearerAuth.withFetch(TokenSource.fixed(Redacted.make("one")), { origins: [origin], fetch: inside }),
        "startup"
      )
      yield* Effect.promise(() => fetch(url, init))
      return new Headers(seen[0]!.init.headers)
    })

  // FAULTS W
  it.live("no trace headers are added, and those of the program stay", () =>
    Effect.gen(function*() {
      const own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
      for (const url of [origin, "https://other.example.com"]) {
        const bare = yield* traced(url)
        assert.deepStrictEqual([bare.get("traceparent"), bare.get("b3")], [null, null])
        const given = yield* traced(url, { headers: { traceparent: own } })
        assert.deepStrictEqual([given.get("traceparent"), given.get("b3")], [own, null])
      }
    }))

  // FAULTS W
  it.live("the span of a call is no child of the span in which the fetch was made", () =>
    Effect.gen(function*() {
      const parents: Array<unknown> = []
      const plain = yield* Effect.tracer
      const watching = {
        ...plain,
        span: (...given: Parameters<typeof plain.span>) => {
          if (given[0].startsWith("http.client")) parents.push(given[1]._tag)
          return plain.span(...given)
        }
      }
      yield* Effect.withTracer(traced(origin), watching)
      assert.deepStrictEqual(parents, ["None"])
    }))
})
