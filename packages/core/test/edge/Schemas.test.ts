import { fileURLToPath } from "node:url"
import { inspect } from "node:util"
import {
  HttpApi,
  HttpApiBuilder,
  HttpApiClient,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiSchema,
  HttpClient,
  HttpClientRequest,
  HttpClientResponse,
  HttpServer,
  OpenApi
} from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Arbitraries } from "@effect-bearer/testing"
import {
  Arbitrary,
  Duration,
  Effect,
  Either,
  Equal,
  FastCheck,
  JSONSchema,
  Layer,
  Option,
  ParseResult,
  Pretty,
  Redacted,
  Schema
} from "effect"
import { build } from "esbuild"
import * as Schemas from "../../src/edge/Schemas.js"
import type { TokenSource } from "../../src/index.js"
import { AccessToken, Scopes, TokenError, TokenEvent, TokenRequest } from "../../src/index.js"

/** Over a wire, and back. */
const sent = <A, I>(schema: Schema.Schema<A, I>, value: A): A =>
  Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(Schema.encodeSync(schema)(value))))

const fieldsOf = (error: TokenError.TokenError) => ({ ...error, message: error.message })

const assertSameError = (actual: TokenError.TokenError, expected: TokenError.TokenError) => {
  assert.strictEqual(actual.constructor, expected.constructor)
  assert.isTrue(TokenError.isTokenError(actual))
  assert.strictEqual(actual.message, expected.message)
  if (actual._tag === "RetriesExhausted" && expected._tag === "RetriesExhausted") {
    assertSameError(actual.last, expected.last)
    assert.deepStrictEqual({ ...actual, last: undefined }, { ...expected, last: undefined } as never)
  } else {
    assert.deepStrictEqual(fieldsOf(actual), fieldsOf(expected))
  }
}

/** All schemas, by name. */
const every: ReadonlyArray<readonly [string, Schema.Schema<unknown>]> = Object.entries<unknown>({
  ...Schemas,
  RetriesExhausted: Schemas.RetriesExhausted(Schemas.Transient)
}).filter((entry): entry is [string, Schema.Schema<unknown>] => Schema.isSchema(entry[1]))

const secrets = ["AccessTokenWithSecrets", "TokenRequestWithSecrets", "StatusWithSecrets"]

const encodable = every.filter(([name]) => !["AccessToken", "TokenRequest", "Status"].includes(name))

