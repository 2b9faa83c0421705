import * as util from "node:util"
import {
  HttpApi,
  HttpApiClient,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpBody,
  HttpClient,
  HttpClientError,
  HttpClientRequest,
  HttpClientResponse
} from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import type { Duration } from "effect"
import {
  Cause,
  Clock,
  Context,
  Deferred,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  Layer,
  Logger,
  Option,
  Redacted,
  Schema,
  Stream,
  TestClock,
  Tracer
} from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import type { With } from "../../src/lifecycle/source.js"
import * as TokenSource from "../../src/lifecycle/TokenSource.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import * as TokenError from "../../src/values/TokenError.js"
import * as TokenRequest from "../../src/values/TokenRequest.js"
import { accepting, eventsOf, makeApi, makeSource } from "../support/bearer.js"

const api = "https://api.example.com"
const origins = [api] as const

/**
 * Lets time pass until the fiber is done. Bodies are read by real promises, which an adjustment of the TestClock does
 * not wait for.
 */
const pump = <A, E>(fiber: Fiber.RuntimeFiber<A, E>, step: Duration.DurationInput = "50 millis") =>
  Effect.gen(function*() {
    while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust(step)
  })

const unavailable = new TokenError.EndpointUnavailable({
  endpoint: "https://login.example.com/token",
  status: 503,
  retryAfter: Option.none(),
  description: Option.none()
})

const refused = new TokenError.OAuthError({
  endpoint: "https://login.example.com/token",
  error: "invalid_client",
  description: Option.none(),
  uri: Option.none(),
  status: 401,
  advice: Option.none()
})

describe("BearerAuth.withBearer", () => {
  it.effect("puts the token on the request, in both forms", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi(() => new Response("ok"))
      yield* BearerAuth.withBearer(client, source, { origins }).get(`${api}/users`)
      yield* client.pipe(BearerAuth.withBearer(source, { origins: [new URL(api)] })).get(`${api}/users`)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1"])
    }))

  it.effect("works with a source that is a plain object", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const token = (value: string) => Effect.sync(() => (events.push(value), AccessToken.make({ value })))
      const source: Pick<With<never>, "get" | "renew" | "invalidate" | "events"> = {
        get: () => token("t1"),
        renew: () => token("t2"),
        invalidate: () => Effect.void,
        events: Stream.empty
      }
      const { client, sent } = makeApi(accepting((token) => token === "t2"))
      const response = yield* BearerAuth.withBearer(client, source as With<never>, { origins }).get(api)
      assert.strictEqual(response.status, 200)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
    }))

  it.scoped("takes the tokens that `get` of a cached source gives, also through a step around the cache", () =>
    Effect.gen(function*() {
      let minted = 0
      const cached = yield* TokenSource.make(() =>
        Effect.map(
          Clock.currentTimeMillis,
          (now) => AccessToken.make({ value: `t${++minted}`, issuedAt: now, expiresAt: now + 3_600_000 })
        )
      ).pipe(Effect.flatMap(TokenSource.cached({ ahead: 0 })))
      const around = TokenSource.transform((token: Effect.Effect<AccessToken.AccessToken>) =>
        Effect.map(token, ({ value }) => AccessToken.make({ value: `${Redacted.value(value)}-around` }))
      )(cached)
      const { client, sent } = makeApi(() => new Response())
      const [direct, indirect] = [cached, around].map((source) => BearerAuth.withBearer(client, source, { origins }))
      for (const pause of ["1 milli", "10 seconds", "2 hours"] as const) {
        yield* direct!.get(api)
        yield* direct!.get(api)
        yield* indirect!.get(api)
        yield* TestClock.adjust(pause)
      }
      yield* direct!.get(api)
      const first = ["Bearer t1", "Bearer t1", "Bearer t1-around"]
      assert.deepStrictEqual(sent(), [...first, ...first, ...first, "Bearer t2"])
    }))

  it.effect("writes `Bearer` in whatever case the server wrote it, and any other token type unchanged", () =>
    Effect.gen(function*() {
      for (
        const [tokenType, scheme] of [["Bearer", "Bearer"], ["bearer", "Bearer"], ["BEARER", "Bearer"], [
          "DPoP",
          "DPoP"
        ]] as const
      ) {
        const { source } = yield* makeSource(() => Effect.succeed(AccessToken.make({ value: "t", tokenType })))
        const { client, sent } = makeApi(() => new Response())
        yield* BearerAuth.withBearer(client, source, { origins }).get(api)
        assert.deepStrictEqual(sent(), [`${scheme} t`])
      }
    }))

  it.effect("never builds a header from a token that no header can carry", () =>
    Effect.gen(function*() {
      for (const value of ["a\nX-Evil: 1", "a b", "ünicode", "", "a\u0000"]) {
        const { source } = yield* makeSource(() => Effect.succeed(AccessToken.make({ value })))
        const { calls, client } = makeApi(() => new Response())
        const error = yield* Effect.flip(BearerAuth.withBearer(client, source, { origins }).get(api))
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.strictEqual(calls.length, 0)
        if (value.length > 1) assert.notInclude(String(error), value)
      }
    }))

  it.effect("leaves an Authorization header of the caller alone, and does not recover its 401", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client, sent } = makeApi(() => new Response("no", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const response = yield* bearer.execute(HttpClientRequest.get(api).pipe(HttpClientRequest.basicAuth("a", "b")))
      assert.strictEqual(response.status, 401)
      assert.deepStrictEqual(sent(), ["Basic YTpi"])
      assert.strictEqual(state.gets, 0)
    }))

  // P30
  it.effect("fails with the error of the source and sends nothing when there is no token", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource(() => Effect.fail(unavailable))
      const { calls, client } = makeApi(() => new Response())
      const error = yield* Effect.flip(BearerAuth.withBearer(client, source, { origins }).get(api))
      assert.strictEqual(error, unavailable)
      assert.strictEqual(calls.length, 0)
    }))

  it.effect("asks for the client's TokenRequest; withRequest overrides it field by field; skip sends none", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource((_, request) =>
        Effect.succeed(AccessToken.make({ value: [...request.scopes, ...request.audience].join("/") || "default" }))
      )
      const { client, sent } = makeApi(() => new Response())
      const request = TokenRequest.make({ scopes: "read", audience: "billing" })
      const bearer = BearerAuth.withBearer(client, source, { origins, request })
      const write = TokenRequest.make({ scopes: "write" })
      yield* bearer.get(api)
      yield* bearer.get(api).pipe(BearerAuth.withRequest(write))
      yield* BearerAuth.withRequest(bearer.get(api), write)
      yield* BearerAuth.skip(bearer.get(api))
      yield* BearerAuth.skip(BearerAuth.withRequest(bearer.get(api), write))
      yield* bearer.get(api)
      yield* BearerAuth.withRequest(BearerAuth.withBearer(client, source, { origins }).get(api), write)
      assert.deepStrictEqual(sent(), [
        "Bearer read/billing",
        "Bearer write/billing",
        "Bearer write/billing",
        undefined,
        "Bearer write/billing",
        "Bearer read/billing",
        "Bearer write"
      ])
    }))
})

