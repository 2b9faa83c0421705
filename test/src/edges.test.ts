/**
 * What running servers send, row by row of the catalogue (W1, W2, W5, W6), over a real socket: a scriptable server,
 * and the library behind undici. How each is read in detail is tested in core, without sockets.
 *
 * Not here, and why:
 *
 * - W1.14 (`use_dpop_nonce`) and the rule of W6 for a client assertion's `aud`, `kid` and `jti` belong to the package
 *   jose, and are tested there.
 * - W1.15 (continuous access evaluation, `insufficient_claims`): a claims challenge is an extension of one vendor, and
 *   the library knows nothing of it. The 401 is renewed once like any other, and then handed to the caller.
 * - W3 and W4 are in core and in `faults.test.ts`.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { inspect } from "node:util"
import { HttpBody, HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import type { Scope } from "effect"
import {
  Array,
  Chunk,
  Clock,
  Duration,
  Effect,
  Either,
  Layer,
  Logger,
  LogLevel,
  Option,
  Redacted,
  Stream,
  TestClock
} from "effect"
import type { AccessToken } from "effect-bearer"
import {
  BearerAuth,
  ClientAuthentication,
  Grant,
  RefreshToken,
  RetryPolicy,
  TokenError,
  TokenEvent,
  TokenSource
} from "effect-bearer"
import * as Passing from "./passing.js"

const secret = "Zk9-s3cr3t/with+odd&chars~é"

type Server = AuthorizationServer.Listening

const options = (server: Server) => ({
  tokenEndpoint: server.tokenEndpoint,
  clientId: "svc-basic",
  authentication: ClientAuthentication.basic(Redacted.make(secret)),
  scopes: "a b"
})

const quiet = Layer.merge(NodeHttpClient.layerUndici, Logger.minimumLogLevel(LogLevel.None))

type Body = (server: Server) => Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>

const run = (body: Body, server?: AuthorizationServer.Options) =>
  Effect.flatMap(AuthorizationServer.listen(server), (server) => Effect.scoped(body(server))).pipe(
    Effect.provide(quiet)
  )

/** One named test per row. */
const row = (name: string, body: Body, server?: AuthorizationServer.Options) =>
  it.scopedLive(name, () => run(body, server))

/** A row in which time counts: it is the test that lets it pass. */
const timed = (name: string, body: Body, server?: AuthorizationServer.Options) =>
  it.scoped(name, () => Effect.zipRight(TestClock.setTime(Math.floor(Date.now() / 1000) * 1000), run(body, server)))

/** Asks for a token; the server gives this reply. */
const answered = (server: Server, reply: Reply.Reply, more: Partial<TokenSource.Options> = {}) =>
  Effect.gen(function*() {
    yield* server.enqueue(reply)
    const source = yield* TokenSource.clientCredentials({ ...options(server), ...more })
    return yield* source.get()
  })

const refused = (server: Server, reply: Reply.Reply, more?: Partial<TokenSource.Options>) =>
  Effect.tap(Effect.flip(answered(server, reply, more)), (error) =>
    Effect.sync(() => {
      assert.isTrue(TokenError.isTokenError(error))
      for (const text of [inspect(error, { depth: 9 }), JSON.stringify(error), error.message]) {
        assert.notInclude(text, secret)
      }
    }))

/** That a refusal is final: with retries allowed, one request is made. */
const isFinal = (server: Server, reply: Reply.Reply) =>
  Effect.gen(function*() {
    const before = yield* server.count
    yield* server.setOutage(reply)
    const source = yield* TokenSource.clientCredentials(options(server))
    const retried = TokenSource.retry(RetryPolicy.exponentialJitter({ base: "1 millis", maxRetries: 3 }))(source)
    const error = yield* Effect.flip(retried.get())
    yield* server.setOutage(false)
    const requests = (yield* server.count) - before
    assert.strictEqual(requests, error._tag === "RetriesExhausted" ? 4 : 1)
    return requests === 1
  })

const oauth = (error: TokenError.RequestError, code: string, status: number) => {
  assert.instanceOf(error, TokenError.OAuthError)
  assert.deepStrictEqual([error.error, error.status], [code, status])
  return error
}

const lifetime = (token: AccessToken.AccessToken) =>
  Option.getOrNull(Option.map(token.expiresAt, (at) => (at - token.issuedAt) / 1000))

const value = (token: AccessToken.AccessToken) => Redacted.value(token.value)