describe("Schemas: over a wire and back", () => {
  for (const [name, schema] of encodable) {
    it.prop(`any value of ${name} comes back equal`, [Arbitrary.make(schema)], ([value]) => {
      const back = sent(schema, value)
      if (TokenError.isTokenError(value)) assertSameError(back as TokenError.TokenError, value)
      else assert.deepStrictEqual(back, value)
      assert.strictEqual(Object.getPrototypeOf(back), Object.getPrototypeOf(value))
    })
  }

  it.prop("the errors of one request come back equal", [Arbitraries.requestError], ([error]) => {
    assertSameError(sent(Schemas.RequestError, error), error)
    assertSameError(sent(Schemas.TokenError, error), error)
    assertSameError(
      TokenError.isTransient(error) ? sent(Schemas.Transient, error) : sent(Schemas.Fatal, error as TokenError.Fatal),
      error
    )
  })

  it.prop(
    "the error after the last retry comes back equal",
    [Arbitraries.transient, FastCheck.nat(), FastCheck.nat(), FastCheck.option(FastCheck.nat())],
    ([last, attempts, elapsed, retryAt]) => {
      const error = new TokenError.RetriesExhausted({
        attempts,
        elapsed: Duration.millis(elapsed),
        last,
        retryAt: Option.fromNullable(retryAt)
      })
      assertSameError(sent(Schemas.TokenError, error), error)
    }
  )

  it.prop("a token request that comes back finds the same cached token", [Arbitraries.tokenRequest], ([request]) => {
    const back = sent(Schemas.TokenRequestWithSecrets, request)
    assert.isTrue(TokenRequest.isTokenRequest(back))
    assert.isTrue(Equal.equals(back, request))
    assert.strictEqual(TokenRequest.hash(back), TokenRequest.hash(request))
  })

  it("a token comes back as an AccessToken", () => {
    const token = AccessToken.make({
      value: "t",
      scopes: "b a",
      issuedAt: 1,
      expiresAt: 2,
      refreshToken: "r",
      extra: { instance_url: "https://x.example", list: [1, { a: null }] }
    })
    const back = sent(Schemas.AccessTokenWithSecrets, token)
    assert.isTrue(AccessToken.isAccessToken(back))
    assert.instanceOf(back, AccessToken.AccessToken)
    assert.isTrue(AccessToken.isSame(back, token))
    assert.deepStrictEqual(back, token)
    const plain = AccessToken.make({ value: "t", scopes: "b a", issuedAt: 1 })
    assert.isTrue(Equal.equals(sent(Schemas.AccessTokenWithSecrets, plain), plain))
  })

  it("an event comes back equal, and every event has a schema", () => {
    const event = TokenEvent.TokenEvent.TokenAcquired({
      key: "k",
      at: 1,
      reason: "cold",
      elapsed: 2,
      scopes: Scopes.make("b a"),
      expiresAt: Option.some(3),
      refreshAt: Option.none()
    })
    assert.isTrue(Equal.equals(sent(Schemas.TokenEvent, event), event))
    // an event that was written by hand is an event, too
    assert.isTrue(Equal.equals(sent(Schemas.TokenEvent, { ...event }), event))
  })

  it("the user's own error can be the last error of RetriesExhausted", () => {
    class Sealed extends Schema.TaggedError<Sealed>()("Sealed", { vault: Schema.String }) {}
    const schema = Schemas.RetriesExhausted(Sealed)
    const error = new TokenError.RetriesExhausted({
      attempts: 3,
      elapsed: Duration.seconds(2),
      last: new Sealed({ vault: "v" }),
      retryAt: Option.none()
    })
    const back = sent(schema, error)
    assert.instanceOf(back, TokenError.RetriesExhausted)
    assert.instanceOf(back.last, Sealed)
    assert.isTrue(Schema.is(schema)(error))
    assert.isFalse(
      Schema.is(schema)(new TokenError.RetriesExhausted({ ...error, last: "no Sealed" }))
    )
  })
})

