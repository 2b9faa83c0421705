import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import * as Undici from "@effect/platform-node/Undici"
import { assert, describe, it } from "@effect/vitest"
import type { Context } from "effect"
import { Cause, Duration, Effect, Exit, Layer, Option, Redacted } from "effect"
import {
  ClientAuthentication,
  Introspection,
  OwnRequest,
  RefreshToken,
  Revocation,
  Secret,
  ServerMetadata,
  TokenError,
  TokenSource
} from "../../src/index.js"
import { serve } from "../support/sockets.js"

/** An endpoint that redirects to another origin, which answers with a token of its own. */
const pair = (status: number) =>
  Effect.gen(function*() {
    const other = yield* serve((_, response) =>
      response.setHeader("content-type", "application/json").end(
        JSON.stringify({ access_token: "stranger", token_type: "Bearer", expires_in: 60, active: true, keys: [] })
      )
    )
    const server = yield* serve((received, response) =>
      void response.writeHead(status, { location: `${other.origin}${received.path}` }).end()
    )
    return { other, server }
  })

/** A client that sets a service of `fetch` by itself: what its user says inside wins over what is said outside. */
const inside = <I, S>(tag: Context.Tag<I, S>, value: S) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, HttpClient.transformResponse(Effect.provideService(tag, value)))
  ).pipe(Layer.provide(FetchHttpClient.layer))

const follow: typeof fetch = (input, init) => fetch(input, { ...init, redirect: "follow" })

/** An older `fetch` does not say that it was redirected, only where the answer came from. */
const followSilently: typeof fetch = async (input, init) => {
  const response = await follow(input, init)
  return Object.defineProperties(new Response(await response.text(), response), {
    url: { value: response.url },
    redirected: { value: undefined }
  })
}

const redirecting = NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(Layer.scoped(
  NodeHttpClient.Dispatcher,
  Effect.map(
    NodeHttpClient.makeDispatcher,
    (dispatcher) => dispatcher.compose(Undici.interceptors.redirect({ maxRedirections: 3 }))
  )
)))

const secret = "correct-horse-battery"

const ask = (url: string) =>
  Effect.flatMap(OwnRequest.make, (send) =>
    send({
      request: HttpClientRequest.post(url).pipe(HttpClientRequest.bodyUrlParams({ client_secret: secret })),
      endpoint: url,
      field: "tokenEndpoint",
      timeout: Duration.seconds(10),
      secrets: [Redacted.make(secret)]
    }))

const basic = ClientAuthentication.basic(Redacted.make(secret))