describe("W1 token endpoint errors", () => {
  row(
    "W1.1 invalid_grant is final for its grant; a refresh re-reads its store once, then takes the full grant",
    (server) =>
      Effect.gen(function*() {
        oauth(yield* refused(server, Reply.oauthError("invalid_grant")), "invalid_grant", 400)
        assert.isTrue(yield* isFinal(server, Reply.oauthError("invalid_grant")))

        // a sibling was faster: what it has stored meanwhile is used
        const memory = yield* RefreshToken.memory
        const stored = (token: string): RefreshToken.Stored => ({
          token: Redacted.make(token),
          expiresAt: Option.none(),
          rotates: true,
          state: "ready"
        })
        let loads = 0
        const sibling: RefreshToken.Store = {
          ...memory,
          load: Effect.sync(() => Option.some(stored(loads++ === 0 ? "old" : "new")))
        }
        yield* server.enqueue(Reply.oauthError("invalid_grant"), Reply.token({ refresh_token: "newer" }))
        const before = yield* server.count
        yield* Effect.flatMap(
          TokenSource.refreshToken({ ...options(server), store: sibling }),
          (source) => source.get()
        )
        assert.deepStrictEqual(
          (yield* server.requests).slice(before).map(({ form }) => form.refresh_token),
          ["old", "new"]
        )

        // nobody was: the full grant, if there is one
        yield* server.enqueue(Reply.oauthError("invalid_grant"))
        const full = yield* TokenSource.refreshToken({
          ...options(server),
          refreshToken: Redacted.make("dead"),
          fallback: Grant.clientCredentials
        })
        yield* full.get()
        assert.strictEqual((yield* server.requests).at(-1)!.form.grant_type, "client_credentials")
        yield* server.enqueue(Reply.oauthError("invalid_grant"))
        const none = yield* TokenSource.refreshToken({ ...options(server), refreshToken: Redacted.make("dead") })
        assert.strictEqual((yield* Effect.flip(none.get()))._tag, "AuthenticationRequired")
      })
  )

  row("W1.2 401 invalid_client with a challenge: the body is read", (server) =>
    Effect.gen(function*() {
      const reply = Reply.oauthError("invalid_client", {
        status: 401,
        description: "unknown client",
        headers: { "www-authenticate": "Basic realm=\"token\"" }
      })
      const error = oauth(yield* refused(server, reply), "invalid_client", 401)
      assert.deepStrictEqual(error.description, Option.some("unknown client"))
      assert.isTrue(yield* isFinal(server, reply))
    }))

  row("W1.3 400 invalid_client is the same", (server) =>
    Effect.gen(function*() {
      const error = oauth(yield* refused(server, Reply.oauthError("invalid_client")), "invalid_client", 400)
      assert.include(error.message, "ClientAuthentication.post")
      assert.isTrue(yield* isFinal(server, Reply.oauthError("invalid_client")))
    }))

  row("W1.4 an empty 401, 403 or 400 is no OAuth error", (server) =>
    Effect.gen(function*() {
      for (const status of [401, 403, 400]) {
        const error = yield* refused(server, Reply.status(status))
        assert.strictEqual(error._tag === "RejectedByEndpoint" ? error.status : error._tag, status)
      }
    }))

  // FAULTS S2
  row("W1.5 a plain text 401 is described, not quoted", (server) =>
    Effect.gen(function*() {
      const error = yield* refused(
        server,
        Reply.respond({ status: 401, headers: { "content-type": "text/plain" }, body: "Client not known here" })
      )
      assert.strictEqual(error._tag, "RejectedByEndpoint")
      assert.notInclude(error.message, "not known here")
      assert.include(error.message, "text")
    }))

  row("W1.6 HTML: 5xx is transient, 4xx is rejected, 200 is no token", (server) =>
    Effect.gen(function*() {
      const page = "<html><body>Sign in</body></html>"
      const tags = yield* Effect.forEach([502, 503, 403, 200], (status) =>
        Effect.map(refused(server, Reply.html(page, status)), ({ _tag }) => _tag))
      assert.deepStrictEqual(tags, [
        "EndpointUnavailable",
        "EndpointUnavailable",
        "RejectedByEndpoint",
        "MalformedResponse"
      ])
      assert.isFalse(yield* isFinal(server, Reply.html(page, 502)))
      const cached = yield* Effect.flatMap(TokenSource.clientCredentials(options(server)), TokenSource.cached())
      yield* server.enqueue(Reply.html(page))
      assert.strictEqual((yield* Effect.flip(cached.get()))._tag, "MalformedResponse")
    }))

  row("W1.7 401 and 403 with a code that is final, and without one", (server) =>
    Effect.gen(function*() {
      for (const [code, status] of [["invalid_grant", 403], ["invalid_token", 401], ["expired_token", 401]] as const) {
        oauth(yield* refused(server, Reply.oauthError(code, { status })), code, status)
        assert.isTrue(yield* isFinal(server, Reply.oauthError(code, { status })))
      }
      assert.strictEqual((yield* refused(server, Reply.status(403)))._tag, "RejectedByEndpoint")
    }))

  row("W1.8 200 with an error in it", (server) =>
    Effect.gen(function*() {
      for (
        const [body, code] of [
          [{ error: "incorrect_client_credentials" }, "incorrect_client_credentials"],
          [{ ok: false, error: "invalid_auth" }, "invalid_auth"],
          [{ ok: false, access_token: "abc" }, "not_ok"],
          [{ error: "oops", access_token: "abc" }, "oops"]
        ] as const
      ) oauth(yield* refused(server, Reply.json(body)), code, 200)
      const form = Reply.respond({
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: "error=bad_verification_code&error_description=too+old"
      })
      oauth(yield* refused(server, form), "bad_verification_code", 200)
    }))

  row("W1.9 503 for a wrong client, and `name` instead of `error`", (server) =>
    Effect.gen(function*() {
      const reply = Reply.json({ name: "invalid_client" }, { status: 503 })
      assert.strictEqual((yield* refused(server, reply))._tag, "EndpointUnavailable")
      oauth(yield* refused(server, Reply.oauthError("invalid_client", { status: 503 })), "invalid_client", 503)
    }))

  row("W1.10 a list of errors, as Fitbit sends it", (server) =>
    Effect.gen(function*() {
      const reply = Reply.json({ errors: [{ errorType: "invalid_client", message: "Unknown" }], success: false }, {
        status: 401
      })
      const error = oauth(yield* refused(server, reply), "invalid_client", 401)
      assert.deepStrictEqual(error.description, Option.some("Unknown"))
    }))

  row("W1.11 `description` beside `error`, as Genesys Cloud sends it", (server) =>
    Effect.gen(function*() {
      const members = { error: "invalid_client", description: "client not found" }
      const plain = oauth(yield* refused(server, Reply.json(members, { status: 400 })), "invalid_client", 400)
      assert.deepStrictEqual(plain.description, Option.some("client not found"))
      const both = Reply.json({ ...members, error_description: "client not found: x" }, { status: 400 })
      const error = oauth(yield* refused(server, both), "invalid_client", 400)
      assert.deepStrictEqual(error.description, Option.some("client not found: x"))
    }))

  row("W1.12 an echo of the secret or of the request is removed", (server) =>
    Effect.gen(function*() {
      const header = Buffer.from(`svc-basic:${new URLSearchParams([["", secret]]).toString().slice(1)}`)
      for (const echo of [secret, encodeURIComponent(secret), header.toString("base64")]) {
        const error = yield* refused(server, Reply.oauthError("invalid_client", { description: `got ${echo}!` }))
        assert.deepStrictEqual(oauth(error, "invalid_client", 400).description, Option.some("got <redacted>!"))
        assert.notInclude((yield* refused(server, Reply.html(`<p>${echo}</p>`, 400))).message, echo)
      }
    }))

  row("W1.13 codes that say never, and codes that say later", (server) =>
    Effect.gen(function*() {
      const never = ["unauthorized_client", "invalid_scope", "unsupported_grant_type", "invalid_request"]
      const later = ["temporarily_unavailable", "server_error", "slow_down", "authorization_pending"]
      for (const code of never) assert.isTrue(yield* isFinal(server, Reply.oauthError(code)), code)
      for (const code of later) assert.isFalse(yield* isFinal(server, Reply.oauthError(code)), code)
    }))
})