describe("BearerAuth origins", () => {
  const call = (url: string, options?: Partial<BearerAuth.Options>) =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client, sent } = makeApi(() => new Response("ok"))
      const exit = yield* Effect.exit(BearerAuth.withBearer(client, source, { origins, ...options }).get(url))
      return { exit, sent: sent(), gets: state.gets }
    })

  // I10
  it.effect("sends the token to allowed origins only, however the URL is spelt", () =>
    Effect.gen(function*() {
      for (
        const url of [
          "https://api.example.com",
          "https://api.example.com/",
          "https://api.example.com/a?b#c",
          "https://api.example.com?a=b",
          "https://api.example.com#c",
          "https://api.example.com:443/a",
          "HTTPS://API.EXAMPLE.COM/a",
          "https:\\\\api.example.com\\a",
          "https://api.example.com/@evil.org",
          "https://user@api.example.com/"
        ]
      ) {
        assert.deepStrictEqual((yield* call(url)).sent, ["Bearer t1"], url)
      }
      for (
        const url of [
          "https://api.example.com.evil.org/",
          "https://api.example.com@evil.org/",
          "https://api.example.com:443@evil.org/",
          "https://api.example.com:8443/",
          "http://api.example.com/",
          "https://api.example.comevil.org/",
          "https://api.example.com\\@evil.org.example/".replace("\\", "%5c"),
          "https://evil.org/https://api.example.com/",
          "https://evil.org#https://api.example.com/",
          "https://sub.api.example.com/",
          "https://example.com/",
          "https://api.example.com\t.evil.org/",
          "https://api.example.com\n@evil.org/",
          "ws://api.example.com/",
          "blob:https://api.example.com/0f8fad5b-d9cb-469f-a165-70867728950e"
        ]
      ) {
        const result = yield* call(url)
        for (const authorization of result.sent) assert.isUndefined(authorization, url)
        assert.strictEqual(result.gets, 0, url)
      }
    }))

  // I10
  it.effect.prop("agrees with the URL parser for any string", {
    url: FastCheck.oneof(
      FastCheck.webUrl({ withQueryParameters: true, withFragments: true }),
      FastCheck.tuple(
        FastCheck.constantFrom("https://", "http://", "https:", "HTTPS:\\\\", "//", ""),
        FastCheck.constantFrom(
          "api.example.com",
          "API.example.com",
          "evil.org",
          "a@api.example.com",
          "api.example.com@a.b"
        ),
        FastCheck.constantFrom("", ":443", ":80", ":8443", ".", ".evil.org", "\t", "\\", "?", "#", "/", "@", "%2f"),
        FastCheck.string({ maxLength: 6 })
      ).map((parts) => parts.join(""))
    )
  }, ({ url }) =>
    Effect.gen(function*() {
      const { sent } = yield* call(url)
      for (const authorization of sent) {
        assert.strictEqual(authorization !== undefined, new URL(url).origin === api, url)
      }
    }), { fastCheck: { numRuns: 300 } })

  it.effect("fails instead of sending to another origin if `onOtherOrigin` says so", () =>
    Effect.gen(function*() {
      const { exit, sent } = yield* call("https://other.example/x?secret=1", { onOtherOrigin: "fail" })
      assert.deepStrictEqual(sent, [])
      const error = Option.getOrThrow(Cause.failureOption(Exit.isFailure(exit) ? exit.cause : Cause.empty))
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.include(error.message, "https://other.example")
      assert.notInclude(error.message, "secret")
    }))

  it.effect("fails for a URL that is not absolute, and says what to do", () =>
    Effect.gen(function*() {
      for (const url of ["/users?token=s", "users", "//api.example.com/users", "", "api.example.com/users"]) {
        const { exit, sent } = yield* call(url)
        assert.deepStrictEqual(sent, [], url)
        const error = Option.getOrThrow(Cause.failureOption(Exit.isFailure(exit) ? exit.cause : Cause.empty))
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.include(error.message, "before mapRequest(prependUrl(...))")
        assert.notInclude(error.message, "token=s")
      }
    }))

  it.effect("accepts plain http for loopback only", () =>
    Effect.gen(function*() {
      for (const host of ["localhost", "a.localhost:3000", "127.0.0.1:8080", "127.8.9.10", "127.1", "[::1]:1"]) {
        const origin = `http://${host}`
        assert.deepStrictEqual((yield* call(`${origin}/x`, { origins: [origin] })).sent, ["Bearer t1"], host)
      }
      for (
        const host of ["api.example.com", "localhost.evil.org", "127.0.0.1.evil.org", "128.0.0.1", "0.0.0.0", "[::2]"]
      ) {
        const { exit, sent } = yield* call(`http://${host}/x`, { origins: [api, `http://${host}`] })
        assert.deepStrictEqual(sent, [], host)
        assert.isTrue(Exit.isFailure(exit))
      }
    }))

  it.effect("refuses a list of origins that cannot work, at every call", () =>
    Effect.gen(function*() {
      for (
        const entry of [
          undefined,
          "api.example.com",
          "",
          "ftp://api.example.com",
          "https://api.example.com/v1",
          "https://api.example.com/?a",
          "https://*.example.com",
          "https://user:hunter2@api.example.com",
          "user:hunter2@api.example.com"
        ]
      ) {
        for (const url of [`${api}/x`, "https://other.example", "/relative"]) {
          const { exit, sent } = yield* call(url, { origins: (entry === undefined ? [] : [entry]) as [string] })
          assert.deepStrictEqual(sent, [])
          const error = Option.getOrThrow(Cause.failureOption(Exit.isFailure(exit) ? exit.cause : Cause.empty))
          assert.strictEqual(error._tag, "InvalidConfiguration")
          assert.deepStrictEqual((error as TokenError.InvalidConfiguration).fields, ["origins"])
          assert.notInclude(error.message, "hunter2")
        }
      }
      assert.deepStrictEqual((yield* call(`${api}/x`, { origins: [`${api}/`] })).sent, ["Bearer t1"])
    }))
})