describe("Schemas: the encoded forms", () => {
  const token = AccessToken.make({
    value: "t0ken",
    scopes: "b a",
    issuedAt: 1,
    expiresAt: 2,
    refreshToken: "r3fresh",
    extra: { id_token: "id" }
  })

  it("secrets are in the clear only if the name of the schema says so", () => {
    const clear = {
      value: "t0ken",
      tokenType: "Bearer",
      scopes: ["a", "b"],
      issuedAt: 1,
      expiresAt: 2,
      refreshToken: "r3fresh",
      extra: { id_token: "id" }
    }
    const told = { tokenType: "Bearer", scopes: ["a", "b"], issuedAt: 1, expiresAt: 2 }
    const status: TokenSource.Status = {
      token: Option.some(token),
      remaining: Option.some(Duration.seconds(1)),
      stale: false,
      refreshing: true
    }
    const life = { remaining: 1000, stale: false, refreshing: true }
    assert.deepStrictEqual(Schema.encodeSync(Schemas.AccessTokenWithSecrets)(token), clear)
    assert.deepStrictEqual(Schema.encodeSync(Schemas.AccessTokenInfo)(Schemas.AccessTokenInfo.from(token)), told)
    assert.deepStrictEqual(Schema.encodeSync(Schemas.StatusWithSecrets)(status), { token: clear, ...life })
    assert.deepStrictEqual(Schema.encodeSync(Schemas.StatusInfo)(Schemas.StatusInfo.from(status)), {
      token: told,
      ...life
    })
    const request = TokenRequest.make({ scopes: "b a", audience: "x", parameters: { assertion: "s3cret" } })
    assert.deepStrictEqual(Schema.encodeSync(Schemas.TokenRequestWithSecrets)(request), {
      scopes: ["a", "b"],
      audience: ["x"],
      resource: [],
      parameters: { assertion: "s3cret" }
    })
    assert.deepStrictEqual(Schema.encodeSync(Schemas.TokenRequestInfo)(Schemas.TokenRequestInfo.from(request)), {
      hash: TokenRequest.hash(request),
      scopes: ["a", "b"],
      audience: ["x"],
      resource: [],
      parameters: ["assertion"]
    })
  })

  it("times and durations are milliseconds, and absent values are left out", () => {
    const error = new TokenError.RetriesExhausted({
      attempts: 2,
      elapsed: Duration.seconds(3),
      last: new TokenError.RateLimited({
        endpoint: "https://x.example/token",
        status: 429,
        retryAfter: Option.some(Duration.minutes(1)),
        description: Option.none()
      }),
      retryAt: Option.some(17)
    })
    assert.deepStrictEqual(Schema.encodeSync(Schemas.TokenError)(error), {
      _tag: "RetriesExhausted",
      attempts: 2,
      elapsed: 3000,
      last: { _tag: "RateLimited", endpoint: "https://x.example/token", status: 429, retryAfter: 60_000 },
      retryAt: 17
    })
  })

  it("null counts as absent; unknown members are ignored; a token request may leave out everything", () => {
    const decode = Schema.decodeUnknownSync
    assert.deepStrictEqual(
      decode(Schemas.CircuitOpen)({ _tag: "CircuitOpen", retryAt: null, later: 1 }).retryAt,
      Option.none()
    )
    assert.isTrue(Equal.equals(decode(Schemas.TokenRequestWithSecrets)({}), TokenRequest.empty))
    assert.deepStrictEqual(decode(Schemas.StatusInfo)({ stale: false, refreshing: false }).token, Option.none())
  })

  it("a strict reader and writer accept the encoded forms", () => {
    const strict = { onExcessProperty: "error" } as const
    for (const schema of [Schemas.AccessTokenWithSecrets, Schemas.AccessTokenInfo] as ReadonlyArray<unknown>) {
      const value = schema === Schemas.AccessTokenInfo ? Schemas.AccessTokenInfo.from(token) : token
      const encoded = Schema.encodeUnknownSync(schema as Schema.Schema<unknown>)(value, strict)
      assert.deepStrictEqual(Schema.decodeUnknownSync(schema as Schema.Schema<unknown>)(encoded, strict), value)
    }
    const request = TokenRequest.make({ scopes: "a" })
    assert.deepStrictEqual(Schema.encodeSync(Schemas.TokenRequestWithSecrets)(request, strict).scopes, ["a"])
    const error = new TokenError.AuthenticationRequired({ reason: "x" })
    assert.deepStrictEqual(Schema.encodeSync(Schemas.TokenError)(error, strict), {
      _tag: "AuthenticationRequired",
      reason: "x"
    })
  })

  it("members with the names of prototype members are ordinary members", () => {
    const json = JSON.parse(
      `{"value":"t","tokenType":"Bearer","scopes":[],"issuedAt":1,"extra":{"__proto__":{"polluted":true}}}`
    )
    const { extra } = Schema.decodeUnknownSync(Schemas.AccessTokenWithSecrets)(json)
    assert.deepStrictEqual(Object.keys(Redacted.value(extra)), ["__proto__"])
    assert.notProperty(Redacted.value(extra), "polluted")
    const request = Schema.decodeUnknownSync(Schemas.TokenRequestWithSecrets)(
      JSON.parse(`{"parameters":{"__proto__":"x"}}`)
    )
    assert.deepStrictEqual(Object.entries(request.parameters), [["__proto__", "x"]])
  })

  for (const [name, schema] of encodable) {
    it(`${name} has a JSON Schema`, () => {
      const { $defs, $ref, type } = JSONSchema.make(schema) as { $defs?: object; $ref?: string; type?: string }
      // the union has as many shapes as there are errors
      if (name === "RetriesExhausted") return assert.strictEqual(type, "object")
      assert.strictEqual($ref, `#/$defs/effect-bearer.${name}`)
      assert.property($defs, `effect-bearer.${name}`)
    })
  }
})

