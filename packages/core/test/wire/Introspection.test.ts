import { inspect } from "node:util"
import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import type { Tracer } from "effect"
import { Duration, Effect, Exit, FastCheck, Fiber, Option, Redacted, TestClock } from "effect"
import { AccessToken, ClientAuthentication, Introspection, Revocation } from "../../src/index.js"
import { secret } from "../fixtures/exchange.js"

const client = {
  endpoint: "https://auth.test/introspect?tenant=t-1",
  clientId: "svc",
  authentication: ClientAuthentication.basic(Redacted.make(secret))
}
const value = "opaque-access-token-0123456789"
const token = AccessToken.make({ value })

const setup = (...replies: ReadonlyArray<Reply.Reply>) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make()
    yield* server.enqueue(...replies)
    const provide = Effect.provideService(HttpClient.HttpClient, server.client)
    return {
      server,
      introspection: yield* provide(Introspection.make(client)),
      revocation: yield* provide(Revocation.make({ ...client, endpoint: "https://auth.test/revoke" }))
    }
  })

const check = (reply: Reply.Reply) => Effect.flatMap(setup(reply), ({ introspection }) => introspection.check(token))
const revoke = (reply: Reply.Reply) => Effect.flatMap(setup(reply), ({ revocation }) => revocation.revoke(token))

// FAULTS B
it.effect("a member of an introspection that is nested deeper than a stack is cut", () =>
  Effect.gen(function*() {
    const deep = `{"active":true,"deep":${"[".repeat(9000)}${"]".repeat(9000)}}`
    const result = yield* check(Reply.respond({ body: deep, headers: { "content-type": "application/json" } }))
    assert.isBelow(result.active ? JSON.stringify(Redacted.value(result.extra)).length : Infinity, 300)
  }))

/** Replies that say nothing about a token, and the errors they become. */
const faults: ReadonlyArray<readonly [name: string, reply: Reply.Reply, tag: string]> = [
  ["invalid_client", Reply.oauthError("invalid_client", { status: 401 }), "OAuthError"],
  ["a bare 401", Reply.status(401), "RejectedByEndpoint"],
  ["a bare 403", Reply.status(403), "RejectedByEndpoint"],
  ["404", Reply.status(404), "RejectedByEndpoint"],
  ["429", Reply.status(429, { "retry-after": "7" }), "RateLimited"],
  ["500", Reply.status(500), "EndpointUnavailable"],
  ["503", Reply.status(503, { "retry-after": "7" }), "EndpointUnavailable"],
  ["a redirect", Reply.redirect("https://evil.test/"), "RejectedByEndpoint"],
  ["a reset", Reply.reset(), "TransportError"]
]

