import { inspect } from "node:util"
import { Headers } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@effect-bearer/testing"
import { Duration, Effect, Either, Logger, Option, Redacted, TestClock } from "effect"
import { ClientAuthentication, Scopes, TokenError, TokenRequest, TokenResponse, TokenStore } from "../../src/index.js"
import { exchange, refused, secret } from "../fixtures/exchange.js"

const json = { "content-type": "application/json" }
const token = (members: Record<string, unknown>) => exchange(Reply.token(members))
const oauth = (reply: Reply.Reply, request?: Parameters<typeof refused>[1], options?: Parameters<typeof refused>[2]) =>
  Effect.map(refused(reply, request, options), (error) => {
    assert.strictEqual(error._tag, "OAuthError")
    return error as Extract<typeof error, { readonly _tag: "OAuthError" }>
  })
const tagOf = (reply: Reply.Reply) => Effect.map(refused(reply), (error) => error._tag)

const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => void lines.push(String(message)))
  return Effect.map(Effect.provide(effect, Logger.add(logger)), (value) => [value, lines] as const)
}

/** An upper bound for the characters that the search methods of texts have examined. */
const charactersSearched = (run: () => unknown): number => {
  const methods = ["replace", "replaceAll", "indexOf", "includes", "split", "search", "match"] as const
  const prototype = String.prototype as unknown as Record<string, (this: string, ...args: Array<unknown>) => unknown>
  const original = methods.map((name) => prototype[name]!)
  let count = 0
  methods.forEach((name, index) => {
    prototype[name] = function(...args) {
      count += this.length + 1
      return original[index]!.apply(this, args)
    }
  })
  try {
    run()
  } finally {
    methods.forEach((name, index) => {
      prototype[name] = original[index]!
    })
  }
  return count
}

