import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { HttpClient } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Config, Deferred, Duration, Effect, Exit, Fiber, Option, Redacted, TestClock } from "effect"
import { ClientAuthentication, Secret, TokenError } from "effect-bearer"
import { DataAction } from "../src/index.js"
import {
  authentication,
  effect,
  environment,
  live,
  memory,
  message,
  never,
  reply,
  secret,
  settings,
  sockets,
  token,
  verdict
} from "./utils/dataAction.js"

describe("credentials", () => {
  // SPEC A1
  live("come from the environment at run time", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.listen()
      const action = yield* DataAction.handler({
        tokenEndpoint: Config.string("EXTERNAL_TOKEN_ENDPOINT"),
        clientId: Secret.env("EXTERNAL_CLIENT_ID"),
        authentication: ClientAuthentication.post(Secret.env("EXTERNAL_CLIENT_SECRET")),
        scopes: Config.string("EXTERNAL_SCOPES").pipe(Config.withDefault("contacts:read"))
      }).pipe(environment({
        EXTERNAL_CLIENT_ID: "crm",
        EXTERNAL_CLIENT_SECRET: secret,
        EXTERNAL_TOKEN_ENDPOINT: server.tokenEndpoint
      }))
      assert.strictEqual((yield* action()).status, 200)
      const { form } = (yield* server.requests)[0]!
      assert.deepStrictEqual(
        [form.client_id, form.client_secret, form.scope],
        ["crm", secret, "contacts:read"]
      )
    }))

  // SPEC A1
  live("come from a file, and a rotated secret counts at the next token request", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "data-action-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const file = join(folder, "client-secret")
      writeFileSync(file, "the first one\n")
      const fromFile = yield* Effect.provide(Secret.file(file), NodeContext.layer)
      const { action, server } = yield* sockets({ authentication: ClientAuthentication.post(fromFile) })
      const first = yield* action()
      writeFileSync(file, "the second one\n")
      yield* action({ rejected_token: token(first) })
      assert.deepStrictEqual(
        (yield* server.requests).map(({ form }) => form.client_secret),
        ["the first one", "the second one"]
      )
    }))

  // SPEC A1
  effect(
    "that are missing are all named, with status 500 and before any network call; set, they count at once",
    () =>
      Effect.gen(function*() {
        const variables: Record<string, string | undefined> = { EXTERNAL_CLIENT_SECRET: " " }
        const read = (name: string) =>
          Effect.suspend(() => Secret.env(name).pipe(environment(variables as Record<string, string>)))
        const { action, server } = yield* memory({
          clientId: read("EXTERNAL_CLIENT_ID"),
          authentication: ClientAuthentication.post(read("EXTERNAL_CLIENT_SECRET"))
        })
        const missing = yield* action()
        assert.strictEqual(verdict(missing), "500 ConfigurationError")
        assert.match(message(missing), /EXTERNAL_CLIENT_ID.*EXTERNAL_CLIENT_SECRET/)
        assert.strictEqual(yield* server.count, 0)

        Object.assign(variables, { EXTERNAL_CLIENT_ID: "crm", EXTERNAL_CLIENT_SECRET: secret })
        assert.strictEqual((yield* action()).status, 200)

        variables.EXTERNAL_CLIENT_SECRET = ""
        assert.strictEqual((yield* action()).status, 200, "a token is held")
        assert.strictEqual(verdict(yield* action({ scope: "contacts:read" })), "500 ConfigurationError")
        assert.strictEqual(yield* server.count, 1)
      })
  )

  // SPEC A1
  effect("that cannot work are a reply, too: nothing is thrown, nothing is sent", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<Partial<DataAction.Options>> = [
        { clientId: " " },
        { tokenEndpoint: "login.crm.example" },
        { tokenEndpoint: "http://login.crm.example/token" },
        { tokenEndpoint: Effect.fail("gone") },
        { clientId: Effect.die(new Error(secret)) },
        { authentication: ClientAuthentication.post(Redacted.make("")) },
        { authentication: ClientAuthentication.post(Effect.fail(new Error(secret))) },
        { scopes: Config.string("NOT_THERE") },
        { timeout: 0 }
      ]
      for (const options of wrong) {
        const { action, server } = yield* memory(options)
        const refused = yield* action()
        assert.strictEqual(verdict(refused), "500 ConfigurationError", message(refused))
        assert.notInclude(message(refused), secret)
        assert.strictEqual(yield* server.count, 0)
      }
    }))

  // SPEC A1
  effect("a vault that does not answer now is asked again", () =>
    Effect.gen(function*() {
      let asked = 0
      const sealed = new TokenError.EndpointUnavailable({
        endpoint: "https://vault.example/v1",
        status: 503,
        retryAfter: Option.none(),
        description: Option.none()
      })
      const clientId = Effect.suspend(() => ++asked < 3 ? Effect.fail(sealed) : Effect.succeed(Redacted.make("crm")))
      const { action } = yield* memory({ clientId })
      assert.strictEqual((yield* reply(action)).status, 200)
      assert.strictEqual(asked, 3)

      const down = yield* memory({ clientId: Effect.fail(sealed) })
      assert.strictEqual(verdict(yield* reply(down.action)), "503 RetryExhausted")
    }))
})

