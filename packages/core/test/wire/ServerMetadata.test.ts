import { inspect } from "node:util"
import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Effect, Exit, FastCheck, Fiber, Option, Redacted, TestClock } from "effect"
import {
  ClientAuthentication,
  Grant,
  Introspection,
  Revocation,
  ServerMetadata,
  TokenEndpoint,
  TokenRequest
} from "../../src/index.js"
import * as unsent from "../../src/wire/neverSent.js"

const issuer = "https://auth.test"
const document = (members: Record<string, unknown> = {}) => ({
  issuer,
  token_endpoint: "https://auth.test/token",
  introspection_endpoint: "https://auth.test/introspect",
  revocation_endpoint: "https://auth.test/revoke",
  jwks_uri: "https://auth.test/jwks",
  ...members
})
const pathOf = (url: string) => new URL(url).pathname
const oauth = "/.well-known/oauth-authorization-server"
const openid = "/.well-known/openid-configuration"

/** A server that answers each path as told, and 404 otherwise. */
const serving = (replies: Record<string, Reply.Reply>) =>
  AuthorizationServer.make({ answer: ({ url }) => replies[pathOf(url)] ?? Reply.status(404) })

const discover = (
  replies: Record<string, Reply.Reply>,
  from: string | URL = issuer,
  options?: ServerMetadata.Options
) =>
  Effect.gen(function*() {
    const server = yield* serving(replies)
    const result = yield* Effect.either(
      Effect.provideService(ServerMetadata.discover(from, options), HttpClient.HttpClient, server.client)
    )
    return { result, paths: (yield* server.requests).map(({ url }) => pathOf(url)) }
  })

const found = (...args: Parameters<typeof discover>) =>
  Effect.flatMap(discover(...args), ({ paths, result }) => Effect.map(result, (metadata) => ({ metadata, paths })))
const failed = (...args: Parameters<typeof discover>) => Effect.flip(found(...args))