// SPEC B6
describe("Introspection.check", () => {
  it.effect("sends the request of RFC 7662", () =>
    Effect.gen(function*() {
      const { introspection, server } = yield* setup(
        ...Array.from({ length: 3 }, () => Reply.json({ active: false }))
      )
      assert.strictEqual(introspection.endpoint, "https://auth.test/introspect")
      yield* introspection.check(token)
      yield* introspection.check(Redacted.make("r"), { hint: "refresh_token" })
      yield* introspection.check("s")
      const [first, second, third] = yield* server.requests
      assert.strictEqual(first!.method, "POST")
      assert.strictEqual(first!.url, client.endpoint)
      assert.strictEqual(first!.headers.accept, "application/json")
      assert.isTrue(first!.headers.authorization!.startsWith("Basic "))
      assert.deepStrictEqual(first!.form, { token: value, token_type_hint: "access_token" })
      assert.deepStrictEqual(second!.form, { token: "r", token_type_hint: "refresh_token" })
      assert.deepStrictEqual(third!.form, { token: "s", token_type_hint: "access_token" })
    }))

  it.effect("gives the server's description of an active token", () =>
    Effect.gen(function*() {
      const result = yield* check(Reply.json({
        active: true,
        scope: "b a",
        client_id: "svc",
        token_type: "Bearer",
        exp: 60,
        iat: 1.5,
        iss: "https://auth.test",
        aud: ["x", "y"],
        sub: "someone",
        cnf: { "x5t#S256": "abc" }
      }))
      assert.isTrue(result.active)
      if (!result.active) return
      assert.deepStrictEqual([...result.scopes], ["a", "b"])
      assert.deepStrictEqual(result.clientId, Option.some("svc"))
      assert.deepStrictEqual(result.tokenType, Option.some("Bearer"))
      assert.deepStrictEqual(result.expiresAt, Option.some(60_000))
      assert.deepStrictEqual(result.issuedAt, Option.some(1500))
      assert.deepStrictEqual(result.notBefore, Option.none())
      assert.deepStrictEqual(result.audience, ["x", "y"])
      assert.deepStrictEqual(Redacted.value(result.extra), { sub: "someone", cnf: { "x5t#S256": "abc" } })
      assert.notInclude(inspect(result, { depth: null }), "someone")
    }))

  it.effect("an inactive token is inactive, whatever other members the response has", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* check(Reply.json({ active: false, exp: 1 })), { active: false })
    }))

  for (const [name, reply, tag] of faults) {
    it.effect(`${name} is an error and not "inactive"`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(check(reply))
        assert.strictEqual(error._tag, tag)
        assert.notInclude(error.message, "token request")
        assert.notInclude(error.message, "token endpoint")
      }))
  }

  it.effect("an answer without a boolean `active` is malformed and not \"inactive\"", () =>
    Effect.gen(function*() {
      for (const active of [undefined, null, "false", 0, "", []]) {
        assert.strictEqual((yield* Effect.flip(check(Reply.json({ active, scope: "a" }))))._tag, "MalformedResponse")
      }
      for (const reply of [Reply.html(), Reply.json([]), Reply.status(204), Reply.huge(2_000_000)]) {
        assert.strictEqual((yield* Effect.flip(check(reply)))._tag, "MalformedResponse")
      }
      assert.strictEqual((yield* Effect.flip(check(Reply.status(200))))._tag, "EndpointUnavailable")
      assert.strictEqual((yield* Effect.flip(check(Reply.resetBody("{\"active\":fal"))))._tag, "TransportError")
    }))

  it.effect("introspection ends at its time limits", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.flip(check(Reply.hang)))
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.isTrue(error._tag === "EndpointTimeout" && error.phase === "total")
    }))

  it.effect("all problems of the options are reported at once, before any request", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      for (const make of [Introspection.make, Revocation.make]) {
        const error = yield* Effect.flip(Effect.provide(
          make({
            endpoint: "http://auth.test/x#y",
            clientId: " ",
            authentication: ClientAuthentication.basic(Redacted.make("")),
            timeout: 0
          }) as Effect.Effect<unknown, { readonly fields: ReadonlyArray<string> }, HttpClient.HttpClient>,
          server.layer
        ))
        assert.deepStrictEqual([...error.fields].sort(), ["authentication.secret", "clientId", "endpoint", "timeout"])
      }
      assert.strictEqual(yield* server.count, 0)
    }))

  // FAULTS B6
  it.effect("the description of a token is complete, and as it was sent", () =>
    Effect.gen(function*() {
      const scopes = Array.from({ length: 40 }, (_, index) => `https://api.example.com/scopes/records.read.${index}`)
      const long = `https://example.com/${"very-long-tenant/".repeat(100)}`
      const result = yield* check(Reply.json({
        active: true,
        scope: scopes.join(" "),
        aud: [long, "b"],
        iss: long,
        client_id: long,
        token_type: "Bearer"
      }))
      assert.isTrue(result.active)
      if (!result.active) return
      assert.deepStrictEqual([...result.scopes], [...scopes].sort())
      assert.deepStrictEqual(result.audience, [long, "b"])
      assert.deepStrictEqual(result.issuer, Option.some(long))
      assert.deepStrictEqual(result.clientId, Option.some(long))
      const many = Array.from({ length: 20_000 }, (_, index) => `scope-number-${index}`)
      const largest = yield* check(Reply.json({ active: true, scope: many.join(" ") }))
      assert.isTrue(largest.active && largest.scopes.length === many.length)
    }))

  // FAULTS B6, S7
  it.effect("a scope that holds a short secret as a word stays as it is", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({
        answer: () => Reply.json({ active: true, scope: "demo-api demo", client_id: "demo" })
      })
      const introspection = yield* Effect.provideService(
        Introspection.make({
          ...client,
          clientId: "demo",
          authentication: ClientAuthentication.basic(Redacted.make("demo"))
        }),
        HttpClient.HttpClient,
        server.client
      )
      const result = yield* introspection.check(value)
      assert.isTrue(result.active)
      if (!result.active) return
      assert.deepStrictEqual([...result.scopes], ["demo", "demo-api"])
      assert.deepStrictEqual(result.clientId, Option.some("demo"))
    }))

  // I9
  it.effect("the error for a response that repeats token and secret shows neither", () =>
    Effect.gen(function*() {
      const echo = `no ${value} and ${secret}`
      for (
        const reply of [
          Reply.oauthError("invalid_request", { description: echo }),
          Reply.respond({ status: 403, headers: { "content-type": "text/plain" }, body: echo }),
          Reply.json({ active: "no", error_description: echo, x: value }),
          Reply.json({ active: true, client_id: echo, token_type: echo, iss: echo, aud: [echo], scope: value })
        ]
      ) {
        for (const run of [check, revoke]) {
          const exit = yield* Effect.exit<unknown, unknown, never>(run(reply))
          for (const text of [inspect(exit, { depth: null }), JSON.stringify(exit)]) {
            assert.notInclude(text, value)
            assert.notInclude(text, secret)
          }
        }
      }
    }))

  it.effect("each call has one span without token, secret and query, and no trace headers are sent", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const { introspection, revocation, server } = yield* setup(Reply.json({ active: false }), Reply.status(403))
      const tracer = yield* Effect.tracer
      yield* Effect.zipRight(introspection.check(token), Effect.ignore(revocation.revoke(token))).pipe(
        Effect.withSpan("outer"),
        Effect.withTracer({
          ...tracer,
          span: (...args) => {
            const span = tracer.span(...args)
            spans.push(span)
            return span
          }
        })
      )
      assert.deepStrictEqual(
        spans.filter(({ name }) => name !== "outer").map((span) => [span.name, Object.fromEntries(span.attributes)]),
        [
          ["Introspection.check", { "server.address": "auth.test", "http.response.status_code": 200 }],
          ["Revocation.revoke", {
            "server.address": "auth.test",
            "http.response.status_code": 403,
            "oauth.error": "RejectedByEndpoint"
          }]
        ]
      )
      for (const { headers } of yield* server.requests) assert.isUndefined(headers.traceparent)
    }))

  // I13
  it.effect.prop(
    "any bytes give a result or a typed error",
    { body: FastCheck.uint8Array({ maxLength: 200 }), status: FastCheck.integer({ min: 100, max: 699 }) },
    ({ body, status }) =>
      Effect.gen(function*() {
        for (const run of [check, revoke]) {
          const fiber = yield* Effect.fork(
            Effect.exit<unknown, { readonly retryable: boolean }, never>(run(Reply.respond({ status, body })))
          )
          yield* TestClock.adjust("1 second")
          const exit = yield* Fiber.join(fiber)
          assert.isTrue(Exit.isSuccess(exit) || (exit.cause._tag === "Fail" && "retryable" in exit.cause.error))
        }
      })
  )
})

