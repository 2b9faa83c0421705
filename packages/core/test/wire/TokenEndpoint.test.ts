import { readFileSync } from "node:fs"
import { inspect } from "node:util"
import { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import type { Tracer } from "effect"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Option, Redacted, TestClock } from "effect"
import { ClientAuthentication, Grant, TokenEndpoint, TokenRequest } from "../../src/index.js"
import { exchange, refused, secret, setup } from "../fixtures/exchange.js"
import { steppable } from "../support/time.js"

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))

const ask = (endpoint: TokenEndpoint.TokenEndpoint, request: TokenRequest.Options = {}) =>
  endpoint.request(Grant.clientCredentials, TokenRequest.make(request))

/** The result of one exchange when the client fails or dies with `failure`. */
const failing = (execute: Effect.Effect<never, HttpClientError.HttpClientError> | (() => never)) =>
  Effect.gen(function*() {
    const client = HttpClient.makeWith(
      () => typeof execute === "function" ? execute() : execute as Effect.Effect<never>,
      Effect.succeed
    )
    const endpoint = yield* Effect.provideService(
      TokenEndpoint.make({
        tokenEndpoint: "https://auth.test/token?key=in-query",
        clientId: "svc",
        authentication: ClientAuthentication.basic(Redacted.make(secret))
      }),
      HttpClient.HttpClient,
      client as HttpClient.HttpClient
    )
    return yield* Effect.flip(ask(endpoint))
  })

const transport = (cause: unknown) =>
  failing(Effect.suspend(() =>
    Effect.fail(
      new HttpClientError.RequestError({
        request: { method: "POST", url: `https://auth.test/?key=in-query&s=${secret}` } as never,
        reason: "Transport",
        cause
      })
    )
  ))

const coded = (code: string, message = code) => Object.assign(new Error(message), { code })

