/** Every grant against `oidc-provider`, over real sockets. */
import { createPublicKey, generateKeyPairSync, randomUUID } from "node:crypto"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Server from "@effect-bearer/examples/support/GrantServer"
import { Array, Clock, Duration, Effect, Equal, Layer, Logger, LogLevel, Option, Redacted, Ref } from "effect"
import {
  AccessToken,
  ClientAuthentication,
  Grant,
  Introspection,
  Jwt,
  RefreshToken,
  TokenError,
  TokenRequest,
  TokenSource
} from "effect-bearer"
import * as jose from "jose"

const { GrantServer } = Server

const [billing, reports] = Object.keys(Server.apis) as [string, string]

const world = (options?: Server.Options) =>
  Layer.merge(Server.layer(options), NodeHttpClient.layerUndici).pipe(
    Layer.merge(Logger.minimumLogLevel(LogLevel.None))
  )

/** What every source here has in common: where to ask, and as whom. */
const asBasic = Effect.map(GrantServer, (server) => ({
  tokenEndpoint: server.tokenEndpoint,
  clientId: server.clients.basic.id,
  authentication: ClientAuthentication.basic(server.clients.basic.secret)
}))

const deviceKey = Effect.map(GrantServer, (server) =>
  Grant.make({
    type: Server.deviceKeyGrant,
    parameters: () => Effect.succeed([["device_key", server.deviceKey]])
  }))

const ask = <E>(source: TokenSource.With<E>, request?: TokenRequest.Options) =>
  source.get(request === undefined ? undefined : TokenRequest.make(request))

/** What the server says of a token. */
const introspect = (token: AccessToken.AccessToken) =>
  Effect.gen(function*() {
    const server = yield* GrantServer
    const introspection = yield* Introspection.make({
      ...(yield* asBasic),
      endpoint: server.introspectionEndpoint
    })
    return yield* introspection.check(token)
  })

const outcomes = Effect.flatMap(
  GrantServer,
  (server) => Effect.map(server.answered, Array.map(({ grantType, outcome }) => [grantType, outcome]))
)

/** What a token says of itself. */
const claims = (token: AccessToken.AccessToken) => Redacted.value(Option.getOrThrow(Jwt.decode(token)).claims)

