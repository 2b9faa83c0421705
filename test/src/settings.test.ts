import { generateKeyPairSync } from "node:crypto"
import { HttpClient, HttpClientResponse, HttpServer } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { DataAction, GenesysCloud, Limits, Paging } from "@effect-bearer/genesys"
import * as FakeCloud from "@effect-bearer/genesys/FakeCloud"
import { ClientAssertion, Dpop, Jwks } from "@effect-bearer/jose"
import { RedisTokenStore } from "@effect-bearer/redis"
import { AuthorizationServer } from "@effect-bearer/testing"
import { Duration, Effect, Layer, Logger, Redacted, Stream } from "effect"
import {
  AccessToken,
  ClientAuthentication,
  RefreshToken,
  Revocation,
  SharedTokens,
  SharedWork,
  TokenMonitor,
  TokenSource,
  TokenStore
} from "effect-bearer"

/** What is no duration and no number of anything. */
const wrong: ReadonlyArray<unknown> = [
  Number.NaN,
  -1,
  -0.5,
  Number.NEGATIVE_INFINITY,
  "5 parsecs",
  "",
  "-5 seconds",
  null,
  {},
  true,
  new Date(0),
  [Number.NaN, 0],
  [-1, 0],
  -5n
]
const endless: ReadonlyArray<unknown> = [1e309, Duration.infinity]
/** Longer than the longest there is. */
const huge: ReadonlyArray<unknown> = ["4000 days", 4000 * 86_400_000]

interface Row {
  readonly field: string
  /** Whether zero is a value of it. */
  readonly zero: boolean
  readonly unlimited?: boolean
  readonly make: (given: never) => Effect.Effect<unknown, unknown, HttpClient.HttpClient>
}

const key = Redacted.make(
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }) as string
)
const nothing = HttpClient.make((request) =>
  Effect.succeed(HttpClientResponse.fromWeb(request, new Response("{}", { status: 500 })))
)
const source = TokenSource.make(() => Effect.succeed(AccessToken.make({ value: "t" })))

const jwks = (options: object) =>
  Jwks.make({
    issuer: "https://login.example.com",
    audience: "a",
    jwksUri: "https://login.example.com/keys",
    algorithms: ["ES256"],
    ...options
  })
const assertion = (options: object) =>
  TokenSource.clientCredentials({
    tokenEndpoint: "https://login.example.com/token",
    clientId: "c",
    authentication: ClientAssertion.privateKeyJwt({ key, ...options })
  })
const redis = (options: object) =>
  Effect.scoped(RedisTokenStore.make({ options: { socket: { host: "127.0.0.1", port: 1 } }, ...options }))
const cloud = (api: object) =>
  Effect.scoped(
    GenesysCloud.make({ region: "eu_central_1", clientId: "c", clientSecret: Redacted.make("s3cr3t"), api })
  )
const shared = (options: object) =>
  Effect.flatMap(source, SharedTokens.shared({ namespace: "n", ...options })).pipe(
    Effect.scoped,
    Effect.provide(TokenStore.layerMemory)
  )
const refreshToken = (options: object) =>
  RefreshToken.shared({ namespace: "n", ...options }).pipe(
    Effect.provide(TokenStore.layerMemory)
  )

const rows = (
  make: (options: object) => Effect.Effect<unknown, unknown, HttpClient.HttpClient>,
  fields: Readonly<Record<string, Omit<Row, "field" | "make">>>,
  prefix = ""
): ReadonlyArray<Row> =>
  Object.entries(fields).map(([name, of]) => ({
    ...of,
    field: prefix + name,
    make: (given) => make({ [name]: given })
  }))

const failing: ReadonlyArray<Row> = [
  ...rows(jwks, {
    clockTolerance: { zero: true },
    maxAge: { zero: true, unlimited: true },
    maxStale: { zero: true, unlimited: true },
    cooldown: { zero: true },
    timeout: { zero: false }
  }),
  ...rows(assertion, { expiresIn: { zero: false }, backdate: { zero: true } }, "authentication."),
  ...rows(Dpop.make, { backdate: { zero: true } }, "dpop."),
  ...rows(redis, { timeout: { zero: false }, unknownLifetime: { zero: false } }),
  ...rows(cloud, {
    timeout: { zero: false, unlimited: true },
    maxRetryAfter: { zero: true, unlimited: true },
    defaultRetryAfter: { zero: true }
  }, "api."),
  ...rows(shared, {
    lease: { zero: false },
    clockSkew: { zero: true },
    timeout: { zero: false },
    poll: { zero: false }
  }, "shared."),
  ...rows(refreshToken, {
    lease: { zero: false },
    timeout: { zero: false },
    patience: { zero: false },
    retention: { zero: false }
  }, "RefreshToken.shared.")
]