describe("BearerAuth after a 401", () => {
  // SPEC B4
  it.effect("renews the token that was sent and replays once, with the new one", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client, sent } = makeApi(accepting((token) => token === "t2"))
      const response = yield* BearerAuth.withBearer(client, source, { origins }).get(api)
      assert.strictEqual(yield* response.text, "ok")
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
      assert.strictEqual(state.minted, 2)
    }))

  // SPEC B4
  it.effect("returns a second 401 as it is", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi((_, n) => new Response(`refused ${n}`, { status: 401 }))
      const response = yield* BearerAuth.withBearer(client, source, { origins }).get(api)
      assert.strictEqual(response.status, 401)
      assert.strictEqual(yield* response.text, "refused 2")
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
    }))

  // SPEC B4
  it.effect("replays once even if `renewInterval` holds no renewal back", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client, sent } = makeApi((_, n) => new Response("", { status: n > 20 ? 200 : 401 }))
      const bearer = BearerAuth.withBearer(client, source, { origins, renewInterval: 0 })
      yield* bearer.get(api)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
      yield* bearer.get(api)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2", "Bearer t2", "Bearer t3"])
      assert.strictEqual(state.minted, 3)
    }))

  // SPEC B4
  it.effect("uses a newer token that the source has already instead of asking for another", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const t1 = yield* source.get()
      const late = yield* Deferred.make<void>()
      const { client, sent } = makeApi((seen, n) =>
        n === 1 ? Effect.as(Deferred.await(late), accepting((token) => token === "t2")(seen)) : new Response("ok")
      )
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const straggler = yield* Effect.fork(bearer.get(api))
      yield* Effect.yieldNow()
      yield* source.renew(t1)
      yield* Deferred.succeed(late, undefined)
      assert.strictEqual((yield* straggler).status, 200)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
      assert.strictEqual(state.minted, 2)
    }))

  it.effect("returns the first response, still readable, when there is no other token", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource(() => Effect.succeed(AccessToken.make({ value: "same" })))
      const { client, sent } = makeApi(() => new Response("refused", { status: 401 }))
      const response = yield* BearerAuth.withBearer(client, source, { origins }).get(api)
      assert.strictEqual(yield* response.text, "refused")
      assert.deepStrictEqual(sent(), ["Bearer same"])
    }))

  // P3, P30
  it.effect("fails with the error of the source when it cannot be renewed", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource((n) =>
        n === 1 ? Effect.succeed(AccessToken.make({ value: "t1" })) : Effect.fail(unavailable)
      )
      const { client, sent } = makeApi(() => new Response("no", { status: 401 }))
      const error = yield* Effect.flip(BearerAuth.withBearer(client, source, { origins }).get(api))
      assert.strictEqual(error, unavailable)
      assert.deepStrictEqual(sent(), ["Bearer t1"])
    }))

  it.effect("does not repeat a call that failed", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      let calls = 0
      const client = HttpClient.make((request) => {
        calls++
        return Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport" }))
      })
      const error = yield* Effect.flip(BearerAuth.withBearer(client, source, { origins }).get(api))
      assert.strictEqual(error._tag, "RequestError")
      assert.strictEqual(calls, 1)
      assert.strictEqual(state.renewals, 0)
    }))

  it.effect("500 calls refused with the same token cause one renewal, and one replay each", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource((n) =>
        Effect.as(Effect.yieldNow(), AccessToken.make({ value: `t${n}` }))
      )
      const all = yield* Deferred.make<void>()
      const { calls, client, sent } = makeApi((seen, n) =>
        Effect.as(
          n === 500 ? Deferred.succeed(all, undefined) : Deferred.await(all),
          accepting((token) => token === "t2")(seen)
        )
      )
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const responses = yield* Effect.forEach(Array.from({ length: 500 }), () => bearer.get(api), {
        concurrency: "unbounded"
      })
      assert.isTrue(responses.every((response) => response.status === 200))
      assert.strictEqual(state.minted, 2)
      assert.strictEqual(calls.length, 1000)
      assert.strictEqual(sent().filter((authorization) => authorization === "Bearer t2").length, 500)
    }))

  describe("W5", () => {
    const status = (headers: HeadersInit | undefined, code = 401) =>
      Effect.gen(function*() {
        const { source, state } = yield* makeSource()
        const { client, sent } = makeApi((seen) =>
          seen.authorization === "Bearer t2"
            ? new Response("ok")
            : new Response("no", { status: code, ...(headers === undefined ? {} : { headers }) })
        )
        const response = yield* BearerAuth.withBearer(client, source, { origins }).get(api)
        return { status: response.status, sent: sent(), state }
      })

    it.effect("W5.45: 401 with invalid_token is renewed and replayed once", () =>
      Effect.gen(function*() {
        const { sent, status: code } = yield* status({ "WWW-Authenticate": `Bearer realm="x", error="invalid_token"` })
        assert.strictEqual(code, 200)
        assert.deepStrictEqual(sent, ["Bearer t1", "Bearer t2"])
      }))

    it.effect("W5.46: 401 without a challenge, with other schemes, in lower case, or with several", () =>
      Effect.gen(function*() {
        const headers: ReadonlyArray<HeadersInit | undefined> = [
          undefined,
          { "www-authenticate": "Basic realm=\"x\"" },
          { "www-authenticate": "Negotiate" },
          { "www-authenticate": "bearer" },
          {
            "www-authenticate":
              `Basic realm="insufficient_scope", bearer error="invalid_token", error_description="a, b"`
          },
          [["www-authenticate", "Negotiate"], ["www-authenticate", `Bearer error="invalid_token"`]],
          { "www-authenticate": `Custom error="insufficient_scope"` },
          { "www-authenticate": `"""garbage` }
        ]
        for (const header of headers) {
          const result = yield* status(header)
          assert.strictEqual(result.status, 200, JSON.stringify(header))
        }
      }))

    it.effect("W5.47: insufficient_scope and invalid_request are never renewed, nor is a 403", () =>
      Effect.gen(function*() {
        const never: ReadonlyArray<readonly [number, HeadersInit | undefined]> = [
          [403, { "www-authenticate": `Bearer error="insufficient_scope", scope="admin"` }],
          [401, { "www-authenticate": `Bearer error="insufficient_scope"` }],
          [401, { "www-authenticate": `Basic, bearer error=insufficient_scope` }],
          // these errors are about the proof, not about the token (RFC 9449 §7, §9)
          [401, { "www-authenticate": `DPoP error="use_dpop_nonce"` }],
          [401, { "www-authenticate": `DPoP error="invalid_dpop_proof"` }],
          [401, { "www-authenticate": `Bearer error="invalid_request"` }],
          [403, undefined],
          [403, { "www-authenticate": `Bearer error="invalid_token"` }],
          [400, { "www-authenticate": `Bearer error="invalid_request"` }]
        ]
        for (const [code, header] of never) {
          const result = yield* status(header, code)
          assert.strictEqual(result.status, code)
          assert.deepStrictEqual(result.sent, ["Bearer t1"])
          assert.strictEqual(result.state.renewals, 0)
          assert.strictEqual(result.state.invalidated.length, 0)
        }
      }))

    it.effect("W5.48: isAuthFailure decides, with or without an effect, and the body stays readable", () =>
      Effect.gen(function*() {
        const refusals: ReadonlyArray<readonly [() => Response, NonNullable<BearerAuth.Options["isAuthFailure"]>]> = [
          [() => new Response("", { status: 403 }), (response) => response.status === 403],
          [
            () => Response.json({ error: "expired" }),
            (response) =>
              Effect.map(
                Effect.option(response.json),
                (body) => JSON.stringify(Option.getOrNull(body)) === `{"error":"expired"}`
              )
          ],
          [
            () => Response.json([{ errorCode: "INVALID_SESSION_ID" }], { status: 401 }),
            (response) =>
              Effect.map(
                Effect.option(response.text),
                (text) => Option.exists(text, (text) => text.includes("INVALID_SESSION_ID"))
              )
          ]
        ]
        for (const [refusal, isAuthFailure] of refusals) {
          const { source } = yield* makeSource()
          const { client, sent } = makeApi((seen) =>
            seen.authorization === "Bearer t2" ? Response.json({ fine: true }) : refusal()
          )
          const response = yield* BearerAuth.withBearer(client, source, { origins, isAuthFailure }).get(api)
          assert.deepStrictEqual(yield* response.json, { fine: true })
          assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
        }
      }))

    it.effect("W5.48: isAuthFailure cannot overrule insufficient_scope, and may decline a 401", () =>
      Effect.gen(function*() {
        const { source } = yield* makeSource()
        const { client, sent } = makeApi((_, n) =>
          n === 1
            ? new Response("", { status: 403, headers: { "www-authenticate": `Bearer error="insufficient_scope"` } })
            : new Response("", { status: 401 })
        )
        yield* BearerAuth.withBearer(client, source, { origins, isAuthFailure: () => true }).get(api)
        yield* BearerAuth.withBearer(client, source, { origins, isAuthFailure: () => false }).get(api)
        assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1"])
      }))

    it.effect("W5.49: the body and headers of a final 401 reach the caller", () =>
      Effect.gen(function*() {
        const { source } = yield* makeSource()
        const { client } = makeApi(() =>
          Response.json({ code: "bad.credentials", status: 401, contextId: "c" }, {
            status: 401,
            headers: { "inin-correlation-id": "i" }
          })
        )
        const response = yield* BearerAuth.withBearer(client, source, { origins }).get(api)
        assert.deepStrictEqual(yield* response.json, { code: "bad.credentials", status: 401, contextId: "c" })
        assert.strictEqual(response.headers["inin-correlation-id"], "i")
      }))

    it.effect("W5.50: a POST is replayed if its body can be, and never after an error", () =>
      Effect.gen(function*() {
        const form = new FormData()
        form.set("a", "b")
        for (
          const body of [
            HttpBody.empty,
            HttpBody.text("a"),
            HttpBody.unsafeJson({ a: 1 }),
            HttpBody.raw("a"),
            HttpBody.raw(new Uint8Array([1])),
            HttpBody.formData(form)
          ]
        ) {
          const { source } = yield* makeSource()
          const { calls, client } = makeApi(accepting((token) => token === "t2"))
          const response = yield* BearerAuth.withBearer(client, source, { origins }).post(api, { body })
          assert.strictEqual(response.status, 200)
          assert.deepStrictEqual(calls.map(({ method, request }) => [method, request.body]), [["POST", body], [
            "POST",
            body
          ]])
        }
      }))
  })

  // P23
  it.effect("does not replay a body that may be used up, but drops the token for the next call", () =>
    Effect.gen(function*() {
      for (
        const body of [
          HttpBody.stream(Stream.make(new Uint8Array([1]))),
          HttpBody.raw(new ReadableStream()),
          HttpBody.raw({ pipe() {} })
        ]
      ) {
        const { source, state } = yield* makeSource()
        const { client, sent } = makeApi(accepting((token) => token === "t2"))
        const bearer = BearerAuth.withBearer(client, source, { origins })
        const first = yield* bearer.post(api, { body })
        assert.strictEqual(first.status, 401)
        assert.strictEqual(yield* first.text, "no")
        assert.deepStrictEqual(state.invalidated.map((token) => Redacted.value(token.value)), ["t1"])
        assert.strictEqual((yield* bearer.post(api, { body })).status, 200)
        assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
      }
    }))

  it.effect("replays a stream if `replayStreams` says that it starts anew", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi(accepting((token) => token === "t2"))
      const bearer = BearerAuth.withBearer(client, source, { origins, replayStreams: true })
      const response = yield* bearer.post(api, { body: HttpBody.stream(Stream.make(new Uint8Array([1]))) })
      assert.strictEqual(response.status, 200)
      assert.strictEqual(sent().length, 2)
      // a raw stream is used up all the same
      yield* source.invalidate(yield* source.get())
      yield* bearer.post(api, { body: HttpBody.raw(new ReadableStream()) })
      assert.strictEqual(sent().length, 3)
    }))

  // W2.30
  it.effect("waits replayDelay before the replay", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi(accepting((token) => token === "t2"))
      const fiber = yield* Effect.fork(
        BearerAuth.withBearer(client, source, { origins, replayDelay: "2 seconds" }).get(api)
      )
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(sent().length, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* fiber).status, 200)
    }))

  it.effect("runs the inner preprocessing again for the replay", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { calls, client } = makeApi(accepting((token) => token === "t2"))
      let n = 0
      const inner = HttpClient.mapRequest(client, HttpClientRequest.setHeader("x-attempt", "0")).pipe(
        HttpClient.mapRequestEffect((request) =>
          Effect.sync(() => HttpClientRequest.setHeader(request, "x-attempt", `${++n}`))
        )
      )
      yield* BearerAuth.withBearer(inner, source, { origins }).get(api)
      assert.deepStrictEqual(calls.map((call) => call.request.headers["x-attempt"]), ["1", "2"])
    }))

  it.effect("a slow or endless body of the 401 does not delay the replay", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      let cancelled = 0
      const never = () => new ReadableStream({ pull: () => new Promise(() => {}), cancel: () => void cancelled++ })
      const endless = () =>
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024)),
          cancel: () => void cancelled++
        })
      for (const body of [never, endless]) {
        const { client } = makeApi((_, n) => n === 1 ? new Response(body(), { status: 401 }) : new Response("ok"))
        const fiber = yield* Effect.fork(BearerAuth.withBearer(client, source, { origins }).get(api))
        yield* pump(fiber)
        assert.strictEqual((yield* fiber).status, 200)
      }
    }))

  it.effect("interrupting one caller does not affect another", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client } = makeApi((seen) =>
        Effect.as(Effect.sleep("1 second"), accepting((token) => token === "t2")(seen))
      )
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const fibers = yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.fork(bearer.get(api)))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(fibers[0]!)
      yield* TestClock.adjust("600 millis")
      yield* Fiber.interrupt(fibers[1]!)
      yield* TestClock.adjust("2 seconds")
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [false, false, ...Array.from({ length: 8 }, () => true)])
      assert.isTrue(exits.slice(0, 2).every((exit) => Exit.isInterrupted(exit)))
      assert.strictEqual(state.minted, 2)
    }))

  it.effect("interrupting a caller interrupts its HTTP call", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const signals: Array<AbortSignal> = []
      const client = HttpClient.make((_request, _url, signal) => (signals.push(signal), Effect.never))
      const fiber = yield* Effect.fork(BearerAuth.withBearer(client, source, { origins }).get(api))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(signals.map((signal) => signal.aborted), [true])
    }))
})