describe("W2 success", () => {
  row("W2.16 201 with a token is one; 204 and an empty body are not", (server) =>
    Effect.gen(function*() {
      assert.strictEqual(value(yield* answered(server, Reply.token({}, 201))), "token-1")
      assert.strictEqual((yield* refused(server, Reply.status(204)))._tag, "MalformedResponse")
      assert.strictEqual((yield* refused(server, Reply.status(200)))._tag, "EndpointUnavailable")
    }))

  row("W2.17 a form as the answer, as such or as text", (server) =>
    Effect.gen(function*() {
      for (const type of ["application/x-www-form-urlencoded", "text/plain"]) {
        const token = yield* answered(
          server,
          Reply.respond({
            headers: { "content-type": `${type}; charset=utf-8` },
            body: "access_token=abc%2Bd&expires=5183&scope=a+b"
          })
        )
        assert.strictEqual(value(token), "abc+d")
        assert.strictEqual(lifetime(token), 5183)
        assert.deepStrictEqual([...token.scopes], ["a", "b"])
      }
    }))

  row("W2.18 JSON under any content type, or none", (server) =>
    Effect.gen(function*() {
      const body = " \n\ufeff{\"access_token\":\"abc\",\"expires_in\":60}".replace(" \n\ufeff", "\ufeff \n")
      for (const type of ["text/plain", "text/json", "application/vnd.example+json", "", "text/html"]) {
        const headers: Record<string, string> = type === "" ? {} : { "content-type": type }
        const token = yield* answered(server, Reply.respond({ headers, body }))
        assert.deepStrictEqual([value(token), lifetime(token)], ["abc", 60], type)
      }
    }))

  row(
    "W2.19 token types: any spelling of bearer, none, a strange one; DPoP and MAC keep theirs",
    (server) =>
      Effect.gen(function*() {
        for (const type of ["bearer", "BEARER", "Bearer", undefined, "Application Access Token", "urlencoded"]) {
          assert.strictEqual((yield* answered(server, Reply.token({ token_type: type }))).tokenType, "Bearer")
        }
        for (const type of ["DPoP", "MAC", "N_A"]) {
          assert.strictEqual((yield* answered(server, Reply.token({ token_type: type }))).tokenType, type)
        }
        const strict = yield* answered(server, Reply.token({ token_type: "urlencoded" }), { lenientTokenType: false })
        assert.strictEqual(strict.tokenType, "urlencoded")
      })
  )

  row("W2.20 camelCase and nested tokens are not guessed, and not shown", (server) =>
    Effect.gen(function*() {
      for (
        const body of [
          { accessToken: "tok-9" },
          { data: { access_token: "tok-9" } },
          { ok: true, authed_user: { access_token: "tok-9" } }
        ]
      ) {
        const error = yield* refused(server, Reply.json(body))
        assert.strictEqual(error._tag, "MalformedResponse")
        assert.notInclude(error.message, "tok-9")
        // the names are: whoever reads it knows what to map
        assert.include(error.message, Object.keys(body).at(-1)!)
      }
    }))

  timed(
    "W2.21 expires_in: a strict decimal, a moment, one of its cousins, or unknown",
    (server) =>
      Effect.gen(function*() {
        const now = (yield* Clock.currentTimeMillis) / 1000
        const tenYears = 10 * 365 * 86_400
        const cases: ReadonlyArray<readonly [Record<string, unknown>, number | null]> = [
          [{ expires_in: 3600 }, 3600],
          [{ expires_in: "3600" }, 3600],
          [{ expires_in: "3600.0" }, 3600],
          [{ expires_in: 3600.5 }, 3600],
          [{ expires_in: 0 }, 0],
          [{ expires_in: -5 }, null],
          [{ expires_in: null }, null],
          [{ expires_in: "" }, null],
          [{ expires_in: "3600abc" }, null],
          [{ expires_in: "NaN" }, null],
          [{ expires_in: undefined }, null],
          [{ expires_in: 2 ** 31 }, tenYears],
          [{ expires_in: undefined, expires: 60 }, 60],
          // a moment that is long past
          [{ expires_in: undefined, ext_expires_in: 7, expires_on: "90" }, 0]
        ]
        for (const [members, expected] of cases) {
          assert.strictEqual(lifetime(yield* answered(server, Reply.token(members))), expected, JSON.stringify(members))
        }
        for (const members of [{ expires_in: now + 3600 }, { expires_in: undefined, expires_on: String(now + 3600) }]) {
          const token = yield* answered(server, Reply.token(members))
          // whole seconds, counted from when the request was sent
          assert.approximately(Option.getOrThrow(token.expiresAt), (now + 3600) * 1000, 1000)
        }
      })
  )

  timed(
    "W2.22 the exp of a JWT counts where it comes earlier, and where nothing else is known",
    (server) =>
      Effect.gen(function*() {
        const now = (yield* Clock.currentTimeMillis) / 1000
        const jwt = (exp: number) =>
          ["{\"alg\":\"none\"}", JSON.stringify({ exp })].map((part) => Buffer.from(part).toString("base64url")).join(
            "."
          ) +
          ".c2ln"
        const at = (exp: number, expires_in: number | undefined, more?: Partial<TokenSource.Options>) =>
          Effect.map(
            answered(server, Reply.token({ access_token: jwt(exp), expires_in }), more),
            ({ expiresAt }) => Option.getOrNull(Option.map(expiresAt, (at) => Math.round(at / 1000) - now))
          )
        assert.strictEqual(yield* at(now + 600, 3600), 600)
        assert.strictEqual(yield* at(now + 600, undefined), 600)
        assert.strictEqual(yield* at(now + 7200, 3600), 3600)
        assert.strictEqual(yield* at(now + 600, 3600, { jwtExpiry: false }), 3600)
        // a clock that is wrong must not kill a token on arrival
        assert.strictEqual(yield* at(now - 600, 3600), 3600)
      })
  )

  row(
    "W2.23 scopes with any separator, a list, null or nothing; fewer than asked for is an event",
    (server) =>
      Effect.gen(function*() {
        const of = (scope: unknown) => Effect.map(answered(server, Reply.token({ scope })), ({ scopes }) => [...scopes])
        for (const scope of ["a b", "a,b", "a;b", "a, b", ["a", "b"], null, "", undefined]) {
          assert.deepStrictEqual(yield* of(scope), ["a", "b"], JSON.stringify(scope))
        }
        assert.deepStrictEqual(yield* of("a"), ["a"])
        const source = yield* Effect.map(TokenSource.clientCredentials(options(server)), TokenSource.enforceScopes())
        const events = yield* TokenSource.subscribe(source)
        yield* server.enqueue(Reply.token({ scope: "a" }))
        assert.deepStrictEqual([...(yield* source.get()).scopes], ["a"])
        const [drift] = Chunk.toReadonlyArray(
          yield* Stream.runCollect(Stream.take(Stream.filter(events, TokenEvent.TokenEvent.$is("ScopeDrift")), 1))
        )
        assert.deepStrictEqual([...drift!.missing], ["b"])
      })
  )

  row("W2.24 a refresh token is kept, replaced, or ignored", (server) =>
    Effect.gen(function*() {
      const tokens = yield* TokenSource.refreshToken({ ...options(server), refreshToken: Redacted.make("r0") })
      for (const refresh_token of [undefined, "r1", "", "r2", null, undefined]) {
        yield* server.enqueue(Reply.token({ refresh_token }))
        yield* tokens.get()
      }
      assert.deepStrictEqual((yield* server.requests).map(({ form }) => form.refresh_token), [
        "r0",
        "r0",
        "r1",
        "r1",
        "r2",
        "r2"
      ])
      // client credentials need none, but lose none either
      const kept = yield* answered(server, Reply.token({ refresh_token: "r9" }))
      assert.deepStrictEqual(Option.map(kept.refreshToken, Redacted.value), Option.some("r9"))
    }))

  timed("W2.25 a refresh token that has run out is not sent", (server) =>
    Effect.gen(function*() {
      for (const name of ["refresh_expires_in", "refresh_token_expires_in"]) {
        const tokens = yield* TokenSource.refreshToken({ ...options(server), refreshToken: Redacted.make("r0") })
        yield* server.enqueue(Reply.token({ refresh_token: "r1", [name]: 1 }))
        yield* tokens.get()
        const before = yield* server.count
        yield* TestClock.adjust("1 second")
        const error = yield* Effect.flip(tokens.get())
        assert.strictEqual(error._tag, "AuthenticationRequired")
        assert.include(error.message, "expired")
        assert.strictEqual(yield* server.count, before)
      }
    }))

  row("W2.26 refresh_in says when to renew", (server) =>
    Effect.gen(function*() {
      const token = yield* answered(server, Reply.token({ refresh_in: 60 }))
      assert.deepStrictEqual(Option.map(token.refreshAt, (at) => at - token.issuedAt), Option.some(60_000))
    }))

  timed("W2.27 the same token again until it expires: no loop of requests", (server) =>
    Effect.gen(function*() {
      const source = yield* TokenSource.clientCredentials(options(server)).pipe(
        Effect.flatMap(TokenSource.cached()),
        Effect.flatMap(TokenSource.backgroundRefresh({ ahead: "10 minutes" }))
      )
      for (let i = 0; i < 135; i++) {
        yield* TestClock.adjust("20 millis")
        yield* source.get()
        yield* Passing.eventually(TokenSource.status(source), ({ refreshing }) => !refreshing)
      }
      // after 2.25 s, three quarters of its life, it is asked for again, and again after growing pauses
      assert.isAtMost(yield* server.count, 6)
      assert.isAtLeast(yield* server.count, 2)
    }), {
    answer: sameToken(3)
  })

  row(
    "W2.28 expires_in 0 is a token that is expired at once, and no token that lives for ever",
    (server) =>
      Effect.gen(function*() {
        const token = yield* answered(server, Reply.token({ expires_in: 0 }))
        assert.deepStrictEqual(token.expiresAt, Option.some(token.issuedAt))
      })
  )

  timed(
    "W2.29 no lifetime and an opaque token: served until it is refused, or for as long as told",
    (server) =>
      Effect.gen(function*() {
        const source = yield* Effect.flatMap(TokenSource.clientCredentials(options(server)), TokenSource.cached())
        const tokens = yield* Effect.replicateEffect(source.get(), 20)
        assert.strictEqual(yield* server.count, 1)
        yield* source.renew(tokens[0]!)
        assert.strictEqual(yield* server.count, 2)
        const assuming = yield* Effect.flatMap(
          TokenSource.clientCredentials(options(server)),
          TokenSource.cached({ onMissingExpiry: { assume: "300 millis" }, ahead: 0 })
        )
        yield* assuming.get()
        yield* TestClock.adjust("100 millis")
        yield* assuming.get()
        assert.strictEqual(yield* server.count, 3)
        yield* TestClock.adjust("200 millis")
        yield* Passing.inTime(assuming.get())
        assert.strictEqual(yield* server.count, 4)
      }),
    { expiresIn: null }
  )

  // the server takes a token only some time after it was issued
  const mintedAt = new Map<string, number>()
  timed(
    "W2.30 a token that is refused for a moment after it was minted: one delayed replay, no second token",
    (server) =>
      Effect.gen(function*() {
        const { client, tokenRequests, url } = yield* bearer(server, { replayDelay: "500 millis" })
        const call = yield* Effect.fork(client.get(url))
        yield* Passing.eventually(tokenRequests, (count) => count === 2)
        const response = yield* Passing.ended(call)
        assert.strictEqual(response.status, 200)
        // the one that was refused, and the one that took its place and was waited for
        assert.strictEqual(yield* tokenRequests, 2)
      }),
    {
      answer: (request) => {
        if (!request.url.startsWith("/api")) {
          mintedAt.set(`Bearer fresh-${mintedAt.size + 1}`, request.at)
          return Reply.token({ access_token: `fresh-${mintedAt.size}` })
        }
        const since = mintedAt.get(request.headers.authorization ?? "") ?? Infinity
        return Reply.status(request.at - since >= 300 ? 200 : 401)
      }
    }
  )

  row("W2.31 a token that no header can carry is refused, and not shown", (server) =>
    Effect.gen(function*() {
      for (const access_token of ["abc\r\nx-evil: 1", "abc def", "abc\u0000", "tök-9", ""]) {
        const error = yield* refused(server, Reply.token({ access_token }))
        assert.strictEqual(error._tag, "MalformedResponse")
        assert.notInclude(error.message, access_token === "" ? "\u0000" : access_token)
      }
    }))
})

