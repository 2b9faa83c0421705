/** Signed assertions, DPoP and mTLS against a real authorization server and a real API. */
import { X509Certificate } from "node:crypto"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { ClientAssertion, Dpop, Jwks } from "@effect-bearer/jose"
import { Effect, Layer, Logger, LogLevel, Redacted } from "effect"
import { BearerAuth, ClientAuthentication, RetryPolicy, TokenSource } from "effect-bearer"
import * as jose from "jose"
import type { ClientMetadata } from "oidc-provider"
import * as Bound from "./bound.js"

const silent = Effect.provide(Logger.minimumLogLevel(LogLevel.None))
const sharedSecret = "a-secret-of-more-than-sixty-four-bytes-as-HS512-demands-it-1234567"

const pair = (alg: string) =>
  Effect.promise(async () => {
    const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true })
    return {
      pem: Redacted.make(await jose.exportPKCS8(privateKey)),
      publicJwk: { ...await jose.exportJWK(publicKey), kid: "key-1", alg }
    }
  })

const withKey = (id: string, publicJwk: jose.JWK, metadata: Partial<ClientMetadata> = {}) =>
  Bound.client(id, {
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [publicJwk as never] },
    ...metadata
  })

/** Asks for a token, on a real socket. */
const token = (
  server: Bound.AuthorizationServer,
  clientId: string,
  authentication: ClientAuthentication.ClientAuthentication,
  client?: HttpClient.HttpClient
) =>
  Effect.gen(function*() {
    const source = yield* Effect.provideService(
      TokenSource.clientCredentials({ tokenEndpoint: server.tokenEndpoint, clientId, authentication }),
      HttpClient.HttpClient,
      client ?? (yield* Bound.httpClient())
    )
    return yield* source.get()
  }).pipe(Effect.scoped, silent)

// SPEC A3
describe("client_secret_jwt", () => {
  for (const alg of ["HS256", "HS384", "HS512"] as const) {
    it.scopedLive(alg, () =>
      Effect.gen(function*() {
        const server = yield* Bound.authorizationServer([
          Bound.client("svc", {
            client_secret: sharedSecret,
            token_endpoint_auth_method: "client_secret_jwt",
            token_endpoint_auth_signing_alg: alg
          })
        ])
        const secret = Redacted.make(sharedSecret)
        assert.strictEqual(
          (yield* token(server, "svc", ClientAssertion.clientSecretJwt({ secret, alg }))).tokenType,
          "Bearer"
        )
        const wrong = Redacted.make(sharedSecret.replace("a-secret", "b-secret"))
        const error = yield* Effect.flip(token(server, "svc", ClientAssertion.clientSecretJwt({ secret: wrong, alg })))
        assert.strictEqual(error._tag === "OAuthError" && error.error, "invalid_client")
      }))
  }
})

