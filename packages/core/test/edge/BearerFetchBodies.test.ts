import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import * as TokenSource from "../../src/lifecycle/TokenSource.js"
import { makeSource } from "../support/bearer.js"
import { serve } from "../support/sockets.js"

const origin = "https://api.example.com"

const streaming = (body: ReadableStream<Uint8Array>, more: RequestInit = {}, url = origin) =>
  new Request(url, { method: "POST", body, duplex: "half", ...more } as RequestInit)

/** A stream of so many pieces of 64 KiB, which notes how many were asked for, and whether it was cancelled. */
const counted = (most: number, ends: boolean) => {
  let onCancel = () => {}
  const cancelled = new Promise<void>((resolve) => onCancel = resolve)
  const state = { pulled: 0, cancelled }
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (state.pulled++ < most) controller.enqueue(new Uint8Array(64 * 1024))
      else if (ends) controller.close()
      else return new Promise<void>(() => {})
      return undefined
    },
    cancel: () => onCancel()
  })
  return { state, stream }
}

const withInside = (inside: (request: Request) => Promise<Response>) =>
  BearerAuth.withFetch(TokenSource.fixed(Redacted.make("one")), {
    origins: [origin],
    fetch: (input) => inside(input as Request)
  })

const caught = (call: () => Promise<unknown>) => Effect.flip(Effect.tryPromise({ try: call, catch: (error) => error }))

describe("withFetch and the body of a Request", () => {
  // FAULTS L
  it.live("a body that never ends is sent as it comes: an early answer is seen", () =>
    Effect.gen(function*() {
      const fetch = yield* withInside(async (request) => {
        const { value } = await request.body!.getReader().read()
        return new Response(`${(value as Uint8Array).length}`, { status: 413 })
      })
      const response = yield* Effect.promise(() => fetch(streaming(counted(1, false).stream)))
      assert.strictEqual(response.status, 413)
      assert.strictEqual(yield* Effect.promise(() => response.text()), `${64 * 1024}`)
    }))

  // FAULTS L
  it.live("abort is obeyed while a body is still coming, and at once if it was before", () =>
    Effect.gen(function*() {
      const controller = new AbortController()
      const reason = new Error("enough")
      let sent = 0
      const fetch = yield* withInside(() => {
        sent++
        queueMicrotask(() => controller.abort(reason))
        return new Promise(() => {})
      })
      const post = () => fetch(streaming(counted(1, false).stream, { signal: controller.signal }))
      assert.strictEqual(yield* caught(post), reason)
      const late = counted(1, false)
      assert.strictEqual(yield* caught(() => fetch(streaming(late.stream, { signal: controller.signal }))), reason)
      yield* Effect.promise(() => late.state.cancelled)
      assert.strictEqual(sent, 1)
    }))

  // FAULTS B
  it.live("at most 1 MiB is read ahead of the connection", () =>
    Effect.gen(function*() {
      const body = counted(1000, true)
      const turns = () => new Promise((resolve) => setImmediate(resolve))
      const fetch = yield* withInside(async () => {
        for (let i = 0; i < 200; i++) await turns()
        return new Response("too large", { status: 413 })
      })
      assert.strictEqual((yield* Effect.promise(() => fetch(streaming(body.stream)))).status, 413)
      assert.isAtMost(body.state.pulled, 24)
    }))

  // FAULTS W
  it.scopedLive("a body from memory is sent again by fetch itself where it is redirected, also after a 401", () =>
    Effect.gen(function*() {
      const api = { good: "t1" }
      const server = yield* serve((received, response) => {
        if (received.path === "/items") return void response.writeHead(307, { location: "/items/" }).end()
        const accepted = received.authorization === `Bearer ${api.good}`
        response.writeHead(accepted ? 200 : 401).end(received.body)
      })
      const { source } = yield* makeSource()
      const fetch = yield* BearerAuth.withFetch(source, { origins: [server.origin] })
      const form = new FormData()
      form.set("a", "of a form")
      const send = (method: string, body: BodyInit) =>
        Effect.promise(async () => {
          const response = await fetch(new Request(`${server.origin}/items`, { method, body }))
          return `${response.status} ${await response.text()}`
        })
      for (const body of ["text", new Blob(["of a blob"]), form]) {
        assert.match(yield* send("POST", body), /^200 [^]*(text|of a blob|of a form)/)
      }
      api.good = "t2"
      assert.strictEqual(yield* send("PUT", "again"), "200 again")
      const types = server.received.filter(({ path }) => path === "/items/")
      assert.strictEqual(types.length, 5)
    }))

  // FAULTS W
  it.live("a 401 at once does not come before the copy of the body is there", () =>
    Effect.gen(function*() {
      const bodies: Array<string> = []
      const { source } = yield* makeSource()
      const fetch = yield* BearerAuth.withFetch(source, {
        origins: [origin],
        fetch: async (input) => {
          const request = input as Request
          if (request.headers.get("authorization") === "Bearer t1") return new Response("no", { status: 401 })
          bodies.push(await request.text())
          return new Response("ok")
        }
      })
      const pieces = new Blob(["x".repeat(500_000)]).stream()
      const response = yield* Effect.promise(() => fetch(streaming(pieces, { headers: { "content-type": "a/b" } })))
      assert.strictEqual(response.status, 200)
      assert.deepStrictEqual(bodies.map(({ length }) => length), [500_000])
    }))

  // FAULTS L
  it.live("a body of a call that gets no token is cancelled", () =>
    Effect.gen(function*() {
      const source = yield* TokenSource.make(() => Effect.fail(new Error("closed")))
      const fetch = yield* BearerAuth.withFetch(source, { origins: [origin] })
      const body = counted(1, false)
      yield* caught(() => fetch(streaming(body.stream)))
      yield* Effect.promise(() => body.state.cancelled)
    }))
})