// FAULTS W11
describe("one rule for the settings of all packages", () => {
  for (const { field, make, unlimited = false, zero } of failing) {
    it.effect(`${field}: what is no value of it is named`, () =>
      Effect.gen(function*() {
        const all = [...wrong, ...huge, ...unlimited ? [] : endless, ...zero ? [] : [0]]
        for (const given of all) {
          const error = yield* Effect.flip(
            Effect.provideService(make(given as never), HttpClient.HttpClient, nothing)
          ) as Effect.Effect<
            { readonly _tag: string; readonly fields: ReadonlyArray<string>; readonly message: string }
          >
          assert.strictEqual(error._tag, "InvalidConfiguration", `${field} ${String(given)}`)
          assert.deepStrictEqual(error.fields, [field])
          assert.match(error.message, /must be a duration from .+ to .+, not /, String(given))
          assert.notInclude(error.message, "parsecs")
        }
        for (const given of [undefined, "2 seconds", 1500, 2_000_000_000n, ...unlimited ? endless : []]) {
          yield* Effect.provideService(make(given as never), HttpClient.HttpClient, nothing)
        }
      }))
  }

  it.effect("a data action replies that its setting is wrong, and asks nobody", () =>
    Effect.gen(function*() {
      for (const name of ["grace", "assumedLifetime", "capacity", "payloadLimit"]) {
        for (const given of [...wrong, ...endless, ...name === "grace" ? [] : [0]]) {
          const action = yield* DataAction.handler({
            tokenEndpoint: "https://login.example.com/token",
            clientId: "c",
            authentication: ClientAuthentication.post(Redacted.make("s3cr3t")),
            [name]: given
          })
          const { body, status } = yield* action({ body: "{}" })
          assert.strictEqual(status, 500, `${name} ${String(given)}`)
          assert.include(JSON.stringify(body), `${name} must be a `)
        }
      }
    }).pipe(Effect.scoped, Effect.provideService(HttpClient.HttpClient, nothing)))

  it.effect("where no error is possible a warning says what was wrong, and the limit holds", () =>
    Effect.gen(function*() {
      const big = "x".repeat(40_000)
      const payload = (limit: never) =>
        Effect.flip(Limits.text(big, { direction: "request", limit })).pipe(Effect.map(({ limit }) => limit))
      const answer = HttpClient.make((request) =>
        Effect.succeed(HttpClientResponse.fromWeb(request, new Response(big)))
      )
      const client = (limit: never) =>
        Effect.flip(Limits.withPayloadLimit(limit)(answer).get("https://api.test/")).pipe(
          Effect.map((error) => error._tag === "PayloadTooLarge" ? error.limit : 0)
        )
      const patience = (limit: never) => Effect.as(Limits.withTimeout(limit)(answer).get("https://api.test/"), 1)
      const sizes = (name: "byNumber" | "byOffset") => (given: never) => {
        let asked = Number.NaN
        const fetch = (page: { readonly pageSize?: number; readonly limit?: number }) => {
          asked = page.pageSize ?? page.limit ?? Number.NaN
          return Effect.succeed({ items: [] })
        }
        const pages = Paging[name]({ pageSize: given, limit: given, fetch: fetch as never }) as Stream.Stream<unknown>
        return Effect.map(Stream.runDrain(pages), () => asked)
      }
      const makers: ReadonlyArray<
        readonly [name: string, fallback: number, make: (given: never) => Effect.Effect<number, unknown>]
      > = [
        ["limit", Limits.maxPayload, payload],
        ["limit", Limits.maxPayload, client],
        ["timeout", 1, patience],
        ["pageSize", 100, sizes("byNumber")],
        ["limit", 50, sizes("byOffset")]
      ]
      for (const [name, fallback, make] of makers) {
        for (const given of wrong) {
          const lines: Array<string> = []
          const logger = Logger.make(({ message }) => void lines.push(String(message)))
          const found = yield* Effect.provide(make(given as never), Logger.replace(Logger.defaultLogger, logger))
          assert.strictEqual(lines.length, 1, `${name} ${String(given)}`)
          assert.include(lines[0]!, `${name} must be a `)
          assert.oneOf(found, [fallback, 1], `${name} ${String(given)}`)
        }
      }
    }))

  it.effect("neither the work of others nor servers for tests take what is no setting", () =>
    Effect.gen(function*() {
      const told = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
        const lines: Array<string> = []
        const logger = Logger.make(({ message }) => void lines.push(String(message)))
        return Effect.map(
          Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)),
          (value) => ({ value, lines: lines.filter((line) => line.includes("must be a ")) })
        )
      }
      const overdueAfter = (given: never) => {
        const work = SharedWork.make(Effect.succeed(1), { overdueAfter: given })
        const { withLock } = SharedWork.makeLock({ overdueAfter: given })
        return Effect.as(Effect.all([work, work]), 1).pipe(
          Effect.zipLeft(Effect.all([withLock(Effect.void), withLock(Effect.void)]))
        )
      }
      const address = HttpServer.HttpServer.of(HttpServer.make({
        serve: () => Effect.void,
        address: { _tag: "TcpAddress", hostname: "127.0.0.1", port: 1 }
      }))
      const fake = (options: object) =>
        Effect.scoped(Effect.provideService(FakeCloud.make(options), HttpServer.HttpServer, address))
      const unused = HttpClient.make(() => Effect.never)
      const revocation = Effect.provideService(
        Revocation.make({
          endpoint: "https://login.example.com/revoke",
          clientId: "c",
          authentication: ClientAuthentication.none
        }),
        HttpClient.HttpClient,
        unused
      )
      // how many warnings, and of which field
      const makers: ReadonlyArray<readonly [string, number, (given: never) => Effect.Effect<unknown, unknown>]> = [
        ["SharedWork.overdueAfter", 2, overdueAfter],
        ["AuthorizationServer.latency", 1, (latency) => AuthorizationServer.make({ latency })],
        ["AuthorizationServer.latency", 1, (latency) =>
          Effect.flatMap(AuthorizationServer.make(), ({ setLatency }) =>
            setLatency(latency))],
        ["FakeCloud.lifetime", 1, (lifetime) =>
          fake({ lifetime })],
        ["FakeCloud.rateLimit", 1, (rateLimit) => fake({ rateLimit })],
        ["FakeCloud.tokenRateLimit", 1, (limit) => Effect.flatMap(fake({}), (fake) => fake.setTokenRateLimit(limit))],
        ["FakeCloud.lifetime", 1, (lifetime) => Effect.flatMap(fake({}), (fake) => fake.setLifetime(lifetime))],
        ["TokenMonitor.timeout", 1, (timeout) =>
          Effect.scoped(Effect.flatMap(Effect.zip(source, revocation), ([source, revocation]) =>
            TokenMonitor.revokeOnClose({ revocation, timeout })(source)))]
      ]
      for (const [field, warnings, make] of makers) {
        for (const given of wrong) {
          const { lines } = yield* told(make(given as never))
          assert.lengthOf(lines, warnings, `${field} ${String(given)}`)
          for (const line of lines) {
            assert.include(line, `${field} must be a `)
          }
        }
        assert.lengthOf((yield* told(make(undefined as never))).lines, 0)
      }
      // below zero is what a server may say, and null is that it says nothing
      for (const expiresIn of [Number.NaN, Infinity, "60"]) {
        assert.lengthOf((yield* told(AuthorizationServer.make({ expiresIn: expiresIn as never }))).lines, 1)
      }
      for (const expiresIn of [null, -5, 0.5]) {
        assert.lengthOf((yield* told(AuthorizationServer.make({ expiresIn }))).lines, 0)
      }
    }))

  it.effect("a prefix of keys is a text that stays what it is", () =>
    Effect.gen(function*() {
      for (const prefix of [null, 7, "", "{a}", "\ud800:", "x".repeat(257)]) {
        const error = yield* Effect.flip(redis({ prefix }))
        assert.deepStrictEqual(error.fields, ["prefix"])
      }
      yield* redis({ prefix: "x".repeat(256) })
    }))

  it.effect("all that is wrong is named in one error", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(jwks({ timeout: 0, maxAge: Number.NaN })).pipe(
        Effect.provide(Layer.succeed(HttpClient.HttpClient, nothing))
      )
      assert.deepStrictEqual(error.fields, ["maxAge", "timeout"])
    }))
})