// SPEC D3, E2, E6
describe("TokenResponse: refusals", () => {
  it.effect("W1.1 invalid_grant is final", () =>
    Effect.gen(function*() {
      const error = yield* oauth(Reply.oauthError("invalid_grant", { description: "code expired" }))
      assert.strictEqual(error.error, "invalid_grant")
      assert.strictEqual(error.status, 400)
      assert.deepStrictEqual(error.description, Option.some("code expired"))
      assert.isFalse(error.retryable)
    }))

  it.effect("W1.2 a 401 body is read although a challenge is present", () =>
    Effect.gen(function*() {
      const headers = { "www-authenticate": "Basic realm=\"token\"" }
      const error = yield* oauth(Reply.oauthError("invalid_client", { status: 401, headers }))
      assert.strictEqual(error.error, "invalid_client")
      assert.include(error.message, "client id or the secret is wrong")
    }))

  it.effect("W1.3 invalid_client counts at any status except 429", () =>
    Effect.gen(function*() {
      for (const status of [200, 400, 401, 403, 404, 500, 503]) {
        const error = yield* oauth(Reply.oauthError("invalid_client", { status }))
        assert.strictEqual(error.status, status)
      }
      assert.strictEqual(yield* tagOf(Reply.oauthError("invalid_client", { status: 429 })), "RateLimited")
    }))

  it.effect("W1.4 W6 an empty 401, 403 or 400 is RejectedByEndpoint with advice", () =>
    Effect.gen(function*() {
      for (const [status, advice] of [[400, "form"], [401, "secret is wrong"], [403, "scope or a role"]] as const) {
        const error = yield* refused(Reply.status(status))
        assert.strictEqual(error._tag, "RejectedByEndpoint")
        assert.include(error.message, advice)
      }
    }))

  // FAULTS S2
  it.effect("W1.5 a plain text 401 is RejectedByEndpoint and is described, not quoted", () =>
    Effect.gen(function*() {
      const reply = Reply.respond({ status: 401, headers: { "content-type": "text/plain" }, body: "no such client" })
      const error = yield* refused(reply)
      assert.strictEqual(error._tag, "RejectedByEndpoint")
      assert.notInclude(error.message, "no such client")
      assert.include(error.message, "text, 14 bytes")
    }))

  it.effect("W1.6 HTML: 5xx is transient, 4xx is rejected, 200 is malformed", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* tagOf(Reply.html(undefined, 502)), "EndpointUnavailable")
      const rejected = yield* refused(Reply.html(undefined, 403))
      assert.strictEqual(rejected._tag, "RejectedByEndpoint")
      assert.include(rejected.message, "HTML page")
      const malformed = yield* refused(Reply.html())
      assert.strictEqual(malformed._tag, "MalformedResponse")
      assert.include(malformed.message, "HTML")
      assert.include(malformed.message, "text/html")
    }))

  it.effect("W1.7 401 and 403 with a terminal code are OAuth errors", () =>
    Effect.gen(function*() {
      for (const code of ["invalid_grant", "invalid_token", "expired_token"]) {
        for (const status of [401, 403, 502]) {
          assert.strictEqual((yield* oauth(Reply.oauthError(code, { status }))).error, code)
        }
      }
    }))

  it.effect("W1.8 200 with an error body is an error, even with a token beside it", () =>
    Effect.gen(function*() {
      const github = yield* oauth(
        Reply.json({ error: "incorrect_client_credentials", error_uri: "https://docs.example/oauth" })
      )
      assert.strictEqual(github.status, 200)
      assert.deepStrictEqual(github.uri, Option.some("https://docs.example/oauth"))
      assert.include(github.message, "secret is wrong")
      assert.strictEqual((yield* oauth(Reply.json({ ok: false, error: "invalid_auth" }))).error, "invalid_auth")
      assert.strictEqual((yield* oauth(Reply.json({ ok: false, access_token: "abc" }))).error, "not_ok")
      assert.strictEqual((yield* oauth(Reply.json({ error: "oops", access_token: "abc" }))).error, "oops")
      const form = Reply.respond({ body: "error=bad_verification_code&error_description=too+old" })
      assert.deepStrictEqual((yield* oauth(form)).description, Option.some("too old"))
      yield* exchange(Reply.token({ error: null }))
      yield* exchange(Reply.token({ error: "", ok: true }))
    }))

  // SPEC D3, FAULTS S2
  it.effect("any word of a 2xx may be the token, so only plain words of its error are shown", () =>
    Effect.gen(function*() {
      const word = "correcthorse"
      const body = { error: word, error_description: `we issued ${word} to you`, error_uri: `https://x.test/${word}` }
      const success = yield* oauth(Reply.json(body))
      for (const text of [success.message, JSON.stringify(success), inspect(success)]) assert.notInclude(text, word)
      assert.deepStrictEqual(success.description, Option.some("we issued <redacted> to you"))
      const refusal = yield* oauth(Reply.json(body, { status: 400 }))
      assert.strictEqual(refusal.error, word)
      assert.deepStrictEqual(refusal.description, Option.some(`we issued ${word} to you`))
    }))

  it.effect("W1.9 a 503 without a code known is transient, whatever else it says", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* tagOf(Reply.json({ name: "invalid_client" }, { status: 503 })), "EndpointUnavailable")
      assert.strictEqual(yield* tagOf(Reply.json({ error: "boom" }, { status: 503 })), "EndpointUnavailable")
    }))

  it.effect("W1.10 reads errors: [{errorType, message}], and errors that are objects", () =>
    Effect.gen(function*() {
      const fitbit = yield* oauth(
        Reply.json({ errors: [{ errorType: "invalid_client", message: "Unknown" }], success: false }, { status: 401 })
      )
      assert.strictEqual(fitbit.error, "invalid_client")
      assert.deepStrictEqual(fitbit.description, Option.some("Unknown"))
      const facebook = yield* oauth(
        Reply.json({ error: { type: "OAuthException", message: "Nope", code: 101 } }, { status: 400 })
      )
      assert.strictEqual(facebook.error, "OAuthException")
      assert.strictEqual((yield* oauth(Reply.json({ error: 101 }, { status: 400 }))).error, "101")
    }))

  it.effect("W1.11 takes error_description, then description, then message", () =>
    Effect.gen(function*() {
      const all = { error: "invalid_client", description: "two", message: "three" }
      const first = yield* oauth(Reply.json({ ...all, error_description: "one" }, { status: 400 }))
      const second = yield* oauth(Reply.json({ ...all, error_description: null }, { status: 400 }))
      const third = yield* oauth(Reply.json({ error: "invalid_client", message: "three" }, { status: 400 }))
      assert.deepStrictEqual([first, second, third].map((error) => Option.getOrNull(error.description)), [
        "one",
        "two",
        "three"
      ])
    }))

  it.effect("W1.12 a repeated secret, in any spelling, is removed", () =>
    Effect.gen(function*() {
      const form = new URLSearchParams([["", secret]]).toString().slice(1)
      const raw = Buffer.from(`svc-basic:${form}`).toString("base64")
      const spellings = [
        secret,
        form,
        form.toLowerCase().replace("zk9", "Zk9"),
        encodeURIComponent(secret),
        Buffer.from(secret).toString("base64"),
        Buffer.from(secret).toString("base64url"),
        raw,
        secret.replaceAll("&", "&amp;"),
        secret.replaceAll("/", "\\/")
      ]
      for (const spelling of spellings) {
        const description = `you sent ${spelling} here`
        const error = yield* oauth(Reply.oauthError("invalid_client", { description }))
        assert.deepStrictEqual(error.description, Option.some("you sent <redacted> here"), spelling)
        const text = yield* refused(Reply.respond({ status: 400, body: description }))
        // FAULTS S2: text that is not understood is not shown at all
        assert.notInclude(text.message, spelling)
        assert.notInclude(text.message, "you sent")
        const member = yield* refused(Reply.json({ message: description }, { status: 400 }))
        assert.include(member.message, "you sent <redacted> here")
      }
      // in the code itself, in the URI, and cut by the limit
      const code = yield* oauth(Reply.json({ error: secret, error_uri: `https://x/?s=${secret}` }, { status: 400 }))
      assert.strictEqual(code.error, "<redacted>")
      assert.notInclude(JSON.stringify(code), secret)
      const long = yield* oauth(Reply.oauthError("x", { description: `${"a ".repeat(92)}${secret}` }))
      assert.notInclude(Option.getOrThrow(long.description), secret.slice(0, 8))
    }))

  it.effect("W1.12 tokens, assertions and credentials that were not sent are removed too", () =>
    Effect.gen(function*() {
      const samples = [
        "access_token=abc123 rest",
        "{\"refresh_token\": \"r-1 2\", \"x\": 1}",
        "client_secret: 'hunter2'",
        "Authorization: Bearer abc123def",
        "got Basic dXNlcjpwYXNz",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.sig",
        "key 4f3c2b1a0987654321fedcba",
        "client_assertion=xyz"
      ]
      for (const sample of samples) {
        const { description } = yield* oauth(Reply.oauthError("invalid_request", { description: sample }))
        for (const bad of ["abc123", "r-1", "hunter2", "dXNl", "eyJ", "4f3c", "xyz"]) {
          assert.notInclude(Option.getOrThrow(description), bad, sample)
        }
        assert.include(Option.getOrThrow(description), "<redacted>")
      }
      for (const sample of ["Basic authentication required", "Bearer token missing", "AADSTS7000215: bad key 'x'"]) {
        const { description } = yield* oauth(Reply.oauthError("invalid_request", { description: sample }))
        assert.deepStrictEqual(description, Option.some(sample))
      }
    }))

  it.effect("W1.12 a token of the reply is removed everywhere the reply repeats it", () =>
    Effect.gen(function*() {
      const found = yield* token({ access_token: "at-12", scope: "a x=at-12", token_type: "T at-12" })
      assert.deepStrictEqual(found.scopes, Scopes.make("a x=<redacted>"))
      const strict = yield* exchange(Reply.token({ access_token: "at-12", token_type: "T at-12" }), {}, {
        lenientTokenType: false
      })
      assert.strictEqual(strict.tokenType, "T <redacted>")
      const error = yield* oauth(Reply.json({ access_token: "at-12", error: "x", error_description: "had at-12" }))
      assert.deepStrictEqual(error.description, Option.some("had <redacted>"))
    }))

  // FAULTS R2, R4
  it.effect("the error for a refusal that could be about the client names id, secret and the settings to try", () =>
    Effect.gen(function*() {
      const replies = [
        ...[400, 401, 403, 404, 410, 422].map((status) => Reply.status(status)),
        Reply.json({ message: "no" }, { status: 403 }),
        Reply.json({ error: "client.not.found" }, { status: 404 }),
        Reply.json({ error: "other_error" }, { status: 400 }),
        Reply.oauthError("unauthorized_client", { status: 401 }),
        Reply.oauthError("access_denied", { status: 401 }),
        Reply.oauthError("invalid_grant")
      ]
      for (const reply of replies) {
        const { message } = yield* refused(reply)
        for (const part of ["client id", "secret", "ClientAuthentication.post", "ClientAuthentication.basicRaw"]) {
          assert.include(message, part, JSON.stringify(reply))
        }
      }
      for (const reply of [Reply.status(404), Reply.json({ error: "client.not.found" }, { status: 404 })]) {
        assert.include((yield* refused(reply)).message, "Some servers say this of a client they do not know.")
      }
      for (const status of [405, 415, 301]) {
        assert.notInclude((yield* refused(Reply.status(status))).message, "client id", String(status))
      }
    }))

  // FAULTS W2
  it.effect("codes are compared without case", () =>
    Effect.gen(function*() {
      for (const code of ["INVALID_GRANT", "Invalid_Grant", " invalid_grant "]) {
        const error = yield* oauth(Reply.oauthError(code, { status: 503 }))
        assert.isTrue(TokenError.hasCode(error, "invalid_grant"), code)
        assert.strictEqual(error.error, code.trim())
      }
      assert.strictEqual(
        yield* tagOf(Reply.oauthError("Temporarily_Unavailable", { status: 400 })),
        "EndpointUnavailable"
      )
    }))

  // FAULTS S1, S2
  it.effect("a success without a token is described, and none of its text is shown", () =>
    Effect.gen(function*() {
      const live = "q7RkV2mXw9LtB4zNc8Ys"
      const bodies: ReadonlyArray<string | Uint8Array> = [
        "{\"access_token\":1732654817326548,\"client_secret\":9981726354}",
        live,
        JSON.stringify(live),
        JSON.stringify([{ token: live }]),
        JSON.stringify({ access_token: live }).slice(0, -1),
        JSON.stringify({ [live]: 1, n: { message: live } }),
        `token=${live}&message=${live}`,
        `<title>${live}</title>${live}`,
        `<?xml version="1.0"?><t>${live}</t>`,
        JSON.stringify({ error: live, error_description: `it is ${live}`, error_uri: `https://x/${live}` }),
        Buffer.from(live, "utf16le"),
        Buffer.from(`\ufeff${JSON.stringify([live])}`, "utf16le").swap16(),
        Buffer.from([0, 0, 0xfe, 0xff, ...Array.from(live).flatMap((c) => [0, 0, 0, c.charCodeAt(0)])])
      ]
      for (const body of bodies) {
        const headers = { "content-type": `text/${live}; charset=${live}` }
        const error = yield* refused(Reply.respond({ headers, body }))
        const shown = [error.message, inspect(error, { depth: Infinity, showHidden: true }), JSON.stringify(error)]
          .join("\n")
        for (
          const piece of [live, live.slice(0, 8), live.slice(-8), "17326548", "99817263", live.split("").join(" ")]
        ) {
          assert.notInclude(shown, piece, String(body))
        }
      }
    }))

  // FAULTS S1
  it.effect("a token in UTF-16 or UTF-32 is read, with a byte order mark and without", () =>
    Effect.gen(function*() {
      const text = JSON.stringify({ access_token: "abc", scope: "é 😀" })
      const utf32 = (little: boolean, text: string) =>
        Buffer.from(
          Array.from(text).flatMap((c) => {
            const point = c.codePointAt(0)!
            const four = [point & 255, (point >> 8) & 255, point >> 16, 0]
            return little ? four : four.reverse()
          })
        )
      for (const mark of ["", "\ufeff"]) {
        for (
          const body of [
            Buffer.from(mark + text, "utf16le"),
            Buffer.from(mark + text, "utf16le").swap16(),
            utf32(true, mark + text),
            utf32(false, mark + text),
            Buffer.from(`${mark}access_token=abc&scope=%C3%A9+%F0%9F%98%80`, "utf16le")
          ]
        ) {
          const found = yield* exchange(Reply.respond({ body }))
          assert.strictEqual(Redacted.value(found.value), "abc")
          assert.deepStrictEqual(found.scopes, Scopes.make("é 😀"))
        }
      }
    }))

  // FAULTS S7
  it.effect("granted scopes are values: a client secret that is part of them does not change them", () =>
    Effect.gen(function*() {
      const authentication = ClientAuthentication.basic(Redacted.make("demo"))
      for (const scope of ["demo-api demo read", ["demo-api", "demo", "read"]]) {
        const found = yield* exchange(Reply.token({ scope, token_type: "demo" }), {}, {
          authentication,
          lenientTokenType: false
        })
        assert.deepStrictEqual(found.scopes, Scopes.make("demo-api demo read"))
        assert.strictEqual(found.tokenType, "demo")
      }
      const long = `https://api.example.com/${"x".repeat(300)}`
      assert.deepStrictEqual((yield* token({ scope: long })).scopes, Scopes.make(long))
      const many = Array.from({ length: 20_000 }, (_, index) => `scope-number-${index}`)
      assert.strictEqual((yield* token({ scope: many.join(" ") })).scopes.length, many.length)
    }))

  // FAULTS B3
  it("reading a response takes time linear in its length, for tokens and refusals", () => {
    const work = (members: number, extra: Record<string, unknown>) => {
      const body = new TextEncoder().encode(JSON.stringify({
        ...Object.fromEntries(Array.from({ length: members }, (_, i) => [`m${i}_token`, `value-${i}-${i * 7919}`])),
        scope: Array.from({ length: members }, (_, i) => `scope:${i}`).join(" "),
        error_description: Array.from({ length: members }, (_, i) => `value-${i} `).join(""),
        ...extra
      }))
      return charactersSearched(() =>
        TokenResponse.parse({ status: 200, headers: Headers.empty, body, overflow: false }, {
          endpoint: "https://auth.test/token",
          grantType: "client_credentials",
          request: TokenRequest.empty,
          sentAt: 0,
          receivedAt: 0,
          secrets: [Redacted.make(secret)],
          hint: Option.none(),
          authenticationAdvice: "",
          lenientTokenType: true,
          jwtExpiry: true
        })
      )
    }
    for (const extra of [{ access_token: "at-1" }, { error: "x" }, { access_token: "at-1", error: "x" }, {}]) {
      const [once, twice] = [work(1000, extra), work(2000, extra)]
      assert.isBelow(twice / once, 2.6, JSON.stringify(extra))
    }
  })

  it.effect("every text in an error is short and printable", () =>
    Effect.gen(function*() {
      const error = yield* oauth(Reply.json(
        { error: "x\u0000\u001b[31my", error_description: `a\r\nb\u202e${"c ".repeat(500)}` },
        { status: 400 }
      ))
      assert.strictEqual(error.error, "x [31my")
      assert.isTrue(Option.getOrThrow(error.description).startsWith("a b c c"))
      assert.isAtMost(Option.getOrThrow(error.description).length, 201)
    }))

  it.effect("W1.13 codes are fatal or transient", () =>
    Effect.gen(function*() {
      const terminal = ["unauthorized_client", "invalid_scope", "unsupported_grant_type", "invalid_request", "own_code"]
      for (const code of terminal) assert.strictEqual((yield* oauth(Reply.oauthError(code))).error, code)
      for (const code of ["temporarily_unavailable", "server_error", "authorization_pending"]) {
        for (const status of [200, 400, 503]) {
          const error = yield* refused(Reply.oauthError(code, { status }))
          assert.strictEqual(error._tag, "EndpointUnavailable")
          assert.isTrue(error.retryable)
        }
      }
      assert.strictEqual(yield* tagOf(Reply.oauthError("slow_down")), "RateLimited")
    }))

  // FAULTS R: Slack says it with 200, Google with 403, Facebook with 400; all three were final, and blamed the secret
  it.effect("servers that say 'too many' or 'later' in words of their own", () =>
    Effect.gen(function*() {
      const tooMany: ReadonlyArray<readonly [status: number, body: object]> = [
        [200, { ok: false, error: "ratelimited" }],
        [200, { ok: false, error: "rate_limited" }],
        [403, { error: "rate_limit_exceeded", error_description: "Rate Limit Exceeded" }],
        [403, { error: { code: 403, message: "Rate Limit Exceeded", status: "RESOURCE_EXHAUSTED" } }],
        [400, { error: "too_many_requests" }]
      ]
      for (const [status, body] of tooMany) {
        const error = yield* refused(Reply.json(body, { status, headers: { "retry-after": "7" } }))
        assert.strictEqual(error._tag, "RateLimited", inspect(body))
        assert.deepStrictEqual(error._tag === "RateLimited" && error.retryAfter, Option.some(Duration.seconds(7)))
        assert.notInclude(error.message, "secret")
      }
      const later: ReadonlyArray<readonly [status: number, body: object]> = [
        [400, { error: "internal_failure" }],
        [200, { ok: false, error: "internal_error" }],
        [200, { ok: false, error: "service_unavailable" }],
        [400, { error: { message: "Please retry your request later.", type: "OAuthException", is_transient: true } }]
      ]
      for (const [status, body] of later) {
        assert.strictEqual(yield* tagOf(Reply.json(body, { status })), "EndpointUnavailable", inspect(body))
      }
      assert.strictEqual(
        yield* tagOf(
          Reply.json({ error: { message: "Wrong.", type: "OAuthException", is_transient: false } }, { status: 400 })
        ),
        "OAuthError"
      )
    }))

  // FAULTS R
  it.effect("'too many' and 'later' are understood in any spelling, and in the places where AWS and Google say them", () =>
    Effect.gen(function*() {
      const aws = (type: string) => [400, { __type: type, message: "Rate exceeded" }, {}] as const
      const tooMany: ReadonlyArray<readonly [number, object, Record<string, string>]> = [
        // https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
        [403, { message: "You have exceeded a secondary rate limit." }, { "retry-after": "60" }],
        [403, { message: "API rate limit exceeded" }, { "x-ratelimit-remaining": "0" }],
        // the SDKs of AWS count these as throttling; Cognito sends the first with 400
        aws("TooManyRequestsException"),
        aws("com.amazon.coral.service#ThrottlingException"),
        [400, {}, { "x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/" }],
        [400, { error: "TooManyRequestsException" }, {}],
        [400, { error: "ThrottlingException" }, {}],
        [400, { error: "SlowDown" }, {}],
        [400, { Error: { Code: "SlowDown" } }, {}],
        [400, { code: "Throttling" }, {}],
        [400, { error: "throttled" }, {}],
        [400, { error: "Rate Limit Exceeded" }, {}],
        [403, { error: { code: 403, errors: [{ domain: "usageLimits", reason: "userRateLimitExceeded" }] } }, {}],
        [429, { errorCode: "E0000047", errorSummary: "API call exceeded rate limit" }, {}]
      ]
      for (const [status, body, headers] of tooMany) {
        assert.strictEqual(yield* tagOf(Reply.json(body, { status, headers })), "RateLimited", inspect(body))
      }
      const later: ReadonlyArray<readonly [number, object]> = [
        // amazon-connect/amazon-connect-salesforce-lambda#43
        [400, { error: "unknown_error", error_description: "retry your request" }],
        [400, { error: "Temporarily_Unavailable" }],
        [400, { error: "SERVER ERROR" }],
        [400, { __type: "InternalFailure" }],
        // https://community.auth0.com/t/global-limit-has-been-reached/77440
        [500, { error: "access_denied", error_description: "Global limit has been reached" }]
      ]
      for (const [status, body] of later) {
        assert.strictEqual(yield* tagOf(Reply.json(body, { status })), "EndpointUnavailable", inspect(body))
      }
    }))

  // FAULTS R
  it.effect("a final refusal stays final, whatever a gateway adds to it about limits", () =>
    Effect.gen(function*() {
      const headers = { "x-ratelimit-remaining": "0", "retry-after": "1" }
      const final: ReadonlyArray<readonly [number, object]> = [
        [403, { error: "access_denied", error_description: "Client is not authorized" }],
        [400, { error: "invalid_client", code: "Throttling" }],
        [401, { message: "Bad credentials" }],
        [400, { message: "x" }]
      ]
      for (const [status, body] of final) {
        assert.include(
          ["OAuthError", "RejectedByEndpoint"],
          yield* tagOf(Reply.json(body, { status, headers })),
          inspect(body)
        )
      }
      const plain = { status: 403, headers: { "x-ratelimit-remaining": "12" } }
      assert.strictEqual(yield* tagOf(Reply.json({ message: "x" }, plain)), "RejectedByEndpoint")
      assert.strictEqual((yield* exchange(Reply.token({ code: "SlowDown" }))).tokenType, "Bearer")
    }))

  // FAULTS W
  it.effect("every 401 names id, secret and the ways to send them, whatever its code", () =>
    Effect.gen(function*() {
      const bodies: ReadonlyArray<object> = [
        // ServiceNow, for a wrong secret
        { error: "server_error", error_description: "access_denied" },
        ...["internal_error", "unknown_error", "access_denied", "unsupported_grant_type", "invalid_scope"].map(
          (error) => ({ error })
        ),
        ...["invalid_target", "unauthorized", "invalid_token", "login_required"].map((error) => ({ error })),
        { ok: false },
        { message: "Unauthorized" },
        {}
      ]
      for (const body of bodies) {
        const error = yield* refused(Reply.json(body, { status: 401 }))
        assert.isFalse(error.retryable, inspect(body))
        assert.match(error.message, /client id or (the )?secret/, inspect(body))
        assert.include(error.message, "ClientAuthentication.post")
      }
    }))

  // FAULTS W
  it.effect("only a redirect is called a redirect", () =>
    Effect.gen(function*() {
      for (const status of [300, 304, 305, 306, 399]) {
        const { message } = yield* refused(Reply.status(status))
        assert.notMatch(message, /It redirects|Redirects are/)
        assert.include(message, "no redirect either")
      }
      for (const status of [301, 302, 303, 307, 308]) {
        assert.include((yield* refused(Reply.status(status))).message, "Redirects are not followed")
      }
    }))

  it.effect("E6 advice names the fix", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Reply.Reply, string]> = [
        [Reply.oauthError("invalid_client"), "ClientAuthentication.post"],
        [Reply.oauthError("unsupported_grant_type"), "client_credentials"],
        [Reply.oauthError("unauthorized_client"), "Enable the grant"],
        [Reply.oauthError("invalid_scope"), "Requested: users:read"],
        [Reply.oauthError("insufficient_scope", { status: 403 }), "allow them for this client"],
        [Reply.status(403), "scope"],
        [Reply.status(404), "nothing at this URL"],
        [Reply.status(405), "POST"],
        [Reply.status(415), "JSON instead of a form"]
      ]
      for (const [reply, advice] of cases) {
        assert.include((yield* refused(reply, { scopes: "users:read" })).message, advice)
      }
    }))

  it.effect("E6 white space around the secret is mentioned when the client is refused", () =>
    Effect.gen(function*() {
      const authentication = ClientAuthentication.post(Redacted.make("s3cr3t-value\n"))
      for (const reply of [Reply.oauthError("invalid_client"), Reply.status(401)]) {
        const error = yield* refused(reply, {}, { authentication })
        assert.include(error.message, "starts or ends with white space")
        assert.notInclude(error.message, "s3cr3t-value")
        assert.notInclude((yield* refused(reply)).message, "white space")
      }
    }))

  it.effect("W6 problem+json without a code, and an unknown client as 404, are RejectedByEndpoint", () =>
    Effect.gen(function*() {
      const problem = yield* refused(Reply.json({ title: "Bad client", status: 401, hidden: "abc" }, {
        status: 401,
        headers: { "content-type": "application/problem+json" }
      }))
      assert.strictEqual(problem._tag, "RejectedByEndpoint")
      assert.include(problem.message, "Bad client")
      assert.notInclude(problem.message, "abc")
      assert.strictEqual(yield* tagOf(Reply.json({ message: "not found" }, { status: 404 })), "RejectedByEndpoint")
      assert.strictEqual((yield* oauth(Reply.oauthError("scope_invalid"))).error, "scope_invalid")
    }))

  it.effect("a status that HTTP does not know is RejectedByEndpoint", () =>
    Effect.gen(function*() {
      for (const status of [0, 100, 199, 600, 999]) {
        assert.strictEqual(yield* tagOf(Reply.respond({ status, body: "x" })), "RejectedByEndpoint", String(status))
      }
    }))
})