describe("Schemas: input that cannot be read", () => {
  const messageOf = (schema: Schema.Schema.AnyNoContext, input: unknown): string => {
    const result = Schema.decodeUnknownEither(schema)(input)
    if (Either.isRight(result)) throw new Error("it was read")
    assert.instanceOf(result.left, ParseResult.ParseError)
    return result.left.message
  }

  const wrong: ReadonlyArray<readonly [Schema.Schema.AnyNoContext, unknown, string]> = [
    [Schemas.AccessTokenWithSecrets, "t", "AccessTokenWithSecrets: must be an object"],
    [Schemas.AccessTokenWithSecrets, {}, "AccessTokenWithSecrets: value is missing"],
    [
      Schemas.AccessTokenWithSecrets,
      { value: "a\nb", tokenType: "Bearer", scopes: [], issuedAt: 1 },
      "AccessTokenWithSecrets: value must be a token of printable ASCII"
    ],
    [
      Schemas.AccessTokenWithSecrets,
      { value: "a", tokenType: "Bearer", scopes: ["a", 1], issuedAt: 1 },
      "AccessTokenWithSecrets: scopes[1] must be a string"
    ],
    [
      Schemas.AccessTokenWithSecrets,
      { value: "a", tokenType: "Bearer", scopes: [], issuedAt: "now" },
      "AccessTokenWithSecrets: issuedAt must be a number"
    ],
    [
      Schemas.AccessTokenWithSecrets,
      { value: "a", tokenType: "Bearer", scopes: [], issuedAt: Infinity },
      "AccessTokenWithSecrets: issuedAt must be epoch milliseconds: a finite number"
    ],
    [
      Schemas.AccessTokenWithSecrets,
      { value: "a", tokenType: "Bearer", scopes: [], issuedAt: 1, refreshToken: "" },
      "AccessTokenWithSecrets: refreshToken must be a string that is not empty"
    ],
    [
      Schemas.AccessTokenWithSecrets,
      { value: "a", tokenType: "Bearer", scopes: [], issuedAt: 1, extra: [] },
      "AccessTokenWithSecrets: extra must be an object"
    ],
    [
      Schemas.StatusWithSecrets,
      { token: {}, stale: true, refreshing: true },
      "StatusWithSecrets: token.value is missing"
    ],
    [Schemas.AccessToken, "t", "AccessToken: must be an access token"],
    [Schemas.TokenRequest, "t", "TokenRequest: must be a token request"],
    [
      Schemas.TokenRequestWithSecrets,
      { parameters: { a: 1 } },
      "TokenRequestWithSecrets: parameters must be an object of strings"
    ],
    [
      Schemas.RateLimited,
      { _tag: "RateLimited", endpoint: "e", status: 429, retryAfter: -1 },
      "RateLimited: retryAfter must be a number of milliseconds, zero or more"
    ],
    [
      Schemas.TokenError,
      { _tag: "RetriesExhausted", attempts: 1, elapsed: 1, last: { _tag: "CircuitOpen" } },
      `TokenError: last._tag must be "TransportError" | "EndpointTimeout" | "RateLimited" | "EndpointUnavailable" | ` +
      `"FailedElsewhere"`
    ],
    [
      Schemas.TokenEvent,
      { _tag: "TokenAcquired", key: "k", at: 1, reason: "cold", elapsed: 1, scopes: {} },
      "TokenEvent: scopes must be a list"
    ],
    [
      Schemas.TokenRequestWithSecrets,
      { audience: Array.from({ length: 65_537 }, () => "a") },
      "TokenRequestWithSecrets: audience must be a list of at most 65536 strings"
    ],
    [
      Schemas.AuthenticationRequired,
      { _tag: "AuthenticationRequired", reason: "a".repeat(1_048_577) },
      "AuthenticationRequired: reason must be a string of at most 1048576 characters"
    ]
  ]
  for (const [schema, input, expected] of wrong) {
    it(expected, () => assert.strictEqual(messageOf(schema, input), `${expected} (what is there is not shown)`))
  }

  it("several mistakes are reported together", () => {
    const result = Schema.decodeUnknownEither(Schemas.TlsError)({ _tag: "TlsError", code: 1 }, { errors: "all" })
    assert.strictEqual(
      Either.isLeft(result) && result.left.message,
      "TlsError: endpoint is missing; code must be a string; advice is missing (what is there is not shown)"
    )
  })

  it("any number of mistakes is reported in a few words", () => {
    const scopes = Array.from({ length: 300_000 }, () => 1)
    const result = Schema.decodeUnknownEither(Schemas.TokenError, { errors: "all" })(
      { _tag: "ScopeNotGranted", requested: scopes, granted: scopes, missing: scopes, renamed: [] }
    )
    if (Either.isRight(result)) throw new Error("it was read")
    assert.isBelow(result.left.message.length, 300)
    assert.include(result.left.message, "requested[0] must be a string; requested[1] must be a string")
  })

  it("a value that JSON has no form for is an error when it is encoded", () => {
    const token = AccessToken.make({ value: "s3cret-token", issuedAt: 1, expiresAt: Infinity })
    const result = Schema.encodeEither(Schemas.AccessTokenWithSecrets)(token)
    assert.strictEqual(
      Either.isLeft(result) && result.left.message,
      "AccessTokenWithSecrets: expiresAt must be epoch milliseconds: a finite number (what is there is not shown)"
    )
    assert.isTrue(Either.isLeft(Schema.encodeEither(Schemas.AccessTokenInfo)(Schemas.AccessTokenInfo.from(token))))
  })
})