describe("TokenEndpoint: the request", () => {
  // FAULTS K: the time that the request took was added to the life of the token
  it.effect("a clock that is put back while the answer is on its way does not make the token live longer", () =>
    Effect.gen(function*() {
      const { state, stepped } = yield* steppable
      const client = HttpClient.make((request) =>
        Effect.as(
          Effect.sleep("5 seconds"),
          HttpClientResponse.fromWeb(
            request,
            Response.json({ access_token: "an-access-token", token_type: "Bearer", expires_in: 10 })
          )
        )
      )
      const endpoint = yield* TokenEndpoint.make({
        tokenEndpoint: "https://auth.test/token",
        clientId: "svc",
        authentication: ClientAuthentication.basic(Redacted.make(secret))
      }).pipe(Effect.provideService(HttpClient.HttpClient, client))
      yield* TestClock.setTime(7_200_000)
      const asking = yield* Effect.fork(Effect.withClock(ask(endpoint), stepped))
      yield* TestClock.adjust("4 seconds")
      state.step = -3_600_000
      yield* TestClock.adjust("1 second")
      const token = yield* Fiber.join(asking)
      assert.strictEqual(token.issuedAt, 3_600_000)
      assert.deepStrictEqual(token.expiresAt, Option.some(3_610_000))
    }))

  // SPEC A3, C1
  it.effect("the request is a POST of a form with Accept and User-Agent", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup()
      yield* ask(endpoint, { scopes: "b,a" })
      const [request] = yield* server.requests
      assert.strictEqual(request!.method, "POST")
      assert.strictEqual(request!.url, server.tokenEndpoint)
      assert.strictEqual(request!.headers["content-type"], "application/x-www-form-urlencoded")
      assert.strictEqual(request!.headers.accept, "application/json")
      assert.strictEqual(request!.headers["user-agent"], `effect-bearer/${version}`)
      assert.isTrue(request!.headers.authorization!.startsWith("Basic "))
      // SPEC A13
      assert.strictEqual(request!.body, "grant_type=client_credentials&scope=a+b")
    }))

  it.effect("W6 an empty scope is left out; audience and resource may repeat", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup()
      yield* ask(endpoint)
      yield* ask(endpoint, {
        audience: ["https://b", "https://a"],
        resource: ["urn:x", "urn:y"],
        parameters: { organization: "acme" }
      })
      const [first, second] = yield* server.requests
      assert.strictEqual(first!.body, "grant_type=client_credentials")
      assert.deepStrictEqual(second!.params, [
        ["grant_type", "client_credentials"],
        ["audience", "https://a"],
        ["audience", "https://b"],
        ["resource", "urn:x"],
        ["resource", "urn:y"],
        ["organization", "acme"]
      ])
    }))

  it.effect("an extra parameter may not replace one that the library sends", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup()
      for (const name of ["grant_type", "client_id", "client_secret", "Client_Secret", "scope", "audience", " "]) {
        const error = yield* Effect.flip(ask(endpoint, { parameters: { [name]: "x", fine: "y" } }))
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.deepStrictEqual(error._tag === "InvalidConfiguration" && error.fields, [`parameters.${name}`])
      }
      assert.strictEqual(yield* server.count, 0)
    }))

  it.effect("the value of an extra parameter is a secret in errors", () =>
    Effect.gen(function*() {
      const reply = Reply.oauthError("invalid_request", { description: "bad pass-phrase" })
      const error = yield* refused(reply, { parameters: { password: "pass-phrase" } })
      assert.notInclude(error.message, "pass-phrase")
    }))

  it.effect("a query of the endpoint is kept and never shown", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup({ tokenEndpoint: "https://auth.test/token?tenant=t-1" })
      yield* server.enqueue(Reply.status(500))
      const error = yield* Effect.flip(ask(endpoint))
      assert.strictEqual((yield* server.requests)[0]!.url, "https://auth.test/token?tenant=t-1")
      assert.strictEqual(endpoint.endpoint, "https://auth.test/token")
      assert.notInclude(inspect(error), "t-1")
    }))

  // SPEC A15
  it.effect("a request has one span without secrets and query, and no trace headers are sent", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const { endpoint, server } = yield* setup({ tokenEndpoint: "https://auth.test/token?tenant=t-1" })
      yield* server.enqueue(Reply.token(), Reply.oauthError("invalid_scope"), Reply.reset())
      const watched = ask(endpoint, { scopes: "a" }).pipe(Effect.exit, Effect.withSpan("outer"))
      const tracer = yield* Effect.tracer
      yield* Effect.repeatN(watched, 2).pipe(Effect.withTracer({
        ...tracer,
        span: (...args) => {
          const span = tracer.span(...args)
          spans.push(span)
          return span
        }
      }))
      const inner = spans.filter((span) => span.name !== "outer")
      assert.deepStrictEqual(inner.map((span) => [span.name, span.kind, Object.fromEntries(span.attributes)]), [
        ["TokenEndpoint.request", "client", {
          "oauth.grant_type": "client_credentials",
          "server.address": "auth.test",
          "http.response.status_code": 200
        }],
        ["TokenEndpoint.request", "client", {
          "oauth.grant_type": "client_credentials",
          "server.address": "auth.test",
          "http.response.status_code": 400,
          "oauth.error": "invalid_scope"
        }],
        ["TokenEndpoint.request", "client", {
          "oauth.grant_type": "client_credentials",
          "server.address": "auth.test",
          "oauth.error": "TransportError"
        }]
      ])
      for (const { headers } of yield* server.requests) {
        assert.isUndefined(headers.traceparent)
        assert.isUndefined(headers.b3)
      }
    }))

  it.effect("two exchanges at a time do not disturb each other", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* setup()
      const tokens = yield* Effect.all([ask(endpoint, { scopes: "a" }), ask(endpoint, { scopes: "b" })], {
        concurrency: 2
      })
      assert.deepStrictEqual(tokens.map((token) => token.scopes.join()), ["a", "b"])
    }))
})