describe("BearerAuth and an API that refuses every token", () => {
  // P4
  it.effect("an API that refuses every token costs one token request per renewInterval, and one event", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client } = makeApi(() => new Response("no", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const events = yield* eventsOf(
        source,
        Effect.gen(function*() {
          yield* Effect.forEach(Array.from({ length: 50 }), () => bearer.get(api), { concurrency: 10 })
          assert.strictEqual(state.minted, 2)
          yield* TestClock.adjust("4999 millis")
          yield* bearer.get(api)
          assert.strictEqual(state.minted, 2)
          yield* TestClock.adjust("1 millis")
          yield* Effect.forEach(Array.from({ length: 50 }), () => bearer.get(api), { concurrency: 10 })
          assert.strictEqual(state.minted, 3)
        })
      )
      const fresh = events.filter((event) => event._tag === "FreshTokenRejected")
      assert.deepStrictEqual(fresh, [
        { _tag: "FreshTokenRejected", key: TokenRequest.hash(TokenRequest.empty), at: 0, origin: api },
        { _tag: "FreshTokenRejected", key: TokenRequest.hash(TokenRequest.empty), at: 5000, origin: api }
      ])
    }))

  // P4
  it.effect.prop("never more than one token request per interval, whatever the traffic", {
    pauses: FastCheck.array(FastCheck.integer({ min: 0, max: 4000 }), { minLength: 1, maxLength: 25 }),
    latencies: FastCheck.array(FastCheck.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 7 })
  }, ({ latencies, pauses }) =>
    Effect.gen(function*() {
      const times: Array<number> = []
      const { source } = yield* makeSource((n) =>
        Effect.map(TestClock.currentTimeMillis, (now) => (times.push(now), AccessToken.make({ value: `t${n}` })))
      )
      const { client } = makeApi((_, n) =>
        Effect.as(Effect.sleep(latencies[n % latencies.length]!), new Response("no", { status: 401 }))
      )
      const bearer = BearerAuth.withBearer(client, source, { origins })
      for (const pause of pauses) {
        yield* Effect.fork(bearer.get(api))
        yield* TestClock.adjust(pause)
      }
      yield* TestClock.adjust("1 minute")
      // the first request is the one on the empty cache
      for (let i = 2; i < times.length; i++) assert.isAtLeast(times[i]! - times[i - 1]!, 5000, times.join())
    }), { fastCheck: { numRuns: 15 } })

  // P4
  it.effect("renewInterval does not hold a newer token back", () =>
    Effect.gen(function*() {
      let good = ""
      const { source, state } = yield* makeSource()
      const { client } = makeApi(accepting((token) => token === good))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      assert.strictEqual((yield* bearer.get(api)).status, 401)
      // the token is renewed by other code than this client
      yield* source.renew(yield* source.get())
      good = "t3"
      assert.strictEqual((yield* bearer.get(api)).status, 200)
      good = "t4"
      assert.strictEqual((yield* bearer.get(api)).status, 200)
      assert.strictEqual(state.minted, 4)
    }))

  // SPEC B7
  it.effect("two revocations in a row are both recovered", () =>
    Effect.gen(function*() {
      let good = "t2"
      const { source } = yield* makeSource()
      const { client } = makeApi(accepting((token) => token === good))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      for (const token of ["t2", "t3", "t4"]) {
        good = token
        assert.strictEqual((yield* bearer.get(api)).status, 200)
      }
    }))

  it.effect("one resource that refuses a token does not stop the renewal for other resources", () =>
    Effect.gen(function*() {
      let good = "t1"
      const { source, state } = yield* makeSource()
      const { client } = makeApi((seen) =>
        seen.url.endsWith("/forbidden") ? new Response("", { status: 401 }) : accepting((token) => token === good)(seen)
      )
      const bearer = BearerAuth.withBearer(client, source, { origins })
      yield* bearer.get(`${api}/fine`)
      good = "t2"
      yield* bearer.get(`${api}/forbidden`)
      assert.strictEqual(state.minted, 2)
      for (let i = 0; i < 20; i++) {
        assert.strictEqual((yield* bearer.get(`${api}/forbidden`)).status, 401)
        assert.strictEqual((yield* bearer.get(`${api}/fine`)).status, 200)
      }
      assert.strictEqual(state.minted, 2)
    }))

  it.effect("a server that hands out the same token again is asked once per interval", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource(() => Effect.succeed(AccessToken.make({ value: "same" })))
      const { client } = makeApi(() => new Response("no", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const events = yield* eventsOf(source, Effect.repeatN(bearer.get(api), 9))
      assert.strictEqual(state.minted, 2)
      assert.deepStrictEqual(events.map((event) => event._tag), ["FreshTokenRejected"])
    }))

  // P4, P23
  it.effect("calls that cannot be replayed drop one token per interval", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client } = makeApi(() => new Response("no", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const upload = bearer.post(api, { body: HttpBody.stream(Stream.empty) })
      yield* Effect.repeatN(upload, 9)
      assert.strictEqual(state.minted, 2)
      yield* TestClock.adjust("5 seconds")
      yield* Effect.repeatN(upload, 9)
      assert.strictEqual(state.minted, 3)
    }))

  it.effect("tokens of other requests are not held back", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client } = makeApi(() => new Response("no", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const other = TokenRequest.make({ scopes: "other" })
      for (let i = 0; i < 5; i++) {
        yield* bearer.get(api)
        yield* BearerAuth.withRequest(bearer.get(api), other)
      }
      assert.strictEqual(state.minted, 4)
    }))
})