describe("payloads", () => {
  // SPEC A2
  effect("come as an event, as text, as bytes, as an object, in Base64, or not at all", () =>
    Effect.gen(function*() {
      const { action, server } = yield* memory()
      const json = "{\"scope\":\"contacts:read\"}"
      const same: ReadonlyArray<unknown> = [
        { body: json, headers: { host: "…" } },
        { body: { scope: ["contacts:read"] } },
        { body: new TextEncoder().encode(json) },
        { body: Buffer.from(json).toString("base64"), isBase64Encoded: true },
        { body: json, isBase64Encoded: false },
        json,
        `\uFEFF${json}`,
        { body: `\uFEFF${json}` },
        { body: Buffer.from(`\uFEFF${json}`) },
        { body: Buffer.from(`\uFEFF${json}`).toString("base64"), isBase64Encoded: true },
        { scope: "contacts:read", audience: null, resource: " " }
      ]
      for (const request of same) {
        const granted = yield* action(request)
        assert.strictEqual(granted.status, 200, message(granted))
        assert.propertyVal(granted.body, "scope", "contacts:read")
      }
      assert.strictEqual(yield* server.count, 1)
      for (const nothing of [undefined, null, "", " ", {}, { body: null }, { body: "" }, { body: "{}" }]) {
        assert.propertyVal((yield* action(nothing)).body, "scope", "contacts:read contacts:write")
      }
      assert.strictEqual(yield* server.count, 2)
    }))

  // SPEC A2
  effect("are empty where an event of AWS has no body", () =>
    Effect.gen(function*() {
      const { action, server } = yield* memory()
      const functionUrl = {
        version: "2.0",
        routeKey: "$default",
        rawPath: "/",
        rawQueryString: "",
        headers: { host: "x.lambda-url.eu-central-1.on.aws" },
        requestContext: { http: { method: "POST", path: "/" } },
        isBase64Encoded: false
      }
      const events = [functionUrl, { requestContext: { elb: {} } }, { rawPath: "/" }, { httpMethod: "POST", path: "/" }]
      for (const event of events) {
        const granted = yield* action(event)
        assert.strictEqual(granted.status, 200, message(granted))
        assert.propertyVal(granted.body, "scope", "contacts:read contacts:write")
      }
      assert.strictEqual(yield* server.count, 1)
      // not an event: a payload with members that nobody knows
      for (const request of [{ requestContext: "a" }, { rawPath: {} }, { httpMethod: 1 }, { headers: {} }]) {
        assert.strictEqual(verdict(yield* action(request)), "400 BadRequest")
      }
    }))

  // SPEC A2, FAULTS B3: deeper than a stack is
  effect("that are nested deep are bad requests like any other", () =>
    Effect.gen(function*() {
      const { action, server } = yield* memory()
      const deep = "[".repeat(15_000) + "]".repeat(15_000)
      for (const name of ["scope", "subject_token", "unknown"]) {
        const refused = yield* action(`{"${name}":${deep}}`)
        assert.strictEqual(verdict(refused), "400 BadRequest")
        assert.include(message(refused), name)
      }
      assert.strictEqual(yield* server.count, 0)
    }))

  // SPEC A2
  effect(
    "that are malformed get status 400, and a message that names the member and echoes nothing",
    () =>
      Effect.gen(function*() {
        const { action, server } = yield* memory()
        const canary = "Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OWFiY2RlZg"
        const cases: ReadonlyArray<readonly [request: unknown, says: RegExp]> = [
          [`{"scope": "${canary}"`, /must be JSON, and is none/],
          [{ body: canary }, /must be JSON, and is none/],
          [{ body: "[]" }, /must be a JSON object/],
          [{ body: "42" }, /must be a JSON object/],
          [{ body: [canary] }, /must be a JSON object/],
          [7, /must be a JSON object/],
          [{ body: "%%%", isBase64Encoded: true }, /says that it is Base64 and is not/],
          [{ body: "/w==", isBase64Encoded: true }, /no UTF-8/],
          [{ body: new Uint8Array([255]) }, /no UTF-8/],
          [{ body: { scope: 1, audience: { [canary]: 1 } } }, /scope must be .*; audience must be /],
          [{ body: { subject_token: [canary] } }, /subject_token must be a string that is not blank/],
          [{ body: { subject_token: "" } }, /subject_token must be/],
          [{ body: { subject_token: null } }, /subject_token must be/],
          [{ body: { subjectToken: canary } }, /subjectToken is not known \(is subject_token meant\?\)/],
          [{ body: { scopes: canary } }, /scopes is not known \(is scope meant\?\)/],
          [{ body: { [canary]: canary } }, /one of its members is not known/],
          [{ body: { actor_token: canary } }, /actor_token and no subject_token/],
          [{ body: { subject_token: canary, actor_token_type: "a" } }, /actor_token_type and no actor_token/],
          [{ body: `{"__proto__":{"scope":"${canary}"}}` }, /__proto__ is not known/]
        ]
        for (const [request, says] of cases) {
          const refused = yield* action(request)
          assert.strictEqual(verdict(refused), "400 BadRequest", String(says))
          assert.match(message(refused), says)
          assert.notInclude(message(refused), canary)
        }
        assert.strictEqual(yield* server.count, 0)
        const lenient = yield* memory({ unknownMembers: "ignore" })
        assert.strictEqual((yield* lenient.action({ interactionId: "42" })).status, 200)
      })
  )

  // SPEC C12
  effect("have 32 KB at most, in either direction, and are not cut", () =>
    Effect.gen(function*() {
      const { action, server } = yield* memory()
      const large = "ü".repeat(16_384)
      for (
        const request of [{ body: JSON.stringify({ scope: large }) }, { body: { scope: large } }, { scope: large }]
      ) {
        const refused = yield* action(request)
        assert.strictEqual(verdict(refused), "413 PayloadTooLarge")
        assert.match(message(refused), /32768 are allowed/)
      }
      assert.strictEqual(yield* server.count, 0)
      yield* server.enqueue(Reply.token({ access_token: "a".repeat(33_000) }))
      assert.strictEqual(verdict(yield* action()), "502 PayloadTooLarge")
    }))

  effect("may ask for less than the data action is for, not for more", () =>
    Effect.gen(function*() {
      const { action, server } = yield* memory()
      assert.strictEqual((yield* action({ scope: "contacts:read" })).status, 200)
      const refused = yield* action({ scope: "contacts:read, admin:all" })
      assert.strictEqual(verdict(refused), "403 Forbidden")
      assert.match(message(refused), /the scope admin:all, which .* only contacts:read contacts:write/)
      assert.strictEqual(yield* server.count, 1)
      for (const options of [{ allowedScopes: "any" }, { allowedScopes: ["admin:all", "x"] }, { scopes: undefined }]) {
        const other = yield* memory(options)
        assert.strictEqual((yield* other.action({ scope: "admin:all" })).status, 200)
      }
    }))
})