// SPEC A1
describe("TokenEndpoint: options", () => {
  const fields = (options: Partial<TokenEndpoint.Options>) =>
    Effect.map(Effect.flip(setup(options)), (error) => {
      assert.strictEqual(error._tag, "InvalidConfiguration")
      return error.fields
    })

  it.effect("the URL must be absolute, https, without user info and fragment", () =>
    Effect.gen(function*() {
      const bad = [
        "",
        "oauth/token",
        "auth.test/token",
        "ftp://auth.test",
        "javascript:alert(1)",
        "http://auth.test/token",
        "http://localhost.evil.test/token",
        "http://127.0.0.1.evil.test/token",
        "http://10.0.0.1/token",
        "https://user@auth.test/token",
        "https://user:pass-word@auth.test/token",
        "https://auth.test/token#x",
        secret
      ]
      for (const tokenEndpoint of bad) {
        const error = yield* Effect.flip(setup({ tokenEndpoint }))
        assert.deepStrictEqual(error.fields, ["tokenEndpoint"], tokenEndpoint)
        assert.notInclude(error.message, "pass-word")
        assert.notInclude(error.message, secret)
      }
    }))

  it.effect("http is fine on loopback, and elsewhere when asked for", () =>
    Effect.gen(function*() {
      for (const host of ["localhost", "127.0.0.1:8080", "127.9.9.9", "127.1", "[::1]:80"]) {
        yield* setup({ tokenEndpoint: `http://${host}/token` })
      }
      yield* setup({ tokenEndpoint: new URL("http://auth.test/token"), allowInsecure: true })
    }))

  it.effect("one error names every wrong field", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* fields({
          clientId: " ",
          tokenEndpoint: "x",
          timeout: -1,
          authentication: ClientAuthentication.basic(Redacted.make(" "))
        }),
        ["clientId", "tokenEndpoint", "timeout", "authentication.secret"]
      )
      assert.deepStrictEqual(yield* fields({ clientId: "id " }), ["clientId"])
      assert.deepStrictEqual(yield* fields({ clientId: undefined as never }), ["clientId"])
    }))

  it.effect("timeouts must be durations above zero", () =>
    Effect.gen(function*() {
      const bad: ReadonlyArray<TokenEndpoint.Options["timeout"]> = [
        0,
        -5,
        Number.NaN,
        "soon" as never,
        { total: 0 },
        { read: "0 seconds" },
        { connect: -1 }
      ]
      for (const timeout of bad) {
        const [field] = yield* fields({ timeout })
        assert.isTrue(field!.startsWith("timeout"), String(timeout))
      }
      for (const timeout of [1, "3 seconds", Duration.infinity, {}, { total: Duration.infinity }] as const) {
        yield* setup({ timeout })
      }
    }))
})