describe("private_key_jwt", () => {
  for (const alg of Bound.algorithms) {
    it.scopedLive(`${alg}, for the token endpoint or the issuer`, () =>
      Effect.gen(function*() {
        const { pem, publicJwk } = yield* pair(alg)
        const server = yield* Bound.authorizationServer([
          withKey("svc", publicJwk, { token_endpoint_auth_signing_alg: alg })
        ])
        const options = { key: pem, alg, kid: "key-1" }
        yield* token(server, "svc", ClientAssertion.privateKeyJwt(options))
        yield* token(
          server,
          "svc",
          ClientAssertion.privateKeyJwt({ ...options, audience: "issuer", issuer: server.issuer })
        )
        assert.deepStrictEqual(
          server.forms.map((form) => jose.decodeJwt(form.get("client_assertion")!).aud),
          [server.tokenEndpoint, server.issuer]
        )
      }))
  }

  it.scopedLive("refuses the wrong key and the wrong audience, in words that help", () =>
    Effect.gen(function*() {
      const { pem, publicJwk } = yield* pair("ES256")
      const other = yield* pair("ES256")
      const server = yield* Bound.authorizationServer([withKey("svc", publicJwk)])
      const wrong = [
        ClientAssertion.privateKeyJwt({ key: other.pem }),
        ClientAssertion.privateKeyJwt({ key: pem, audience: "https://elsewhere.example" })
      ]
      for (const authentication of wrong) {
        const error = yield* Effect.flip(token(server, "svc", authentication))
        assert.strictEqual(error._tag === "OAuthError" && error.error, "invalid_client")
        assert.include(error.message, "audience: \"issuer\"")
      }
    }))

  it.scopedLive("an assertion counts once, so each attempt has its own", () =>
    Effect.gen(function*() {
      const { pem, publicJwk } = yield* pair("ES256")
      const server = yield* Bound.authorizationServer([withKey("svc", publicJwk)])
      const plain = yield* Bound.httpClient()
      // the server takes the assertion, and its answer is lost: twice
      let lost = 0
      const losing = HttpClient.transformResponse(
        plain,
        Effect.map((response) =>
          lost++ < 2
            ? HttpClientResponse.fromWeb(response.request, new Response("bad gateway", { status: 502 }))
            : response
        )
      )
      const source = yield* TokenSource.clientCredentials({
        tokenEndpoint: server.tokenEndpoint,
        clientId: "svc",
        authentication: ClientAssertion.privateKeyJwt({ key: pem })
      }).pipe(
        Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter({ base: "1 millis", maxRetries: 3 }))),
        Effect.provideService(HttpClient.HttpClient, losing)
      )
      yield* source.get()
      assert.deepStrictEqual(server.statuses, [200, 200, 200])
      assert.strictEqual(
        new Set(server.forms.map((form) => jose.decodeJwt(form.get("client_assertion")!).jti)).size,
        3
      )

      const replay = yield* plain.execute(
        HttpClientRequest.post(server.tokenEndpoint).pipe(
          HttpClientRequest.bodyUrlParams(Array.from(server.forms[0]!))
        )
      )
      assert.strictEqual(replay.status, 401)
      assert.deepStrictEqual(server.refusals, ["client assertion tokens must only be used once"])
    }).pipe(silent))
})

