import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Config, ConfigProvider, Effect, Equal, Option, Redacted, Ref, TestClock } from "effect"
import type { ClientAuthentication } from "effect-bearer"
import { Grant, TokenEndpoint, TokenError, TokenRequest } from "effect-bearer"
import * as jose from "jose"
import type { SigningKey } from "../src/index.js"
import { ClientAssertion } from "../src/index.js"
import { algorithms, key, renderings } from "./utils/keys.js"

const context = { clientId: "svc", endpoint: new URL("https://auth.test/oauth/token") }
const sharedSecret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const sent = (authentication: ClientAuthentication.ClientAuthentication, to: ClientAuthentication.Context = context) =>
  Effect.map(authentication.credentials(to), ({ parameters }) => {
    const form = new Map(
      parameters.map(([name, value]) => [name, Redacted.isRedacted(value) ? Redacted.value(value) : value])
    )
    return { form, jwt: form.get("client_assertion")! }
  })

const endpoint = (authentication: ClientAuthentication.ClientAuthentication) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make()
    const endpoint = yield* Effect.provideService(
      TokenEndpoint.make({ tokenEndpoint: server.tokenEndpoint, clientId: "svc", authentication }),
      HttpClient.HttpClient,
      server.client
    )
    return { server, endpoint }
  })

const complaint = (options: ClientAssertion.PrivateKeyJwtOptions) =>
  Effect.flip(ClientAssertion.privateKeyJwt(options).check(context)).pipe(
    Effect.filterOrDieMessage(
      (error): error is TokenError.InvalidConfiguration => error._tag === "InvalidConfiguration",
      "another error"
    )
  )

const forms = (alg: SigningKey.Algorithm): Effect.Effect<Record<string, SigningKey.SigningKey>> =>
  Effect.map(key(alg), ({ jwk, pem, privateKey }) => ({
    PEM: Redacted.make(pem),
    "PEM in one line": Redacted.make(pem.trim().replaceAll("\n", "\\n")),
    JWK: Redacted.make(jwk),
    "JWK as text": Redacted.make(JSON.stringify(jwk)),
    CryptoKey: privateKey,
    effect: Effect.succeed(Redacted.make(pem))
  }))