describe("TokenResponse: throttling", () => {
  it.effect("W3.32 429 carries Retry-After, or the words of Genesys Cloud", () =>
    Effect.gen(function*() {
      const body = { message: "Retry the request in [42] seconds", code: "too.many.requests.retry.after", status: 429 }
      const words = yield* refused(Reply.json(body, { status: 429 }))
      const header = yield* refused(Reply.json(body, { status: 429, headers: { "retry-after": "7" } }))
      assert.strictEqual(words._tag, "RateLimited")
      assert.deepStrictEqual(words._tag === "RateLimited" && words.retryAfter, Option.some(Duration.seconds(42)))
      assert.deepStrictEqual(header._tag === "RateLimited" && header.retryAfter, Option.some(Duration.seconds(7)))
    }))

  it.effect("W3.36 429 with plain text", () =>
    Effect.gen(function*() {
      const error = yield* refused(
        Reply.respond({ status: 429, headers: { "content-type": "text/plain" }, body: "slow" })
      )
      assert.strictEqual(error._tag, "RateLimited")
      assert.isTrue(error._tag === "RateLimited" && Option.isNone(error.retryAfter))
    }))

  // SPEC A6
  it.effect("W3.37 503 and the other transient statuses carry Retry-After", () =>
    Effect.gen(function*() {
      for (const status of [408, 425, 500, 502, 503, 504, 521, 599]) {
        const error = yield* refused(Reply.status(status, { "retry-after": "30" }))
        assert.strictEqual(error._tag, "EndpointUnavailable")
        assert.deepStrictEqual(
          error._tag === "EndpointUnavailable" && error.retryAfter,
          Option.some(Duration.seconds(30))
        )
      }
    }))

  // FAULTS W3
  it.effect("the error for 511 says that the network wants a sign-in", () =>
    Effect.gen(function*() {
      const error = yield* refused(Reply.html("<h1>Welcome</h1>", 511))
      assert(error._tag === "EndpointUnavailable")
      assert.include(error.message, "captive portal")
    }))

  it.effect("W3.34 W3.38 an invalid Retry-After is ignored, an absurd one is passed on", () =>
    Effect.gen(function*() {
      const after = (value: string) =>
        Effect.map(
          refused(Reply.status(429, { "retry-after": value })),
          (error) =>
            error._tag === "RateLimited"
              ? Option.getOrNull(Option.map(error.retryAfter, Duration.toSeconds))
              : undefined
        )
      assert.deepStrictEqual(
        yield* Effect.forEach(["0", "-3", "abc", "120, 120", "", "86400"], after),
        [0, null, null, null, null, 86_400]
      )
    }))
})