describe("OwnRequest and redirects", () => {
  // FAULTS T
  for (const init of [{ cache: "no-store" }, { redirect: "follow" }, { redirect: "error" }] as const) {
    it.scopedLive(`a client that sets the settings of fetch itself follows none: ${JSON.stringify(init)}`, () =>
      Effect.gen(function*() {
        for (const status of [301, 302, 303, 307, 308]) {
          const { other, server } = yield* pair(status)
          const { reply } = yield* ask(`${server.origin}/token`)
          assert.strictEqual(reply.status, status)
          assert.deepStrictEqual(other.received, [])
        }
      }).pipe(Effect.provide(inside(FetchHttpClient.RequestInit, init))))
  }

  // FAULTS T
  it.scopedLive("the fetch of the program is used, and its settings are kept", () =>
    Effect.gen(function*() {
      const { other, server } = yield* pair(307)
      const seen: Array<RequestInit | undefined> = []
      const own: typeof fetch = (input, init) => {
        seen.push(init)
        return fetch(input, init)
      }
      const { reply } = yield* Effect.provideService(ask(`${server.origin}/token`), FetchHttpClient.Fetch, own)
      assert.deepStrictEqual([reply.status, other.received.length, seen.length], [307, 0, 1])
      assert.deepStrictEqual([seen[0]?.redirect, seen[0]?.cache, seen[0]?.method], ["manual", "reload", "POST"])
    }).pipe(Effect.provide(inside(FetchHttpClient.RequestInit, { cache: "reload" }))))

  // FAULTS T
  it.scopedLive("no request of the library's own goes to the target, whatever its endpoint", () =>
    Effect.gen(function*() {
      const { other, server } = yield* pair(307)
      const own = { clientId: "reports", authentication: basic }
      const failures = [
        yield* Effect.flip(Effect.flatMap(
          TokenSource.clientCredentials({ ...own, tokenEndpoint: `${server.origin}/token` }),
          (source) => source.get()
        )),
        yield* Effect.flip(Effect.flatMap(
          Introspection.make({ ...own, endpoint: `${server.origin}/introspect` }),
          (introspection) => introspection.check(Redacted.make("a-token"))
        )),
        yield* Effect.flip(Effect.flatMap(
          Revocation.make({ ...own, endpoint: `${server.origin}/revoke` }),
          (revocation) => revocation.revoke(Redacted.make("a-token"))
        )),
        yield* Effect.flip(ServerMetadata.discover(server.origin)),
        yield* Effect.flip(Effect.flatten(
          Secret.vault({ address: server.origin, path: "app", field: "secret", token: Redacted.make("a-vault-token") })
        ))
      ]
      assert.isTrue(failures.every(TokenError.isTokenError))
      assert.deepStrictEqual(new Set(server.received.map(({ path }) => path)).size, 6)
      assert.deepStrictEqual(other.received, [])
    }).pipe(Effect.provide(inside(FetchHttpClient.RequestInit, { cache: "no-store" }))))

  // FAULTS T
  const followers = [
    ["a fetch of its own inside", inside(FetchHttpClient.Fetch, follow)],
    ["one that does not say so", inside(FetchHttpClient.Fetch, followSilently)],
    ["a dispatcher", redirecting]
  ] as const
  for (const [name, layer] of followers) {
    it.scopedLive(`what a client that follows by itself brings is not accepted: ${name}`, () =>
      Effect.gen(function*() {
        const { other, server } = yield* pair(302)
        const error = yield* Effect.flip(ask(`${server.origin}/token`))
        assert.strictEqual(error._tag, "MalformedResponse", error.message)
        assert.strictEqual(other.received.length, 1)
        assert.include(error.message, `followed a redirect to ${other.origin}`)
        assert.include(error.message, "configure the final URL")
        assert.include(error.message, "change the secret")
        assert.notInclude(error.message, secret)
        const source = yield* TokenSource.clientCredentials({
          clientId: "reports",
          authentication: basic,
          tokenEndpoint: `${server.origin}/token`
        })
        assert.strictEqual((yield* Effect.flip(source.get()))._tag, "MalformedResponse")
      }).pipe(Effect.provide(layer)))
  }

  // FAULTS T
  it.scopedLive("a refresh token that went elsewhere by a redirect may have been taken", () =>
    Effect.gen(function*() {
      const { server } = yield* pair(307)
      const store = yield* RefreshToken.memory
      const source = yield* TokenSource.refreshToken({
        tokenEndpoint: `${server.origin}/token`,
        clientId: "reports",
        authentication: basic,
        refreshToken: Redacted.make("a-refresh-token"),
        rotation: "always",
        store
      })
      const exit = yield* Effect.exit(source.get())
      assert.isTrue(Exit.isFailure(exit) && Option.isSome(Cause.failureOption(exit.cause)))
      assert.strictEqual(Option.getOrThrow(yield* store.load).state, "sent")
    }).pipe(Effect.provide(redirecting)))

  // FAULTS T
  it.scopedLive("a client whose fetch sends to another address did not follow a redirect", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => response.end("{}"))
      const elsewhere: typeof fetch = (input, init) =>
        fetch(String(input).replace("https://login.example.com", server.origin), init)
      const { reply } = yield* Effect.provideService(
        ask("https://login.example.com/token"),
        FetchHttpClient.Fetch,
        elsewhere
      )
      assert.strictEqual(reply.status, 200)
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