describe("ServerMetadata.discover", () => {
  it.effect("asks at the URL of RFC 8414 first, then at that of OpenID", () =>
    Effect.gen(function*() {
      const first = yield* found({ [oauth]: Reply.json(document()) })
      assert.deepStrictEqual(first.paths, [oauth])
      assert.deepStrictEqual(first.metadata.endpoints.token, Option.some(new URL("https://auth.test/token")))
      assert.deepStrictEqual(first.metadata.tokenEndpointAuthMethodsSupported, ["client_secret_basic"])
      const second = yield* found({ [openid]: Reply.json(document({ scopes_supported: ["a", 1] })) })
      assert.deepStrictEqual(second.paths, [oauth, openid])
      assert.deepStrictEqual(second.metadata.scopesSupported, ["a"])
    }))

  it.effect("puts the path of the issuer after the well-known path of RFC 8414 and before that of OpenID", () =>
    Effect.gen(function*() {
      for (const slash of ["", "/"]) {
        const from = `https://auth.test/tenant/1${slash}`
        const { paths } = yield* found(
          { [`/tenant/1${openid}`]: Reply.json(document({ issuer: from })) },
          from
        )
        assert.deepStrictEqual(paths, [`${oauth}/tenant/1`, `/tenant/1${openid}`])
      }
    }))

  it.effect("asks at the second URL also after a page for people, an error in JSON and a 500", () =>
    Effect.gen(function*() {
      for (const reply of [Reply.html(), Reply.oauthError("not_found", { status: 404 }), Reply.status(500)]) {
        const { paths } = yield* found({ [oauth]: reply, [openid]: Reply.json(document()) })
        assert.deepStrictEqual(paths, [oauth, openid])
      }
    }))

  it.effect("asks only once when there is no answer", () =>
    Effect.gen(function*() {
      for (const reply of [Reply.reset(), Reply.status(429)]) {
        const { paths, result } = yield* discover({ [oauth]: reply })
        assert.deepStrictEqual(paths, [oauth])
        assert.isTrue(result._tag === "Left" && result.left.retryable)
      }
    }))

  it.effect("the issuer must be the same character by character, even to the last slash", () =>
    Effect.gen(function*() {
      for (const other of ["https://auth.test/", "https://AUTH.test", "https://evil.test", "", 3, undefined]) {
        const error = yield* failed({ [oauth]: Reply.json(document({ issuer: other })) })
        assert.strictEqual(error._tag, "MalformedResponse")
        assert.include(error.message, "issuer")
      }
      // a URL object always has a path
      yield* found({ [oauth]: Reply.json(document()) }, new URL(issuer))
      yield* found({ [oauth]: Reply.json(document({ issuer: `${issuer}/` })) }, new URL(issuer))
      yield* found({ [oauth]: Reply.json(document({ issuer: `${issuer}/` })) }, `${issuer}/`)
    }))

  it.effect("endpoints must be URLs that a secret may be sent to", () =>
    Effect.gen(function*() {
      for (
        const [bad, why] of [
          ["http://auth.test/token", "token_endpoint is not https"],
          ["http://127.0.0.1/token", "token_endpoint is not https"],
          ["ftp://auth.test/token", "token_endpoint is not https"],
          ["/token", "token_endpoint is no URL"],
          [7, "token_endpoint is no URL"],
          ["https://a:b@auth.test/token", "token_endpoint holds a user name"],
          ["https://auth.test/token#x", "token_endpoint has a fragment"]
        ] as const
      ) {
        const error = yield* failed({ [oauth]: Reply.json(document({ token_endpoint: bad })) })
        assert.strictEqual(error._tag, "MalformedResponse")
        assert.include(error.message, why)
      }
      const alias = { mtls_endpoint_aliases: { token_endpoint: "http://auth.test/token" } }
      assert.include((yield* failed({ [oauth]: Reply.json(document(alias)) })).message, "mtls_endpoint_aliases.token")
      const local = "http://127.0.0.1:1"
      yield* found(
        { [oauth]: Reply.json({ issuer: local, token_endpoint: "http://localhost:2/token", jwks_uri: null }) },
        local
      )
      yield* found({ [oauth]: Reply.json(document({ token_endpoint: "http://auth.test/token" })) }, issuer, {
        allowInsecure: true
      })
    }))

  it.effect("problems of the issuer are reported before any request", () =>
    Effect.gen(function*() {
      for (
        const bad of ["", "nonsense", "http://auth.test", "https://a:b@auth.test", "https://x/?a=1", "https://x/#a"]
      ) {
        const { paths, result } = yield* discover({}, bad, { timeout: 0 })
        assert.deepStrictEqual(paths, [])
        assert.isTrue(result._tag === "Left" && result.left._tag === "InvalidConfiguration")
        assert.deepStrictEqual(result._tag === "Left" && "fields" in result.left && result.left.fields, [
          "issuer",
          "timeout"
        ])
      }
    }))

  it.effect("the error says so when there is no metadata", () =>
    Effect.gen(function*() {
      const error = yield* failed({})
      assert.strictEqual(error._tag, "RejectedByEndpoint")
      assert.include(error.message, "publishes no metadata")
      const redirected = yield* failed({
        [oauth]: Reply.redirect("https://evil.test/x"),
        [openid]: Reply.redirect("https://evil.test/x")
      })
      assert.include(redirected.message, "https://evil.test")
      // the more informative failure is shown
      assert.strictEqual((yield* failed({ [oauth]: Reply.json({ issuer: "x" }) }))._tag, "MalformedResponse")
      assert.strictEqual((yield* failed({ [openid]: Reply.status(503) }))._tag, "EndpointUnavailable")
    }))

  // FAULTS S2
  it.effect("shows only plain words of a refusal, because no secret was sent by which it could be found", () =>
    Effect.gen(function*() {
      const word = "correcthorse"
      const reply = Reply.json({ error: "temporarily_unavailable", error_description: `${word} is unknown` }, {
        status: 400
      })
      const error = yield* failed({ [oauth]: reply, [openid]: reply })
      assert.strictEqual(error._tag, "EndpointUnavailable")
      assert.include(error.message, "is unknown")
      assert.notInclude(inspect(error), word)
    }))

  // I13
  it.effect.prop(
    "any document gives metadata or a typed error",
    { document: FastCheck.json() },
    ({ document }) =>
      Effect.gen(function*() {
        const reply = Reply.respond({ body: document })
        const { result } = yield* discover({ [oauth]: reply, [openid]: reply })
        assert.isTrue(result._tag === "Left" && "retryable" in result.left)
      })
  )
})