// SPEC A3
describe("privateKeyJwt", () => {
  for (const alg of algorithms) {
    it.effect(`${alg}, from a key in every form`, () =>
      Effect.gen(function*() {
        const { publicKey } = yield* key(alg)
        for (const [form, material] of Object.entries(yield* forms(alg))) {
          const { jwt } = yield* sent(ClientAssertion.privateKeyJwt({ key: material, alg, kid: "k1" }))
          const { payload, protectedHeader } = yield* Effect.promise(() =>
            jose.jwtVerify(jwt, publicKey, { currentDate: new Date(0) })
          )
          assert.deepStrictEqual(protectedHeader, { alg, kid: "k1" }, form)
          assert.strictEqual(payload.iss, "svc")
        }
      }))
  }

  it.effect("P22 an assertion names the client and the audience, and is valid from some seconds ago until its end", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_700_000_000_999)
      const { pem } = yield* key("ES256")
      const { form, jwt } = yield* sent(ClientAssertion.privateKeyJwt({ key: Redacted.make(pem) }))
      assert.deepStrictEqual(Array.from(form.keys()), ["client_id", "client_assertion_type", "client_assertion"])
      assert.strictEqual(form.get("client_id"), "svc")
      assert.strictEqual(
        form.get("client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
      )
      const { jti, ...claims } = jose.decodeJwt(jwt)
      assert.deepStrictEqual(claims, {
        iss: "svc",
        sub: "svc",
        aud: "https://auth.test/oauth/token",
        iat: 1_699_999_990,
        nbf: 1_699_999_990,
        exp: 1_700_000_060
      })
      assert.match(jti!, /^[0-9a-f-]{36}$/)
      assert.deepStrictEqual(jose.decodeProtectedHeader(jwt), { alg: "ES256" })
    }))

  it.effect("an assertion has the lifetime, backdating, header and audience of the options", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_700_000_000_000)
      const { jwk } = yield* key("ES256")
      const { jwt } = yield* sent(ClientAssertion.privateKeyJwt({
        key: Redacted.make({ ...jwk, kid: "of-the-jwk" }),
        audience: "https://aud.test/",
        expiresIn: "5 minutes",
        backdate: 0,
        header: { typ: "client-authentication+jwt", "x5t#S256": "abc" }
      }))
      const { aud, exp, iat, nbf } = jose.decodeJwt(jwt)
      assert.deepStrictEqual({ aud, exp, iat, nbf }, {
        aud: "https://aud.test/",
        exp: 1_700_000_300,
        iat: 1_700_000_000,
        nbf: 1_700_000_000
      })
      assert.deepStrictEqual(jose.decodeProtectedHeader(jwt), {
        typ: "client-authentication+jwt",
        "x5t#S256": "abc",
        alg: "ES256",
        kid: "of-the-jwk"
      })
    }))

  it.effect("the audience \"issuer\" comes from the options, or from discovery", () =>
    Effect.gen(function*() {
      const { pem } = yield* key("ES256")
      const material = Redacted.make(pem)
      const named = yield* sent(
        ClientAssertion.privateKeyJwt({ key: material, audience: "issuer", issuer: "https://auth.test" })
      )
      assert.strictEqual(jose.decodeJwt(named.jwt).aud, "https://auth.test")
      const unnamed = ClientAssertion.privateKeyJwt({ key: material, audience: "issuer" })
      const discovered = yield* sent(unnamed, { ...context, issuer: "https://found.test" })
      assert.strictEqual(jose.decodeJwt(discovered.jwt).aud, "https://found.test")
      const error = yield* Effect.flip(unnamed.check(context))
      assert.deepStrictEqual(error._tag === "InvalidConfiguration" && error.fields, ["authentication.issuer"])
    }))

  it.effect("W1 jti and times are new on every attempt", () =>
    Effect.gen(function*() {
      const { pem } = yield* key("ES256")
      const { endpoint: tokens, server } = yield* endpoint(ClientAssertion.privateKeyJwt({ key: Redacted.make(pem) }))
      yield* server.enqueue(Reply.status(503), Reply.status(503))
      const request = tokens.request(Grant.clientCredentials, TokenRequest.empty)
      yield* Effect.retry(Effect.tapError(request, () => TestClock.adjust("3 seconds")), { times: 3 })
      const claims = (yield* server.requests).map(({ form }) => jose.decodeJwt(form.client_assertion!))
      assert.strictEqual(new Set(claims.map(({ jti }) => jti)).size, 3)
      assert.deepStrictEqual(claims.map(({ exp }) => exp), [60, 63, 66])
    }))

  it.effect("SPEC C11 a key from an effect is read on every attempt, imported when it changed, and a change is seen", () =>
    Effect.gen(function*() {
      const first = yield* key("ES256")
      const second = yield* key("ES256", "second")
      const ref = yield* Ref.make<SigningKey.Material>(Redacted.make(first.pem))
      let reads = 0
      const authentication = ClientAssertion.privateKeyJwt({
        key: Effect.zipRight(Effect.sync(() => reads++), Ref.get(ref))
      })
      const before = yield* authentication.current
      const one = yield* sent(authentication)
      yield* sent(authentication)
      assert.strictEqual(reads, 3)
      yield* Effect.promise(() => jose.jwtVerify(one.jwt, first.publicKey, { currentDate: new Date(0) }))
      assert.isTrue(Equal.equals(before, yield* authentication.current))

      for (const material of [Redacted.make(second.jwk), second.privateKey]) {
        yield* Ref.set(ref, material)
        assert.isFalse(Equal.equals(before, yield* authentication.current))
        const two = yield* sent(authentication)
        yield* Effect.promise(() => jose.jwtVerify(two.jwt, second.publicKey, { currentDate: new Date(0) }))
        const { madeFrom } = yield* authentication.credentials(context)
        assert.isTrue(Equal.equals(Option.some(madeFrom), yield* authentication.current))
      }
    }))

  it.effect("a static key that cannot work is found when the endpoint is made", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        endpoint(ClientAssertion.privateKeyJwt({ key: Redacted.make("hunter2"), alg: "RS256" }))
      )
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.deepStrictEqual(error.fields, ["authentication.key"])
      assert.notInclude(renderings(error), "hunter2")
    }))

  it.effect("the error for an unusable key says what is wrong, and shows no part of the key", () =>
    Effect.gen(function*() {
      const rsa = yield* key("RS256")
      const ec = yield* key("ES256")
      const ed = yield* key("EdDSA")
      const short = yield* Effect.promise(() =>
        crypto.subtle.generateKey(
          {
            name: "RSASSA-PKCS1-v1_5",
            modulusLength: 1024,
            publicExponent: new Uint8Array([1, 0, 1]),
            hash: "SHA-256"
          },
          true,
          ["sign", "verify"]
        )
      )
      const shortPem = yield* Effect.promise(() => jose.exportPKCS8(short.privateKey))
      const spki = yield* Effect.promise(() => jose.exportSPKI(rsa.publicKey))
      const body = ec.pem.split("\n")[1]!
      const cases: ReadonlyArray<readonly [ClientAssertion.PrivateKeyJwtOptions, string, string]> = [
        [{ key: Redacted.make("") }, "key", "blank"],
        [{ key: Redacted.make(body) }, "key", "no PEM"],
        [{ key: Redacted.make(rsa.pem) }, "alg", "set alg, one of RS256"],
        [{ key: Redacted.make(rsa.pem), alg: "ES256" }, "alg", "ES256 does not sign with an RSA key"],
        [{ key: Redacted.make(ec.pem), alg: "RS256" }, "alg", "RS256 does not sign with an EC P-256 key: use ES256"],
        [{ key: Redacted.make(ec.pem), alg: "ES384" }, "alg", "use ES256"],
        [{ key: Redacted.make(ed.pem), alg: "ES256" }, "alg", "Ed25519"],
        [{ key: Redacted.make(ec.pem), alg: "HS256" as never }, "alg", "none of RS256"],
        [{ key: Redacted.make(ec.pem), alg: "none" as never }, "alg", "none of RS256"],
        [{ key: Redacted.make(ec.pem.slice(0, -60)) }, "key", "cut off"],
        [{ key: Redacted.make(ec.pem.replace(body, body.slice(0, 40))) }, "key", "cannot be read"],
        [{ key: Redacted.make(ec.pem.replaceAll("PRIVATE KEY", "EC PRIVATE KEY")) }, "key", "openssl pkcs8 -topk8"],
        [{ key: Redacted.make(rsa.pem.replaceAll("PRIVATE KEY", "RSA PRIVATE KEY")) }, "key", "openssl pkcs8 -topk8"],
        [{ key: Redacted.make(rsa.pem.replaceAll("PRIVATE", "ENCRYPTED PRIVATE")) }, "key", "encrypted"],
        [{ key: Redacted.make(spki), alg: "RS256" }, "key", "public"],
        [{ key: Redacted.make(shortPem), alg: "RS256" }, "key", "1024 bits"],
        [{ key: Redacted.make("{\"kty\"") }, "key", "no valid JSON"],
        [{ key: Redacted.make({ d: ec.jwk.d } as jose.JWK) }, "key", "no member kty"],
        [{ key: Redacted.make(ec.publicJwk) }, "key", "public key"],
        [{ key: Redacted.make({ kty: "oct", k: ec.jwk.d! }) }, "key", "clientSecretJwt"],
        [{ key: Redacted.make({ ...ec.jwk, use: "enc" }) }, "key", "not for signing"],
        [{ key: Redacted.make({ ...rsa.jwk, alg: "RSA-OAEP" }) }, "key", "algorithm other than"],
        [{ key: Redacted.make({ ...rsa.jwk, alg: "PS256" }), alg: "RS256" }, "alg", "for PS256, not for RS256"],
        [{ key: Redacted.make({ ...ec.jwk, crv: "secp256k1" }) }, "key", "not supported"],
        [{ key: Redacted.make({ ...ec.jwk, x: "AAAA" }) }, "key", "cannot be read"],
        [{ key: rsa.privateKey, alg: "RS512" }, "alg", "for RS256, not for RS512"],
        [{ key: rsa.publicKey }, "key", "public key"],
        [{ key: "plain text" as never }, "key", "neither"],
        [{ key: Redacted.make(ec.pem), expiresIn: 0 }, "expiresIn", "a second"],
        [{ key: Redacted.make(ec.pem), expiresIn: Infinity }, "expiresIn", "a second"],
        [{ key: Redacted.make(ec.pem), audience: " " }, "audience", "audience"],
        [{ key: Redacted.make(ec.pem), kid: "" }, "kid", "blank"],
        [{ key: Redacted.make(ec.pem), header: { alg: "none" } }, "header", "of their own"]
      ]
      for (const [options, field, text] of cases) {
        const error = yield* complaint(options)
        assert.deepStrictEqual(error.fields, [`authentication.${field}`], error.message)
        assert.include(error.message, text)
        for (const secret of [body, rsa.pem.split("\n")[2]!, ec.jwk.d!, rsa.jwk.d!, "plain text"]) {
          assert.notInclude(renderings(error), secret)
        }
      }
    }))

  it.effect("SPEC B8 if reading the key fails, the error shows nothing of that failure, unless it is an error of the library", () =>
    Effect.gen(function*() {
      for (const failure of [Effect.fail({ _tag: "VaultError", it: "k3y" }), Effect.fail("k3y"), Effect.die("k3y")]) {
        const error = yield* Effect.flip(sent(ClientAssertion.privateKeyJwt({ key: failure })))
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.notInclude(renderings(error), "k3y")
      }
      const missing = yield* sent(ClientAssertion.privateKeyJwt({ key: Config.redacted("CLIENT_KEY") })).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map())),
        Effect.flip
      )
      assert.include(missing.message, "CLIENT_KEY is not set")
      const down = new TokenError.TransportError({ endpoint: "vault", code: Option.none(), detail: "refused" })
      assert.strictEqual(yield* Effect.flip(sent(ClientAssertion.privateKeyJwt({ key: Effect.fail(down) }))), down)
    }))

  it.effect("no rendering of a value that was made with a key shows the key", () =>
    Effect.gen(function*() {
      const { jwk, pem } = yield* key("ES256")
      for (const material of Object.values(yield* forms("ES256"))) {
        const authentication = ClientAssertion.privateKeyJwt({ key: material })
        const { jwt } = yield* sent(authentication)
        const text = renderings(authentication) + renderings(yield* authentication.current) +
          renderings(yield* authentication.credentials(context))
        for (const secret of [pem.split("\n")[1]!, jwk.d!, jwt]) assert.notInclude(text, secret)
      }
    }))

  it.effect("the error for a refused assertion explains the refusal and does not show the assertion", () =>
    Effect.gen(function*() {
      const { pem } = yield* key("ES256")
      const authentication = ClientAssertion.privateKeyJwt({ key: Redacted.make(pem) })
      const { server } = yield* endpoint(authentication)
      const echoing = yield* AuthorizationServer.make({
        answer: ({ form }) => Reply.oauthError("invalid_client", { description: `bad ${form.client_assertion}` })
      })
      const error = yield* TokenEndpoint.make({ tokenEndpoint: server.tokenEndpoint, clientId: "svc", authentication })
        .pipe(
          Effect.provideService(HttpClient.HttpClient, echoing.client),
          Effect.flatMap((endpoint) => endpoint.request(Grant.clientCredentials, TokenRequest.empty)),
          Effect.flip
        )
      assert.include(error.message, "kid")
      const [request] = yield* echoing.requests
      assert.notInclude(renderings(error), request!.form.client_assertion!)
      assert.notInclude(renderings(error), request!.form.client_assertion!.split(".")[2]!)
    }))
})

