/** Redirects that are followed hop by hop, as in workerd. */
import { inspect } from "node:util"
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Redacted } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import * as TokenSource from "../../src/lifecycle/TokenSource.js"
import { serve } from "../support/sockets.js"

const before = Object.getOwnPropertyDescriptor(globalThis, "navigator")

beforeAll(() => {
  Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Cloudflare-Workers" }, configurable: true })
})
afterAll(() => {
  if (before === undefined) Reflect.deleteProperty(globalThis, "navigator")
  else Object.defineProperty(globalThis, "navigator", before)
})

const one = TokenSource.fixed(Redacted.make("one"))

describe("a redirect to a presigned URL, hop by hop", () => {
  const shown = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const texts: Array<string> = []
      const plain = yield* Effect.tracer
      const watching = {
        ...plain,
        span: (...given: Parameters<typeof plain.span>) => {
          const span = plain.span(...given)
          const attribute = span.attribute.bind(span)
          span.attribute = (name, value) => {
            texts.push(`${name}=${String(value)}`)
            attribute(name, value)
          }
          return span
        }
      }
      const exit = yield* Effect.exit(Effect.withTracer(effect, watching))
      texts.push(JSON.stringify(exit), inspect(exit, { depth: 9 }))
      if (exit._tag === "Failure") texts.push(Cause.pretty(exit.cause))
      return { exit, texts }
    })

  // FAULTS S
  it.scopedLive("no span, error or response shows it", () =>
    Effect.gen(function*() {
      const storage = yield* serve(({ path }, response) => {
        if (path.startsWith("/reset")) return void response.destroy()
        response.writeHead(path.startsWith("/broken") ? 200 : 403, { "content-length": "10" }).write("a")
        response.destroy()
      })
      const api = yield* serve(({ path }, response) =>
        response.writeHead(302, { location: `${storage.origin}${path}?signature=s3cr3t` }).end()
      )
      const base = yield* HttpClient.HttpClient
      const options = { origins: [api.origin] } as const
      const client = BearerAuth.withBearer(base, one, options)
      const strict = BearerAuth.withBearer(HttpClient.filterStatusOk(base), one, options)
      const listed = BearerAuth.withBearer(base, one, { origins: [api.origin, storage.origin] })
      const fetch = yield* BearerAuth.withFetch(one, options)
      const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        client.get(`${api.origin}/reset`),
        listed.get(`${api.origin}/reset`),
        strict.get(`${api.origin}/403`),
        client.get(`${api.origin}/403`),
        Effect.flatMap(client.get(`${api.origin}/broken`), (response) => response.text),
        Effect.flatMap(client.get(`${api.origin}/broken`), (response) => Effect.flip(response.arrayBuffer)),
        Effect.tryPromise(() => fetch(`${api.origin}/reset`))
      ]
      for (const call of calls) {
        const { exit, texts } = yield* shown(call)
        assert.deepStrictEqual(texts.filter((text) => text.includes("s3cr3t")), [])
        if (exit._tag === "Success" && "status" in (exit.value as object)) {
          const response = exit.value as { readonly request: { readonly url: string } }
          assert.strictEqual(response.request.url, `${api.origin}/403`)
        }
      }
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