// ---------------------------------------------------------------------------------------------------------------
// secrets
// ---------------------------------------------------------------------------------------------------------------

describe("Schemas: no secret is shown", () => {
  const secret = "s3cr3t-Zx9Qw7Lm"

  const renderings = (value: unknown): ReadonlyArray<string> => [
    String(value),
    JSON.stringify(value) ?? "",
    inspect(value, { depth: null, showHidden: false })
  ]

  const assertQuiet = (texts: ReadonlyArray<string>) => {
    for (const text of texts) assert.notInclude(text, secret)
  }

  const token = AccessToken.make({
    value: secret,
    scopes: "a",
    issuedAt: 1,
    expiresAt: 2,
    refreshToken: `${secret}-refresh`,
    extra: { id_token: secret, [secret]: 1 }
  })
  const request = TokenRequest.make({ scopes: "a", parameters: { assertion: secret } })
  const status: TokenSource.Status = {
    token: Option.some(token),
    remaining: Option.none(),
    stale: true,
    refreshing: false
  }

  it("a decoded value shows no secret", () => {
    for (
      const value of [
        sent(Schemas.AccessTokenWithSecrets, token),
        sent(Schemas.StatusWithSecrets, status),
        Schemas.AccessTokenInfo.from(token),
        Schemas.StatusInfo.from(status),
        Schemas.TokenRequestInfo.from(request)
      ]
    ) {
      assertQuiet(renderings(value))
    }
    assertQuiet(renderings(sent(Schemas.TokenRequestWithSecrets, request)))
  })

  it("an encoded form whose name does not say so shows no secret", () => {
    assertQuiet([
      JSON.stringify(Schema.encodeSync(Schemas.AccessToken)(token)),
      JSON.stringify(Schema.encodeSync(Schemas.TokenRequest)(request)),
      JSON.stringify(Schema.encodeSync(Schemas.Status)(status)),
      JSON.stringify(Schema.encodeSync(Schemas.AccessTokenInfo)(Schemas.AccessTokenInfo.from(token))),
      JSON.stringify(Schema.encodeSync(Schemas.TokenRequestInfo)(Schemas.TokenRequestInfo.from(request))),
      JSON.stringify(Schema.encodeSync(Schemas.StatusInfo)(Schemas.StatusInfo.from(status)))
    ])
    // the form whose name says so does show the secret, so this test can find it
    assert.include(JSON.stringify(Schema.encodeSync(Schemas.AccessTokenWithSecrets)(token)), secret)
  })

  it("Pretty shows no secret", () => {
    assertQuiet([
      Pretty.make(Schemas.AccessToken)(token),
      Pretty.make(Schemas.AccessTokenWithSecrets)(token),
      Pretty.make(Schemas.TokenRequestWithSecrets)(request),
      Pretty.make(Schemas.StatusWithSecrets)(status)
    ])
  })

  const forms: ReadonlyArray<unknown> = [
    Schema.encodeSync(Schemas.AccessTokenWithSecrets)(token),
    Schema.encodeSync(Schemas.TokenRequestWithSecrets)(request),
    Schema.encodeSync(Schemas.StatusWithSecrets)(status),
    { _tag: "RetriesExhausted", attempts: 1, elapsed: 1, last: { _tag: "RateLimited", endpoint: secret } },
    { _tag: secret, key: secret, at: secret }
  ]

  /** Replaces one member, at any depth, by the secret or by a value with the secret in it. */
  const broken = FastCheck.tuple(
    FastCheck.constantFrom(...forms),
    FastCheck.infiniteStream(FastCheck.nat(7)),
    FastCheck.constantFrom<unknown>(
      secret,
      [secret],
      { [secret]: secret },
      { value: secret },
      `${secret}\n`,
      [{ a: [secret] }],
      undefined
    )
  ).map(([form, choices, value]) => {
    const replace = (at: unknown): unknown => {
      const choice = choices.next().value
      if (typeof at !== "object" || at === null || choice === 0) return value
      const keys = Object.keys(at)
      const key = keys[choice % (keys.length + 1)]
      return key === undefined
        ? { ...at, [secret]: value }
        : Array.isArray(at)
        ? at.map((item, index) => String(index) === key ? replace(item) : item)
        : { ...at, [key]: replace((at as Record<string, unknown>)[key]) }
    }
    return replace(form)
  })

  const options = FastCheck.record({
    errors: FastCheck.constantFrom<"first" | "all">("first", "all"),
    onExcessProperty: FastCheck.constantFrom<"ignore" | "error">("ignore", "error")
  })

  it.prop(
    "no error shows a secret, for any input of any schema, alone or inside another schema",
    [FastCheck.constantFrom(...every), broken, options, FastCheck.boolean(), FastCheck.constantFrom(0, 1, 2)],
    ([[, schema], input, options, isInside, how]) => {
      const whole: Schema.Schema.AnyNoContext = isInside ? Schema.Struct({ a: Schema.Array(schema) }) : schema
      const run = [
        Schema.decodeUnknownEither(whole, options),
        Schema.encodeUnknownEither(whole, options),
        Schema.validateEither(whole, options)
      ][how]!
      const result = run(isInside ? { a: [input] } : input)
      if (Either.isRight(result)) return
      assertQuiet([
        ...renderings(result.left),
        result.left.message,
        JSON.stringify(ParseResult.ArrayFormatter.formatErrorSync(result.left))
      ])
    },
    { fastCheck: { numRuns: 3000 } }
  )

  it("Effect's own schemas do show a secret, so these tests can find one", () => {
    const result = Schema.decodeUnknownEither(Schema.Struct({ value: Schema.Number }))({ value: secret })
    assert.include(Either.isLeft(result) ? result.left.message : "", secret)
  })

  it("the names of all schemas that hold a secret say so", () => {
    for (const [name, schema] of encodable) {
      if (secrets.includes(name)) continue
      const given = Schema.decodeUnknownEither(schema)(Schema.encodeSync(Schemas.AccessTokenWithSecrets)(token))
      if (Either.isRight(given)) assertQuiet([JSON.stringify(Schema.encodeSync(schema)(given.right))])
    }
  })
})