/** Hands out one token over and over, with what is left of its life. */
function sameToken(seconds: number) {
  let since: number | undefined
  return ({ at }: AuthorizationServer.RecordedRequest) => {
    since ??= at
    const left = Math.max(0, Math.round(seconds - (at - since) / 1000))
    return Reply.token({ access_token: "the-same", expires_in: left })
  }
}

/** The API: `/api` of the same server, told what to say to each token. */
const api = (say: (authorization: string, request: AuthorizationServer.RecordedRequest) => Reply.Reply) => ({
  answer: (request: AuthorizationServer.RecordedRequest) =>
    request.url.startsWith("/api") ? say(request.headers.authorization ?? "", request) : Reply.token()
})

const challenge = (status: number, header?: string, body: unknown = {}) =>
  Reply.json(body, { status, headers: header === undefined ? {} : { "www-authenticate": header } })

const bearer = (server: Server, more: Partial<BearerAuth.Options> = {}) =>
  Effect.gen(function*() {
    const source = yield* Effect.flatMap(TokenSource.clientCredentials(options(server)), TokenSource.cached())
    const client = BearerAuth.withBearer(yield* HttpClient.HttpClient, source, { origins: [server.origin], ...more })
    const requests = (of: (url: string) => boolean) =>
      Effect.map(server.requests, (all) => all.filter(({ url }) => of(url)))
    return {
      client,
      url: `${server.origin}/api`,
      calls: requests((url) => url.startsWith("/api")),
      tokenRequests: Effect.map(requests((url) => !url.startsWith("/api")), (all) => all.length)
    }
  })