describe("ServerMetadata.make", () => {
  const setup = (answer: () => Reply.Reply) =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ answer })
      const metadata = yield* Effect.provideService(ServerMetadata.make(issuer), HttpClient.HttpClient, server.client)
      return { server, metadata }
    })
  const cacheControl = (value: string) => Reply.json(document(), { headers: { "cache-control": value } })

  it.effect("asks when the metadata is needed, and not again for an hour", () =>
    Effect.gen(function*() {
      const { metadata, server } = yield* setup(() => Reply.json(document()))
      assert.strictEqual(yield* server.count, 0)
      yield* Effect.all(Array.from({ length: 50 }, () => metadata.get), { concurrency: "unbounded" })
      yield* TestClock.adjust("59 minutes")
      yield* metadata.get
      assert.strictEqual(yield* server.count, 1)
      yield* TestClock.adjust("1 minute")
      yield* metadata.get
      assert.strictEqual(yield* server.count, 2)
    }))

  it.effect("keeps metadata as long as the server allows, between a minute and a day", () =>
    Effect.gen(function*() {
      for (
        const [value, seconds] of [
          ["public, max-age=600", 600],
          ["max-age=\"600\"", 600],
          ["max-age=0", 60],
          ["no-store", 60],
          ["private, no-cache", 60],
          ["max-age=999999999", 86_400],
          ["s-maxage=10", 3600],
          ["max-age=abc", 3600]
        ] as const
      ) {
        const { metadata, server } = yield* setup(() => cacheControl(value))
        yield* metadata.get
        yield* TestClock.adjust((seconds - 1) * 1000)
        yield* metadata.get
        assert.strictEqual(yield* server.count, 1, value)
        yield* TestClock.adjust(1000)
        yield* metadata.get
        assert.strictEqual(yield* server.count, 2, value)
      }
    }))

  it.effect("a failure is shared by the waiting callers and not kept", () =>
    Effect.gen(function*() {
      const { metadata, server } = yield* setup(() => Reply.json(document()))
      yield* server.enqueue(Reply.delayed(Reply.reset(), "1 second"))
      const waiting = yield* Effect.fork(
        Effect.all(Array.from({ length: 10 }, () => Effect.exit(metadata.get)), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      const exits = yield* Fiber.join(waiting)
      assert.isTrue(exits.every(Exit.isFailure))
      assert.strictEqual(yield* server.count, 1)
      yield* metadata.get
      assert.strictEqual(yield* server.count, 2)
    }))

  it.effect("I4 interrupting the caller that asks fails no other caller", () =>
    Effect.gen(function*() {
      const { metadata, server } = yield* setup(() => Reply.delayed(Reply.json(document()), "1 second"))
      const first = yield* Effect.fork(metadata.get)
      yield* Effect.yieldNow()
      const second = yield* Effect.fork(metadata.get)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(second)
      // the request goes on for the callers that still wait
      assert.strictEqual(yield* server.count, 1)
    }))

  it.effect("I5 metadata in memory is still used while the server cannot be reached", () =>
    Effect.gen(function*() {
      const { metadata, server } = yield* setup(() => Reply.json(document()))
      yield* metadata.get
      yield* server.setOutage(Reply.reset())
      yield* TestClock.adjust("2 hours")
      yield* metadata.get
      assert.strictEqual(yield* server.count, 2)
      yield* server.setOutage(Reply.json(document({ issuer: "https://evil.test" })))
      assert.strictEqual((yield* Effect.flip(metadata.get))._tag, "MalformedResponse")
    }))
})

const client = { clientId: "svc", authentication: ClientAuthentication.post(Redacted.make("hush-hush-hush")) }