describe("Revocation.revoke", () => {
  it.effect("sends the request of RFC 7009", () =>
    Effect.gen(function*() {
      const { revocation, server } = yield* setup(Reply.status(200), Reply.status(200))
      yield* revocation.revoke(token)
      yield* revocation.revoke("r", { hint: "refresh_token" })
      const [first, second] = yield* server.requests
      assert.deepStrictEqual(first!.form, { token: value, token_type_hint: "access_token" })
      assert.isTrue(first!.headers.authorization!.startsWith("Basic "))
      assert.deepStrictEqual(second!.form, { token: "r", token_type_hint: "refresh_token" })
    }))

  it.effect("any 2xx is a success, whatever its body", () =>
    Effect.gen(function*() {
      for (
        const reply of [
          Reply.status(200),
          Reply.status(204),
          Reply.html(),
          Reply.json({ error: "invalid_token" }),
          Reply.respond({ body: "{" }),
          Reply.huge(2_000_000)
        ]
      ) {
        yield* revoke(reply)
      }
    }))

  for (const [name, reply, tag] of faults) {
    it.effect(`${name} is an error`, () =>
      Effect.map(Effect.flip(revoke(reply)), (error) => assert.strictEqual(error._tag, tag)))
  }

  // FAULTS R: Google and Salesforce refuse, where RFC 7009 has 200, a token that is over already
  it.effect("a token that the server calls invalid is revoked; a bearer challenge is no word about it", () =>
    Effect.gen(function*() {
      yield* revoke(Reply.oauthError("invalid_token", { description: "Token expired or revoked" }))
      for (const reply of [Reply.oauthError("invalid_token", { status: 401 }), Reply.oauthError("invalid_request")]) {
        assert.strictEqual((yield* Effect.flip(revoke(reply)))._tag, "OAuthError")
      }
    }))

  it.effect("unsupported_token_type is final; 503 says when to come back", () =>
    Effect.gen(function*() {
      const unsupported = yield* Effect.flip(revoke(Reply.oauthError("unsupported_token_type", { status: 503 })))
      assert.isTrue(unsupported._tag === "OAuthError" && unsupported.error === "unsupported_token_type")
      assert.include(unsupported.message, "type of token")
      const later = yield* Effect.flip(revoke(Reply.status(503, { "retry-after": "7" })))
      assert.isTrue(
        later._tag === "EndpointUnavailable" &&
          Option.exists(later.retryAfter, (wait) => Duration.toSeconds(wait) === 7)
      )
    }))
})