describe("W5 the API", () => {
  row(
    "W5.45 401 with invalid_token: a new token, and one replay",
    (server) =>
      Effect.gen(function*() {
        const { calls, client, tokenRequests, url } = yield* bearer(server)
        assert.strictEqual((yield* client.get(url)).status, 200)
        assert.deepStrictEqual((yield* calls).map(({ headers }) => headers.authorization), [
          "Bearer token-1",
          "Bearer token-2"
        ])
        assert.strictEqual(yield* tokenRequests, 2)
      }),
    api((token) =>
      token === "Bearer token-2" ? Reply.status(200) : challenge(401, "Bearer realm=\"x\", error=\"invalid_token\"")
    )
  )

  const headers = [
    undefined,
    "Basic realm=\"x\"",
    "Negotiate",
    "bearer error=invalid_token",
    "Basic realm=\"a, b\", bearer error=\"invalid_token\", error_description=\"x, Bearer error=\\\"y\\\"\"",
    "Custom error=\"insufficient_scope\"",
    "\"\"\"garbage"
  ]
  row(
    "W5.46 401 without a challenge, with other schemes, in lower case, with several or with garbage",
    (server) =>
      Effect.gen(function*() {
        for (const index of headers.keys()) {
          const { client, tokenRequests, url } = yield* bearer(server)
          const before = yield* tokenRequests
          assert.strictEqual((yield* client.get(`${url}?${index}`)).status, 200, headers[index])
          assert.strictEqual((yield* tokenRequests) - before, 2)
        }
      }),
    (() => {
      const seen = new Set<string>()
      return api((_, { url }) => {
        if (seen.has(url)) return Reply.status(200)
        seen.add(url)
        return challenge(401, headers[Number(url.slice(url.indexOf("?") + 1))])
      })
    })()
  )

  const never = [
    [403, "Bearer error=\"insufficient_scope\", scope=\"admin\""],
    [401, "Bearer error=\"insufficient_scope\""],
    [400, "Bearer error=\"invalid_request\""],
    [403, undefined]
  ] as const
  row(
    "W5.47 insufficient_scope and invalid_request never renew",
    (server) =>
      Effect.gen(function*() {
        const { calls, client, tokenRequests, url } = yield* bearer(server)
        for (const [index, [status]] of never.entries()) {
          assert.strictEqual((yield* client.get(`${url}?${index}`)).status, status)
        }
        assert.strictEqual(yield* tokenRequests, 1)
        assert.lengthOf(yield* calls, never.length)
      }),
    api((_, { url }) => {
      const [status, header] = never[Number(url.slice(url.indexOf("?") + 1))]!
      return challenge(status, header)
    })
  )

  const odd = [
    [403, {}],
    [200, { error: "expired" }],
    [401, [{ errorCode: "INVALID_SESSION_ID" }]]
  ] as const
  row(
    "W5.48 an expired token as 403, as 200 with an error, as a list: the caller says what it means",
    (server) =>
      Effect.gen(function*() {
        const { client, tokenRequests, url } = yield* bearer(server, {
          isAuthFailure: (response) =>
            Effect.map(
              Effect.option(response.text),
              (text) => response.status === 403 || Option.exists(text, (text) => /expired|INVALID_SESSION/.test(text))
            )
        })
        for (const index of odd.keys()) {
          const response = yield* client.get(`${url}?${index}`)
          assert.deepStrictEqual(yield* response.json, { fine: true })
        }
        assert.strictEqual(yield* tokenRequests, 1 + odd.length)
      }),
    (() => {
      const seen = new Set<string>()
      return api((_, { url }) => {
        if (seen.has(url)) return Reply.json({ fine: true })
        seen.add(url)
        const [status, body] = odd[Number(url.slice(url.indexOf("?") + 1))]!
        return challenge(status, undefined, body)
      })
    })()
  )

  row(
    "W5.49 what a final 401 says, and its correlation id, reach the caller",
    (server) =>
      Effect.gen(function*() {
        const { client, url } = yield* bearer(server)
        const response = yield* client.get(url)
        assert.strictEqual(response.status, 401)
        assert.deepStrictEqual(yield* response.json, { code: "bad.credentials", status: 401, contextId: "c-1" })
        assert.strictEqual(response.headers["inin-correlation-id"], "i-1")
      }),
    api(() =>
      Reply.json({ code: "bad.credentials", status: 401, contextId: "c-1" }, {
        status: 401,
        headers: { "inin-correlation-id": "i-1" }
      })
    )
  )

  timed(
    "W5.50 a POST that met a 401 is sent again with its body, and never after a time-out",
    (server) =>
      Effect.gen(function*() {
        const { calls, client, url } = yield* bearer(server)
        const response = yield* client.post(url, { body: HttpBody.unsafeJson({ order: 7 }) })
        assert.strictEqual(response.status, 201)
        assert.deepStrictEqual((yield* calls).map(({ body }) => body), ["{\"order\":7}", "{\"order\":7}"])

        const slow = yield* Effect.fork(
          Effect.timeoutOption(client.post(`${url}/slow`, { body: HttpBody.text("x") }), "200 millis")
        )
        const slowCalls = Effect.map(calls, (all) => all.filter(({ url }) => url.endsWith("/slow")).length)
        yield* Passing.eventually(slowCalls, (count) => count === 1)
        assert.isTrue(Option.isNone(yield* Passing.ended(slow)))
        yield* TestClock.adjust("1 minute")
        yield* Passing.meanwhile
        assert.strictEqual(yield* slowCalls, 1)
      }),
    api((token, { url }) => url.endsWith("/slow") ? Reply.hang : Reply.status(token === "Bearer token-2" ? 201 : 401))
  )
})