describe("failures", () => {
  const oauth = (error: string, status: number) => Reply.oauthError(error, { status, description: "because" })

  // SPEC A11
  effect("of the provider become one reply each", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [outage: Reply.Reply, expected: string, says: RegExp]> = [
        [oauth("invalid_client", 401), "401 Unauthorized", /id or the secret is wrong/],
        [oauth("invalid_client", 400), "401 Unauthorized", /id or the secret is wrong/],
        [oauth("invalid_client", 403), "401 Unauthorized", /id or the secret is wrong/],
        [Reply.status(401), "401 Unauthorized", /401/],
        [oauth("unauthorized_client", 400), "403 Forbidden", /Enable the grant/],
        [oauth("access_denied", 400), "403 Forbidden", /because/],
        [oauth("weird", 403), "403 Forbidden", /because/],
        [Reply.html("<!doctype html>", 403), "403 Forbidden", /HTML page/],
        [oauth("invalid_scope", 400), "400 BadRequest", /spelling of the scopes/],
        [oauth("invalid_grant", 400), "400 BadRequest", /because/],
        [oauth("not_ok", 200), "400 BadRequest", /because/],
        [Reply.status(400), "400 BadRequest", /400/],
        [Reply.status(404), "502 NetworkError", /404/],
        [Reply.redirect("https://elsewhere.example/"), "502 NetworkError", /307/],
        [Reply.status(429), "503 RetryExhausted", /4 attempts/],
        [Reply.status(503), "503 RetryExhausted", /4 attempts/],
        [Reply.reset(), "503 RetryExhausted", /4 attempts/],
        [Reply.html(), "500 ParseError", /text\/html.*the reply is HTML/],
        [Reply.json({ token_type: "bearer" }), "500 ParseError", /application\/json/],
        [Reply.json([]), "500 ParseError", /no object/],
        [Reply.huge(2_000_000), "500 ParseError", /1 MiB/]
      ]
      for (const [outage, expected, says] of cases) {
        const { action, server } = yield* memory()
        yield* server.setOutage(outage)
        const refused = yield* reply(action)
        assert.strictEqual(verdict(refused), expected, message(refused))
        assert.match(message(refused), says)
        assert.deepStrictEqual(Object.keys(refused.body), ["error", "message"])
        assert.strictEqual(refused.headers["content-type"], "application/json")
      }
    }))

  // SPEC A12
  effect(
    "to understand the provider show the content type and what was sent, and none of its text",
    () =>
      Effect.gen(function*() {
        const { action, server } = yield* memory()
        const long = `<!doctype html><p>token=${secret} client_secret=${secret}</p>${"x".repeat(5000)}`
        yield* server.setOutage(Reply.html(long))
        const refused = yield* action()
        assert.strictEqual(verdict(refused), "500 ParseError")
        assert.match(message(refused), /text\/html.*It sent HTML, \d+ bytes/)
        assert.notInclude(message(refused), secret)
        assert.notInclude(message(refused), "xxxx")
        assert.isBelow(message(refused).length, 1000)
      })
  )

  // SPEC A11
  it("every error of effect-bearer has a reply", () => {
    const now = 1_000_000
    const at = { endpoint: "https://login.example/token", description: Option.none(), retryAfter: Option.none() }
    const refusal = { endpoint: "https://login.example/token", contentType: "", excerpt: "", advice: Option.none() }
    const down = new TokenError.EndpointUnavailable({ ...at, status: 503, retryAfter: Option.some(Duration.millis(1)) })
    const errors: { readonly [Tag in TokenError.TokenError["_tag"]]: readonly [TokenError.TokenError, string] } = {
      TransportError: [new TokenError.TransportError({ ...at, code: Option.none(), detail: "" }), "502 NetworkError"],
      EndpointTimeout: [
        new TokenError.EndpointTimeout({ ...at, phase: "read", limit: Duration.zero }),
        "502 NetworkError"
      ],
      RateLimited: [new TokenError.RateLimited({ ...at, status: 429 }), "503 RetryExhausted"],
      EndpointUnavailable: [down, "503 RetryExhausted 1"],
      FailedElsewhere: [
        new TokenError.FailedElsewhere({ error: "", detail: "", retryAfter: Option.some(Duration.millis(4100)) }),
        "503 RetryExhausted 5"
      ],
      OAuthError: [
        new TokenError.OAuthError({ ...at, error: "x", status: 400, uri: Option.none(), advice: Option.none() }),
        "400 BadRequest"
      ],
      MalformedResponse: [
        new TokenError.MalformedResponse({ ...refusal, status: 200, detail: "" }),
        "500 ParseError"
      ],
      RejectedByEndpoint: [new TokenError.RejectedByEndpoint({ ...refusal, status: 405 }), "502 NetworkError"],
      ScopeNotGranted: [
        new TokenError.ScopeNotGranted({ requested: [], granted: [], missing: [], renamed: [] }),
        "403 Forbidden"
      ],
      InvalidConfiguration: [new TokenError.InvalidConfiguration({ fields: [], detail: "" }), "500 ConfigurationError"],
      TlsError: [new TokenError.TlsError({ ...at, code: "CERT_HAS_EXPIRED", advice: "" }), "502 NetworkError"],
      AuthenticationRequired: [new TokenError.AuthenticationRequired({ reason: "" }), "401 Unauthorized"],
      RetriesExhausted: [
        new TokenError.RetriesExhausted({
          attempts: 4,
          elapsed: Duration.zero,
          last: down,
          retryAt: Option.some(now + 2000)
        }),
        "503 RetryExhausted 2"
      ],
      CircuitOpen: [new TokenError.CircuitOpen({ retryAt: Option.some(now - 5) }), "503 RetryExhausted 1"]
    }
    for (const [error, expected] of Object.values(errors)) {
      const refused = DataAction.fromTokenError(error, now)
      assert.strictEqual([verdict(refused), refused.headers["retry-after"] ?? ""].join(" ").trim(), expected)
      assert.strictEqual(message(refused), error.message)
    }
  })

  effect("of the program are a reply, too, and show nothing of themselves", () =>
    Effect.gen(function*() {
      const broken = HttpClient.make(() => Effect.die(new TypeError(secret)))
      const request = new Proxy({}, {
        getOwnPropertyDescriptor: () => {
          throw new RangeError(secret)
        }
      })
      const action = yield* Effect.provideService(
        DataAction.handler(settings("https://login.example/token", { retry: never })),
        HttpClient.HttpClient,
        broken
      )
      const refused = yield* action(request)
      assert.strictEqual(verdict(refused), "500 InternalError")
      assert.match(message(refused), /RangeError/)
      assert.notInclude(message(refused), secret)
      assert.notInclude(message(yield* action()), secret)
    }))

  effect(
    "of one caller are not those of others: interrupted, it takes nothing from them",
    () =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<string>()
        const { action, server } = yield* memory({ clientId: Deferred.await(gate), authentication })
        const first = yield* Effect.fork(action())
        const second = yield* Effect.fork(action())
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(first)
        yield* Deferred.succeed(gate, "crm")
        assert.strictEqual((yield* Fiber.join(second)).status, 200)
        assert.strictEqual(yield* server.count, 1)
      })
  )
})