describe("BearerAuth retryThrottled", () => {
  const throttled = (status: number, headers?: Record<string, string>) =>
    new Response("later", { status, ...(headers === undefined ? {} : { headers }) })

  // SPEC B5
  it.effect("a 429 or 503 is not retried by default", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { calls, client } = makeApi(() => throttled(429))
      assert.strictEqual((yield* BearerAuth.withBearer(client, source, { origins }).get(api)).status, 429)
      assert.strictEqual(calls.length, 1)
    }))

  // SPEC B5
  it.effect("retries 429 and 503 up to three times, never earlier than Retry-After", () =>
    Effect.gen(function*() {
      for (const status of [429, 503]) {
        const times: Array<number> = []
        const { source } = yield* makeSource()
        const { client } = makeApi(() =>
          Effect.map(
            TestClock.currentTimeMillis,
            (now) => (times.push(now), throttled(status, { "retry-after": "10" }))
          )
        )
        const bearer = BearerAuth.withBearer(client, source, { origins, retryThrottled: {} })
        const fiber = yield* Effect.fork(bearer.get(api))
        yield* pump(fiber, "250 millis")
        const response = yield* fiber
        assert.strictEqual(response.status, status)
        assert.strictEqual(yield* response.text, "later")
        assert.strictEqual(times.length, 4)
        for (const [i, backoff] of [500, 1000, 2000].entries()) {
          const wait = times[i + 1]! - times[i]!
          assert.isAtLeast(wait, 10_000)
          // half of the backoff as jitter, and the time that the clock moved while the body was drained
          assert.isAtMost(wait, 10_000 + backoff / 2 + 500)
        }
      }
    }))

  it.effect("without Retry-After the wait starts at `base` and doubles up to `cap`", () =>
    Effect.gen(function*() {
      const times: Array<number> = []
      const { source } = yield* makeSource()
      const { client } = makeApi(() =>
        Effect.map(TestClock.currentTimeMillis, (now) => (times.push(now), throttled(429)))
      )
      const retryThrottled = { maxRetries: 5, base: "500 millis", cap: "2 seconds" } as const
      const fiber = yield* Effect.fork(BearerAuth.withBearer(client, source, { origins, retryThrottled }).get(api))
      yield* pump(fiber)
      const waits = times.slice(1).map((time, i) => time - times[i]!)
      assert.strictEqual(waits.length, 5)
      for (const [i, bound] of [500, 1000, 2000, 2000, 2000].entries()) {
        assert.isAtLeast(waits[i]!, bound / 2)
        assert.isAtMost(waits[i]!, bound + 500)
      }
    }))

  it.effect("returns the response if the API asks for a wait longer than maxRetryAfter", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { calls, client } = makeApi(() => throttled(429, { "retry-after": "86400" }))
      const response = yield* BearerAuth.withBearer(client, source, { origins, retryThrottled: {} }).get(api)
      assert.strictEqual(response.status, 429)
      assert.strictEqual(yield* response.text, "later")
      assert.strictEqual(calls.length, 1)
    }))

  it.effect("repeats only safe methods, unless `methods` says otherwise, and only replayable bodies", () =>
    Effect.gen(function*() {
      const run = (request: HttpClientRequest.HttpClientRequest, options: BearerAuth.RetryThrottled = {}) =>
        Effect.gen(function*() {
          const { source } = yield* makeSource()
          const { calls, client } = makeApi((_, n) => n === 1 ? throttled(503) : new Response("ok"))
          const bearer = BearerAuth.withBearer(client, source, { origins, retryThrottled: options })
          const fiber = yield* Effect.fork(bearer.execute(request))
          yield* pump(fiber)
          return calls.length
        })
      assert.strictEqual(yield* run(HttpClientRequest.get(api)), 2)
      assert.strictEqual(yield* run(HttpClientRequest.head(api)), 2)
      assert.strictEqual(yield* run(HttpClientRequest.options(api)), 2)
      assert.strictEqual(yield* run(HttpClientRequest.del(api)), 1)
      assert.strictEqual(yield* run(HttpClientRequest.post(api)), 1)
      assert.strictEqual(yield* run(HttpClientRequest.post(api), { methods: ["POST"] }), 2)
      const stream = HttpClientRequest.post(api, { body: HttpBody.stream(Stream.empty) })
      assert.strictEqual(yield* run(stream, { methods: ["POST"] }), 1)
    }))

  it.effect("asks for the token again, and still recovers one 401, and only one", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const script = [
        throttled(429),
        new Response("", { status: 401 }),
        throttled(429),
        new Response("", { status: 401 })
      ]
      const { client, sent } = makeApi((_, n) => script[n - 1]!)
      const fiber = yield* Effect.fork(
        BearerAuth.withBearer(client, source, { origins, retryThrottled: {} }).get(api)
      )
      yield* pump(fiber)
      assert.strictEqual((yield* fiber).status, 401)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"])
    }))

  it.effect("sees a 429 that an inner filterStatusOk has turned into an error", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client } = makeApi((_, n) => n === 1 ? throttled(429) : new Response("ok"))
      const fiber = yield* Effect.fork(
        BearerAuth.withBearer(HttpClient.filterStatusOk(client), source, { origins, retryThrottled: {} }).get(api)
      )
      yield* pump(fiber)
      assert.strictEqual((yield* fiber).status, 200)
    }))
})