describe("W6 seen at running servers", () => {
  /** What arrived as credentials. */
  const credentials = (server: Server) =>
    Effect.map(
      server.requests,
      (requests) =>
        Buffer.from(requests.at(-1)!.headers.authorization!.slice("Basic ".length), "base64").toString("utf8")
    )

  row("W6 Basic: form-encoded or raw, and the same for ordinary ids", (server) =>
    Effect.gen(function*() {
      const sent = (clientId: string, authentication: ClientAuthentication.ClientAuthentication) =>
        Effect.zipRight(answered(server, Reply.token(), { clientId, authentication }), credentials(server))
      const [plain, odd] = ["p-w_d.1*", secret].map((text) => Redacted.make(text)) as [
        Redacted.Redacted,
        Redacted.Redacted
      ]
      assert.strictEqual(yield* sent("svc-basic", ClientAuthentication.basic(plain)), "svc-basic:p-w_d.1*")
      assert.strictEqual(yield* sent("svc-basic", ClientAuthentication.basicRaw(plain)), "svc-basic:p-w_d.1*")
      assert.strictEqual(
        yield* sent("svc:a b", ClientAuthentication.basic(odd)),
        "svc%3Aa+b:Zk9-s3cr3t%2Fwith%2Bodd%26chars%7E%C3%A9"
      )
      assert.strictEqual(yield* sent("svc-basic", ClientAuthentication.basicRaw(odd)), `svc-basic:${secret}`)
    }))

  row(
    "W6 a wrong secret as 401, 400 or 403, with JSON, nothing or problem+json; an unknown client as 404",
    (server) =>
      Effect.gen(function*() {
        const problem = (status: number) =>
          Reply.respond({
            status,
            headers: { "content-type": "application/problem+json" },
            body: "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401}"
          })
        for (const status of [401, 400, 403]) {
          oauth(yield* refused(server, Reply.oauthError("invalid_client", { status })), "invalid_client", status)
          assert.strictEqual((yield* refused(server, Reply.status(status)))._tag, "RejectedByEndpoint")
          assert.strictEqual((yield* refused(server, problem(status)))._tag, "RejectedByEndpoint")
        }
        const unknown = yield* refused(server, Reply.status(404))
        assert.include(unknown.message, "client they do not know")
        for (const code of ["scope_invalid", "other_error"]) {
          oauth(yield* refused(server, Reply.oauthError(code)), code, 400)
        }
      })
  )

  timed("W6 the same token with a shrinking lifetime, down to 0: no spinning", (server) =>
    Effect.gen(function*() {
      const source = yield* TokenSource.clientCredentials(options(server)).pipe(
        Effect.flatMap(TokenSource.cached()),
        Effect.flatMap(TokenSource.backgroundRefresh())
      )
      // beyond its end the server still gives the same one, with a lifetime of 0; callers may have to wait then
      const calls = Effect.replicateEffect(
        Effect.delay(Effect.timeoutOption(Effect.either(source.get()), "50 millis"), "20 millis"),
        100
      )
      yield* Passing.inTime(calls, 20)
      yield* Passing.eventually(server.count, (count) => count >= 2)
      assert.isAtMost(yield* server.count, 10)
    }), { answer: sameToken(1) })

  timed(
    "W6 expires_in 59 for 60, and a token that dies before it says: the next call has a new one",
    (server) =>
      Effect.gen(function*() {
        const { client, tokenRequests, url } = yield* bearer(server)
        assert.strictEqual((yield* client.get(url)).status, 200)
        // dead on the server, and half a second to live by its own account
        yield* TestClock.adjust("600 millis")
        assert.strictEqual((yield* client.get(url)).status, 200)
        assert.isAtLeast(yield* tokenRequests, 2)
      }),
    (() => {
      const mintedAt = new Map<string, number>()
      return {
        answer: (request: AuthorizationServer.RecordedRequest) => {
          if (!request.url.startsWith("/api")) {
            mintedAt.set(`Bearer t-${mintedAt.size + 1}`, request.at)
            return Reply.token({ access_token: `t-${mintedAt.size}`, expires_in: 1 })
          }
          const age = request.at - (mintedAt.get(request.headers.authorization ?? "") ?? 0)
          return Reply.status(age < 500 ? 200 : 401)
        }
      }
    })()
  )

  row(
    "W6 an unknown scope refused, dropped or granted; `scope` missing or empty; no empty `scope=` is sent",
    (server) =>
      Effect.gen(function*() {
        oauth(yield* refused(server, Reply.oauthError("invalid_scope")), "invalid_scope", 400)
        assert.deepStrictEqual([...(yield* answered(server, Reply.token({ scope: "a" }))).scopes], ["a"])
        for (const scope of [undefined, ""]) {
          assert.deepStrictEqual([...(yield* answered(server, Reply.token({ scope }))).scopes], ["a", "b"])
        }
        yield* answered(server, Reply.token(), { scopes: "" })
        assert.notInclude((yield* server.requests).at(-1)!.body, "scope")
      })
  )

  row(
    "W6 an expired token as a bare 403, and a scope that is missing as a bare 401",
    (server) =>
      Effect.gen(function*() {
        const { client, tokenRequests, url } = yield* bearer(server)
        // nothing tells this 403 from one that is meant: it is handed on
        assert.strictEqual((yield* client.get(`${url}/expired`)).status, 403)
        assert.strictEqual(yield* tokenRequests, 1)
        // nothing tells this 401 from an expired token: one renewal, one replay, and then it is handed on
        assert.strictEqual((yield* client.get(`${url}/forbidden`)).status, 401)
        assert.strictEqual(yield* tokenRequests, 2)
        // and the next ones do not cost a token each
        for (const _ of [1, 2, 3]) assert.strictEqual((yield* client.get(`${url}/forbidden`)).status, 401)
        assert.strictEqual(yield* tokenRequests, 2)
      }),
    api((_, { url }) => Reply.status(url.endsWith("/expired") ? 403 : 401))
  )

  row(
    "W6 sockets that close when idle: the first POST on one costs a retry at most",
    (server) =>
      Effect.gen(function*() {
        const source = yield* TokenSource.clientCredentials(options(server))
        const retried = TokenSource.retry(RetryPolicy.exponentialJitter({ base: "5 millis", maxRetries: 3 }))(source)
        yield* retried.get()
        // the next request is reset on the socket that the first one left open
        yield* server.enqueue(Reply.reset())
        const [elapsed, token] = yield* Effect.timed(retried.get())
        assert.strictEqual(value(token), "token-2")
        assert.isBelow(Duration.toMillis(elapsed), 2000)
        const once = yield* Effect.zipRight(server.enqueue(Reply.reset()), Effect.either(source.get()))
        assert.strictEqual(Either.isLeft(once) ? once.left._tag : "a token", "TransportError")
      })
  )
})