describe("DPoP, with nonces demanded by both servers", () => {
  const setup = (
    make: Effect.Effect<{
      readonly metadata: ClientMetadata
      readonly authentication: ClientAuthentication.ClientAuthentication
    }>,
    options?: Dpop.Options
  ) =>
    Effect.gen(function*() {
      const { authentication, metadata } = yield* make
      const server = yield* Bound.authorizationServer([metadata])
      const plain = yield* Bound.httpClient()
      const api = yield* Bound.api(server, plain)
      const dpop = yield* Dpop.make(options)
      const proving = dpop.withDpop(plain)
      const tokens = yield* TokenSource.clientCredentials({
        tokenEndpoint: server.tokenEndpoint,
        clientId: metadata.client_id,
        authentication,
        scopes: "calls:read"
      }).pipe(
        Effect.flatMap(TokenSource.cached()),
        Effect.provideService(HttpClient.HttpClient, proving)
      )
      const client = proving.pipe(BearerAuth.withBearer(tokens, { origins: [api.origin] }))
      return { server, plain, api, dpop, tokens, client }
    })

  const basic = Effect.succeed({
    metadata: Bound.client("svc", {
      client_secret: sharedSecret,
      token_endpoint_auth_method: "client_secret_basic",
      dpop_bound_access_tokens: true
    }),
    authentication: ClientAuthentication.basic(Redacted.make(sharedSecret))
  })

  const privateKey = Effect.map(pair("ES256"), ({ pem, publicJwk }) => ({
    metadata: withKey("svc", publicJwk, { dpop_bound_access_tokens: true }),
    authentication: ClientAssertion.privateKeyJwt({ key: pem })
  }))

  for (const [name, client] of Object.entries({ client_secret_basic: basic, private_key_jwt: privateKey })) {
    it.scopedLive(`${name}: a bound token, through changing nonces`, () =>
      Effect.gen(function*() {
        const { api, client: http, dpop, server, tokens } = yield* setup(client)
        for (let n = 0; n < 10; n++) assert.strictEqual((yield* http.get(api.url)).status, 200)
        // one refusal for want of a nonce at each server; the API's next ones come with its answers
        assert.deepStrictEqual(server.statuses, [400, 200])
        assert.deepStrictEqual(api.verdicts, ["use_dpop_nonce", ...Array(10).fill("ok")])
        assert.strictEqual(api.tokens.size, 1)
        const bound = yield* tokens.get()
        assert.strictEqual(bound.tokenType, "DPoP")
        assert.deepStrictEqual(jose.decodeJwt(Redacted.value(bound.value)).cnf, { jkt: dpop.thumbprint })
      }).pipe(silent))
  }

  for (const alg of ["EdDSA", "RS256"] as const) {
    it.scopedLive(`with ${alg}`, () =>
      Effect.gen(function*() {
        const { api, client } = yield* setup(basic, { alg })
        assert.strictEqual((yield* client.post(api.url)).status, 200)
      }).pipe(silent))
  }

  it.scopedLive("a token that dies is renewed, bound to the same key", () =>
    Effect.gen(function*() {
      const { api, client, server } = yield* setup(privateKey)
      yield* client.get(api.url)
      api.revokeAll()
      assert.strictEqual((yield* client.get(api.url)).status, 200)
      assert.deepStrictEqual(api.verdicts, ["use_dpop_nonce", "ok", "invalid_token: revoked", "ok"])
      assert.strictEqual(api.tokens.size, 2)
      // the nonce of the first exchange serves the second
      assert.deepStrictEqual(server.statuses, [400, 200, 200])
    }).pipe(silent))

  it.scopedLive("many calls at once ask for one token", () =>
    Effect.gen(function*() {
      const { api, client, server } = yield* setup(privateKey)
      const responses = yield* Effect.all(Array.from({ length: 20 }, () => client.get(api.url)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(responses.map(({ status }) => status), Array(20).fill(200))
      assert.deepStrictEqual(server.statuses, [400, 200])
      assert.strictEqual(api.tokens.size, 1)
    }).pipe(silent))

  it.scopedLive("a stolen token is of no use without the key", () =>
    Effect.gen(function*() {
      const { api, client, plain, tokens } = yield* setup(basic)
      yield* client.get(api.url)
      const { value } = yield* tokens.get()
      const thief = yield* Dpop.make()
      const stolen = (scheme: string) =>
        HttpClientRequest.get(api.url).pipe(
          HttpClientRequest.setHeader("authorization", `${scheme} ${Redacted.value(value)}`)
        )
      yield* plain.execute(stolen("Bearer"))
      yield* plain.execute(stolen("DPoP"))
      yield* thief.withDpop(plain).execute(stolen("DPoP"))
      assert.deepStrictEqual(api.verdicts.slice(-3), [
        "invalid_token: not bound",
        "invalid_dpop_proof: none",
        "invalid_token: another key"
      ])
    }).pipe(silent))

  it.scopedLive("the same from layers", () =>
    Effect.gen(function*() {
      const { authentication, metadata } = yield* privateKey
      const server = yield* Bound.authorizationServer([metadata])
      const plain = yield* Bound.httpClient()
      const api = yield* Bound.api(server, plain)
      const Api = BearerAuth.layer({ origins: [api.origin] }).pipe(
        Layer.provide(
          TokenSource.layer({
            tokenEndpoint: server.tokenEndpoint,
            clientId: "svc",
            authentication,
            scopes: "calls:read"
          })
        ),
        Layer.provide(Dpop.layer()),
        Layer.provide(Layer.succeed(HttpClient.HttpClient, plain))
      )
      const response = yield* Effect.provide(HttpClient.get(api.url), Api)
      assert.strictEqual(response.status, 200)
    }).pipe(silent))
})

describe("Jwks", () => {
  it.scopedLive("verifies what the server issued, and nothing that was changed", () =>
    Effect.gen(function*() {
      const { pem, publicJwk } = yield* pair("ES256")
      const server = yield* Bound.authorizationServer([withKey("svc", publicJwk)])
      const issued = yield* token(server, "svc", ClientAssertion.privateKeyJwt({ key: pem }))
      const options = {
        issuer: server.issuer,
        audience: Bound.audience,
        jwksUri: server.jwksUri,
        algorithms: ["ES256"]
      } as const
      const verify = Jwks.verify({ ...options, typ: "at+jwt" })
      const { claims } = yield* verify(issued)
      assert.strictEqual(claims.client_id, "svc")
      const [header, , signature] = Redacted.value(issued.value).split(".")
      const claimed = jose.base64url.encode(JSON.stringify({ ...claims, scope: "admin" }))
      const forged = yield* Effect.flip(verify(Redacted.make(`${header}.${claimed}.${signature}`)))
      assert.strictEqual(forged._tag, "BadSignature")
      const other = yield* Effect.flip(Jwks.verify({ ...options, audience: "https://other.example" })(issued))
      assert.strictEqual(other._tag, "WrongAudience")
    }).pipe(Effect.provideServiceEffect(HttpClient.HttpClient, Bound.httpClient())))
})

// SPEC A3
describe("mTLS", () => {
  if (!Bound.hasOpenssl) {
    if (process.env.CI === "true") {
      it("needs openssl", () => assert.fail("openssl is not installed: mTLS was not tested"))
    } else {
      console.warn("openssl is not installed: mTLS IS NOT TESTED")
      it.skip("needs openssl, which is not installed")
    }
    return
  }

  const setup = Effect.gen(function*() {
    const certificates = yield* Bound.certificates
    const known = certificates.issue("svc-tls")
    const own = certificates.selfSigned("svc-self")
    const bound = { tls_client_certificate_bound_access_tokens: true }
    const certificate = new X509Certificate(own.cert)
    const jwk = yield* Effect.promise(() => Promise.resolve(certificate.publicKey.export({ format: "jwk" })))
    const server = yield* Bound.authorizationServer([
      Bound.client("svc-tls", {
        token_endpoint_auth_method: "tls_client_auth",
        tls_client_auth_subject_dn: "CN=svc-tls",
        ...bound
      }),
      Bound.client("svc-self", {
        token_endpoint_auth_method: "self_signed_tls_client_auth",
        jwks: { keys: [{ ...jwk, x5c: [certificate.raw.toString("base64")] } as never] },
        ...bound
      })
    ], certificates.server)
    const { ca } = certificates.server
    const withoutCertificate = yield* Bound.httpClient({ ca })
    const api = yield* Bound.api(server, withoutCertificate, certificates.server)
    return { api, server, certificates, withoutCertificate, ca, known, own }
  })

  for (const id of ["svc-tls", "svc-self"] as const) {
    it.scopedLive(`${id === "svc-tls" ? "tls_client_auth" : "self_signed_tls_client_auth"}, with bound tokens`, () =>
      Effect.gen(function*() {
        const { api, known, own, server, withoutCertificate } = yield* setup
        const identity = id === "svc-tls" ? known : own
        const client = yield* Bound.httpClient(identity)
        const tokens = yield* TokenSource.clientCredentials({
          tokenEndpoint: server.tokenEndpoint,
          clientId: id,
          authentication: ClientAuthentication.mtls,
          scopes: "calls:read"
        }).pipe(
          Effect.flatMap(TokenSource.cached()),
          Effect.provideService(HttpClient.HttpClient, client)
        )
        const options = { origins: [api.origin] } as const
        assert.strictEqual((yield* BearerAuth.withBearer(client, tokens, options).get(api.url)).status, 200)
        assert.deepStrictEqual(server.forms.map((form) => Array.from(form.keys())), [[
          "grant_type",
          "scope",
          "client_id"
        ]])
        const { tokenType, value } = yield* tokens.get()
        assert.strictEqual(tokenType, "Bearer")
        assert.deepStrictEqual(jose.decodeJwt(Redacted.value(value)).cnf, {
          "x5t#S256": Bound.thumbprint(new X509Certificate(identity.cert))
        })
        // the token alone is not enough
        const bearer = HttpClientRequest.get(api.url).pipe(HttpClientRequest.bearerToken(value))
        yield* withoutCertificate.execute(bearer)
        yield* (yield* Bound.httpClient(identity === known ? own : known)).execute(bearer)
        assert.deepStrictEqual(api.verdicts, [
          "ok",
          "invalid_token: another certificate",
          "invalid_token: another certificate"
        ])
      }).pipe(silent))
  }

  it.scopedLive("no certificate, or another one, is invalid_client, in words that help", () =>
    Effect.gen(function*() {
      const { ca, certificates, known, own, server, withoutCertificate } = yield* setup
      const stranger = { ...certificates.issue("stranger"), ca }
      const cases: ReadonlyArray<readonly ["svc-tls" | "svc-self", HttpClient.HttpClient]> = [
        ["svc-tls", withoutCertificate],
        ["svc-self", withoutCertificate],
        ["svc-tls", yield* Bound.httpClient(stranger)],
        ["svc-self", yield* Bound.httpClient(stranger)],
        ["svc-tls", yield* Bound.httpClient(own)],
        ["svc-self", yield* Bound.httpClient(known)]
      ]
      for (const [id, client] of cases) {
        const error = yield* Effect.flip(token(server, id, ClientAuthentication.mtls, client))
        assert.strictEqual(error._tag === "OAuthError" && error.error, "invalid_client")
        assert.include(error.message, "certificate")
      }
    }).pipe(silent))
})