// ---------------------------------------------------------------------------------------------------------------
// where they are used
// ---------------------------------------------------------------------------------------------------------------

describe("Schemas: in an HttpApi", () => {
  const status = (status: number) => HttpApiSchema.annotations({ status })
  const api = HttpApi.make("api").add(
    HttpApiGroup.make("reports")
      .add(
        HttpApiEndpoint.get("latest", "/latest")
          .addSuccess(Schemas.StatusInfo)
          .addError(Schemas.withAnnotations(Schemas.OAuthError, status(502)))
          .addError(Schemas.withAnnotations(Schemas.Transient, status(503)))
          .addError(Schemas.RetriesExhausted(Schemas.Transient).pipe(Schemas.withAnnotations(status(504))))
      )
      .add(
        HttpApiEndpoint.post("narrow", "/narrow")
          .setPayload(Schemas.TokenRequestWithSecrets)
          .addSuccess(Schemas.AccessTokenWithSecrets)
      )
  )
  const plain = HttpApi.make("plain").add(
    HttpApiGroup.make("all").add(HttpApiEndpoint.get("fail", "/fail").addError(Schemas.TokenError))
  )

  type Latest = Effect.Effect<
    Schemas.StatusInfo,
    TokenError.OAuthError | TokenError.Transient | TokenError.RetriesExhausted<TokenError.Transient>
  >
  const unused = () => Effect.die("unused")

  const serving = ({ latest = unused(), narrow = unused }: {
    readonly latest?: Latest
    readonly narrow?: (request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken.AccessToken>
  }) =>
    HttpApiBuilder.api(api).pipe(Layer.provide(
      HttpApiBuilder.group(
        api,
        "reports",
        (handlers) => handlers.handle("latest", () => latest).handle("narrow", ({ payload }) => narrow(payload))
      )
    ))

  /** A server in memory: its client, and its answers. */
  const memory = (layer: Layer.Layer<HttpApi.Api>) =>
    Effect.gen(function*() {
      const { dispose, handler } = HttpApiBuilder.toWebHandler(Layer.mergeAll(layer, HttpServer.layerContext))
      yield* Effect.addFinalizer(() => Effect.promise(dispose))
      const answers: Array<{ readonly status: number; readonly text: string }> = []
      const httpClient = HttpClient.make((request, url, signal) =>
        Effect.promise(async () => {
          const body = request.body._tag === "Uint8Array" ? { body: request.body.body as BodyInit } : {}
          const response = await handler(
            new Request(url, { method: request.method, headers: request.headers, signal, ...body })
          )
          const { headers, status } = response
          const text = await response.text()
          answers.push({ status, text })
          return HttpClientResponse.fromWeb(request, new Response(text, { status, headers }))
        })
      )
      return { answers, httpClient, baseUrl: "http://api.example" }
    })

  const refused = new TokenError.OAuthError({
    endpoint: "https://x.example/token",
    error: "invalid_client",
    description: Option.some("no"),
    uri: Option.none(),
    status: 401,
    advice: Option.none()
  })
  const limited = new TokenError.RateLimited({
    endpoint: "https://x.example/token",
    status: 429,
    retryAfter: Option.some(Duration.seconds(3)),
    description: Option.none()
  })
  const exhausted = new TokenError.RetriesExhausted<TokenError.Transient>({
    attempts: 2,
    elapsed: Duration.seconds(1),
    last: limited,
    retryAt: Option.some(5)
  })

  it.scoped("errors cross an HttpApi with their statuses, and arrive as the library's own errors", () =>
    Effect.gen(function*() {
      for (const [error, status] of [[refused, 502], [limited, 503], [exhausted, 504]] as const) {
        const server = yield* memory(serving({ latest: Effect.fail(error) }))
        const { reports } = yield* HttpApiClient.makeWith(api, server)
        const failure = yield* Effect.flip(reports.latest())
        if (!TokenError.isTokenError(failure)) return assert.fail(String(failure))
        assertSameError(failure, error)
        assert.deepStrictEqual(server.answers.map(({ status }) => status), [status])
        assert.strictEqual(TokenError.isTransient(failure), error === limited)
      }
    }))

  it.scoped("any error of the library crosses an HttpApi, with 500 if it has no status", () =>
    Effect.gen(function*() {
      for (const error of FastCheck.sample(Arbitrary.make(Schemas.TokenError), { numRuns: 30, seed: 7 })) {
        const server = yield* memory(
          HttpApiBuilder.api(plain).pipe(Layer.provide(
            HttpApiBuilder.group(plain, "all", (handlers) => handlers.handle("fail", () => Effect.fail(error)))
          ))
        )
        const { all } = yield* HttpApiClient.makeWith(plain, server)
        const failure = yield* Effect.flip(all.fail())
        if (!TokenError.isTokenError(failure)) return assert.fail(String(failure))
        assertSameError(failure, error)
        assert.strictEqual(server.answers[0]?.status, 500)
      }
    }))

  it.scoped("values cross an HttpApi", () =>
    Effect.gen(function*() {
      const token = AccessToken.make({ value: "t", scopes: "a", issuedAt: 1, expiresAt: 2 })
      const asked: Array<TokenRequest.TokenRequest> = []
      const server = yield* memory(serving({
        latest: Effect.succeed(Schemas.StatusInfo.from({
          token: Option.some(token),
          remaining: Option.none(),
          stale: false,
          refreshing: true
        })),
        narrow: (request) => Effect.sync(() => void asked.push(request)).pipe(Effect.as(token))
      }))
      const { reports } = yield* HttpApiClient.makeWith(api, server)
      const request = TokenRequest.make({ scopes: "b a", parameters: { p: "v" } })
      assert.isTrue(Equal.equals(yield* reports.narrow({ payload: request }), token))
      assert.isTrue(Equal.equals(asked[0], request))
      const status = yield* reports.latest()
      assert.instanceOf(status, Schemas.StatusInfo)
      assert.deepStrictEqual(status.token, Option.some(Schemas.AccessTokenInfo.from(token)))
    }))

  it.scoped("the error for an unreadable payload does not show the payload", () =>
    Effect.gen(function*() {
      const { baseUrl, httpClient } = yield* memory(serving({}))
      const response = yield* HttpClientRequest.post(`${baseUrl}/narrow`).pipe(
        HttpClientRequest.bodyUnsafeJson({ parameters: { assertion: ["s3cr3t"] } }),
        httpClient.execute
      )
      const text = yield* response.text
      assert.strictEqual(response.status, 400)
      assert.include(text, "parameters must be an object of strings")
      assert.notInclude(text, "s3cr3t")
    }))

  it("an HttpApi describes the schemas in OpenAPI", () => {
    const { components, paths } = OpenApi.fromApi(api)
    assert.includeMembers(Object.keys(components.schemas), [
      "effect-bearer.OAuthError",
      "effect-bearer.RateLimited",
      "effect-bearer.AccessTokenWithSecrets"
    ])
    assert.includeMembers(Object.keys(paths["/latest"]?.get?.responses ?? {}), ["200", "502", "503", "504"])
  })
})

describe("Schemas: what a program loads", () => {
  const source = fileURLToPath(new URL("../../src", import.meta.url))

  /** Every module that a program loads with these, and what each of them imports. */
  const loaded = async (module: string): Promise<ReadonlyMap<string, ReadonlyArray<string>>> => {
    const { metafile } = await build({
      absWorkingDir: source,
      entryPoints: [module],
      bundle: true,
      write: false,
      metafile: true,
      platform: "node",
      format: "esm",
      outdir: ".",
      logLevel: "silent"
    })
    return new Map(
      Object.entries(metafile.inputs).map(([path, { imports }]) => [path, imports.map(({ path }) => path)])
    )
  }
  const isSchema = (path: string) => /[\\/]effect[\\/](dist[\\/]esm|src)[\\/]Schema\.(js|ts)$/.test(path)
  const isOurs = (path: string) => !path.includes("node_modules")

  it("effect-bearer does not load Schemas, and does not import Schema itself", async () => {
    const modules = await loaded("index.ts")
    assert.isTrue(modules.has("lifecycle/TokenSource.ts"))
    assert.isFalse(modules.has("edge/Schemas.ts"))
    assert.isFalse(modules.has("edge/schemas/quietIssue.ts"))
    // @effect/platform has it in its HTTP client
    assert.deepStrictEqual(
      Array.from(modules).filter(([path, imports]) => isOurs(path) && imports.some(isSchema)).map(([path]) => path),
      []
    )
  })

  it("the modules of values do not load Schema at all", async () => {
    for (const module of ["AccessToken.ts", "TokenError.ts", "TokenEvent.ts", "TokenRequest.ts"]) {
      assert.deepStrictEqual(Array.from((await loaded(`values/${module}`)).keys()).filter(isSchema), [])
    }
  })

  it("Schemas loads the values, and nothing of HTTP", async () => {
    const paths = Array.from((await loaded("edge/Schemas.ts")).keys())
    assert.isTrue(paths.some(isSchema))
    assert.deepStrictEqual(paths.filter((path) => path.includes("platform") || path.includes("TokenSource")), [])
  })
})