describe("refresh tokens that rotate", () => {
  // SPEC B11, I12
  it.scopedLive("several rotations behind cache and background refresh, each refresh token spent once", () =>
    Effect.gen(function*() {
      const server = yield* GrantServer
      const store = yield* RefreshToken.memory
      const seen = yield* Ref.make<ReadonlyArray<string>>([])
      const first = yield* server.login()
      const tokens = yield* TokenSource.refreshToken({
        ...(yield* asBasic),
        refreshToken: first,
        store: {
          ...store,
          save: (stored) =>
            Effect.zipRight(
              Ref.update(seen, Array.append(Redacted.value(stored.token))),
              store.save(stored)
            )
        }
      }).pipe(
        Effect.flatMap(TokenSource.cached()),
        Effect.flatMap(TokenSource.backgroundRefresh())
      )
      // the tokens live two seconds: in seven there are at least three of them
      const got = yield* Effect.replicateEffect(Effect.delay(tokens.get(), "100 millis"), 70)
      const values = Array.dedupe(got.map((token) => Redacted.value(token.value)))
      assert.isAtLeast(values.length, 3)
      const answers = yield* outcomes
      assert.isTrue(answers.every(([grant, outcome]) => grant === "refresh_token" && outcome === "200"))
      assert.strictEqual(yield* server.thefts, 0)
      // each answer left another refresh token in the store
      const kept = Array.dedupe(yield* Ref.get(seen))
      assert.strictEqual(kept[0], Redacted.value(first))
      assert.isAtLeast(kept.length, values.length)
      const stored = Option.getOrThrow(yield* store.load)
      assert.isTrue(stored.rotates)
      // the one in the store is good for another round
      const next = yield* TokenSource.refreshToken({ ...(yield* asBasic), store })
      assert.isTrue((yield* introspect(yield* next.get())).active)
    }).pipe(Effect.provide(world({ lifetime: "2 seconds" }))))

  // SPEC B11, I12
  it.scopedLive("50 callers at once spend one refresh token", () =>
    Effect.gen(function*() {
      const server = yield* GrantServer
      const tokens = yield* TokenSource.refreshToken({ ...(yield* asBasic), refreshToken: yield* server.login() }).pipe(
        Effect.flatMap(TokenSource.cached())
      )
      const got = yield* Effect.forEach(Array.range(1, 50), () => tokens.get(), { concurrency: "unbounded" })
      assert.isTrue(got.every((token) => AccessToken.isSame(token, got[0]!)))
      const all = yield* Effect.forEach(
        Array.range(1, 50),
        () => tokens.renew(got[0]!),
        { concurrency: "unbounded" }
      )
      assert.isTrue(all.every((token) => AccessToken.isSame(token, all[0]!)))
      assert.lengthOf(yield* outcomes, 2)
      assert.strictEqual(yield* server.thefts, 0)
    }).pipe(Effect.provide(world())))

  // I12
  it.scopedLive("a token spent elsewhere revokes the whole login, and somebody has to authenticate again", () =>
    Effect.gen(function*() {
      const server = yield* GrantServer
      const stolen = yield* server.login()
      const tokens = yield* TokenSource.refreshToken({ ...(yield* asBasic), refreshToken: stolen })
      const rightful = yield* tokens.get()
      assert.isTrue((yield* introspect(rightful)).active)

      const thief = yield* TokenSource.refreshToken({ ...(yield* asBasic), refreshToken: stolen })
      const refused = yield* Effect.flip(thief.get())
      assert.strictEqual(refused._tag, "AuthenticationRequired")
      assert.strictEqual(yield* server.thefts, 1)

      // the server has ended the login: the rightful holder is out as well, and is told so once
      assert.isFalse((yield* introspect(rightful)).active)
      const error = yield* Effect.flip(tokens.get())
      assert.instanceOf(error, TokenError.AuthenticationRequired)
      assert.match(error.message, /no longer accepts the refresh token/)
      const before = (yield* outcomes).length
      // I7: a dead token is not sent again
      yield* Effect.flip(tokens.get())
      assert.lengthOf(yield* outcomes, before)
    }).pipe(Effect.provide(world())))

  // SPEC B11, I12
  it.scopedLive("a refresh token that is dead gives way to the fallback grant, whose refresh token is adopted", () =>
    Effect.gen(function*() {
      const tokens = yield* TokenSource.refreshToken({
        ...(yield* asBasic),
        refreshToken: Redacted.make("from-a-login-long-ago"),
        fallback: yield* deviceKey
      })
      const first = yield* tokens.get()
      const second = yield* tokens.get()
      assert.isFalse(AccessToken.isSame(first, second))
      assert.deepStrictEqual(yield* outcomes, [
        ["refresh_token", "invalid_grant"],
        [Server.deviceKeyGrant, "200"],
        ["refresh_token", "200"]
      ])
    }).pipe(Effect.provide(world())))

  // SPEC B11
  it.scopedLive("with nothing to begin with, the fallback grant starts it", () =>
    Effect.gen(function*() {
      const tokens = yield* TokenSource.refreshToken({ ...(yield* asBasic), fallback: yield* deviceKey })
      yield* Effect.replicateEffect(tokens.get(), 3)
      assert.deepStrictEqual((yield* outcomes).map(([grant]) => grant), [
        Server.deviceKeyGrant,
        "refresh_token",
        "refresh_token"
      ])
    }).pipe(Effect.provide(world())))

  // I4, I12
  it.scopedLive("a caller who gives up in the middle of the exchange does not cost the login", () =>
    Effect.gen(function*() {
      const server = yield* GrantServer
      const tokens = yield* TokenSource.refreshToken({ ...(yield* asBasic), refreshToken: yield* server.login() }).pipe(
        Effect.flatMap(TokenSource.cached())
      )
      for (const patience of [0, 1, 2, 3, 5, 8]) {
        yield* Effect.timeoutOption(tokens.get(), Duration.millis(patience))
        const token = yield* tokens.get()
        yield* tokens.invalidate(token)
      }
      assert.strictEqual(yield* server.thefts, 0)
      assert.isTrue((yield* outcomes).every(([, outcome]) => outcome === "200"))
    }).pipe(Effect.provide(world())))

  // I12: one refresh token serves tokens for several APIs
  it.scopedLive("tokens for several APIs come from one refresh token", () =>
    Effect.gen(function*() {
      const server = yield* GrantServer
      const tokens = yield* TokenSource.refreshToken({
        ...(yield* asBasic),
        refreshToken: yield* server.login([billing, reports])
      })
        .pipe(Effect.flatMap(TokenSource.cached()))
      const [forBilling, forReports] = yield* Effect.all([
        ask(tokens, { resource: billing }),
        ask(tokens, { resource: reports })
      ], { concurrency: "unbounded" })
      assert.strictEqual(claims(forBilling).aud, billing)
      assert.strictEqual(claims(forReports).aud, reports)
      assert.strictEqual(yield* server.thefts, 0)
    }).pipe(Effect.provide(world())))
})