describe("an endpoint from an issuer", () => {
  /** A server whose metadata can change. */
  const setup = (options: Parameters<typeof ServerMetadata.tokenEndpoint>[1] = {}) =>
    Effect.gen(function*() {
      const state = { document: document(), answer: (_path: string): Reply.Reply => Reply.token() }
      const server = yield* AuthorizationServer.make({
        answer: ({ url }) => pathOf(url) === oauth ? Reply.json(state.document) : state.answer(pathOf(url))
      })
      const endpoint = yield* Effect.provideService(
        TokenEndpoint.make({ tokenEndpoint: ServerMetadata.tokenEndpoint(issuer, options), ...client }),
        HttpClient.HttpClient,
        server.client
      )
      return {
        state,
        server,
        endpoint,
        ask: endpoint.request(Grant.clientCredentials, TokenRequest.empty),
        paths: Effect.map(server.requests, (all) => all.map(({ url }) => pathOf(url)))
      }
    })

  it.effect("an endpoint is looked up at the first request, once", () =>
    Effect.gen(function*() {
      const { ask, endpoint, paths } = yield* setup()
      assert.deepStrictEqual(yield* paths, [])
      assert.strictEqual(endpoint.endpoint, "https://auth.test/")
      yield* ask
      yield* ask
      assert.deepStrictEqual(yield* paths, [oauth, "/token", "/token"])
    }))

  it.effect("an endpoint is looked up again after it went away, but not after an OAuth error", () =>
    Effect.gen(function*() {
      const { ask, paths, server, state } = yield* setup()
      state.answer = (path) => path === "/moved" ? Reply.token() : Reply.status(404)
      yield* Effect.flip(ask)
      state.document = document({ token_endpoint: "https://auth.test/moved" })
      yield* ask
      assert.deepStrictEqual(yield* paths, [oauth, "/token", oauth, "/moved"])
      yield* server.enqueue(Reply.oauthError("invalid_scope"), Reply.status(503))
      yield* Effect.flip(ask)
      yield* Effect.flip(ask)
      yield* ask
      assert.deepStrictEqual((yield* paths).slice(4), ["/moved", "/moved", "/moved"])
    }))

  it.effect("a program starts while its server is down", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* setup()
      yield* server.setOutage(Reply.reset())
      const error = yield* Effect.flip(ask)
      assert.isTrue(error.retryable)
      // nothing was sent, so a refresh token was not spent
      assert.isTrue(unsent.has(error))
      yield* server.setOutage(false)
      yield* ask
      yield* server.setOutage(Reply.reset())
      assert.isFalse(unsent.has(yield* Effect.flip(ask)))
    }))

  it.effect("the total limit covers the lookup", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* setup()
      yield* server.setLatency("6 seconds")
      const fiber = yield* Effect.fork(Effect.flip(ask))
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "EndpointTimeout")
      assert.isFalse(unsent.has(error))
      const slower = yield* setup()
      yield* slower.server.setLatency("11 seconds")
      const next = yield* Effect.fork(Effect.flip(slower.ask))
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(unsent.has(yield* Fiber.join(next)))
    }))

  it.effect("clients with certificates use the mtls alias, if there is one", () =>
    Effect.gen(function*() {
      const aliased = yield* setup({ mtls: true })
      aliased.state.document = document({ mtls_endpoint_aliases: { token_endpoint: "https://auth.test/mtls" } })
      yield* aliased.ask
      assert.deepStrictEqual(yield* aliased.paths, [oauth, "/mtls"])
      const plain = yield* setup({ mtls: true })
      yield* plain.ask
      assert.deepStrictEqual(yield* plain.paths, [oauth, "/token"])
    }))

  it.effect("an endpoint that the server does not have is an error that says so", () =>
    Effect.gen(function*() {
      const { ask, state } = yield* setup()
      state.document = document({ token_endpoint: undefined })
      const error = yield* Effect.flip(ask)
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.include(error.message, "token endpoint")
    }))

  it.effect("all endpoints of an issuer share one lookup; the authentication gets endpoint and issuer", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({
        answer: ({ url }) =>
          pathOf(url) === oauth ? Reply.json(document()) : pathOf(url) === "/introspect"
            ? Reply.json({ active: true })
            : Reply.status(200)
      })
      const seen: Array<unknown> = []
      yield* Effect.gen(function*() {
        const metadata = yield* ServerMetadata.make(issuer)
        const introspection = yield* Introspection.make({
          ...client,
          endpoint: ServerMetadata.introspectionEndpoint(metadata),
          authentication: ClientAuthentication.make({
            method: "own",
            credentials: ({ endpoint, issuer }) =>
              Effect.sync(() => {
                seen.push([endpoint.href, issuer])
                return { headers: [], parameters: [], secrets: [], hint: Option.none() }
              })
          })
        })
        const revocation = yield* Revocation.make({ ...client, endpoint: ServerMetadata.revocationEndpoint(metadata) })
        yield* introspection.check("a")
        yield* revocation.revoke("a")
      }).pipe(Effect.provideService(HttpClient.HttpClient, server.client))
      assert.deepStrictEqual(seen, [["https://auth.test/introspect", issuer]])
      assert.deepStrictEqual((yield* server.requests).map(({ url }) => pathOf(url)), [oauth, "/introspect", "/revoke"])
    }))

  it.effect("a wrong issuer is reported at once, and its text is not shown", () =>
    Effect.gen(function*() {
      const server = yield* serving({})
      const error = yield* Effect.flip(Effect.provideService(
        TokenEndpoint.make({ tokenEndpoint: ServerMetadata.tokenEndpoint("my-secret"), ...client, clientId: "" }),
        HttpClient.HttpClient,
        server.client
      ))
      assert.deepStrictEqual([...error.fields].sort(), ["clientId", "tokenEndpoint"])
      assert.notInclude(inspect(error), "my-secret")
    }))
})