// SPEC A5, E3
describe("TokenEndpoint: time", () => {
  const limited = (reply: Reply.Reply, timeout: TokenEndpoint.Options["timeout"], adjust: Duration.DurationInput) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(refused(reply, {}, { timeout }))
      yield* TestClock.adjust(adjust)
      const exit = yield* fiber.poll
      yield* Fiber.interruptFork(fiber)
      if (Option.isNone(exit)) return "waiting"
      const error = yield* exit.value
      return error._tag === "EndpointTimeout"
        ? `${error.phase} ${Duration.toMillis(error.limit)}`
        : error._tag
    })

  it.effect("the total limit is 10 seconds by default, and covers everything", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* limited(Reply.hang, undefined, "9999 millis"), "waiting")
      assert.strictEqual(yield* limited(Reply.hang, undefined, "10 seconds"), "total 10000")
      assert.strictEqual(yield* limited(Reply.hang, "2 seconds", "2 seconds"), "total 2000")
      assert.strictEqual(yield* limited(Reply.hang, { total: "2 seconds" }, "2 seconds"), "total 2000")
    }))

  it.effect("W4.42 the total limit ends a slow body, however steadily it drips", () =>
    Effect.gen(function*() {
      const drip = Reply.drip("{\"access_token\":\"abc\"}".padEnd(200), "1 second")
      assert.strictEqual(yield* limited(drip, { read: "2 seconds" }, "10 seconds"), "total 10000")
      assert.strictEqual(yield* limited(drip, { total: Duration.infinity }, "100 seconds"), "waiting")
    }))

  it.effect("`connect` limits the time to the head of the response, `read` a silence in its body", () =>
    Effect.gen(function*() {
      const timeout = { connect: "3050 millis", read: "4 seconds" } as const
      assert.strictEqual(yield* limited(Reply.hang, timeout, "3049 millis"), "waiting")
      assert.strictEqual(yield* limited(Reply.hang, timeout, "3050 millis"), "connect 3050")
      assert.strictEqual(yield* limited(Reply.hangBody(), timeout, "3999 millis"), "waiting")
      assert.strictEqual(yield* limited(Reply.hangBody(), timeout, "4 seconds"), "read 4000")
      assert.strictEqual(yield* limited(Reply.hangBody(), { total: "1 minute" }, "10 seconds"), "read 10000")
    }))

  it.effect("for an error whose status says enough, the body is waited for one second at most", () =>
    Effect.gen(function*() {
      const slow = (status: number) =>
        Reply.respond({ status, headers: { "retry-after": "5" }, body: ["{"], end: "hang" })
      assert.strictEqual(yield* limited(slow(503), undefined, "999 millis"), "waiting")
      assert.strictEqual(yield* limited(slow(503), undefined, "1 second"), "EndpointUnavailable")
      assert.strictEqual(yield* limited(slow(429), undefined, "1 second"), "RateLimited")
      assert.strictEqual(yield* limited(slow(307), undefined, "1 second"), "RejectedByEndpoint")
      assert.strictEqual(yield* limited(slow(400), "5 seconds", "5 seconds"), "total 5000")
    }))

  it.effect("the limit holds if the caller cannot be interrupted", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.uninterruptible(refused(Reply.hang)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* fiber)._tag, "EndpointTimeout")
    }))

  it.effect("the limit holds if the client cannot be interrupted", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(failing(Effect.uninterruptible(Effect.never)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* fiber)._tag, "EndpointTimeout")
    }))

  it.effect("interrupting the caller ends the exchange", () =>
    Effect.gen(function*() {
      const stopped = yield* Deferred.make<void>()
      const hanging = Effect.onInterrupt(Effect.never, () => Deferred.succeed(stopped, void 0))
      const fiber = yield* Effect.fork(failing(hanging))
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      yield* Deferred.await(stopped)
    }))
})