describe("resource indicators", () => {
  // SPEC A4, D5 (RFC 8707)
  it.scopedLive("the token is for the resource asked for, and each resource has its own", () =>
    Effect.gen(function*() {
      const tokens = yield* TokenSource.clientCredentials({
        ...(yield* asBasic),
        resource: billing,
        scopes: "invoices:read"
      }).pipe(Effect.flatMap(TokenSource.cached()))
      const forBilling = yield* tokens.get()
      assert.strictEqual(claims(forBilling).aud, billing)
      assert.deepStrictEqual([...forBilling.scopes], ["invoices:read"])
      const forReports = yield* ask(tokens, { resource: reports, scopes: "reports:read" })
      assert.strictEqual(claims(forReports).aud, reports)
      assert.isTrue(AccessToken.isSame(forBilling, yield* tokens.get()))
      assert.lengthOf(yield* outcomes, 2)
    }).pipe(Effect.provide(world())))

  it.scopedLive("an unknown resource, and two at a server that takes one, are told as such", () =>
    Effect.gen(function*() {
      const tokens = yield* TokenSource.clientCredentials(yield* asBasic)
      for (const resource of [["https://elsewhere.example.com/"], [billing, reports]]) {
        const error = yield* Effect.flip(ask(tokens, { resource }))
        assert.instanceOf(error, TokenError.OAuthError)
        assert.strictEqual(error.error, "invalid_target")
        assert.match(error.message, /resource/)
      }
      // both were sent
      const server = yield* GrantServer
      assert.deepStrictEqual((yield* server.answered)[1]!.parameters.resource, [billing, reports])
    }).pipe(Effect.provide(world())))
})

