import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer } from "@effect-bearer/testing"
import { Duration, Effect, Layer, Logger, Redacted } from "effect"
import {
  AccessToken,
  BearerAuth,
  CircuitBreaker,
  ClientAuthentication,
  Introspection,
  RateLimit,
  RetryPolicy,
  Revocation,
  Secret,
  ServerMetadata,
  Settings,
  SharedTokens,
  TokenEndpoint,
  TokenMetrics,
  TokenSource,
  TokenStore
} from "../../src/index.js"

/** Values that are neither a duration nor a number. */
const wrong: ReadonlyArray<unknown> = [
  Number.NaN,
  -1,
  Number.NEGATIVE_INFINITY,
  "5 apples",
  "",
  "-5 seconds",
  null,
  {},
  true,
  [Number.NaN, 0],
  [-1, 0],
  -5n
]

const client = { clientId: "reports", authentication: ClientAuthentication.post(Redacted.make("secret")) }
const https = "https://login.example.com/x"
const source = TokenSource.make(() => Effect.succeed(AccessToken.make({ value: "t" })))

/** Each constructor that may fail, with one setting, and the name that its error has to contain. */
const failing: ReadonlyArray<
  readonly [field: string, make: (given: never) => Effect.Effect<unknown, unknown, HttpClient.HttpClient>]
> = [
  ...(["timeout", "timeout.total", "timeout.connect", "timeout.read"] as const).flatMap((field) => {
    const timeout = (given: never) => field === "timeout" ? given : { [field.slice(8)]: given }
    return [
      [field, (given: never) => TokenEndpoint.make({ ...client, tokenEndpoint: https, timeout: timeout(given) })],
      [field, (given: never) => Introspection.make({ ...client, endpoint: https, timeout: timeout(given) })],
      [field, (given: never) => Revocation.make({ ...client, endpoint: https, timeout: timeout(given) })],
      [field, (given: never) => ServerMetadata.make("https://login.example.com", { timeout: timeout(given) })],
      [
        field,
        (given: never) =>
          Secret.vault({
            address: "https://vault.test",
            token: Redacted.make("t"),
            path: "p",
            field: "f",
            timeout: timeout(given)
          })
      ]
    ] as const
  }),
  [
    "timeToLive",
    (given) =>
      Secret.vault({
        address: "https://vault.test",
        token: Redacted.make("t"),
        path: "p",
        field: "f",
        timeToLive: given
      })
  ],
  ...["capacity", "ahead", "jitter", "clockSkew", "overdueAfter"].map((name) =>
    [`cache.${name}`, (given: never) => managed({ cache: { [name]: given } })] as const
  ),
  ["cache.onMissingExpiry.assume", (given) => managed({ cache: { onMissingExpiry: { assume: given } } })],
  ...["ahead", "jitter", "idleTimeToLive"].map((name) =>
    [`refresh.${name}`, (given: never) => managed({ refresh: { [name]: given } })] as const
  ),
  ...["limit", "interval"].map((name) =>
    [`rateLimit.${name}`, (given: never) => managed({ rateLimit: { [name]: given } })] as const
  ),
  ...["failureThreshold", "resetAfter", "maxResetAfter"].map((name) =>
    [`circuitBreaker.${name}`, (given: never) => managed({ circuitBreaker: { [name]: given } })] as const
  ),
  ...["lease", "timeout"].map((name) =>
    [
      `shared.${name}`,
      (given: never) =>
        Effect.flatMap(source, SharedTokens.shared({ namespace: "n", [name]: given })).pipe(
          Effect.scoped,
          Effect.provide(TokenStore.layerMemory)
        )
    ] as const
  ),
  ...["replayDelay", "renewInterval"].map((name) => [name, (given: never) => bearer({ [name]: given })] as const),
  ...["maxRetries", "base", "cap", "maxRetryAfter"].map((name) =>
    [`retryThrottled.${name}`, (given: never) => bearer({ retryThrottled: { [name]: given } })] as const
  )
]

const managed = (options: object) =>
  Effect.scoped(Layer.build(TokenSource.layer({ ...client, tokenEndpoint: https, ...options })))