// --- the catalogue -----------------------------------------------------------------------------------------------

describe("the catalogue", () => {
  const root = new URL("../../", import.meta.url)
  const folders = [
    ...readdirSync(new URL("packages", root)).map((name) => new URL(`packages/${name}/test/`, root)),
    new URL("test/src/", root)
  ]
  const texts = folders.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder).filter((file) => file.endsWith(".test.ts")).map((file) =>
      readFileSync(new URL(file, folder), "utf8")
    )
  )

  /** Rows that no test of the library can be about, and why. */
  const without: Record<string, string> = {
    "W1.15": "claims challenges (CAE) are an extension of one vendor that the library knows nothing of"
  }

  it.each(
    [
      ...Array.range(1, 15).map((row) => `W1.${row}`),
      ...Array.range(16, 31).map((row) => `W2.${row}`),
      ...Array.range(45, 50).map((row) => `W5.${row}`),
      "W6"
    ]
  )("%s is the name of a test", (row) => {
    if (without[row] !== undefined) return
    const name = new RegExp(
      `\\b(it|row|timed|test)(\\.\\w+)*\\(\\s*["'\`][^"'\`\\n]*\\b${row.replace(".", "\\.")}(?![\\d.])`
    )
    assert.isTrue(texts.some((text) => name.test(text)), `no test is named after ${row}`)
  })
})