// FAULTS L
describe("work that interrupts itself", () => {
  const cut: ReadonlyArray<readonly [string, Partial<DataAction.Options>]> = [
    ["the client id", { clientId: Effect.interrupt }],
    ["the token endpoint", { tokenEndpoint: Effect.interrupt }],
    ["the secret", { authentication: ClientAuthentication.post(Effect.interrupt) }]
  ]
  for (const [name, options] of cut) {
    it.scoped(`${name}: the reply is an error, and the caller is not interrupted`, () =>
      Effect.gen(function*() {
        const { action } = yield* memory(options)
        const asking = yield* Effect.forkDaemon(Effect.exit(action()))
        for (let i = 0; i < 12; i++) yield* TestClock.adjust("10 seconds")
        const exit = Option.getOrThrow(yield* asking.poll)
        assert.isTrue(Exit.isSuccess(exit) && Exit.isSuccess(exit.value), `${JSON.stringify(exit)}`)
        if (Exit.isSuccess(exit) && Exit.isSuccess(exit.value)) assert.isAtLeast(exit.value.value.status, 500)
      }))
  }

  it.scoped("an interruption of the caller stays an interruption", () =>
    Effect.gen(function*() {
      const { action } = yield* memory({ clientId: Effect.never })
      const asking = yield* Effect.forkDaemon(action())
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.interrupt(asking)))
    }))
})