const bearer = (options: object) =>
  Effect.scoped(Effect.gen(function*() {
    const inner = HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response("ok"))))
    const client = BearerAuth.withBearer(inner, yield* source, { origins: ["https://api.test"], ...options })
    return yield* client.get("https://api.test/")
  }))

/** The settings for which `Infinity` means "without limit". */
const unlimited: ReadonlySet<string> = new Set([
  "timeout",
  "timeout.total",
  "timeout.connect",
  "timeout.read",
  "refresh.idleTimeToLive",
  // limited to 7 days all the same
  "retryThrottled.maxRetries",
  "retryThrottled.base",
  "retryThrottled.cap",
  "retryThrottled.maxRetryAfter"
])

// FAULTS W11
describe("settings of constructors that may fail", () => {
  for (const [field, make] of failing) {
    it.effect(`the error for an invalid ${field} names it`, () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        for (const given of unlimited.has(field) ? wrong : [...wrong, Number.POSITIVE_INFINITY, Duration.infinity]) {
          // an object holds the limits one by one
          if (field === "timeout" && typeof given === "object" && !Array.isArray(given) && given !== null) continue
          const error = yield* Effect.flip(
            Effect.provideService(make(given as never), HttpClient.HttpClient, server.client)
          ) as Effect.Effect<
            { readonly _tag: string; readonly fields: ReadonlyArray<string>; readonly message: string }
          >
          assert.strictEqual(error._tag, "InvalidConfiguration", `${field} ${String(given)}`)
          assert.include(error.fields, field)
          assert.include(error.message, field)
        }
        assert.strictEqual(yield* server.count, 0)
      }))
  }

  it.effect("the error for settings that are not an object names them, too", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const cases: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, HttpClient.HttpClient>]> = [
        ...["cache", "refresh", "rateLimit", "circuitBreaker"].flatMap((name) =>
          [null, Number.NaN, "5 minutes"].map((given) => [name, managed({ [name]: given })] as const)
        ),
        ...[null, Number.NaN, "5 minutes", "always"].map((given) =>
          ["cache.onMissingExpiry", managed({ cache: { onMissingExpiry: given } })] as const
        ),
        ...[null, 3, "often"].map((given) => ["retryThrottled", bearer({ retryThrottled: given })] as const)
      ]
      for (const [field, effect] of cases) {
        const error = yield* Effect.flip(
          Effect.provideService(effect, HttpClient.HttpClient, server.client)
        ) as Effect.Effect<{ readonly fields: ReadonlyArray<string>; readonly message: string }>
        assert.deepStrictEqual(error.fields, [field])
        assert.include(error.message, `${field} must be an object`)
      }
      // a constructor that cannot fail warns and goes on
      for (const given of [null, Number.NaN, "always"]) {
        yield* Effect.scoped(Effect.flatMap(source, TokenSource.cached({ onMissingExpiry: given as never })))
      }
      assert.strictEqual(yield* server.count, 0)
    }))

  it.effect("one error names all wrong settings of a layer", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const error = yield* managed({
        cache: { capacity: Number.NaN, ahead: -1 },
        refresh: { jitter: Number.POSITIVE_INFINITY },
        rateLimit: { limit: 0 },
        circuitBreaker: { resetAfter: "soon" }
      }).pipe(Effect.provideService(HttpClient.HttpClient, server.client), Effect.flip)
      assert.deepStrictEqual(error.fields, [
        "cache.capacity",
        "cache.ahead",
        "refresh.jitter",
        "rateLimit.limit",
        "circuitBreaker.resetAfter"
      ])
      assert.include(error.message, "not NaN")
      assert.include(error.message, "a duration from 0 to")
    }))
})