describe("BearerAuth composes", () => {
  it.effect("with filterStatusOk inside and outside", () =>
    Effect.gen(function*() {
      const orders: ReadonlyArray<
        (client: HttpClient.HttpClient, source: With<TokenError.TokenError>) => HttpClient.HttpClient.With<unknown>
      > = [
        (client, source) => client.pipe(HttpClient.filterStatusOk, BearerAuth.withBearer(source, { origins })),
        (client, source) => client.pipe(BearerAuth.withBearer(source, { origins }), HttpClient.filterStatusOk)
      ]
      for (const order of orders) {
        let good = "t2"
        const { source, state } = yield* makeSource()
        const { client } = makeApi(accepting((token) => token === good))
        const bearer = order(client, source)
        assert.strictEqual((yield* bearer.get(api)).status, 200)
        good = "none"
        const error = yield* Effect.flip(bearer.get(api))
        assert.isTrue(error instanceof HttpClientError.ResponseError && error.response.status === 401)
        assert.strictEqual(state.minted, 3)
      }
    }))

  it.effect("with retryTransient outside: every attempt gets a token", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi((_, n) => new Response("", { status: n === 1 ? 503 : n === 2 ? 401 : 200 }))
      const bearer = client.pipe(
        BearerAuth.withBearer(source, { origins }),
        HttpClient.retryTransient({ times: 2 })
      )
      assert.strictEqual((yield* bearer.get(api)).status, 200)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1", "Bearer t2"])
    }))

  it.effect("with mapRequest(prependUrl) outside; inside, the call fails with an error", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { calls, client } = makeApi(() => new Response())
      const prepend = HttpClient.mapRequest(HttpClientRequest.prependUrl(api))
      yield* client.pipe(BearerAuth.withBearer(source, { origins }), prepend).get("/users")
      assert.deepStrictEqual(calls.map(({ authorization, url }) => [authorization, url]), [[
        "Bearer t1",
        `${api}/users`
      ]])
      const error = yield* Effect.flip(client.pipe(prepend, BearerAuth.withBearer(source, { origins })).get("/users"))
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.strictEqual(calls.length, 1)
    }))

  // I10
  it.effect("with followRedirects outside: no token leaves for another origin", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { calls, client } = makeApi((seen) =>
        seen.url === `${api}/a`
          ? new Response(null, { status: 302, headers: { location: "/b" } })
          : seen.url === `${api}/b`
          ? new Response(null, { status: 307, headers: { location: "https://evil.example/c" } })
          : new Response("ok")
      )
      yield* client.pipe(BearerAuth.withBearer(source, { origins }), HttpClient.followRedirects()).get(`${api}/a`)
      assert.deepStrictEqual(calls.map(({ authorization, url }) => [url, authorization]), [
        [`${api}/a`, "Bearer t1"],
        [`${api}/b`, "Bearer t1"],
        ["https://evil.example/c", undefined]
      ])
    }))

  // I10
  it.effect("with followRedirects inside, a token leaks to another origin, and the call fails at once", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi((_, n) =>
        n === 1
          ? new Response(null, { status: 302, headers: { location: "https://evil.example/c" } })
          : new Response("ok")
      )
      const error = yield* Effect.flip(
        client.pipe(HttpClient.followRedirects(), BearerAuth.withBearer(source, { origins })).get(`${api}/a`)
      )
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1"])
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.include(error.message, "https://evil.example")
      assert.include(error.message, "followRedirects after withBearer")
    }))

  it.effect("with itself: the outer bearer wins", () =>
    Effect.gen(function*() {
      const one = yield* makeSource(() => Effect.succeed(AccessToken.make({ value: "inner" })))
      const two = yield* makeSource(() => Effect.succeed(AccessToken.make({ value: "outer" })))
      const { client, sent } = makeApi(() => new Response())
      yield* client.pipe(
        BearerAuth.withBearer(one.source, { origins }),
        BearerAuth.withBearer(two.source, { origins })
      ).get(api)
      assert.deepStrictEqual(sent(), ["Bearer outer"])
    }))

  it.effect("with HttpApiClient.makeWith", () =>
    Effect.gen(function*() {
      class Users extends HttpApiGroup.make("users").add(
        HttpApiEndpoint.get("me", "/me").addSuccess(Schema.Struct({ name: Schema.String }))
      ) {}
      class Api extends HttpApi.make("api").add(Users) {}
      const { source } = yield* makeSource()
      const { client, sent } = makeApi((seen) =>
        seen.authorization === "Bearer t2" ? Response.json({ name: "Ada" }) : new Response("", { status: 401 })
      )
      const users = yield* HttpApiClient.makeWith(Api, {
        httpClient: BearerAuth.withBearer(client, source, { origins }),
        baseUrl: api
      })
      assert.deepStrictEqual(yield* users.users.me(), { name: "Ada" })
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
    }))
})