describe("token exchange", () => {
  const subject = Effect.flatMap(
    Effect.flatMap(
      asBasic,
      (options) => Effect.flatMap(deviceKey, (grant) => TokenSource.grant({ ...options, grant }))
    ),
    (source) => source.get()
  )

  // SPEC A4 (RFC 8693)
  it.scopedLive("a subject token becomes a token for an audience, for the same subject", () =>
    Effect.gen(function*() {
      const subjectToken = (yield* subject).value
      const tokens = yield* TokenSource.tokenExchange({
        ...(yield* asBasic),
        subjectToken,
        audience: billing,
        scopes: "invoices:read"
      })
      const token = yield* tokens.get()
      assert.strictEqual(claims(token).aud, billing)
      assert.strictEqual(claims(token).sub, "device-42")
      assert.deepStrictEqual([...token.scopes], ["invoices:read"])
      assert.strictEqual(Redacted.value(token.extra).issued_token_type, Grant.TokenType.accessToken)
    }).pipe(Effect.provide(world())))

  // SPEC A4 (RFC 8693 §4.1)
  it.scopedLive("an actor token says who acts", () =>
    Effect.gen(function*() {
      const service = yield* TokenSource.clientCredentials(yield* asBasic)
      const tokens = yield* TokenSource.tokenExchange({
        ...(yield* asBasic),
        subjectToken: (yield* subject).value,
        // any effect will do: a source that keeps the actor's token fresh, for example
        actorToken: Effect.map(service.get(), ({ value }) => value),
        requestedTokenType: Grant.TokenType.accessToken,
        resource: reports
      })
      const decoded = claims(yield* tokens.get())
      assert.strictEqual(decoded.sub, "device-42")
      assert.deepStrictEqual(decoded.act, { sub: "app-basic" })
      const server = yield* GrantServer
      const [last] = (yield* server.answered).slice(-1)
      assert.strictEqual(last!.parameters.subject_token_type, Grant.TokenType.accessToken)
      assert.strictEqual(last!.parameters.actor_token_type, Grant.TokenType.accessToken)
      assert.strictEqual(last!.parameters.requested_token_type, Grant.TokenType.accessToken)
    }).pipe(Effect.provide(world())))

  // SPEC A4
  it.scopedLive("a subject token that is not valid, and an audience nobody knows, are final", () =>
    Effect.gen(function*() {
      const options = yield* asBasic
      const unknown = yield* TokenSource.tokenExchange({
        ...options,
        subjectToken: Redacted.make("no-such-token"),
        audience: billing
      })
      const error = yield* Effect.flip(unknown.get())
      assert.strictEqual(error._tag === "OAuthError" ? error.error : error._tag, "invalid_request")
      assert.notInclude(error.message, "no-such-token")
      const stray = yield* TokenSource.tokenExchange({
        ...options,
        subjectToken: (yield* subject).value,
        audience: "https://elsewhere.example.com/"
      })
      const refused = yield* Effect.flip(stray.get())
      assert.strictEqual(refused._tag === "OAuthError" ? refused.error : refused._tag, "invalid_target")
    }).pipe(Effect.provide(world())))
})

describe("JWT bearer", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const assertionKey = createPublicKey(privateKey.export({ type: "pkcs8", format: "pem" }))

  const sign = (audience: string, claims: { readonly jti: string; readonly exp: string }) =>
    Effect.promise(() =>
      new jose.SignJWT({})
        .setProtectedHeader({ alg: "ES256" })
        .setSubject("ada")
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(claims.exp)
        .setJti(claims.jti)
        .sign(privateKey)
    ).pipe(Effect.map(Redacted.make))

  // RFC 7523 §2.1
  it.scopedLive("an effect signs a new assertion for every attempt", () =>
    Effect.gen(function*() {
      const options = yield* asBasic
      const tokens = yield* TokenSource.jwtBearer({
        ...options,
        assertion: Effect.suspend(() => sign(options.tokenEndpoint, { jti: randomUUID(), exp: "1 minute" })),
        scopes: "calls:read"
      })
      const [first, second] = [yield* tokens.get(), yield* tokens.get()]
      assert.isFalse(AccessToken.isSame(first, second))
      const found = yield* introspect(second)
      assert.isTrue(found.active)
      assert.deepStrictEqual([...second.scopes], ["calls:read"])
    }).pipe(Effect.provide(world({ assertionKey }))))

  it.scopedLive("one used before, one for somebody else and one that expired are refused for good", () =>
    Effect.gen(function*() {
      const options = yield* asBasic
      const assertions = [
        yield* sign(options.tokenEndpoint, { jti: "once", exp: "1 minute" }),
        yield* sign("https://elsewhere.example.com", { jti: "stray", exp: "1 minute" }),
        yield* sign(options.tokenEndpoint, { jti: "late", exp: "-1 minute" })
      ]
      for (const assertion of assertions) {
        const tokens = yield* TokenSource.jwtBearer({ ...options, assertion })
        if (assertion === assertions[0]) yield* tokens.get()
        const error = yield* Effect.flip(tokens.get())
        assert.strictEqual(error._tag === "OAuthError" ? error.error : error._tag, "invalid_grant")
        assert.notInclude(error.message, Redacted.value(assertion))
      }
    }).pipe(Effect.provide(world({ assertionKey }))))

  it.scopedLive("a server that does not know the grant says so", () =>
    Effect.gen(function*() {
      const options = yield* asBasic
      const tokens = yield* TokenSource.jwtBearer({ ...options, assertion: Redacted.make("a.b.c") })
      const error = yield* Effect.flip(tokens.get())
      assert.strictEqual(error._tag === "OAuthError" ? error.error : error._tag, "unsupported_grant_type")
      assert.match(error.message, /jwt-bearer/)
    }).pipe(Effect.provide(world())))
})