// FAULTS W11
describe("settings of constructors that cannot fail", () => {
  it.effect("the default or the end of the range is used instead, and a warning says so", () =>
    Effect.gen(function*() {
      const makers: ReadonlyArray<readonly [string, (given: never) => Effect.Effect<unknown>]> = [
        ...["capacity", "ahead", "jitter", "clockSkew", "overdueAfter"].map((name) =>
          [
            `cache.${name}`,
            (given: never) => Effect.scoped(Effect.flatMap(source, TokenSource.cached({ [name]: given })))
          ] as const
        ),
        ...["limit", "interval"].map((name) =>
          [`rateLimit.${name}`, (given: never) => RateLimit.make({ [name]: given })] as const
        ),
        ...["failureThreshold", "resetAfter", "maxResetAfter"].map((name) =>
          [`circuitBreaker.${name}`, (given: never) => CircuitBreaker.make({ [name]: given })] as const
        ),
        [
          "TokenMetrics.every",
          (given: never) =>
            Effect.scoped(Effect.flatMap(source, (self) => TokenMetrics.observe(self, { every: given })))
        ]
      ]
      for (const [field, make] of makers) {
        for (const given of wrong) {
          const lines: Array<string> = []
          const logger = Logger.make(({ message }) => void lines.push(String(message)))
          yield* Effect.provide(make(given as never), Logger.replace(Logger.defaultLogger, logger))
          assert.strictEqual(lines.length, 1, `${field} ${String(given)}`)
          assert.include(lines[0]!, field)
        }
      }
    }))

  it("a policy never waits or retries without end because of a setting that is not a number", () => {
    for (const given of [...wrong, undefined] as Array<unknown> as Array<never>) {
      const policy = RetryPolicy.exponentialJitter({
        base: given,
        cap: given,
        factor: given,
        maxRetries: given,
        maxElapsed: given
      })
      assert.isDefined(policy)
    }
  })

  it("Settings.value keeps a value in range, otherwise gives the nearest end, or the default", () => {
    const wait = Settings.duration("5 seconds", { least: "1 second", most: "1 minute" })
    const cases: ReadonlyArray<readonly [unknown, number]> = [
      [undefined, 5000],
      ["2 seconds", 2000],
      ["1 second", 1000],
      [0, 1000],
      ["1 minute", 60_000],
      ["2 minutes", 60_000],
      [Number.POSITIVE_INFINITY, 60_000],
      [Duration.infinity, 60_000],
      [Number.NaN, 5000],
      ["soon", 5000],
      ["-2 seconds", 1000],
      [3_000_000_000n, 3000],
      [[2, 500_000_000], 2500],
      [null, 5000],
      [{}, 5000]
    ]
    for (const [given, expected] of cases) assert.strictEqual(Settings.value(wait, given), expected, String(given))
    const endless = Settings.duration("5 seconds", { unlimited: true })
    assert.strictEqual(Settings.value(endless, Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY)
    for (const duration of ["7", "7 millis", 7n, [0, 7_000_000], Duration.millis(7)]) {
      assert.strictEqual(Settings.value(Settings.number(3), duration), 3, "a duration is no number")
    }
  })

  it("a problem names its range, and an error has each problem once", () => {
    const settings = {
      wait: Settings.duration("5 seconds", { least: "1 second", most: "1 minute" }),
      idle: Settings.duration("5 seconds", { unlimited: true }),
      limit: Settings.number(3, { least: 1, most: 9 })
    }
    const ends = { wait: "1 minute", idle: Number.POSITIVE_INFINITY, limit: 1 }
    assert.deepStrictEqual(Settings.problems(settings, ends), [])
    const found = Settings.problems(settings, { wait: 0, idle: -1, limit: 10 })
    assert.deepStrictEqual(found.map(({ detail }) => detail), [
      "wait must be a duration from 1s to 1m, not 0",
      "idle must be a duration from 0 to 3650d, or Infinity, not -1",
      "limit must be a number from 1 to 9, not 10"
    ])
    const { fields, message } = Settings.toError([...found, ...found])
    assert.deepStrictEqual(fields, ["wait", "idle", "limit"])
    for (const { detail } of found) assert.lengthOf(message.split(detail), 2)
  })

  it("a text that is not a duration is not shown", () => {
    const [problem] = Settings.problems({ ahead: Settings.duration(0) }, { ahead: "hunter2" }, "cache")
    assert.strictEqual(problem!.field, "cache.ahead")
    assert.notInclude(problem!.detail, "hunter2")
  })
})