describe("TokenResponse: tokens", () => {
  it.effect("W2.16 any 2xx with a token is a success; 204 and an empty body are not", () =>
    Effect.gen(function*() {
      for (const status of [200, 201, 203]) yield* exchange(Reply.token({}, status))
      assert.strictEqual(yield* tagOf(Reply.status(204)), "MalformedResponse")
      assert.strictEqual(yield* tagOf(Reply.status(201)), "EndpointUnavailable")
    }))

  // SPEC A12
  it.effect("W2.17 form-encoded replies, whatever their content type", () =>
    Effect.gen(function*() {
      for (const type of ["application/x-www-form-urlencoded", "text/plain", "text/html", ""]) {
        const found = yield* exchange(Reply.respond({
          headers: { "content-type": type },
          body: "access_token=abc%2F1&token_type=bearer&expires_in=60&scope=a+b&scope=c"
        }))
        assert.strictEqual(Redacted.value(found.value), "abc/1")
        assert.deepStrictEqual(found.expiresAt, Option.some(60_000))
        assert.deepStrictEqual(found.scopes, Scopes.make("a b"))
      }
    }))

  // SPEC A12, FAULTS S2
  it.effect("W2.17 the error for a body that is neither JSON nor a form shows content type, kind and length", () =>
    Effect.gen(function*() {
      const body = `x = 1 access_token:tok-123 ${secret} ${"word ".repeat(200)}`
      const error = yield* refused(Reply.respond({ headers: { "content-type": "text/yaml" }, body }))
      assert.strictEqual(error._tag, "MalformedResponse")
      if (error._tag !== "MalformedResponse") return
      assert.strictEqual(error.contentType, "text/yaml")
      assert.strictEqual(error.excerpt, `text, ${Buffer.byteLength(body)} bytes`)
    }))

  it.effect("W2.18 JSON under any content type, or none, with a byte order mark and spaces", () =>
    Effect.gen(function*() {
      for (const type of ["text/plain", "text/json", "application/vnd.x+json", "application/octet-stream"]) {
        const body = "\ufeff \r\n\t{\"access_token\":\"abc\"}\n"
        assert.strictEqual(
          Redacted.value((yield* exchange(Reply.respond({ headers: { "content-type": type }, body }))).value),
          "abc"
        )
      }
      yield* exchange(Reply.respond({ body: "{\"access_token\":\"abc\"}" }))
    }))

  it.effect("W2.19 token_type: bearer in any case or missing is Bearer, unknown ones with a warning", () =>
    Effect.gen(function*() {
      for (const type of ["bearer", "BEARER", "Bearer", undefined, null, "", 7]) {
        const [found, lines] = yield* logged(token({ token_type: type }))
        assert.strictEqual(found.tokenType, "Bearer")
        assert.deepStrictEqual(lines, [])
      }
      for (const type of ["Application Access Token", "urlencoded"]) {
        const [found, lines] = yield* logged(token({ token_type: type }))
        assert.strictEqual(found.tokenType, "Bearer")
        assert.include(lines.join(), type)
        const strict = yield* exchange(Reply.token({ token_type: type }), {}, { lenientTokenType: false })
        assert.strictEqual(strict.tokenType, type)
      }
      for (const type of ["DPoP", "dpop", "MAC", "N_A", "PoP"]) {
        assert.strictEqual((yield* token({ token_type: type })).tokenType, type)
      }
    }))

  it.effect("W2.20 camelCase and nested fields are not guessed, and their values are not shown", () =>
    Effect.gen(function*() {
      for (const body of [{ accessToken: "tok-9" }, { data: { access_token: "tok-9" } }, { jwt: "tok-9", n: 1 }]) {
        const error = yield* refused(Reply.json(body))
        assert.strictEqual(error._tag, "MalformedResponse")
        assert.notInclude(error.message, "tok-9")
        assert.include(error.message, Object.keys(body)[0]!)
      }
    }))

  it.effect("W2.21 W2.29 expires_in: a strict decimal, or else missing with a warning", () =>
    Effect.gen(function*() {
      const seconds = (members: Record<string, unknown>) =>
        Effect.map(logged(token({ expires_in: undefined, ...members })), ([found, lines]) => [
          Option.getOrNull(Option.map(found.expiresAt, (at) => (at - found.issuedAt) / 1000)),
          lines.length
        ])
      const tenYears = 10 * 365 * 86_400
      const cases: ReadonlyArray<readonly [Record<string, unknown>, number | null, number]> = [
        [{ expires_in: 3600 }, 3600, 0],
        [{ expires_in: "3600" }, 3600, 0],
        [{ expires_in: "3600.0" }, 3600, 0],
        [{ expires_in: 3600.5 }, 3600, 0],
        [{ expires_in: 0 }, 0, 0],
        [{ expires_in: "0" }, 0, 0],
        [{ expires_in: -1 }, null, 1],
        [{ expires_in: "-1" }, null, 1],
        [{ expires_in: null }, null, 1],
        [{ expires_in: "" }, null, 1],
        [{ expires_in: " 60" }, null, 1],
        [{ expires_in: "3600abc" }, null, 1],
        [{ expires_in: "1e3" }, null, 1],
        [{ expires_in: "0x10" }, null, 1],
        [{ expires_in: "NaN" }, null, 1],
        [{ expires_in: true }, null, 1],
        [{ expires_in: {} }, null, 1],
        [{ expires_in: [60] }, null, 1],
        [{}, null, 0],
        [{ expires_in: 4e8 }, tenYears, 0],
        [{ expires_in: 2 ** 31 }, tenYears, 0],
        [{ expires_in: 1e300 }, tenYears, 0],
        [{ expires_in: "9".repeat(400) }, tenYears, 0],
        [{ expires: 60 }, 60, 0],
        [{ expires: "60", expires_in: 30 }, 30, 0],
        [{ expires: "60", expires_in: "abc" }, 60, 0],
        [{ expires: "Wed, 28 Feb 2024 12:00:00 GMT" }, null, 1],
        [{ expires_on: "90", ext_expires_in: 5 }, 90, 0],
        [{ expires_on: "90", expires_in: 3600 }, 3600, 0]
      ]
      for (const [members, expected, warnings] of cases) {
        assert.deepStrictEqual(yield* seconds(members), [expected, warnings], JSON.stringify(members))
      }
    }))

  it.effect("W2.21 a point in time in place of a duration is understood", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_800_000_000_000)
      for (const expires_in of [1_800_003_600, "1800003600", 1_800_003_600_000]) {
        const found = yield* token({ expires_in })
        assert.deepStrictEqual(found.expiresAt, Option.some(1_800_003_600_000))
      }
      assert.deepStrictEqual((yield* token({ expires_in: 1_700_000_000 })).expiresAt, Option.some(1_800_000_000_000))
      const azure = yield* token({ expires_in: undefined, expires_on: "1800003600" })
      assert.deepStrictEqual(azure.expiresAt, Option.some(1_800_003_600_000))
    }))

  it.effect("W2.22 the exp of a JWT is not read here", () =>
    Effect.gen(function*() {
      const jwt = `eyJhbGciOiJub25lIn0.${Buffer.from("{\"exp\":5}").toString("base64url")}.x`
      assert.deepStrictEqual((yield* token({ access_token: jwt })).expiresAt, Option.some(3_600_000))
    }))

  it.effect("W2.23 W6 scope: a string with any separator, a list, or nothing, which means as requested", () =>
    Effect.gen(function*() {
      for (const scope of ["b a", "a,b", "a;b", "a, b ;a", ["a", "b"], ["a b"], ["a", 1, null, "b"]]) {
        assert.deepStrictEqual((yield* token({ scope })).scopes, Scopes.make("a b"))
      }
      for (const scope of [null, "", " ", [], undefined, 5, {}]) {
        const found = yield* exchange(Reply.token({ scope }), { scopes: "x y" })
        assert.deepStrictEqual(found.scopes, Scopes.make("x y"))
      }
      assert.deepStrictEqual((yield* exchange(Reply.token({ scope: "x" }), { scopes: "x y" })).scopes, Scopes.make("x"))
    }))

  // SPEC B11
  it.effect("W2.24 a refresh token is kept, and an empty one counts as missing", () =>
    Effect.gen(function*() {
      const found = yield* token({ refresh_token: "r-1" })
      assert.deepStrictEqual(Option.map(found.refreshToken, Redacted.value), Option.some("r-1"))
      for (const refresh_token of ["", null, 1, undefined]) {
        assert.isTrue(Option.isNone((yield* token({ refresh_token })).refreshToken))
      }
    }))

  // FAULTS B
  it.effect("a member that is nested deeper than a stack is cut, so that the token can be stored", () =>
    Effect.gen(function*() {
      const deep = `{"access_token":"a","shallow":[[{"a":1}]],"deep":${"[".repeat(9000)}${"]".repeat(9000)}}`
      const found = yield* exchange(Reply.respond({ body: deep, headers: json }))
      const { shallow } = Redacted.value(found.extra)
      assert.deepStrictEqual(shallow, [[{ a: 1 }]])
      assert.isBelow(JSON.stringify(Redacted.value(found.extra)).length, 300)
      assert.strictEqual(
        Redacted.value(Either.getOrThrow(TokenStore.decodeToken(TokenStore.encodeToken(found))).value),
        "a"
      )
    }))

  it.effect("W2.25 W2.26 refresh_in is advice; unknown members stay in extra", () =>
    Effect.gen(function*() {
      const found = yield* token({ refresh_in: 1800, refresh_expires_in: 9, instance_url: "https://x" })
      assert.deepStrictEqual(found.refreshAt, Option.some(1_800_000))
      assert.deepStrictEqual(Redacted.value(found.extra), { refresh_expires_in: 9, instance_url: "https://x" })
      assert.isTrue(Option.isNone((yield* token({ refresh_in: "soon" })).refreshAt))
    }))

  it.effect("W2.27 W2.28 W6 the same token with a lifetime of 0 is a token that has already expired", () =>
    Effect.gen(function*() {
      const found = yield* token({ expires_in: 0 })
      assert.deepStrictEqual(found.expiresAt, Option.some(found.issuedAt))
    }))

  it.effect("W2.31 a token that no header can carry is malformed, and not shown", () =>
    Effect.gen(function*() {
      const bad = ["tok\nX: 1", "tok\r", " tok", "t k", "tök", "tok\u0000", "tok\u007f", "", null, 5, ["tok"], {}]
      for (const access_token of bad) {
        const error = yield* refused(Reply.token({ access_token }))
        assert.strictEqual(error._tag, "MalformedResponse", JSON.stringify(access_token))
        assert.notInclude(error.message, "tok\\")
        assert.notInclude(error.message, "tök")
      }
    }))

  it.effect("lifetime counts from the moment the request was sent", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000_000)
      const fiber = yield* Effect.fork(exchange(Reply.delayed(Reply.token(), "3 seconds")))
      yield* TestClock.adjust("3 seconds")
      const found = yield* fiber
      assert.strictEqual(found.issuedAt, 1_000_000)
      assert.deepStrictEqual(found.expiresAt, Option.some(1_000_000 + 3_600_000))
    }))

  it.effect("names of prototype members are ordinary names; of duplicate names the last counts", () =>
    Effect.gen(function*() {
      const body = "{\"__proto__\":{\"access_token\":\"evil\"},\"constructor\":{\"x\":1}}"
      assert.strictEqual(yield* tagOf(Reply.respond({ headers: json, body })), "MalformedResponse")
      const found = yield* exchange(Reply.respond({
        headers: json,
        body: "{\"access_token\":\"one\",\"__proto__\":{\"polluted\":1},\"toString\":1,\"access_token\":\"two\"}"
      }))
      assert.strictEqual(Redacted.value(found.value), "two")
      assert.isUndefined(({} as Record<string, unknown>).polluted)
      assert.deepStrictEqual(Object.keys(Redacted.value(found.extra)), ["toString"])
    }))

  it.effect("broken, deep and odd JSON is malformed", () =>
    Effect.gen(function*() {
      const bodies = [
        "{\"access_token\":\"abc",
        "[1]",
        "[".repeat(200_000),
        `{"a":${"[".repeat(9_000)}${"]".repeat(9_000)}}`,
        "{}"
      ]
      for (const body of bodies) {
        assert.strictEqual(yield* tagOf(Reply.respond({ headers: json, body })), "MalformedResponse", body.slice(0, 20))
      }
      for (const body of ["\"abc\"", "null", "true", "12", "\u0000\u0001", "=", "a=b"]) {
        assert.strictEqual(yield* tagOf(Reply.respond({ headers: json, body })), "MalformedResponse", body)
      }
    }))
})