describe("a grant of one's own", () => {
  it.scopedLive("any type, any parameters, and what the server adds is kept", () =>
    Effect.gen(function*() {
      const tokens = yield* TokenSource.grant({
        ...(yield* asBasic),
        grant: yield* deviceKey,
        scopes: "calls:read",
        parameters: { tenant: "north" }
      }).pipe(Effect.flatMap(TokenSource.cached()))
      const north = yield* tokens.get()
      assert.strictEqual(Redacted.value(north.extra).tenant, "north")
      const south = yield* ask(tokens, { parameters: { tenant: "south" } })
      assert.strictEqual(Redacted.value(south.extra).tenant, "south")
      assert.isFalse(Equal.equals(north.value, south.value))
      assert.isTrue(AccessToken.isSame(north, yield* tokens.get()))
    }).pipe(Effect.provide(world())))

  it.scopedLive("a public client needs no secret", () =>
    Effect.gen(function*() {
      const server = yield* GrantServer
      const tokens = yield* TokenSource.grant({
        tokenEndpoint: server.tokenEndpoint,
        clientId: server.clients.open.id,
        authentication: ClientAuthentication.none,
        grant: yield* deviceKey
      })
      assert.isAbove(Option.getOrThrow((yield* tokens.get()).expiresAt), yield* Clock.currentTimeMillis)
    }).pipe(Effect.provide(world())))

  it.scopedLive("a wrong parameter is refused, and its value is not shown", () =>
    Effect.gen(function*() {
      const tokens = yield* TokenSource.grant({
        ...(yield* asBasic),
        grant: Grant.make({
          type: Server.deviceKeyGrant,
          parameters: () => Effect.succeed([["device_key", Redacted.make("a-key-of-another-device")]])
        })
      })
      const error = yield* Effect.flip(tokens.get())
      assert.strictEqual(error._tag === "OAuthError" ? error.error : error._tag, "invalid_grant")
      assert.notInclude(JSON.stringify(error), "a-key-of-another-device")
    }).pipe(Effect.provide(world())))

  it.scopedLive("a parameter may not replace one of the library's", () =>
    Effect.gen(function*() {
      const options = yield* asBasic
      for (const name of ["grant_type", "client_id", "scope", "device_key"]) {
        const tokens = yield* TokenSource.grant({
          ...options,
          grant: yield* deviceKey,
          parameters: { [name]: "x" }
        })
        const error = yield* Effect.flip(tokens.get())
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.include(error.message, name)
      }
      assert.lengthOf(yield* outcomes, 0)
    }).pipe(Effect.provide(world())))
})