describe("BearerAuth.layer", () => {
  class Billing extends Context.Tag("test/Billing")<Billing, With<TokenError.TokenError>>() {}

  const run = <A, E>(
    source: With<TokenError.TokenError>,
    client: HttpClient.HttpClient,
    effect: Effect.Effect<A, E, HttpClient.HttpClient>
  ) =>
    Effect.provide(
      effect,
      BearerAuth.layer({ origins, source: Billing }).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
        Layer.provide(Layer.succeed(Billing, source))
      )
    )

  it.effect("provides a client with a bearer", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi(accepting((token) => token === "t2"))
      const response = yield* run(source, client, HttpClient.get(api))
      assert.strictEqual(response.status, 200)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
    }))

  it.effect("takes the default source when no tag is named", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi(() => new Response())
      yield* HttpClient.get(api).pipe(
        Effect.provide(BearerAuth.layer({ origins })),
        Effect.provideService(HttpClient.HttpClient, client),
        Effect.provideService(TokenSource.TokenSource, source)
      )
      assert.deepStrictEqual(sent(), ["Bearer t1"])
    }))

  it.effect("folds a transient error so that retryTransient repeats it", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource((n) =>
        n === 1 ? Effect.fail(unavailable) : Effect.succeed(AccessToken.make({ value: "t" }))
      )
      const { client, sent } = makeApi(() => new Response())
      yield* run(
        source,
        client,
        Effect.flatMap(HttpClient.HttpClient, (client) => HttpClient.retryTransient(client, { times: 1 }).get(api))
      )
      assert.strictEqual(state.minted, 2)
      assert.deepStrictEqual(sent(), ["Bearer t"])
    }))

  it.effect("folds a fatal error so that retryTransient does not repeat it", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource(() => Effect.fail(refused))
      const { client } = makeApi(() => new Response())
      const error = yield* Effect.flip(run(
        source,
        client,
        Effect.flatMap(HttpClient.HttpClient, (client) => HttpClient.retryTransient(client, { times: 3 }).get(api))
      ))
      assert.strictEqual(state.minted, 1)
      assert.isTrue(error._tag === "RequestError" && error.reason === "Encode")
      assert.deepStrictEqual(BearerAuth.tokenErrorOf(error), Option.some(refused))
    }))

  it.effect("folds a token error into an error that holds nothing of the request", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource(() => Effect.fail(refused))
      const { client } = makeApi(() => new Response())
      const request = HttpClientRequest.post(`https://user:hunter2@api.example.com/users?key=hunter2#hunter2`).pipe(
        HttpClientRequest.setHeader("x-api-key", "hunter2"),
        HttpClientRequest.bodyText("hunter2")
      )
      const error = yield* Effect.flip(run(source, client, HttpClient.execute(request)))
      for (const text of [util.inspect(error, { depth: 20 }), JSON.stringify(error), String(error), error.message]) {
        assert.notInclude(text, "hunter2")
      }
      assert.include(error.message, "invalid_client")
      assert.include(error.message, "POST https://api.example.com/users")
    }))

  it.effect("folds misuse, too", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client } = makeApi(() => new Response())
      const error = yield* Effect.flip(run(source, client, HttpClient.get("/users?key=hunter2")))
      assert.isTrue(error._tag === "RequestError" && error.reason === "Encode")
      assert.strictEqual(Option.getOrThrow(BearerAuth.tokenErrorOf(error))._tag, "InvalidConfiguration")
      assert.notInclude(error.message, "hunter2")
    }))

  it.effect("leaves the errors of the client as they are", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const failing = HttpClient.make((request) =>
        Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", description: "mine" }))
      )
      const error = yield* Effect.flip(run(source, failing, HttpClient.get(api)))
      assert.isTrue(error._tag === "RequestError" && error.description === "mine")
      assert.isTrue(Option.isNone(BearerAuth.tokenErrorOf(error)))
    }))

  it("tokenErrorOf reads a bare token error, and nothing else", () => {
    assert.deepStrictEqual(BearerAuth.tokenErrorOf(unavailable), Option.some(unavailable))
    for (const other of [undefined, null, "x", new Error("x"), { cause: refused }]) {
      assert.isTrue(Option.isNone(BearerAuth.tokenErrorOf(other)))
    }
  })
})