describe("TokenEndpoint: transport", () => {
  // SPEC C13
  it.effect("TLS failures are TlsError and say what to check", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [unknown, string, string]> = [
        [coded("CERT_HAS_EXPIRED"), "CERT_HAS_EXPIRED", "expired"],
        [new TypeError("fetch failed", { cause: coded("DEPTH_ZERO_SELF_SIGNED_CERT") }), "DEPTH_ZERO", "authority"],
        [coded("SELF_SIGNED_CERT_IN_CHAIN"), "SELF_SIGNED", "NODE_EXTRA_CA_CERTS"],
        [coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), "UNABLE_TO", "authority"],
        [coded("ERR_TLS_CERT_ALTNAME_INVALID"), "ALTNAME", "another host name"],
        [coded("EPROTO", "wrong version number"), "EPROTO", "TLS version"],
        [coded("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"), "ERR_SSL", "TLS version"],
        [new Error("invalid peer certificate: UnknownIssuer"), "handshake", "authority"]
      ]
      for (const [cause, code, advice] of cases) {
        const error = yield* transport(cause)
        assert.strictEqual(error._tag, "TlsError")
        assert.include(error.message, code)
        assert.include(error.message, advice)
        assert.include(error.message, "handshake")
        assert.isFalse(error.retryable)
      }
    }))

  // FAULTS W
  it.effect("a secret that hangs is named by the error, and the endpoint that was not asked is not blamed", () =>
    Effect.gen(function*() {
      const endpoint = yield* Effect.provideService(
        TokenEndpoint.make({
          tokenEndpoint: "https://auth.test/token",
          clientId: "svc",
          authentication: ClientAuthentication.basic(Effect.never)
        }),
        HttpClient.HttpClient,
        HttpClient.make(() => Effect.die("not asked"))
      )
      const fiber = yield* Effect.fork(Effect.flip(ask(endpoint)))
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "EndpointTimeout")
      assert.include(error.message, "What the secret or key of this client is read from")
      assert.include(error.message, "https://auth.test/token was not asked yet")
    }))

  it.effect("time-outs of the client are EndpointTimeout", () =>
    Effect.gen(function*() {
      const cases = [
        [coded("UND_ERR_CONNECT_TIMEOUT"), "connect"],
        [new TypeError("fetch failed", { cause: coded("ETIMEDOUT") }), "connect"],
        [coded("UND_ERR_HEADERS_TIMEOUT"), "connect"],
        [coded("UND_ERR_BODY_TIMEOUT"), "read"],
        [new DOMException("timed out", "TimeoutError"), "connect"]
      ] as const
      for (const [cause, phase] of cases) {
        const error = yield* transport(cause)
        assert.strictEqual(error._tag === "EndpointTimeout" ? error.phase : error._tag, phase)
      }
    }))

  it.effect("W4.44 every other failure is TransportError with its code", () =>
    Effect.gen(function*() {
      for (const code of ["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_SOCKET", "EPIPE"]) {
        const error = yield* transport(new TypeError("fetch failed", { cause: coded(code, `connect ${code}`) }))
        assert.strictEqual(error._tag, "TransportError")
        assert.deepStrictEqual(error._tag === "TransportError" && error.code, Option.some(code))
        assert.isTrue(error.retryable)
      }
      const aggregate = yield* transport(new AggregateError([coded("ECONNREFUSED"), coded("EHOSTUNREACH")]))
      assert.strictEqual(aggregate._tag, "TransportError")
      const loop: { cause?: unknown } = {}
      loop.cause = loop
      for (const odd of [undefined, null, "text", 5, loop, { errors: [loop] }]) {
        assert.strictEqual((yield* transport(odd))._tag, "TransportError")
      }
    }))

  it.effect("credentials in a message are hidden, and the query of the URL is not shown", () =>
    Effect.gen(function*() {
      const error = yield* transport(new TypeError(`Headers.append: "${secret}" is an invalid header value`))
      assert.notInclude(inspect(error, { depth: 9 }), secret)
      const bare = yield* transport(undefined)
      assert.notInclude(inspect(bare, { depth: 9 }), secret)
      assert.notInclude(bare.message, "in-query")
    }))

  it.effect("InvalidUrl is InvalidConfiguration; defects and throws of the client are TransportError", () =>
    Effect.gen(function*() {
      const invalid = yield* failing(
        Effect.suspend(() =>
          Effect.fail(new HttpClientError.RequestError({ request: {} as never, reason: "InvalidUrl" }))
        )
      )
      assert.strictEqual(invalid._tag, "InvalidConfiguration")
      const died = yield* failing(Effect.die(new Error(secret)))
      const threw = yield* failing(() => {
        throw new Error(secret)
      })
      for (const error of [died, threw]) {
        assert.strictEqual(error._tag, "TransportError")
        assert.notInclude(inspect(error, { depth: 9 }), secret)
      }
    }))

  it.effect("W4.39 a redirect is refused and its origin named", () =>
    Effect.gen(function*() {
      for (const status of [301, 302, 303, 307, 308]) {
        const error = yield* refused(Reply.redirect("https://u:p@evil.test:8443/x?token=t-9", status))
        assert.strictEqual(error._tag, "RejectedByEndpoint")
        assert.include(error.message, "https://evil.test:8443.")
        assert.notInclude(error.message, "t-9")
        assert.notInclude(error.message, "u:p")
      }
      assert.include((yield* refused(Reply.redirect("/login"))).message, "https://auth.test.")
      assert.include((yield* refused(Reply.status(302))).message, "It redirects.")
      assert.include((yield* refused(Reply.redirect("http://[bad"))).message, "It redirects.")
      // the response that a browser gives for a redirect it was told not to follow
      assert.include((yield* refused(Reply.status(0))).message, "redirect")
    }))

  it.effect("W4.42 no more than 1 MiB is read", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup()
      yield* server.enqueue(Reply.huge(64 * 1_048_576))
      const error = yield* Effect.flip(ask(endpoint))
      assert.strictEqual(error._tag, "MalformedResponse")
      assert.include(error.message, "1 MiB")
      assert.isAtMost(yield* server.bytesSent, 1_048_576 + 2 * 65_536)
      yield* exchange(Reply.respond({ body: "{\"access_token\":\"abc\"}".padEnd(1_048_576) }))
      const over = yield* refused(Reply.respond({ body: "{\"access_token\":\"abc\"}".padEnd(1_048_577) }))
      assert.strictEqual(over._tag, "MalformedResponse")
      assert.strictEqual((yield* refused(Reply.huge(2_000_000, 503)))._tag, "EndpointUnavailable")
      assert.strictEqual((yield* refused(Reply.huge(2_000_000, 400)))._tag, "RejectedByEndpoint")
    }))

  it.effect("W4.43 an empty body on 200, and a body cut short, are transient", () =>
    Effect.gen(function*() {
      const empty = yield* refused(Reply.respond({ headers: { "content-length": "0" } }))
      assert.strictEqual(empty._tag, "EndpointUnavailable")
      const blank = yield* refused(Reply.respond({ body: "\ufeff \n" }))
      assert.strictEqual(blank._tag, "EndpointUnavailable")
      const cut = yield* refused(Reply.resetBody())
      assert.strictEqual(cut._tag, "TransportError")
      assert.deepStrictEqual(cut._tag === "TransportError" && cut.code, Option.some("ECONNRESET"))
    }))

  it.effect("W4.40 W4.44 a reset before the response is a TransportError, and the request is not sent again", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup()
      yield* server.enqueue(Reply.reset())
      assert.strictEqual((yield* Effect.flip(ask(endpoint)))._tag, "TransportError")
      assert.strictEqual(yield* server.count, 1)
    }))

  it.effect("a client decorated with filterStatusOk works", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      yield* server.enqueue(Reply.oauthError("invalid_client", { status: 401 }))
      const endpoint = yield* Effect.provideService(
        TokenEndpoint.make({
          tokenEndpoint: server.tokenEndpoint,
          clientId: "svc",
          authentication: ClientAuthentication.none
        }),
        HttpClient.HttpClient,
        HttpClient.filterStatusOk(server.client)
      )
      assert.strictEqual((yield* Effect.flip(ask(endpoint)))._tag, "OAuthError")
    }))

  it.live("a web stream that breaks, and breaks again when cancelled, is a TransportError", () =>
    Effect.gen(function*() {
      const client = HttpClient.make((request) =>
        Effect.sync(() => {
          const body = new ReadableStream({
            pull: (controller) => controller.error(coded("ECONNRESET"))
          })
          return HttpClientResponse.fromWeb(request, new Response(body))
        })
      )
      const endpoint = yield* Effect.provideService(
        TokenEndpoint.make({
          tokenEndpoint: "https://auth.test/token",
          clientId: "svc",
          authentication: ClientAuthentication.none
        }),
        HttpClient.HttpClient,
        client
      )
      const cause = yield* Effect.flip(Effect.sandbox(ask(endpoint)))
      assert.isTrue(Cause.isFailType(cause))
      assert.strictEqual(Option.getOrThrow(Cause.failureOption(cause))._tag, "TransportError")
    }))
})