describe("clientSecretJwt", () => {
  for (const alg of ["HS256", "HS384", "HS512"] as const) {
    it.effect(`${alg} with the secret, which is not sent`, () =>
      Effect.gen(function*() {
        const { form, jwt } = yield* sent(
          ClientAssertion.clientSecretJwt({ secret: Redacted.make(sharedSecret), alg, kid: "s1" })
        )
        const { payload, protectedHeader } = yield* Effect.promise(() =>
          jose.jwtVerify(jwt, new TextEncoder().encode(sharedSecret), { currentDate: new Date(0) })
        )
        assert.deepStrictEqual(protectedHeader, { alg, kid: "s1" })
        assert.strictEqual(payload.sub, "svc")
        assert.notInclude(Array.from(form.values()).join(), sharedSecret)
      }))
  }

  it.effect("a secret that is shorter than the hash is refused", () =>
    Effect.gen(function*() {
      for (const [alg, length] of [["HS256", 32], ["HS384", 48], ["HS512", 64]] as const) {
        const of = (length: number) =>
          ClientAssertion.clientSecretJwt({ secret: Redacted.make("ä".repeat(length / 2 - 1) + "bc"), alg })
        yield* of(length).check(context)
        const error = yield* Effect.flip(of(length - 2).check(context))
        assert.include(error.message, `at least ${length} bytes`)
        assert.notInclude(renderings(error), "ä")
      }
    }))

  it.effect("SPEC C11 reads the secret on every attempt, and a change is seen", () =>
    Effect.gen(function*() {
      const ref = yield* Ref.make(Redacted.make(sharedSecret))
      const authentication = ClientAssertion.clientSecretJwt({ secret: Ref.get(ref) })
      const before = yield* authentication.current
      const other = sharedSecret.replaceAll("0", "x")
      yield* Ref.set(ref, Redacted.make(other))
      assert.isFalse(Equal.equals(before, yield* authentication.current))
      const { jwt } = yield* sent(authentication)
      yield* Effect.promise(() => jose.jwtVerify(jwt, new TextEncoder().encode(other), { currentDate: new Date(0) }))
    }))

  it.effect("the error for an unusable secret does not show the secret", () =>
    Effect.gen(function*() {
      for (const secret of [Redacted.make(""), Redacted.make("   "), "hunter2" as never, Redacted.make("hunter2")]) {
        const error = yield* Effect.flip(ClientAssertion.clientSecretJwt({ secret }).check(context))
        assert.deepStrictEqual(error._tag === "InvalidConfiguration" && error.fields, ["authentication.secret"])
        assert.notInclude(renderings(error), "hunter2")
      }
      const authentication = ClientAssertion.clientSecretJwt({ secret: Redacted.make(sharedSecret) })
      assert.notInclude(
        renderings(authentication) + renderings(yield* authentication.credentials(context)),
        sharedSecret
      )
      const alg = yield* Effect.flip(
        ClientAssertion.clientSecretJwt({ secret: Redacted.make(sharedSecret), alg: "RS256" as never }).check(context)
      )
      assert.include(alg.message, "HS256")
    }))
})