describe("BearerAuth never shows the token", () => {
  const secret = "S3CRET-t0ken"
  const tokens = makeSource(() => Effect.succeed(AccessToken.make({ value: secret })))

  const renderings = (value: unknown): ReadonlyArray<string> => {
    const shown = [
      util.inspect(value, { depth: 30 }),
      util.format("%j", value),
      String(value),
      util.format("%O", value)
    ]
    return value instanceof Error ? [...shown, value.message, value.stack ?? ""] : shown
  }

  const assertHidden = (value: unknown) => {
    for (const text of renderings(value)) assert.notInclude(text, secret)
  }

  // I9
  it.effect("the token is in no rendering of a response or an error", () =>
    Effect.gen(function*() {
      const { source } = yield* tokens
      for (const traced of [true, false]) {
        for (const status of [200, 401, 500]) {
          const { calls, client } = makeApi(() => new Response("no json", { status }))
          const bearer = BearerAuth.withBearer(client, source, { origins }).pipe(
            HttpClient.withTracerDisabledWhen(() => !traced)
          )
          const response = yield* bearer.get(api)
          assertHidden(response)
          assertHidden(response.request)
          assertHidden(Exit.succeed(response))
          assertHidden(yield* Effect.flip(response.json))
          assertHidden(yield* Effect.flip(HttpClientResponse.filterStatus(response, () => false)))
          // the header itself is untouched
          assert.strictEqual(response.request.headers["authorization"], `Bearer ${secret}`)
          assert.isTrue(calls.every((call) => call.authorization === `Bearer ${secret}`))
          const inner = yield* Effect.flip(
            BearerAuth.withBearer(HttpClient.filterStatus(client, () => false), source, { origins }).get(api)
          )
          assertHidden(inner)
          assertHidden(Exit.fail(inner))
          assertHidden(Cause.fail(inner))
        }
      }
      const failing = HttpClient.make((request) =>
        Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport" }))
      )
      assertHidden(yield* Effect.flip(BearerAuth.withBearer(failing, source, { origins }).get(api)))
    }))

  // I9
  it.effect("the token is in no log and no span", () =>
    Effect.gen(function*() {
      const { source } = yield* tokens
      const lines: Array<string> = []
      const spans: Array<Tracer.Span> = []
      const native = Tracer.make({
        span: (...args) => {
          const span = Effect.runSync(Effect.tracer).span(...args)
          spans.push(span)
          return span
        },
        context: (f) => f()
      })
      const { client } = makeApi((_, n) => new Response("no json", { status: n === 1 ? 401 : 200 }))
      yield* Effect.gen(function*() {
        const response = yield* BearerAuth.withBearer(client, source, { origins }).get(api)
        const error = yield* Effect.flip(response.json)
        yield* Effect.logError("response", response, error, Cause.fail(error))
        yield* Effect.logError(response.request.headers).pipe(Effect.annotateLogs({ response, error }))
      }).pipe(
        Effect.withTracer(native),
        Effect.provide(Logger.replace(
          Logger.defaultLogger,
          Logger.make((options) =>
            lines.push(
              Logger.stringLogger.log(options),
              Logger.jsonLogger.log(options),
              Logger.logfmtLogger.log(options),
              util.inspect(Logger.structuredLogger.log(options), { depth: 30 })
            )
          )
        ))
      )
      assert.isAbove(lines.length, 7)
      for (const line of lines) assert.notInclude(line, secret)
      assert.isAbove(spans.length, 0)
      for (const span of spans) assertHidden([span.name, Array.from(span.attributes)])
    }))
})
